"""Reconciliation: each sum of the domain computed again, by SQL alone; what isn't as it must be is named. Amounts are paise."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from portal import db
from portal.providers.queries.reconcile import CHECKS as OF_EARNINGS


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum that is off.

    Attributes:
        check: Which of the checks found it.
        organization_id: Whose money it is; None for personal payments and series of numbers.
        subject: The row that it is about.
        expected: What the other rows say.
        found: What stands there.
    """

    check: str
    organization_id: str | None
    subject: str
    expected: int
    found: int


CHECKS = {
    "invoice-is-its-lines": """
        SELECT i.organization_id, i.id::text, coalesce(sum(l.taxable_amount), 0), i.taxable_amount
        FROM invoices i LEFT JOIN invoice_lines l ON l.invoice_id = i.id GROUP BY i.id
        HAVING coalesce(sum(l.taxable_amount), 0) <> i.taxable_amount""",
    "invoice-is-taxable-and-tax": """
        SELECT organization_id, id::text, taxable_amount + cgst + sgst + igst, amount FROM invoices
        WHERE taxable_amount + cgst + sgst + igst <> amount OR cgst <> sgst""",
    "paid-is-its-allocations": """
        SELECT b.organization_id, b.invoice_id::text, coalesce(a.amount, 0), b.paid_amount FROM invoice_balances b
        LEFT JOIN (SELECT invoice_id, sum(amount) AS amount FROM invoice_allocations GROUP BY 1) a USING (invoice_id)
        WHERE coalesce(a.amount, 0) <> b.paid_amount""",
    "credited-is-its-settlements": """
        SELECT b.organization_id, b.invoice_id::text, coalesce(m.amount, 0), b.credited_amount FROM invoice_balances b
        LEFT JOIN (SELECT m.invoice_id, sum(m.amount) AS amount FROM credit_movements m
                   JOIN credit_notes n ON n.id = m.credit_note_id AND n.invoice_id = m.invoice_id
                   WHERE m.kind = 'SETTLED' GROUP BY 1) m USING (invoice_id)
        WHERE coalesce(m.amount, 0) <> b.credited_amount""",
    "applied-is-credit-from-elsewhere": """
        SELECT b.organization_id, b.invoice_id::text, coalesce(m.amount, 0), b.applied_amount FROM invoice_balances b
        LEFT JOIN (SELECT m.invoice_id, sum(m.amount) AS amount FROM credit_movements m
                   JOIN credit_notes n ON n.id = m.credit_note_id AND n.invoice_id <> m.invoice_id AND n.organization_id = m.organization_id
                   WHERE m.kind = 'APPLIED' GROUP BY 1) m USING (invoice_id)
        WHERE coalesce(m.amount, 0) <> b.applied_amount""",
    "outstanding-is-what-is-left": """
        SELECT i.organization_id, i.id::text,
               CASE i.status WHEN 'SENT' THEN i.amount - coalesce(b.paid_amount + b.credited_amount + b.applied_amount, 0) ELSE 0 END,
               coalesce(b.outstanding, -1)
        FROM invoices i LEFT JOIN invoice_balances b ON b.invoice_id = i.id WHERE i.status <> 'DRAFT'
        AND coalesce(b.outstanding, -1) <> CASE i.status WHEN 'SENT'
            THEN i.amount - coalesce(b.paid_amount + b.credited_amount + b.applied_amount, 0) ELSE 0 END""",
    "note-is-its-lines": """
        SELECT n.organization_id, n.id::text, coalesce(sum(l.taxable_amount + l.cgst + l.sgst + l.igst), 0), n.amount
        FROM credit_notes n LEFT JOIN credit_note_lines l ON l.credit_note_id = n.id GROUP BY n.id
        HAVING coalesce(sum(l.taxable_amount + l.cgst + l.sgst + l.igst), 0) <> n.amount""",
    "note-is-settled-applied-paid-out-or-open": """
        SELECT n.organization_id, n.id::text, n.amount,
               n.open_amount + coalesce(sum(m.amount), 0) + CASE n.status WHEN 'VOID' THEN n.amount ELSE 0 END
        FROM credit_notes n LEFT JOIN credit_movements m ON m.credit_note_id = n.id GROUP BY n.id
        HAVING n.amount <> n.open_amount + coalesce(sum(m.amount), 0) + CASE n.status WHEN 'VOID' THEN n.amount ELSE 0 END""",
    "notes-within-their-invoice": """
        SELECT i.organization_id, i.id::text, i.amount, sum(n.amount) FROM invoices i
        JOIN credit_notes n ON n.invoice_id = i.id AND n.status <> 'VOID' GROUP BY i.id
        HAVING sum(n.taxable_amount) > i.taxable_amount OR sum(n.cgst) > i.cgst OR sum(n.sgst) > i.sgst OR sum(n.igst) > i.igst
            OR (sum(n.taxable_amount) = i.taxable_amount AND sum(n.amount) <> i.amount)""",
    "notes-within-their-lines": """
        SELECT i.organization_id, l.id::text, l.taxable_amount, sum(c.taxable_amount) FROM invoice_lines l
        JOIN invoices i ON i.id = l.invoice_id JOIN credit_note_lines c ON c.invoice_line_id = l.id
        JOIN credit_notes n ON n.id = c.credit_note_id AND n.status <> 'VOID'
        GROUP BY i.organization_id, l.id HAVING sum(c.taxable_amount) > l.taxable_amount""",
    "billed-and-unbilled-are-the-payments": """
        WITH credited_by_refunds AS (
            SELECT l.invoice_line_id, sum(l.taxable_amount) AS credited FROM credit_note_lines l
            JOIN credit_notes n ON n.id = l.credit_note_id WHERE n.refund_id IS NOT NULL AND n.status <> 'VOID' GROUP BY 1)
        SELECT organization_id, organization_id::text, sum(net), sum(billed) + sum(unbilled) FROM (
            SELECT p.organization_id, p.amount - p.refunded_amount AS net,
                   CASE WHEN p.billable_to_org_invoice_id IS NULL AND p.settled_at IS NULL THEN p.amount - p.refunded_amount ELSE 0 END
                       AS unbilled,
                   coalesce((SELECT sum(l.taxable_amount - coalesce(c.credited, 0)) FROM invoice_lines l
                             LEFT JOIN credited_by_refunds c ON c.invoice_line_id = l.id
                             WHERE l.payment_id = p.id AND l.released_at IS NULL), 0) AS billed
            FROM payments p WHERE p.payment_method = 'ORG_INVOICED' AND p.status = 'SUCCEEDED'
        ) AS money GROUP BY organization_id HAVING sum(net) <> sum(billed) + sum(unbilled)""",
    "a-billed-payment-has-one-live-line": """
        SELECT p.organization_id, p.id::text, (p.billable_to_org_invoice_id IS NOT NULL AND p.status = 'SUCCEEDED')::int, count(l.id)
        FROM payments p
        LEFT JOIN invoice_lines l ON l.payment_id = p.id AND l.released_at IS NULL
            AND l.invoice_id IS NOT DISTINCT FROM p.billable_to_org_invoice_id
        WHERE p.payment_method = 'ORG_INVOICED' GROUP BY p.id
        HAVING count(l.id) <> (p.billable_to_org_invoice_id IS NOT NULL AND p.status = 'SUCCEEDED')::int""",
    "refunds-are-claimed-and-refunded": """
        SELECT p.organization_id, p.id::text, coalesce(r.refunded, 0), p.refunded_amount FROM payments p
        LEFT JOIN (SELECT payment_id, sum(amount) FILTER (WHERE status = 'SUCCEEDED') AS refunded,
                          sum(amount) FILTER (WHERE status <> 'FAILED') AS claimed FROM refunds GROUP BY 1) r ON r.payment_id = p.id
        WHERE coalesce(r.refunded, 0) <> p.refunded_amount OR coalesce(r.claimed, 0) <> p.claimed_amount""",
    "pool-is-its-ledger": """
        SELECT c.organization_id, c.organization_id::text, coalesce(l.balance, 0), c.balance FROM credit_pools c
        LEFT JOIN (SELECT organization_id, sum(delta) AS balance, sum(delta) FILTER (WHERE reason = 'purchase') AS bought
                   FROM credit_ledger GROUP BY 1) l USING (organization_id)
        WHERE coalesce(l.balance, 0) <> c.balance OR coalesce(l.bought, 0) <> c.total_purchased""",
    "numbers-have-no-gap": """
        SELECT NULL::uuid, s.series || ' ' || s.financial_year, s.last_number,
               CASE WHEN count(d.number) = s.last_number THEN max(d.sequence) ELSE count(d.number) END
        FROM document_series s
        LEFT JOIN (SELECT seller, number, split_part(number, '/', 3)::bigint AS sequence FROM (
                SELECT supplier ->> 'gstin' AS seller, number FROM invoices WHERE number IS NOT NULL
                UNION ALL SELECT supplier ->> 'gstin', number FROM credit_notes) AS every) d
            ON d.seller = s.seller_gstin AND d.number LIKE s.series || '/' || s.financial_year || '/%'
        GROUP BY s.seller_gstin, s.series, s.financial_year, s.last_number
        HAVING count(d.number) <> s.last_number OR max(d.sequence) <> s.last_number""",
}


_ALL = " UNION ALL ".join(
    f"SELECT '{check}' AS check_name, off.* FROM ({statement}) AS off(organization_id, subject, expected, found)"  # noqa: S608 - ours
    for check, statement in {**CHECKS, **OF_EARNINGS}.items()
)
_OF_ONE = "CAST(:organization_id AS uuid) IS NULL OR organization_id = CAST(:organization_id AS uuid)"
_EVERY = text(f"SELECT * FROM ({_ALL}) AS every WHERE {_OF_ONE} ORDER BY check_name, subject")  # noqa: S608 - as above


def differences(organization_id: str | None = None) -> Sequence[Difference]:
    """Everything that is off, of one organization or of all, as one statement sees it. Empty is what it must be."""
    rows = db.session.execute(_EVERY, {"organization_id": organization_id})
    return [
        Difference(check, str(owner) if owner else None, subject, int(expected), int(found))
        for check, owner, subject, expected, found in rows
    ]
