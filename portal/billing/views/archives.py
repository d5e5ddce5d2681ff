"""The page of archives: all documents of a period in one ZIP, with progress."""

from datetime import date
from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import clock
from portal.billing import queries
from portal.billing.service import archives
from portal.errors import NotFound
from portal.orgs.access import Access, org
from portal.orgs.rules import Role
from portal.web.forms import Form
from portal.web.page import page, redirect_to
from portal.web.schema import In
from portal.web.serving import serve

bp = Blueprint("archives", __name__)
SHOWN = 20


class PeriodIn(In):
    """From one issue date to another, both inclusive."""

    since: date
    until: date


@bp.get("/orgs/<slug>/billing/archives")
@org(Role.ORG_MANAGER, books=True)
def index(access: Access) -> ResponseReturnValue:
    """The form, and the newest archives."""
    today = clock.today(clock.INDIA)
    return _page(access, Form(PeriodIn, {"since": today.replace(month=1, day=1), "until": today}))


@bp.post("/orgs/<slug>/billing/archives")
@org(Role.ORG_MANAGER, books=True)
def create(access: Access) -> ResponseReturnValue:
    """Has an archive made."""
    form = Form.posted(PeriodIn)
    row = form.submit(
        lambda data: archives.request_archive(access.organization.id, since=data.since, until=data.until, user_id=access.user.id)
    )
    if row is None:
        return _page(access, form, status=422)
    return redirect_to("archives.index", slug=access.organization.slug)


@bp.get("/orgs/<slug>/billing/archives/<archive_id>")
@org(Role.ORG_MANAGER, books=True)
def download(access: Access, archive_id: str) -> ResponseReturnValue:
    """An archive's file."""
    row = queries.archive(access.organization.id, archive_id)
    if row is None:
        raise NotFound("There is no such ZIP.", code="ARCHIVE_NOT_FOUND")
    name = f"{access.organization.slug}-documents-{row.since}-{row.until}.zip"
    return serve(archives.archive_file(row), file_name=name, media_type="application/zip", etag=row.id)


def _page(access: Access, form: Form[Any], *, status: int = 200) -> ResponseReturnValue:
    rows = queries.archives_of(access.organization.id, limit=SHOWN)
    return page(
        "billing/archives.html",
        block="archive_list",
        status=status,
        access=access,
        form=form,
        archives=rows,
        waits=any(not row.status.is_over for row in rows),
        self_url=url_for("archives.index", slug=access.organization.slug),
    )
