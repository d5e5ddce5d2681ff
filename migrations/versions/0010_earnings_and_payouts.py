"""Earnings, payout accounts and payouts: what sessions yield, and what is paid of it.

Revision ID: 0010
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "0010"
down_revision = "0009"

# Reversals and lines of payouts are append-only; what follows from them on an earning is written by triggers alone.
EARNINGS = """
CREATE FUNCTION check_shares() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh GROUP BY payment_id HAVING sum(share) + max(platform_fee) <> max(gross_amount)) THEN
        RAISE EXCEPTION 'the shares of a payment don''t sum to it' USING ERRCODE = 'check_violation', CONSTRAINT = 'earnings_sum';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER earnings_sum AFTER INSERT ON earnings REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION check_shares();

CREATE FUNCTION keep_earning() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sums CONSTANT text[] := ARRAY['reversed_amount', 'settled_amount', 'due_amount', 'status'];
    may_change CONSTANT text[] := CASE WHEN pg_trigger_depth() > 1 THEN sums ELSE ARRAY['status', 'due_amount'] END;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an earning is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(NEW) - may_change IS DISTINCT FROM to_jsonb(OLD) - may_change
       OR (OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN
           ('PENDING READY', 'READY PAID', 'PENDING REFUNDED', 'READY REFUNDED', 'PAID REFUNDED')) THEN
        RAISE EXCEPTION 'an earning changes by reversals and payouts alone' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER earnings_keep BEFORE UPDATE OR DELETE ON earnings FOR EACH ROW EXECUTE FUNCTION keep_earning();
CREATE TRIGGER earnings_no_truncate BEFORE TRUNCATE ON earnings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER earning_reversals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON earning_reversals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION take_reversals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE earnings SET reversed_amount = reversed_amount + added.amount,
        status = CASE WHEN reversed_amount + added.amount = share THEN 'REFUNDED' ELSE status END
    FROM (SELECT earning_id, sum(amount)::bigint AS amount FROM fresh GROUP BY earning_id) AS added WHERE earnings.id = added.earning_id;
    RETURN NULL;
END $$;
CREATE TRIGGER earning_reversals_taken AFTER INSERT ON earning_reversals REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION take_reversals();
"""

PAYOUTS = """
CREATE TRIGGER payout_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION take_payout_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE earnings SET settled_amount = settled_amount + added.amount
    FROM (SELECT earning_id, sum(amount)::bigint AS amount FROM fresh GROUP BY earning_id) AS added WHERE earnings.id = added.earning_id;
    IF EXISTS (
        SELECT FROM fresh JOIN earnings e ON e.id = fresh.earning_id JOIN payouts p ON p.id = fresh.payout_id
        WHERE e.organization_id <> p.organization_id OR e.party <> 'ORGANIZATION' OR e.status = 'PENDING' 
              OR (fresh.amount > 0 AND e.due_amount < 0) OR (fresh.amount < 0 AND e.due_amount > 0)
    ) THEN
        RAISE EXCEPTION 'a payout pays what is ready of its own organization' USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_lines_due';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_lines_taken AFTER INSERT ON payout_lines REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION take_payout_lines();

CREATE FUNCTION check_payout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM payouts p JOIN payout_lines l ON l.payout_id = p.id WHERE p.id = CASE TG_TABLE_NAME
            WHEN 'payouts' THEN (to_jsonb(NEW) ->> 'id')::uuid ELSE (to_jsonb(NEW) ->> 'payout_id')::uuid END
        GROUP BY p.id HAVING sum(l.amount) = p.amount
    ) THEN
        RAISE EXCEPTION 'the lines of a payout don''t sum to it' USING ERRCODE = 'check_violation', CONSTRAINT = 'payouts_lines';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER payouts_checked AFTER INSERT ON payouts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_payout();

