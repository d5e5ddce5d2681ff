"""Signing in by an identity provider's answer: who comes in, as what, and who doesn't."""

from portal.orgs.rules import MembershipStatus, Role


def test_the_first_sign_in_makes_the_account_and_the_membership_and_the_second_finds_them(acme):
    browser = acme.browser()
    answer = browser.sign_in()
    assert (answer.status_code, answer.location) == (303, "/orgs/acme/home")
    assert browser.client.get(answer.location).status_code == 200
    member, user = acme.membership("alice@acme.test"), acme.user("alice@acme.test")
    assert (member.role, member.status, user.name) == (Role.ORG_LEARNER, MembershipStatus.ACTIVE, "Alice Archer")
    assert user.email_verified_at is not None
    assert user.password_hash is None
    again = acme.browser()
    assert again.sign_in(last="Baker").location == "/orgs/acme/home"
    assert again.email == "alice@acme.test"
    assert acme.membership("alice@acme.test").id == member.id
    assert acme.user("alice@acme.test").name == "Alice Baker"
    assert [(row.reason, row.email) for row in acme.attempts()] == [(None, "alice@acme.test")] * 2
