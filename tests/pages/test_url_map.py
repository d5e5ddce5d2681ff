"""Over the whole URL map: every route names its gate, and a stranger gets nowhere."""

import pytest

from portal.web.transactions import READS_THAT_WRITE
from tests.support import world
from tests.support.url_map import routes, url

PUBLIC = {"public", "signed"}
GATES = {
    *PUBLIC,
    "signed-in",
    "staff",
    "admin",
    "draft-creator",
    *(f"org(ORG_{role})" for role in ["OWNER", "ADMIN", "MANAGER", "LEARNER"]),
}


def call(client, method, path, headers):
    body = {"json": {}} if path.startswith("/api/") else {"data": {}}
    return client.open(path, method=method, headers=headers, **({} if method == "GET" else body))


def calls(app, scene):
    for rule, view in routes(app):
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield rule, view.gate, method, url(rule, scene)


def test_every_route_names_its_gate(app):
    gateless = [str(rule) for rule, view in routes(app) if getattr(view, "gate", None) not in GATES]
    assert gateless == []
    assert {rule.endpoint for rule, _view in routes(app)} >= READS_THAT_WRITE


def test_a_stranger_who_is_signed_out_gets_nowhere(app, scene):
    client = app.test_client()
    headers = world.csrf(client)
    wrong = []
    for _rule, gate, method, path in calls(app, scene):
        if gate in PUBLIC:
            continue
        answer = call(client, method, path, headers)
        expected = 401 if path.startswith("/api/") else 303
        if answer.status_code != expected or (expected == 303 and not answer.location.startswith("/signin?next=")):
            wrong.append(f"{method} {path}: {answer.status_code}")
    assert wrong == []


def test_a_member_of_another_organization_gets_nowhere(app, scene):
    client = world.sign_in(app.test_client(), scene.stranger)
    headers = world.csrf(client)
    wrong = []
    for _rule, gate, method, path in calls(app, scene):
        if gate in PUBLIC or gate == "signed-in":
            continue
        answer = call(client, method, path, headers)
        expected = 404 if gate == "draft-creator" else 403
        if answer.status_code != expected:
            wrong.append(f"{method} {path}: {answer.status_code}, not {expected}")
    assert wrong == []


def test_a_learner_gets_no_further_than_a_learner_may(app, scene):
    client = world.sign_in(app.test_client(), scene.learner)
    headers = world.csrf(client)
    wrong = []
    for _rule, gate, method, path in calls(app, scene):
        if not gate.startswith("org(") or gate == "org(ORG_LEARNER)":
            continue
        answer = call(client, method, path, headers)
        if answer.status_code != 403:
            wrong.append(f"{method} {path}: {answer.status_code}")
    assert wrong == []


def test_another_organizations_objects_are_unknown_inside_ones_own(app, scene):
    client = world.sign_in(app.test_client(), scene.stranger)
    headers = world.csrf(client)
    with app.app_context():
        own = world.organization("other")
    wrong, tried = [], 0
    for rule, gate, method, path in calls(app, scene):
        inside = rule.arguments - {"slug", "organization_id", "token", "slot", "group"}
        if not gate.startswith("org(") or not inside:
            continue
        tried += 1
        answer = call(client, method, path.replace(scene.organization_id, own.id).replace(f"/{scene.slug}/", "/other/"), headers)
        if answer.status_code == 501 and "/consultants/" in path:
            continue  # switched off here; tests/providers ask it while it is on
        if answer.status_code != 404:
            wrong.append(f"{method} {path}: {answer.status_code}")
    assert (wrong, tried > 5) == ([], True)


def test_without_a_csrf_token_nothing_is_changed(app, scene):
    client = world.sign_in(app.test_client(), scene.owner)
    wrong = []
    for _rule, gate, method, path in calls(app, scene):
        if method == "GET" or gate == "signed":
            continue
        answer = call(client, method, path, {})
        if answer.status_code != 400 or ("X-CSRFToken" not in answer.text and "too old" not in answer.text):
            wrong.append(f"{method} {path}: {answer.status_code}")
    assert wrong == []


@pytest.mark.parametrize("path", ["/orgs/nobody/home", "/api/organizations/nonsense", "/orgs/draft/home"])
def test_unknown_organizations_and_drafts_are_not_found(app, scene, path):
    client = world.sign_in(app.test_client(), scene.owner)
    assert client.get(path).status_code == 404
