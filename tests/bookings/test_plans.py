"""Plans: who offers what to whom, what may be changed about it, and what no plan can be."""

import pytest

from portal import db
from portal.audit.rules import Action, Via
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Kind, MembershipStatus, Role, Status
from portal.providers import service as providers
from portal.providers.models import Consultant
from portal.providers.schemas import ConsultantIn
from tests.support import world
from tests.support.pages import Visitor
from tests.support.paying import make_shop, own_plan, rows, set_mode

GOOD = {"planType": "WEBINAR", "title": "Negotiating", "price": 250_000, "durationMinutes": 90}
NOBODY = "0199a000-0000-7000-8000-000000000000"
SHAPE = {"id", "planType", "title", "price", "description", "durationMinutes", "consultantId", "organizationId", "isActive"}
WRONG = [
    ("price", [-1, 0, 99, 1.5, 10**9 + 1, 10**18, 10**30, True, None, "free", "", [], {}]),
    ("planType", ["webinar", "LESSON", "", None, 1, ["WEBINAR"]]),
    ("title", ["", " ", "x", "x" * 121, "a\nb", "a\x00b", "a\tb", None, 7, ["Negotiating"]]),
    ("durationMinutes", [4, 0, -60, 1441, 1.5, 10**30, None, True, "an hour"]),
    ("description", ["x" * 1001, 7, ["x"]]),
    ("id", [NOBODY]),
    ("organizationId", [NOBODY]),
    ("currency", ["USD"]),
]
CASES = [(field, value) for field, values in WRONG for value in values]


@pytest.fixture
def shop(rung, app):
    """Acme with a plan of its own, and Ravi, a consultant, with one of his; nobody pays by card here."""
    made = make_shop(app, rung)
    with app.app_context():
        set_mode(made.company.organization.id, "INVOICED_MONTHLY")
    return made


@pytest.fixture
def owner(shop):
    return as_user(shop, shop.company.owner)


def as_user(shop, user):
    """A call as somebody: ``call(method, path, body)``."""
    client = world.sign_in(shop.app.test_client(), user)
    token = world.csrf(client)

    def call(method: str, path: str, body: dict | None = None):
        return client.open(path, method=method, json=body, headers=token)

    return call


def member(shop, role: Role):
    with shop.app.app_context():
        user = world.make_user(f"{role.value.lower()}@acme.test")
        world.add_member(shop.company.organization, user, role)
    return as_user(shop, user)


def ravi(shop):
    """The consultant who offers ``shop.plan``."""
    with shop.app.app_context():
        return db.session.get(world.User, shop.plan.consultant_id)


def of_acme(shop, plan_id: str = "") -> str:
    return f"/api/organizations/{shop.company.organization.id}/plans{'/' if plan_id else ''}{plan_id}"


def plans(shop) -> list:
    return rows(shop.app, "SELECT * FROM plans ORDER BY id")


def written(shop, action: Action) -> list:
    statement = (
        "SELECT actor_name, via, organization_id::text, subject_name, before, after FROM audit_rows WHERE action = :action ORDER BY id"
    )
    return [tuple(row) for row in rows(shop.app, statement, action=action)]


def ids(answer) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {item["id"] for item in answer.json["items"]}


def wrong_fields(answer) -> list[str]:
    """The fields that a refusal names; none when the whole body was refused without one."""
    assert answer.status_code == 400, answer.text
    return [name.replace("_", "").lower() for name in answer.json.get("details", {})]


def test_an_admin_adds_a_plan_that_members_see_and_book(shop):
    admin, learner = member(shop, Role.ORG_ADMIN), as_user(shop, shop.learner)
    answer = admin("POST", of_acme(shop), {**GOOD, "description": "In three hours.", "consultantId": shop.company.consultant.id})
    assert answer.status_code == 201
    plan = answer.json["plan"]
    assert plan.keys() == SHAPE
    assert {name: plan[name] for name in GOOD} == GOOD
    assert (plan["organizationId"], plan["consultantId"], plan["isActive"]) == (
        shop.company.organization.id,
        shop.company.consultant.id,
        True,
    )
    listed = learner("GET", of_acme(shop))
    assert ids(listed) == {plan["id"], shop.company.plan.id}
    assert listed.json["nextCursor"] is None
    [*_earlier, row] = written(shop, Action.PLAN_CREATED)
    after = {"title": "Negotiating", "price": 250_000, "planType": "WEBINAR"}
    assert row == ("Org_Admin", Via.MEMBER, shop.company.organization.id, "Negotiating", None, after)


