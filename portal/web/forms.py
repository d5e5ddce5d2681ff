"""Forms: what a browser posted, checked by a pydantic schema, with an error beside each field."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from flask import request
from flask.json.provider import DefaultJSONProvider
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from portal import db
from portal.errors import Conflict, DomainError, Forbidden, Invalid, TooLarge, Unauthenticated, Unavailable

Schema = TypeVar("Schema", bound=BaseModel)
Made = TypeVar("Made")

_INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
SENTENCES = {
    "missing": "Fill this in.",
    "string_too_short": "Fill this in.",
    "string_too_long": "This is too long: at most {max_length} characters are kept.",
    "int_parsing": "Write a whole number, such as 30.",
    "int_type": "Write a whole number, such as 30.",
    "greater_than_equal": "This must be {ge} or more.",
    "less_than_equal": "This must be {le} or less.",
    "enum": "Choose one of the options.",
    "literal_error": "Choose one of the options.",
    "datetime_from_date_parsing": "Choose a date and a time.",
    "datetime_parsing": "Choose a date and a time.",
    "date_from_datetime_parsing": "Choose a date.",
    "uuid_parsing": "Choose one of the options.",
    "url_parsing": "Write a whole address, such as https://example.com.",
    "extra_forbidden": "There is no such field.",
    "bool_parsing": "Say yes or no.",
}


class Json(DefaultJSONProvider):
    """JSON with its keys in the order they were written; what is nested too deeply to be read is no JSON."""

    sort_keys = False

    def loads(self, s: str | bytes, **how: Any) -> Any:  # noqa: ANN401 - JSON is anything
        """What a text holds.

        Raises:
            ValueError: It is no JSON, or nested so deeply that reading it would end the process's stack.
        """
        try:
            return super().loads(s, **how)
        except RecursionError as error:
            raise ValueError("The JSON is nested too deeply.") from error


class Form(Generic[Schema]):
    """A form in a page: what stands in its fields, and what is wrong with it.

    Attributes:
        values: What stands in each field.
        errors: Field → sentences.
        messages: Sentences that belong to no field.
        refusal: What the act refused with, or None.
        prefix: What its fields' ids begin with; forms that share a page have prefixes of their own.
    """

    def __init__(self, schema: type[Schema], values: Mapping[str, Any] | None = None, *, prefix: str = "f") -> None:
        self.schema = schema
        self.prefix = prefix
        self.values: dict[str, Any] = dict(values or {})
        self.errors: dict[str, list[str]] = {}
        self.messages: list[str] = []
        self.refusal: DomainError | None = None

    @classmethod
    def posted(cls, schema: type[Schema], *, prefix: str = "f") -> "Form[Schema]":
        """The form as the browser sent it."""
        return cls(schema, _posted(), prefix=prefix)

    def submit(self, act: Callable[..., Made], **arguments: Any) -> Made | None:  # noqa: ANN401 - the act's own arguments
        """Checks the fields and, when they are right, calls ``act(data, **arguments)``.

        What the act itself refuses as invalid or conflicting is kept as this form's errors. Ask ``is_valid`` afterwards;
        a page with errors is answered with a status of 400 or above, so that nothing of the act is kept.
        """
        filled, emptied = self._filled()
        if emptied:
            self.errors = {name: [SENTENCES["missing"]] for name in emptied}
        try:
            data = self.schema.model_validate(filled)
            return None if emptied else act(data, **arguments)
        except ValidationError as error:
            self.errors |= field_errors(error)
        except (Invalid, Conflict, Forbidden, TooLarge, Unauthenticated) as error:
            db.abandon()
            self.refusal = error
            self.errors = {name: list(sentences) for name, sentences in error.details.items()}
            if not self.errors:
                self.messages = [error.message]
        return None

    def _filled(self) -> tuple[dict[str, Any], list[str]]:
        """The fields with something in them; and those that were emptied although their default isn't nothing."""
        filled: dict[str, Any] = {}
        emptied = []
        for name, value in self.values.items():
            field = self.schema.model_fields.get(name)
            if value != "" or (field is not None and field.default_factory is not None):
                filled[name] = value  # an empty list is a list, too
            elif field is not None and not field.is_required() and field.default is not None and not isinstance(field.default, bool):
                emptied.append(name)
        return filled, emptied

    def submit_with(self, act: Callable[[], Made], *, field: str) -> Made | None:
        """Calls an act that reads something else than fields (an upload); what it refuses stands beside ``field``."""
        try:
            return act()
        except (Invalid, Conflict, TooLarge, Unavailable) as error:
            db.abandon()
            self.refusal = error
            self.errors = {field: [error.message]}
        return None

    @property
    def is_valid(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.errors and not self.messages


def json_body(schema: type[Schema]) -> Schema:
    """What an API client sent, checked; nothing at all is an object without fields.

    Raises:
        Invalid: It is no JSON object, or a field is wrong (``details`` says which).
        UnsupportedMediaType: It isn't called JSON (415).
    """
    if not request.is_json:
        if request.mimetype or request.get_data(cache=True):
            raise UnsupportedMediaType
        return _checked(schema, {})
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Invalid("Send one JSON object with the header Content-Type: application/json.", code="MALFORMED_JSON")
    return _checked(schema, body)


def form_data(schema: type[Schema]) -> Schema:
    """A posted form without a page of its own for errors, checked.

    Raises:
        Invalid: A field is wrong.
    """
    return _checked(schema, {name: value for name, value in _posted().items() if value != ""})


def _posted() -> dict[str, str]:
    """The fields of a posted form; a part of a multipart body that has no name is none of ours."""
    return {name: value for name, value in request.form.items() if name and name != "csrf_token"}


def form_list(field: str) -> list[str]:
    """Every value that was posted under one name, such as the boxes that were ticked."""
    return request.form.getlist(field)


def has_upload(field: str) -> bool:
    """Whether a file was chosen."""
    upload = request.files.get(field)
    return bool(upload and upload.filename)


def uploaded_file(field: str) -> tuple[str, bytes]:
    """An uploaded file's name and content.

    Raises:
        Invalid: No file was chosen.
    """
    upload = request.files.get(field)
    if upload is None or not upload.filename:
        raise Invalid("Choose a file first.", code="FILE_MISSING", details={field: ["Choose a file first."]})
    return upload.filename, upload.stream.read()


def query(schema: type[Schema]) -> Schema:
    """The parameters of the URL, checked.

    Raises:
        Invalid: A parameter is wrong.
    """
    return _checked(schema, {name: value for name, value in request.args.items() if value != ""})


def _checked(schema: type[Schema], values: Mapping[str, Any]) -> Schema:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise Invalid("Some fields are missing or wrong. Nothing was changed.", details=field_errors(error)) from None


def field_errors(error: ValidationError) -> dict[str, list[str]]:
    """Pydantic's findings as plain sentences beside their fields, by our own names: what is missing it names as JSON does."""
    found: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        name = ".".join(_INNER_CAPITAL.sub("_", part).lower() for part in item["loc"] if isinstance(part, str)) or "form"
        template = SENTENCES.get(item["type"])
        if item["type"] == "string_too_short" and item.get("ctx", {}).get("min_length", 1) > 1:
            template = "Write at least {min_length} characters."
        sentence = template.format(**item.get("ctx", {})) if template else _own_sentence(str(item["msg"]))
        place = next((part for part in item["loc"] if isinstance(part, int)), None)
        found.setdefault(name, []).append(sentence if place is None else f"Number {place + 1}: {sentence}")
    return found


def _own_sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text[:1].upper()}{text[1:]}."
