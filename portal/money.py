"""Money is an integer number of paise (₹1 = 100 paise) and a rate an integer number of basis points (10 000 = 100 %).

Nothing here divides with ``/`` or knows a float. Rounding is half-up on the magnitude, so that a reversal rounds like
what it reverses: -50.5 paise become -51 as 50.5 become 51.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

from portal.errors import Invalid

Paise: TypeAlias = int
"""An amount of Indian money: 118000 is ₹1,180.00."""

BasisPoints: TypeAlias = int
"""A rate: 1800 is 18 %."""

PAISE_IN_RUPEE = 100
WHOLE: BasisPoints = 10_000
MINUS = "\N{MINUS SIGN}"

_CRORE = 10_000_000
_WORDS_LIMIT = 1_000 * _CRORE
_AMOUNT = re.compile(
    r"""(?P<rupees> [0-9]+ | [0-9]{1,3}(?:,[0-9]{3})+ | [0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3} )
        (?: \. (?P<paise> [0-9]{1,2} ) )?""",
    re.VERBOSE,
)
_MOST_RUPEE_DIGITS = 12


def half_up(numerator: int, denominator: int) -> int:
    """``numerator`` ÷ ``denominator``, rounded half-up on the magnitude: -5 ÷ 2 is -3, as 5 ÷ 2 is 3.

    Raises:
        ValueError: ``denominator`` isn't positive.
    """
    if denominator <= 0:
        raise ValueError(f"the denominator must be positive, not {denominator}")
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def share(amount: Paise, basis_points: BasisPoints) -> Paise:
    """That part of an amount, rounded half-up on the magnitude: 15 % of 1 005 paise are 151."""
    return half_up(amount * basis_points, WHOLE)


def allocate(total: Paise, weights: Sequence[int]) -> list[Paise]:
    """Shares a total out in proportion to weights, by largest remainder; the shares sum exactly to the total.

    What is left after rounding down goes, a paisa each, to the largest remainders; the earlier one wins a tie, so that
    the same question always has the same answer. A negative total is shared like its positive one. A weight of zero
    gets nothing.

    Args:
        total: What to share, in paise.
        weights: How much each counts, none negative; amounts in paise, as a rule.

    Raises:
        ValueError: A weight is negative, or there is something to share and no weight to share it by.
    """
    if any(weight < 0 for weight in weights):
        raise ValueError("a weight must not be negative")
    sum_of_weights = sum(weights)
    if not sum_of_weights:
        if total:
            raise ValueError("there is no weight to share the total by")
        return [0] * len(weights)
    parts = [divmod(abs(total) * weight, sum_of_weights) for weight in weights]
    shares = [whole for whole, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda index: (-parts[index][1], index))
    for index in by_remainder[: abs(total) - sum(shares)]:
        shares[index] += 1
    return [-part for part in shares] if total < 0 else shares


def format_inr(paise: Paise) -> str:
    """``₹12,34,567.50``: Indian grouping, two decimals, the sign first, as a true minus."""
    sign = MINUS if paise < 0 else ""
    return f"{sign}₹{format_amount(abs(paise))}"


def format_amount(paise: Paise) -> str:
    """``12,34,567.50``: as ``format_inr`` without the symbol, for columns that name it in their head."""
    rupees, rest = divmod(abs(paise), PAISE_IN_RUPEE)
    return f"{MINUS if paise < 0 else ''}{_grouped(str(rupees))}.{rest:02d}"


def plain_amount(paise: Paise) -> str:
    """``1180.00``: digits and a point, for machines that read rupees (UPI, CSV, XML); a minus is a hyphen."""
    rupees, rest = divmod(abs(paise), PAISE_IN_RUPEE)
    return f"{'-' if paise < 0 else ''}{rupees}.{rest:02d}"


def _grouped(digits: str) -> str:
    head, last_three = digits[:-3], digits[-3:]
    first = len(head) % 2
    pairs = [head[:first]] if first else []
    pairs += [head[at : at + 2] for at in range(first, len(head), 2)]
    return ",".join([*pairs, last_three])


def format_rate(basis_points: BasisPoints, *, parts: int = 1) -> str:
    """``18%``, ``2.5%``; with ``parts=2`` one half of the rate, exactly (1800 → ``9%``, 25 → ``0.125%``).

    Args:
        basis_points: The rate.
        parts: Into how many equal parts the rate is split (1 or 2).
    """
    percent, rest = divmod(basis_points * 1_000 // parts, 100_000)
    decimals = f"{rest:05d}".rstrip("0")
    return f"{percent}{'.' + decimals if decimals else ''}%"


def in_words(paise: Paise) -> str:
    """``Rupees One Lakh Eighteen Thousand and Fifty Paise Only``: lakh and crore, as Indian documents say it."""
    rupees, rest = divmod(abs(paise), PAISE_IN_RUPEE)
    coins = "" if not rest else f" and {_words(rest)} {'Paisa' if rest == 1 else 'Paise'}"
    return f"{'Minus ' if paise < 0 else ''}Rupees {_words(rupees)}{coins} Only"


def _words(number: int) -> str:
    if number >= _WORDS_LIMIT:  # num2words stops here: above it, count the crores in words of their own
        crores, rest = divmod(number, _CRORE)
        return f"{_words(crores)} Crore{' ' + _words(rest) if rest else ''}"
    from num2words import num2words  # noqa: PLC0415 - it loads 60 languages (0.2 s), and few processes say an amount in words

    return str(num2words(number, lang="en_IN")).replace(",", "").replace(" and ", " ").title()


def parse_rupees(text: str) -> Paise:
    """Reads an amount that a person typed: ``1,234.50``, ``12,34,567``, ``₹ 500`` → paise.

    Commas must stand where Indian or Western grouping puts them: ``1,50`` may be meant as a decimal and is refused.

    Raises:
        Invalid: It is no amount, has more than two decimals, is negative, or is too large to be meant.
    """
    match = _AMOUNT.fullmatch(text.strip().removeprefix("₹").strip())
    if match is None:
        raise Invalid("Write an amount in rupees, such as 1,234.50.", code="AMOUNT_INVALID")
    rupees = match["rupees"].replace(",", "")
    if len(rupees.lstrip("0")) > _MOST_RUPEE_DIGITS:
        raise Invalid("That amount is too large. Check the number of digits.", code="AMOUNT_INVALID")
    return int(rupees) * PAISE_IN_RUPEE + int((match["paise"] or "0").ljust(2, "0"))