CREATE FUNCTION keep_payout() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    may_change CONSTANT text[] := ARRAY['status', 'attempts', 'provider', 'provider_ref', 'reference', 'bank_name', 'last_four', 'failure',
                                        'claimed_at', 'sent_at', 'due_at', 'completed_at'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a payout is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(NEW) - may_change IS DISTINCT FROM to_jsonb(OLD) - may_change OR OLD.status = 'COMPLETED'
       OR (OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN ('PENDING PROCESSING', 'FAILED PROCESSING',
           'PROCESSING COMPLETED', 'PROCESSING FAILED')) THEN
        RAISE EXCEPTION 'what a payout pays never changes, and a completed one is over' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payouts_keep BEFORE UPDATE OR DELETE ON payouts FOR EACH ROW EXECUTE FUNCTION keep_payout();
CREATE TRIGGER payouts_no_truncate BEFORE TRUNCATE ON payouts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# What was booked before had no hosts: it is shared out two ways, as it would be today, with the refunds that it had since.
BEFORE = """
UPDATE payments SET consultant_id = b.consultant_id, platform_rate = 2000, organization_rate = 0, consultant_rate = 8000,
    earnings_recipient = 'CONSULTANT' FROM bookings b WHERE b.payment_id = payments.id;
INSERT INTO earnings (id, payment_id, party, consultant_id, title, gross_amount, platform_fee, share, status, hold_until, created_at)
SELECT uuidv7(), p.id, 'CONSULTANT', p.consultant_id, p.plan_title, p.original_amount, fee, p.original_amount - fee, 'PENDING',
    p.succeeded_at + CASE p.plan_type WHEN 'WEBINAR' THEN 48 WHEN 'SUBSCRIPTION' THEN 168 ELSE 24 END * interval '1 hour', p.succeeded_at
FROM (SELECT *, (original_amount * 2000 * 2 + 10000) / 20000 AS fee FROM payments) AS p
WHERE p.status = 'SUCCEEDED' AND p.platform_rate IS NOT NULL AND p.original_amount > fee;
INSERT INTO earning_reversals (id, earning_id, refund_id, amount, created_at)
SELECT uuidv7(), earning_id, refund_id, so_far - lag(so_far, 1, 0::bigint) OVER steps, finished_at FROM (
    SELECT e.id AS earning_id, r.id AS refund_id, r.finished_at, e.gross_amount,
        sum(r.amount) OVER refunds - (2 * e.platform_fee * sum(r.amount) OVER refunds + e.gross_amount)::bigint / (2 * e.gross_amount) AS so_far
    FROM earnings e JOIN refunds r ON r.payment_id = e.payment_id AND r.status = 'SUCCEEDED'
    WINDOW refunds AS (PARTITION BY e.id ORDER BY r.finished_at, r.id)
) AS known WINDOW steps AS (PARTITION BY earning_id ORDER BY finished_at, refund_id);
"""


def _id(name, *, nullable=False):
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _paise(*names):
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _text(*names, nullable=False):
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names]


def _instant(*names, nullable=False):
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=nullable) for name in names]


def _to(table, column, *, of, key="id"):
    return sa.ForeignKeyConstraint([column], [f"{of}.{key}"], name=op.f(f"fk_{table}_{column}_{of}"))


def _check(table, name, condition):
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def upgrade():
    _payments()
    _earnings()
    _payouts()
    op.execute(EARNINGS)
    op.execute(PAYOUTS)
    op.execute(BEFORE)


def _payments():
    op.add_column("payments", _id("consultant_id", nullable=True))
    op.add_column("payments", _id("host_organization_id", nullable=True))
    for rate in ("platform_rate", "organization_rate", "consultant_rate"):
        op.add_column("payments", sa.Column(rate, sa.BigInteger(), nullable=True))
    op.add_column("payments", sa.Column("earnings_recipient", sa.String(length=12), nullable=True))
    op.create_foreign_key(op.f("fk_payments_consultant_id_consultants"), "payments", "consultants", ["consultant_id"], ["user_id"])
    op.create_foreign_key(
        op.f("fk_payments_host_organization_id_organizations"), "payments", "organizations", ["host_organization_id"], ["id"]
    )
    op.create_check_constraint(
        op.f("ck_payments_rates"),
        "payments",
        "num_nulls(consultant_id, platform_rate, organization_rate, consultant_rate, earnings_recipient) IN (0, 5) AND "
        "(platform_rate IS NULL OR (platform_rate + organization_rate + consultant_rate = 10000 "
        "AND least(platform_rate, organization_rate, consultant_rate) >= 0))",
    )
    op.create_check_constraint(
        op.f("ck_payments_host"), "payments", "host_organization_id IS NOT NULL OR coalesce(organization_rate, 0) = 0"
    )


