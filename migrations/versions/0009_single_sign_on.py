"""Single sign-on: connections, domains, requests and messages that work once, sessions, the sign-in log.

Revision ID: 0009
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "sso_attempts",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("connection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Enum("SIGN_IN", "TEST", "LOGOUT", name="kind", native_enum=False, length=10), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "MALFORMED",
                "TOO_LARGE",
                "REPEATED_PARAMETER",
                "NOT_SUCCESSFUL",
                "BAD_SIGNATURE",
                "WEAK_ALGORITHM",
                "UNDECRYPTABLE",
                "WRONG_ISSUER",
                "WRONG_AUDIENCE",
                "WRONG_RECIPIENT",
                "WRONG_DESTINATION",
                "EXPIRED",
                "NOT_YET_VALID",
                "LIFETIME_TOO_LONG",
                "UNREQUESTED",
                "UNKNOWN_REQUEST",
                "REQUEST_USED",
                "OTHER_BROWSER",
                "REPLAYED",
                "NO_EMAIL",
                "BAD_EMAIL",
                "WRONG_DOMAIN",
                "ACCOUNT_ELSEWHERE",
                "CONNECTION_OFF",
                "BROKEN",
                "ORGANIZATION_CLOSED",
                "SEATS_FULL",
                "MEMBER_REMOVED",
                "MEMBER_SUSPENDED",
                "MEMBER_PENDING",
                "PLATFORM_STAFF",
                name="reason",
                native_enum=False,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("name_id", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("claims", postgresql.JSONB(), nullable=True),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_sso_attempts_organization_id_organizations")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sso_attempts_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_attempts")),
    )
    op.create_index("ix_sso_attempts_at", "sso_attempts", ["at"])
    op.create_index("ix_sso_attempts_organization_id_id", "sso_attempts", ["organization_id", sa.text("id DESC")])
    op.create_table(
        "sso_connections",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("preset", sa.Enum("OKTA", "ENTRA", "GOOGLE", "OTHER", name="preset", native_enum=False, length=10), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("allow_idp_initiated", sa.Boolean(), nullable=False),
        sa.Column("idp_entity_id", sa.Text(), nullable=True),
        sa.Column("idp_sso_url", sa.Text(), nullable=True),
        sa.Column("idp_slo_url", sa.Text(), nullable=True),
        sa.Column("idp_slo_binding", sa.Enum("REDIRECT", "POST", name="binding", native_enum=False, length=10), nullable=True),
        sa.Column("idp_slo_response_url", sa.Text(), nullable=True),
        sa.Column("metadata_url", sa.Text(), nullable=True),
        sa.Column("metadata_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata_error", sa.Text(), nullable=True),
        sa.Column("metadata_valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attribute_names", postgresql.JSONB(), nullable=False),
        sa.Column("group_roles", postgresql.JSONB(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("private_key", sa.Text(), nullable=False),
        sa.Column("last_test", postgresql.JSONB(), nullable=True),
        sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("(idp_entity_id IS NULL) = (idp_sso_url IS NULL)", name=op.f("ck_sso_connections_configured_together")),
        sa.CheckConstraint("(idp_slo_url IS NULL) = (idp_slo_binding IS NULL)", name=op.f("ck_sso_connections_slo_together")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_sso_connections_organization_id_organizations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_connections")),
        sa.UniqueConstraint("organization_id", "provider_id", name=op.f("uq_sso_connections_organization_id_provider_id")),
    )
    op.create_index(
        "ix_sso_connections_metadata_due", "sso_connections", ["metadata_due_at"], postgresql_where=sa.text("metadata_url IS NOT NULL")
    )
    op.create_index(
        "uq_sso_connections_primary", "sso_connections", ["organization_id"], unique=True, postgresql_where=sa.text("is_primary")
    )
    op.create_table(
        "sso_domains",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_error", sa.Text(), nullable=True),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("domain = lower(domain)", name=op.f("ck_sso_domains_domain_lower")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_sso_domains_organization_id_organizations")),
        sa.ForeignKeyConstraint(["verified_by"], ["users.id"], name=op.f("fk_sso_domains_verified_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_domains")),
        sa.UniqueConstraint("domain", name=op.f("uq_sso_domains_domain")),
    )
    op.create_index("ix_sso_domains_due", "sso_domains", ["check_due_at"])
    op.create_index("ix_sso_domains_organization_id", "sso_domains", ["organization_id"])
    op.create_table(
        "sso_notices",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("subject", sa.Enum("CERTIFICATE", "DOMAIN_LOST", name="subject", native_enum=False, length=20), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("recipients", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery", sa.Enum("QUEUED", "SENT", "FAILED", name="delivery", native_enum=False, length=10), nullable=False),
        sa.Column("delivery_attempts", sa.BigInteger(), nullable=False),
        sa.Column("delivery_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_sso_notices_organization_id_organizations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_notices")),
    )
    op.create_index("ix_sso_notices_due", "sso_notices", ["delivery_due_at"], postgresql_where=sa.text("delivery = 'QUEUED'"))
    op.create_index("ix_sso_notices_organization_id", "sso_notices", ["organization_id"])
    op.create_index("uq_sso_notices_about", "sso_notices", ["about"], unique=True)
    op.create_table(
        "sso_settings",
        sa.Column("organization_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("is_enforced", sa.Boolean(), nullable=False),
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
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("default_role <> 'ORG_OWNER'", name=op.f("ck_sso_settings_nobody_becomes_owner")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_sso_settings_organization_id_organizations")),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_sso_settings")),
    )
    op.create_table(
        "sso_certificates",
        sa.Column("connection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("der", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("warned_days", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["sso_connections.id"], name=op.f("fk_sso_certificates_connection_id_sso_connections"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_certificates")),
        sa.UniqueConstraint("connection_id", "fingerprint", name=op.f("uq_sso_certificates_connection_id_fingerprint")),
    )
    op.create_index("ix_sso_certificates_not_after", "sso_certificates", ["not_after"])
    op.create_table(
        "sso_identities",
        sa.Column("connection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["sso_connections.id"], name=op.f("fk_sso_identities_connection_id_sso_connections"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sso_identities_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_identities")),
    )
    op.create_index("ix_sso_identities_user_id", "sso_identities", ["user_id"])
    op.create_index("uq_sso_identities_connection_id_name_id", "sso_identities", ["connection_id", "name_id"], unique=True)
    op.create_table(
        "sso_requests",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("purpose", sa.Enum("SIGN_IN", "TEST", "LOGOUT", name="purpose", native_enum=False, length=10), nullable=False),
        sa.Column("browser_hash", sa.Text(), nullable=True),
        sa.Column("next_path", sa.Text(), nullable=True),
        sa.Column("started_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["sso_connections.id"], name=op.f("fk_sso_requests_connection_id_sso_connections"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["started_by"], ["users.id"], name=op.f("fk_sso_requests_started_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_requests")),
    )
    op.create_index("ix_sso_requests_connection_id", "sso_requests", ["connection_id"])
    op.create_index("ix_sso_requests_expires_at", "sso_requests", ["expires_at"])
    op.create_table(
        "sso_seen_messages",
        sa.Column("connection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["sso_connections.id"], name=op.f("fk_sso_seen_messages_connection_id_sso_connections"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("connection_id", "message_id", name=op.f("pk_sso_seen_messages")),
    )
    op.create_index("ix_sso_seen_messages_expires_at", "sso_seen_messages", ["expires_at"])
    op.create_table(
        "sso_sessions",
        sa.Column("connection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("login_session_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name_id", sa.Text(), nullable=False),
        sa.Column("name_id_format", sa.Text(), nullable=False),
        sa.Column("name_qualifier", sa.Text(), nullable=True),
        sa.Column("sp_name_qualifier", sa.Text(), nullable=True),
        sa.Column("session_index", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["sso_connections.id"], name=op.f("fk_sso_sessions_connection_id_sso_connections"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["login_session_id"], ["login_sessions.id"], name=op.f("fk_sso_sessions_login_session_id_login_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_sessions")),
    )
    op.create_index("ix_sso_sessions_connection_id_name_id", "sso_sessions", ["connection_id", "name_id"])
    op.create_index("uq_sso_sessions_login_session_id", "sso_sessions", ["login_session_id"], unique=True)


def downgrade() -> None:
    for table in (
        "sso_sessions",
        "sso_seen_messages",
        "sso_requests",
        "sso_identities",
        "sso_certificates",
        "sso_settings",
        "sso_notices",
        "sso_domains",
        "sso_connections",
        "sso_attempts",
    ):
        op.drop_table(table)