@pytest.mark.parametrize("whose", ["an organization's", "one's own"])
def test_what_is_no_plan_is_refused_by_field_and_nothing_is_recorded(shop, owner, whose):
    caller, path = (owner, of_acme(shop)) if whose == "an organization's" else (as_user(shop, ravi(shop)), "/api/plans")
    before = plans(shop)
    accepted = []
    for field, value in CASES:
        answer = caller("POST", path, {**GOOD, field: value})
        if answer.status_code != 400 or field.lower() not in wrong_fields(answer):
            accepted.append((field, value, answer.status_code))
    for field in ("planType", "title", "price"):
        without = {name: value for name, value in GOOD.items() if name != field}
        assert field.lower() in wrong_fields(caller("POST", path, without))
    assert accepted == []
    assert plans(shop) == before


def test_the_least_and_the_most_that_a_plan_may_be(shop, owner):
    for change in (
        {"price": 100},
        {"price": 10**9},
        {"durationMinutes": 5},
        {"durationMinutes": 1440},
        {"title": "अआ"},
        {"title": "x" * 120},
        {"title": "Bobby'); DROP TABLE plans; --"},
        {"title": "<script>alert(1)</script>"},
        {"description": "x" * 1000},
        {"description": None},
    ):
        answer = owner("POST", of_acme(shop), {**GOOD, **change})
        assert answer.status_code == 201, change
        assert answer.json["plan"].items() >= change.items()
    assert owner("POST", of_acme(shop), {**GOOD, "title": "  Trimmed  "}).json["plan"]["title"] == "Trimmed"
    page = world.sign_in(shop.app.test_client(), shop.learner).get(f"/orgs/{shop.company.organization.slug}/plans").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_consultant_who_gives_a_plan_must_be_a_verified_one(shop, owner):
    with shop.app.app_context():
        waiting = world.make_user("waiting@experts.test")
        with db.unit_of_work():
            providers.register(ConsultantIn(headline="Coach"), user=waiting, actor=world.as_self(waiting))
    for unknown in (NOBODY, "nonsense", "", shop.learner.id, waiting.id, shop.company.organization.id):
        for method, path, body in (
            ("POST", of_acme(shop), {**GOOD, "consultantId": unknown}),
            ("PATCH", of_acme(shop, shop.company.plan.id), {"consultantId": unknown}),
        ):
            answer = owner(method, path, body)
            assert (answer.status_code, answer.json["code"], list(answer.json["details"])) == (
                400,
                "CONSULTANT_UNKNOWN",
                ["consultantId"],
            ), (method, unknown)
    assert len(plans(shop)) == 2


def test_a_change_keeps_what_it_does_not_name_and_the_log_says_both(shop, owner):
    path = of_acme(shop, shop.company.plan.id)
    changed = owner("PATCH", path, {"price": 120_000, "title": "Coaching", "durationMinutes": 45})
    assert changed.status_code == 200
    assert changed.json["plan"] | {"id": ""} == {
        "id": "",
        "planType": "CONSULTATION",
        "title": "Coaching",
        "price": 120_000,
        "description": None,
        "durationMinutes": 45,
        "consultantId": None,
        "organizationId": shop.company.organization.id,
        "isActive": True,
    }
    assert [row[4:] for row in written(shop, Action.PLAN_CHANGED)] == [
        (
            {"price": 100_000, "title": "Career coaching", "duration_minutes": 30},
            {"price": 120_000, "title": "Coaching", "duration_minutes": 45},
        )
    ]
    given = owner("PATCH", path, {"consultantId": shop.company.consultant.id, "description": "By Meera.", "planType": "CLASS"})
    assert given.json["plan"]["consultantId"] == shop.company.consultant.id
    freed = owner("PATCH", path, {"consultantId": None, "description": None})
    assert (freed.json["plan"]["consultantId"], freed.json["plan"]["description"], freed.json["plan"]["planType"]) == (None, None, "CLASS")


