"""The books of the sandbox that stands for a provider of payments: orders, refunds, webhooks.

Revision ID: 0006
"""

from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "sandbox_orders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("payer_email", sa.Text(), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=False),
        sa.Column("status", sa.Enum("OPEN", "PAID", "FAILED", "EXPIRED", name="orderstatus", native_enum=False, length=10), nullable=False),
        sa.Column("payment_ref", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_sandbox_orders_amount_positive")),
        sa.CheckConstraint("(status = 'PAID') = (payment_ref IS NOT NULL AND paid_at IS NOT NULL)", name=op.f("ck_sandbox_orders_paid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_orders")),
        sa.UniqueConstraint("key", name=op.f("uq_sandbox_orders_key")),
    )
    op.create_table(
        "sandbox_refunds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Enum("PENDING", "SUCCEEDED", "FAILED", name="refundstatus", native_enum=False, length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_sandbox_refunds_amount_positive")),
        sa.ForeignKeyConstraint(["order_id"], ["sandbox_orders.id"], name=op.f("fk_sandbox_refunds_order_id_sandbox_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_refunds")),
        sa.UniqueConstraint("key", name=op.f("uq_sandbox_refunds_key")),
    )
    op.create_index("ix_sandbox_refunds_order_id", "sandbox_refunds", ["order_id"], unique=False)
    op.create_table(
        "sandbox_webhooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("deliveries", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["sandbox_orders.id"], name=op.f("fk_sandbox_webhooks_order_id_sandbox_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_webhooks")),
        sa.UniqueConstraint("order_id", "position", name=op.f("uq_sandbox_webhooks_order_id_position")),
    )
    op.create_index("ix_sandbox_webhooks_due", "sandbox_webhooks", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("sandbox_webhooks")
    op.drop_table("sandbox_refunds")
    op.drop_table("sandbox_orders")
