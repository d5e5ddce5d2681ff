"""When an invitation was taken back: what one act took back can be put back together.

Revision ID: 0004
"""

from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("invitations", sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_invitations_revoked", "invitations", ["organization_id", "revoked_at"], postgresql_where=sa.text("status = 'REVOKED'")
    )


def downgrade() -> None:
    op.drop_index("ix_invitations_revoked", table_name="invitations")
    op.drop_column("invitations", "revoked_at")
