"""Decisions about uploaded files: how they are read, what roles mean, rows that were mended or left out.

Revision ID: 0003
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for table, name, kind, value in (
        ("invitation_imports", "choices", postgresql.JSONB(), "{}"),
        ("invitation_imports", "fingerprint", sa.Text(), ""),
        ("invitation_import_rows", "role_text", sa.Text(), ""),
        ("invitation_import_rows", "is_dropped", sa.Boolean(), "false"),
        ("invitation_import_rows", "is_mended", sa.Boolean(), "false"),
    ):
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=value))
        op.alter_column(table, name, server_default=None)
    op.drop_column("invitation_import_rows", "invitation_id")
    op.create_index("ix_invitations_import_id", "invitations", ["import_id"], unique=False)
    op.create_table(
        "import_mappings",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_import_mappings_organization_id_organizations")),
        sa.PrimaryKeyConstraint("organization_id", "fingerprint", name=op.f("pk_import_mappings")),
    )


def downgrade() -> None:
    op.drop_table("import_mappings")
    op.drop_index("ix_invitations_import_id", table_name="invitations")
    op.add_column("invitation_import_rows", sa.Column("invitation_id", sa.Uuid(as_uuid=False), nullable=True))
    for name in ("is_mended", "is_dropped", "role_text"):
        op.drop_column("invitation_import_rows", name)
    for name in ("fingerprint", "choices"):
        op.drop_column("invitation_imports", name)
