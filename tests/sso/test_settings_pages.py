"""The pages of single sign-on without JavaScript: steps for each preset, three ways to tell the provider, details, errors."""

import io

import pytest

from portal.sso.rules.connections import Preset
from tests.support import world
from tests.support.identity_provider import PLAIN, Provider, key_pair
from tests.support.lint import problems
from tests.support.pages import Visitor

SSO = "/orgs/acme/settings/sso"


@pytest.fixture
def owner(acme, zone) -> Visitor:
    """The owner at their browser."""
    visitor = Visitor(acme.app)
    world.sign_in(visitor.client, acme.owner)
    return visitor


def new_connection(owner: Visitor, preset: str, name: str = "") -> str:
    """Adds a connection and returns its page's path."""
    owner.get(SSO).submit(f"{SSO}/connections", preset=preset, provider_id=name)
    return owner.path


@pytest.mark.parametrize("preset", list(Preset))
def test_each_preset_has_its_steps_with_our_values_to_copy(acme, owner, preset):
    path = new_connection(owner, preset.value)
    connection_id = path.rpartition("/")[2]
    assert owner.heading == preset.value.lower()
    assert preset.label in owner.words
    for end in ("metadata", "acs", "slo", "login"):
        assert f'value="http://localhost/sso/saml/{connection_id}/{end}"' in owner.answer.text
    assert "Tell us about the identity provider first." in owner.words


def test_a_domain_is_claimed_checked_and_given_up(acme, owner, zone):
    owner.get(SSO).submit(f"{SSO}/domains", domain="gmail.com", status=422)
    assert "Anybody can have a mailbox at gmail.com" in owner.words
    owner.submit(f"{SSO}/domains", domain="beta.test")
    assert "beta.test is claimed." in owner.words
    record = owner.words.rpartition("portal-verification=")[2].split()[0]
    [check] = [form for form in owner.answer.text.split('action="')[1:] if form.partition('"')[0].endswith("/check")]
    check = check.partition('"')[0]
    owner.submit(check, status=422)
    assert "There is no TXT record" in owner.words
    zone.records["beta.test"] = (f"portal-verification={record}",)
    owner.get(SSO).submit(check)
    assert "beta.test is verified." in owner.words
    owner.submit(check.replace("/check", "/release"))
    assert "beta.test isn’t claimed" in owner.words.replace("'", "’")


def test_the_provider_by_pasted_and_by_uploaded_xml(acme, owner):
    path = new_connection(owner, "GOOGLE")
    owner.submit(f"{path}/metadata-xml", metadata_xml="<nonsense", status=422)
    assert "This is no SAML metadata." in owner.words
    owner.submit(f"{path}/metadata-xml", metadata_xml="", status=422)
    assert "Paste the metadata" in owner.words
    owner.submit(f"{path}/metadata-xml", metadata_xml=Provider.like("google").metadata())
    assert "Test the connection" in owner.words
    upload = {"metadata_file": (io.BytesIO(Provider.like("onelogin").metadata().encode()), "m.xml"), "metadata_xml": ""}
    token = world.csrf(owner.client)
    answer = owner.client.post(f"{path}/metadata-xml", data=upload, headers=token, content_type="multipart/form-data")
    assert answer.status_code == 303
    assert "app.onelogin.com" in owner.get(path).words


def test_the_provider_by_hand(acme, owner):
    path = new_connection(owner, "OTHER", "manual")
    good = {
        "issuer": "https://x.test",
        "entry_point": "https://x.test/sso",
        "slo_url": "",
        "certificates": key_pair("x")[0] + key_pair("y")[0],
    }
    for field, value, sentence in (
        ("entry_point", "http://x.test", "must be an address that begins with https://"),
        ("certificates", "nonsense", "This is no certificate"),
        ("issuer", "", "Fill this in."),
    ):
        owner.submit(f"{path}/manual", **{**good, field: value}, status=422)
        assert sentence in owner.words, field
    owner.submit(f"{path}/manual", **good)
    assert owner.words.count("CN=Portal") + owner.answer.text.count("SHA-256") >= 2
    assert "https://x.test/sso" in owner.words


