"""Archives: all documents of a period in one ZIP.

Revision ID: 0008
"""

from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "document_archives",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column(
            "status", sa.Enum("QUEUED", "RUNNING", "DONE", "FAILED", name="archivestatus", native_enum=False, length=10), nullable=False
        ),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_key", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("since <= until", name=op.f("ck_document_archives_period_order")),
        sa.CheckConstraint("done BETWEEN 0 AND total", name=op.f("ck_document_archives_progress")),
        sa.CheckConstraint("(status = 'DONE') = (file_key IS NOT NULL)", name=op.f("ck_document_archives_file")),
        sa.CheckConstraint("(status IN ('DONE', 'FAILED')) = (finished_at IS NOT NULL)", name=op.f("ck_document_archives_finished")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_document_archives_organization_id_organizations")),
        sa.ForeignKeyConstraint(["requested_by"], ["users.id"], name=op.f("fk_document_archives_requested_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_archives")),
    )
    op.create_index("ix_document_archives_organization_id_id", "document_archives", ["organization_id", "id"])
    op.create_index(
        "ix_document_archives_open", "document_archives", ["created_at"], postgresql_where=sa.text("status IN ('QUEUED', 'RUNNING')")
    )


def downgrade() -> None:
    op.drop_table("document_archives")
