"""Credit notes, allocations and what is left to pay: sums that triggers keep, and documents that never change.

Revision ID: 0007
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "0007"
down_revision = "0006"

KEEP_SENT_INVOICE = """
CREATE OR REPLACE FUNCTION keep_sent_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE may_change CONSTANT text[] := ARRAY[{may_change}];
BEGIN
    IF OLD.status = 'DRAFT' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'invoice % was sent and is never deleted', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(NEW) - may_change IS DISTINCT FROM to_jsonb(OLD) - may_change
       OR NEW.status = 'DRAFT' OR (OLD.status = 'CANCELLED' AND to_jsonb(NEW) - 'file_key' IS DISTINCT FROM to_jsonb(OLD) - 'file_key') THEN
        RAISE EXCEPTION 'invoice % was sent and never changes', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

# A trigger writes what is left to pay; nobody else may. Its own depth is 1, and 2 when another trigger's statement fired it.
BALANCES = """
CREATE FUNCTION keep_kept_sums() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION '% is written by triggers alone', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER invoice_balances_kept BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON invoice_balances
    FOR EACH STATEMENT EXECUTE FUNCTION keep_kept_sums();

CREATE FUNCTION begin_or_end_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoice_balances (invoice_id, organization_id, amount, due_date, settled_at)
    SELECT after.id, after.organization_id, after.amount, after.due_date, CASE WHEN after.amount = 0 THEN after.issued_at END
    FROM after JOIN before ON before.id = after.id WHERE before.status = 'DRAFT' AND after.status = 'SENT';
    UPDATE invoice_balances SET is_cancelled = true
    FROM after JOIN before ON before.id = after.id
    WHERE invoice_balances.invoice_id = after.id AND before.status = 'SENT' AND after.status = 'CANCELLED';
    RETURN NULL;
END $$;
CREATE TRIGGER invoices_begin_or_end_balances AFTER UPDATE ON invoices REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION begin_or_end_balances();

CREATE FUNCTION refuse_cancelling_what_is_used() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM invoice_balances WHERE invoice_id = NEW.id AND paid_amount + credited_amount + applied_amount > 0)
       OR EXISTS (SELECT FROM credit_notes WHERE invoice_id = NEW.id AND status <> 'VOID') THEN
        RAISE EXCEPTION 'something was paid, applied or credited on invoice %', NEW.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_used';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoices_cancelled_unused BEFORE UPDATE ON invoices FOR EACH ROW
    WHEN (OLD.status = 'SENT' AND NEW.status = 'CANCELLED') EXECUTE FUNCTION refuse_cancelling_what_is_used();

CREATE FUNCTION check_released_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payments WHERE id = NEW.payment_id AND billable_to_org_invoice_id = NEW.invoice_id) THEN
        RAISE EXCEPTION 'the payment of a released line is still billed by its invoice' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER invoice_lines_released AFTER UPDATE OF released_at ON invoice_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.released_at IS NOT NULL) EXECUTE FUNCTION check_released_line();

CREATE TRIGGER invoice_allocations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_allocations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION take_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE invoice_balances SET paid_amount = paid_amount + added.amount,
        settled_at = CASE WHEN outstanding = added.amount THEN added.at END
    FROM (SELECT invoice_id, sum(amount)::bigint AS amount, max(paid_at) AS at FROM fresh GROUP BY invoice_id) AS added
    WHERE invoice_balances.invoice_id = added.invoice_id;
    RETURN NULL;
END $$;
CREATE TRIGGER invoice_allocations_taken AFTER INSERT ON invoice_allocations REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION take_allocations();

CREATE TRIGGER credit_movements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION take_credit_movements() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credit_notes SET settled_amount = settled_amount + added.settled, applied_amount = applied_amount + added.applied,
        paid_out_amount = paid_out_amount + added.paid_out
    FROM (SELECT credit_note_id, coalesce(sum(amount) FILTER (WHERE kind = 'SETTLED'), 0)::bigint AS settled,
                 coalesce(sum(amount) FILTER (WHERE kind = 'APPLIED'), 0)::bigint AS applied,
                 coalesce(sum(amount) FILTER (WHERE kind = 'PAID_OUT'), 0)::bigint AS paid_out
          FROM fresh GROUP BY credit_note_id) AS added
    WHERE credit_notes.id = added.credit_note_id;
    UPDATE invoice_balances SET credited_amount = credited_amount + added.settled, applied_amount = applied_amount + added.applied,
        settled_at = CASE WHEN outstanding = added.settled + added.applied THEN added.at END
    FROM (SELECT invoice_id, coalesce(sum(amount) FILTER (WHERE kind = 'SETTLED'), 0)::bigint AS settled,
                 coalesce(sum(amount) FILTER (WHERE kind = 'APPLIED'), 0)::bigint AS applied, max(created_at) AS at
          FROM fresh WHERE invoice_id IS NOT NULL GROUP BY invoice_id) AS added
    WHERE invoice_balances.invoice_id = added.invoice_id;
    RETURN NULL;
END $$;
CREATE TRIGGER credit_movements_taken AFTER INSERT ON credit_movements REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION take_credit_movements();
"""

