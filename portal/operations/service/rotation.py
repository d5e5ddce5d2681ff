"""New keys for what is stored encrypted: everything is read with the old ones and written with the first of DATA_ENCRYPTION_KEYS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, inspect, literal, select, tuple_

from portal import crypto, db

BATCH = 500


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A column that ``crypto.encrypt`` writes.

    Attributes:
        column: Of a model; empty rows are left alone.
        about: What the value is bound to, as the feature that writes it says.
    """

    column: Any
    about: Callable[[Any], str]

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.column.class_.__tablename__}.{self.column.key}"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of a column: rows written anew, and the keys of rows that couldn't be read."""

    name: str
    rewritten: int
    unreadable: list[str]


def keys_in_use(columns: Sequence[Encrypted]) -> dict[str, dict[str, int]]:
    """Column → id of a key → how many rows it encrypts. A key that stands nowhere can be taken out of DATA_ENCRYPTION_KEYS."""
    found = {}
    for each in columns:
        key_id = func.split_part(each.column, ".", 1)
        rows = db.session.execute(select(key_id, func.count()).where(each.column.is_not(None)).group_by(key_id).order_by(key_id))
        found[each.name] = {str(row[0]): int(row[1]) for row in rows}
    return found


def unreadable(columns: Sequence[Encrypted]) -> dict[str, list[str]]:
    """Column → the keys of rows that can't be read with the present keys; columns without any are left out."""
    found = {}
    for each in columns:
        statement = select(each.column.class_).where(each.column.is_not(None)).execution_options(yield_per=BATCH)
        if bad := [_key(row) for row in db.session.scalars(statement) if _plain(each, row) is None]:
            found[each.name] = bad
    return found


def rotate(columns: Sequence[Encrypted]) -> list[Rotated]:
    """Writes anew what an older key encrypts, a batch a transaction: stopped in the middle, it goes on when it is called again."""
    return [_rotate(each) for each in columns]


def _rotate(each: Encrypted) -> Rotated:
    model, keys = each.column.class_, tuple(each.column.class_.__table__.primary_key.columns)
    rewritten, bad, after = 0, list[str](), None
    while rows := db.session.scalars(_older(each, model, keys, after=after)).all():
        for row in rows:
            plain = _plain(each, row)
            if plain is None:
                bad.append(_key(row))
                continue
            setattr(row, each.column.key, crypto.encrypt(plain, about=each.about(row)))
            rewritten += 1
        after = tuple(getattr(rows[-1], column.key) for column in keys)
        db.checkpoint()
        db.session.expunge_all()
    return Rotated(each.name, rewritten, bad)


def _plain(each: Encrypted, row: Any) -> bytes | None:  # noqa: ANN401 - any table's row
    """What a row holds encrypted, or None when it can't be read."""
    try:
        return crypto.decrypt(getattr(row, each.column.key), about=each.about(row))
    except crypto.Undecipherable:
        return None


def _key(row: Any) -> str:  # noqa: ANN401 - any table's row
    return "/".join(str(part) for part in inspect(row).identity)


def _older(each: Encrypted, model: Any, keys: tuple[Any, ...], *, after: tuple[Any, ...] | None) -> Any:  # noqa: ANN401 - any table
    """A batch of rows that another key encrypts, locked, in the order of their keys."""
    is_older: ColumnElement[bool] = ~each.column.startswith(f"{crypto.first_key_id()}.", autoescape=True)
    statement = select(model).where(each.column.is_not(None), is_older).order_by(*keys).limit(BATCH).with_for_update()
    if after is None:
        return statement
    last = tuple_(*(literal(part, column.type) for part, column in zip(after, keys, strict=True)))
    return statement.where(tuple_(*keys) > last)
