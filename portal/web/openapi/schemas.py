"""The JSON schemas of everything that the routes read and answer."""

import json
import re
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from portal.web.openapi.described import Described, Shape, shapes_of
from portal.web.openapi.examples import SCHEMAS, Examples, Json
from portal.web.openapi.refusals import ERROR

Mode: TypeAlias = Literal["validation", "serialization"]

REFERENCE = re.compile(rf'"\$ref": "{SCHEMAS}([^"]+)"')


class Schemas:
    """The JSON schemas of every shape that the routes use, made in one go: so pydantic tells those of the same name apart.

    Raises:
        ValueError: A schema bears the name of the refusals' own.
    """

    def __init__(self, described: Iterable[Described | None]) -> None:
        wanted: dict[tuple[Shape, Mode], TypeAdapter[Any]] = {}
        for said in filter(None, described):
            for shape in filter(None, (said.body, said.query)):
                wanted.setdefault((shape, "validation"), TypeAdapter(shape))
            for shape in (shape for answer in said.answers.values() for shape in shapes_of(answer)):
                wanted.setdefault((shape, "serialization"), TypeAdapter(shape))
        inputs = [(shape, mode, adapter) for (shape, mode), adapter in wanted.items()]
        self._found, together = TypeAdapter.json_schemas(inputs, ref_template=SCHEMAS + "{model}", schema_generator=_Generator)
        own = together.get("$defs", {})
        if "Error" in own:
            raise ValueError("No schema may be called Error: that is what refusals are.")
        self._components: Json = {"Error": ERROR, **own}
        self.examples = Examples(self._components)

    def of(self, shape: Shape, mode: Mode) -> Json:
        """The schema, as a reference when it has a name."""
        return self._found[shape, mode]

    def fields(self, schema: type[BaseModel]) -> Json:
        """The schema of what a URL or a form brings, itself: neither can say null."""
        reference = self.of(schema, "validation")
        whole = self._components[reference["$ref"].removeprefix(SCHEMAS)] if "$ref" in reference else reference
        return {**whole, "properties": {name: _without_null(field) for name, field in whole.get("properties", {}).items()}}

    def used_in(self, part: object) -> Json:
        """The schemas that a part of the document refers to, and those that these refer to."""
        used: Json = {}
        waiting = [part]
        while waiting:
            for name in REFERENCE.findall(json.dumps(waiting.pop())):
                if name not in used:
                    used[name] = self._components[name]
                    waiting.append(used[name])
        return dict(sorted(used.items()))


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the question is pydantic's
        """Never: no field needs its name a second time."""
        return False


def _without_null(field: Json) -> Json:
    """Leaving a field out is how a URL or a form says null."""
    rest = {name: value for name, value in field.items() if name != "anyOf" and not (name == "default" and value is None)}
    choices = [choice for choice in field.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **rest}
    return {**rest, "anyOf": choices} if choices else rest