def test_what_no_plan_can_become_is_refused_and_nothing_is_changed(shop, owner):
    path, before = of_acme(shop, shop.company.plan.id), plans(shop)
    accepted = []
    cases = [*CASES, ("isActive", None), ("isActive", "perhaps"), ("isActive", 7), ("createdAt", "2026-01-01T00:00:00Z")]
    for field, value in cases:
        answer = owner("PATCH", path, {"description": "changed", field: value})
        if answer.status_code != 400 or field.lower() not in wrong_fields(answer):
            accepted.append((field, value, answer.status_code))
    assert accepted == []
    assert plans(shop) == before
    assert written(shop, Action.PLAN_CHANGED) == []


def test_a_change_of_nothing_is_none(shop, owner):
    before = plans(shop)
    assert owner("PATCH", of_acme(shop, shop.company.plan.id), {}).status_code == 200
    assert owner("PATCH", of_acme(shop, shop.company.plan.id), {"price": 100_000}).status_code == 200
    assert plans(shop) == before
    assert written(shop, Action.PLAN_CHANGED) == [], "what is equal already is no change, so there is nothing to log"


def test_a_booking_keeps_the_price_that_it_was_made_at(shop, owner):
    booked = shop.booked(on_organization=True)
    owner("PATCH", of_acme(shop, shop.company.plan.id), {"price": 777_700, "title": "Dearer"})
    payment = as_user(shop, shop.learner)("GET", f"/api/payments/{booked.payment_id}").json["payment"]
    assert (payment["amount"], payment["originalAmount"]) == (100_000, 100_000)
    assert rows(shop.app, "SELECT plan_title FROM payments") == [("Career coaching",)]
    assert shop.checkout(on_organization=True, hours=30).json["payment"]["amount"] == 777_700


def test_a_retired_plan_is_neither_listed_nor_booked_and_can_come_back(shop, owner):
    path = of_acme(shop, shop.company.plan.id)
    for _twice in range(2):
        retired = owner("DELETE", path)
        assert (retired.status_code, retired.json["plan"]["isActive"]) == (200, False)
    assert len(written(shop, Action.PLAN_RETIRED)) == 1, "the second time it was out already"
    assert ids(owner("GET", of_acme(shop))) == set()
    refused = shop.checkout(on_organization=True)
    assert (refused.status_code, refused.json["code"]) == (404, "PLAN_NOT_FOUND")
    assert owner("PATCH", path, {"isActive": True}).json["plan"]["isActive"] is True
    assert shop.checkout(on_organization=True).status_code == 201


def test_only_admins_change_the_catalogue(shop):
    path = of_acme(shop, shop.company.plan.id)
    with shop.app.app_context():
        stranger = world.make_company("Other").owner
        staff = world.make_user("staff@portal.test", role=world.PlatformRole.STAFF)
    before = plans(shop)
    callers = [as_user(shop, shop.learner), member(shop, Role.ORG_MANAGER), as_user(shop, stranger), as_user(shop, staff)]
    callers.append(as_user(shop, ravi(shop)))
    for call in callers:
        answers = [call("POST", of_acme(shop), GOOD), call("PATCH", path, {"price": 100}), call("DELETE", path)]
        assert [answer.status_code for answer in answers] == [403] * 3
    for outside in (as_user(shop, stranger), as_user(shop, staff)):
        assert outside("GET", of_acme(shop)).status_code == 403
    nobody = shop.app.test_client()
    assert nobody.get(of_acme(shop)).status_code == 401
    assert nobody.delete(path, headers=world.csrf(nobody)).status_code == 401
    assert plans(shop) == before


def test_the_plans_of_others_are_not_found_in_ones_own_organization(shop, owner):
    with shop.app.app_context():
        other = world.make_company("Other")
    before = plans(shop)
    for plan_id in (other.plan.id, shop.plan.id, NOBODY, "nonsense", shop.company.organization.id):
        for answer in (owner("PATCH", of_acme(shop, plan_id), {"price": 100}), owner("DELETE", of_acme(shop, plan_id))):
            assert (answer.status_code, answer.json["code"]) == (404, "PLAN_NOT_FOUND"), plan_id
    assert plans(shop) == before


