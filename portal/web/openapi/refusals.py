"""The refusals of the API: their one shape, what each status means, and which follow from a gate."""

from collections.abc import Sequence
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
PASSING = frozenset({429, 503})  # they end by themselves and say when with Retry-After
GATE_REFUSALS = {
    "public": frozenset[int](),
    "signed": frozenset({401}),
    "signed-in": frozenset({401}),
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
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if status in PASSING:
        waits = "After how many seconds to try again."
        response["headers"] = {"Retry-After": {"description": waits, "schema": {"type": "string"}}}
    return response
