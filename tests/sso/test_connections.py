"""Connections by metadata, by its URL and by hand: what is taken, what is refused, what is read again each day."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from portal import clock, config, crypto, db, jobs, queue
from portal.sso.models import Attempt, Connection, IdpCertificate, Notice, SeenMessage, SsoRequest, SsoSession
from portal.sso.rules.certificates import make_pair
from portal.sso.service import parties
from tests.support import world
from tests.support.identity_provider import PLAIN, PROFILES, Provider, key_pair
from tests.support.loopback import serving
from tests.support.mailbox import mails

NOW = datetime(2026, 11, 2, tzinfo=UTC)
WHOLE = Provider().metadata()


@pytest.fixture
def local_metadata(settings, app):
    """``SSO_ALLOW_LOCAL_METADATA`` is on during the test."""
    config.use(settings.model_copy(update={"sso_allow_local_metadata": True}))
    yield
    config.use(settings)


def calling(acme):
    """The owner's calls of the API."""
    client = world.sign_in(acme.app.test_client(), acme.owner)
    url = f"/api/organizations/{acme.organization.id}/sso/providers"

    def call(method: str, path: str = "", body: dict | None = None):
        return client.open(url + path, method=method, json=body, headers=world.csrf(client))

    return call


@pytest.fixture
def owner(acme):
    """The owner, signed in; with the API's base."""
    return calling(acme)


def by_hand(**changes) -> dict:
    config_ = {"issuer": "https://x.test", "entryPoint": "https://x.test/sso", "cert": key_pair("x")[0], **changes}
    return {"providerId": "manual", "samlConfig": config_}


def test_a_provider_by_hand_has_everything_that_the_other_side_needs(acme, owner):
    answer = owner("POST", "", {**by_hand(sloUrl="https://x.test/slo"), "preset": "okta", "allowIdpInitiated": True})
    assert answer.status_code == 201, answer.text
    found = answer.json["provider"]
    base = f"http://localhost/sso/saml/{found['id']}"
    assert found["providerId"] == "manual"
    assert (found["spEntityId"], found["acsUrl"], found["sloUrl"]) == (f"{base}/metadata", f"{base}/acs", f"{base}/slo")
    assert (found["metadataUrl"], found["loginUrl"], found["issuer"]) == (f"{base}/metadata", f"{base}/login", "https://x.test")
    assert (found["preset"], found["allowIdpInitiated"], len(found["certificates"])) == ("OKTA", True, 1)
    assert found["certificates"][0]["notAfter"].endswith("Z")
    assert (found["isPrimary"], owner("GET").json["items"][0]["providerId"]) == (False, "idp")
    assert owner("POST", "", by_hand()).json["code"] == "PROVIDER_ID_TAKEN"


def test_the_private_key_is_encrypted_and_of_its_connection_alone(acme, owner):
    owner("POST", "", by_hand())
    with acme.app.app_context():
        rows = db.session.scalars(select(Connection)).all()
        assert len({row.certificate for row in rows}) == len({parties.ours(row).private_key for row in rows}) == 2
        for row in rows:
            assert "PRIVATE KEY" not in row.private_key
        with pytest.raises(crypto.Undecipherable):
            crypto.decrypt(rows[0].private_key, about=f"sso-connection:{rows[1].id}")


@pytest.mark.parametrize("vendor", list(PROFILES))
def test_metadata_of_each_vendor_is_taken(owner, vendor):
    answer = owner("POST", "", {"providerId": "v", "metadataXml": Provider.like(vendor).metadata()})
    assert answer.status_code == 201, answer.text
    assert answer.json["provider"]["issuer"] == PROFILES[vendor]["entity_id"]


def refresh(app, at: datetime) -> None:

    with app.app_context(), queue.rung_here() as bells:
        jobs.run("sso-refresh-metadata", as_of=at.isoformat())
        for bell in list(bells):
            jobs.run(bell.name, *bell.ids, as_of=at.isoformat())


def test_metadata_by_its_url_is_read_again_each_day_and_a_roll_over_needs_nobody(acme, owner, local_metadata):
    provider = Provider(profile={**PLAIN, "entity_id": "https://rolling.test"})
    with serving(lambda _asked: (200, provider.metadata().encode())) as server:
        made = owner("POST", "", {"providerId": "rolling", "metadataUrl": f"{server.url}/metadata"})
        assert made.status_code == 201, made.text
        provider.known_keys = ("idp", "idp-next")
        refresh(acme.app, clock.now() + timedelta(days=1))
        found = owner("GET", "/rolling").json["provider"]
        assert (len(found["certificates"]), found["metadataError"]) == (2, None)
        server.answer = lambda _asked: (500, b"")
        refresh(acme.app, clock.now() + timedelta(days=2))
        found = owner("GET", "/rolling").json["provider"]
        assert (len(found["certificates"]), "500" in found["metadataError"]) == (2, True)
        server.answer = lambda _asked: (200, Provider(profile={**PLAIN, "entity_id": "https://evil.test"}).metadata().encode())
        refresh(acme.app, clock.now() + timedelta(days=3))
        found = owner("GET", "/rolling").json["provider"]
        assert (found["issuer"], "another identity provider" in found["metadataError"]) == ("https://rolling.test", True)
        provider.known_keys = ("idp-next",)
        server.answer = lambda _asked: (200, provider.metadata().encode())
        refresh(acme.app, clock.now() + timedelta(days=4))
        assert len(owner("GET", "/rolling").json["provider"]["certificates"]) == 1