@pytest.mark.parametrize(("status", "answers"), [(Status.SUSPENDED, 409), (Status.DEACTIVATED, 403)])
def test_a_closed_organization_changes_no_plan(shop, owner, status, answers):
    before = plans(shop)
    with shop.app.app_context(), db.unit_of_work():
        db.session.get_one(Organization, shop.company.organization.id).status = status
    path = of_acme(shop, shop.company.plan.id)
    for method, where, body in (("POST", of_acme(shop), GOOD), ("PATCH", path, {"price": 100}), ("DELETE", path, None)):
        assert owner(method, where, body).status_code == answers, method
    assert plans(shop) == before
    assert shop.checkout(on_organization=True).status_code == answers


def test_only_verified_consultants_offer_plans_of_their_own(shop):
    with shop.app.app_context():
        plain, waiting = world.make_user("plain@experts.test"), world.make_user("waiting@experts.test")
        admin = world.make_user("admin@portal.test", role=world.PlatformRole.ADMIN)
        with db.unit_of_work():
            providers.register(ConsultantIn(headline="Coach"), user=waiting, actor=world.as_self(waiting))
    for user in (plain, waiting, shop.company.owner, admin):
        refused = as_user(shop, user)("POST", "/api/plans", GOOD)
        assert (refused.status_code, refused.json["code"]) == (403, "CONSULTANT_NOT_VERIFIED"), user.email
    assert len(plans(shop)) == 2
    assert as_user(shop, admin)("POST", f"/api/admin/consultants/{waiting.id}/verify").status_code == 200
    made = as_user(shop, waiting)("POST", "/api/plans", GOOD)
    assert (made.status_code, made.json["plan"]["consultantId"], made.json["plan"]["organizationId"]) == (201, waiting.id, None)
    elsewhere = as_user(shop, waiting)("POST", "/api/plans", {**GOOD, "consultantId": shop.plan.consultant_id})
    assert elsewhere.status_code == 400, "nobody offers a plan in another's name"


def test_plans_of_consultants_are_listed_by_consultant_without_retired_ones(shop):
    learner = as_user(shop, shop.learner)
    consultant = ravi(shop)
    with shop.app.app_context():
        other = own_plan(shop.company.consultant)
    assert ids(learner("GET", "/api/plans")) == {shop.plan.id, other.id}, "and none of an organization's"
    assert ids(learner("GET", f"/api/plans?consultantId={consultant.id}")) == {shop.plan.id}
    for unknown in (NOBODY, "nonsense", shop.learner.id):
        assert ids(learner("GET", f"/api/plans?consultantId={unknown}")) == set()
    retire(shop, consultant, shop.plan.id)
    assert ids(learner("GET", "/api/plans")) == {other.id}
    assert ids(learner("GET", f"/api/plans?consultantId={consultant.id}")) == set()
    refused = shop.checkout()
    assert (refused.status_code, refused.json["code"]) == (404, "PLAN_NOT_FOUND")


def retire(shop, user, plan_id: str, *, status: int = 303) -> None:
    client = world.sign_in(shop.app.test_client(), user)
    assert client.post(f"/consulting/plans/{plan_id}/retire", headers=world.csrf(client)).status_code == status


def test_a_plan_is_offered_once_however_many_consultants_there_are(shop):
    with shop.app.app_context():
        other = own_plan(shop.company.consultant)
        world.make_consultant("third@experts.test")
    learner = Visitor(shop.app)
    world.sign_in(learner.client, shop.company.owner)
    page = learner.get(f"/orgs/{shop.company.organization.slug}/book").answer.text
    assert page.count(f'<option value="{other.id}"') == 1


def test_nobody_retires_anothers_plan(shop):
    for user in (shop.learner, shop.company.owner, shop.company.consultant):
        retire(shop, user, shop.plan.id, status=404)
    retire(shop, ravi(shop), shop.company.plan.id, status=404)
    retire(shop, ravi(shop), NOBODY, status=404)
    assert shop.count("SELECT count(*) FROM plans WHERE is_active") == 2


