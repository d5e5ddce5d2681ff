"""The fields of organizations: what each may hold, for forms and JSON alike."""

from functools import cache
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from babel import Locale
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema

from portal import india
from portal.accounts.schemas import Email
from portal.errors import Invalid
from portal.orgs.rules.colors import check_color
from portal.orgs.rules.rates import WHOLE, points_of_fraction, points_of_percent
from portal.web.schema import from_rupees

MOST_CONTACTS = 10
ISO_LENGTH = 2
NO_COUNTRIES = frozenset({"EU", "EZ", "UN", "ZZ", "QO", "XA", "XB"})  # unions, and codes that mean none
HIGHEST_LIMIT = 1_000_000_000_00


def _website(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or "." not in parts.netloc or not value.isprintable():
        raise ValueError("Write a whole address, such as https://example.com.")
    return value


def _gstin(value: str) -> str:
    try:
        return india.check_gstin(value)
    except Invalid as error:
        raise ValueError(error.message) from None


def _pan(value: str) -> str:
    try:
        return india.check_pan(value)
    except Invalid as error:
        raise ValueError(error.message) from None


def _state(value: str) -> str:
    if value not in india.STATES:
        raise ValueError("Choose one of the states.")
    return value


@cache
def time_zones() -> tuple[str, ...]:
    """Every time zone that is named after a place (IANA), and UTC."""
    left_out = ("Etc/", "SystemV/", "posix/", "right/")
    return ("UTC", *sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(left_out)))


@cache
def countries() -> dict[str, str]:
    """Every country by its ISO 3166-1 code, with its English name (CLDR), India first."""
    territories = Locale("en").territories.items()
    names = {code: name for code, name in territories if len(code) == ISO_LENGTH and code.isalpha() and code not in NO_COUNTRIES}
    return {"IN": names.pop("IN"), **dict(sorted(names.items(), key=lambda pair: pair[1]))}


def _country(value: str) -> str:
    if value not in countries():
        raise ValueError("Choose a country by its two letters, such as IN.")
    return value


def _time_zone(value: str) -> str:
    if value not in time_zones():
        raise ValueError("Choose a time zone such as Asia/Kolkata.")
    return value


def _addresses(value: object) -> object:
    """A text box holds one address a line; JSON holds a list."""
    if isinstance(value, str):
        return [part for part in value.replace(",", "\n").replace(";", "\n").split() if part]
    return value


def _once(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


OrgName = Annotated[str, StringConstraints(min_length=2, max_length=120, pattern=r"^[^\x00-\x1f]*$")]
Slug = Annotated[str, StringConstraints(max_length=60)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]
PostalCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 -]{3,12}$")]
Country = Annotated[str, AfterValidator(_country)]
Website = Annotated[str, StringConstraints(max_length=200), AfterValidator(_website)]
Gstin = Annotated[str, AfterValidator(_gstin)]
Pan = Annotated[str, AfterValidator(_pan)]
StateCode = Annotated[str, AfterValidator(_state)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Description = Annotated[str, StringConstraints(max_length=1000)]
Contacts = Annotated[list[Email], Field(max_length=MOST_CONTACTS), BeforeValidator(_addresses), AfterValidator(_once)]
Color = Annotated[str, AfterValidator(check_color)]
TermsDays = Annotated[int, Field(ge=0, le=180)]
Seats = Annotated[int, Field(ge=1, le=1_000_000)]
Limit = Annotated[int, Field(ge=0, le=HIGHEST_LIMIT)]
LimitInRupees = Annotated[Limit, BeforeValidator(from_rupees)]
Percent = Annotated[int, BeforeValidator(points_of_percent)]
Fraction = Annotated[
    int,
    BeforeValidator(points_of_fraction),
    PlainSerializer(lambda points: None if points is None else points / WHOLE),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
