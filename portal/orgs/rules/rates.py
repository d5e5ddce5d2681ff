"""Revenue rates: how a provider organization's sessions are split, in basis points (10 000 = 100 %)."""

from dataclasses import dataclass
from decimal import Decimal

from portal.errors import Invalid

WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class Rates:
    """The three shares of a session's price, in basis points."""

    platform: int
    organization: int
    consultant: int


DEFAULT_RATES = Rates(platform=1_000, organization=500, consultant=8_500)


def check_rates(rates: Rates) -> Rates:
    """The rates, when they share out everything and no more.

    Raises:
        Invalid: ``RATES_SUM``: they don't sum to 100 %.
    """
    total = rates.platform + rates.organization + rates.consultant
    if total != WHOLE:
        sentence = f"The three rates must sum to 100 %; these sum to {percent_text(total)} %."
        raise Invalid(sentence, code="RATES_SUM", details={"consultant_payout_rate": [sentence]})
    return rates


def check_custom_rate(consultant: int, *, platform: int) -> int:
    """A consultant's own rate, when it leaves the platform its share.

    Raises:
        Invalid: ``RATES_SUM``: together with the platform's rate it exceeds 100 %.
    """
    if consultant + platform > WHOLE:
        sentence = f"The consultant can get {percent_text(WHOLE - platform)} % at most: the platform keeps {percent_text(platform)} %."
        raise Invalid(sentence, code="RATES_SUM", details={"custom_consultant_payout_rate": [sentence]})
    return consultant


def check_platform_rate(platform: int, *, highest_custom: int) -> int:
    """The platform's rate, when it leaves each consultant what was promised to them.

    Raises:
        Invalid: ``RATES_SUM``: together with the highest rate of a consultant's own it exceeds 100 %.
    """
    if platform + highest_custom > WHOLE:
        promised, left = percent_text(highest_custom), percent_text(WHOLE - highest_custom)
        sentence = f"A consultant was promised {promised} %, so the platform can keep {left} % at most."
        raise Invalid(sentence, code="RATES_SUM", details={"platform_commission_rate": [sentence]})
    return platform


def percent_text(basis_points: int) -> str:
    """``8 500`` basis points as people write them: ``85``; ``8 525`` is ``85.25``."""
    return f"{(Decimal(basis_points) / 100).normalize():f}"


def points_of_percent(text: str) -> int:
    """``85.25`` (percent) as basis points.

    Raises:
        ValueError: It is no number from 0 to 100 with at most two decimals.
    """
    return _points(text.strip().removesuffix("%").strip(), per_point=100)


def points_of_fraction(value: float | str) -> int:
    """``0.85`` (a fraction, as the JSON API has it) as basis points.

    Raises:
        ValueError: It is no number from 0 to 1 with at most four decimals.
    """
    return _points(str(value), per_point=WHOLE)


def _points(text: str, *, per_point: int) -> int:
    try:
        points = Decimal(text) * per_point
        is_whole = points == points.to_integral_value()
    except ArithmeticError:
        raise ValueError("Write a number, such as 85.") from None
    if not is_whole or not 0 <= points <= WHOLE:
        raise ValueError(f"Write a number from 0 to {WHOLE // per_point} with at most {len(str(per_point)) - 1} decimals.")
    return int(points)
