"""Every page, linted, within its budget of statements; and its block for HTMX."""

import pytest
from sqlalchemy import event

from portal import db
from portal.invites.service import imports, verdicts
from portal.orgs.rules import Role
from tests.support import world
from tests.support.lint import problems
from tests.support.url_map import routes, url

MOST_STATEMENTS = 12
NO_PAGES = {
    "operations.healthz",
    "operations.readyz",
    "operations.metrics",
    "archives.download",
    "billing.pdf",
    "statement.pdf",
    "billing.note_pdf",
    "billing.export",
    "statement.export",
    "members.export",
    "invites.refused_rows",
    "setup.refused_rows",
    "audit_log.export",
    "home.export_analytics",
    "explore.show",  # a BUYER has none; tests/providers look at it
    "media.picture",
    "media.stylesheet",
    "stylesheet",
    "sso.metadata",
    "sso.slo",
}
SEES_ALL = {"admin": "admin", "staff": "admin"}
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def statements(app):
    """The SQL that is sent from now on."""
    seen = []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        seen.append(statement)

    with app.app_context():
        engine = db.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def pages(app, scene):
    for rule, view in routes(app):
        if "GET" in rule.methods and not rule.rule.startswith("/api/") and rule.endpoint not in NO_PAGES:
            yield view.gate, url(rule, scene)


def test_a_page_takes_one_connection_however_many_statements_it_sends(app, scene, statements):
    client = world.sign_in(app.test_client(), scene.owner)
    with app.app_context():
        pool, taken = db.database.engine.pool, []
    note = lambda *_arguments: taken.append(1)  # noqa: E731 - to be taken away again
    event.listen(pool, "checkout", note)
    del statements[:]
    try:
        assert client.get(f"/orgs/{scene.slug}/billing").status_code == 200
    finally:
        event.remove(pool, "checkout", note)
    assert len(statements) > 3
    assert len(taken) == 1


@pytest.mark.parametrize("who", ["owner", "admin", "learner", "stranger", None])
def test_every_page_keeps_to_the_rules_for_everybody(app, scene, statements, who):
    client = app.test_client()
    if who:
        world.sign_in(client, getattr(scene, who))
    wrong, shown = [], 0
    for gate, path in pages(app, scene):
        del statements[:]
        answer = client.get(path)
        shown += answer.status_code == 200
        if answer.status_code == 303:
            continue
        if who == SEES_ALL.get(gate, "owner") and answer.status_code != 200:
            wrong.append(f"{path}: {answer.status_code}")
        wrong += [f"{path}: {problem}" for problem in problems(answer)]
        if len(statements) > MOST_STATEMENTS:
            wrong.append(f"{path}: {len(statements)} statements")
    assert wrong == []
    assert shown > (6 if who is None else 8)


def test_pages_of_an_organization_without_anything_say_what_to_do_next(app, scene):
    client = world.sign_in(app.test_client(), scene.stranger)
    for name, words in {
        "billing": "No documents yet",
        "plans": "No plans yet",
        "book": "Nothing can be booked yet",
        "invitations": "No pending invitations",
    }.items():
        answer = client.get(f"/orgs/other/{name}")
        assert words in answer.text, name
        assert problems(answer) == []


@pytest.mark.parametrize(
    ("path", "block"),
    [
        ("members?q=asha", "member-list"),
        ("billing?q=PF", "document-list"),
        ("invitations?status=PENDING", "invitation-list"),
    ],
)
def test_htmx_gets_the_block_whose_name_is_its_elements_id(app, scene, path, block):
    client = world.sign_in(app.test_client(), scene.owner)
    answer = client.get(f"/orgs/{scene.slug}/{path}", headers=PARTIAL)
    assert answer.text.lstrip().startswith(f'<section class="card" id="{block}"')
    assert {"HX-Request", "HX-Request-Type"} <= set(answer.vary)
    assert problems(answer) == []
    for header in ("HX-Boosted", "HX-History-Restore-Request"):
        whole = client.get(f"/orgs/{scene.slug}/{path}", headers={**PARTIAL, header: "true"})
        assert whole.text.startswith("<!doctype html>")


def test_an_imports_progress_polls_until_nothing_is_left_to_wait_for(app, scene, rung):
    client = world.sign_in(app.test_client(), scene.owner)
    path = f"/orgs/{scene.slug}/invitations/imports/{scene.values['import_id']}"
    preview = client.get(path)
    assert "Send 1 invitation" in preview.text
    assert "This is no e-mail address" in preview.text or "invalid" in preview.text.lower()
    client.post(f"{path}/confirm", data={}, headers=world.csrf(client))
    assert 'hx-trigger="every 1s"' in client.get(path).text
    with app.app_context():
        world.work_off(rung)
    done = client.get(path)
    assert "1 invitation went out." in done.text
    assert "every 1s" not in done.text
    assert problems(done) == []


def test_a_file_whose_columns_cannot_be_told_asks_for_them(app, scene):
    client = world.sign_in(app.test_client(), scene.owner)
    with app.app_context(), db.unit_of_work():
        organization = world.organization(scene.slug)
        around = verdicts.surroundings(organization, allowed_roles=[Role.ORG_LEARNER])
        owner = world.accounts.queries.user_by_id(scene.owner.id)
        upload = imports.Upload("x.csv", b"Work Email,Company Email,Name\na@acme.test,b@acme.test,Asha\n")
        batch = imports.stage(upload, default_role=Role.ORG_LEARNER, around=around, creator=owner)
    path = f"/orgs/{scene.slug}/invitations/imports/{batch.id}"
    asked = client.get(path)
    assert "which column" in asked.text
    assert problems(asked) == []
    answer = client.post(f"{path}/mapping", data={"email": "1", "name": "2"}, headers=world.csrf(client))
    assert answer.status_code == 303
    assert "b@acme.test" in client.get(path).text


def test_two_hundred_members_change_nothing_in_the_number_of_statements(app, scene, statements):
    client = world.sign_in(app.test_client(), scene.owner)

    def counted():
        found = {}
        for gate, path in pages(app, scene):
            if gate.startswith("org("):
                del statements[:]
                assert client.get(path).status_code == 200, path
                found[path] = len(statements)
        return found

    before = counted()
    with app.app_context():
        world.crowd(scene.organization_id, 200)
    assert counted() == before
    assert max(before.values()) <= MOST_STATEMENTS
