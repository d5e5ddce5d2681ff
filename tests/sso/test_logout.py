"""Signing out on both sides: by redirect and by POST, asked here or there, and messages of somebody who wants to sign others out."""

import base64
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import etree

from tests.sso.conftest import connect, make_scene, us_of
from tests.support import world
from tests.support.identity_provider import SAML, Provider, request_in, sign_element, xml_of
from tests.support.lint import problems

HOUR = timedelta(hours=1)


@pytest.fixture
def alice(acme):
    """Alice at her browser."""
    browser = acme.browser()
    assert browser.sign_in(session_index="session-1").status_code == 303
    return browser


def signed_out(acme, browser, answer, *, last: str | None) -> bool:
    """Whether the browser's session is over; the log's last row has the reason."""
    assert acme.attempts()[-1].reason == last, acme.attempts()[-1].detail
    assert answer.status_code == (403 if last else 303)
    return browser.email is None


def test_signing_out_here_asks_the_provider_which_answers(acme, alice):
    answer = alice.client.post("/signout", headers=world.csrf(alice.client))
    assert alice.email is None, "here first"
    request = request_in(answer.location)
    assert answer.location.startswith("https://idp.acme.test/slo?SAMLRequest=")
    assert request.findtext(f"{{{SAML}}}NameID") == "alice@acme.test"
    assert request.findtext("{*}SessionIndex") == "session-1"
    assert {"Signature", "SigAlg"} <= parse_qs(urlsplit(answer.location).query).keys()
    told = acme.provider.query(acme.provider.logout_answer(acme.us, to=request.get("ID")), name="SAMLResponse")
    done = alice.client.get(f"{acme.path}/slo?{told}")
    assert (done.status_code, done.location) == (303, "/signin")
    assert "You are signed out, here and at your company." in alice.client.get("/signin").text
    again = alice.client.get(f"{acme.path}/slo?{told}")
    assert (again.status_code, acme.attempts()[-1].reason) == (403, "REQUEST_USED")


def test_the_sign_out_form_may_lead_to_the_provider(acme, alice):
    page = alice.client.get("/account")
    assert "https://idp.acme.test" in page.headers["Content-Security-Policy"].partition("form-action")[2]
    assert "idp.acme.test" not in acme.app.test_client().get("/signin").headers["Content-Security-Policy"]


def test_who_came_by_password_signs_out_here_alone(acme):
    client = world.sign_in(acme.app.test_client(), acme.owner)
    answer = client.post("/signout", headers=world.csrf(client))
    assert answer.location == "/signin"


def test_where_the_provider_offers_no_logout_the_session_ends_here_alone(rung, app):
    acme = make_scene(app, rung, provider=Provider.like("okta"))
    browser = acme.browser()
    browser.sign_in()
    answer = browser.client.post("/signout", headers=world.csrf(browser.client))
    assert (answer.location, browser.email) == ("/signin", None)


@pytest.mark.parametrize("lower", [False, True])
def test_a_logout_that_starts_there_needs_no_cookie(acme, alice, lower):
    request = acme.provider.logout_request(acme.us, session_index="session-1")
    query = acme.provider.query(request, lower=lower, relay_state="a b/c")
    answer = acme.app.test_client().get(f"{acme.path}/slo?{query}")
    assert signed_out(acme, alice, answer, last=None)
    assert answer.location.startswith("https://idp.acme.test/slo?SAMLResponse=")
    found = parse_qs(urlsplit(answer.location).query)
    assert found["RelayState"] == ["a b/c"]
    told = zlib.decompress(base64.b64decode(found["SAMLResponse"][0]), -15).decode()
    assert f'InResponseTo="{xml_of(base64.b64encode(request.encode()).decode()).get("ID")}"' in told
    assert "status:Success" in told


def test_a_logout_by_post(acme, alice):
    body = {"SAMLRequest": acme.provider.posted(acme.provider.logout_request(acme.us))}
    answer = acme.app.test_client().post(f"{acme.path}/slo", data=body)
    assert signed_out(acme, alice, answer, last=None)


def test_where_the_provider_wants_its_answer_by_post_the_browser_carries_a_form(rung, app):
    acme = make_scene(app, rung)
    with app.app_context():
        made = connect(acme.organization, acme.owner, Provider(), name="by-post", slo_binding="HTTP-POST")
        us = us_of(made)
    query = acme.provider.query(acme.provider.logout_request(us))
    page = app.test_client().get(f"/sso/saml/{made.id}/slo?{query}")
    wrong = [f"the form to {acme.provider.profile['slo_url']} has no CSRF token"]  # ours is nobody else's business
    assert (page.status_code, problems(page)) == (200, wrong)
    assert "https://idp.acme.test" in page.headers["Content-Security-Policy"].partition("form-action")[2]
    assert 'name="SAMLResponse"' in page.text


def test_without_a_session_index_all_of_the_persons_sessions_end_and_nobody_elses(acme, alice):
    other, bob = acme.browser(), acme.browser()
    other.sign_in(session_index="session-2")
    bob.sign_in(email="bob@acme.test")
    answer = acme.app.test_client().get(f"{acme.path}/slo?{acme.provider.query(acme.provider.logout_request(acme.us))}")
    assert signed_out(acme, alice, answer, last=None)
    assert (other.email, bob.email) == (None, "bob@acme.test")


def test_a_session_index_ends_that_session_alone(acme, alice):
    other = acme.browser()
    other.sign_in(session_index="session-2")
    request = acme.provider.logout_request(acme.us, session_index="session-2")
    answer = acme.app.test_client().get(f"{acme.path}/slo?{acme.provider.query(request)}")
    assert not signed_out(acme, alice, answer, last=None)
    assert other.email is None


