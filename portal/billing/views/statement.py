"""The statement of account, on screen, as a document and as CSV."""

from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import clock
from portal.billing import queries
from portal.billing.queries import Statement
from portal.billing.schemas import StatementQuery
from portal.billing.service import documents, exports
from portal.orgs.access import Access, org
from portal.orgs.rules import Role
from portal.web.forms import query
from portal.web.page import CSV, download, page
from portal.web.serving import PDF, serve

bp = Blueprint("statement", __name__)


@bp.get("/orgs/<slug>/billing/statement")
@org(Role.ORG_MANAGER, books=True)
def show(access: Access) -> ResponseReturnValue:
    """What was owed before, every document and payment, what is owed after."""
    statement = _statement(access)
    dates: dict[str, Any] = {"from": statement.since, "to": statement.until}
    csv_url = url_for("statement.export", slug=access.organization.slug, **dates)
    pdf_url = url_for("statement.pdf", slug=access.organization.slug, **dates)
    return page("billing/statement.html", block="account", access=access, statement=statement, csv_url=csv_url, pdf_url=pdf_url)


@bp.get("/orgs/<slug>/billing/statement.csv")
@org(Role.ORG_MANAGER, books=True)
def export(access: Access) -> ResponseReturnValue:
    """The same as CSV."""
    return download(exports.statement_csv(_statement(access)), file_name=f"{access.organization.slug}-statement.csv", media_type=CSV)


@bp.get("/orgs/<slug>/billing/statement.pdf")
@org(Role.ORG_MANAGER, books=True)
def pdf(access: Access) -> ResponseReturnValue:
    """The same as a document."""
    made = documents.statement_pdf(access.organization, _statement(access))
    return serve(made.content, file_name=made.name, media_type=PDF, etag=made.etag)


def _statement(access: Access) -> Statement:
    wanted = query(StatementQuery)
    return queries.statement_of(access.organization.id, since=wanted.since, until=wanted.last_day(clock.today(clock.INDIA)))