def test_a_metadata_url_that_leads_inside_is_refused_beside_its_field(acme, owner):
    path = new_connection(owner, "OTHER")
    owner.submit(f"{path}/metadata-url", metadata_url="https://127.0.0.1/metadata", status=422)
    assert "The metadata URL leads to a private address." in owner.words


def test_details_name_claims_and_map_groups(acme, owner):
    path = f"{SSO}/connections/{acme.connection_id}"
    owner.get(path).submit(f"{path}/details", group_roles="engineering", status=422)
    assert "Write one group a line" in owner.words
    owner.submit(f"{path}/details", group_roles="engineering = Boss", status=422)
    assert "There is no role “Boss”." in owner.words
    owner.submit(f"{path}/details", group_roles="bosses = Owner", status=422)
    assert "Nobody becomes owner by signing in." in owner.words
    owner.submit(f"{path}/details", group_roles="engineering = Manager\ncn=x,ou=y = ORG_ADMIN", email_claim="mail")
    found = acme.connection()
    assert found.group_roles == {"engineering": "ORG_MANAGER", "cn=x,ou=y": "ORG_ADMIN"}
    assert found.attribute_names == {"email": "mail"}
    assert "engineering = Manager" in owner.answer.text


def test_a_test_leads_on_by_itself_and_its_outcome_stands_on_the_page(acme, owner):
    path = f"{SSO}/connections/{acme.connection_id}"
    owner.get(path).submit(f"{path}/test")
    assert owner.heading == "Testing idp"
    assert owner.answer.headers["Refresh"].startswith(f"0; url={acme.path}/test/_")
    assert problems(owner.answer) == []


def test_enforcement_that_would_lock_everybody_out_is_refused(acme, owner):
    owner.get(SSO).submit(f"{SSO}/policy", enforce_sso="true", status=422)
    assert "needs a connection that you have tested successfully" in owner.words
    owner.get(SSO).submit(f"{SSO}/policy", default_role_for_auto_join="ORG_MANAGER", enforce_sso="")
    assert "Your changes are saved." in owner.words


def test_a_connection_is_removed(acme, owner):
    path = f"{SSO}/connections/{acme.connection_id}"
    owner.get(path).submit(f"{path}/remove")
    assert "The connection idp is removed." in owner.words
    assert "No connection yet" in owner.words


def test_the_log_shows_reasons_and_pages(acme, owner):
    acme.browser().sign_in()
    for _each in range(51):
        acme.browser().post("x")
    owner.get(f"{SSO}/log")
    assert "The message can’t be read." in owner.words.replace("'", "’")
    assert "cursor=" in owner.answer.text
    older = owner.answer.text.partition('href="/orgs/acme/settings/sso/log?cursor=')[2].partition('"')[0].replace("&amp;", "&")
    assert "Accepted" in owner.get(f"{SSO}/log?cursor={older}").words
    assert "Accepted" not in owner.get(f"{SSO}/log?refused=true").words
    owner.fragment(f"{SSO}/log", block="attempt-list")


def test_an_organization_without_single_sign_on_is_told_where_to_begin(acme, owner):
    with acme.app.app_context():
        fresh = world.make_user("fresh@fresh.test")
        world.make_organization(fresh, name="Fresh")
    visitor = Visitor(acme.app)
    world.sign_in(visitor.client, fresh)
    visitor.get("/orgs/fresh/settings/sso")
    assert "No domain yet" in visitor.words
    assert "No connection yet" in visitor.words
    assert "Nothing yet" in visitor.get("/orgs/fresh/settings/sso/log").words
    assert PLAIN["entity_id"] not in visitor.answer.text
