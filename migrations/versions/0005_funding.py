"""Credits with their ledger, orders at payment gateways, refunds, and answers to calls that may be tried again.

Revision ID: 0005
"""

from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = "0005"
down_revision = "0004"

CREDITS = """
CREATE FUNCTION chain_credits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before bigint := 0;
BEGIN
    IF NEW.position > 1 THEN
        SELECT balance_after INTO STRICT before FROM credit_ledger
            WHERE organization_id = NEW.organization_id AND position = NEW.position - 1;
    END IF;
    IF NEW.position < 1 OR NEW.balance_after <> before + NEW.delta THEN
        RAISE EXCEPTION 'row % of the ledger does not follow from the one before', NEW.position USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER credit_ledger_chain BEFORE INSERT ON credit_ledger FOR EACH ROW EXECUTE FUNCTION chain_credits();
CREATE TRIGGER credit_ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION balance_credits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    pool credit_pools%ROWTYPE;
    last credit_ledger%ROWTYPE;
BEGIN
    SELECT * INTO STRICT pool FROM credit_pools WHERE organization_id = NEW.organization_id;
    SELECT * INTO last FROM credit_ledger WHERE organization_id = pool.organization_id ORDER BY position DESC LIMIT 1;
    IF pool.entries <> coalesce(last.position, 0) OR pool.balance <> coalesce(last.balance_after, 0) THEN
        RAISE EXCEPTION 'a pool holds what the last row of its ledger says' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER credit_pools_balance AFTER INSERT OR UPDATE ON credit_pools
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balance_credits();
CREATE CONSTRAINT TRIGGER credit_ledger_balance AFTER INSERT ON credit_ledger
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balance_credits();
"""


def upgrade() -> None:
    op.add_column("payments", sa.Column("claimed_amount", sa.BigInteger(), nullable=False, server_default="0"))
    op.alter_column("payments", "claimed_amount", server_default=None)
    op.execute("UPDATE payments SET claimed_amount = refunded_amount WHERE refunded_amount > 0")
    op.drop_constraint(op.f("ck_payments_refunded_range"), "payments", type_="check")
    op.create_check_constraint(op.f("ck_payments_refunded_range"), "payments", "refunded_amount BETWEEN 0 AND claimed_amount")
    op.create_check_constraint(
        op.f("ck_payments_claimed_range"),
        "payments",
        "claimed_amount <= CASE WHEN payment_method = 'ORG_PREPAID' THEN original_amount ELSE amount END",
    )
    op.create_table(
        "credit_pools",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("total_purchased", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("entries", sa.BigInteger(), nullable=False, server_default="0"),
        sa.CheckConstraint("balance >= 0 AND total_purchased >= 0 AND entries >= 0", name=op.f("ck_credit_pools_not_negative")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_credit_pools_organization_id_organizations")),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_credit_pools")),
    )
    op.create_table(
        "credit_ledger",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=12), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("member_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("delta <> 0 AND balance_after >= 0", name=op.f("ck_credit_ledger_amounts")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["credit_pools.organization_id"], name=op.f("fk_credit_ledger_organization_id_credit_pools")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_credit_ledger_payment_id_payments")),
        sa.ForeignKeyConstraint(["member_id"], ["memberships.id"], name=op.f("fk_credit_ledger_member_id_memberships")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_ledger")),
        sa.UniqueConstraint("organization_id", "position", name=op.f("uq_credit_ledger_organization_id_position")),
    )
    op.create_index("ix_credit_ledger_payment_id", "credit_ledger", ["payment_id"])
    op.create_table(
        "refunds",
        sa.Column("payment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint("(status = 'PENDING') = (finished_at IS NULL)", name=op.f("ck_refunds_finished")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id_payments")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_refunds_created_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    op.create_index("ix_refunds_pending", "refunds", ["due_at"], postgresql_where=sa.text("status = 'PENDING'"))
    op.create_table(
        "credit_purchases",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("amount", "tax_rate", "cgst", "sgst", "igst", "tax_amount", "payable")
        ),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("created_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint(
            "amount > 0 AND payable = amount + tax_amount AND tax_amount = cgst + sgst + igst", name=op.f("ck_credit_purchases_sums")
        ),
        sa.CheckConstraint("(status = 'PROCESSED') = (processed_at IS NOT NULL)", name=op.f("ck_credit_purchases_processed")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_credit_purchases_organization_id_organizations")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_credit_purchases_created_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_purchases")),
    )
    op.create_index("ix_credit_purchases_organization_id", "credit_purchases", ["organization_id", "id"])
    op.create_index("ix_credit_purchases_pending", "credit_purchases", ["expires_at"], postgresql_where=sa.text("status = 'PENDING'"))
    op.create_table(
        "gateway_orders",
        sa.Column("payment_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("purchase_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("pay_url", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("payer_email", sa.Text(), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("payment_ref", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("num_nonnulls(payment_id, purchase_id) = 1", name=op.f("ck_gateway_orders_one_subject")),
        sa.CheckConstraint("status = 'NEW' OR order_id IS NOT NULL OR status = 'FAILED'", name=op.f("ck_gateway_orders_opened")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_gateway_orders_payment_id_payments")),
        sa.ForeignKeyConstraint(["purchase_id"], ["credit_purchases.id"], name=op.f("fk_gateway_orders_purchase_id_credit_purchases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_orders")),
        sa.UniqueConstraint("provider", "order_id", name=op.f("uq_gateway_orders_provider_order_id")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_gateway_orders_payment_id")),
        sa.UniqueConstraint("purchase_id", name=op.f("uq_gateway_orders_purchase_id")),
    )
    op.create_index("ix_gateway_orders_ask_at", "gateway_orders", ["ask_at"], postgresql_where=sa.text("status IN ('NEW', 'OPEN')"))
    op.create_table(
        "gateway_events",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("refund_key", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_events")),
        sa.UniqueConstraint("provider", "event_id", name=op.f("uq_gateway_events_provider_event_id")),
    )
    op.create_index("ix_gateway_events_unhandled", "gateway_events", ["received_at"], postgresql_where=sa.text("handled_at IS NULL"))
    op.create_table(
        "idempotent_answers",
        sa.Column("caller_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller_id", "key", name=op.f("pk_idempotent_answers")),
    )
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"])
    op.execute(CREDITS)


def downgrade() -> None:
    for table in ("idempotent_answers", "gateway_events", "gateway_orders", "credit_purchases"):
        op.drop_table(table)
    op.drop_table("refunds")
    op.drop_table("credit_ledger")
    op.drop_table("credit_pools")
    op.execute("DROP FUNCTION chain_credits; DROP FUNCTION balance_credits")
    op.drop_constraint(op.f("ck_payments_claimed_range"), "payments", type_="check")
    op.drop_constraint(op.f("ck_payments_refunded_range"), "payments", type_="check")
    op.create_check_constraint(op.f("ck_payments_refunded_range"), "payments", "refunded_amount BETWEEN 0 AND original_amount")
    op.drop_column("payments", "claimed_amount")
