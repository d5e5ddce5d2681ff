"""Drafts that nobody goes on with: given up after a while, their files deleted, and no launch ever lost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from portal import clock, db, jobs
from portal.audit.models import AuditRow
from portal.audit.rules import Action, Via
from portal.errors import Conflict, NotFound
from portal.gateways import files
from portal.invites.models import InvitationImport, InvitationImportRow
from portal.invites.service import imports
from portal.invites.service.invitations import Person
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Role, Status
from portal.orgs.rules.images import Slot, picture_from
from portal.setup import queries, service
from portal.setup.models import SetupProgress, StagedInvitee
from tests.support import world
from tests.support.bucket import BUCKET, serving_s3
from tests.support.together import at_once

BEGUN = datetime(2026, 11, 20, 9, tzinfo=UTC)
NEXT_MORNING = BEGUN + timedelta(hours=18)
A_DAY_LATER = BEGUN + timedelta(hours=25)


@pytest.fixture(scope="module")
def s3():
    with serving_s3() as address:
        yield address


@pytest.fixture
def in_bucket(s3, monkeypatch):
    """Files are in S3 instead of a folder."""
    monkeypatch.setattr(files, "_files", [])
    files.connect(f"s3://{BUCKET}/portal", endpoint_url=s3)


@pytest.fixture
def owner(rung, app):
    with app.app_context():
        yield world.make_user("owner@acme.test")


@pytest.fixture
def draft(owner):
    """A draft with a logo, somebody staged and an uploaded file, last touched at BEGUN."""
    with clock.as_of(BEGUN):
        made = world.make_draft(owner)
        with db.unit_of_work():
            picture = picture_from(world.picture(), file_name="logo.png", slot=Slot.LOGO)
            service.save_picture(picture, draft=made, slot=Slot.LOGO, actor=world.as_self(owner))
        with db.unit_of_work():
            service.stage([Person("asha@acme.test", None, Role.ORG_LEARNER)], draft=made)
            around = service.around(made, creator=owner)
            upload = imports.Upload("hr.csv", b"Email\nesha@acme.test\n")
            imports.stage(upload, default_role=Role.ORG_LEARNER, around=around, creator=owner)
    return made


def clean(at: datetime) -> dict:
    return jobs.run("setup-clean-stale-drafts", as_of=at.isoformat())


def logo_of(draft) -> bytes | None:
    return files.store().read(f"organizations/{draft.id}/{draft.logo_file}")


def now_of(draft) -> Organization:
    db.session.rollback()
    return db.session.get_one(Organization, draft.id, populate_existing=True)


def test_a_draft_that_was_touched_within_a_day_stays(draft):
    assert clean(NEXT_MORNING)["abandoned"] == 0
    assert now_of(draft).status is Status.DRAFT
    assert logo_of(draft) is not None


def test_an_idle_draft_is_given_up_with_everything_that_was_staged_in_it(draft, owner):
    summary = clean(A_DAY_LATER)
    assert (summary["abandoned"], summary["cleaned"], summary["failed"], summary["done"]) == (1, 1, [], True)
    after = now_of(draft)
    assert after.status is Status.DEACTIVATED
    assert logo_of(after) is None
    for table in (StagedInvitee, InvitationImport, InvitationImportRow):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0
    row = db.session.scalars(select(AuditRow).where(AuditRow.action == Action.ORG_DEACTIVATED)).one()
    assert (row.via, row.organization_id, row.after) == (Via.SYSTEM, draft.id, {"status": "DEACTIVATED"})
    assert queries.drafts_of(owner.id) == []


def test_its_address_is_free_again(draft, owner):
    clean(A_DAY_LATER)
    assert world.make_draft(owner).slug == "acme"


def test_saving_a_step_keeps_a_draft_alive(draft):
    with clock.as_of(NEXT_MORNING), db.unit_of_work():
        service.stage([Person("dev@acme.test", None, Role.ORG_LEARNER)], draft=draft)
    assert clean(A_DAY_LATER)["abandoned"] == 0


def test_run_twice_the_second_finds_nothing(draft):
    clean(A_DAY_LATER)
    again = clean(A_DAY_LATER)
    assert (again["abandoned"], again["cleaned"]) == (0, 0)
    rows = db.session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.action == Action.ORG_DEACTIVATED))
    assert rows == 1


def test_killed_between_the_status_and_the_files_the_next_run_finishes(draft, monkeypatch):
    class Killed(BaseException):
        """What no handler catches, as a kill."""

    def killed(_prefix):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(files.store(), "delete_all", killed, raising=False)
        with pytest.raises(Killed):
            clean(A_DAY_LATER)
    assert now_of(draft).status is Status.DEACTIVATED, "the status was committed before the first file was touched"
    assert logo_of(draft) is not None
    assert clean(A_DAY_LATER)["cleaned"] == 1
    assert logo_of(draft) is None


def test_a_store_that_fails_is_named_and_tried_again_the_next_day(draft, monkeypatch):
    def full(_prefix):
        raise OSError(5, "the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(files.store(), "delete_all", full, raising=False)
        summary = clean(A_DAY_LATER)
    assert (summary["done"], summary["cleaned"], summary["failed"][0]["organizationId"]) == (False, 0, draft.id)
    assert db.session.get_one(SetupProgress, draft.id).cleaned_at is None
    assert clean(A_DAY_LATER + timedelta(days=1))["cleaned"] == 1


def test_a_launched_organization_is_never_touched(draft, owner):
    with clock.as_of(BEGUN), db.unit_of_work():
        service.launch(draft, owner=owner, actor=world.as_self(owner))
    assert clean(A_DAY_LATER)["abandoned"] == 0
    assert now_of(draft).status is Status.ACTIVE
    assert logo_of(draft) is not None


def test_a_launch_at_the_same_moment_wins_or_finds_the_draft_given_up(app, owner):
    for number in range(6):
        with clock.as_of(BEGUN):
            draft = world.make_draft(owner, name=f"Acme {number}")

        def launch(draft=draft):
            with db.unit_of_work():
                return service.launch(draft, owner=owner, actor=world.as_self(owner))

        def clear():
            with clock.as_of(A_DAY_LATER), db.unit_of_work():
                return service.clean_stale_drafts()["abandoned"]

        answers, refusals = at_once(app, [launch, clear, launch, clear])
        status = now_of(draft).status
        launches = [answer for answer in answers if answer is True]
        members = db.session.scalar(select(func.count()).select_from(Membership).where(Membership.organization_id == draft.id))
        if status is Status.ACTIVE:
            assert (len(launches), members, refusals) == (1, 1, [])
        else:
            assert (status, launches, members) == (Status.DEACTIVATED, [], 0)
            assert all(isinstance(refusal, NotFound) for refusal in refusals)


def test_a_draft_that_somebody_is_saving_is_passed_over(app, draft):
    with db.unit_of_work():
        service._locked(draft)
        answers, refusals = at_once(app, [lambda: clean(A_DAY_LATER)["abandoned"]])
    assert (answers, refusals) == ([0], [])


def test_giving_a_setup_up_by_hand_does_the_same_at_once(draft, owner, rung):
    with db.unit_of_work():
        service.discard(draft, actor=world.as_self(owner))
    assert now_of(draft).status is Status.DEACTIVATED
    assert [bell.name for bell in rung] == ["setup-clean-stale-drafts"]
    world.work_off(rung)
    assert logo_of(draft) is None
    with pytest.raises(NotFound, match="given up"), db.unit_of_work():
        service.launch(draft, owner=owner, actor=world.as_self(owner))


def test_a_launched_organization_cannot_be_given_up(owner):
    organization = world.make_organization(owner)
    with pytest.raises(Conflict), db.unit_of_work():
        service.discard(organization, actor=world.as_self(owner))
    assert now_of(organization).status is Status.ACTIVE


def test_nothing_of_a_given_up_draft_is_left_on_the_disk(draft, settings):
    folder = Path(settings.files_location.removeprefix("file://")) / "organizations" / draft.id
    assert list(folder.iterdir())
    clean(A_DAY_LATER)
    assert not folder.exists()


def test_in_s3_too_the_files_of_a_given_up_draft_go_and_its_neighbours_stay(in_bucket, draft, owner):
    with clock.as_of(NEXT_MORNING):
        neighbour = world.make_draft(owner, name="Other")
        with db.unit_of_work():
            picture = picture_from(world.picture(), file_name="logo.png", slot=Slot.LOGO)
            service.save_picture(picture, draft=neighbour, slot=Slot.LOGO, actor=world.as_self(owner))
    assert logo_of(draft) is not None
    summary = clean(A_DAY_LATER)
    assert (summary["abandoned"], summary["cleaned"]) == (1, 1)
    assert logo_of(draft) is None
    assert logo_of(neighbour) is not None
    assert clean(A_DAY_LATER)["cleaned"] == 0


def test_killed_between_the_status_and_the_files_in_s3_the_next_run_finishes(in_bucket, draft, monkeypatch):
    def away(_prefix):
        raise OSError(5, "S3 is away")

    with monkeypatch.context() as patched:
        patched.setattr(files.store(), "delete_all", away, raising=False)
        assert clean(A_DAY_LATER)["done"] is False
    assert (now_of(draft).status, logo_of(draft) is not None) == (Status.DEACTIVATED, True)
    assert clean(A_DAY_LATER)["cleaned"] == 1
    assert logo_of(draft) is None