NOTES = """
CREATE FUNCTION keep_credit_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    voiding CONSTANT text[] := ARRAY['status', 'voided_at', 'void_reason', 'file_key', 'open_amount'];
    sums CONSTANT text[] := ARRAY['settled_amount', 'applied_amount', 'paid_out_amount', 'open_amount'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'credit note % was issued and is never deleted', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF pg_trigger_depth() > 1 AND to_jsonb(NEW) - sums IS NOT DISTINCT FROM to_jsonb(OLD) - sums THEN
        RETURN NEW;
    END IF;
    IF to_jsonb(NEW) - voiding IS DISTINCT FROM to_jsonb(OLD) - voiding
       OR (OLD.status = 'VOID' AND to_jsonb(NEW) - ARRAY['file_key', 'open_amount'] IS DISTINCT FROM
           to_jsonb(OLD) - ARRAY['file_key', 'open_amount']) THEN
        RAISE EXCEPTION 'credit note % was issued and never changes', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER credit_notes_keep BEFORE UPDATE OR DELETE ON credit_notes FOR EACH ROW EXECUTE FUNCTION keep_credit_note();
CREATE TRIGGER credit_notes_no_truncate BEFORE TRUNCATE ON credit_notes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER credit_note_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_note_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_credit_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    note_id CONSTANT uuid := CASE TG_TABLE_NAME WHEN 'credit_notes' THEN (to_jsonb(NEW) ->> 'id') ELSE (to_jsonb(NEW) ->> 'credit_note_id') END;
    of_invoice uuid;
BEGIN
    SELECT invoice_id INTO of_invoice FROM credit_notes WHERE id = note_id;
    IF NOT EXISTS (
        SELECT FROM credit_notes n JOIN credit_note_lines l ON l.credit_note_id = n.id WHERE n.id = note_id GROUP BY n.id
        HAVING sum(l.taxable_amount) = n.taxable_amount AND sum(l.cgst) = n.cgst AND sum(l.sgst) = n.sgst AND sum(l.igst) = n.igst
    ) THEN
        RAISE EXCEPTION 'the lines of a credit note don''t sum to it' USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_notes_lines';
    END IF;
    IF EXISTS (
        SELECT FROM invoices i JOIN credit_notes n ON n.invoice_id = i.id AND n.status <> 'VOID' WHERE i.id = of_invoice GROUP BY i.id
        HAVING sum(n.taxable_amount) > i.taxable_amount OR sum(n.cgst) > i.cgst OR sum(n.sgst) > i.sgst OR sum(n.igst) > i.igst
    ) OR EXISTS (
        SELECT FROM invoice_lines l JOIN credit_note_lines c ON c.invoice_line_id = l.id
            JOIN credit_notes n ON n.id = c.credit_note_id AND n.status <> 'VOID'
        WHERE l.invoice_id = of_invoice GROUP BY l.id HAVING sum(c.taxable_amount) > l.taxable_amount
    ) THEN
        RAISE EXCEPTION 'more is credited than was invoiced' USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_notes_within_invoice';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER credit_notes_checked AFTER INSERT ON credit_notes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_credit_note();
CREATE CONSTRAINT TRIGGER credit_note_lines_checked AFTER INSERT ON credit_note_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_credit_note();
"""


def _id(name, *, nullable=False):
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _paise(*names):
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _kept(*names):
    return [sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in names]


def _instant(name, *, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _to(table, column, *, of):
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=op.f(f"fk_{table}_{column}_{of}"))


