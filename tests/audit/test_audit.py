"""The log: nobody changes it, everybody who may reads all of it once, in their own days, and no spreadsheet runs it."""

import csv
import html
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from portal import clock, db
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.audit import queries, service
from portal.audit.models import AuditRow
from portal.audit.rules import LABELS, SYSTEM, Action, Actor, Via
from portal.audit.schemas import AuditFilter
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from portal.orgs.schemas import PayingIn, ProfileIn, RevenueIn
from portal.orgs.service import settings
from tests.support import world
from tests.support.lint import problems

NOON = datetime(2026, 10, 12, 6, 30, tzinfo=UTC)  # 12:00 in India
HEADER = ["At (UTC)", "Actor", "In the capacity of", "Act", "Subject", "Before", "After", "IP address"]


@dataclass
class Scene:
    """An organization with an owner, an admin, a manager and a learner."""

    app: object
    organization: Organization
    users: dict[str, User] = field(default_factory=dict)

    @property
    def api(self) -> str:
        return f"/api/organizations/{self.organization.id}"

    @property
    def page(self) -> str:
        return f"/orgs/{self.organization.slug}/settings/audit"

    def get(self, path: str, *, by: str = "admin"):
        return world.sign_in(self.app.test_client(), self.users[by]).get(path)

    def note(self, subject: str, *, at: datetime = NOON, action: Action = Action.MEMBER_ADDED, actor: Actor = SYSTEM, **values) -> None:
        """Writes one row."""
        with self.app.app_context(), clock.as_of(at), db.unit_of_work():
            about = service.Subject("member", None, subject)
            service.record(actor, action, about, organization_id=self.organization.id, **values)

    def found(self, *, zone: str = "Asia/Kolkata", **filters) -> list[str]:
        """The subjects of the rows that the filters let through."""
        with self.app.app_context():
            rows = queries.rows(self.organization.id, AuditFilter(**filters), limit=1000, time_zone=zone)
            return [row.subject_name for row in rows]

    def walked(self, path: str, *, limit: int, by: str = "admin") -> list[dict]:
        """Every item of a list, part by part."""
        client = world.sign_in(self.app.test_client(), self.users[by])
        items, cursor = [], None
        while True:
            mark = "&" if "?" in path else "?"
            answer = client.get(f"{path}{mark}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
            assert answer.status_code == 200
            assert len(answer.json["items"]) <= limit
            items += answer.json["items"]
            cursor = answer.json["nextCursor"]
            if cursor is None:
                return items

    def exported(self, path: str) -> list[list[str]]:
        """The rows of the file, without its header."""
        answer = self.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="acme-audit.csv"'
        [header, *rows] = csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""))
        assert header == HEADER
        return rows


@pytest.fixture
def acme(rung, app) -> Scene:
    """What the making itself wrote is from the first of October."""
    with app.app_context(), clock.as_of(datetime(2026, 10, 1, tzinfo=UTC)):
        owner = world.make_user("owner@acme.test")
        scene = Scene(app, world.make_organization(owner), {"owner": owner})
        for name, role in (("admin", Role.ORG_ADMIN), ("manager", Role.ORG_MANAGER), ("learner", Role.ORG_LEARNER)):
            scene.users[name] = world.make_user(f"{name}@acme.test")
            world.add_member(scene.organization, scene.users[name], role)
        scene.users["staff"] = world.make_user("staff@portal.test", role=PlatformRole.ADMIN)
        scene.users["stranger"] = world.make_user("stranger@other.test")
        world.make_organization(scene.users["stranger"], name="Other")
    return scene


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_rows SET actor_name = 'somebody else'",
        "UPDATE audit_rows SET before = NULL, after = NULL WHERE false",
        "UPDATE audit_rows SET at = now() WHERE id = (SELECT min(id::text)::uuid FROM audit_rows)",
        "DELETE FROM audit_rows",
        "DELETE FROM audit_rows WHERE false",
        "TRUNCATE audit_rows",
        "TRUNCATE audit_rows, organizations CASCADE",
        "INSERT INTO audit_rows SELECT * FROM audit_rows ON CONFLICT (id) DO UPDATE SET actor_name = 'somebody else'",
        "WITH gone AS (DELETE FROM audit_rows RETURNING *) SELECT count(*) FROM gone",
        "MERGE INTO audit_rows USING users ON true WHEN MATCHED THEN DELETE",
    ],
)
def test_the_database_itself_refuses_every_change_of_the_log(acme, statement):
    before = len(acme.found())
    with acme.app.app_context(), pytest.raises(DBAPIError, match="append-only"), db.database.engine.begin() as connection:
        connection.execute(text(statement))
    assert len(acme.found()) == before > 0


