"""What an API view says of itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel

from portal.web.openapi.refusals import REFUSALS

View = TypeVar("View", bound=Callable[..., Any])
Shape: TypeAlias = Any  # whatever pydantic can describe: a schema, ``list[Schema]``, ``Schema | None``, ``bool``


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A JSON object that carries others under their names."""

    members: Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class Served:
    """A file."""

    media_type: str


Answer: TypeAlias = Any  # a Shape, Wrapped, Served, None for no body, or a tuple of those for one of them


@dataclass(frozen=True, slots=True)
class Described:
    """What a view says of itself; ``describes`` has the meaning of each."""

    body: type[BaseModel] | None
    query: type[BaseModel] | None
    upload: str | None
    example: Mapping[str, Any] | None
    answers: Mapping[int, Answer]
    refuses: Mapping[int, Sequence[str]]


def describes(
    *,
    answers: Mapping[int, Answer] | None = None,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    upload: str | None = None,
    csv: bool = False,
    example: Mapping[str, Any] | None = None,
    refuses: Mapping[int, Sequence[str]] | None = None,
) -> Callable[[View], View]:
    """Says what an API view reads and answers; the view's docstring is the summary. It checks and changes nothing.

    It may stand above or below gates and limits.

    Args:
        answers: Status → what is answered with it: a schema, ``wrapped(…)``, ``listed(…)``, ``served(…)``, None for no body, or a
            tuple when it is one of several.
        body: The schema of the JSON body; with ``upload`` that of the form's other fields.
        query: The schema of the URL's parameters.
        upload: The form's field with the file, when the body is ``multipart/form-data``.
        csv: It answers 200 with a CSV file.
        example: Of the body, where what must be sent doesn't follow from the schema: one of two fields, say.
        refuses: Status → the codes that this view gives with it. Only what doesn't follow from the route has to be named: 402,
            410, 501, and 403 or 404 where the gate gives none. No codes: ``{501: ()}``.

    Raises:
        ValueError: Nothing is answered, or a refusal's status isn't one of the house's.
    """
    every = {**(answers or {}), **({200: served("text/csv")} if csv else {})}
    refused = dict(refuses or {})
    if not every:
        raise ValueError("Say what the view answers.")
    if unknown := refused.keys() - REFUSALS.keys():
        raise ValueError(f"No refusal has the status {sorted(unknown)}.")
    described = Described(body=body, query=query, upload=upload, example=example, answers=every, refuses=refused)

    def mark(view: View) -> View:
        view.described = described  # type: ignore[attr-defined] # the mark that the document reads, as the gates' own
        return view

    return mark


def wrapped(name: str, shape: Shape, /, **more: Shape) -> Wrapped:
    """``{"member": {…}}``: a JSON object that carries each shape under its camelCase name; all are always there."""
    return Wrapped({name: shape, **more})


def listed(item: Shape, /, **more: Shape) -> Wrapped:
    """``{"items": […], "nextCursor": …}``, and what else a list carries."""
    return wrapped("items", GenericAlias(list, (item,)), nextCursor=str | None, **more)


def served(media_type: str) -> Served:
    """A file of this media type, such as ``application/pdf``."""
    return Served(media_type)


def shapes_of(answer: Answer) -> Iterator[Shape]:
    """Every shape in an answer."""
    if isinstance(answer, (tuple, Wrapped)):
        for one in answer.members.values() if isinstance(answer, Wrapped) else answer:
            yield from shapes_of(one)
    elif answer is not None and not isinstance(answer, Served):
        yield answer
