"""Messages that were right once, or are right elsewhere: replays, other browsers, other organizations, other times."""

from datetime import UTC, datetime, timedelta

import pytest

from portal import clock, db
from portal.sso.models import Domain
from tests.sso.conftest import make_scene, verify_domain
from tests.sso.test_attacks import EVIL, assert_refused
from tests.support.identity_provider import Provider


@pytest.fixture
def plain_page(acme) -> str:
    """The page that every refused message gets."""
    return acme.browser().post("nonsense").text


def test_the_same_answer_twice(acme, plain_page):
    browser = acme.browser()
    answer = acme.provider.answer(acme.us, to=browser.start())
    assert browser.post(answer).status_code == 303
    for again in (browser, acme.browser()):
        told = again.post(answer)
        assert (told.status_code, told.text) == (403, plain_page)
        assert acme.attempts()[-1].reason in {"REQUEST_USED", "OTHER_BROWSER"}


def test_the_same_assertion_twice_where_nobody_has_to_ask(acme, plain_page):
    acme.set(allow_idp_initiated=True)
    answer = acme.provider.answer(acme.us, to=None)
    assert acme.browser().post(answer).status_code == 303
    told = acme.browser().post(answer)
    assert (told.status_code, told.text, acme.attempts()[-1].reason) == (403, plain_page, "REPLAYED")


def test_an_answer_that_was_refused_does_not_work_later_either(acme):
    acme.set(allow_idp_initiated=True)
    answer = acme.provider.answer(acme.us, to=None, email="bob@other.test")
    assert acme.browser().post(answer).status_code == 403
    with acme.app.app_context():
        verify_domain(acme.organization, "other.test")
    assert acme.browser().post(answer).status_code == 403
    assert [row.reason for row in acme.attempts()] == ["WRONG_DOMAIN", "REPLAYED"]


def test_one_request_is_answered_once_with_whatever_answer(acme, plain_page):
    browser = acme.browser()
    to = browser.start()
    assert browser.post(acme.provider.answer(acme.us, to=to)).status_code == 303
    told = browser.post(acme.provider.answer(acme.us, to=to, email="bob@acme.test"))
    assert (told.status_code, told.text, acme.attempts()[-1].reason) == (403, plain_page, "REQUEST_USED")


def test_login_csrf_an_answer_to_another_browsers_request(acme, plain_page):
    attacker, victim = acme.browser(), acme.browser()
    answer = acme.provider.answer(acme.us, to=attacker.start(), email="bob@acme.test")
    assert_refused(acme, victim.post(answer), plain_page, "OTHER_BROWSER")
    victim.start()
    assert_refused(acme, victim.post(acme.provider.answer(acme.us, to=attacker.start())), plain_page, "OTHER_BROWSER")


def test_an_answer_after_ten_minutes_is_too_late(acme, plain_page):
    browser = acme.browser()
    with clock.as_of(datetime.now(UTC) - timedelta(minutes=11)):
        to = browser.start()
    assert_refused(acme, browser.post(acme.provider.answer(acme.us, to=to)), plain_page, "UNKNOWN_REQUEST")


def test_another_organizations_provider_signs_nobody_in_here(acme, rung, plain_page):
    other = make_scene(acme.app, rung, name="Other", domain="other.test", provider=Provider(keys="other", known_keys=("other",)))
    browser = acme.browser()
    to = browser.start()
    forged = other.provider.answer(acme.us, to=to, email=EVIL)
    answer = browser.post(forged)
    assert (answer.status_code, answer.text, acme.attempts()[-1].reason) == (403, plain_page, "BAD_SIGNATURE")
    own = other.browser()
    for email in ("alice@acme.test", "owner@acme.test"):
        answer = own.post(other.provider.answer(other.us, to=own.start(), email=email))
        assert (answer.status_code, answer.text, other.attempts()[-1].reason) == (403, plain_page, "WRONG_DOMAIN")
    mixed = other.browser()
    answer = mixed.post(acme.provider.answer(other.us, to=to))
    assert (answer.status_code, other.attempts()[-1].reason) == (403, "BAD_SIGNATURE")
    answer = mixed.post(other.provider.answer(other.us, to=to, email="x@other.test"))
    assert (answer.status_code, other.attempts()[-1].reason) == (403, "UNKNOWN_REQUEST")


def test_a_claimed_domain_counts_only_once_it_is_verified(acme, plain_page):

    with acme.app.app_context(), db.unit_of_work():
        db.session.add(Domain(organization_id=acme.organization.id, domain="bank.test", token="t", claimed_at=clock.now(), missed=0))
    browser = acme.browser()
    assert_refused(acme, browser.post(acme.provider.answer(acme.us, to=browser.start(), email="ceo@bank.test")), plain_page, "WRONG_DOMAIN")


def test_a_connection_that_is_off_takes_nothing(acme, plain_page):
    browser = acme.browser()
    to = browser.start()
    acme.set(is_enabled=False)
    assert_refused(acme, browser.post(acme.provider.answer(acme.us, to=to)), plain_page, "CONNECTION_OFF")
    assert browser.client.get(f"{acme.path}/login").status_code == 409
