"""The refusals of the API: their one shape, what each status means, and which follow from a gate."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

ERROR: dict[str, Any] = {
    "type": "object",
    "description": "A refusal. Nothing was changed. Some codes bring members of their own.",
    "properties": {
        "error": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "A stable word for programs."},
        "details": {
            "type": "object",
            "description": "What is wrong with which field.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "flag": {"type": "string", "description": "With 501: the setting that is switched off."},
    },
    "required": ["error", "code"],
}
HEADERS = {
    "X-RateLimit-Limit": {"$ref": "#/components/headers/X-RateLimit-Limit"},
    "X-RateLimit-Remaining": {"$ref": "#/components/headers/X-RateLimit-Remaining"},
    "X-RateLimit-Reset": {"$ref": "#/components/headers/X-RateLimit-Reset"},
}
RATE_HEADERS = {
    "X-RateLimit-Limit": "How many calls of this kind are taken in one window.",
    "X-RateLimit-Remaining": "How many are left in this one.",
    "X-RateLimit-Reset": "When the window ends, in seconds since 1970 (UTC).",
}
REFUSALS = {
    400: "What was sent can't be read, a field is missing or wrong (`details` says which), or the CSRF token is missing or too old.",
    401: "Nobody is signed in, or what was sent to sign in is wrong.",
    402: "The money was refused.",
    403: "The caller may not do this.",
    404: "There is no such thing, or none that the caller may know of.",
    409: "The state of things forbids it.",
    410: "It was there and is over.",
    413: "More was sent than is taken.",
    415: "The body isn't called JSON.",
    429: "Too many calls in a short time.",
    501: "Switched off by a setting.",
    503: "Something that this needs doesn't answer at the moment.",
}
EXAMPLES = {
    400: ("Some fields are missing or wrong. Nothing was changed.", "INVALID"),
    401: ("Sign in to go on.", "UNAUTHENTICATED"),
    402: ("Insufficient credits", "INSUFFICIENT_CREDITS"),
    403: ("This needs the role Admin or above. Ask an admin of Acme Learning.", "ROLE_TOO_LOW"),
    404: ("There is no such organization.", "ORGANIZATION_NOT_FOUND"),
    409: ("Acme Learning is not active at the moment, so this can't be done. Ask the platform's staff.", "ORGANIZATION_NOT_ACTIVE"),
    410: ("This link has expired. Ask for a new one.", "LINK_EXPIRED"),
    413: ("What you sent is larger than we take. Nothing was changed.", "TOO_LARGE"),
    415: ("This address takes JSON. Send it with the header Content-Type: application/json.", "UNSUPPORTED_MEDIA_TYPE"),
    429: ("There were too many tries in a short time. Wait a minute and try again.", "RATE_LIMITED"),
    501: ("Provider organizations are switched off here.", "NOT_ENABLED"),
    503: ("The portal can't reach its database at the moment. Nothing was changed; please try again in a minute.", "UNAVAILABLE"),
}
PASSING = frozenset({429, 503})  # they end by themselves and say when with Retry-After
GATE_REFUSALS = {
    "public": frozenset[int](),
    "signed": frozenset({401}),
    "signed-in": frozenset({401, 403}),
    "staff": frozenset({401, 403}),
    "admin": frozenset({401, 403}),
    "draft-creator": frozenset({401, 404}),
}
STRICTEST = frozenset({401, 403, 404})  # a gate of a feature: as that of organizations


def from_gate(gate: str) -> frozenset[int]:
    """The statuses with which a gate turns callers away."""
    return GATE_REFUSALS.get(gate, STRICTEST)


def response_of(status: int, codes: Sequence[str] = ()) -> dict[str, Any]:
    """The OpenAPI response of a refusal.

    Args:
        status: Its HTTP status.
        codes: Codes that this view in particular gives with it.
    """
    named = f" `code` is, among others, {', '.join(f'`{code}`' for code in codes)}." if codes else ""
    response: dict[str, Any] = {
        "description": REFUSALS[status] + named,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": _example(status, codes)}},
        "headers": dict(HEADERS),
    }
    if status in PASSING:
        waits = "After how many seconds to try again."
        response["headers"]["Retry-After"] = {"description": waits, "schema": {"type": "string"}}
    if status == HTTPStatus.UNAUTHORIZED:
        response["headers"]["WWW-Authenticate"] = {"description": "Always `Bearer`.", "schema": {"type": "string"}}
    return response


def _example(status: int, codes: Sequence[str]) -> dict[str, Any]:
    sentence, code = EXAMPLES[status]
    more: dict[str, Any] = {"details": {"name": ["Fill this in."]}} if status == HTTPStatus.BAD_REQUEST else {}
    more |= {"flag": "ENABLE_PROVIDER_ORGS"} if status == HTTPStatus.NOT_IMPLEMENTED else {}
    return {"error": sentence, "code": codes[0] if codes else code, **more}
