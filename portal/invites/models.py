"""Invitations, and the files that they were uploaded with."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, LargeBinary, UniqueConstraint, Uuid, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import User
from portal.db import Base, Identified, Json
from portal.gateways.mail import Delivered, Delivery
from portal.invites.rules import Verdict, invited_as
from portal.invites.rules.states import ImportStatus, InvitationStatus
from portal.orgs.models import Organization
from portal.orgs.rules import Role


class Invitation(Delivered, Identified, Base):
    """An invitation by e-mail. One PENDING row per organization and address, by partial unique index."""

    __tablename__ = "invitations"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint("role <> 'ORG_OWNER'", name="no_owner"),
        Index("uq_invitations_pending", "organization_id", "email", unique=True, postgresql_where=text("status = 'PENDING'")),
        Index("ix_invitations_import_id", "import_id"),
        Index("ix_invitations_email", "email", postgresql_where=text("status = 'PENDING'")),
        Index("ix_invitations_organization_id_created_at", "organization_id", "created_at"),
        Index("ix_invitations_revoked", "organization_id", "revoked_at", postgresql_where=text("status = 'REVOKED'")),
        Index(
            "ix_invitations_due",
            "delivery_due_at",
            postgresql_where=text(f"delivery = '{Delivery.QUEUED}' AND status = 'PENDING'"),
        ),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    email: Mapped[str]
    name: Mapped[str | None]
    role: Mapped[Role] = mapped_column(Enum(Role, native_enum=False, length=20))
    status: Mapped[InvitationStatus] = mapped_column(Enum(InvitationStatus, native_enum=False, length=10), default=InvitationStatus.PENDING)
    nonce: Mapped[str]
    renewals: Mapped[int] = mapped_column(default=0)
    token_hash: Mapped[str]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    invited_by: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    import_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("invitation_imports.id"))
    accepted_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    organization: Mapped[Organization] = relationship(lazy="raise")
    inviter: Mapped[User] = relationship(lazy="raise", foreign_keys=[invited_by])


class InvitationImport(Identified, Base):
    """An uploaded file of invitations: read and judged first, sent when it is confirmed."""

    __tablename__ = "invitation_imports"
    __table_args__ = (Index("ix_invitation_imports_organization_id_created_at", "organization_id", "created_at"),)

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    status: Mapped[ImportStatus] = mapped_column(Enum(ImportStatus, native_enum=False, length=10))
    file_name: Mapped[str]
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    encoding: Mapped[str]
    delimiter: Mapped[str | None]
    header_line: Mapped[int | None]
    columns: Mapped[list[str]] = mapped_column(JSONB)
    mapping: Mapped[Json | None]
    choices: Mapped[Json] = mapped_column(JSONB, default=dict)
    fingerprint: Mapped[str]
    samples: Mapped[list[list[str]]] = mapped_column(JSONB, default=list)
    counts: Mapped[Json] = mapped_column(JSONB, default=dict)
    default_role: Mapped[Role] = mapped_column(Enum(Role, native_enum=False, length=20))
    created_by: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]

    @property
    def sampled_columns(self) -> list[tuple[str, list[str]]]:
        """Each column's header with up to three of its values; none once the content is forgotten."""
        return list(zip(self.columns, self.samples or [[]] * len(self.columns), strict=True))


class InvitationImportRow(Base):
    """One row of an uploaded file with its verdict.

    Rows are written and deleted with their file only. A foreign key would cost more than all else about a file of 100 000
    rows: PostgreSQL looks the file up once a row.
    """

    __tablename__ = "invitation_import_rows"
    __table_args__ = (
        Index("ix_invitation_import_rows_not_new", "import_id", "verdict", "line", postgresql_where=text("verdict <> 'NEW'")),
    )

    import_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str | None]
    role: Mapped[Role | None] = mapped_column(Enum(Role, native_enum=False, length=20))
    role_text: Mapped[str]
    verdict: Mapped[Verdict] = mapped_column(Enum(Verdict, native_enum=False, length=20))
    message: Mapped[str]
    is_dropped: Mapped[bool] = mapped_column(server_default=false())
    is_mended: Mapped[bool] = mapped_column(server_default=false())

    @property
    def explanation(self) -> str:
        """Why it has its verdict. The sentence of most rows isn't stored: it is the same for all with their role."""
        return self.message or (invited_as(self.role) if self.role else "")


class ImportMapping(Base):
    """Which columns somebody chose for files with the same headers."""

    __tablename__ = "import_mappings"

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    columns: Mapped[Json] = mapped_column(JSONB)
    updated_at: Mapped[datetime]