def _earnings():
    op.create_table(
        "earnings",
        _id("payment_id"),
        sa.Column("party", sa.String(length=12), nullable=False),
        _id("consultant_id"),
        _id("organization_id", nullable=True),
        *_text("title"),
        *_paise("gross_amount", "platform_fee", "share"),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in ("reversed_amount", "settled_amount")),
        sa.Column("due_amount", sa.BigInteger(), sa.Computed("share - reversed_amount - settled_amount", persisted=True), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        *_instant("hold_until", "created_at"),
        _id("id"),
        _check("earnings", "share_range", "share > 0 AND platform_fee >= 0 AND share + platform_fee <= gross_amount"),
        _check("earnings", "reversed_range", "reversed_amount BETWEEN 0 AND share"),
        _check("earnings", "settled_range", "settled_amount BETWEEN 0 AND share"),
        _check("earnings", "refunded", "(status = 'REFUNDED') = (reversed_amount = share)"),
        _check("earnings", "has_host", "party = 'CONSULTANT' OR organization_id IS NOT NULL"),
        _check("earnings", "paid_when_ready", "status <> 'PENDING' OR settled_amount = 0"),
        _to("earnings", "payment_id", of="payments"),
        _to("earnings", "consultant_id", of="consultants", key="user_id"),
        _to("earnings", "organization_id", of="organizations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earnings")),
        sa.UniqueConstraint("payment_id", "party", name=op.f("uq_earnings_payment_id_party")),
    )
    op.create_index("ix_earnings_held", "earnings", ["hold_until"], postgresql_where=sa.text("status = 'PENDING'"))
    op.create_index(
        "ix_earnings_due",
        "earnings",
        ["organization_id", "id"],
        postgresql_where=sa.text("party = 'ORGANIZATION' AND status <> 'PENDING' AND due_amount <> 0"),
    )
    op.create_index("ix_earnings_organization_id_id", "earnings", ["organization_id", "id"])
    op.create_index("ix_earnings_consultant_id_id", "earnings", ["consultant_id", "id"])
    op.create_table(
        "earning_reversals",
        _id("earning_id"),
        _id("refund_id"),
        *_paise("amount"),
        *_instant("created_at"),
        _id("id"),
        _check("earning_reversals", "amount_positive", "amount > 0"),
        _to("earning_reversals", "earning_id", of="earnings"),
        _to("earning_reversals", "refund_id", of="refunds"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earning_reversals")),
        sa.UniqueConstraint("earning_id", "refund_id", name=op.f("uq_earning_reversals_earning_id_refund_id")),
    )
    op.create_index("ix_earning_reversals_refund_id", "earning_reversals", ["refund_id"])


def _payouts():
    op.create_table(
        "payout_accounts",
        _id("organization_id"),
        *_text("account_holder_name", "bank_name"),
        *_text("number_sealed", nullable=True),
        sa.Column("key_id", sa.Text(), sa.Computed("split_part(number_sealed, '.', 1)", persisted=True), nullable=True),
        *_text("last_four"),
        *_text("ifsc_code", "routing_number", "swift_code", "provider_account", nullable=True),
        sa.Column("status", sa.String(length=24), nullable=False),
        *_text("status_reason", nullable=True),
        *_instant("changed_at", "removed_at", nullable=True),
        sa.Column("scheduled_on", sa.Date(), nullable=False),
        *_instant("created_at"),
        _check("payout_accounts", "has_number", "(removed_at IS NULL) = (number_sealed IS NOT NULL)"),
        _check("payout_accounts", "has_bank_code", "removed_at IS NOT NULL OR num_nonnulls(ifsc_code, routing_number, swift_code) > 0"),
        _check("payout_accounts", "last_four_only", "length(last_four) <= 4"),
        _check("payout_accounts", "verified_is_there", "status <> 'VERIFIED' OR removed_at IS NULL"),
        _to("payout_accounts", "organization_id", of="organizations"),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_payout_accounts")),
    )
    op.create_table(
        "payouts",
        _id("organization_id"),
        *_paise("amount", "gross_revenue", "platform_fee", "consultant_shares", "refunds", "earnings_count"),
        sa.Column("status", sa.String(length=12), nullable=False),
        *_paise("attempts"),
        *_text("provider", "provider_ref", "reference", nullable=True),
        *_text("bank_name", "last_four"),
        *_text("failure", nullable=True),
        _id("created_by", nullable=True),
        *_instant("created_at"),
        *_instant("claimed_at", "sent_at", "due_at", "completed_at", nullable=True),
        _id("id"),
        _check("payouts", "amount_positive", "amount > 0"),
        _check("payouts", "sums", "amount = gross_revenue - platform_fee - consultant_shares - refunds"),
        _check("payouts", "completed", "(status = 'COMPLETED') = (completed_at IS NOT NULL)"),
        _check("payouts", "claimed", "status <> 'PROCESSING' OR (provider IS NOT NULL AND claimed_at IS NOT NULL)"),
        _check("payouts", "failed", "status <> 'FAILED' OR failure IS NOT NULL"),
        _to("payouts", "organization_id", of="organizations"),
        _to("payouts", "created_by", of="users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
    )
    op.create_index("ix_payouts_organization_id_id", "payouts", ["organization_id", "id"])
    op.create_index(
        "uq_payouts_open", "payouts", ["organization_id"], unique=True, postgresql_where=sa.text("status IN ('PENDING', 'PROCESSING')")
    )
    op.create_index("ix_payouts_due", "payouts", ["due_at"], postgresql_where=sa.text("status = 'PROCESSING' AND due_at IS NOT NULL"))
    op.create_index("ix_payouts_waiting", "payouts", ["id"], postgresql_where=sa.text("status <> 'COMPLETED'"))
    op.create_table(
        "payout_lines",
        _id("payout_id"),
        _id("earning_id"),
        *_paise("amount"),
        _id("id"),
        _check("payout_lines", "amount_not_zero", "amount <> 0"),
        _to("payout_lines", "payout_id", of="payouts"),
        _to("payout_lines", "earning_id", of="earnings"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_lines")),
        sa.UniqueConstraint("payout_id", "earning_id", name=op.f("uq_payout_lines_payout_id_earning_id")),
    )
    op.create_index("ix_payout_lines_earning_id", "payout_lines", ["earning_id"])
    op.create_table(
        "provider_mails",
        _id("organization_id"),
        sa.Column("occasion", sa.String(length=24), nullable=False),
        sa.Column("recipients", postgresql.JSONB(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        *_instant("created_at"),
        sa.Column("delivery", sa.String(length=10), nullable=False),
        *_paise("delivery_attempts"),
        *_instant("delivery_due_at"),
        *_text("delivery_error", nullable=True),
        *_instant("delivered_at", nullable=True),
        _id("id"),
        _to("provider_mails", "organization_id", of="organizations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_mails")),
    )
    op.create_index("ix_provider_mails_due", "provider_mails", ["delivery_due_at"], postgresql_where=sa.text("delivery = 'QUEUED'"))
    op.create_index("ix_provider_mails_organization_id", "provider_mails", ["organization_id"])


def downgrade():
    for table in ("provider_mails", "payout_lines", "payouts", "payout_accounts", "earning_reversals", "earnings"):
        op.drop_table(table)
    for function in ("check_shares", "keep_earning", "take_reversals", "take_payout_lines", "check_payout", "keep_payout"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_constraint(op.f("ck_payments_host"), "payments", type_="check")
    op.drop_constraint(op.f("ck_payments_rates"), "payments", type_="check")
    for name in ("earnings_recipient", "consultant_rate", "organization_rate", "platform_rate", "host_organization_id", "consultant_id"):
        op.drop_column("payments", name)
