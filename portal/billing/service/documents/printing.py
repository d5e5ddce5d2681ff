"""Values on paper: what a document looks like is settled by its value, so the value's fingerprint is what its file is known by."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property

from portal.billing.rules.documents import (
    Branding,
    CreditNoteDocument,
    InvoiceDocument,
    PaymentStatusText,
    StatementDocument,
    fingerprint,
)
from portal.billing.service.documents import factur_x, inv_01, logos
from portal.gateways.pdf import DataFile, render_pdf, template_version
from portal.gateways.rendering import render

DATA_VERSION = "1"
"""Of the files inside: raise it when ``factur_x`` or ``inv_01`` say something else of the same value."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A document and all that is printed on it.

    Attributes:
        document: The frozen value.
        status: How it stands; None for a statement.
        as_of: The date of the status.
        organization_id: Whose it is.
        logo_file: The organization's logo, by its name in the store; it is named after its content.
    """

    document: InvoiceDocument | CreditNoteDocument | StatementDocument
    status: PaymentStatusText | None
    as_of: date
    organization_id: str
    logo_file: str | None

    @cached_property
    def key(self) -> str:
        """What its file is known by: 64 hexadecimal digits."""
        version = f"{template_version()} {DATA_VERSION} {self.as_of} {self.organization_id} {self.logo_file}"
        values = (self.document,) if self.status is None else (self.document, self.status)
        return fingerprint(*values, version=version)

    @property
    def title(self) -> str:
        """What readers call it."""
        return f"{_KINDS[type(self.document)].title} {self.document.number}"

    @property
    def file_name(self) -> str:
        """What it is saved as."""
        return file_name(self.title if isinstance(self.document, StatementDocument) else self.document.number)


def file_name(number: str) -> str:
    """What a document is saved as: its number, with hyphens for what file names can't hold."""
    return f"{number.replace('/', '-').replace(' ', '-')}.pdf"


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    template: str


_KINDS = {
    InvoiceDocument: _Kind("Invoice", "pdf/invoice.html"),
    CreditNoteDocument: _Kind("Credit note", "pdf/credit_note.html"),
    StatementDocument: _Kind("Statement of account", "pdf/statement.html"),
}


def typeset(sheet: Sheet) -> bytes:
    """Makes the file. The same sheet gives the same bytes.

    Raises:
        PdfFailed: It can't be made on this machine.
        OSError: The logo can't be read now.
    """
    document = sheet.document
    branding = Branding(recipient_logo=logos.address_of(sheet.organization_id, sheet.logo_file))
    context: dict[str, object] = {"document": document, "branding": branding}
    if sheet.status is not None:
        context |= {"status": sheet.status, "as_of": sheet.as_of}
    html = render(_KINDS[type(document)].template, **context)
    data = _data(document) if not isinstance(document, StatementDocument) else []
    metadata = [factur_x.extension()] if any(file.name == factur_x.NAME for file in data) else []
    return render_pdf(html, title=sheet.title, identifier=sheet.key, data=data, metadata=metadata)


def _data(document: InvoiceDocument | CreditNoteDocument) -> list[DataFile]:
    at = datetime.combine(document.issue_date, time(), UTC)
    xml = factur_x.invoice_xml(document) if isinstance(document, InvoiceDocument) else factur_x.credit_note_xml(document)
    json = inv_01.inv_01_json(document)
    files = []
    if xml is not None:
        about = "The document's data: Factur-X, profile EN 16931"
        files.append(DataFile(name=factur_x.NAME, content=xml, description=about, at=at, relationship="Alternative"))
    if json is not None:
        about = "The document's data: FORM GST INV-01, version 1.1, not registered"
        files.append(DataFile(name=inv_01.NAME, content=json, description=about, at=at, relationship="Data"))
    return files
