"""What every schema inherits: the same model reads a form and a JSON body."""

from typing import Any

from pydantic import AliasGenerator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class In(BaseModel):
    """What comes in, from a form (snake_case) or from JSON (camelCase); unknown fields are refused."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=AliasGenerator(alias=to_camel), populate_by_name=True, str_strip_whitespace=True
    )


class Out(BaseModel):
    """What goes out as JSON: camelCase, instants in UTC with ``Z``."""

    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel), from_attributes=True, populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        """The JSON object: camelCase names, instants as ISO 8601 with ``Z``."""
        return self.model_dump(mode="json", by_alias=True)
