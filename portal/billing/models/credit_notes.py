"""Credit notes, and where their amounts went. All money is paise; sums on them are kept by triggers, from the movements."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Computed, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.billing.models.invoices import Invoice
from portal.billing.rules import CreditNoteKind, CreditNoteStatus, MovementKind, ReasonCode, TaxKind
from portal.db import Base, Identified, Json

_OPEN = "CASE WHEN status = 'VOID' THEN 0 ELSE amount - settled_amount - applied_amount - paid_out_amount END"


class CreditNote(Identified, Base):
    """A document that reduces an issued invoice. A trigger refuses every change but voiding, the file's key and the kept sums."""

    __tablename__ = "credit_notes"
    __table_args__ = (
        Index("uq_credit_notes_seller_number", text("(supplier ->> 'gstin')"), "number", unique=True),
        UniqueConstraint("refund_id"),
        CheckConstraint("taxable_amount > 0", name="amount_positive"),
        CheckConstraint("tax_amount = cgst + sgst + igst AND amount = taxable_amount + tax_amount", name="sums"),
        CheckConstraint("cgst = sgst AND cgst >= 0 AND igst >= 0", name="equal_halves"),
        CheckConstraint("settled_amount >= 0 AND applied_amount >= 0 AND paid_out_amount >= 0 AND open_amount >= 0", name="uses"),
        CheckConstraint("(status = 'VOID') = (voided_at IS NOT NULL)", name="voided"),
        CheckConstraint(
            "status <> 'VOID' OR (settled_amount + applied_amount + paid_out_amount = 0 AND refund_id IS NULL)", name="voided_unused"
        ),
        Index("ix_credit_notes_organization_id_issued_at", "organization_id", "issued_at", "id"),
        Index("ix_credit_notes_invoice_id", "invoice_id"),
        Index("ix_credit_notes_open", "organization_id", "issued_at", postgresql_where=text("open_amount > 0")),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    invoice_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoices.id"))
    refund_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("refunds.id"))
    number: Mapped[str]
    kind: Mapped[CreditNoteKind] = mapped_column(Enum(CreditNoteKind, native_enum=False, length=12))
    status: Mapped[CreditNoteStatus] = mapped_column(Enum(CreditNoteStatus, native_enum=False, length=10))
    reason: Mapped[str | None]
    reason_code: Mapped[ReasonCode] = mapped_column(Enum(ReasonCode, native_enum=False, length=20))
    currency: Mapped[str]
    taxable_amount: Mapped[int]
    tax_rate: Mapped[int]
    cgst: Mapped[int]
    sgst: Mapped[int]
    igst: Mapped[int]
    tax_amount: Mapped[int]
    amount: Mapped[int]
    settled_amount: Mapped[int] = mapped_column(server_default="0")
    applied_amount: Mapped[int] = mapped_column(server_default="0")
    paid_out_amount: Mapped[int] = mapped_column(server_default="0")
    open_amount: Mapped[int] = mapped_column(Computed(_OPEN, persisted=True))
    issue_date: Mapped[date]
    issued_at: Mapped[datetime]
    supplier: Mapped[Json] = mapped_column(JSONB)
    recipient: Mapped[Json] = mapped_column(JSONB)
    particulars: Mapped[Json] = mapped_column(JSONB)
    place_of_supply: Mapped[str]
    tax_kind: Mapped[TaxKind] = mapped_column(Enum(TaxKind, native_enum=False, length=10))
    created_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]
    file_key: Mapped[str | None]

    invoice: Mapped[Invoice] = relationship(lazy="raise")


class CreditNoteLine(Identified, Base):
    """How much of one invoice line a note credits. Append-only; a trigger holds a note's lines to its amounts."""

    __tablename__ = "credit_note_lines"
    __table_args__ = (
        UniqueConstraint("credit_note_id", "position"),
        UniqueConstraint("credit_note_id", "invoice_line_id"),
        CheckConstraint("taxable_amount > 0 AND cgst >= 0 AND cgst = sgst AND igst >= 0", name="amounts"),
        Index("ix_credit_note_lines_invoice_line_id", "invoice_line_id"),
    )

    credit_note_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("credit_notes.id"))
    invoice_line_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoice_lines.id"))
    payment_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("payments.id"))
    position: Mapped[int]
    description: Mapped[str]
    detail: Mapped[str]
    sac_code: Mapped[str]
    session_date: Mapped[date]
    taxable_amount: Mapped[int]
    cgst: Mapped[int]
    sgst: Mapped[int]
    igst: Mapped[int]


class CreditMovement(Identified, Base):
    """One use of a note's amount: append-only. Only the settlement of a note that is voided is taken back, by a negative one."""

    __tablename__ = "credit_movements"
    __table_args__ = (
        CheckConstraint("amount > 0 OR (amount < 0 AND kind = 'SETTLED')", name="amount_sign"),
        CheckConstraint("(kind = 'PAID_OUT') = (invoice_id IS NULL)", name="invoice"),
        Index("ix_credit_movements_credit_note_id", "credit_note_id"),
        Index("ix_credit_movements_invoice_id", "invoice_id"),
        Index("ix_credit_movements_organization_id", "organization_id", "created_at"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    credit_note_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("credit_notes.id"))
    invoice_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoices.id"))
    kind: Mapped[MovementKind] = mapped_column(Enum(MovementKind, native_enum=False, length=10))
    amount: Mapped[int]
    reference: Mapped[str | None]
    created_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
