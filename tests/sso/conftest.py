"""Acme with a verified domain and a connection to an identity provider of the tests' own; and a browser without a screen."""

from dataclasses import dataclass

import pytest
from sqlalchemy import select

from portal import clock, db, queue
from portal.gateways import dns
from portal.orgs import queries as orgs_queries
from portal.orgs.models import Membership, Organization
from portal.sso import queries
from portal.sso.models import Attempt, Connection, Domain
from portal.sso.schemas import ProviderIn
from portal.sso.service import connections, parties
from tests.support import world
from tests.support.identity_provider import Provider, Us, request_in
from tests.support.tables import empty
from tests.support.zone import Zone


@pytest.fixture
def zone():
    """The fake zone in place of the network's resolvers."""
    made = Zone()
    dns.connect(made)
    yield made
    dns.connect(Zone())


@dataclass
class Scene:
    """One organization with single sign-on."""

    app: object
    bells: list
    organization: Organization
    owner: object
    connection_id: str
    provider: Provider
    us: Us

    @property
    def path(self) -> str:
        """Where its endpoints are."""
        return f"/sso/saml/{self.connection_id}"

    def browser(self) -> "Browser":
        """A new browser."""
        return Browser(self, self.app.test_client())

    def attempts(self) -> list[Attempt]:
        """The sign-in log, oldest first."""
        with self.app.app_context():
            return list(db.session.scalars(select(Attempt).where(Attempt.organization_id == self.organization.id).order_by(Attempt.id)))

    def membership(self, email: str) -> Membership | None:
        """Somebody's place in the organization."""
        with self.app.app_context():
            user = world.accounts.queries.user_by_email(email)
            return orgs_queries.membership(self.organization.id, user.id) if user else None

    def user(self, email: str):
        """Somebody's account."""
        with self.app.app_context():
            return world.accounts.queries.user_by_email(email)

    def set(self, **columns) -> None:
        """Changes the connection's columns."""
        with self.app.app_context(), db.unit_of_work():
            connection = db.session.get_one(Connection, self.connection_id)
            for name, value in columns.items():
                setattr(connection, name, value)

    def connection(self) -> Connection:
        """The connection as it is now."""
        with self.app.app_context():
            return queries.party(self.connection_id)


@dataclass
class Browser:
    """A browser at Acme's connection."""

    scene: Scene
    client: object

    def start(self, path: str = "") -> str:
        """Begins to sign in and returns the request's id."""
        answer = self.client.get(f"{self.scene.path}/login{path}")
        assert answer.status_code == 303, answer.text
        assert answer.location.startswith(self.scene.provider.profile["sso_url"])
        return request_in(answer.location).get("ID")

    def post(self, saml_response: str, **fields: str):
        """Posts an answer to the ACS."""
        return self.client.post(f"{self.scene.path}/acs", data={"SAMLResponse": saml_response, **fields})

    def sign_in(self, **what):
        """Signs in whole; returns what the ACS answered."""
        return self.post(self.scene.provider.answer(self.scene.us, to=self.start(), **what))

    @property
    def email(self) -> str | None:
        """Who is signed in."""
        answer = self.client.get("/api/auth/me")
        return answer.json["user"]["email"] if answer.status_code == 200 else None


def verify_domain(organization: Organization, domain: str) -> None:
    """A domain of the organization, verified."""
    at = clock.now()
    with db.unit_of_work():
        db.session.add(Domain(organization_id=organization.id, domain=domain, token=f"t-{domain}", claimed_at=at, verified_at=at, missed=0))


def connect(organization: Organization, owner, provider: Provider, *, name: str = "idp", **how) -> Connection:
    """A connection by the provider's metadata."""
    with db.unit_of_work():
        data = ProviderIn(provider_id=name, metadata_xml=provider.metadata(**how))
        return connections.create(data, organization=organization, actor=world.as_self(owner))


def us_of(connection: Connection) -> Us:
    """What the provider is told of us."""
    ours = parties.ours(connection)
    return Us(ours.entity_id, ours.acs_url, ours.slo_url, ours.certificate)


def make_scene(app, bells, *, name: str = "Acme", domain: str = "acme.test", provider: Provider | None = None, **how) -> Scene:
    """An organization with single sign-on."""
    provider = provider or Provider()
    with app.app_context():
        owner = world.make_user(f"owner@{domain}")
        organization = world.make_organization(owner, name=name, **how)
        verify_domain(organization, domain)
        connection = connect(organization, owner, provider)
        return Scene(app, bells, organization, owner, connection.id, provider, us_of(connection))


@pytest.fixture(scope="module")
def fortress(app) -> Scene:
    """Acme for a whole file: for messages that change nothing."""
    empty(app)
    with queue.rung_here() as bells:
        yield make_scene(app, bells)


@pytest.fixture
def acme(rung, app) -> Scene:
    """Acme."""
    return make_scene(app, rung)
