"""Over the URL map of the wizard: what belongs to another draft is unknown inside one's own; HEAD passes the same gates as GET."""

import pytest
from sqlalchemy import func, select

from portal import db
from portal.invites.models import InvitationImport
from portal.invites.service import imports
from portal.invites.service.invitations import Person
from portal.orgs.rules import Role
from portal.setup import queries as setup_queries
from portal.setup import service as setup
from portal.setup.models import StagedInvitee
from tests.support import world

HARMLESS = {"setup.unstage"}  # forgetting somebody who isn't staged changes nothing, so that a second click is no error


def stage_draft(owner, *, name: str) -> dict[str, str]:
    """A draft with one staged person and one upload; returns what its URLs' placeholders stand for."""
    draft = world.make_draft(owner, name=name)
    with db.unit_of_work():
        setup.stage([Person(f"fay@{name.lower()}.test", None, Role.ORG_LEARNER)], draft=draft)
        around = setup.around(draft, creator=owner)
        upload = imports.Upload("hr.csv", b"Email,Name\nesha@acme.test,Esha\n")
        batch = imports.stage(upload, default_role=Role.ORG_LEARNER, around=around, creator=owner)
    return {
        "organization_id": draft.id,
        "import_id": batch.id,
        "invitee_id": setup_queries.staged(draft.id)[0].id,
        "slot": "logo",
        "line": "2",
    }


@pytest.fixture
def drafts(rung, app):
    """Two creators, each with a draft."""
    with app.app_context():
        asha, dev = world.make_user("asha@acme.test"), world.make_user("dev@acme.test")
        return (asha, stage_draft(asha, name="Acme")), (dev, stage_draft(dev, name="Other"))


def wizard(app):
    """Method and rule of each route of a draft."""
    for rule in app.url_map.iter_rules():
        if getattr(app.view_functions[rule.endpoint], "gate", "") == "draft-creator":
            yield from ((method, rule) for method in sorted(rule.methods - {"OPTIONS"}))


def path_of(rule, values: dict[str, str]) -> str:
    unknown = rule.arguments - values.keys()
    assert not unknown, f"say in stage_draft what {unknown} of {rule} stands for"
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<{name}>", values[name])
    return path


def left(app) -> tuple[int, int]:
    with app.app_context():
        return tuple(db.session.scalar(select(func.count()).select_from(table)) for table in (StagedInvitee, InvitationImport))


def test_a_draft_does_not_exist_for_anybody_but_its_creator(app, drafts):
    (_asha, values), (dev, _others) = drafts
    client = world.sign_in(app.test_client(), dev)
    headers = world.csrf(client)
    tried = [(method, path_of(rule, values)) for method, rule in wizard(app)]
    wrong = [(method, path) for method, path in tried if client.open(path, method=method, headers=headers, data={}).status_code != 404]
    assert (wrong, len(tried) > 10, left(app)) == ([], True, (2, 2))


def test_what_belongs_to_another_draft_is_unknown_inside_ones_own(app, drafts):
    (asha, values), (_dev, others) = drafts
    client = world.sign_in(app.test_client(), asha)
    headers = world.csrf(client)
    wrong, tried = [], 0
    for method, rule in wizard(app):
        if rule.arguments <= {"organization_id", "slot"}:
            continue
        tried += 1
        path = path_of(rule, others | {"organization_id": values["organization_id"]})
        answer = client.open(path, method=method, headers=headers, data={"email": "0"} if method == "POST" else None)
        if answer.status_code != (303 if rule.endpoint in HARMLESS else 404):
            wrong.append(f"{method} {path}: {answer.status_code}")
    assert (wrong, tried > 3, left(app)) == ([], True, (2, 2))


@pytest.mark.parametrize("organization_id", ["nonsense", "00000000-0000-7000-8000-000000000000", "new"])
def test_a_draft_that_never_was_is_not_found(app, drafts, organization_id):
    (asha, values), _other = drafts
    client = world.sign_in(app.test_client(), asha)
    for method, rule in wizard(app):
        if method == "GET":
            assert client.get(path_of(rule, values | {"organization_id": organization_id})).status_code == 404, rule


def test_what_has_no_such_id_is_not_found(app, drafts):
    (asha, values), _other = drafts
    client = world.sign_in(app.test_client(), asha)
    headers = world.csrf(client)
    for method, rule in wizard(app):
        for name in rule.arguments - {"organization_id"}:
            for unknown in ("nonsense", "00000000-0000-7000-8000-000000000000"):
                path = path_of(rule, values | {name: unknown})
                data = {"email": "0"} if method == "POST" else None
                expected = 303 if rule.endpoint in HARMLESS else 404
                assert client.open(path, method=method, headers=headers, data=data).status_code == expected, path
    assert left(app) == (2, 2)


def test_head_passes_the_same_gates_as_get(app, drafts):
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        gate = getattr(app.view_functions[rule.endpoint], "gate", "public")
        if "HEAD" not in rule.methods or gate in {"public", "signed"}:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", "acme" if name == "slug" else drafts[0][1]["organization_id"])
        assert client.head(path).status_code == (401 if path.startswith("/api/") else 303), path
