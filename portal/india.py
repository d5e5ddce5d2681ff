"""India's numbers: the States of GST, GSTIN, PAN and the financial year. Knows nothing but the rules of the numbers."""

import re
from datetime import date

from stdnum import luhn
from stdnum.exceptions import ValidationError

from portal.errors import Invalid

COUNTRY = "IN"

STATES = {
    "01": "Jammu and Kashmir",
    "02": "Himachal Pradesh",
    "03": "Punjab",
    "04": "Chandigarh",
    "05": "Uttarakhand",
    "06": "Haryana",
    "07": "Delhi",
    "08": "Rajasthan",
    "09": "Uttar Pradesh",
    "10": "Bihar",
    "11": "Sikkim",
    "12": "Arunachal Pradesh",
    "13": "Nagaland",
    "14": "Manipur",
    "15": "Mizoram",
    "16": "Tripura",
    "17": "Meghalaya",
    "18": "Assam",
    "19": "West Bengal",
    "20": "Jharkhand",
    "21": "Odisha",
    "22": "Chhattisgarh",
    "23": "Madhya Pradesh",
    "24": "Gujarat",
    "26": "Dadra and Nagar Haveli and Daman and Diu",
    "27": "Maharashtra",
    "29": "Karnataka",
    "30": "Goa",
    "31": "Lakshadweep",
    "32": "Kerala",
    "33": "Tamil Nadu",
    "34": "Puducherry",
    "35": "Andaman and Nicobar Islands",
    "36": "Telangana",
    "37": "Andhra Pradesh",
    "38": "Ladakh",
    "97": "Other Territory",
}
"""GST State codes → names. 25 (merged into 26) and 28 (Andhra Pradesh before 2014, now 37) are no longer given out."""

UNION_TERRITORIES = frozenset({"04", "26", "31", "35", "38", "97"})
"""Territories without a legislature: what is SGST elsewhere is UTGST here (UTGST Act, section 1), of equal amount."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAN = re.compile(r"[A-Z]{5}[0-9]{4}[A-Z]")
_GSTIN = re.compile(r"(?P<state>[0-9]{2})(?P<pan>[A-Z]{5}[0-9]{4}[A-Z])[1-9A-Z][ZCD][0-9A-Z]")
_APRIL = 4


def check_gstin(text: str) -> str:
    """The GSTIN in capitals, without spaces.

    State code + PAN + number of the registration + ``Z`` (``C`` for collectors of TCS, ``D`` for deductors of TDS) +
    check digit (Luhn, modulus 36).

    Raises:
        Invalid: It has another shape, an unknown State, or a wrong check digit (``GSTIN_INVALID``).
    """
    gstin = _tidy(text)
    match = _GSTIN.fullmatch(gstin)
    if match is None:
        raise _invalid_gstin("A GSTIN has 15 characters, such as 29AAGCP4321K1Z8. Check that you copied all of it.")
    if match["state"] not in STATES:
        raise _invalid_gstin(f"A GSTIN begins with a State's code, and {match['state']} is none. Check the first two digits.")
    try:
        luhn.validate(gstin, alphabet=_ALPHABET)
    except ValidationError:
        raise _invalid_gstin("This GSTIN has a typing mistake: its last character doesn't fit the rest.") from None
    return gstin


def state_of_gstin(gstin: str) -> str:
    """The State code that a checked GSTIN begins with."""
    return gstin[:2]


def pan_of_gstin(gstin: str) -> str:
    """The PAN inside a checked GSTIN."""
    return gstin[2:12]


def check_pan(text: str) -> str:
    """The PAN in capitals, without spaces.

    Raises:
        Invalid: It isn't five letters, four digits and a letter (``PAN_INVALID``).
    """
    pan = _tidy(text)
    if not _PAN.fullmatch(pan):
        sentence = "A PAN has five letters, four digits and a letter, such as AAGCP4321K."
        raise Invalid(sentence, code="PAN_INVALID", details={"pan": [sentence]})
    return pan


def state_name(code: str) -> str:
    """The name of a State.

    Raises:
        Invalid: No State has this code (``STATE_INVALID``).
    """
    name = STATES.get(code)
    if name is None:
        sentence = "Choose one of India's States and Union territories."
        raise Invalid(sentence, code="STATE_INVALID", details={"stateCode": [sentence]})
    return name


def state_code(text: str) -> str | None:
    """The code of a State given by its code or its name in any case, or None."""
    wanted = text.strip().casefold()
    return next((code for code, name in STATES.items() if wanted in {code, name.casefold()}), None)


def financial_year(day: date) -> str:
    """The financial year, April to March, of a date in India: ``26-27`` from 1 April 2026 to 31 March 2027."""
    first = day.year if day.month >= _APRIL else day.year - 1
    return f"{first % 100:02d}-{(first + 1) % 100:02d}"


def _tidy(text: str) -> str:
    return "".join(text.split()).upper()


def _invalid_gstin(sentence: str) -> Invalid:
    return Invalid(sentence, code="GSTIN_INVALID", details={"gstin": [sentence]})
