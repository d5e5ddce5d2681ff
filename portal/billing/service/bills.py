"""Bills: what an invoice will say, computed from what is unbilled and not yet written. Amounts are paise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from portal import clock, config, db
from portal.billing import queries
from portal.billing.models import CreditPurchase
from portal.billing.queries import ToBill
from portal.billing.rules import (
    DEFAULT_SAC,
    STANDARD_RATE,
    InvoiceStatus,
    Purpose,
    Tax,
    TaxKind,
    billing_period,
    due_date,
    endorsement_of,
    oldest_first,
)
from portal.billing.service.parties import recipient_of, supplier
from portal.db import Json
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice's columns, and who it is mailed to."""

    invoice: dict[str, Any]
    payments: int
    recipients: list[str]


@dataclass(frozen=True, slots=True)
class Preview:
    """The next invoice as it would be issued now: its columns, its lines, and the open credit that it would use."""

    invoice: dict[str, Any]
    lines: Sequence[Row[Any]]
    applied: int


def of_period(organization: Organization, found: ToBill, *, last_end: datetime | None, end: datetime, automatic: bool) -> Bill:
    """The bill of what is unbilled of one organization before ``end``.

    Raises:
        Invalid: ``ALREADY_BILLED``, or ``STATE_REQUIRED``: GST depends on the State, and it isn't known.
    """
    place = queries.place_of(organization)
    start, period_end = billing_period(last_end, found.oldest_at, end)
    tax = place.tax(found.taxable, rate=STANDARD_RATE)
    values = {
        **_common(organization, place.place_of_supply, tax, taxable=found.taxable, automatic=automatic, state_tax=place.state_tax),
        "purpose": Purpose.PERIOD,
        "billing_cycle_start": start,
        "billing_cycle_end": period_end,
    }
    return Bill(values, payments=found.payments, recipients=_recipients(organization))


def of_purchase(purchase: CreditPurchase, *, organization: Organization) -> tuple[Bill, dict[str, Any]]:
    """The bill of credits that were paid for, and its one line. Tax and place of supply are those of the order, as charged."""
    place = queries.place_of(organization)
    tax = Tax(purchase.cgst, purchase.sgst, purchase.igst, purchase.tax_rate, purchase.tax_kind)
    values = {
        **_common(organization, purchase.place_of_supply, tax, taxable=purchase.amount, automatic=True, state_tax=place.state_tax),
        "purpose": Purpose.PURCHASE,
        "purchase_id": purchase.id,
        "payment_terms_days": 0,
        "due_date": clock.today(clock.INDIA),
        "particulars": _particulars(tax.kind, days=0, state_tax=place.state_tax, logo_file=organization.logo_file),
    }
    line = {
        "invoice_id": values["id"],
        "position": 1,
        "description": "Credits for sessions",
        "detail": "Prepaid; sessions are booked with them later",
        "sac_code": DEFAULT_SAC,
        "quantity": 1,
        "unit_price": purchase.amount,
        "taxable_amount": purchase.amount,
        "session_date": clock.today(clock.INDIA),
    }
    return Bill(values, payments=0, recipients=_recipients(organization)), line


def preview(organization: Organization) -> Preview | None:
    """The next invoice if it were issued now, by the rules of the run and without writing; None when nothing is unbilled.

    Raises:
        Invalid: As ``of_period``.
    """
    if organization.billing_mode is not BillingMode.INVOICED_MONTHLY:
        return None
    end = queries.close_out_end(organization.id, now=clock.now())
    found = queries.totals_to_bill([organization.id], before=end).get(organization.id)
    if found is None:
        return None
    last_end = queries.last_period_ends([organization.id]).get(organization.id)
    bill = of_period(organization, found, last_end=last_end, end=end, automatic=False)
    lines = db.session.execute(queries.lines_to_bill([organization.id], before=end).order_by("position")).all()
    notes = queries.open_notes([organization.id])
    applied = sum(part for _note, part in oldest_first(bill.invoice["amount"], [(note.id, note.open_amount) for note in notes]))
    return Preview(bill.invoice, lines, applied)


def _common(organization: Organization, place_of_supply: str, tax: Tax, *, taxable: int, automatic: bool, state_tax: str) -> dict[str, Any]:
    at, issue_date, days = clock.now(), clock.today(clock.INDIA), organization.payment_terms_days
    return {
        "id": db.new_id(),
        "organization_id": organization.id,
        "status": InvoiceStatus.DRAFT,
        "currency": "INR",
        "taxable_amount": taxable,
        "tax_rate": tax.rate,
        "cgst": tax.cgst,
        "sgst": tax.sgst,
        "igst": tax.igst,
        "tax_amount": tax.total,
        "amount": taxable + tax.total,
        "issue_date": issue_date,
        "due_date": due_date(issue_date, days),
        "issued_at": at,
        "supplier": supplier(),
        "recipient": recipient_of(organization),
        "particulars": _particulars(tax.kind, days=days, state_tax=state_tax, logo_file=organization.logo_file),
        "place_of_supply": place_of_supply,
        "tax_kind": tax.kind,
        "po_number": organization.po_number,
        "payment_terms_days": days,
        "auto_generated": automatic,
        "created_at": at,
    }


def _particulars(kind: TaxKind, *, days: int, state_tax: str, logo_file: str | None) -> Json:
    settings = config.current()
    terms = f"Payment is due within {days} days of the issue date." if days else "Payment is due on the day of issue."
    return {
        "state_tax": state_tax,
        "logo_file": logo_file,
        "terms_text": f"{terms} Please quote the invoice number.",
        "bank_lines": list(settings.supplier_bank),
        "upi_id": settings.supplier_upi_id,
        "endorsement": endorsement_of(kind, lut=settings.supplier_lut),
    }


def _recipients(organization: Organization) -> list[str]:
    return list(dict.fromkeys((organization.billing_email, *organization.billing_contacts)))