def test_an_act_that_fails_leaves_no_row(acme):
    def broken():
        with db.unit_of_work():
            service.record(SYSTEM, Action.MEMBER_ADDED, service.Subject("member", None, "Asha"), organization_id=acme.organization.id)
            raise RuntimeError("the machine stopped here")

    with acme.app.app_context(), pytest.raises(RuntimeError, match="stopped here"):
        broken()
    assert "Asha" not in acme.found()


def test_every_act_has_words_of_its_own():
    assert set(LABELS) == set(Action)
    assert len(set(LABELS.values())) == len(Action)
    assert all(label[:1].isupper() and "_" not in label for label in LABELS.values())


def test_rows_are_filtered_by_act_and_by_words_of_actor_and_subject(acme):
    ada = Actor(user_id=None, name="Ada Lovelace", via=Via.MEMBER)
    acme.note("50% off")
    acme.note("snake_case", action=Action.MEMBER_REMOVED)
    acme.note("Plain", actor=ada)
    acme.note("back\\slash")
    assert acme.found(action=Action.MEMBER_REMOVED) == ["snake_case"]
    assert acme.found(q="%") == ["50% off"]
    assert acme.found(q="_") == ["snake_case"]
    assert acme.found(q="\\") == ["back\\slash"]
    assert acme.found(q="lovelace") == ["Plain"]
    assert acme.found(q="LOVELACE", action=Action.MEMBER_REMOVED) == []
    assert acme.found(q="' OR 1=1 --") == []


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Asia/Kolkata", datetime(2026, 10, 11, 18, 30, tzinfo=UTC), datetime(2026, 10, 12, 18, 29, 59, 999_999, tzinfo=UTC)),
        ("UTC", datetime(2026, 10, 12, tzinfo=UTC), datetime(2026, 10, 12, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 10, 12, 4, tzinfo=UTC), datetime(2026, 10, 13, 3, 59, 59, 999_999, tzinfo=UTC)),
        ("Pacific/Kiritimati", datetime(2026, 10, 11, 10, tzinfo=UTC), datetime(2026, 10, 12, 9, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_days_are_the_organizations_and_both_inclusive(acme, zone, first, last):
    step = timedelta(microseconds=1)
    for name, at in (("before", first - step), ("first", first), ("last", last), ("after", last + step)):
        acme.note(name, at=at)
    day = date(2026, 10, 12)
    assert acme.found(zone=zone, since=day, until=day) == ["last", "first"]
    assert acme.found(zone=zone, since=day) == ["after", "last", "first"]
    assert acme.found(zone=zone, since=date(2026, 10, 5), until=day) == ["last", "first", "before"]
    assert acme.found(zone=zone, since=date(2026, 10, 14)) == []
    assert acme.found(zone=zone, since=date(2026, 10, 14), until=day) == []


def test_a_day_of_twenty_five_hours_is_one_day(acme):
    day = AuditFilter(since=date(2026, 11, 1), until=date(2026, 11, 1))
    since, until = day.between("America/New_York")
    assert (since, until - since) == (datetime(2026, 11, 1, 4, tzinfo=UTC), timedelta(hours=25))


@pytest.mark.parametrize("path", ["page", "csv", "json"])
def test_the_days_of_the_url_are_in_the_organizations_zone_everywhere(acme, path):
    with acme.app.app_context(), db.unit_of_work():
        db.session.get_one(Organization, acme.organization.id).time_zone = "America/New_York"
    acme.note("Before midnight in New York", at=datetime(2026, 10, 13, 3, 59, tzinfo=UTC))
    acme.note("After midnight in New York", at=datetime(2026, 10, 13, 4, tzinfo=UTC))
    days = "?from=2026-10-12&to=2026-10-12"
    if path == "page":
        shown = acme.get(acme.page + days).text
    elif path == "csv":
        shown = json.dumps(acme.exported(f"{acme.page}.csv{days}"))
        assert shown == json.dumps(acme.exported(f"{acme.api}/audit.csv{days}"))
    else:
        shown = acme.get(f"{acme.api}/audit{days}").text
    assert ("Before midnight in New York" in shown, "After midnight in New York" in shown) == (True, False)


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-02-30",
        "from=1999-12-31",
        "to=9999-12-31",
        "action=NOTHING",
        f"q={'x' * 101}",
        "q=%00",
    ],
)
def test_a_filter_that_means_nothing_is_refused(acme, query):
    for path in (f"{acme.api}/audit", f"{acme.api}/audit.csv", acme.page, f"{acme.page}.csv", f"{acme.api}/activity"):
        assert acme.get(f"{path}?{query}").status_code == 400, path


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=nonsense", "cursor='"])
def test_a_part_that_there_is_not_is_refused(acme, query):
    assert acme.get(f"{acme.api}/audit?{query}").status_code == 400


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
@pytest.mark.parametrize("by_set", [True, False])
def test_parts_of_the_list_lose_and_repeat_nothing_though_rows_share_an_instant(acme, limit, by_set):
    if by_set:
        with acme.app.app_context(), clock.as_of(NOON), db.unit_of_work():
            subjects = [service.Subject("member", None, f"N{number}") for number in range(20)]
            acts = [service.Act(subject, organization_id=acme.organization.id) for subject in subjects]
            service.record_all(SYSTEM, Action.MEMBER_ADDED, acts)
    else:
        for number in range(20):
            acme.note(f"N{number}", at=NOON + timedelta(hours=number // 5))
    walked = [item["id"] for item in acme.walked(f"{acme.api}/audit", limit=limit)]
    with acme.app.app_context():
        wanted = select(AuditRow.id).where(AuditRow.organization_id == acme.organization.id)
        expected = db.session.scalars(wanted.order_by(AuditRow.at.desc(), AuditRow.id.desc())).all()
    assert walked == list(expected)
    assert len(set(walked)) == len(walked) > 20


def test_rows_that_were_written_late_for_an_earlier_instant_are_in_their_place(acme):
    for number, hours in enumerate([3, 1, 2, 0, 5, 4, 1, 3]):
        acme.note(f"N{number}", at=NOON + timedelta(hours=hours))
    walked = [item["at"] for item in acme.walked(f"{acme.api}/audit", limit=3)]
    assert walked == sorted(walked, reverse=True)
    assert len(walked) == len(acme.found())


def test_what_is_written_while_somebody_reads_shifts_nothing(acme):
    for number in range(6):
        acme.note(f"N{number}", at=NOON + timedelta(minutes=number))
    client = world.sign_in(acme.app.test_client(), acme.users["admin"])
    first = client.get(f"{acme.api}/audit?limit=3").json
    acme.note("New", at=NOON + timedelta(hours=1))
    second = client.get(f"{acme.api}/audit?limit=3&cursor={first['nextCursor']}").json
    assert [item["subject"] for item in first["items"] + second["items"]] == ["N5", "N4", "N3", "N2", "N1", "N0"]


def test_filters_go_along_with_the_parts(acme):
    for number in range(9):
        acme.note(f"N{number}", action=Action.MEMBER_REMOVED if number % 2 else Action.MEMBER_ADDED)
    found = acme.walked(f"{acme.api}/audit?action=MEMBER_REMOVED&from=2026-10-12", limit=2)
    assert sorted(item["subject"] for item in found) == ["N1", "N3", "N5", "N7"]
    page = acme.get(f"{acme.page}?action=MEMBER_REMOVED&from=2026-10-12&limit=3")
    older = html.unescape(page.text).split('href="' + acme.page + "?")
    assert any("cursor=" in link and "action=MEMBER_REMOVED" in link and "from=2026-10-12" in link for link in older)


def test_a_cursor_of_another_organization_shows_nothing_of_it(acme):
    with acme.app.app_context():
        foreign = db.session.scalars(select(AuditRow.id).where(AuditRow.organization_id != acme.organization.id)).first()
    answer = acme.get(f"{acme.api}/audit?cursor={foreign}")
    assert answer.status_code == 200
    assert all("Other" not in item["subject"] for item in answer.json["items"])
    unknown = acme.get(f"{acme.api}/audit?cursor=0190b4a2-0000-7000-8000-000000000000")
    assert (unknown.status_code, unknown.json["nextCursor"]) == (200, None)


def test_the_exported_log_runs_no_formula_and_has_every_row(acme):
    evil = Actor(user_id=None, name="=1+1", via=Via.MEMBER, ip="203.0.113.9")
    for number, subject in enumerate(["@SUM(A1)", "+1", "-1", "=cmd|' /C calc'!A0", "\tTab", 'Quote " and, comma', "Two\nlines"]):
        acme.note(subject, actor=evil, at=NOON + timedelta(minutes=number), before={"role": "=1+1"}, after={"name": "ü ₹"})
    rows = acme.exported(f"{acme.page}.csv?from=2026-10-12")
    assert [row[4] for row in rows] == ["Two\nlines", 'Quote " and, comma', "'\tTab", "'=cmd|' /C calc'!A0", "'-1", "'+1", "'@SUM(A1)"]
    assert {(row[1], row[2], row[3], row[7]) for row in rows} == {("'=1+1", "member", "MEMBER_ADDED", "203.0.113.9")}
    assert {(row[5], row[6]) for row in rows} == {('{"role": "=1+1"}', '{"name": "ü ₹"}')}
    assert rows[-1][0] == "2026-10-12T06:30:00+00:00"
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_exported_log_is_complete_beyond_any_page(acme):
    with acme.app.app_context(), clock.as_of(NOON), db.unit_of_work():
        acts = [service.Act(service.Subject("member", None, f"N{number}"), organization_id=acme.organization.id) for number in range(2_500)]
        service.record_all(SYSTEM, Action.MEMBER_ADDED, acts)
    rows = acme.exported(f"{acme.api}/audit.csv")
    assert len({row[4] for row in rows if row[4].startswith("N")}) == 2_500
    assert len(rows) == len(acme.walked(f"{acme.api}/audit", limit=200))
    assert len(acme.exported(f"{acme.api}/audit.csv?q=N2499")) == 1


def test_only_admins_read_the_log_and_managers_what_happened(acme):
    log = [f"{acme.api}/audit", f"{acme.api}/audit.csv", acme.page, f"{acme.page}.csv"]
    statuses = {
        name: ([acme.get(path, by=name).status_code for path in log], acme.get(f"{acme.api}/activity", by=name).status_code)
        for name in ("owner", "admin", "staff", "manager", "learner", "stranger")
    }
    assert statuses == {
        **dict.fromkeys(("owner", "admin", "staff"), ([200] * 4, 200)),
        "manager": ([403] * 4, 200),
        **dict.fromkeys(("learner", "stranger"), ([403] * 4, 403)),
    }


def test_activity_keeps_values_and_addresses_to_itself(acme):
    secret = Actor(user_id=None, name="Ada", via=Via.MEMBER, ip="203.0.113.9")
    acme.note("Asha", actor=secret, before={"role": "BEFORE-VALUE"}, after={"role": "AFTER-VALUE"})
    answer = acme.get(f"{acme.api}/activity", by="manager")
    item = answer.json["items"][0]
    assert item.keys() == {"id", "at", "actor", "action", "subject"}
    assert (item["at"], item["actor"], item["action"], item["subject"]) == ("2026-10-12T06:30:00Z", "Ada", "MEMBER_ADDED", "Asha")
    for hidden in ("BEFORE-VALUE", "AFTER-VALUE", "203.0.113.9", "before", "via"):
        assert hidden not in answer.text
    assert len(acme.walked(f"{acme.api}/activity", limit=2, by="manager")) == len(acme.found())


def test_the_log_in_json_has_everything(acme):
    admin = Actor(user_id=acme.users["staff"].id, name="Staff", via=Via.PLATFORM_ADMIN, ip="203.0.113.9")
    acme.note("Asha", actor=admin, before={"role": "ORG_LEARNER"}, after={"role": "ORG_ADMIN"})
    item = acme.get(f"{acme.api}/audit").json["items"][0]
    assert item == {
        "id": item["id"],
        "at": "2026-10-12T06:30:00Z",
        "actor": {"userId": acme.users["staff"].id, "name": "Staff", "via": "PLATFORM_ADMIN"},
        "action": "MEMBER_ADDED",
        "subject": "Asha",
        "before": {"role": "ORG_LEARNER"},
        "after": {"role": "ORG_ADMIN"},
        "ip": "203.0.113.9",
    }


def rows_of(answer) -> str:
    """What stands in the page's table."""
    assert (answer.status_code, problems(answer)) == (200, [])
    _before, _tag, table = answer.text.partition("<tbody")
    return html.unescape(table.partition("</tbody>")[0])


def changed(acme: Scene, by: str, /, **changes) -> None:
    """A change of settings, by one of the users, at noon."""
    with acme.app.app_context(), clock.as_of(NOON), db.unit_of_work():
        user = acme.users[by]
        actor = Actor(user_id=user.id, name=user.name, via=Via.MEMBER, ip="203.0.113.9")
        settings.change(acme.organization.id, changes, actor=actor, role=Role.ORG_OWNER, may_raise_limit=True)


def test_the_page_says_before_and_after_in_the_words_of_the_form(acme):
    changed(acme, "owner", industry="<b>Steel</b>", is_sez=True, billing_contacts=["a@acme.test", "b@acme.test"])
    changed(acme, "owner", industry=None)
    page = acme.get(acme.page)
    assert (page.status_code, problems(page)) == (200, [])
    for shown in ("Industry", "&lt;b&gt;Steel&lt;/b&gt;", "SEZ unit", "a@acme.test, b@acme.test", "203.0.113.9", "Settings changed: Acme"):
        assert shown in page.text, shown
    assert "<b>Steel</b>" not in page.text


def test_the_page_shows_money_in_rupees_and_choices_in_words(acme):
    changed(acme, "owner", credit_limit=1_234_500, size_bucket="MEDIUM_51_200")
    shown = rows_of(acme.get(acme.page))
    assert "12,345" in shown
    assert "1234500" not in shown
    assert "51 to 200 people" in shown


def test_the_page_shows_a_state_by_its_name(acme):
    changed(acme, "owner", state_code="33")
    assert "Tamil Nadu" in rows_of(acme.get(acme.page))


def test_the_page_shows_yes_and_no_and_no_word_of_a_program(acme):
    changed(acme, "owner", is_sez=True)
    shown = rows_of(acme.get(acme.page))
    assert "yes" in shown.lower()
    assert ("True" in shown, "False" in shown, "None" in shown) == (False, False, False)


def test_the_page_shows_what_people_wrote_in_capitals_as_they_wrote_it(acme):
    written = {"gstin": "29AAGCP4321K1Z8", "pan": "AAGCP4321K", "po_number": "PO_7", "name": "ACME LTD", "industry": "ORG_IT"}
    changed(acme, "owner", **written)
    shown = rows_of(acme.get(acme.page))
    assert [value for value in written.values() if value not in shown] == []


def test_every_field_of_settings_has_a_name_for_people(acme):
    from portal.orgs.rules import FIELD_LABELS  # noqa: PLC0415 - only here

    fields = {name for schema in (PayingIn, ProfileIn, RevenueIn) for name in schema.columns_of()}
    assert fields <= FIELD_LABELS.keys()


def test_the_newest_change_of_a_field_is_the_one_that_is_named(acme):
    for name, changes in (("owner", {"industry": "Steel"}), ("admin", {"industry": "Iron"}), ("owner", {"description": "Other"})):
        changed(acme, name, **changes)
    with acme.app.app_context():
        last = queries.last_change(acme.organization.id, ["industry", "name"])
        assert (last.actor_name, last.after) == ("Admin", {"industry": "Iron"})
        assert queries.last_change(acme.organization.id, ["website"]) is None


def test_a_later_change_of_name_leaves_the_log_as_it_was(acme):
    changed(acme, "owner", name="Acme Renamed")
    with acme.app.app_context(), db.unit_of_work():
        db.session.get_one(User, acme.users["owner"].id).name = "Somebody Else"
    names = {item["actor"]["name"] for item in acme.get(f"{acme.api}/audit?action=SETTINGS_CHANGED").json["items"]}
    assert names == {"Owner"}
    launched = acme.get(f"{acme.api}/audit?action=ORG_LAUNCHED").json["items"]
    assert [item["subject"] for item in launched] == ["Acme"]


@given(st.dates(date(2000, 1, 1), date(2999, 12, 31)), st.sampled_from(["Asia/Kolkata", "UTC", "America/New_York", "Africa/Cairo"]))
def test_days_meet_without_gap_or_overlap_in_every_zone(day, zone):
    if day == date(2999, 12, 31):
        return
    _since, until = AuditFilter(since=day, until=day).between(zone)
    following, _until = AuditFilter(since=day + timedelta(days=1)).between(zone)
    assert until == following
