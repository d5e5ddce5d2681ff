"""What every schema inherits: the same model reads a form and a JSON body."""

from typing import Annotated, Any

from pydantic import AfterValidator, AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from portal import db
from portal.errors import Invalid
from portal.money import parse_rupees


def from_rupees(value: object) -> object:
    """What a person typed in rupees as paise; anything but text stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parse_rupees(value)
    except Invalid as error:
        raise ValueError(error.message) from None


def _row_id(value: str) -> str:
    if not db.is_id(value):
        raise ValueError("Give the nextCursor of an answer of ours, as it is.")
    return value


RowId = Annotated[str, AfterValidator(_row_id)]


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


class PagedQuery(In):
    """How much of a list is wanted, and from where on: ``cursor`` is the ``nextCursor`` of the answer before.

    Lists are newest first. Ids sort by the time that rows were made, so a cursor is the last row's id.
    """

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: RowId | None = None
