"""``Idempotency-Key``: a call that is tried again gets its first answer and does nothing a second time.

The key is written in the transaction of the act, so that both are kept or lost together; a second call at the same moment waits
for the first one's commit. After the draft of the IETF's httpapi group, "The Idempotency-Key HTTP Header Field".
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, g, make_response, request
from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, crypto, db
from portal.errors import Conflict, Invalid
from portal.web.gates import require_user
from portal.web.models import IdempotentAnswer

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)
LONGEST = 200

View = TypeVar("View", bound=Callable[..., Any])


def idempotent(view: View) -> View:
    """Marks a route that honours the header. It stands below the gate, because keys are each caller's own.

    Raises:
        Invalid: ``IDEMPOTENCY_KEY_INVALID``.
        Conflict: ``IDEMPOTENCY_KEY_REUSED``: the key came with another call before; ``IDEMPOTENCY_IN_PROGRESS``: its first call
            isn't over.
    """

    @wraps(view)
    def answered(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the view
        key = request.headers.get(HEADER)
        if key is None:
            return view(*args, **kwargs)
        if not 1 <= len(key) <= LONGEST or not key.isascii() or not key.isprintable():
            sentence = f"An {HEADER} has 1 to {LONGEST} visible ASCII characters. Nothing was changed."
            raise Invalid(sentence, code="IDEMPOTENCY_KEY_INVALID")
        row, is_first = _claimed(key)
        if not is_first:
            return _first_answer(row)
        g.idempotent_answer = row
        response = make_response(view(*args, **kwargs))
        _keep(row, response)
        return response

    answered.is_idempotent = True  # type: ignore[attr-defined] # the mark that the OpenAPI document reads
    return answered  # type: ignore[return-value] # wraps() keeps the view's own shape


def answer_so_far(response: Response) -> None:
    """Keeps an answer before the outside world is called: whoever asks again after a crash gets this one."""
    row: IdempotentAnswer | None = g.get("idempotent_answer")
    if row is not None:
        _keep(row, response)


def forget_old_answers() -> int:
    """Deletes answers that are older than a day; returns how many."""
    old = delete(IdempotentAnswer).where(IdempotentAnswer.created_at < clock.now() - KEPT_FOR).returning(IdempotentAnswer.key)
    return len(db.session.execute(old, execution_options={"synchronize_session": False}).all())


def _claimed(key: str) -> tuple[IdempotentAnswer, bool]:
    caller_id, at = require_user().id, clock.now()
    body = request.get_data(cache=True)
    fingerprint = hashlib.sha256(b"\0".join([request.method.encode(), request.full_path.encode(), body])).hexdigest()
    mine = (IdempotentAnswer.caller_id == caller_id, IdempotentAnswer.key == key)
    db.session.execute(delete(IdempotentAnswer).where(*mine, IdempotentAnswer.created_at < at - KEPT_FOR))
    values = {"caller_id": caller_id, "key": key, "fingerprint": fingerprint, "created_at": at}
    statement = upsert(IdempotentAnswer).values(values).on_conflict_do_nothing().returning(IdempotentAnswer.key)
    is_first = db.session.execute(statement).one_or_none() is not None
    row = db.session.get_one(IdempotentAnswer, (caller_id, key), populate_existing=True)
    if row.fingerprint != fingerprint:
        sentence = f"This {HEADER} was used for another call. Nothing was changed; take a new key for a new call."
        raise Conflict(sentence, code="IDEMPOTENCY_KEY_REUSED")
    return row, is_first


def _first_answer(row: IdempotentAnswer) -> Response:
    if row.status is None or row.answer is None:
        sentence = "The first call with this key isn't over. Wait a moment and ask again with the same key."
        raise Conflict(sentence, code="IDEMPOTENCY_IN_PROGRESS")
    content = crypto.decrypt(row.answer, about=about(row))
    return Response(content, status=row.status, content_type="application/json", headers={"Idempotency-Replayed": "true"})


def _keep(row: IdempotentAnswer, response: Response) -> None:
    """Harmless when the row is gone by now: the act is done, and its caller gets the answer all the same."""
    if response.status_code < HTTPStatus.BAD_REQUEST:
        kept = {"status": response.status_code, "answer": crypto.encrypt(response.get_data(), about=about(row))}
        mine = (IdempotentAnswer.caller_id == row.caller_id, IdempotentAnswer.key == row.key)
        db.session.execute(update(IdempotentAnswer).where(*mine).values(kept), execution_options={"synchronize_session": False})


def about(row: IdempotentAnswer) -> str:
    """What a kept answer is encrypted about: its caller and key."""
    return f"idempotent answer {row.caller_id} {row.key}"
