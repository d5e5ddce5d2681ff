"""Templates outside a request: mails and printed documents. A plain Jinja environment, which knows no Flask."""

from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import segno
from babel import Locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from portal import money

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def render(template: str, **context: object) -> str:
    """Fills a template below ``templates/``.

    Everything is escaped, but for templates that end in ``.txt``. A name that the context lacks is an error.

    Args:
        template: Such as ``pdf/invoice.html`` or ``email/invitation.txt``.
        context: The template's names.
    """
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        money=money.format_inr,
        amount=money.format_amount,
        date=show_date,
        instant=show_instant,
        country=country_name,
        qr=qr_code,
    )
    return environment


def show_date(value: date | datetime, time_zone: str = "Asia/Kolkata") -> str:
    """``01 Nov 2026``; an instant is shown as the date that it has in the time zone."""
    day = value.astimezone(ZoneInfo(time_zone)) if isinstance(value, datetime) else value
    return f"{day:%d %b %Y}"


def show_instant(value: datetime, time_zone: str = "Asia/Kolkata") -> str:
    """``01 Nov 2026, 09:30`` in the time zone."""
    return f"{value.astimezone(ZoneInfo(time_zone)):%d %b %Y, %H:%M}"


def country_name(code: str) -> str:
    """``United States`` for the ISO 3166-1 alpha-2 code ``US``; a code that nobody knows stays as it is."""
    return str(Locale("en").territories.get(code, code))


def qr_code(text: str) -> str:
    """A QR code as an SVG image in a ``data:`` address, for the ``src`` of an ``<img>``."""
    return segno.make_qr(text, error="m").svg_data_uri(border=0, omitsize=True, xmldecl=False, nl=False)
