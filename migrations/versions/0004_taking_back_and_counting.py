"""Invitations that were taken back can be put back; rows of a file are quicker to write, and counted once.

Revision ID: 0004
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("invitations", sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_invitations_revoked", "invitations", ["organization_id", "revoked_at"], postgresql_where=sa.text("status = 'REVOKED'")
    )
    for name, empty in (("counts", "{}"), ("samples", "[]")):
        op.add_column("invitation_imports", sa.Column(name, postgresql.JSONB(), nullable=False, server_default=empty))
        op.alter_column("invitation_imports", name, server_default=None)
    op.execute(
        """
        UPDATE invitation_imports SET counts = found.counts
        FROM (
            SELECT import_id, jsonb_object_agg(verdict, number) AS counts
            FROM (SELECT import_id, verdict, count(*) AS number FROM invitation_import_rows WHERE NOT is_dropped GROUP BY 1, 2) AS counted
            GROUP BY import_id
        ) AS found
        WHERE found.import_id = invitation_imports.id
        """
    )
    op.execute("ALTER TABLE invitation_imports ALTER COLUMN content SET STORAGE EXTERNAL")  # kept for a month: not worth compressing
    for name in ("is_dropped", "is_mended"):
        op.alter_column("invitation_import_rows", name, server_default=sa.false())
    op.drop_constraint("fk_invitation_import_rows_import_id_invitation_imports", "invitation_import_rows", type_="foreignkey")
    op.drop_index("ix_invitation_import_rows_import_id_verdict", table_name="invitation_import_rows")
    op.create_index(
        "ix_invitation_import_rows_not_new",
        "invitation_import_rows",
        ["import_id", "verdict", "line"],
        postgresql_where=sa.text("verdict <> 'NEW'"),
    )


def downgrade() -> None:
    op.drop_index("ix_invitation_import_rows_not_new", table_name="invitation_import_rows")
    op.create_index("ix_invitation_import_rows_import_id_verdict", "invitation_import_rows", ["import_id", "verdict", "line"])
    op.create_foreign_key(
        "fk_invitation_import_rows_import_id_invitation_imports", "invitation_import_rows", "invitation_imports", ["import_id"], ["id"]
    )
    for name in ("is_dropped", "is_mended"):
        op.alter_column("invitation_import_rows", name, server_default=None)
    op.execute("ALTER TABLE invitation_imports ALTER COLUMN content SET STORAGE EXTENDED")
    op.drop_column("invitation_imports", "samples")
    op.drop_column("invitation_imports", "counts")
    op.drop_index("ix_invitations_revoked", table_name="invitations")
    op.drop_column("invitations", "revoked_at")
