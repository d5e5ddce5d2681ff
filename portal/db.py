"""The database: the typed Base, the session, and the only place that commits.

A request commits once, when its status is below 400 (``finish_request``); a job or command runs inside ``unit_of_work()``;
everyone else at most flushes.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from http import HTTPStatus
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import structlog
import uuid_utils
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as BoundSession
from sqlalchemy import BigInteger, DateTime, Engine, MetaData, TableValuedAlias, Text, Uuid, column, event, func, literal, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry, scoped_session

from portal.errors import DomainError

log = structlog.get_logger()

Json = dict[str, Any]
Item = TypeVar("Item")
AWAY = (OperationalError, InterfaceError, PendingRollbackError)
"""How SQLAlchemy says that the connection is gone: at once, at the next use, and when the transaction that it broke goes on."""

COPIED_AT_ONCE = 2_000


class Base(DeclarativeBase):
    """What every table inherits: names for constraints, and our types for Python's."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={
            datetime: DateTime(timezone=True),
            int: BigInteger(),  # money is paise, and paise outgrow 32 bits
            str: Text(),
            Json: JSONB(),
        },
    )


def new_id() -> str:
    """A new row id (UUIDv7, RFC 9562)."""
    return str(uuid_utils.uuid7())


class Identified:
    """A row with an id: a UUIDv7 string, so that ids sort by the time they were made."""

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)


def is_id(value: str | None) -> bool:
    """Whether a text from outside is a UUID at all, so that it may be compared with ids."""
    try:
        return value is not None and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def containing(words: str) -> str:
    """The pattern of ``ILIKE`` for texts that hold these words, whatever characters they have."""
    return "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


@cache
def _reading(engine: Engine) -> Engine:
    """The engine with read-only transactions: always the same one, for a session keeps a connection for each engine it is given."""
    return engine.execution_options(postgresql_readonly=True)


class _Session(BoundSession):
    """Reads of a GET go through a connection that can't write: PostgreSQL itself refuses."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:  # noqa: ANN401 - SQLAlchemy's own signature
        engine = super().get_bind(*args, **kwargs)
        return _reading(engine) if self.info.get("read_only") and isinstance(engine, Engine) else engine


database = SQLAlchemy(
    model_class=Base,
    add_models_to_shell=False,
    session_options={"class_": _Session, "expire_on_commit": False},
    engine_options={"pool_pre_ping": True, "pool_size": 8, "max_overflow": 8, "pool_timeout": 10, "hide_parameters": True},
)
session: scoped_session[BoundSession] = database.session
_migrate = Migrate(compare_type=True)


def init_app(app: Flask, *, database_url: str) -> None:
    """Connects the app with its database (no connection is opened yet)."""
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    database.init_app(app)
    _migrate.init_app(app, database, directory=str(app.config["MIGRATIONS"]))


def after_fork() -> None:
    """Forgets the parent's connections in a forked child, without closing them for the parent."""
    database.engine.dispose(close=False)


def on_commit(act: Callable[[Sequence[Item]], None], item: Item) -> None:
    """Has ``act`` called once, with all its items, after the present transaction has been committed; never when it is rolled back."""
    session().info.setdefault("on_commit", []).append((act, item))


@contextmanager
def savepoint() -> Iterator[None]:
    """A part of the present transaction that is taken back alone when anything is raised; acts held for the commit too."""
    held = list(session().info.get("on_commit", []))
    try:
        with session.begin_nested():
            yield
    except BaseException:
        session().info["on_commit"] = held
        raise


def read_only() -> None:
    """From here on the session of this request can't write (a GET writes nothing)."""
    session().info["read_only"] = True


def finish_request(status: int) -> None:
    """Ends a request's transaction: below 400 it is committed, otherwise rolled back."""
    if status < HTTPStatus.BAD_REQUEST:
        _commit()
    else:
        _roll_back()


@contextmanager
def unit_of_work() -> Iterator[None]:
    """One transaction of a job or a command: committed at the end, rolled back when anything is raised."""
    try:
        yield
        _commit()
    except BaseException:
        _roll_back()
        raise


@contextmanager
def outside() -> Iterator[None]:
    """Commits what was written, calls the outside world with no transaction open, and goes on in a second one."""
    _commit()
    yield
    if session().in_transaction():
        raise RuntimeError("The outside world was called together with the database: move the query out of outside().")


def write_down(act: Callable[[], None], *, patience: float = 120) -> None:
    """Does and commits what has happened outside already: again and again while the database is away, for it must not be forgotten.

    Args:
        act: What is written; it may be called several times.
        patience: For so many seconds.

    Raises:
        OperationalError: The database was away for longer.
    """
    end = time.monotonic() + patience
    while True:
        try:
            act()
            _commit()
        except AWAY:
            _roll_back()
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
        else:
            return


def checkpoint() -> None:
    """Commits one batch of a long job; what follows begins a new transaction."""
    _commit()


def is_writing() -> bool:
    """Whether a transaction is open that has written, so that no gateway may be called now."""
    return bool(session().info.get("wrote"))


@contextmanager
def apart() -> Iterator[Session]:
    """A session and a connection of its own, committed at the end: for what isn't part of the present transaction at all."""
    with Session(database.engine, expire_on_commit=False) as own, own.begin():
        yield own


