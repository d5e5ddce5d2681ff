"""New keys: whatever the old one encrypts is written anew, batch by batch, and stopping in the middle loses nothing."""

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from portal import clock, crypto, db
from portal.encrypted import ENCRYPTED
from portal.operations import service
from portal.operations.service import rotation
from portal.web import idempotency
from portal.web.models import IdempotentAnswer

OLD, NEW = "k1:" + "ab" * 32, "k2:" + "cd" * 32
NOT_ENCRYPTED = {"password_hash", "token_hash", "content_hash"}


@pytest.fixture
def answers(tables, app, settings):
    """Five answers, encrypted by the old key; one row has none yet."""
    crypto.use_keys(OLD)
    with app.app_context():
        with db.unit_of_work():
            for number in range(5):
                row = IdempotentAnswer(caller_id=db.new_id(), key=f"key {number}", fingerprint="x", status=201, created_at=clock.now())
                row.answer = crypto.encrypt(b"answer %d" % number, about=idempotency.about(row))
                db.session.add(row)
            db.session.add(IdempotentAnswer(caller_id=db.new_id(), key="open", fingerprint="x", created_at=clock.now()))
        yield app
    crypto.use_keys(settings.data_encryption_keys)


def read() -> list[bytes]:
    db.session.expire_all()
    rows = db.session.scalars(select(IdempotentAnswer).where(IdempotentAnswer.answer.is_not(None)).order_by(IdempotentAnswer.key))
    return [crypto.decrypt(row.answer, about=idempotency.about(row)) for row in rows]


def in_use() -> dict[str, int]:
    return service.keys_in_use(ENCRYPTED)["idempotent_answers.answer"]


def test_everything_is_written_anew_with_the_first_key_and_the_old_one_can_go(answers, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 2)
    crypto.use_keys(f"{NEW},{OLD}")
    assert in_use() == {"k1": 5}
    done = CliRunner().invoke(answers.cli, ["keys", "rotate"])
    assert done.exit_code == 0
    assert "idempotent_answers.answer: 5 written anew, 0 can't be read.\n" in done.output
    listed = CliRunner().invoke(answers.cli, ["keys", "list"])
    assert "idempotent_answers.answer: 5 by k2\n" in listed.output
    crypto.use_keys(NEW)
    assert read() == [b"answer %d" % number for number in range(5)]
    assert service.rotate(ENCRYPTED)[0].rewritten == 0


def test_a_rotation_that_is_stopped_goes_on_where_it_was(answers, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 2)
    crypto.use_keys(f"{NEW},{OLD}")
    checkpoint, batches = db.checkpoint, iter([1])

    def stopping():
        checkpoint()
        if next(batches, None) is None:
            raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(db, "checkpoint", stopping)
        with pytest.raises(KeyboardInterrupt):
            service.rotate(ENCRYPTED)
    db.abandon()
    assert in_use() == {"k1": 1, "k2": 4}
    assert read() == [b"answer %d" % number for number in range(5)]
    assert service.rotate(ENCRYPTED)[0].rewritten == 1
    crypto.use_keys(NEW)
    assert len(read()) == 5


def test_what_cannot_be_read_is_named_and_left_as_it_is(answers):
    crypto.use_keys(NEW)
    done = CliRunner().invoke(answers.cli, ["keys", "rotate"])
    assert done.exit_code == 1
    assert "0 written anew, 5 can't be read." in done.output
    verified = CliRunner().invoke(answers.cli, ["backup", "verify"])
    assert (verified.exit_code, "5 rows can't be read with DATA_ENCRYPTION_KEYS" in verified.output) == (1, True)
    crypto.use_keys(OLD)
    assert read() == [b"answer %d" % number for number in range(5)]


def test_every_column_whose_name_says_that_it_is_encrypted_is_in_the_table():
    known = {each.name for each in ENCRYPTED}
    named = {
        f"{table.name}.{column.name}"
        for table in db.Base.metadata.sorted_tables
        for column in table.columns
        if column.name.startswith("encrypted_") or column.name.endswith(("_encrypted", "_ciphertext", "_sealed"))
    }
    assert named <= known
    assert known == {f"{each.column.class_.__tablename__}.{each.column.key}" for each in ENCRYPTED}
