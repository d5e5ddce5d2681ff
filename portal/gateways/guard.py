"""No call to the outside world inside a transaction that has written."""

from portal import db


def refuse_inside_transaction() -> None:
    """Stops a gateway that is called before the commit of what it depends on.

    Raises:
        RuntimeError: The present transaction has written; ring a job instead, or use ``db.outside()``.
    """
    if db.is_writing():
        raise RuntimeError("A gateway was called inside an open write: enqueue a job, or wrap the call in db.outside().")
