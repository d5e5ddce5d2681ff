"""The first tables, and what must never change in them.

Revision ID: 0001
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "0001"
down_revision = None


APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_rows_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_rows
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

SENT_INVOICES = """
CREATE FUNCTION keep_sent_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'DRAFT' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'invoice % was sent and is never deleted', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(NEW) - ARRAY['status', 'file_key'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['status', 'file_key']
       OR NEW.status = 'DRAFT' OR (OLD.status = 'CANCELLED' AND NEW.status <> 'CANCELLED') THEN
        RAISE EXCEPTION 'invoice % was sent and never changes', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoices_keep_sent BEFORE UPDATE OR DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION keep_sent_invoice();
CREATE TRIGGER invoices_no_truncate BEFORE TRUNCATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_sent_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed JOIN invoices ON invoices.id = changed.invoice_id WHERE invoices.status <> 'DRAFT') THEN
        RAISE EXCEPTION 'the lines of a sent invoice never change' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER invoice_lines_keep_sent_insert AFTER INSERT ON invoice_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_sent_lines();
CREATE TRIGGER invoice_lines_keep_sent_delete AFTER DELETE ON invoice_lines REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_sent_lines();

CREATE FUNCTION keep_sent_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT status FROM invoices WHERE id = OLD.invoice_id) = 'DRAFT' AND NEW.invoice_id = OLD.invoice_id THEN
        RETURN NEW;
    END IF;
    IF to_jsonb(NEW) - 'released_at' IS DISTINCT FROM to_jsonb(OLD) - 'released_at' OR OLD.released_at IS NOT NULL THEN
        RAISE EXCEPTION 'the lines of a sent invoice never change' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoice_lines_keep_sent_update BEFORE UPDATE ON invoice_lines FOR EACH ROW EXECUTE FUNCTION keep_sent_line();
