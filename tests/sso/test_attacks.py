"""Messages of somebody who wants in: each ends in the same plain page, stands in the sign-in log with its reason, and signs nobody in."""

import base64
import copy
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from lxml import etree
from sqlalchemy import func, select

from portal import db
from portal.accounts.models import LoginSession, User
from portal.sso.service import sign_ins
from tests.support.identity_provider import NS, SAML, SAMLP, SHA1, Provider, key_pair, packed, request_in, sign_element, xml_of
from tests.support.lint import problems

EVIL = "ceo@acme.test"
DAY = timedelta(days=1)


def stamp(delta: timedelta) -> str:
    return (datetime.now(UTC) + delta).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def acme(fortress):
    """Acme, which all attacks here meet, because none of them changes anything."""
    return fortress


@pytest.fixture(scope="module")
def plain_page(acme) -> str:
    """The page that every refused message gets."""
    answer = acme.browser().post("nonsense")
    assert problems(answer) == []
    return answer.text


def assert_refused(acme, answer, plain_page: str, *reasons: str) -> None:
    """The plain page, the reason in the log, nobody signed in, no account made."""
    assert (answer.status_code, answer.text) == (403, plain_page)
    assert answer.headers.getlist("Set-Cookie") == [], "it would take the place of the visitor's own sign-in"
    last = acme.attempts()[-1]
    assert last.reason in reasons, (last.reason, last.detail)
    with acme.app.app_context():
        assert db.session.scalar(select(func.count()).select_from(LoginSession)) == 0
        assert db.session.scalar(select(func.count()).select_from(User).where(User.email != "owner@acme.test")) == 0


def be_evil(assertion) -> None:
    """Names somebody else."""
    assertion.find("saml:Subject/saml:NameID", NS).text = EVIL
    for value in assertion.iterfind("saml:AttributeStatement/saml:Attribute[@Name='email']/saml:AttributeValue", NS):
        value.text = EVIL


def unsigned(element):
    """A copy without its signature."""
    made = copy.deepcopy(element)
    for signature in made.findall("ds:Signature", NS):
        made.remove(signature)
    return made


def wrapped(root, number: int):
    """XML signature wrapping as SAML Raider numbers it (Somorovsky et al., "On Breaking SAML", 2012)."""
    assertion, signature = root.find("saml:Assertion", NS), root.find("ds:Signature", NS)
    inner = assertion.find("ds:Signature", NS)
    if number in {1, 2}:
        original = unsigned(root)
        evil = root
        evil.set("ID", "_evil_response")
        be_evil(assertion)
        if number == 1:
            signature.append(original)
        else:
            signature.addprevious(original)
        return evil
    evil = unsigned(assertion)
    be_evil(evil)
    evil.set("ID", "_evil_assertion")
    if number == 3:
        assertion.addprevious(evil)
    elif number == 4:
        root.replace(assertion, evil)
        evil.append(assertion)
    elif number == 5:
        original = unsigned(assertion)
        be_evil(assertion)
        assertion.set("ID", "_evil_assertion")
        root.append(original)
    elif number == 6:
        original = unsigned(assertion)
        be_evil(assertion)
        assertion.set("ID", "_evil_assertion")
        inner.append(original)
    elif number == 7:
        evil.set("ID", assertion.get("ID"))
        extensions = etree.Element(f"{{{SAMLP}}}Extensions")
        extensions.append(evil)
        root.insert(1, extensions)
    elif number == 8:
        original = unsigned(assertion)
        be_evil(assertion)
        holder = etree.SubElement(inner, "{http://www.w3.org/2000/09/xmldsig#}Object")
        holder.append(original)
    return root


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("sign", ["both", "assertion", "response"])
def test_wrapped_signatures(acme, plain_page, number, sign):
    if sign == "response" and number in {6, 8}:
        sign = "both"  # these hide the original inside the assertion's own signature
    browser = acme.browser()
    root = xml_of(acme.provider.answer(acme.us, to=browser.start(), sign=sign))
    if number in {1, 2} and root.find("ds:Signature", NS) is None:
        root.insert(1, copy.deepcopy(root.find("saml:Assertion/ds:Signature", NS)))
    answer = browser.post(packed(wrapped(root, number)))
    assert_refused(acme, answer, plain_page, "MALFORMED", "BAD_SIGNATURE")


