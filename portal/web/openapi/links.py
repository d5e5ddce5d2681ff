"""Links: where the ids of an answer lead, found from the paths alone (OpenAPI 3.1, *Link Object*)."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from portal.web.openapi.described import Answer, Wrapped
from portal.web.openapi.examples import Json
from portal.web.openapi.operations import PLACEHOLDER, Route

ALSO = {"creditNote": "note", "apiToken": "token"}
IN_BODIES = ("planId", "paymentId")


def links_of(route: Route, answer: Answer, targets: Sequence[tuple[str, Route]]) -> Json:
    """The links of one answer.

    Args:
        route: Whose answer it is.
        answer: What is answered.
        targets: Each operation's id with its route.
    """
    known = {name: f"$request.path.{name}" for name in _placeholders(route)}
    found: Json = {}
    for name, expression in _ids(route, answer):
        for operation_id, target in targets:
            wanted = _placeholders(target)
            if target is route or operation_id in found:
                continue
            if name in wanted and set(wanted) <= {name, *known}:
                values = {parameter: expression if parameter == name else known[parameter] for parameter in wanted}
                found[operation_id] = {"operationId": operation_id, "parameters": values}
            elif name in IN_BODIES and not wanted and name in _fields(target):
                found[operation_id] = {"operationId": operation_id, "requestBody": {name: expression}}
    return found


def _ids(route: Route, answer: Answer) -> Iterator[tuple[str, str]]:
    """The name that paths have for each id of an answer, and where it stands."""
    if isinstance(answer, tuple):
        for one in answer:
            yield from _ids(route, one)
    elif isinstance(answer, Wrapped):
        for name, shape in answer.members.items():
            if name == "items" and _has_id(shape):
                yield f"{_singular(route)}Id", "$response.body#/items/0/id"
            elif _has_id(shape):
                yield f"{ALSO.get(name, name)}Id", f"$response.body#/{name}/id"
    elif isinstance(answer, type) and issubclass(answer, BaseModel) and "batch_id" in answer.model_fields:
        yield "importId", "$response.body#/batchId"


def _has_id(shape: Any) -> bool:  # noqa: ANN401 - a shape is anything that pydantic can describe
    models = [shape, *getattr(shape, "__args__", ())]
    models += [inner for one in models for inner in getattr(one, "__args__", ())]
    return any(isinstance(one, type) and issubclass(one, BaseModel) and "id" in one.model_fields for one in models)


def _placeholders(route: Route) -> list[str]:
    return [to_camel(found["name"]) for found in PLACEHOLDER.finditer(route.rule)]


def _fields(route: Route) -> set[str]:
    body = route.described.body if route.described else None
    return {to_camel(name) for name in body.model_fields} if body and route.method == "post" else set()


def _singular(route: Route) -> str:
    """``…/members`` → ``member``."""
    return route.rule.rsplit("/", 1)[-1].removesuffix("s")