def unsigned(acme) -> str:
    return acme.provider.query(acme.provider.logout_request(acme.us)).partition("&SigAlg")[0]


def other_message(acme) -> str:
    """The signature of an old message before a new one."""
    old = acme.provider.query(acme.provider.logout_request(acme.us, name_id="bob@acme.test"))
    new = acme.provider.query(acme.provider.logout_request(acme.us))
    return new.partition("&")[0] + "&" + old.partition("&")[2]


def polluted(acme) -> str:
    """An old, signed message beside the real one whose name is written with an escape."""
    old = acme.provider.query(acme.provider.logout_request(acme.us, name_id="bob@acme.test"))
    evil = acme.provider.query(acme.provider.logout_request(acme.us)).partition("&")[0].replace("SAMLRequest", "SAMLReques%74")
    return f"{evil}&{old}"


def bomb(acme) -> str:
    packer = zlib.compressobj(wbits=-15)
    packed = base64.b64encode(packer.compress(b"<a>" + b"a" * 50_000_000) + packer.flush()).decode()
    return f"SAMLRequest={packed.replace('+', '%2B').replace('/', '%2F')}&SigAlg=x&Signature=x"


ATTACKS = {
    "not signed": (unsigned, "BAD_SIGNATURE"),
    "another message": (other_message, "BAD_SIGNATURE"),
    "polluted": (polluted, "REPEATED_PARAMETER"),
    "polluted the other way round": (lambda acme: "&".join(reversed(polluted(acme).split("&"))), "REPEATED_PARAMETER"),
    "escaped names alone": (
        lambda acme: acme.provider.query(acme.provider.logout_request(acme.us)).replace("SAMLRequest", "SAMLReques%74"),
        "BAD_SIGNATURE",
    ),
    "another key": (lambda acme: acme.provider.query(acme.provider.logout_request(acme.us), keys="stranger"), "BAD_SIGNATURE"),
    "sha-1": (
        lambda acme: acme.provider.query(acme.provider.logout_request(acme.us), algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        "WEAK_ALGORITHM",
    ),
    "another destination": (
        lambda acme: acme.provider.query(acme.provider.logout_request(acme.us, destination=acme.us.slo_url + "/x")),
        "WRONG_DESTINATION",
    ),
    "another issuer": (
        lambda acme: acme.provider.query(acme.provider.logout_request(acme.us, issuer="https://other.test")),
        "WRONG_ISSUER",
    ),
    "too old": (
        lambda acme: acme.provider.query(
            acme.provider.logout_request(acme.us, issued=(datetime.now(UTC) - 2 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"))
        ),
        "EXPIRED",
    ),
    "a bomb": (bomb, "TOO_LARGE"),
    "no message": (lambda _acme: "x=y", "MALFORMED"),
    "no base64": (lambda _acme: "SAMLRequest=%FF%FE", "MALFORMED"),
    "an answer to nothing": (
        lambda acme: acme.provider.query(acme.provider.logout_answer(acme.us, to="_" + "0" * 40), name="SAMLResponse"),
        "UNKNOWN_REQUEST",
    ),
    "both at once": (
        lambda acme: acme.provider.query(acme.provider.logout_request(acme.us)) + "&SAMLResponse=x",
        "MALFORMED",
    ),
}


@pytest.mark.parametrize("what", list(ATTACKS))
def test_messages_that_would_sign_somebody_out(acme, alice, what):
    make, reason = ATTACKS[what]
    plain = acme.browser().post("nonsense").text
    answer = acme.app.test_client().get(f"{acme.path}/slo?{make(acme)}")
    assert not signed_out(acme, alice, answer, last=reason)
    assert answer.text == plain


def test_a_logout_request_works_once(acme, alice):
    query = acme.provider.query(acme.provider.logout_request(acme.us))
    assert acme.app.test_client().get(f"{acme.path}/slo?{query}").status_code == 303
    alice.sign_in()
    answer = acme.app.test_client().get(f"{acme.path}/slo?{query}")
    assert not signed_out(acme, alice, answer, last="REPLAYED")


def test_another_connections_provider_signs_nobody_out(acme, alice):
    with acme.app.app_context():
        stranger = Provider(keys="other", known_keys=("other",))
        made = connect(acme.organization, acme.owner, stranger, name="other")
        us = us_of(made)
    answer = acme.app.test_client().get(f"/sso/saml/{made.id}/slo?{stranger.query(stranger.logout_request(us))}")
    assert not signed_out(acme, alice, answer, last=None)


@pytest.mark.parametrize("what", ["unsigned", "another key", "wrapped"])
def test_posted_messages_that_would_sign_somebody_out(acme, alice, what):
    request = acme.provider.logout_request(acme.us)
    if what == "unsigned":
        body = base64.b64encode(request.encode()).decode()
    elif what == "another key":
        body = acme.provider.posted(request, keys="stranger")
    else:
        root = xml_of(base64.b64encode(acme.provider.logout_request(acme.us, name_id="bob@acme.test").encode()).decode())
        sign_element(root, "idp")
        evil = acme.provider.logout_request(acme.us, id="_evil").replace("</samlp:LogoutRequest>", "")
        text = f"{evil}<samlp:Extensions>{etree.tostring(root).decode()}</samlp:Extensions></samlp:LogoutRequest>"
        body = base64.b64encode(text.encode()).decode()
    answer = acme.app.test_client().post(f"{acme.path}/slo", data={"SAMLRequest": body})
    assert acme.attempts()[-1].reason in {"BAD_SIGNATURE", "MALFORMED"}
    assert (answer.status_code, alice.email) == (403, "alice@acme.test")
