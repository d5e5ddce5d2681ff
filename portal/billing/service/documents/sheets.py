"""What is printed of each document: as it is now, and as it was when it was issued."""

from portal import clock, config, db
from portal.billing import queries
from portal.billing.models import CreditNote, Invoice
from portal.billing.queries import Statement
from portal.billing.rules import MovementKind
from portal.billing.rules.documents import CreditNoteDocument, InvoiceDocument, PaymentStatusText, credit_status
from portal.billing.service.documents.printing import Sheet
from portal.billing.service.documents.standing import note_standing, standing_of, standing_when_issued
from portal.billing.service.documents.values import credit_note_document, invoice_document, statement_document
from portal.orgs.models import Organization


def invoice_sheet(invoice: Invoice) -> Sheet:
    """An invoice with its payment status as of today."""
    balance = queries.balance(invoice.id)
    return _sheet(_invoice(invoice, balance.applied_amount), standing_of(invoice, balance), of=invoice, as_issued=False)


def original_invoice_sheet(invoice: Invoice) -> Sheet:
    """What was printed when the invoice was issued. Open credit is applied then, and never later."""
    applied = queries.balance(invoice.id).applied_amount
    return _sheet(_invoice(invoice, applied), standing_when_issued(invoice, credit_applied=applied), of=invoice, as_issued=True)


def credit_note_sheet(note: CreditNote) -> Sheet:
    """A credit note with where its amount went until today."""
    document = _note(note)
    return _sheet(document, note_standing(note, original_number=document.original_number), of=note, as_issued=False)


def original_credit_note_sheet(note: CreditNote) -> Sheet:
    """What was printed when the note was issued: it had settled what was outstanding then."""
    document = _note(note)
    moves = [movement for movement, _invoice in queries.movements_of(note.id)]
    settled = sum(move.amount for move in moves if move.kind is MovementKind.SETTLED and move.amount > 0)
    status = credit_status(total=note.amount, settled=settled, original_number=document.original_number)
    return _sheet(document, status, of=note, as_issued=True)


def statement_sheet(organization: Organization, found: Statement) -> Sheet:
    """An account as it is today."""
    today = clock.today(clock.INDIA)
    document = statement_document(organization, found, ageing=queries.ageing_of(organization.id), today=today)
    return Sheet(document=document, status=None, as_of=today, organization_id=organization.id, logo_file=organization.logo_file)


def logo_of(document: Invoice | CreditNote) -> str | None:
    """The logo that the organization had when the invoice was issued; of documents from before that was kept, the present one."""
    if "logo_file" in document.particulars:
        logo_file: str | None = document.particulars["logo_file"]
        return logo_file
    return db.session.get_one(Organization, document.organization_id).logo_file


def _sheet(
    document: InvoiceDocument | CreditNoteDocument, status: PaymentStatusText, *, of: Invoice | CreditNote, as_issued: bool
) -> Sheet:
    return Sheet(
        document=document,
        status=status,
        as_of=document.issue_date if as_issued else clock.today(clock.INDIA),
        organization_id=of.organization_id,
        logo_file=logo_of(of),
    )


def _invoice(invoice: Invoice, credit_applied: int) -> InvoiceDocument:
    return invoice_document(invoice, queries.lines_of(invoice.id), credit_applied=credit_applied)


def _note(note: CreditNote) -> CreditNoteDocument:
    original = db.session.get_one(Invoice, note.invoice_id)
    slug = db.session.get_one(Organization, note.organization_id).slug
    return credit_note_document(
        note,
        queries.note_lines([note.id]),
        original=original,
        original_lines=queries.lines_of(original.id),
        original_url=f"{config.current().base_url}/orgs/{slug}/billing/invoices/{original.id}",
    )
