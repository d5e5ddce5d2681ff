"""Whole sign-ins at real identity providers: started here and there, signed out on both sides, with encrypted assertions."""

from functools import partial

import pytest

from portal import config, db
from portal.orgs.rules import Role
from portal.sso import queries
from portal.sso.schemas import ProviderIn
from portal.sso.service import connections, metadata
from tests.sso.conftest import Scene, us_of, verify_domain
from tests.support import world
from tests.support.identity_provider import Provider
from tests.support.real_idps import pysaml2, simplesamlphp
from tests.support.walker import Walker

ENGINES = {
    "simplesamlphp": simplesamlphp,
    "simplesamlphp-encrypting": partial(simplesamlphp, encrypts=True),
    "pysaml2": pysaml2,
}


@pytest.fixture
def local_metadata(settings, app):
    """``SSO_ALLOW_LOCAL_METADATA`` is on during the test."""
    config.use(settings.model_copy(update={"sso_allow_local_metadata": True}))
    yield
    config.use(settings)


@pytest.fixture(scope="module", params=list(ENGINES))
def idp(request, tmp_path_factory):
    """A running identity provider."""
    with ENGINES[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def acme(idp, local_metadata, rung, app) -> Scene:
    """Acme, connected in the way that an owner would: its metadata there, the provider's metadata URL here."""
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        organization = world.make_organization(owner)
        verify_domain(organization, "acme.test")
        with db.unit_of_work():
            made = connections.create(ProviderIn(provider_id="real"), organization=organization, actor=world.as_self(owner))
    idp.know(app.test_client().get(f"/sso/saml/{made.id}/metadata").data)
    with app.app_context():
        with db.unit_of_work():
            data = ProviderIn(provider_id="real", metadata_url=idp.metadata_url)
            fetched = metadata.fetch(data.metadata_url)
            found = queries.require_connection(organization.id, provider_id="real")
            connections.change(found, data, organization=organization, actor=world.as_self(owner), fetched=fetched)
        return Scene(app, rung, organization, owner, made.id, Provider(), us_of(found))


def sign_in(acme: Scene, name: str = "alice") -> Walker:
    """Starts at the portal and signs in at the provider."""
    walker = Walker(acme.app.test_client())
    walker.go(f"http://localhost{acme.path}/login")
    return walker.submit(username=name, password=f"{name}pass").carry()


def email_of(walker: Walker) -> str | None:
    answer = walker.client.get("/api/auth/me")
    return answer.json["user"]["email"] if answer.status_code == 200 else None


def test_a_sign_in_that_starts_here(acme, idp):
    walker = sign_in(acme)
    assert (walker.url, walker.status, email_of(walker)) == ("http://localhost/orgs/acme/home", 200, "alice@acme.test"), idp.words()
    assert "Alice Archer" in walker.text
    member = acme.membership("alice@acme.test")
    assert member.role is Role.ORG_LEARNER
    again = sign_in(acme)
    assert (again.url, email_of(again)) == ("http://localhost/orgs/acme/home", "alice@acme.test")
    assert acme.membership("alice@acme.test").id == member.id
    assert [row.reason for row in acme.attempts()] == [None, None]


def test_a_sign_in_that_starts_there_where_that_is_allowed(acme, idp):
    walker = Walker(acme.app.test_client())
    walker.go(idp.start_url(acme.us.entity_id)).submit(username="bob", password="bobpass").carry()
    assert (walker.status, email_of(walker)) == (403, None)
    acme.set(allow_idp_initiated=True)
    walker.go(idp.start_url(acme.us.entity_id)).carry()
    assert (walker.url, email_of(walker)) == ("http://localhost/orgs/acme/home", "bob@acme.test"), idp.words()
    assert [row.reason for row in acme.attempts()] == ["UNREQUESTED", None]


def test_somebody_whose_address_is_another_companys_stays_out(acme, idp):
    walker = sign_in(acme, "mallory")
    assert (walker.status, email_of(walker)) == (403, None)
    assert acme.user("ceo@victim.test") is None
    assert [(row.reason, row.email) for row in acme.attempts()] == [("WRONG_DOMAIN", "ceo@victim.test")]


def test_signing_out_ends_the_session_on_both_sides(acme, idp):
    walker = sign_in(acme)
    kept = acme.app.test_client()
    kept.set_cookie("portal", walker.client.get_cookie("portal").value)
    walker.go("http://localhost/account").submit().carry()
    assert (walker.url, email_of(walker)) == ("http://localhost/signin", None), (walker.seen, idp.words())
    assert "You are signed out, here and at your company." in walker.text
    assert kept.get("/account").status_code == 303
    walker.go(f"http://localhost{acme.path}/login")
    assert "password" in walker.text, "the provider asks again"
    assert [(row.kind, row.reason) for row in acme.attempts()] == [("SIGN_IN", None), ("LOGOUT", None)]


def test_a_test_of_the_connection_shows_the_claims_and_signs_nobody_in(acme, idp):
    owner = world.sign_in(acme.app.test_client(), acme.owner)
    answer = owner.post(f"/api/organizations/{acme.organization.id}/sso/providers/real/test", headers=world.csrf(owner))
    walker = Walker(acme.app.test_client())
    walker.go(answer.json["testUrl"]).submit(username="alice", password="alicepass").carry()
    assert (walker.status, email_of(walker)) == (200, None)
    assert "would create alice@acme.test as Learner" in walker.text
    found = acme.connection().last_test
    assert (found["outcome"], "response" in found["signed"]) == ("SUCCEEDED", True)
    assert found["claims"]["groups"] == ["engineering", "admins"]
    assert found["encrypted"] is ("encrypting" in str(idp.folder))
    assert acme.user("alice@acme.test") is None
