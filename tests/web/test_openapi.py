"""The OpenAPI document: made from the routes' own schemas, valid, and true to what the routes answer."""

from collections import Counter
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import permutations
from typing import Annotated

import pytest
from flask import Blueprint, Flask, jsonify
from flask_limiter import Limiter
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import Field

from portal.errors import Conflict, NotEnabled
from portal.orgs.access import org
from portal.orgs.rules import Role
from portal.web.gates import admin, named, public, signed, signed_in, staff
from portal.web.openapi import api, bp, describes, document, listed, served, undescribed, wrapped
from portal.web.schema import In, Out
from tests.support import world

ALWAYS = {"429", "503"}


class Size(StrEnum):
    """How large a desk is."""

    SMALL = "SMALL"
    LARGE = "LARGE"


class LampIn(In):
    """A lamp to put on it."""

    lamp_watts: Annotated[int, Field(ge=1, le=60)] = 7


class DeskIn(In):
    """A desk to set up."""

    desk_name: Annotated[str, Field(min_length=2, description="What people call it.")]
    size: Size
    lamps: Annotated[list[LampIn], Field(default_factory=list)]


class DeskOut(Out):
    """A desk."""

    desk_id: str
    size: Size
    made_at: datetime
    price: int | None


class DesksQuery(In):
    """Filters of the list."""

    q: str
    size: Size | None = None
    since: Annotated[date | None, Field(alias="from", description="Made on this day or later.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class PlanIn(In):
    """What goes along with a plan of the room."""

    dry_run: bool = True
    default_size: Size | None = None


def desks(limiter: Limiter) -> Blueprint:
    made = Blueprint("desks_api", __name__, url_prefix="/api/rooms/<room_id>/desks")

    @made.post("")
    @limiter.limit("60/hour")
    @org(Role.ORG_ADMIN)
    @describes(body=DeskIn, answers={201: wrapped("desk", DeskOut), 200: wrapped("desk", DeskOut)}, refuses={409: ("NO_ROOM", "TAKEN")})
    def add(access, room_id):
        """Sets up one ``desk``,
        in the room.

        A second one of the same name renews the first.

        Raises:
            Conflict: There is no room.
        """

    @made.get("")
    @signed_in
    @describes(query=DesksQuery, answers={200: listed(DeskOut)})
    def browse(room_id):
        """The desks."""

    @made.post("/import")
    @admin
    @describes(body=PlanIn, upload="file", answers={200: DeskOut, 202: wrapped("batch", str, desks=list[DeskOut])}, refuses={501: ()})
    def take_over(room_id):
        """Reads a plan of the room."""

    @made.put("/<any(front, 'side'):face>/picture")
    @signed_in
    @describes(upload="picture", answers={204: None})
    def hang(room_id, face):
        """Hangs a picture."""

    @made.get("/export.csv")
    @describes(csv=True)
    @staff
    def export(room_id):
        """The desks as a file."""

    @made.get("/<uuid:desk_id>/pdf")
    @staff
    @describes(answers={200: served("application/pdf"), 304: None})
    def pdf(room_id, desk_id):
        """One desk's file."""

    @made.post("/<desk_id>/pay")
    @signed
    @describes(answers={201: (wrapped("gateway", str), wrapped("allocation", DeskOut | None))}, refuses={402: ("TOO_DEAR",)})
    def pay(room_id, desk_id):
        """Pays for it."""

    return made


@pytest.fixture
def office():
    """An app with one feature, and one route that nobody described."""
    office = Flask("office")
    office.secret_key = "of the office"
    limiter = Limiter(lambda: "anybody", app=office, storage_uri="memory://")
    office.register_blueprint(desks(limiter))
    office.register_blueprint(bp)

    @public
    def weather():
        """How it is outside."""
        return jsonify(sun=True)

    office.add_url_rule("/api/weather", "weather", weather, methods=["GET", "POST"])
    office.add_url_rule("/rooms", "pages.rooms", weather)
    yield office
    office.extensions.clear()


@pytest.fixture
def written(office):
    return document(office)


def of(written, path: str, method: str):
    return written["paths"][f"/api/rooms/{{roomId}}/desks{path}"][method]


def without_examples(part):
    if isinstance(part, list):
        return [without_examples(one) for one in part]
    return {name: without_examples(one) for name, one in part.items() if name != "example"} if isinstance(part, dict) else part


def refusals(operation) -> set[str]:
    return {status for status in operation["responses"] if status >= "400"}


def schema_of(answer):
    (media,) = answer["content"].values()
    return media["schema"]


def rooted(written, schema):
    """A checker of one schema of the document, whose references lead into the document."""
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator({**schema, "components": written["components"]})


def test_the_document_is_valid_openapi(office, written):
    assert [error.message for error in OpenAPIV31SpecValidator(written).iter_errors()] == []
    assert (written["openapi"], written["servers"]) == ("3.1.0", [{"url": "/"}])
    for schema in written["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_route_of_the_api_is_there_and_no_page(written):
    rooms = "/api/rooms/{roomId}/desks"
    paths = {"": {"get", "post"}, "/import": {"post"}, "/{face}/picture": {"put"}, "/export.csv": {"get"}}
    paths |= {"/{deskId}/pdf": {"get"}, "/{deskId}/pay": {"post"}}
    expected = {rooms + path: methods for path, methods in paths.items()}
    expected |= {"/api/weather": {"get", "post"}, "/api/openapi.json": {"get"}}
    assert {path: set(operations) for path, operations in written["paths"].items()} == expected


def test_an_operation_bears_the_name_of_its_endpoint_and_the_feature(written):
    adding = of(written, "", "post")
    assert (adding["operationId"], adding["tags"], adding["x-gate"]) == ("desks_api.add", ["desks"], "org(ORG_ADMIN)")
    assert {operation["operationId"] for operation in written["paths"]["/api/weather"].values()} == {"weather.get", "weather.post"}
    assert [tag["name"] for tag in written["tags"]] == ["desks", "openapi", "weather"]


def test_the_docstring_is_the_summary_without_its_sections(written):
    adding = of(written, "", "post")
    assert adding["summary"] == "Sets up one desk, in the room."
    assert adding["description"] == "A second one of the same name renews the first."
    assert "description" not in of(written, "", "get")


def test_parameters_of_the_path_are_camel_case_and_required(written):
    room = {"name": "roomId", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    face = {"name": "face", "in": "path", "required": True, "schema": {"type": "string", "enum": ["front", "side"]}}
    assert without_examples(of(written, "/{deskId}/pdf", "get")["parameters"]) == [room, {**room, "name": "deskId"}]
    assert without_examples(of(written, "/{face}/picture", "put")["parameters"]) == [room, face]


def test_a_json_body_is_required_and_named_as_clients_write_it(written):
    body = without_examples(of(written, "", "post")["requestBody"])
    assert body == {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/DeskIn"}}}}
    checker = rooted(written, schema_of(body))
    assert checker.is_valid({"deskName": "Oak", "size": "SMALL", "lamps": [{"lampWatts": 5}]})
    wrong = [{"desk_name": "Oak", "size": "SMALL"}, {"deskName": "O", "size": "SMALL"}, {"deskName": "Oak"}]
    wrong += [{"deskName": "Oak", "size": "SMALL", "more": 1}, {"deskName": "Oak", "size": "SMALL", "lamps": [{"lampWatts": 0}]}]
    assert [checker.is_valid(body) for body in wrong] == [False] * len(wrong)


def test_parameters_of_the_url_come_one_by_one_with_their_bounds_and_without_null(written):
    found = {parameter.pop("name"): parameter for parameter in of(written, "", "get")["parameters"]}
    assert set(found) == {"roomId", "q", "size", "from", "limit"}
    assert found["q"] == {"in": "query", "required": True, "schema": {"type": "string"}}
    assert found["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert (found["size"]["required"], found["size"]["schema"]) == (False, {"$ref": "#/components/schemas/Size"})
    words = "Made on this day or later."
    assert (found["from"]["schema"], found["from"]["description"]) == ({"type": "string", "format": "date", "description": words}, words)


def test_an_upload_is_a_form_with_the_file_and_its_fields(written):
    body = of(written, "/import", "post")["requestBody"]
    assert set(body["content"]) == {"multipart/form-data"}
    form = schema_of(body)
    assert form["required"] == ["file"]
    assert form["properties"]["file"] == {"type": "string", "format": "binary"}
    assert form["properties"]["dryRun"] == {"type": "boolean", "default": True}
    assert form["properties"]["defaultSize"] == {"$ref": "#/components/schemas/Size"}
    assert form["additionalProperties"] is False


def test_an_upload_may_come_alone(written):
    form = schema_of(of(written, "/{face}/picture", "put")["requestBody"])
    assert form == {"type": "object", "properties": {"picture": {"type": "string", "format": "binary"}}, "required": ["picture"]}


def test_what_the_schema_answers_with_passes_as_documented(written):
    desk = DeskOut(desk_id="7", size=Size.LARGE, made_at=datetime(2026, 4, 1, tzinfo=UTC), price=None).to_json()
    one = rooted(written, schema_of(of(written, "", "post")["responses"]["201"]))
    many = rooted(written, schema_of(of(written, "", "get")["responses"]["200"]))
    assert (one.is_valid({"desk": desk}), one.is_valid(desk), one.is_valid({"desk": {**desk, "size": "HUGE"}})) == (True, False, False)
    assert [many.is_valid({"items": [desk], "nextCursor": cursor}) for cursor in (None, "abc", 7)] == [True, True, False]
    assert (many.is_valid({"items": [desk]}), many.is_valid({"items": [{}], "nextCursor": None})) == (False, False)


def test_each_kind_of_answer_has_its_form(written):
    bare, several = (of(written, "/import", "post")["responses"][status] for status in ("200", "202"))
    assert schema_of(bare) == {"$ref": "#/components/schemas/DeskOut"}
    assert schema_of(several)["required"] == ["batch", "desks"]
    assert without_examples(of(written, "/export.csv", "get")["responses"]["200"]["content"]) == {
        "text/csv": {"schema": {"type": "string"}}
    }
    pdf = of(written, "/{deskId}/pdf", "get")["responses"]
    assert (pdf["200"]["content"], pdf["304"]["description"], "content" in pdf["304"]) == ({"application/pdf": {}}, "Not Modified", False)
    hung = of(written, "/{face}/picture", "put")["responses"]["204"]
    assert (hung["description"], "content" in hung) == ("No Content", False)
    paid = rooted(written, schema_of(of(written, "/{deskId}/pay", "post")["responses"]["201"]))
    answers = ({"gateway": "x"}, {"allocation": None}, {"gateway": 1}, {})
    assert [paid.is_valid(answer) for answer in answers] == [True, True, False, False]


def test_refusals_follow_from_the_route_and_from_what_it_says(written):
    found = {
        "add": refusals(of(written, "", "post")),
        "browse": refusals(of(written, "", "get")),
        "take over": refusals(of(written, "/import", "post")),
        "hang": refusals(of(written, "/{face}/picture", "put")),
        "pay": refusals(of(written, "/{deskId}/pay", "post")),
        "openapi": refusals(written["paths"]["/api/openapi.json"]["get"]),
    }
    assert found == {
        "add": ALWAYS | {"400", "401", "403", "404", "409", "413", "415"},
        "browse": ALWAYS | {"400", "401", "403", "404"},
        "take over": ALWAYS | {"400", "401", "403", "404", "409", "413", "501"},
        "hang": ALWAYS | {"400", "401", "403", "404", "409", "413"},
        "pay": ALWAYS | {"400", "401", "402", "404", "409", "413"},
        "openapi": ALWAYS,
    }


@pytest.mark.parametrize(
    ("gate", "statuses"),
    [
        (public, set()),
        (signed, {"401"}),
        (signed_in, {"401", "403"}),
        (staff, {"401", "403"}),
        (admin, {"401", "403"}),
        (org(Role.ORG_LEARNER), {"401", "403", "404"}),
        (lambda view: named(view, "draft-creator"), {"401", "404"}),
        (lambda view: named(view, "one of tomorrow"), {"401", "403", "404"}),
    ],
)
def test_each_gate_turns_away_in_its_own_way(gate, statuses):
    office = Flask("office")
    office.add_url_rule("/api/desk", "desk", gate(describes(answers={200: None})(lambda: "")))
    assert refusals(document(office)["paths"]["/api/desk"]["get"]) == ALWAYS | statuses


def test_a_refusal_names_the_codes_that_the_view_gives(written):
    responses = of(written, "", "post")["responses"]
    assert "`NO_ROOM`, `TAKEN`" in responses["409"]["description"]
    assert schema_of(responses["409"]) == {"$ref": "#/components/schemas/Error"}
    assert responses["404"] == {"$ref": "#/components/responses/Refused404"}
    assert "Retry-After" in written["components"]["responses"]["Refused429"]["headers"]


def test_an_answer_of_the_views_own_stands_before_the_usual_refusal(office):
    office.add_url_rule("/api/desk", "desk", describes(answers={409: wrapped("creditLimit", int)})(lambda: ""), methods=["POST"])
    assert schema_of(document(office)["paths"]["/api/desk"]["post"]["responses"]["409"])["required"] == ["creditLimit"]


def test_what_changes_something_wants_the_token_and_a_gate_the_cookie(written):
    said = {
        "add": of(written, "", "post")["security"],
        "browse": of(written, "", "get")["security"],
        "pay": of(written, "/{deskId}/pay", "post")["security"],
        "look outside": written["paths"]["/api/weather"]["get"]["security"],
        "change the weather": written["paths"]["/api/weather"]["post"]["security"],
    }
    both, cookie = [{"session": [], "csrf": []}], [{"session": []}]
    assert said == {"add": both, "browse": cookie, "pay": [], "look outside": [], "change the weather": both}
    schemes = written["components"]["securitySchemes"]
    assert {name: (scheme["in"], scheme["name"]) for name, scheme in schemes.items() if scheme["type"] == "apiKey"} == {
        "session": ("cookie", "session"),
        "csrf": ("header", "X-CSRFToken"),
    }


def test_schemas_stand_once_and_only_when_something_refers_to_them(written):
    assert set(written["components"]["schemas"]) == {"Error", "DeskIn", "LampIn", "DeskOut", "Size"}


def test_schemas_of_the_same_name_are_told_apart():
    def another():
        class DeskOut(Out):
            legs: int

        return DeskOut

    office = Flask("office")
    for name, shape in {"a": DeskOut, "b": another()}.items():
        office.add_url_rule(f"/api/{name}", name, describes(answers={200: shape})(lambda: ""))
    written = document(office)
    first, second = (schema_of(written["paths"][f"/api/{name}"]["get"]["responses"]["200"])["$ref"] for name in "ab")
    assert first != second
    assert rooted(written, {"$ref": second}).is_valid({"legs": 4})
    assert not rooted(written, {"$ref": first}).is_valid({"legs": 4})
    assert [error.message for error in OpenAPIV31SpecValidator(written).iter_errors()] == []


def test_no_schema_takes_the_refusals_name():
    class Error(Out):
        legs: int

    office = Flask("office")
    office.add_url_rule("/api/desk", "desk", describes(answers={200: Error})(lambda: ""))
    with pytest.raises(ValueError, match="may be called Error"):
        document(office)


def test_a_route_without_description_is_listed_named_and_found_out(office, written):
    weather = written["paths"]["/api/weather"]["get"]
    assert (weather["summary"], weather["responses"]["2XX"]) == ("How it is outside.", {"description": "Done."})
    assert refusals(weather) == {name.removeprefix("Refused") for name in written["components"]["responses"]}
    assert undescribed(office) == ["weather"]


@pytest.mark.parametrize("order", list(permutations(["describes", "gate", "limit", "shared limit"])), ids=" ".join)
def test_the_description_stands_in_any_order_with_gates_and_limits(order):
    office = Flask("office")
    limiter = Limiter(lambda: "anybody", app=office, storage_uri="memory://", headers_enabled=True)
    decorators = {
        "describes": describes(body=DeskIn, answers={200: DeskOut}),
        "gate": public,
        "limit": limiter.limit("2/hour"),
        "shared limit": limiter.shared_limit("9/hour", scope="all"),
    }

    def view():
        """The view."""
        return "as ever"

    for name in order:
        view = decorators[name](view)
    office.add_url_rule("/api/desk", "desk", view, methods=["POST"])
    written = document(office)["paths"]["/api/desk"]["post"]
    assert (undescribed(office), written["summary"], written["x-gate"]) == ([], "The view.", "public")
    assert "requestBody" in written
    answers = [office.test_client().post("/api/desk", data="no JSON at all") for _time in range(3)]
    assert [(answer.status_code, answer.text == "as ever") for answer in answers] == [(200, True), (200, True), (429, False)]


def test_a_description_says_what_is_answered_and_refuses_only_as_the_house_does():
    with pytest.raises(ValueError, match="Say what the view answers"):
        describes(body=DeskIn)
    with pytest.raises(ValueError, match="422"):
        describes(answers={200: None}, refuses={422: ("WRONG",)})


def test_the_document_is_served_with_a_tag_and_built_once(office, monkeypatch):
    times = Counter()
    monkeypatch.setattr(api, "document", lambda app: times.update("x") or document(app))
    client = office.test_client()
    first = client.get("/api/openapi.json")
    assert (first.status_code, first.mimetype, first.json) == (200, "application/json", document(office))
    again = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, times) == (304, b"", {"x": 1})
    assert client.get("/api/openapi.json", headers={"If-None-Match": '"another"'}).status_code == 200


def test_two_apps_keep_a_document_each(office):
    other = Flask("other")
    other.register_blueprint(bp)
    assert office.test_client().get("/api/openapi.json").json != other.test_client().get("/api/openapi.json").json


def test_the_portals_own_document_is_valid_and_complete(app):
    written = document(app)
    assert [error.message for error in OpenAPIV31SpecValidator(written).iter_errors()] == []
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/") and rule.endpoint != "openapi.docs"]
    expected = Counter(method.lower() for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"})
    assert Counter(method for path in written["paths"].values() for method in path) == expected
    operations = [operation for path in written["paths"].values() for operation in path.values()]
    assert max(Counter(operation["operationId"] for operation in operations).values()) == 1
    assert [operation["operationId"] for operation in operations if not operation["summary"] or not operation["x-gate"]] == []


def test_no_two_paths_of_the_portal_differ_only_in_their_parameters_names(app):
    blind = Counter("/".join("{}" if part.startswith("{") else part for part in path.split("/")) for path in document(app)["paths"])
    assert {path: times for path, times in blind.items() if times > 1} == {}


def test_the_portals_refusals_look_as_documented(tables):
    written = document(tables)
    checker = rooted(written, {"$ref": "#/components/schemas/Error"})
    client = tables.test_client()
    refused = [
        client.get("/api/auth/me"),
        client.post("/api/auth/login", json={}),
        client.post("/api/auth/login", json={}, headers=world.csrf(client)),
        client.post("/api/auth/login", data="email", headers=world.csrf(client)),
        client.get("/api/nowhere"),
    ]
    assert [answer.status_code for answer in refused] == [401, 400, 400, 415, 404]
    assert [list(checker.iter_errors(answer.json)) for answer in refused] == [[]] * len(refused)
    assert "details" in refused[2].json


def test_a_switched_off_feature_and_a_conflict_look_as_documented(app):
    checker = rooted(document(app), {"$ref": "#/components/schemas/Error"})
    for error in (NotEnabled("Off.", extra={"flag": "PAYOUTS"}), Conflict("No.", details={"email": ["No."]}, extra={"creditLimit": 5})):
        with app.test_request_context("/api/desk"):
            assert list(checker.iter_errors(app.handle_user_exception(error).json)) == []