def without(name: str):
    def bend(root) -> None:
        for element in root.iterfind(f".//{name}", NS):
            element.getparent().remove(element)

    return bend


def twice(name: str):
    def bend(root) -> None:
        element = root.find(f".//{name}", NS)
        element.addnext(copy.deepcopy(element))

    return bend


BENT = {
    "nothing signed": ({"sign": "none"}, "BAD_SIGNATURE"),
    "another key": ({"algorithms": {}, "keys": "stranger"}, "BAD_SIGNATURE"),
    "sha-1": ({"algorithms": SHA1}, "WEAK_ALGORITHM"),
    "no audience": ({"audience": None}, "WRONG_AUDIENCE"),
    "another audience": ({"audience": "https://other.test/metadata"}, "WRONG_AUDIENCE"),
    "a longer audience": ({"audience": "http://localhost/sso/saml/x/metadata"}, "WRONG_AUDIENCE"),
    "no recipient": ({"recipient": None}, "WRONG_RECIPIENT"),
    "no destination": ({"destination": None}, "WRONG_DESTINATION"),
    "an empty destination": ({"destination": ""}, "WRONG_DESTINATION"),
    "no expiry": ({"not_on_or_after": None}, "MALFORMED"),
    "expired": ({"not_on_or_after": stamp(-timedelta(minutes=4)), "not_before": None}, "EXPIRED"),
    "conditions expired": ({"conditions_until": stamp(-timedelta(minutes=10))}, "EXPIRED"),
    "session expired": ({"session_until": stamp(-timedelta(minutes=10))}, "EXPIRED"),
    "not yet valid": ({"not_before": stamp(timedelta(minutes=10))}, "NOT_YET_VALID"),
    "issued tomorrow": ({"issued": stamp(DAY)}, "NOT_YET_VALID", "LIFETIME_TOO_LONG"),
    "valid for ten years": ({"not_on_or_after": stamp(3650 * DAY), "conditions_until": stamp(3650 * DAY)}, "LIFETIME_TOO_LONG"),
    "no date": ({"not_on_or_after": "tomorrow"}, "MALFORMED"),
    "another issuer": ({"issuer": "https://other.test/metadata"}, "WRONG_ISSUER"),
    "no issuer": ({"issuer": None}, "MALFORMED", "WRONG_ISSUER"),
    "not successful": ({"status": "urn:oasis:names:tc:SAML:2.0:status:Responder"}, "NOT_SUCCESSFUL"),
    "another domain": ({"email": "alice@victim.test"}, "WRONG_DOMAIN"),
    "a subdomain": ({"email": "alice@mail.acme.test"}, "WRONG_DOMAIN"),
    "a longer domain": ({"email": "alice@acme.test.evil.test"}, "WRONG_DOMAIN"),
    "a longer name": ({"email": "alice@notacme.test"}, "WRONG_DOMAIN"),
    "a look-alike": ({"email": "alice@\u0430cme.test"}, "WRONG_DOMAIN", "BAD_EMAIL"),
    "a wide look-alike": ({"email": "alice@\uff41cme.test"}, "BAD_EMAIL"),
    "two @": ({"email": "alice@victim.test@acme.test"}, "BAD_EMAIL"),
    "quoted": ({"email": '"alice@victim.test"@acme.test'}, "BAD_EMAIL"),
    "a comment in it": ({"email": "alice(comment)@acme.test"}, "BAD_EMAIL"),
    "a newline": ({"email": "alice@victim.test\n@acme.test"}, "BAD_EMAIL"),
    "a trailing dot": ({"email": "alice@acme.test."}, "BAD_EMAIL"),
    "no local part": ({"email": "@acme.test"}, "BAD_EMAIL"),
    "a kelvin sign": ({"email": "\u212a@acme.test"}, "BAD_EMAIL"),
    "no address": ({"attributes": {"uid": ["alice"]}, "name_id": "alice"}, "NO_EMAIL"),
    "two addresses": ({"attributes": {"email": ["alice@acme.test", EVIL]}}, "BAD_EMAIL"),
    "no NameID": ({"bend": without("saml:NameID")}, "MALFORMED"),
    "an empty NameID": ({"name_id": ""}, "MALFORMED"),
    "no conditions": ({"bend": without("saml:Conditions")}, "MALFORMED"),
    "two confirmations": ({"bend": twice("saml:SubjectConfirmation")}, "WRONG_RECIPIENT"),
    "two audiences' restrictions": ({"bend": twice("saml:Conditions")}, "MALFORMED"),
    "no confirmation": ({"bend": without("saml:SubjectConfirmation")}, "WRONG_RECIPIENT"),
    "two statements": ({"bend": twice("saml:AuthnStatement")}, "MALFORMED"),
    "no statement": ({"bend": without("saml:AuthnStatement")}, "MALFORMED"),
    "two assertions": ({"bend": twice("saml:Assertion")}, "MALFORMED"),
    "no assertion": ({"bend": without("saml:Assertion"), "sign": "response"}, "MALFORMED"),
    "encrypted for another": ({"encrypt_for": "stranger"}, "UNDECRYPTABLE"),
    "the envelope names another request": ({"envelope_to": "_another"}, "UNKNOWN_REQUEST", "WRONG_RECIPIENT"),
    "the envelope names none": ({"envelope_to": None}, "UNKNOWN_REQUEST"),
    "an unknown request": ({"to": "_" + "0" * 40}, "UNKNOWN_REQUEST"),
    "nobody asked": ({"to": None}, "UNREQUESTED"),
}


