"""Brand colours, and whether people can read what stands on them (WCAG 2.2, success criteria 1.4.3 and 1.4.11)."""

import re
from dataclasses import dataclass

from portal.errors import Invalid

WHITE, INK = "#ffffff", "#1c2430"
TEXT_CONTRAST = 4.5
PART_CONTRAST = 3.0
DARK_PART = 0.04045  # below it sRGB is linear (IEC 61966-2-1)
_HEX = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Swatch:
    """A brand colour with the ink that is read best on it.

    Attributes:
        ink: White or near-black.
        contrast: Of that ink on the colour; at least 4.5.
        against_white: Of the colour against a white page.
    """

    color: str
    ink: str
    contrast: float
    against_white: float


def check_color(text: str) -> str:
    """The colour as ``#rrggbb`` in small letters.

    Raises:
        ValueError: It is no such colour.
    """
    color = text.strip().lower()
    if len(color) == len("#rgb") and color.startswith("#"):
        color = "#" + "".join(digit * 2 for digit in color[1:])
    if not _HEX.fullmatch(color):
        raise ValueError("Write a colour as # and six hexadecimal digits, such as #1f5fd6.")
    return color


def check_primary(color: str) -> str:
    """A primary colour that can be seen on a white page and written upon.

    Raises:
        Invalid: ``COLOR_CONTRAST``: it stands out from white by less than 3 : 1, or no ink reaches 4.5 : 1 on it.
    """
    shown = swatch(color)
    sentence = ""
    if shown.against_white < PART_CONTRAST:
        sentence = f"This colour is too pale: {_said(shown.against_white)} : 1 against white, and people need 3 : 1. Choose a darker one."
    elif shown.contrast < TEXT_CONTRAST:
        sentence = (
            f"Neither white nor dark text can be read on this colour ({_said(shown.contrast)} : 1, needed are 4.5 : 1). Choose another."
        )
    if sentence:
        raise Invalid(sentence, code="COLOR_CONTRAST", details={"primary_color": [sentence]})
    return color


def swatch(color: str) -> Swatch:
    """A checked colour with its best ink."""
    ink = max((WHITE, INK), key=lambda candidate: contrast(color, candidate))
    return Swatch(color=color, ink=ink, contrast=contrast(color, ink), against_white=contrast(color, WHITE))


def _said(ratio: float) -> str:
    """With one decimal, cut and not rounded: 2.98 isn't the 3.0 that is needed."""
    return f"{int(ratio * 10) / 10:.1f}"


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2.2, *contrast ratio*)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= DARK_PART else ((part + 0.055) / 1.055) ** 2.4
