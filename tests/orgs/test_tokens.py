"""API tokens: made by owners, shown once, held to their scopes, their organization and their maker's standing."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from portal import clock, crypto, db
from portal.accounts.rules import PlatformRole
from portal.audit.models import AuditRow
from portal.orgs.models import ApiToken, Membership
from portal.orgs.rules import MembershipStatus, Role, Status
from portal.orgs.rules.tokens import TokenScope, TokenState, state_of
from tests.support import world
from tests.support.pages import Visitor
from tests.support.together import at_once

ALL = [scope.value for scope in TokenScope]


@pytest.fixture
def acme(rung, app):
    """Acme, with a plan, a consultant and a learner."""
    with app.app_context():
        company = world.make_company()
        learner = world.make_user("asha@acme.test")
        world.add_member(company.organization, learner, Role.ORG_LEARNER)
    return company


@pytest.fixture
def owner(app, acme):
    return world.sign_in(app.test_client(), acme.owner)


def make(owner, acme, *, name="Payroll sync", scopes=ALL, **more):
    answer = owner.post(path(acme, "tokens"), json={"name": name, "scopes": scopes, **more}, headers=world.csrf(owner))
    assert answer.status_code == 201, answer.text
    return answer.json


def path(acme, rest="") -> str:
    return f"/api/organizations/{acme.organization.id}/{rest}".rstrip("/")


def by(made) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['token']}"}


def test_a_token_is_shown_once_and_only_its_hash_is_stored(app, owner, acme):
    made = make(owner, acme, scopes=["billing", "read"])
    token = made["token"]
    assert token.startswith("portal_")
    assert made["apiToken"]["hint"] == token[-4:]
    assert (made["apiToken"]["scopes"], made["apiToken"]["state"]) == (["read", "billing"], "ACTIVE")
    listed = owner.get(path(acme, "tokens"))
    assert token not in listed.text
    assert [item["name"] for item in listed.json["items"]] == ["Payroll sync"]
    with app.app_context():
        row = db.session.scalars(select(ApiToken)).one()
        assert row.token_hash == crypto.hash_token(token)
        assert token not in {str(getattr(row, column.name)) for column in ApiToken.__table__.columns}
        logged = db.session.scalars(select(AuditRow).where(AuditRow.subject_type == "api_token")).one()
        assert (logged.action, logged.after) == ("API_TOKEN_CREATED", {"scopes": ["read", "billing"], "expiresAt": None})
        assert token not in str(logged.after)


def test_a_token_stands_in_for_the_cookie_and_the_csrf_token(app, owner, acme):
    made, client = make(owner, acme), app.test_client()
    assert client.get(path(acme)).status_code == 401
    assert client.get(path(acme), headers=by(made)).json["organization"]["id"] == acme.organization.id
    invited = client.post(path(acme, "invitations"), json={"email": "new@acme.test", "role": "ORG_LEARNER"}, headers=by(made))
    assert invited.status_code == 201, invited.text
    with app.app_context():
        row = db.session.scalars(select(AuditRow).where(AuditRow.action == "INVITATION_SENT")).one()
        assert (row.via, row.actor_name, row.actor_user_id) == ("API_TOKEN", "Owner (API token Payroll sync)", acme.owner.id)
    assert client.get_cookie("portal") is None


def test_a_cookie_counts_for_nothing_beside_a_token(owner, acme):
    assert owner.get(path(acme)).status_code == 200
    wrong = owner.get(path(acme), headers={"Authorization": "Bearer portal_nonsense"})
    assert (wrong.status_code, wrong.json["code"], wrong.headers["WWW-Authenticate"]) == (401, "TOKEN_INVALID", "Bearer")
    basic = owner.get(path(acme), headers={"Authorization": "Basic abc"})
    assert basic.status_code == 200
    unsigned = owner.post(
        path(acme, "invitations"), json={"email": "x@acme.test", "role": "ORG_LEARNER"}, headers={"Authorization": "Basic abc"}
    )
    assert (unsigned.status_code, unsigned.json["code"]) == (400, "CSRF_FAILED")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "bearer x", "BEARER portal_", "Bearer portal_é", "Bearer a b c"])
def test_what_is_no_token_is_refused(app, acme, header):
    answer = app.test_client().get(path(acme), headers={"Authorization": header})
    assert (answer.status_code, answer.json["code"]) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [
        ("read", {"members", "invitations", "billing", "credits", "plans", "audit", "analytics", ""}, set()),
        ("members", {"members"}, {"members"}),
        ("invitations", {"invitations"}, {"invitations"}),
        ("billing", {"billing", "credits"}, {"billing/generate-invoice"}),
    ],
)
def test_each_scope_opens_its_own_part(app, owner, acme, scope, reads, writes):
    made, client = make(owner, acme, scopes=[scope]), app.test_client()
    for part in ("members", "invitations", "billing", "credits", "plans", "audit", "analytics", ""):
        answer = client.get(path(acme, part), headers=by(made))
        assert answer.status_code == (200 if part in reads else 403), part
        if part not in reads:
            assert answer.json["code"] == "SCOPE_MISSING"
    for part in ("members", "invitations", "billing/generate-invoice"):
        answer = client.post(path(acme, part), json={}, headers=by(made))
        assert (answer.status_code, answer.json["code"] == "SCOPE_MISSING") == ((400, False) if part in writes else (403, True)), part


def test_tokens_never_reach_what_is_no_matter_of_theirs(app, owner, acme):
    made, client = make(owner, acme), app.test_client()
    tried = [
        ("GET", path(acme, "tokens")),
        ("POST", path(acme, "tokens")),
        ("DELETE", path(acme)),
        ("PATCH", path(acme)),
        ("POST", path(acme, "plans")),
        ("POST", "/api/organizations"),
        ("POST", "/api/checkout"),
        ("GET", "/api/bookings"),
        ("POST", "/api/auth/logout"),
        ("GET", "/api/admin/reconcile"),
        ("GET", "/api/payments/refunds"),
    ]
    for method, where in tried:
        answer = client.open(where, method=method, json={} if method != "GET" else None, headers=by(made))
        assert (answer.status_code, answer.json["code"]) == (403, "TOKEN_NOT_TAKEN"), where
    assert client.get(f"/orgs/{acme.organization.slug}/home", headers=by(made)).status_code == 303  # pages know no tokens


def test_no_route_of_admins_settings_or_tokens_takes_a_token(app):
    taken = {
        f"{'/'.join(sorted(rule.methods - {'HEAD', 'OPTIONS'}))} {rule.rule}": view.scopes
        for rule in app.url_map.iter_rules()
        if (view := app.view_functions[rule.endpoint]) and getattr(view, "scopes", ())
    }
    assert len(taken) > 25
    for route, scopes in taken.items():
        assert " /api/" in route
        assert set(scopes) <= set(TokenScope)
        assert not any(part in route for part in ("/admin/", "/tokens", "/sso", "/payout-account", "/checkout", "/branding")), route
        if not route.startswith("GET "):
            assert "read" not in scopes, route


def test_a_token_is_bound_to_its_organization(app, owner, acme):
    made, client = make(owner, acme), app.test_client()
    with app.app_context():
        other = world.make_organization(acme.owner, name="Other")
        learner = world.make_user("dev@other.test")
        world.add_member(other, learner, Role.ORG_LEARNER)
    for part in ("", "/members", "/billing"):
        answer = client.get(f"/api/organizations/{other.id}{part}", headers=by(made))
        assert (answer.status_code, answer.json["code"]) == (403, "TOKEN_OF_ANOTHER_ORGANIZATION")
    assert [item["id"] for item in client.get("/api/organizations", headers=by(made)).json["items"]] == [acme.organization.id]
    me = client.get("/api/auth/me", headers=by(made)).json
    assert [place["organizationId"] for place in me["memberships"]] == [acme.organization.id]
    assert len(owner.get("/api/auth/me").json["memberships"]) == 2


def test_payments_of_other_organizations_are_unknown_to_a_token(app, owner, acme):
    with app.app_context():
        learner = world.make_user("dev@acme.test")
        world.add_member(acme.organization, learner, Role.ORG_LEARNER)
        ours = world.book(acme, learner)
        elsewhere = world.make_company("Other", consultant=acme.consultant)
        world.add_member(elsewhere.organization, acme.owner, Role.ORG_MANAGER)
        theirs = world.book(elsewhere, acme.owner, hours=30)
    made, client = make(owner, acme, scopes=["billing"]), app.test_client()
    assert client.get(f"/api/payments/{ours.payment_id}", headers=by(made)).status_code == 200
    assert client.get(f"/api/payments/{theirs.payment_id}", headers=by(made)).status_code == 404
    assert owner.get(f"/api/payments/{theirs.payment_id}").status_code == 200


def test_an_admin_of_the_platform_is_an_ordinary_member_by_token(app, acme):
    with app.app_context():
        boss = world.make_user("boss@portal.test", role=PlatformRole.ADMIN)
        world.add_member(acme.organization, boss, Role.ORG_OWNER)
        elsewhere = world.make_organization(world.make_user("x@other.test"), name="Other")
    client = world.sign_in(app.test_client(), boss)
    made, program = make(client, acme), app.test_client()
    assert program.get(f"/api/organizations/{elsewhere.id}", headers=by(made)).status_code == 403
    assert len(program.get("/api/organizations", headers=by(made)).json["items"]) == 1
    with app.app_context(), db.unit_of_work():
        db.session.execute(
            update(world.Organization).where(world.Organization.id == acme.organization.id).values(status=Status.DEACTIVATED)
        )
    assert client.get(path(acme, "billing")).status_code == 200
    closed = program.get(path(acme, "billing"), headers=by(made))
    assert (closed.status_code, closed.json["code"]) == (403, "ORGANIZATION_DEACTIVATED")


def test_an_admin_of_the_platform_who_is_no_member_makes_none(app, acme):
    with app.app_context():
        boss = world.make_user("boss@portal.test", role=PlatformRole.ADMIN)
    client = world.sign_in(app.test_client(), boss)
    answer = client.post(path(acme, "tokens"), json={"name": "x", "scopes": ["read"]}, headers=world.csrf(client))
    assert (answer.status_code, answer.json["code"]) == (403, "NOT_A_MEMBER")


@pytest.mark.parametrize(
    "change",
    [{"role": Role.ORG_ADMIN}, {"role": Role.ORG_LEARNER}, {"status": MembershipStatus.SUSPENDED}, {"status": MembershipStatus.REMOVED}],
)
def test_a_token_stops_when_its_maker_is_no_active_owner_and_works_again_with_them(app, owner, acme, change):
    made, client = make(owner, acme), app.test_client()
    mine = (Membership.organization_id == acme.organization.id, Membership.user_id == acme.owner.id)
    with app.app_context(), db.unit_of_work():
        db.session.execute(update(Membership).where(*mine).values(**change))
    stopped = client.get(path(acme), headers=by(made))
    assert (stopped.status_code, stopped.json["code"]) == (401, "TOKEN_INVALID")
    with app.app_context(), db.unit_of_work():
        db.session.execute(update(Membership).where(*mine).values(role=Role.ORG_OWNER, status=MembershipStatus.ACTIVE))
    assert client.get(path(acme), headers=by(made)).status_code == 200


def test_a_revoked_token_stops_at_once_and_revoking_twice_is_harmless(app, owner, acme):
    made, client = make(owner, acme), app.test_client()
    assert client.get(path(acme), headers=by(made)).status_code == 200
    where = path(acme, f"tokens/{made['apiToken']['id']}")
    for _ in range(2):
        answer = owner.delete(where, headers=world.csrf(owner))
        assert (answer.status_code, answer.json["apiToken"]["state"]) == (200, "REVOKED")
    assert client.get(path(acme), headers=by(made)).status_code == 401
    with app.app_context():
        actions = [row.action for row in db.session.scalars(select(AuditRow).where(AuditRow.subject_type == "api_token"))]
        assert sorted(actions) == ["API_TOKEN_CREATED", "API_TOKEN_REVOKED"]
    again = make(owner, acme)
    assert again["apiToken"]["name"] == made["apiToken"]["name"]


def test_a_token_ends_when_it_was_to_end(app, owner, acme):
    ends = clock.now() + timedelta(days=1)
    made, client = make(owner, acme, expiresAt=ends.isoformat()), app.test_client()
    with time_machine.travel(ends - timedelta(seconds=1), tick=False):
        assert client.get(path(acme), headers=by(made)).status_code == 200
    with time_machine.travel(ends, tick=False):
        assert client.get(path(acme), headers=by(made)).status_code == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "", "scopes": ["read"]}, "INVALID"),
        ({"name": "x", "scopes": []}, "INVALID"),
        ({"name": "x", "scopes": ["admin"]}, "INVALID"),
        ({"name": "x", "scopes": ["read"], "expiresAt": "2020-01-01T00:00:00Z"}, "EXPIRY_REFUSED"),
        ({"name": "x", "scopes": ["read"], "expiresAt": "2199-01-01T00:00:00Z"}, "EXPIRY_REFUSED"),
        ({"name": "x", "scopes": ["read"], "expiresAt": "2027-01-01T00:00:00"}, "INVALID"),
        ({"name": "x\nAuthorization: y", "scopes": ["read"]}, "INVALID"),
    ],
)
def test_a_wrong_wish_makes_no_token(app, owner, acme, body, code):
    answer = owner.post(path(acme, "tokens"), json=body, headers=world.csrf(owner))
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert owner.get(path(acme, "tokens")).json["items"] == []


def test_two_live_tokens_never_share_a_name(app, owner, acme):
    with app.app_context():
        user = db.session.get_one(world.User, acme.owner.id)
    clients = [world.sign_in(app.test_client(), user) for _ in range(4)]
    headers = [world.csrf(client) for client in clients]

    def ask(number):
        body = {"name": "Sync" if number % 2 else "SYNC", "scopes": ["read"]}
        return clients[number].post(path(acme, "tokens"), json=body, headers=headers[number]).status_code

    answers, _refusals = at_once(app, [lambda number=number: ask(number) for number in range(4)])
    assert sorted(answers) == [201, 409, 409, 409]


def test_no_organization_gathers_tokens_without_end(app, owner, acme, monkeypatch):
    monkeypatch.setattr("portal.orgs.service.tokens.MOST_TOKENS", 2)
    for name in ("a", "b"):
        make(owner, acme, name=name)
    answer = owner.post(path(acme, "tokens"), json={"name": "c", "scopes": ["read"]}, headers=world.csrf(owner))
    assert (answer.status_code, answer.json["code"]) == (409, "TOO_MANY_TOKENS")


def test_tokens_are_listed_newest_first_in_pages(owner, acme):
    for name in ("a", "b", "c"):
        make(owner, acme, name=name)
    first = owner.get(path(acme, "tokens?limit=2")).json
    second = owner.get(path(acme, f"tokens?limit=2&cursor={first['nextCursor']}")).json
    assert [item["name"] for item in first["items"] + second["items"]] == ["c", "b", "a"]
    assert second["nextCursor"] is None


def test_the_use_of_a_token_is_noted_once_a_minute_apart_from_what_it_asks(app, owner, acme):
    made, client = make(owner, acme), app.test_client()

    def used():
        return owner.get(path(acme, "tokens")).json["items"][0]["lastUsedAt"]

    assert used() is None
    start = clock.now()
    with time_machine.travel(start, tick=False) as now:
        assert client.get(path(acme), headers=by(made)).status_code == 200
        first = used()
        assert first is not None
        now.shift(timedelta(seconds=59))
        client.get(path(acme), headers=by(made))
        assert used() == first
        now.shift(timedelta(seconds=1))
        refused = client.get(path(acme, "nowhere"), headers=by(made))
        assert refused.status_code == 404
        assert used() != first


def test_another_organizations_token_cannot_be_revoked(app, owner, acme):
    made = make(owner, acme)
    with app.app_context():
        other = world.make_organization(acme.owner, name="Other")
    for token_id in (made["apiToken"]["id"], "nonsense", acme.organization.id):
        answer = owner.delete(f"/api/organizations/{other.id}/tokens/{token_id}", headers=world.csrf(owner))
        assert (answer.status_code, answer.json["code"]) == (404, "TOKEN_NOT_FOUND")


def test_the_page_makes_shows_once_and_revokes(app, acme):
    visitor = Visitor(app)
    world.sign_in(visitor.client, acme.owner)
    where = f"/orgs/{acme.organization.slug}/settings/tokens"
    visitor.get(where)
    assert "No tokens yet" in visitor.words
    headers = world.csrf(visitor.client)
    empty = visitor.client.post(where, data={"name": "Sync", "lasts_days": "90"}, headers=headers)
    assert (empty.status_code, "Fill this in" in empty.text or "at least" in empty.text) == (422, True)
    sent = {"name": "Sync", "lasts_days": "90", "scopes": ["read", "members"]}
    made = visitor.client.post(where, data=sent, headers=headers)
    assert made.status_code == 201
    token = made.text.split('id="made-token" value="')[1].split('"')[0]
    assert token.startswith("portal_")
    assert app.test_client().get(path(acme), headers={"Authorization": f"Bearer {token}"}).status_code == 200
    again = visitor.client.post(where, data=sent, headers=headers)
    assert (again.status_code, "There is a token called" in again.text) == (422, True)
    visitor.get(where)
    assert token not in visitor.answer.text
    assert "portal_…" + token[-4:] in visitor.words
    with app.app_context():
        row = db.session.scalars(select(ApiToken)).one()
        assert row.expires_at - row.created_at >= timedelta(days=89)
    visitor.submit(f"{where}/{row.id}/revoke")
    assert "Revoked" in visitor.words
    assert app.test_client().get(path(acme), headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_state_of_a_token_follows_from_its_row_and_its_maker():
    now = clock.now()
    for revoked, ends, is_owner, state in [
        (None, None, True, TokenState.ACTIVE),
        (None, now, True, TokenState.EXPIRED),
        (None, now + timedelta(seconds=1), True, TokenState.ACTIVE),
        (None, None, False, TokenState.STOPPED),
        (now, now, False, TokenState.REVOKED),
    ]:
        assert state_of(revoked_at=revoked, expires_at=ends, is_maker_owner=is_owner, now=now) is state
