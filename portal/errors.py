"""What can go wrong in the domain, each with a sentence for the person and a code for the program.

``portal.web.errors`` turns these into pages, fragments and JSON; nobody else catches them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

Details = Mapping[str, list[str]]


class DomainError(Exception):
    """An act was refused and changed nothing.

    Attributes:
        message: A finished sentence: what happened, and what to do now.
        code: A stable upper-case word that clients may compare.
        details: Field name → sentences, for what can be mended in a form.
        extra: More members of the JSON answer, such as ``creditLimit`` or ``flag``.
        status: The HTTP status that says the same.
    """

    status: ClassVar[int] = 400
    default_code: ClassVar[str] = "INVALID"

    def __init__(
        self, message: str, *, code: str | None = None, details: Details | None = None, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details = dict(details or {})
        self.extra = dict(extra or {})


class Invalid(DomainError):
    """What was sent doesn't make sense (400)."""


class Unauthenticated(DomainError):
    """Nobody is signed in (401)."""

    status = 401
    default_code = "UNAUTHENTICATED"


class PaymentRequired(DomainError):
    """Money was refused (402)."""

    status = 402
    default_code = "PAYMENT_REQUIRED"


class Forbidden(DomainError):
    """The caller may not do this (403)."""

    status = 403
    default_code = "FORBIDDEN"


class NotFound(DomainError):
    """There is no such thing, or none that this caller may know of (404)."""

    status = 404
    default_code = "NOT_FOUND"


class Conflict(DomainError):
    """The state of things forbids it (409)."""

    status = 409
    default_code = "CONFLICT"


class Gone(DomainError):
    """It was there and is over: an expired or revoked link (410)."""

    status = 410
    default_code = "GONE"


class TooLarge(DomainError):
    """More was sent than is taken (413)."""

    status = 413
    default_code = "TOO_LARGE"


class NotEnabled(DomainError):
    """Switched off by a setting (501)."""

    status = 501
    default_code = "NOT_ENABLED"


class Unavailable(DomainError):
    """Something outside the portal doesn't answer at the moment (503)."""

    status = 503
    default_code = "UNAVAILABLE"
