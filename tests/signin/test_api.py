"""``/api/auth``: the shapes of spec and the CSRF header."""

from datetime import datetime

import pytest

from portal.orgs.rules import Role
from tests.support import world

PERSON = {"name": "Asha Rao", "email": "Asha@Api.test", "password": "a good long password"}
USER = {"id", "name", "email", "platformRole", "createdAt"}


@pytest.fixture
def client(rung, app):
    return app.test_client()


def post(client, path, body=None):
    return client.post(f"/api/auth/{path}", json=body, headers=world.csrf(client))


def test_signing_up_answers_with_the_user_and_signs_in(client):
    answer = post(client, "signup", PERSON)
    assert (answer.status_code, answer.json.keys(), answer.headers["Cache-Control"]) == (201, {"user"}, "no-store")
    user = answer.json["user"]
    assert user.keys() == USER
    assert (user["name"], user["email"], user["platformRole"]) == ("Asha Rao", "asha@api.test", "USER")
    assert datetime.fromisoformat(user["createdAt"]).tzinfo is not None
    assert user["createdAt"].endswith("Z")
    assert client.get("/api/auth/me").json == {"user": user, "memberships": []}


def test_a_taken_address_is_a_conflict(client):
    post(client, "signup", PERSON)
    answer = post(client, "signup", PERSON | {"email": "asha@api.test"})
    assert (answer.status_code, answer.json["code"]) == (409, "EMAIL_TAKEN")
    assert answer.json["details"] == {"email": [answer.json["error"]]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name", "email", "password"}),
        (PERSON | {"email": "no address"}, {"email"}),
        (PERSON | {"password": "short"}, {"password"}),
        (PERSON | {"name": "  "}, {"name"}),
        (PERSON | {"name": "two\nlines"}, {"name"}),
        (PERSON | {"name": None}, {"name"}),
        (PERSON | {"name": ["Asha"]}, {"name"}),
        (PERSON | {"platformRole": "ADMIN"}, {"platformRole"}),
    ],
)
def test_wrong_fields_are_named_with_sentences(client, body, fields):
    answer = post(client, "signup", body)
    assert answer.status_code == 400
    assert answer.json.keys() == {"error", "code", "details"}
    assert answer.json["details"].keys() == fields
    assert all(sentence.endswith(".") for sentences in answer.json["details"].values() for sentence in sentences)
    assert client.get("/api/auth/me").status_code == 401


def test_signing_in_and_out(client, app):
    with app.app_context():
        user = world.make_user("asha@api.test")
        organization = world.make_organization(world.make_user("owner@api.test"))
        world.add_member(organization, user, Role.ORG_LEARNER)
        world.make_draft(user, name="Hidden")
    answer = post(client, "login", {"email": "ASHA@api.test", "password": world.PASSWORD})
    assert (answer.status_code, answer.json["user"]["id"]) == (200, user.id)
    [membership] = client.get("/api/auth/me").json["memberships"]
    assert membership == {
        "organizationId": organization.id,
        "name": "Acme",
        "slug": organization.slug,
        "role": "ORG_LEARNER",
        "kind": "BUYER",
        "billingMode": "INVOICED_MONTHLY",
    }
    assert post(client, "logout").status_code == 200
    assert client.get("/api/auth/me").status_code == 401
    assert post(client, "logout").status_code == 401


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client, app):
    with app.app_context():
        world.make_user("asha@api.test")
    known = post(client, "login", {"email": "asha@api.test", "password": "not the password"})
    unknown = post(client, "login", {"email": "nobody@api.test", "password": "not the password"})
    assert known.status_code == unknown.status_code == 401
    assert known.json == unknown.json
    assert known.json["code"] == "WRONG_CREDENTIALS"


def test_nobody_signed_in_is_401(client):
    answer = client.get("/api/auth/me")
    assert (answer.status_code, answer.json) == (401, {"error": "Sign in to go on.", "code": "UNAUTHENTICATED"})


@pytest.mark.parametrize("path", ["signup", "login", "logout"])
def test_every_change_needs_the_csrf_header(client, path):
    answer = client.post(f"/api/auth/{path}", json=PERSON)
    assert (answer.status_code, answer.json["code"]) == (400, "CSRF_FAILED")
    assert "X-CSRFToken" in answer.json["error"]


def test_a_token_is_worth_nothing_in_another_browser_or_after_signing_in(client, app):
    with app.app_context():
        user = world.make_user("asha@api.test")
    body = {"email": user.email, "password": world.PASSWORD}
    foreign = world.csrf(app.test_client())
    client.get("/api/auth/csrf")
    assert client.post("/api/auth/login", json=body, headers=foreign).json["code"] == "CSRF_FAILED"
    own = world.csrf(client)
    assert client.post("/api/auth/login", json=body, headers=own).status_code == 200
    assert client.post("/api/auth/logout", headers=own).json["code"] == "CSRF_FAILED"
    assert client.post("/api/auth/logout", headers=world.csrf(client)).status_code == 200


def test_a_client_without_a_referer_can_sign_in_over_https(client, app):
    with app.app_context():
        user = world.make_user("asha@api.test")
    body = {"email": user.email, "password": world.PASSWORD}
    answer = client.post("/api/auth/login", json=body, headers=world.csrf(client), base_url="https://localhost")
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b"1e999999"])
def test_what_is_no_json_object_is_refused_with_a_sentence(client, body):
    headers = world.csrf(client) | {"Content-Type": "application/json"}
    answer = client.post("/api/auth/login", data=body, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (400, "MALFORMED_JSON")


def test_nothing_at_all_is_an_object_without_fields(client):
    answer = client.post("/api/auth/login", headers=world.csrf(client))
    assert (answer.status_code, sorted(answer.json["details"])) == (400, ["email", "password"])


def test_a_form_is_no_json(client):
    answer = client.post("/api/auth/login", data={"email": "a@b.test"}, headers=world.csrf(client))
    assert (answer.status_code, answer.json["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert "application/json" in answer.json["error"]