"""


def upgrade():
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "audit_rows",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("actor_user_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("actor_membership_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("via", sa.Enum("MEMBER", "PLATFORM_ADMIN", "SELF", "SYSTEM", name="via", native_enum=False, length=20), nullable=False),
        sa.Column(
            "action",
            sa.Enum(
                "USER_SIGNED_UP",
                "PASSWORD_CHANGED",
                "PLATFORM_ROLE_CHANGED",
                "ORG_DRAFTED",
                "ORG_CREATED",
                "ORG_LAUNCHED",
                "SETTINGS_CHANGED",
                "INVITATION_SENT",
                "INVITATION_RESENT",
                "INVITATION_REVOKED",
                "INVITATION_ACCEPTED",
                "INVITATIONS_IMPORTED",
                "CONSULTANT_REGISTERED",
                "CONSULTANT_VERIFIED",
                "PLAN_CREATED",
                "PLAN_RETIRED",
                "BOOKING_MADE",
                "INVOICE_GENERATED",
                name="action",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("subject_name", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_rows")),
    )
    op.create_index("ix_audit_rows_organization_id_at", "audit_rows", ["organization_id", "at"], unique=False)
    op.create_index("ix_audit_rows_subject", "audit_rows", ["subject_type", "subject_id"], unique=False)
    op.create_table(
        "billing_runs",
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Enum("RUNNING", "DONE", name="runstatus", native_enum=False, length=10), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invoices", sa.BigInteger(), nullable=False),
        sa.Column("payments", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("failures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_runs")),
        sa.UniqueConstraint("period_end", name=op.f("uq_billing_runs_period_end")),
    )
    op.create_table(
        "document_series",
        sa.Column("seller_gstin", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("financial_year", sa.Text(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seller_gstin", "series", "financial_year", name=op.f("pk_document_series")),
    )
    op.create_table(
        "job_runs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("summary", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_runs")),
    )
    op.create_index("ix_job_runs_name_started_at", "job_runs", ["name", "started_at"], unique=False)
    op.create_table(
        "users",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("platform_role", sa.Enum("USER", "STAFF", "ADMIN", name="platformrole", native_enum=False, length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "consultants",
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_consultants_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_consultants")),
    )
    op.create_table(
        "login_sessions",
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_login_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_login_sessions_token_hash")),
    )
    op.create_index("ix_login_sessions_user_id", "login_sessions", ["user_id"], unique=False)
    op.create_table(
        "mailed_links",
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("purpose", sa.Enum("VERIFY_EMAIL", "RESET_PASSWORD", name="linkpurpose", native_enum=False, length=20), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivery", sa.Enum("QUEUED", "SENT", "FAILED", name="delivery", native_enum=False, length=10), nullable=False),
        sa.Column("delivery_attempts", sa.BigInteger(), nullable=False),
        sa.Column("delivery_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mailed_links_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailed_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_mailed_links_token_hash")),
    )
    op.create_index(
        "ix_mailed_links_due", "mailed_links", ["delivery_due_at"], unique=False, postgresql_where=sa.text("delivery = 'QUEUED'")
    )
    op.create_index("ix_mailed_links_user_id", "mailed_links", ["user_id"], unique=False)
    op.create_table(
        "organizations",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("kind", sa.Enum("BUYER", "PROVIDER", "HYBRID", name="kind", native_enum=False, length=10), nullable=False),
        sa.Column(
            "status",
            sa.Enum("DRAFT", "PENDING_VERIFICATION", "ACTIVE", "SUSPENDED", "DEACTIVATED", name="status", native_enum=False),
            nullable=False,
        ),
        sa.Column(
            "billing_mode",
            sa.Enum("TAG_ONLY", "SEAT_PACK", "INVOICED_MONTHLY", "PREPAID_UNLIMITED", name="billingmode", native_enum=False, length=20),
            nullable=True,
        ),
        sa.Column("billing_email", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column(
            "size_bucket",
            sa.Enum(
                "SMALL_1_50", "MEDIUM_51_200", "LARGE_201_1000", "ENTERPRISE_1000_PLUS", name="sizebucket", native_enum=False, length=24
            ),
            nullable=True,
        ),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("state_code", sa.Text(), nullable=True),
        sa.Column("gstin", sa.Text(), nullable=True),
        sa.Column("pan", sa.Text(), nullable=True),
        sa.Column("is_sez", sa.Boolean(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("payment_terms_days", sa.BigInteger(), nullable=False),
        sa.Column("credit_limit", sa.BigInteger(), nullable=True),
        sa.Column("seats_total", sa.BigInteger(), nullable=True),
        sa.Column("contract_start", sa.Date(), nullable=True),
        sa.Column("contract_end", sa.Date(), nullable=True),
        sa.Column("po_number", sa.Text(), nullable=True),
        sa.Column("primary_color", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("launched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_payment_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint(
            "(kind = 'PROVIDER') = (billing_mode IS NULL) OR status = 'DRAFT'", name=op.f("ck_organizations_billing_mode_by_kind")
        ),
        sa.CheckConstraint(
            "contract_end IS NULL OR contract_start IS NULL OR contract_end >= contract_start", name=op.f("ck_organizations_contract_order")
        ),
        sa.CheckConstraint("credit_limit IS NULL OR credit_limit >= 0", name=op.f("ck_organizations_credit_limit_not_negative")),
        sa.CheckConstraint("payment_terms_days BETWEEN 0 AND 180", name=op.f("ck_organizations_payment_terms_range")),
        sa.CheckConstraint("seats_total IS NULL OR seats_total >= 1", name=op.f("ck_organizations_seats_total_positive")),
        sa.CheckConstraint("slug = lower(slug)", name=op.f("ck_organizations_slug_lower")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_organizations_created_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
    )
    op.create_index(
        "ix_organizations_invoiced",
        "organizations",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'ACTIVE' AND billing_mode = 'INVOICED_MONTHLY'"),
    )
    op.create_index("uq_organizations_slug", "organizations", ["slug"], unique=True)
    op.create_table(
        "invitation_imports",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "status", sa.Enum("CHECKED", "RUNNING", "DONE", "FAILED", name="importstatus", native_enum=False, length=10), nullable=False
        ),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("delimiter", sa.Text(), nullable=True),
        sa.Column("header_line", sa.BigInteger(), nullable=True),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "default_role",
            sa.Enum(
                "ORG_OWNER",
                "ORG_ADMIN",
                "ORG_MANAGER",
                "ORG_CONSULTANT",
                "ORG_SUPPORT",
                "ORG_LEARNER",
                name="role",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("created_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_invitation_imports_created_by_users")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_invitation_imports_organization_id_organizations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation_imports")),
    )
    op.create_index(
        "ix_invitation_imports_organization_id_created_at", "invitation_imports", ["organization_id", "created_at"], unique=False
    )
    op.create_table(
        "invoices",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("purpose", sa.Enum("PERIOD", "PURCHASE", name="purpose", native_enum=False, length=10), nullable=False),
        sa.Column("status", sa.Enum("DRAFT", "SENT", "CANCELLED", name="invoicestatus", native_enum=False, length=10), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("taxable_amount", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate", sa.BigInteger(), nullable=False),
        sa.Column("cgst", sa.BigInteger(), nullable=False),
        sa.Column("sgst", sa.BigInteger(), nullable=False),
        sa.Column("igst", sa.BigInteger(), nullable=False),
        sa.Column("tax_amount", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("billing_cycle_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("billing_cycle_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issue_date", sa.Date(), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("supplier", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recipient", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("particulars", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("place_of_supply", sa.Text(), nullable=False),
        sa.Column("tax_kind", sa.Enum("INTRA", "INTER", "SEZ", "EXPORT", name="taxkind", native_enum=False, length=10), nullable=False),
        sa.Column("po_number", sa.Text(), nullable=True),
        sa.Column("payment_terms_days", sa.BigInteger(), nullable=False),
        sa.Column("auto_generated", sa.Boolean(), nullable=False),
        sa.Column("file_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("organization_id"), "="),
            (sa.text("tstzrange(billing_cycle_start, billing_cycle_end)"), "&&"),
            where=sa.text("purpose = 'PERIOD' AND status <> 'CANCELLED'"),
            using="gist",
            name="ex_invoices_period",
        ),
        sa.CheckConstraint(
            "(purpose = 'PERIOD') = (billing_cycle_start IS NOT NULL AND billing_cycle_end IS NOT NULL)", name=op.f("ck_invoices_period")
        ),
        sa.CheckConstraint("(status = 'DRAFT') = (number IS NULL)", name=op.f("ck_invoices_number_when_sent")),
        sa.CheckConstraint("status = 'DRAFT' OR num_nulls(issued_at, issue_date, due_date) = 0", name=op.f("ck_invoices_dates_when_sent")),
        sa.CheckConstraint("billing_cycle_start < billing_cycle_end", name=op.f("ck_invoices_period_order")),
        sa.CheckConstraint("cgst = sgst", name=op.f("ck_invoices_equal_halves")),
        sa.CheckConstraint("tax_amount = cgst + sgst + igst AND amount = taxable_amount + tax_amount", name=op.f("ck_invoices_sums")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_invoices_organization_id_organizations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("number", name=op.f("uq_invoices_number")),
    )
    op.create_index("ix_invoices_organization_id_issued_at", "invoices", ["organization_id", "issued_at", "id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "ORG_OWNER",
                "ORG_ADMIN",
                "ORG_MANAGER",
                "ORG_CONSULTANT",
                "ORG_SUPPORT",
                "ORG_LEARNER",
                name="role",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum("PENDING", "ACTIVE", "SUSPENDED", "REMOVED", name="membershipstatus", native_enum=False, length=12),
            nullable=False,
        ),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seat_assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_memberships_organization_id_organizations")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint("organization_id", "user_id", name=op.f("uq_memberships_organization_id_user_id")),
    )
    op.create_index(
        "ix_memberships_seats",
        "memberships",
        ["organization_id"],
        unique=False,
        postgresql_where=sa.text("status = 'ACTIVE' AND role = 'ORG_LEARNER'"),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"], unique=False)
    op.create_table(
        "plans",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("consultant_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column(
            "plan_type",
            sa.Enum("CONSULTATION", "SUBSCRIPTION", "WEBINAR", "CLASS", name="plantype", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("duration_minutes", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("duration_minutes BETWEEN 5 AND 1440", name=op.f("ck_plans_duration_range")),
        sa.CheckConstraint("organization_id IS NOT NULL OR consultant_id IS NOT NULL", name=op.f("ck_plans_has_owner")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_plans_price_not_negative")),
        sa.ForeignKeyConstraint(["consultant_id"], ["consultants.user_id"], name=op.f("fk_plans_consultant_id_consultants")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_plans_organization_id_organizations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_index("ix_plans_consultant_id", "plans", ["consultant_id"], unique=False)
    op.create_index("ix_plans_organization_id", "plans", ["organization_id"], unique=False)
    op.create_table(
        "setup_progress",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("steps_done", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_setup_progress_organization_id_organizations")),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_setup_progress")),
    )
    op.create_index("ix_setup_progress_touched_at", "setup_progress", ["touched_at"], unique=False)
    op.create_table(
        "staged_invitees",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "ORG_OWNER",
                "ORG_ADMIN",
                "ORG_MANAGER",
                "ORG_CONSULTANT",
                "ORG_SUPPORT",
                "ORG_LEARNER",
                name="role",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_staged_invitees_organization_id_organizations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staged_invitees")),
        sa.UniqueConstraint("organization_id", "email", name=op.f("uq_staged_invitees_organization_id_email")),
    )
    op.create_table(
        "invitations",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "ORG_OWNER",
                "ORG_ADMIN",
                "ORG_MANAGER",
                "ORG_CONSULTANT",
                "ORG_SUPPORT",
                "ORG_LEARNER",
                name="role",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum("PENDING", "ACCEPTED", "REVOKED", "EXPIRED", name="invitationstatus", native_enum=False, length=10),
            nullable=False,
        ),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("renewals", sa.BigInteger(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invited_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("import_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("accepted_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivery", sa.Enum("QUEUED", "SENT", "FAILED", name="delivery", native_enum=False, length=10), nullable=False),
        sa.Column("delivery_attempts", sa.BigInteger(), nullable=False),
        sa.Column("delivery_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("role <> 'ORG_OWNER'", name=op.f("ck_invitations_no_owner")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_invitations_email_lower")),
        sa.ForeignKeyConstraint(["accepted_by"], ["users.id"], name=op.f("fk_invitations_accepted_by_users")),
        sa.ForeignKeyConstraint(["import_id"], ["invitation_imports.id"], name=op.f("fk_invitations_import_id_invitation_imports")),
        sa.ForeignKeyConstraint(["invited_by"], ["users.id"], name=op.f("fk_invitations_invited_by_users")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_invitations_organization_id_organizations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index(
        "ix_invitations_due",
        "invitations",
        ["delivery_due_at"],
        unique=False,
        postgresql_where=sa.text("delivery = 'QUEUED' AND status = 'PENDING'"),
    )
    op.create_index("ix_invitations_organization_id_created_at", "invitations", ["organization_id", "created_at"], unique=False)
    op.create_index(
        "uq_invitations_pending", "invitations", ["organization_id", "email"], unique=True, postgresql_where=sa.text("status = 'PENDING'")
    )
    op.create_table(
        "invoice_mails",
        sa.Column("invoice_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("recipients", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery", sa.Enum("QUEUED", "SENT", "FAILED", name="delivery", native_enum=False, length=10), nullable=False),
        sa.Column("delivery_attempts", sa.BigInteger(), nullable=False),
        sa.Column("delivery_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_mails_invoice_id_invoices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_mails")),
        sa.UniqueConstraint("invoice_id", "occasion", name=op.f("uq_invoice_mails_invoice_id_occasion")),
    )
    op.create_index(
        "ix_invoice_mails_due", "invoice_mails", ["delivery_due_at"], unique=False, postgresql_where=sa.text("delivery = 'QUEUED'")
    )
    op.create_table(
        "payments",
        sa.Column("payer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("original_amount", sa.BigInteger(), nullable=False),
        sa.Column("refunded_amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "payment_method",
            sa.Enum("CARD", "ORG_CREDIT", "ORG_INVOICED", "ORG_PREPAID", name="paymentmethod", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("status", sa.Enum("PENDING", "SUCCEEDED", "FAILED", name="paymentstatus", native_enum=False, length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("billable_to_org_invoice_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("learner_name", sa.Text(), nullable=False),
        sa.Column("consultant_name", sa.Text(), nullable=False),
        sa.Column("plan_type", sa.Text(), nullable=False),
        sa.Column("plan_title", sa.Text(), nullable=False),
        sa.Column("sac_code", sa.Text(), nullable=False),
        sa.Column("session_starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("amount >= 0 AND original_amount >= amount", name=op.f("ck_payments_amounts")),
        sa.CheckConstraint("refunded_amount BETWEEN 0 AND original_amount", name=op.f("ck_payments_refunded_range")),
        sa.ForeignKeyConstraint(
            ["billable_to_org_invoice_id"], ["invoices.id"], name=op.f("fk_payments_billable_to_org_invoice_id_invoices")
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_payments_organization_id_organizations")),
        sa.ForeignKeyConstraint(["payer_id"], ["users.id"], name=op.f("fk_payments_payer_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
    )
    op.create_index("ix_payments_invoice", "payments", ["billable_to_org_invoice_id"], unique=False)
    op.create_index("ix_payments_organization_id_created_at", "payments", ["organization_id", "created_at"], unique=False)
    op.create_index("ix_payments_payer_id", "payments", ["payer_id"], unique=False)
    op.create_index(
        "ix_payments_unbilled",
        "payments",
        ["organization_id", "created_at"],
        unique=False,
        postgresql_where=sa.text(
            "payment_method = 'ORG_INVOICED' AND status = 'SUCCEEDED' AND billable_to_org_invoice_id IS NULL AND settled_at IS NULL"
        ),
    )
    op.create_table(
        "bookings",
        sa.Column("plan_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "plan_type",
            sa.Enum("CONSULTATION", "SUBSCRIPTION", "WEBINAR", "CLASS", name="plantype", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("learner_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("consultant_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("payment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("status", sa.Enum("HELD", "CONFIRMED", "RELEASED", name="bookingstatus", native_enum=False, length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("consultant_id"), "="),
            (sa.column("during"), "&&"),
            where=sa.text("plan_type = 'CONSULTATION' AND status IN ('HELD', 'CONFIRMED')"),
            using="gist",
            name="ex_bookings_slot",
        ),
        sa.ForeignKeyConstraint(["consultant_id"], ["consultants.user_id"], name=op.f("fk_bookings_consultant_id_consultants")),
        sa.ForeignKeyConstraint(["learner_id"], ["users.id"], name=op.f("fk_bookings_learner_id_users")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_bookings_organization_id_organizations")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_bookings_payment_id_payments")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_bookings_plan_id_plans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_bookings_payment_id")),
    )
    op.create_index("ix_bookings_learner_id_starts_at", "bookings", ["learner_id", "starts_at"], unique=False)
    op.create_index("ix_bookings_organization_id_starts_at", "bookings", ["organization_id", "starts_at"], unique=False)
    op.create_table(
        "invitation_import_rows",
        sa.Column("import_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "ORG_OWNER",
                "ORG_ADMIN",
                "ORG_MANAGER",
                "ORG_CONSULTANT",
                "ORG_SUPPORT",
                "ORG_LEARNER",
                name="role",
                native_enum=False,
                length=20,
            ),
            nullable=True,
        ),
        sa.Column(
            "verdict",
            sa.Enum(
                "NEW",
                "DUPLICATE_IN_FILE",
                "ALREADY_MEMBER",
                "ALREADY_INVITED",
                "INVALID_EMAIL",
                "MISSING_EMAIL",
                "UNKNOWN_ROLE",
                "ROLE_NOT_ALLOWED",
                "OVER_SEAT_LIMIT",
                "INACTIVE",
                name="verdict",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"], ["invitation_imports.id"], name=op.f("fk_invitation_import_rows_import_id_invitation_imports")
        ),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_invitation_import_rows_invitation_id_invitations")),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_invitation_import_rows")),
    )
    op.create_index("ix_invitation_import_rows_import_id_verdict", "invitation_import_rows", ["import_id", "verdict", "line"], unique=False)
    op.create_table(
        "invoice_lines",
        sa.Column("invoice_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("payment_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("sac_code", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_price", sa.BigInteger(), nullable=False),
        sa.Column("taxable_amount", sa.BigInteger(), nullable=False),
        sa.Column("session_date", sa.Date(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("taxable_amount > 0", name=op.f("ck_invoice_lines_amount_positive")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_lines_invoice_id_invoices")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_invoice_lines_payment_id_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_lines")),
        sa.UniqueConstraint("invoice_id", "position", name=op.f("uq_invoice_lines_invoice_id_position")),
    )
    op.create_index(
        "uq_invoice_lines_live_payment", "invoice_lines", ["payment_id"], unique=True, postgresql_where=sa.text("released_at IS NULL")
    )
    op.execute(APPEND_ONLY)
    op.execute(SENT_INVOICES)


def downgrade():
    raise NotImplementedError("There is nothing before the first tables: restore a backup instead.")
