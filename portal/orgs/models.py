"""Organizations and memberships."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, Text, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import User
from portal.db import Base, Identified, Json
from portal.gateways.mail import Delivered, Delivery
from portal.orgs.rules import (
    BillingMode,
    EarningsRecipient,
    Kind,
    MembershipStatus,
    PayoutFrequency,
    Role,
    SizeBucket,
    Status,
    Verdict,
    media_path,
)
from portal.orgs.rules.rates import DEFAULT_RATES
from portal.orgs.rules.tokens import TokenScope, TokenState, state_of


class Organization(Identified, Base):
    """A customer. Money is paise, rates are basis points; dates of the contract are inclusive, in the organization's zone.

    ``logo_file`` and ``banner_file`` are names below ``organizations/<id>/`` in the store; a replaced file stays there, because
    a document that was issued with it may be rendered again.
    """

    __tablename__ = "organizations"
    __table_args__ = (
        CheckConstraint("slug = lower(slug)", name="slug_lower"),
        CheckConstraint("(kind = 'PROVIDER') = (billing_mode IS NULL) OR status = 'DRAFT'", name="billing_mode_by_kind"),
        CheckConstraint("seats_total IS NULL OR seats_total >= 1", name="seats_total_positive"),
        CheckConstraint("credit_limit IS NULL OR credit_limit >= 0", name="credit_limit_not_negative"),
        CheckConstraint("payment_terms_days BETWEEN 0 AND 180", name="payment_terms_range"),
        CheckConstraint("contract_end IS NULL OR contract_start IS NULL OR contract_end >= contract_start", name="contract_order"),
        CheckConstraint("platform_commission_rate + org_retain_rate + consultant_payout_rate = 10000", name="rates_sum"),
        CheckConstraint("least(platform_commission_rate, org_retain_rate, consultant_payout_rate) >= 0", name="rates_not_negative"),
        Index("uq_organizations_slug", "slug", unique=True),
        Index("ix_organizations_created_by", "created_by", postgresql_where=text("status = 'DRAFT'")),
        Index(
            "ix_organizations_invoiced",
            "id",
            postgresql_where=text("status = 'ACTIVE' AND billing_mode = 'INVOICED_MONTHLY'"),
        ),
    )

    name: Mapped[str]
    slug: Mapped[str]
    kind: Mapped[Kind] = mapped_column(Enum(Kind, native_enum=False, length=10))
    status: Mapped[Status] = mapped_column(Enum(Status, native_enum=False, length=20))
    billing_mode: Mapped[BillingMode | None] = mapped_column(Enum(BillingMode, native_enum=False, length=20))
    billing_email: Mapped[str]
    description: Mapped[str | None]
    industry: Mapped[str | None]
    size_bucket: Mapped[SizeBucket | None] = mapped_column(Enum(SizeBucket, native_enum=False, length=24))
    website: Mapped[str | None]
    address: Mapped[Json | None] = mapped_column(JSONB)
    country: Mapped[str] = mapped_column(default="IN")
    state_code: Mapped[str | None]
    gstin: Mapped[str | None]
    pan: Mapped[str | None]
    is_sez: Mapped[bool] = mapped_column(default=False)
    time_zone: Mapped[str] = mapped_column(default="Asia/Kolkata")
    payment_terms_days: Mapped[int] = mapped_column(default=30)
    credit_limit: Mapped[int | None]
    seats_total: Mapped[int | None]
    contract_start: Mapped[date | None]
    contract_end: Mapped[date | None]
    po_number: Mapped[str | None]
    billing_contacts: Mapped[list[str]] = mapped_column(JSONB, default=list)
    primary_color: Mapped[str | None]
    secondary_color: Mapped[str | None]
    logo_file: Mapped[str | None]
    banner_file: Mapped[str | None]
    platform_commission_rate: Mapped[int] = mapped_column(default=DEFAULT_RATES.platform)
    org_retain_rate: Mapped[int] = mapped_column(default=DEFAULT_RATES.organization)
    consultant_payout_rate: Mapped[int] = mapped_column(default=DEFAULT_RATES.consultant)
    payout_frequency: Mapped[PayoutFrequency] = mapped_column(
        Enum(PayoutFrequency, native_enum=False, length=10), default=PayoutFrequency.MONTHLY
    )
    auto_approve_consultants: Mapped[bool] = mapped_column(default=False)
    enforce_organization_plans: Mapped[bool] = mapped_column(default=False)
    status_reason: Mapped[str | None]
    created_by: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
    launched_at: Mapped[datetime | None]
    first_payment_at: Mapped[datetime | None]

    @property
    def logo_path(self) -> str | None:
        """Where browsers get the logo."""
        return media_path(self.id, self.logo_file)

    @property
    def banner_path(self) -> str | None:
        """Where browsers get the banner."""
        return media_path(self.id, self.banner_file)


class Membership(Identified, Base):
    """A user's place in one organization. An ACTIVE learner holds a seat."""

    __tablename__ = "memberships"
    __table_args__ = (
        UniqueConstraint("organization_id", "user_id"),
        Index("ix_memberships_user_id", "user_id"),
        CheckConstraint("custom_consultant_payout_rate BETWEEN 0 AND 10000", name="custom_rate_range"),
        Index(
            "ix_memberships_seats",
            "organization_id",
            postgresql_where=text("status = 'ACTIVE' AND role = 'ORG_LEARNER'"),
        ),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    role: Mapped[Role] = mapped_column(Enum(Role, native_enum=False, length=20))
    status: Mapped[MembershipStatus] = mapped_column(Enum(MembershipStatus, native_enum=False, length=12))
    joined_at: Mapped[datetime | None]
    seat_assigned_at: Mapped[datetime | None]
    custom_consultant_payout_rate: Mapped[int | None]
    earnings_recipient: Mapped[EarningsRecipient] = mapped_column(
        Enum(EarningsRecipient, native_enum=False, length=12), default=EarningsRecipient.CONSULTANT
    )
    application_note: Mapped[str | None]
    applied_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    checklist_hidden_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    user: Mapped[User] = relationship(lazy="raise")
    organization: Mapped[Organization] = relationship(lazy="raise")


class VerdictMail(Delivered, Identified, Base):
    """A mail that tells an organization's owners what a platform admin decided about it."""

    __tablename__ = "verdict_mails"
    __table_args__ = (
        Index("ix_verdict_mails_due", "delivery_due_at", postgresql_where=text(f"delivery = '{Delivery.QUEUED}'")),
        Index("ix_verdict_mails_organization_id", "organization_id"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    verdict: Mapped[Verdict] = mapped_column(Enum(Verdict, native_enum=False, length=10))
    reason: Mapped[str | None]
    recipients: Mapped[list[str]] = mapped_column(JSONB)
    created_at: Mapped[datetime]

    organization: Mapped[Organization] = relationship(lazy="raise")


class ApiToken(Identified, Base):
    """A token that acts on one organization in its maker's name; only its hash is stored. Revoked rows stay for the record."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint(f"cardinality(scopes) > 0 AND scopes <@ ARRAY{[scope.value for scope in TokenScope]}", name="scopes_known"),
        CheckConstraint("expires_at > created_at", name="expiry_later"),
        Index("ix_api_tokens_organization_id_id", "organization_id", "id"),
        Index(
            "uq_api_tokens_live_name", "organization_id", func.lower(text("name")), unique=True, postgresql_where=text("revoked_at IS NULL")
        ),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    name: Mapped[str]
    token_hash: Mapped[str]
    hint: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="raise")

    def state(self, *, is_maker_owner: bool, now: datetime) -> TokenState:
        """How it stands at an instant."""
        return state_of(revoked_at=self.revoked_at, expires_at=self.expires_at, is_maker_owner=is_maker_owner, now=now)
