"""One route of the API as OpenAPI's operation."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from itertools import takewhile
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from portal.web.bearer import scopes_of
from portal.web.openapi.described import Answer, Described, Served, Wrapped
from portal.web.openapi.examples import Examples, Json
from portal.web.openapi.refusals import HEADERS, PASSING, REFUSALS, from_gate, response_of
from portal.web.openapi.schemas import Schemas
from portal.web.transactions import SAFE_METHODS

PLACEHOLDER = re.compile(r"<(?:any\((?P<choices>[^)]*)\):|[^<>]*:)?(?P<name>\w+)>")
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body within 24 hours get the first answer, and nothing is done again; another body is refused (409).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
TEXT = '"Name","E-mail"\r\n"Asha Rao","asha@acme.example"\r\n'
SECTION = re.compile(r"(Args|Returns|Raises|Yields):")


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one rule.

    Attributes:
        method: In lower case, as OpenAPI writes it.
    """

    endpoint: str
    rule: str
    method: str
    view: Callable[..., Any]

    @property
    def described(self) -> Described | None:
        """What the view says of itself."""
        found: Described | None = getattr(self.view, "described", None)
        return found

    @property
    def gate(self) -> str:
        """The name of the view's gate."""
        return getattr(self.view, "gate", "")

    @property
    def path(self) -> str:
        """The path as OpenAPI writes it, its parameters in camelCase."""
        return PLACEHOLDER.sub(lambda found: f"{{{to_camel(found['name'])}}}", self.rule)

    @property
    def tag(self) -> str:
        """The feature, as the blueprint is called."""
        return self.endpoint.partition(".")[0].removesuffix("_api")

    @property
    def scopes(self) -> tuple[str, ...]:
        """Of which scopes an API token needs one; none, when it takes no tokens."""
        return tuple(scopes_of(self.view))

    @property
    def changes(self) -> bool:
        """Whether it may write, and so wants the CSRF token."""
        return self.method.upper() not in SAFE_METHODS

    @property
    def is_idempotent(self) -> bool:
        """Whether the view honours ``Idempotency-Key``."""
        return getattr(self.view, "is_idempotent", False)

    def refusals(self) -> set[int]:
        """The statuses that follow from the route itself and from what the view says."""
        said = self.described
        if said is None:
            return set(REFUSALS)
        found = {*PASSING, *from_gate(self.gate), *said.refuses}
        if self.changes:
            found |= {400, 409, 413}  # 400 at least for the token
        if said.query:
            found.add(400)
        if "<" in self.rule:
            found.add(404)
        if said.body and not said.upload:
            found.add(415)
        return found


def operation(route: Route, schemas: Schemas) -> Json:
    """What the route reads and answers, without its ``operationId``, which depends on the other routes."""
    said = route.described
    answers = {str(status): _answer(status, answer, schemas, about=route.rule) for status, answer in said.answers.items()} if said else {}
    codes = said.refuses if said else {}
    for status in sorted(route.refusals()):
        own = codes.get(status)
        shared = {"$ref": f"#/components/responses/Refused{status}"}
        answers.setdefault(str(status), response_of(status, own) if own else shared)
    found: Json = {
        "tags": [route.tag],
        **_texts(route),
        "x-gate": route.gate,
        "security": _security(route),
        "parameters": [
            *_path_parameters(route.rule, schemas.examples),
            *(_query_parameters(said.query, schemas) if said and said.query else ()),
            *([IDEMPOTENCY_KEY] if route.is_idempotent else ()),
        ],
        "responses": answers if said else {"2XX": {"description": "Done."}, **answers},
    }
    if said and (said.body or said.upload):
        found["requestBody"] = {"required": True, "content": _body(said, schemas)}
    return found


def _texts(route: Route) -> Json:
    summary, *rest = inspect.cleandoc(route.view.__doc__ or route.endpoint).split("\n\n")
    description = "\n\n".join(takewhile(lambda paragraph: not SECTION.match(paragraph), rest))
    return {"summary": " ".join(summary.replace("``", "").split()), **({"description": description} if description else {})}


def _security(route: Route) -> list[dict[str, list[str]]]:
    """What a call needs: one of these."""
    if route.gate == "signed" or (route.gate == "public" and not route.changes):
        return []
    by_cookie: dict[str, list[str]] = {"session": [], "csrf": []} if route.changes else {"session": []}  # a stranger's cookie holds it too
    return [by_cookie, *({"apiToken": [scope]} for scope in route.scopes)]


def _path_parameters(rule: str, examples: Examples) -> list[Json]:
    found = []
    for placeholder in PLACEHOLDER.finditer(rule):
        choices = [choice.strip(" '\"") for choice in (placeholder["choices"] or "").split(",") if choice]
        schema = {"type": "string", "enum": choices} if choices else {"type": "string", "minLength": 1}
        name = to_camel(placeholder["name"])
        found.append({"name": name, "in": "path", "required": True, "schema": schema, "example": _in_path(name, schema, examples)})
    return found


def _query_parameters(query: type[BaseModel], schemas: Schemas) -> list[Json]:
    whole = schemas.fields(query)
    found = []
    for name, field in whole["properties"].items():
        described = {"description": field["description"]} if "description" in field else {}
        found.append({"name": name, "in": "query", "required": name in whole.get("required", ()), **described, "schema": field})
    return found


def _in_path(name: str, schema: Json, examples: Examples) -> str:
    known = {"slot": "logo", "gateway": "stripe", "slug": "acme-learning"}
    return known.get(name) or str(examples.value(schema, name))


def _body(said: Described, schemas: Schemas) -> Json:
    if not said.upload:
        schema = schemas.of(said.body, "validation")
        return {"application/json": {"schema": schema, "example": said.example or schemas.examples.body(schema)}}
    form: Json = schemas.fields(said.body) if said.body else {"type": "object", "properties": {}}
    form["properties"][said.upload] = {"type": "string", "format": "binary"}
    whole = {**form, "required": [*form.get("required", ()), said.upload]}
    return {"multipart/form-data": {"schema": whole, "example": {said.upload: "(the file)", **(said.example or {})}}}


def _answer(status: int, answer: Answer, schemas: Schemas, *, about: str) -> Json:
    response: Json = {"description": HTTPStatus(status).phrase, "headers": dict(HEADERS)}
    if isinstance(answer, Served):
        is_text = answer.media_type.startswith("text/")
        response["content"] = {answer.media_type: {"schema": {"type": "string"}, "example": TEXT} if is_text else {}}
    elif answer is not None:
        schema = _answered(answer, schemas)
        response["content"] = {"application/json": {"schema": schema, "example": schemas.examples.answer(schema, about=about)}}
    return response


def _answered(answer: Answer, schemas: Schemas) -> Json:
    if isinstance(answer, tuple):
        return {"anyOf": [_answered(one, schemas) for one in answer]}
    if isinstance(answer, Wrapped):
        members = {name: _answered(shape, schemas) for name, shape in answer.members.items()}
        return {"type": "object", "properties": members, "required": list(members)}
    return schemas.of(answer, "serialization")
