"""Who gets through which route: what docs/access.md says is what each role meets."""

import os
from pathlib import Path

import pytest
from sqlalchemy import update

from portal import db
from portal.accounts.rules import PlatformRole
from portal.orgs.models import Membership
from portal.orgs.rules import Role
from portal.web.bearer import scopes_of
from tests.pages.test_url_map import call
from tests.support import world
from tests.support.url_map import routes, url

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "access.md"
HEAD = """# Who may do what

Each route, and who gets through its gate. `yes`: let through (what is sent may still be refused); a number: the HTTP status of the refusal;
`sign in`: led to the sign-in page. *Stranger* is the owner of another organization, *Staff* and *Platform admin* are members of none.
The owner is also the creator of the draft that `setup` routes are tried on. *API token*: which scope opens the route to an owner's token,
on its own organization alone. `tests/pages/test_access_matrix.py` asks every route as each
of them and compares; after a change run it with `WRITE_ACCESS=1` and read the difference.

"""
ROLES = {
    "Learner": Role.ORG_LEARNER,
    "Support": Role.ORG_SUPPORT,
    "Consultant": Role.ORG_CONSULTANT,
    "Manager": Role.ORG_MANAGER,
    "Admin": Role.ORG_ADMIN,
}


@pytest.fixture
def people(app, scene):
    """A signed-in client for each column."""
    with app.app_context():
        staff = world.make_user("staff@portal.test", role=PlatformRole.STAFF)
        found = {"Nobody": None, "Stranger": scene.stranger}
        for name, role in ROLES.items():
            found[name] = world.make_user(f"{name.lower()}@roles.test")
            member = world.add_member(db.session.get_one(world.Organization, scene.organization_id), found[name], Role.ORG_LEARNER)
            with db.unit_of_work():
                db.session.execute(update(Membership).where(Membership.id == member.id).values(role=role))
        found |= {
            "Owner": scene.owner,
            "Staff": staff,
            "Platform admin": scene.admin,
        }
    return {name: world.sign_in(app.test_client(), user) if user else app.test_client() for name, user in found.items()}


@pytest.fixture
def without_a_trace(people, monkeypatch):
    """Whatever a request writes is rolled back, so that each one meets the same scene."""
    monkeypatch.setattr(db, "finish_request", lambda _status: db.session.rollback())


def verdict(answer) -> str:
    if answer.status_code == 303 and answer.location.startswith("/signin?next="):
        return "sign in"
    return str(answer.status_code) if answer.status_code in {401, 403, 404} else "yes"


def table(app, scene, people) -> str:
    lines = ["| method | route | " + " | ".join(people) + " | API token |", "| --- | --- |" + " --- |" * (len(people) + 1)]
    headers = {name: world.csrf(client) for name, client in people.items()}
    cookies = {name: client.get_cookie("portal").value for name, client in people.items()}
    for rule, view in sorted(routes(app), key=lambda pair: (pair[0].rule.startswith("/api/"), pair[0].rule)):
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            cells = []
            for name, client in people.items():
                client.set_cookie("portal", cookies[name])  # whatever the call before did to it
                cells.append(verdict(call(client, method, url(rule, scene), headers[name])))
            cells.append(" or ".join(f"`{scope}`" for scope in scopes_of(view)) or "never")
            lines.append(f"| {method} | `{rule.rule}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def test_every_role_meets_what_the_document_says(app, scene, people, without_a_trace):
    found = HEAD + table(app, scene, people)
    if os.environ.get("WRITE_ACCESS"):
        DOCUMENT.write_text(found)
    written = DOCUMENT.read_text().splitlines()
    assert [line for line in found.splitlines() if line not in written] == []
    assert [line for line in written if line not in found.splitlines()] == []


def test_a_higher_role_may_do_what_a_lower_one_may():
    rows = [line.strip("| ").split(" | ") for line in DOCUMENT.read_text().splitlines() if line.startswith(("| GET", "| P", "| DELETE"))]
    assert len(rows) > 100
    for row in rows:
        allowed = [cell == "yes" for cell in row[4:10]]  # learner, support, consultant, manager, admin, owner
        assert allowed == sorted(allowed), row