def test_certificates_warn_sixty_thirty_and_seven_days_before_they_expire(acme, settings):
    with acme.app.app_context():
        ends = db.session.scalar(select(IdpCertificate.not_after))
    sent = []
    for days in (70, 61, 59, 45, 30, 20, 7, 3, -1):
        with acme.app.app_context():
            jobs.run("sso-check-certificates", as_of=(ends - timedelta(days=days)).isoformat())
            sent.append(len(db.session.scalars(select(Notice)).all()))
    assert sent == [0, 0, 1, 1, 2, 2, 3, 3, 3]
    with acme.app.app_context():
        for notice in db.session.scalars(select(Notice)).all():
            jobs.run("sso-send-notice", notice.id, as_of=ends.isoformat())
    found = [mail for mail in mails(settings, "owner@acme.test") if "certificate of idp expires" in mail["Subject"]]
    assert len(found) == 3
    assert "/orgs/acme/settings/sso" in found[0].get_body(("plain",)).get_content()


def test_removing_the_primary_connection_makes_the_next_one_primary(acme, owner):
    owner("POST", "", by_hand())
    assert owner("DELETE", "/idp").json == {"removed": True}
    assert [(item["providerId"], item["isPrimary"]) for item in owner("GET").json["items"]] == [("manual", True)]
    assert owner("PATCH", "/idp", {}).status_code == 404
    assert acme.app.test_client().get(f"{acme.path}/login").status_code == 404


def test_another_connection_becomes_primary(owner):
    owner("POST", "", by_hand())
    assert owner("PATCH", "/manual", {"isPrimary": True}).json["provider"]["isPrimary"] is True
    assert [(item["providerId"], item["isPrimary"]) for item in owner("GET").json["items"]] == [("manual", True), ("idp", False)]


def test_old_things_are_forgotten(acme):
    browser = acme.browser()
    browser.sign_in()
    browser.start()
    later = clock.now() + timedelta(days=200)
    with acme.app.app_context():
        jobs.run("sso-forget", as_of=later.isoformat())
        for table in (SsoRequest, SeenMessage, SsoSession, Attempt):
            assert db.session.scalar(select(func.count()).select_from(table)) == 0, table
    assert acme.attempts() == []


def test_what_is_seen_is_remembered_for_longer_than_it_would_be_believed(acme):
    acme.set(allow_idp_initiated=True)
    answer = acme.provider.answer(acme.us, to=None)
    acme.browser().post(answer)
    with acme.app.app_context():
        jobs.run("sso-forget", as_of=(clock.now() + timedelta(hours=24)).isoformat())
    assert acme.browser().post(answer).status_code == 403
    assert acme.attempts()[-1].reason == "REPLAYED"


def test_the_sign_in_log_as_json(acme):
    acme.browser().sign_in()
    acme.browser().post("x")
    client = world.sign_in(acme.app.test_client(), acme.owner)
    url = f"/api/organizations/{acme.organization.id}/sso/log"
    found = client.get(url).json["items"]
    assert [(item["outcome"], item["reason"]) for item in found] == [("REFUSED", "MALFORMED"), ("ACCEPTED", None)]
    assert [item["outcome"] for item in client.get(f"{url}?refused=true").json["items"]] == ["REFUSED"]


def test_a_connection_may_be_told_the_provider_later(acme, owner):
    made = owner("POST", "", {"providerId": "later"}).json["provider"]
    assert (made["issuer"], made["certificates"]) == (None, [])
    assert acme.app.test_client().get(f"/sso/saml/{made['id']}/metadata").status_code == 200
    assert acme.app.test_client().get(f"/sso/saml/{made['id']}/login").status_code == 409
    assert owner("POST", "/later/test").status_code == 409
    assert owner("PATCH", "/later", {"metadataXml": WHOLE}).json["provider"]["issuer"] == PLAIN["entity_id"]


def test_the_certificates_that_we_make_last_ten_years():
    pem, key = make_pair("x" * 100, now=NOW)
    assert (pem.startswith("-----BEGIN CERTIFICATE"), "PRIVATE KEY" in key) == (True, True)


def test_due_connections_of_closed_organizations_are_left_alone(acme):
    with acme.app.app_context(), db.unit_of_work():
        db.session.execute(update(Connection).values(metadata_url="https://x.test", metadata_due_at=NOW))
        db.session.execute(update(type(acme.organization)).values(status="DEACTIVATED"))
    with acme.app.app_context():
        assert jobs.run("sso-refresh-metadata")["rung"] == 0