@pytest.mark.parametrize("what", list(BENT))
def test_signed_messages_that_say_something_wrong(acme, plain_page, what):
    changes, *reasons = BENT[what]
    changes = dict(changes)
    browser = acme.browser()
    to = browser.start()
    provider = Provider(profile=dict(acme.provider.profile), keys=changes.pop("keys", "idp"))
    if changes.get("encrypt_for"):
        changes["encrypt_for"] = key_pair("stranger")[0]
    answer = browser.post(provider.answer(acme.us, **{"to": to, **changes}))
    assert_refused(acme, answer, plain_page, *reasons)


@pytest.mark.parametrize("suffix", ["?x=1", "/", ".evil.test", "#x", "%20"])
@pytest.mark.parametrize("where", ["recipient", "destination"])
def test_addresses_that_merely_begin_like_ours(acme, plain_page, where, suffix):
    browser = acme.browser()
    answer = browser.post(acme.provider.answer(acme.us, to=browser.start(), **{where: acme.us.acs_url + suffix}))
    assert_refused(acme, answer, plain_page, "WRONG_RECIPIENT", "WRONG_DESTINATION")


def test_an_address_in_another_case_is_not_ours(acme, plain_page):
    browser = acme.browser()
    answer = browser.post(acme.provider.answer(acme.us, to=browser.start(), destination=acme.us.acs_url.replace("localhost", "LOCALHOST")))
    assert_refused(acme, answer, plain_page, "WRONG_DESTINATION")