def record_apart(row: Base) -> None:
    """Writes a row in a transaction of its own, so that it survives the refusal of the present one."""
    with apart() as own:
        own.add(row)


def recordset(rows: Sequence[Mapping[str, Any]], *columns: str) -> TableValuedAlias:
    """Rows as a table of texts named ``new``: one parameter, so that the statement's text is the same for one row and for 100 000."""
    sent = literal(json.dumps(rows), Text).cast(JSONB)
    return func.jsonb_to_recordset(sent).table_valued(*(column(name, Text) for name in columns), name="new").render_derived(with_types=True)


def copy_into(model: type[Base], columns: Sequence[str], rows: Iterable[Sequence[str]], *, same: Mapping[str, str] | None = None) -> None:
    """Inserts many rows as one COPY, in the present transaction; defaults of the model don't apply.

    Rows are made while PostgreSQL takes those before. An empty text is NULL where the column may be NULL.

    Args:
        model: The table.
        columns: Of ``rows``, in their order.
        rows: Values as PostgreSQL reads them; asked for a few thousand at a time.
        same: Columns that have one value in all rows, by plain texts without commas or quotes such as ids.
    """
    session.flush()
    session().info["wrote"] = True
    names = [*columns, *(same or {})]
    nullable = ", ".join(f'"{name}"' for name in names if model.__table__.c[name].nullable)
    nulls = f", FORCE_NULL ({nullable})" if nullable else ""
    quoted = ", ".join(f'"{name}"' for name in names)
    statement = f'COPY "{model.__tablename__}" ({quoted}) FROM STDIN (FORMAT csv{nulls})'
    tail = "".join(f",{value}" for value in (same or {}).values())
    connection: Any = session.connection().connection.driver_connection
    left = iter(rows)
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            while chunk := list(islice(left, COPIED_AT_ONCE)):
                copy.write(_as_csv(chunk, tail=tail))
    except psycopg.Error as error:  # as SQLAlchemy would have said it, had it sent the statement
        raise DBAPIError.instance("COPY", None, error, psycopg.Error, hide_parameters=True, dialect=database.engine.dialect) from error


def _as_csv(rows: Sequence[Sequence[str]], *, tail: str) -> str:
    """CSV with each cell in quotes and a tail on each row. ``csv.writer`` takes three times as long: it looks at every letter."""
    cell_ends, row_ends = '","', f'"{tail}\n'
    text_of = '"' + f'{row_ends}"'.join(map(cell_ends.join, rows)) + row_ends
    if text_of.count('"') == 2 * sum(map(len, rows)):
        return text_of
    doubled = [[cell.replace('"', '""') for cell in row] for row in rows]  # a cell has a quotation mark of its own
    return '"' + f'{row_ends}"'.join(map(cell_ends.join, doubled)) + row_ends


def locked_by_name(name: str) -> None:
    """Waits for the advisory lock ``name`` and holds it until the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def abandon() -> None:
    """Gives up what the present transaction wrote, because the act was refused; reads go on in a new one."""
    _roll_back()


@contextmanager
def refused_by(refusals: Mapping[str, DomainError]) -> Iterator[None]:
    """Flushes at its end; when one of the named constraints refuses, raises the error that explains it.

    The database decides who was first: the constraint is the check, this only words it.
    """
    try:
        yield
        session.flush()
    except IntegrityError as error:
        diagnostics = getattr(error.orig, "diag", None)
        refusal = refusals.get(getattr(diagnostics, "constraint_name", None) or "")
        if refusal is None:
            raise
        raise refusal from None


def is_reachable() -> bool:
    """Whether the database answers now."""
    try:
        with database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except OperationalError:
        return False
    return True


def is_migrated() -> bool:
    """Whether the database is at the newest migration of this version."""
    directory = ScriptDirectory(current_app.config["MIGRATIONS"])
    return set(MigrationContext.configure(session.connection()).get_current_heads()) == set(directory.get_heads())


def _roll_back() -> None:
    """A connection that is gone needs no rollback, and what it says to one is thrown away with it."""
    try:
        session.rollback()
    except AWAY:
        session().invalidate()


def _commit() -> None:
    session.commit()
    items: dict[Callable[[Sequence[Any]], None], list[Any]] = {}
    for act, item in session().info.pop("on_commit", []):
        items.setdefault(act, []).append(item)
    for act, all_of_it in items.items():
        act(all_of_it)


@event.listens_for(Session, "after_flush")
def _note_write(writer: Session, _context: object) -> None:
    writer.info["wrote"] = True


@event.listens_for(Session, "do_orm_execute")
def _note_statement(execution: Any) -> None:  # noqa: ANN401 - SQLAlchemy's ORMExecuteState
    if execution.is_insert or execution.is_update or execution.is_delete:
        execution.session.info["wrote"] = True


@event.listens_for(Session, "after_transaction_end")
def _forget_write(writer: Session, transaction: Any) -> None:  # noqa: ANN401 - SQLAlchemy's SessionTransaction
    if transaction.parent is None:
        writer.info.pop("wrote", None)


@event.listens_for(Session, "after_rollback")
def _forget_acts(writer: Session) -> None:
    writer.info.pop("on_commit", None)