def test_a_consultant_whose_verification_is_gone_sells_nothing(shop):
    with shop.app.app_context(), db.unit_of_work():
        db.session.get_one(Consultant, shop.plan.consultant_id).verified_at = None
    learner = as_user(shop, shop.learner)
    assert ids(learner("GET", "/api/plans")) == set()
    refused = shop.checkout()
    assert (refused.status_code, refused.json["code"]) == (400, "CONSULTANT_UNKNOWN")
    assert shop.count("SELECT count(*) FROM payments") == 0


def test_an_organizations_plan_is_booked_by_its_own_people_alone(shop):
    with shop.app.app_context():
        other = world.make_company("Other")
        stranger = world.make_user("stranger@other.test")
        world.add_member(other.organization, stranger, Role.ORG_LEARNER)
    body = {"planId": shop.company.plan.id, "consultantId": shop.company.consultant.id, "startsAt": "2030-01-01T00:00:00Z"}
    call = as_user(shop, stranger)
    for payer in ({}, {"organizationId": other.organization.id}):
        refused = call("POST", "/api/checkout", {**body, **payer})
        assert (refused.status_code, refused.json["code"]) == (404, "PLAN_NOT_FOUND")
    foreign = call("POST", "/api/checkout", {**body, "organizationId": shop.company.organization.id})
    assert (foreign.status_code, foreign.json["code"]) == (403, "NOT_A_MEMBER")
    unknown = call("POST", "/api/checkout", {**body, "organizationId": NOBODY})
    assert (unknown.status_code, unknown.json["code"]) == (404, "ORGANIZATION_NOT_FOUND")
    assert shop.count("SELECT count(*) FROM payments") == 0


@pytest.fixture
def bound(shop, provider_orgs):
    """Ravi is a consultant of a provider that lets its consultants sell its own plans alone; returns the provider's id."""
    with shop.app.app_context():
        boss = world.make_user("boss@guild.test")
        guild = world.make_organization(boss, name="Guild")
        world.add_member(guild, db.session.get(world.User, shop.plan.consultant_id), Role.ORG_LEARNER)
    change_guild(shop, guild.id, kind=Kind.PROVIDER, billing_mode=None, enforce_organization_plans=True)
    change_place(shop, guild.id, role=Role.ORG_CONSULTANT)
    return guild.id


def change_guild(shop, organization_id: str, **values) -> None:
    with shop.app.app_context(), db.unit_of_work():
        guild = db.session.get_one(Organization, organization_id)
        for name, value in values.items():
            setattr(guild, name, value)


def change_place(shop, organization_id: str, **values) -> None:
    with shop.app.app_context(), db.unit_of_work():
        membership = db.session.query(Membership).filter_by(organization_id=organization_id, user_id=shop.plan.consultant_id).one()
        for name, value in values.items():
            setattr(membership, name, value)


def is_sold(shop) -> bool:
    """Whether Ravi's own plan is listed and can be booked; both or neither, on an organization and personally."""
    learner = as_user(shop, shop.learner)
    listed = {shop.plan.id in ids(learner("GET", path)) for path in ("/api/plans", f"/api/plans?consultantId={shop.plan.consultant_id}")}
    page = world.sign_in(shop.app.test_client(), shop.learner).get(f"/orgs/{shop.company.organization.slug}/book").text
    listed.add(shop.plan.id in page)
    number = shop.count("SELECT count(*) FROM bookings")
    body = {"planId": shop.plan.id, "organizationId": shop.company.organization.id}
    answers = [
        shop.checkout(hours=24 + number),
        shop.client.post(
            "/api/checkout",
            json={**body, "startsAt": (world.clock.now() + world.timedelta(days=20 + number)).isoformat()},
            headers=world.csrf(shop.client),
        ),
    ]
    booked = {answer.status_code == 201 for answer in answers}
    assert {answer.json["code"] for answer in answers if answer.status_code != 201} <= {"PLAN_NOT_FOUND"}
    assert len(listed | booked) == 1, (listed, booked)
    return booked.pop()


def test_an_organization_may_hide_its_consultants_own_plans(shop, bound):
    assert not is_sold(shop)
    assert shop.plan.id in world.sign_in(shop.app.test_client(), ravi(shop)).get("/consulting").text, "they see it themselves"
    change_guild(shop, bound, enforce_organization_plans=False)
    assert is_sold(shop)


