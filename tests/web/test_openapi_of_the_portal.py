"""The document of the portal itself: whole, with examples that hold and links that lead somewhere."""

import re

import html5lib
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from portal.web.openapi import document
from portal.web.openapi.api import _routes
from portal.web.openapi.operations import Route
from tests.support.lint import XHTML, problems


@pytest.fixture(scope="module")
def written(app):
    return document(app)


def operations(written):
    for path, methods in written["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def is_valid(written, schema, value) -> bool:
    return Draft202012Validator({**schema, "components": written["components"]}).is_valid(value)


def contents(operation):
    """Every body that is sent or answered with its media type: what it is called, and what the document says of it."""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "body", media, content
    for status, answer in operation["responses"].items():
        for media, content in answer.get("content", {}).items():
            yield status, media, content


def test_the_document_is_valid_openapi(written):
    assert [error.message for error in OpenAPIV31SpecValidator(written).iter_errors()] == []


def test_every_route_of_the_api_is_in_it_with_a_sentence_and_a_described_tag(app, written):
    shown = {(operation["operationId"]) for _name, operation in operations(written)}
    assert len(shown) == len(list(_routes(app))) > 60
    tags = {tag["name"]: tag["description"] for tag in written["tags"]}
    for name, operation in operations(written):
        assert operation["summary"].endswith((".", "?")), name
        assert tags[operation["tags"][0]] != operation["tags"][0].capitalize(), operation["tags"]


def test_every_body_and_answer_has_an_example_that_holds(written):
    wrong, tried = [], 0
    for name, operation in operations(written):
        for part, media, content in contents(operation):
            if media == "application/pdf":
                continue
            tried += 1
            if "example" not in content:
                wrong.append(f"{name} {part}: none")
            elif media == "application/json" and not is_valid(written, content["schema"], content["example"]):
                wrong.append(f"{name} {part}: {content['example']}")
    assert (wrong, tried > 150) == ([], True)
    for status, refusal in written["components"]["responses"].items():
        content = refusal["content"]["application/json"]
        assert is_valid(written, content["schema"], content["example"]), status


def test_every_example_of_a_body_is_taken_by_the_model_that_reads_it(app, written):
    wrong, tried = [], 0
    for route in _routes(app):
        said = route.described
        if said is None or said.body is None:
            continue
        [example] = [content["example"] for part, _media, content in contents(of(written, route)) if part == "body"]
        tried += 1
        try:
            said.body.model_validate({name: value for name, value in example.items() if name != said.upload})
        except ValueError as error:
            wrong.append(f"{route.method} {route.path}: {error}")
    assert (wrong, tried > 15) == ([], True)


def of(written, route: Route):
    return written["paths"][route.path][route.method]


def test_parameters_of_paths_have_examples(written):
    for name, operation in operations(written):
        for parameter in operation["parameters"]:
            assert parameter["in"] != "path" or parameter["example"], name


def test_answers_say_how_many_calls_are_left(written):
    for name, operation in operations(written):
        for status, answer in operation["responses"].items():
            if "$ref" not in answer:
                assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(answer["headers"]), (name, status)
    for name, answer in written["components"]["responses"].items():
        assert ("Retry-After" in answer["headers"]) == (name in {"Refused429", "Refused503"})
        assert ("WWW-Authenticate" in answer["headers"]) == (name == "Refused401")


def test_tokens_and_their_scopes_stand_beside_what_takes_them(app, written):
    assert written["components"]["securitySchemes"]["apiToken"]["scheme"] == "bearer"
    for route in _routes(app):
        operation = of(written, route)
        scopes = {scope for way in operation["security"] for scope in way.get("apiToken", ())}
        assert scopes == set(route.scopes), route
        if scopes:
            assert "403" in operation["responses"]
    members = written["paths"]["/api/organizations/{organizationId}/members"]
    assert members["post"]["security"] == [{"session": [], "csrf": []}, {"apiToken": ["members"]}]
    assert members["get"]["security"] == [{"session": []}, {"apiToken": ["read"]}, {"apiToken": ["members"]}]


@pytest.mark.parametrize(
    ("where", "status", "follows"),
    [
        (
            ("post", "/api/organizations"),
            "201",
            {"orgs_api.list_members", "invites_api.invite", "bookings_api.create_plan", "billing_api.summary"},
        ),
        (("get", "/api/organizations"), "200", {"orgs_api.show", "billing_api.list_invoices"}),
        (("post", "/api/organizations/{organizationId}/members"), "201", {"orgs_api.change_member", "orgs_api.remove_member"}),
        (("post", "/api/organizations/{organizationId}/invitations"), "201", {"invites_api.resend", "invites_api.revoke"}),
        (
            ("post", "/api/organizations/{organizationId}/invitations/import"),
            "202",
            {"invites_api.show_import", "invites_api.refused_rows"},
        ),
        (("post", "/api/organizations/{organizationId}/plans"), "201", {"bookings_api.change_plan", "bookings_api.checkout"}),
        (("post", "/api/checkout"), "201", {"payments_api.show_payment", "payments_api.refund"}),
        (
            ("get", "/api/organizations/{organizationId}/billing/invoices"),
            "200",
            {"billing_api.show", "billing_api.pdf", "billing_api.pay"},
        ),
        (
            ("post", "/api/organizations/{organizationId}/billing/generate-invoice"),
            "201",
            {"billing_admin_api.cancel", "billing_admin_api.issue"},
        ),
        (("post", "/api/admin/invoices/{invoiceId}/credit-notes"), "201", {"billing_admin_api.void"}),
        (("post", "/api/organizations/{organizationId}/tokens"), "201", {"orgs_api.revoke_token"}),
    ],
)
def test_links_lead_where_ids_go(written, where, status, follows):
    method, path = where
    links = written["paths"][path][method]["responses"][status]["links"]
    assert follows <= set(links)


def test_every_link_leads_to_an_operation_and_fills_its_path(written):
    known = {operation["operationId"]: path for path, methods in written["paths"].items() for operation in methods.values()}
    tried = 0
    for path, methods in written["paths"].items():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for link in answer.get("links", {}).values():
                    tried += 1
                    target = known[link["operationId"]]
                    wanted = set(re.findall(r"{(\w+)}", target))
                    assert wanted == set(link.get("parameters", {})), (path, link)
                    for expression in link.get("parameters", {}).values():
                        assert expression.startswith(("$response.body#/", "$request.path.")), link
                        if expression.startswith("$request.path."):
                            assert f"{{{expression.removeprefix('$request.path.')}}}" in path, link
    assert tried > 100


def test_the_page_shows_every_call_and_loads_nothing_from_elsewhere(app, tables, written):
    answer = app.test_client().get("/api/docs")
    assert (answer.status_code, problems(answer)) == (200, [])
    tree = html5lib.parse(answer.text)
    shown = {element.get("id") for element in tree.iter(XHTML + "details")}
    assert {operation["operationId"] for _name, operation in operations(written)} <= shown
    assert {f"shape-{name}" for name in written["components"]["schemas"]} <= shown
    addresses = [element.get(name) for element in tree.iter() for name in ("href", "src") if element.get(name)]
    assert [address for address in addresses if not address.startswith(("/", "#"))] == []
    inside = {address[1:] for address in addresses if address.startswith("#")}
    assert inside <= {element.get("id") for element in tree.iter() if element.get("id")}
    assert "Authorization: Bearer portal_" in answer.text


@pytest.mark.parametrize(
    ("q", "shown"),
    [
        ("generate-invoice", {"billing_api.generate"}),
        ("post TOKENS", {"orgs_api.create_token"}),
        ("nothing of the kind", set()),
        ("<script>alert(1)</script>", set()),
    ],
)
def test_the_page_is_searched_without_a_script(app, tables, q, shown):
    answer = app.test_client().get("/api/docs", query_string={"q": q})
    assert (answer.status_code, problems(answer)) == (200, [])
    found = {element.get("id") for element in html5lib.parse(answer.text).iter(XHTML + "details")}
    assert found == shown
    assert ("Nothing found" in answer.text) == (not shown)
    assert "<script>alert" not in answer.text