def changed(text: str, before: str, after: str) -> str:
    """An answer whose bytes were changed after it was signed."""
    xml = base64.b64decode(text).decode()
    assert before in xml
    return base64.b64encode(xml.replace(before, after).encode()).decode()


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{f"&{inner};" * 10}">' for inner, name in zip("abcdefgh", "bcdefghi", strict=True)
)
AFTER_SIGNING = {
    "another name": (">alice@acme.test<", f">{EVIL}<"),
    "a comment cuts the name": (">alice@acme.test<", ">ceo@acme.test<!---->.alice@acme.test<"),
    "a comment": ("<saml:Subject>", "<saml:Subject><!-- x -->"),
    "a processing instruction": ("<saml:Subject>", "<saml:Subject><?x y?>"),
    "CDATA": (">alice@acme.test<", "><![CDATA[alice@acme.test]]><"),
    "a document type": ("<samlp:Response", "<!DOCTYPE x><samlp:Response"),
    "an entity": ("<samlp:Response", '<!DOCTYPE x [<!ENTITY e "ceo">]><samlp:Response'),
    "a file": ("<samlp:Response", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><samlp:Response'),
    "a billion laughs": ("<samlp:Response", ENTITIES + "]><samlp:Response"),
    "XSLT": (
        '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"',
        '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"',
    ),
    "XPath": (
        '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"',
        '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"',
    ),
    "HMAC": ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
    "a reference to nothing": ('<ds:Reference URI="#', '<ds:Reference URI="'),
    "an empty reference": ('<ds:Reference URI="#', '<ds:Reference URI="" x="'),
    "not well-formed": ("</saml:Assertion>", ""),
    "another version": ('Version="2.0"', 'Version="1.1"'),
    "another root": ("samlp:Response", "samlp:LogoutResponse"),
}


@pytest.mark.parametrize("what", list(AFTER_SIGNING))
def test_messages_that_were_changed_after_they_were_signed(acme, plain_page, what):
    browser = acme.browser()
    before, after = AFTER_SIGNING[what]
    answer = browser.post(changed(acme.provider.answer(acme.us, to=browser.start()), before, after))
    assert_refused(acme, answer, plain_page, "MALFORMED", "BAD_SIGNATURE", "WEAK_ALGORITHM")


def test_the_signers_own_key_inside_the_message_proves_nothing(acme, plain_page):
    browser = acme.browser()
    root = xml_of(acme.provider.answer(acme.us, to=browser.start(), email=EVIL, sign="none"))
    sign_element(root.find("saml:Assertion", NS), "stranger")
    assert_refused(acme, browser.post(packed(root)), plain_page, "BAD_SIGNATURE")


def test_a_signature_of_something_else_in_the_message_proves_nothing(acme, plain_page):
    browser = acme.browser()
    root = xml_of(acme.provider.answer(acme.us, to=browser.start(), sign="none"))
    subject = root.find("saml:Assertion/saml:Subject", NS)
    subject.set("ID", "_subject")
    sign_element(subject, "idp")
    be_evil(root.find("saml:Assertion", NS))
    assert_refused(acme, browser.post(packed(root)), plain_page, "BAD_SIGNATURE", "MALFORMED")


def test_an_id_that_stands_twice(acme, plain_page):
    browser = acme.browser()
    root = xml_of(acme.provider.answer(acme.us, to=browser.start(), sign="assertion"))
    root.set("ID", root.find("saml:Assertion", NS).get("ID"))
    assert_refused(acme, browser.post(packed(root)), plain_page, "MALFORMED")


@pytest.mark.parametrize(
    "text", ["", "%%%", "AAAA", base64.b64encode(b"\xff\xfe<\x00").decode(), base64.b64encode(b"<a/>").decode(), "é", "A" * 300_000]
)
def test_what_is_no_message_at_all(acme, plain_page, text):
    assert_refused(acme, acme.browser().post(text), plain_page, "MALFORMED")


def test_utf_16_and_other_encodings_are_not_read(acme, plain_page):
    browser = acme.browser()
    xml = base64.b64decode(acme.provider.answer(acme.us, to=browser.start())).decode()
    for encoded in (xml.encode("utf-16"), ('<?xml version="1.0" encoding="ISO-8859-1"?>' + xml).encode()):
        assert_refused(acme, browser.post(base64.b64encode(encoded).decode()), plain_page, "MALFORMED")


def test_a_body_above_a_megabyte(acme, plain_page):
    assert_refused(acme, acme.browser().post("A" * 1_000_001), plain_page, "TOO_LARGE")


def test_no_message(acme, plain_page):
    assert_refused(acme, acme.app.test_client().post(f"{acme.path}/acs", data={"x": "y"}), plain_page, "MALFORMED")
    assert_refused(acme, acme.app.test_client().post(f"{acme.path}/acs", json={"SAMLResponse": "x"}), plain_page, "MALFORMED")


@pytest.mark.parametrize("name", ["SAMLResponse", "SAMLRespons%65", "%53AMLResponse"])
def test_a_field_that_comes_twice_after_decoding(acme, plain_page, name):
    browser = acme.browser()
    good = quote(acme.provider.answer(acme.us, to=browser.start()), safe="")
    for body in (f"SAMLResponse={good}&{name}=evil", f"{name}=evil&SAMLResponse={good}"):
        answer = browser.client.post(f"{acme.path}/acs", data=body, content_type="application/x-www-form-urlencoded")
        assert_refused(acme, answer, plain_page, "REPEATED_PARAMETER")
    answer = browser.client.post(f"{acme.path}/acs?{name}=evil", data={"SAMLResponse": "x"})
    assert_refused(acme, answer, plain_page, "REPEATED_PARAMETER")


@pytest.mark.parametrize("connection_id", ["nonsense", "00000000-0000-7000-8000-000000000000"])
def test_an_unknown_connection(acme, plain_page, connection_id):
    client = acme.app.test_client()
    for path in ("acs", "slo"):
        answer = client.post(f"/sso/saml/{connection_id}/{path}", data={"SAMLResponse": "x"})
        assert answer.status_code == 404 or (answer.status_code, answer.text) == (403, plain_page)


def test_the_address_comes_from_the_settings_and_never_from_the_host_header(acme):
    browser = acme.browser()
    started = browser.client.get(f"{acme.path}/login", headers={"Host": "evil.test"})
    request = request_in(started.location)
    assert request.get("AssertionConsumerServiceURL") == acme.us.acs_url
    metadata = browser.client.get(f"{acme.path}/metadata", headers={"Host": "evil.test"})
    assert b"evil.test" not in metadata.data


def test_something_unexpected_is_no_500_and_is_logged(acme, plain_page, monkeypatch):
    def explode(*_arguments, **_keywords):
        raise ZeroDivisionError

    monkeypatch.setattr(sign_ins, "verify", explode)
    browser = acme.browser()
    assert_refused(acme, browser.post(acme.provider.answer(acme.us, to=browser.start())), plain_page, "BROKEN")


def test_what_was_sent_can_be_written_into_the_log_whatever_it_is(acme, plain_page):
    browser = acme.browser()
    answer = acme.provider.answer(acme.us, to=browser.start(), email="<script>alert(1)</script>\u202e@acme.test")
    assert_refused(acme, browser.post(answer), plain_page, "BAD_EMAIL")


def test_an_assertion_that_inflates_is_not_inflated(acme, plain_page):
    bomb = base64.b64encode(zlib.compress(b"<a>" + b"a" * 5_000_000 + b"</a>")[2:-4]).decode()
    assert_refused(acme, acme.browser().post(bomb), plain_page, "MALFORMED")


def test_markup_inside_a_value_cannot_cut_it_short(acme, plain_page):
    def bend(root) -> None:
        value = root.find(".//saml:Attribute[@Name='email']/saml:AttributeValue", NS)
        value.text = EVIL
        etree.SubElement(value, f"{{{SAML}}}x").tail = ".evil.test"

    browser = acme.browser()
    assert_refused(
        acme, browser.post(acme.provider.answer(acme.us, to=browser.start(), bend=bend)), plain_page, "WRONG_DOMAIN", "MALFORMED"
    )
