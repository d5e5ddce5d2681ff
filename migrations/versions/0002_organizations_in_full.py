"""Branding, rates and lifecycle of organizations, payout terms of members, drafts that were given up.

Revision ID: 0002
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "0002"
down_revision = "0001"


FILLED = {  # for the rows that are there; new ones get what the model says
    "billing_contacts": (postgresql.JSONB(), "[]"),
    "platform_commission_rate": (sa.BigInteger(), "1000"),
    "org_retain_rate": (sa.BigInteger(), "500"),
    "consultant_payout_rate": (sa.BigInteger(), "8500"),
    "payout_frequency": (sa.String(10), "MONTHLY"),
    "auto_approve_consultants": (sa.Boolean(), "false"),
    "enforce_organization_plans": (sa.Boolean(), "false"),
}


def upgrade() -> None:
    for name, (kind, value) in FILLED.items():
        op.add_column("organizations", sa.Column(name, kind, nullable=False, server_default=value))
        op.alter_column("organizations", name, server_default=None)
    for name in ("secondary_color", "logo_file", "banner_file", "status_reason"):
        op.add_column("organizations", sa.Column(name, sa.Text(), nullable=True))
    op.create_check_constraint("rates_sum", "organizations", "platform_commission_rate + org_retain_rate + consultant_payout_rate = 10000")
    op.create_check_constraint(
        "rates_not_negative", "organizations", "least(platform_commission_rate, org_retain_rate, consultant_payout_rate) >= 0"
    )
    op.create_index(
        "ix_organizations_created_by", "organizations", ["created_by"], unique=False, postgresql_where=sa.text("status = 'DRAFT'")
    )

    op.add_column("memberships", sa.Column("custom_consultant_payout_rate", sa.BigInteger(), nullable=True))
    op.add_column("memberships", sa.Column("earnings_recipient", sa.String(12), nullable=False, server_default="CONSULTANT"))
    op.alter_column("memberships", "earnings_recipient", server_default=None)
    op.add_column("memberships", sa.Column("application_note", sa.Text(), nullable=True))
    for name in ("applied_at", "approved_at", "checklist_hidden_at"):
        op.add_column("memberships", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("custom_rate_range", "memberships", "custom_consultant_payout_rate BETWEEN 0 AND 10000")

    op.create_index("ix_invitations_email", "invitations", ["email"], unique=False, postgresql_where=sa.text("status = 'PENDING'"))

    for name in ("abandoned_at", "cleaned_at"):
        op.add_column("setup_progress", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_setup_progress_touched_at", table_name="setup_progress")
    op.create_index(
        "ix_setup_progress_touched_at", "setup_progress", ["touched_at"], unique=False, postgresql_where=sa.text("abandoned_at IS NULL")
    )
    op.create_index(
        "ix_setup_progress_abandoned_at", "setup_progress", ["abandoned_at"], unique=False, postgresql_where=sa.text("cleaned_at IS NULL")
    )

    op.create_table(
        "verdict_mails",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("recipients", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery", sa.String(10), nullable=False),
        sa.Column("delivery_attempts", sa.BigInteger(), nullable=False),
        sa.Column("delivery_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_verdict_mails_organization_id_organizations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict_mails")),
    )
    op.create_index("ix_verdict_mails_organization_id", "verdict_mails", ["organization_id"], unique=False)
    op.create_index(
        "ix_verdict_mails_due", "verdict_mails", ["delivery_due_at"], unique=False, postgresql_where=sa.text("delivery = 'QUEUED'")
    )


def downgrade() -> None:
    op.drop_table("verdict_mails")
    op.drop_index("ix_setup_progress_abandoned_at", table_name="setup_progress")
    op.drop_index("ix_setup_progress_touched_at", table_name="setup_progress")
    op.create_index("ix_setup_progress_touched_at", "setup_progress", ["touched_at"], unique=False)
    for name in ("cleaned_at", "abandoned_at"):
        op.drop_column("setup_progress", name)
    op.drop_index("ix_invitations_email", table_name="invitations")
    for name in (
        "checklist_hidden_at",
        "approved_at",
        "applied_at",
        "application_note",
        "earnings_recipient",
        "custom_consultant_payout_rate",
    ):
        op.drop_column("memberships", name)
    op.drop_index("ix_organizations_created_by", table_name="organizations")
    for name in ("status_reason", "banner_file", "logo_file", "secondary_color", *FILLED):
        op.drop_column("organizations", name)