def upgrade():
    op.add_column("invoices", _id("purchase_id", nullable=True))
    op.add_column("invoices", _instant("cancelled_at", nullable=True))
    op.add_column("invoices", sa.Column("cancel_reason", sa.Text(), nullable=True))
    op.create_foreign_key(op.f("fk_invoices_purchase_id_credit_purchases"), "invoices", "credit_purchases", ["purchase_id"], ["id"])
    op.create_unique_constraint(op.f("uq_invoices_purchase_id"), "invoices", ["purchase_id"])
    op.create_check_constraint(op.f("ck_invoices_purchase"), "invoices", "(purpose = 'PURCHASE') = (purchase_id IS NOT NULL)")
    op.create_check_constraint(op.f("ck_invoices_cancelled"), "invoices", "(status = 'CANCELLED') = (cancelled_at IS NOT NULL)")
    op.add_column("credit_purchases", sa.Column("tax_kind", sa.String(length=10), nullable=False, server_default="INTRA"))
    op.add_column("credit_purchases", sa.Column("place_of_supply", sa.Text(), nullable=False, server_default=""))
    for column in ("tax_kind", "place_of_supply"):
        op.alter_column("credit_purchases", column, server_default=None)
    op.add_column("gateway_orders", _id("invoice_id", nullable=True))
    op.create_foreign_key(op.f("fk_gateway_orders_invoice_id_invoices"), "gateway_orders", "invoices", ["invoice_id"], ["id"])
    op.create_index("ix_gateway_orders_invoice_id", "gateway_orders", ["invoice_id"])
    op.drop_constraint(op.f("ck_gateway_orders_one_subject"), "gateway_orders", type_="check")
    op.create_check_constraint(
        op.f("ck_gateway_orders_one_subject"), "gateway_orders", "num_nonnulls(payment_id, purchase_id, invoice_id) = 1"
    )
    op.create_table(
        "invoice_balances",
        _id("invoice_id"),
        _id("organization_id"),
        *_paise("amount"),
        sa.Column("due_date", sa.Date(), nullable=False),
        *_kept("paid_amount", "credited_amount", "applied_amount"),
        sa.Column("is_cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "outstanding",
            sa.BigInteger(),
            sa.Computed("CASE WHEN is_cancelled THEN 0 ELSE amount - paid_amount - credited_amount - applied_amount END", persisted=True),
            nullable=False,
        ),
        _instant("settled_at", nullable=True),
        sa.CheckConstraint(
            "paid_amount >= 0 AND credited_amount >= 0 AND applied_amount >= 0", name=op.f("ck_invoice_balances_not_negative")
        ),
        sa.CheckConstraint("paid_amount + credited_amount + applied_amount <= amount", name=op.f("ck_invoice_balances_within_the_invoice")),
        sa.CheckConstraint(
            "NOT is_cancelled OR paid_amount + credited_amount + applied_amount = 0", name=op.f("ck_invoice_balances_cancelled_unused")
        ),
        _to("invoice_balances", "invoice_id", of="invoices"),
        _to("invoice_balances", "organization_id", of="organizations"),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_invoice_balances")),
    )
    outstanding = sa.text("outstanding > 0")
    op.create_index("ix_invoice_balances_outstanding", "invoice_balances", ["organization_id", "due_date"], postgresql_where=outstanding)
    op.create_index("ix_invoice_balances_due_date", "invoice_balances", ["due_date"], postgresql_where=outstanding)
    op.execute(
        "INSERT INTO invoice_balances (invoice_id, organization_id, amount, due_date, is_cancelled) "
        "SELECT id, organization_id, amount, due_date, status = 'CANCELLED' FROM invoices WHERE status <> 'DRAFT'"
    )
    op.create_table(
        "invoice_allocations",
        _id("organization_id"),
        _id("invoice_id"),
        _id("gateway_order_id", nullable=True),
        *_paise("amount"),
        sa.Column("method", sa.String(length=14), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        _instant("paid_at"),
        _id("created_by", nullable=True),
        _instant("created_at"),
        _id("id"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_invoice_allocations_amount_positive")),
        sa.CheckConstraint("(method = 'ONLINE') = (gateway_order_id IS NOT NULL)", name=op.f("ck_invoice_allocations_online")),
        _to("invoice_allocations", "organization_id", of="organizations"),
        _to("invoice_allocations", "invoice_id", of="invoices"),
        _to("invoice_allocations", "gateway_order_id", of="gateway_orders"),
        _to("invoice_allocations", "created_by", of="users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_allocations")),
        sa.UniqueConstraint("gateway_order_id", name=op.f("uq_invoice_allocations_gateway_order_id")),
    )
    op.create_index("ix_invoice_allocations_invoice_id", "invoice_allocations", ["invoice_id"])
    op.create_index("ix_invoice_allocations_organization_id", "invoice_allocations", ["organization_id", "paid_at"])
    op.create_table(
        "gateway_returns",
        _id("gateway_order_id"),
        *_paise("amount"),
        sa.Column("status", sa.String(length=10), nullable=False),
        _instant("created_at"),
        _instant("finished_at", nullable=True),
        _instant("due_at"),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        _id("id"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_gateway_returns_amount_positive")),
        sa.CheckConstraint("(status = 'PENDING') = (finished_at IS NULL)", name=op.f("ck_gateway_returns_finished")),
        _to("gateway_returns", "gateway_order_id", of="gateway_orders"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_returns")),
        sa.UniqueConstraint("gateway_order_id", name=op.f("uq_gateway_returns_gateway_order_id")),
    )
    op.create_index("ix_gateway_returns_pending", "gateway_returns", ["due_at"], postgresql_where=sa.text("status = 'PENDING'"))
    op.create_table(
        "credit_notes",
        _id("organization_id"),
        _id("invoice_id"),
        _id("refund_id", nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        *_paise("taxable_amount", "tax_rate", "cgst", "sgst", "igst", "tax_amount", "amount"),
        *_kept("settled_amount", "applied_amount", "paid_out_amount"),
        sa.Column(
            "open_amount",
            sa.BigInteger(),
            sa.Computed(
                "CASE WHEN status = 'VOID' THEN 0 ELSE amount - settled_amount - applied_amount - paid_out_amount END", persisted=True
            ),
            nullable=False,
        ),
        sa.Column("issue_date", sa.Date(), nullable=False),
        _instant("issued_at"),
        *(sa.Column(name, postgresql.JSONB(), nullable=False) for name in ("supplier", "recipient", "particulars")),
        sa.Column("place_of_supply", sa.Text(), nullable=False),
        sa.Column("tax_kind", sa.String(length=10), nullable=False),
        _id("created_by", nullable=True),
        _instant("created_at"),
        _instant("voided_at", nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.Column("file_key", sa.Text(), nullable=True),
        _id("id"),
        sa.CheckConstraint("taxable_amount > 0", name=op.f("ck_credit_notes_amount_positive")),
        sa.CheckConstraint("tax_amount = cgst + sgst + igst AND amount = taxable_amount + tax_amount", name=op.f("ck_credit_notes_sums")),
        sa.CheckConstraint("cgst = sgst AND cgst >= 0 AND igst >= 0", name=op.f("ck_credit_notes_equal_halves")),
        sa.CheckConstraint(
            "settled_amount >= 0 AND applied_amount >= 0 AND paid_out_amount >= 0 AND open_amount >= 0", name=op.f("ck_credit_notes_uses")
        ),
        sa.CheckConstraint("(status = 'VOID') = (voided_at IS NOT NULL)", name=op.f("ck_credit_notes_voided")),
        sa.CheckConstraint(
            "status <> 'VOID' OR (settled_amount + applied_amount + paid_out_amount = 0 AND refund_id IS NULL)",
            name=op.f("ck_credit_notes_voided_unused"),
        ),
        _to("credit_notes", "organization_id", of="organizations"),
        _to("credit_notes", "invoice_id", of="invoices"),
        _to("credit_notes", "refund_id", of="refunds"),
        _to("credit_notes", "created_by", of="users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_notes")),
        sa.UniqueConstraint("number", name=op.f("uq_credit_notes_number")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_credit_notes_refund_id")),
    )
    op.create_index("ix_credit_notes_organization_id_issued_at", "credit_notes", ["organization_id", "issued_at", "id"])
    op.create_index("ix_credit_notes_invoice_id", "credit_notes", ["invoice_id"])
    op.create_index("ix_credit_notes_open", "credit_notes", ["organization_id", "issued_at"], postgresql_where=sa.text("open_amount > 0"))
    op.create_table(
        "credit_note_lines",
        _id("credit_note_id"),
        _id("invoice_line_id"),
        _id("payment_id", nullable=True),
        *_paise("position"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("description", "detail", "sac_code")),
        sa.Column("session_date", sa.Date(), nullable=False),
        *_paise("taxable_amount", "cgst", "sgst", "igst"),
        _id("id"),
        sa.CheckConstraint("taxable_amount > 0 AND cgst >= 0 AND cgst = sgst AND igst >= 0", name=op.f("ck_credit_note_lines_amounts")),
        _to("credit_note_lines", "credit_note_id", of="credit_notes"),
        _to("credit_note_lines", "invoice_line_id", of="invoice_lines"),
        _to("credit_note_lines", "payment_id", of="payments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_note_lines")),
        sa.UniqueConstraint("credit_note_id", "position", name=op.f("uq_credit_note_lines_credit_note_id_position")),
        sa.UniqueConstraint("credit_note_id", "invoice_line_id", name=op.f("uq_credit_note_lines_credit_note_id_invoice_line_id")),
    )
    op.create_index("ix_credit_note_lines_invoice_line_id", "credit_note_lines", ["invoice_line_id"])
    op.create_table(
        "credit_movements",
        _id("organization_id"),
        _id("credit_note_id"),
        _id("invoice_id", nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        *_paise("amount"),
        sa.Column("reference", sa.Text(), nullable=True),
        _id("created_by", nullable=True),
        _instant("created_at"),
        _id("id"),
        sa.CheckConstraint("amount > 0 OR (amount < 0 AND kind = 'SETTLED')", name=op.f("ck_credit_movements_amount_sign")),
        sa.CheckConstraint("(kind = 'PAID_OUT') = (invoice_id IS NULL)", name=op.f("ck_credit_movements_invoice")),
        _to("credit_movements", "organization_id", of="organizations"),
        _to("credit_movements", "credit_note_id", of="credit_notes"),
        _to("credit_movements", "invoice_id", of="invoices"),
        _to("credit_movements", "created_by", of="users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_movements")),
    )
    op.create_index("ix_credit_movements_credit_note_id", "credit_movements", ["credit_note_id"])
    op.create_index("ix_credit_movements_invoice_id", "credit_movements", ["invoice_id"])
    op.create_index("ix_credit_movements_organization_id", "credit_movements", ["organization_id", "created_at"])
    op.add_column("billing_runs", sa.Column("skipped", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False))
    op.add_column("invoice_mails", _id("credit_note_id", nullable=True))
    op.create_foreign_key(op.f("fk_invoice_mails_credit_note_id_credit_notes"), "invoice_mails", "credit_notes", ["credit_note_id"], ["id"])
    op.drop_constraint(op.f("uq_invoice_mails_invoice_id_occasion"), "invoice_mails", type_="unique")
    op.create_unique_constraint(
        op.f("uq_invoice_mails_invoice_id_occasion_credit_note_id"),
        "invoice_mails",
        ["invoice_id", "occasion", "credit_note_id"],
        postgresql_nulls_not_distinct=True,
    )
    op.execute(KEEP_SENT_INVOICE.format(may_change="'status', 'cancelled_at', 'cancel_reason', 'file_key'"))
    op.execute(BALANCES)
    op.execute(NOTES)


def downgrade():
    op.execute("DROP TRIGGER invoices_cancelled_unused ON invoices; DROP TRIGGER invoices_begin_or_end_balances ON invoices")
    op.execute("DROP TRIGGER invoice_lines_released ON invoice_lines")
    op.execute(KEEP_SENT_INVOICE.format(may_change="'status', 'file_key'"))
    op.drop_constraint(op.f("uq_invoice_mails_invoice_id_occasion_credit_note_id"), "invoice_mails", type_="unique")
    op.execute("DELETE FROM invoice_mails WHERE credit_note_id IS NOT NULL")
    op.create_unique_constraint(op.f("uq_invoice_mails_invoice_id_occasion"), "invoice_mails", ["invoice_id", "occasion"])
    op.drop_column("invoice_mails", "credit_note_id")
    op.drop_column("billing_runs", "skipped")
    for table in ("credit_movements", "credit_note_lines", "credit_notes", "gateway_returns", "invoice_allocations", "invoice_balances"):
        op.drop_table(table)
    for function in (
        "check_credit_note",
        "keep_credit_note",
        "take_credit_movements",
        "take_allocations",
        "refuse_cancelling_what_is_used",
        "begin_or_end_balances",
        "check_released_line",
        "keep_kept_sums",
    ):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_column("credit_purchases", "place_of_supply")
    op.drop_column("credit_purchases", "tax_kind")
    op.drop_constraint(op.f("ck_gateway_orders_one_subject"), "gateway_orders", type_="check")
    op.execute("DELETE FROM gateway_orders WHERE invoice_id IS NOT NULL")
    op.create_check_constraint(op.f("ck_gateway_orders_one_subject"), "gateway_orders", "num_nonnulls(payment_id, purchase_id) = 1")
    op.drop_column("gateway_orders", "invoice_id")
    op.drop_constraint(op.f("ck_invoices_cancelled"), "invoices", type_="check")
    op.drop_constraint(op.f("ck_invoices_purchase"), "invoices", type_="check")
    for name in ("purchase_id", "cancelled_at", "cancel_reason"):
        op.drop_column("invoices", name)
