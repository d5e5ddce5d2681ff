"""Connections and their certificates, claimed domains, and what an organization wants of single sign-on."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, Identified, Json
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from portal.sso.rules.connections import Binding, Preset


class SsoSettings(Base):
    """What an organization wants: whether its domains must sign in this way, and as what newcomers come in."""

    __tablename__ = "sso_settings"
    __table_args__ = (CheckConstraint("default_role <> 'ORG_OWNER'", name="nobody_becomes_owner"),)

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"), primary_key=True)
    is_enforced: Mapped[bool] = mapped_column(default=False)
    default_role: Mapped[Role] = mapped_column(Enum(Role, native_enum=False, length=20))
    changed_at: Mapped[datetime]


class Connection(Identified, Base):
    """A connection with one identity provider. Its columns about the provider are empty until its metadata is given.

    Attributes:
        private_key: Encrypted (``crypto.encrypt``, about the id); made with the connection, never used for another one.
        attribute_names: Field (``email, firstName, lastName, name, groups``) → the claim's name, where the owner chose one.
        group_roles: Group → role.
        last_test: What the last test found, as the page and the API show it.
        tested_at: When an owner's test succeeded with the provider as it is now.
    """

    __tablename__ = "sso_connections"
    __table_args__ = (
        UniqueConstraint("organization_id", "provider_id"),
        Index("uq_sso_connections_primary", "organization_id", unique=True, postgresql_where=text("is_primary")),
        Index("ix_sso_connections_metadata_due", "metadata_due_at", postgresql_where=text("metadata_url IS NOT NULL")),
        CheckConstraint("(idp_entity_id IS NULL) = (idp_sso_url IS NULL)", name="configured_together"),
        CheckConstraint("(idp_slo_url IS NULL) = (idp_slo_binding IS NULL)", name="slo_together"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    provider_id: Mapped[str]
    preset: Mapped[Preset] = mapped_column(Enum(Preset, native_enum=False, length=10))
    is_primary: Mapped[bool]
    is_enabled: Mapped[bool] = mapped_column(default=True)
    allow_idp_initiated: Mapped[bool] = mapped_column(default=False)
    idp_entity_id: Mapped[str | None]
    idp_sso_url: Mapped[str | None]
    idp_slo_url: Mapped[str | None]
    idp_slo_binding: Mapped[Binding | None] = mapped_column(Enum(Binding, native_enum=False, length=10))
    idp_slo_response_url: Mapped[str | None]
    metadata_url: Mapped[str | None]
    metadata_due_at: Mapped[datetime | None]
    metadata_read_at: Mapped[datetime | None]
    metadata_error: Mapped[str | None]
    metadata_valid_until: Mapped[datetime | None]
    attribute_names: Mapped[Json] = mapped_column(JSONB, default=dict)
    group_roles: Mapped[Json] = mapped_column(JSONB, default=dict)
    certificate: Mapped[str]
    private_key: Mapped[str]
    last_test: Mapped[Json | None]
    tested_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    organization: Mapped[Organization] = relationship(lazy="raise")
    certificates: Mapped[list["IdpCertificate"]] = relationship(
        lazy="raise", cascade="all, delete-orphan", order_by="IdpCertificate.not_after", back_populates="connection"
    )

    @property
    def is_configured(self) -> bool:
        """Whether the identity provider is known."""
        return self.idp_entity_id is not None


class IdpCertificate(Identified, Base):
    """A certificate that the identity provider may sign with. ``der`` is base64, ``fingerprint`` SHA-256 in hexadecimal."""

    __tablename__ = "sso_certificates"
    __table_args__ = (UniqueConstraint("connection_id", "fingerprint"), Index("ix_sso_certificates_not_after", "not_after"))

    connection_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("sso_connections.id", ondelete="CASCADE"))
    fingerprint: Mapped[str]
    der: Mapped[str]
    subject: Mapped[str]
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    warned_days: Mapped[int | None]
    created_at: Mapped[datetime]

    connection: Mapped[Connection] = relationship(lazy="raise", back_populates="certificates")


class Domain(Identified, Base):
    """A domain of e-mail addresses that an organization claims; it counts once it is verified.

    Attributes:
        domain: ASCII (IDNA 2008), lower case; one organization's at most.
        token: What the TXT record must hold.
        verified_by: Who verified it by hand, or None for DNS.
        missed: How many weekly look-ups in a row found the record gone; a failed look-up isn't one.
    """

    __tablename__ = "sso_domains"
    __table_args__ = (
        UniqueConstraint("domain"),
        Index("ix_sso_domains_organization_id", "organization_id"),
        Index("ix_sso_domains_due", "check_due_at"),
        CheckConstraint("domain = lower(domain)", name="domain_lower"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    domain: Mapped[str]
    token: Mapped[str]
    claimed_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    checked_at: Mapped[datetime | None]
    check_due_at: Mapped[datetime | None]
    check_error: Mapped[str | None]
    missed: Mapped[int] = mapped_column(default=0)

    organization: Mapped[Organization] = relationship(lazy="raise")

    @property
    def txt_record(self) -> str:
        """What the owner publishes."""
        return f"portal-verification={self.token}"
