"""Alembic's surroundings: the app's own engine and tables. One migration at a time, by advisory lock."""

from alembic import context
from flask import current_app
from sqlalchemy import text

database = current_app.extensions["migrate"].db


def run() -> None:
    """Applies what is missing, in one transaction a migration."""
    with database.engine.connect() as connection:
        connection.detach()  # it is closed at the end, and the lock with it: one that went back to the pool would keep it
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended('portal-migrations', 0))"))
        connection.commit()
        context.configure(connection=connection, target_metadata=database.metadata, compare_type=True, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


run()