def test_the_guilds_own_plan_is_sold_all_the_same(shop, bound):
    with shop.app.app_context():
        boss = db.session.query(world.User).filter_by(email="boss@guild.test").one()
        guild = db.session.get_one(Organization, bound)
        plan = world.make_plan(guild, boss)
    starts_at = (world.clock.now() + world.timedelta(days=3)).isoformat()
    body = {"planId": plan.id, "consultantId": shop.plan.consultant_id, "startsAt": starts_at}
    assert as_user(shop, shop.learner)("POST", "/api/checkout", body).status_code == 201


def test_only_an_active_providers_active_consultants_are_bound(shop, bound):
    binding_place = {"status": MembershipStatus.ACTIVE, "role": Role.ORG_CONSULTANT}
    binding_guild = {"status": Status.ACTIVE, "kind": Kind.PROVIDER, "billing_mode": None}
    for place, guild in (
        ({"status": MembershipStatus.PENDING}, {}),
        ({"status": MembershipStatus.SUSPENDED}, {}),
        ({"status": MembershipStatus.REMOVED}, {}),
        ({"role": Role.ORG_MANAGER}, {}),
        ({}, {"status": Status.SUSPENDED}),
        ({}, {"status": Status.DEACTIVATED}),
        ({}, {"status": Status.PENDING_VERIFICATION}),
        ({}, {"kind": Kind.BUYER, "billing_mode": "TAG_ONLY"}),
    ):
        change_place(shop, bound, **{**binding_place, **place})
        change_guild(shop, bound, **{**binding_guild, **guild})
        assert is_sold(shop), (place, guild)
    change_place(shop, bound, **binding_place)
    change_guild(shop, bound, **binding_guild)
    assert not is_sold(shop)


def test_a_hybrid_binds_too_and_with_the_tier_off_nobody_is(shop, bound, settings):
    change_guild(shop, bound, kind=Kind.HYBRID, billing_mode="TAG_ONLY")
    assert not is_sold(shop)
    world_without_providers = settings.model_copy(update={"enable_provider_orgs": False})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portal.config.current", lambda: world_without_providers)
        assert is_sold(shop)


class Office(Visitor):
    """The pages of plans."""

    def add(self, path: str, *, status: int = 200, **fields: str):
        return self.submit(path, status=status, **{"title": "Negotiating", "price": "2,500", "duration_minutes": "90", **fields})


def test_on_the_pages_prices_are_rupees_and_a_wrong_one_stands_beside_its_field(shop):
    for user, where, action in (
        (shop.company.owner, f"/orgs/{shop.company.organization.slug}/plans", f"/orgs/{shop.company.organization.slug}/plans"),
        (ravi(shop), "/consulting", "/consulting/plans"),
    ):
        office, before = Office(shop.app), len(plans(shop))
        world.sign_in(office.client, user)
        office.get(where)
        for name, values in (
            ("price", ("-1", "0", "0.99", "1.234", "10000000.01", "99999999999999", "1e3", "abc", "")),
            ("duration_minutes", ("4", "1441", "1.5", "an hour", "")),
            ("title", ("", "x", " ")),
        ):
            for value in values:
                office.add(action, status=422, **{name: value})
                beside = [field for field in ("price", "duration_minutes", "title") if f'id="f-{field}-error"' in office.answer.text]
                assert beside == [name], value
        assert len(plans(shop)) == before
        office.get(where).add(action, price="₹ 2,500.50", plan_type="WEBINAR")
        assert "“Negotiating” can be booked now." in office.words
        [*_before, made] = plans(shop)
        assert (made.price, made.duration_minutes, made.plan_type) == (250_050, 90, "WEBINAR")
        assert (made.organization_id is None, made.consultant_id is None) == (
            user.id != shop.company.owner.id,
            user.id == shop.company.owner.id,
        )


def test_the_page_offers_each_plan_and_each_consultant_once(app, shop):
    with app.app_context():
        world.make_consultant("sita@experts.test")
    page = shop.client.get(f"/orgs/{shop.company.organization.slug}/book").text
    assert page.count(f'value="{shop.plan.id}"') == 1
    assert page.count(f'value="{shop.plan.consultant_id}"') == 1
