"""The document as a page: everything that a client's author looks up, with no script and no outside host."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from portal.web.openapi.examples import SCHEMAS, Json

ROLE = re.compile(r"org\(ORG_(\w+)\)")
GATES = {
    "public": "Anybody",
    "signed": "Who signs what they send",
    "signed-in": "Whoever is signed in",
    "staff": "The platform’s staff",
    "admin": "Platform admins",
}


class Field(NamedTuple):
    """A field of a body or a parameter of a call."""

    name: str
    kind: str
    shape: str
    is_required: bool
    text: str


class Answer(NamedTuple):
    """What may come back."""

    status: str
    text: str
    media: str
    example: str


class Operation(NamedTuple):
    """One route as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    who: str
    scopes: list[str]
    parameters: list[Field]
    body: list[Field]
    body_media: str
    body_example: str
    call: str
    answers: list[Answer]
    refusals: list[Answer]


class Part(NamedTuple):
    """The operations of one feature."""

    id: str
    title: str
    operations: list[Operation]


class Shape(NamedTuple):
    """A named schema."""

    name: str
    text: str
    fields: list[Field]
    values: list[str]


def parts_of(document: Json, *, q: str = "", base_url: str = "") -> list[Part]:
    """The document's operations by feature; those with all words of ``q`` in their path, summary or id."""
    words = q.lower().split()
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            searched = f"{method} {path} {operation['summary']} {operation['operationId']} {operation['x-gate']}".lower()
            if all(word in searched for word in words):
                found[operation["tags"][0]].append(_operation(document, method, path, operation, base_url=base_url))
    titles = {tag["name"]: tag["description"] for tag in document["tags"]}
    return [Part(tag, titles[tag], operations) for tag, operations in found.items() if operations]


def shapes_of(document: Json) -> list[Shape]:
    """The document's named schemas, by name."""
    return [
        Shape(name, schema.get("description", ""), list(_fields(schema)), [str(value) for value in schema.get("enum", ())])
        for name, schema in document["components"]["schemas"].items()
    ]


def _operation(document: Json, method: str, path: str, operation: Json, *, base_url: str) -> Operation:
    answers = [_answer(document, status, answer) for status, answer in operation["responses"].items()]
    media, content = _content(operation.get("requestBody", {}))
    scopes = [scope for way in operation["security"] for scope in way.get("apiToken", ())]
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", "").replace("``", ""),
        who=_who(operation["x-gate"]),
        scopes=scopes,
        parameters=[_field(one["name"], one["schema"], one["required"], where=one["in"], about=one) for one in operation["parameters"]],
        body=list(_fields(_resolved(document, content.get("schema", {})))),
        body_media=media,
        body_example=_pretty(content["example"]) if "example" in content else "",
        call=_call(method, path, operation, media=media, content=content, base_url=base_url, by_token=bool(scopes)),
        answers=[answer for answer in answers if answer.status < "4"],
        refusals=[answer for answer in answers if answer.status >= "4"],
    )


def _content(part: Json) -> tuple[str, Json]:
    """The media type of a body or an answer, and what the document says of it."""
    for media, content in part.get("content", {}).items():
        return media, content
    return "", {}


def _who(gate: str) -> str:
    role = ROLE.fullmatch(gate)
    if role is None:
        return GATES.get(gate, gate)
    return "Every member" if role[1] == "LEARNER" else f"{role[1].capitalize()}s" + ("" if role[1] == "OWNER" else " and above")


def _answer(document: Json, status: str, answer: Json) -> Answer:
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rsplit("/", 1)[-1]]
    media, content = _content(answer)
    return Answer(status, answer["description"], media, _pretty(content["example"]) if "example" in content else "")


def _call(method: str, path: str, operation: Json, *, media: str, content: Json, base_url: str, by_token: bool) -> str:
    """The call as one types it into a terminal."""
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    lines = [f"curl {base_url}{path}" if method == "get" else f"curl -X {method.upper()} {base_url}{path}"]
    lines += ["-H 'Authorization: Bearer portal_…'"] if by_token else ["-b cookies.txt"] if operation["security"] else []
    lines += ["-H 'X-CSRFToken: …'"] if not by_token and any("csrf" in way for way in operation["security"]) else []
    if media == "application/json":
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(content['example'], ensure_ascii=False)}'"]
    elif media:
        fields = [("@people.csv" if value == "(the file)" else value, name) for name, value in content["example"].items()]
        lines += [f"-F {name}={value}" for value, name in fields]
    return " \\\n  ".join(lines)


def _fields(schema: Json) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        yield _field(name, field, name in required, about=field)


def _field(name: str, schema: Json, is_required: bool, *, about: Json, where: str = "") -> Field:  # noqa: FBT001 - one of a field's columns
    kind, shape = _kind(schema)
    text = about.get("description", "")
    bounds = [words.format(schema[key]) for key, words in BOUNDS.items() if key in schema]
    default = schema.get("default")
    bounds += [f"otherwise {json.dumps(default)}"] if default not in (None, "") else []
    said = ", ".join(part for part in ({"path": "in the path", "header": "a header"}.get(where, ""), *bounds) if part)
    return Field(name, kind, shape, is_required, f"{text} ({said})" if text and said else text or said.capitalize())


BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} of them",
}


def _kind(schema: Json) -> tuple[str, str]:
    """What a field holds in a word, and the named schema that says more."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(SCHEMAS)
        return name, name
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"]]
        return " or ".join(kind for kind, _shape in kinds), next((shape for _kind_, shape in kinds if shape), "")
    if "enum" in schema or "const" in schema:
        return " | ".join(str(value) for value in schema.get("enum", [schema.get("const")])), ""
    if schema.get("type") == "array":
        kind, shape = _kind(schema.get("items", {}))
        return f"list of {kind}", shape
    return f"{schema.get('type', 'anything')}{' ' + schema['format'] if 'format' in schema else ''}", ""


def _resolved(document: Json, schema: Json) -> Json:
    found: Json = document["components"]["schemas"][schema["$ref"].removeprefix(SCHEMAS)] if "$ref" in schema else schema
    return found


def _pretty(example: Any) -> str:  # noqa: ANN401 - JSON
    return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)
