"""Credits: the pool, its ledger, and what was bought. Amounts are paise."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.billing.rules import LedgerReason, PurchaseStatus, TaxKind
from portal.db import Base, Identified


class CreditPool(Base):
    """An organization's credits in paise. A trigger holds the balance to the ledger's last row at each commit."""

    __tablename__ = "credit_pools"
    __table_args__ = (CheckConstraint("balance >= 0 AND total_purchased >= 0 AND entries >= 0", name="not_negative"),)

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"), primary_key=True)
    balance: Mapped[int] = mapped_column(server_default="0")
    total_purchased: Mapped[int] = mapped_column(server_default="0")
    entries: Mapped[int] = mapped_column(server_default="0")


class LedgerRow(Identified, Base):
    """One movement of credits: append-only by trigger, each row's balance the previous one plus ``delta``."""

    __tablename__ = "credit_ledger"
    __table_args__ = (
        UniqueConstraint("organization_id", "position"),
        CheckConstraint("delta <> 0 AND balance_after >= 0", name="amounts"),
        Index("ix_credit_ledger_payment_id", "payment_id"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("credit_pools.organization_id"))
    position: Mapped[int]
    delta: Mapped[int]
    reason: Mapped[LedgerReason] = mapped_column(
        Enum(LedgerReason, native_enum=False, length=12, values_callable=lambda kinds: [kind.value for kind in kinds])
    )
    balance_after: Mapped[int]
    payment_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("payments.id"))
    member_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("memberships.id"))
    note: Mapped[str | None]
    created_at: Mapped[datetime]


class CreditPurchase(Identified, Base):
    """Credits that are bought: ``amount`` goes into the pool, ``payable`` with GST is charged by the gateway."""

    __tablename__ = "credit_purchases"
    __table_args__ = (
        CheckConstraint("amount > 0 AND payable = amount + tax_amount AND tax_amount = cgst + sgst + igst", name="sums"),
        CheckConstraint("(status = 'PROCESSED') = (processed_at IS NOT NULL)", name="processed"),
        Index("ix_credit_purchases_organization_id", "organization_id", "id"),
        Index("ix_credit_purchases_pending", "expires_at", postgresql_where=text("status = 'PENDING'")),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    amount: Mapped[int]
    tax_kind: Mapped[TaxKind] = mapped_column(Enum(TaxKind, native_enum=False, length=10))
    place_of_supply: Mapped[str]
    tax_rate: Mapped[int]
    cgst: Mapped[int]
    sgst: Mapped[int]
    igst: Mapped[int]
    tax_amount: Mapped[int]
    payable: Mapped[int]
    status: Mapped[PurchaseStatus] = mapped_column(Enum(PurchaseStatus, native_enum=False, length=10))
    created_by: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    processed_at: Mapped[datetime | None]
