"""The tests' database."""

from sqlalchemy import text

from portal import db, queue


def empty(app) -> None:
    """Sweeps every table, and Redis."""
    with app.app_context(), db.database.engine.begin() as connection:
        names = ", ".join(table.name for table in db.Base.metadata.sorted_tables)
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"TRUNCATE {names}"))
    queue.connection().flushall()
