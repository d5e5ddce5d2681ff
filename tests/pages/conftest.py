"""A company with data in every table, an empty one, a draft, and people on each side of each gate."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry
from sqlalchemy import select, update

from portal import clock, crypto, db, queue
from portal.accounts.models import MailedLink, User
from portal.accounts.rules import LinkPurpose, PlatformRole
from portal.accounts.schemas import SignUpIn
from portal.billing.models import Invoice
from portal.billing.rules import ReasonCode
from portal.billing.schemas import CreditNoteIn
from portal.billing.service import archives, credit_notes, invoices
from portal.gateways import payments
from portal.invites.models import Invitation
from portal.invites.service import imports, invitations, mails, verdicts
from portal.orgs import queries as orgs_queries
from portal.orgs.models import Organization
from portal.orgs.rules import Kind, Role, invitable_roles
from portal.orgs.rules.tokens import TokenScope
from portal.orgs.schemas.tokens import TokenIn
from portal.orgs.service import tokens
from portal.setup import service as setup
from portal.sso.schemas import ProviderIn
from portal.sso.service import connections, domains, requests
from tests.support import world
from tests.support.identity_provider import Provider
from tests.support.url_map import routes, url

LEADS_ON = {"signin.start", "sso.login", "sso.test"}  # only ever a redirect
NOT_HERE = {
    "explore.show",  # a BUYER has none; tests/story/test_providers.py looks at it
    "operations.metrics",  # for machines that have a token
    "sso.slo",  # wants a signed message; what it refuses is the plain page of tests/sso
}
ALSO = {"openapi.docs"}  # a page below /api/
ROOMS = {"admin": "admin", "staff": "admin"}
PUBLIC = {"public", "signed"}


@dataclass
class Scene:
    """What the URL map's placeholders stand for, and who may try them."""

    slug: str
    organization_id: str
    owner: object
    learner: object
    stranger: object
    admin: object
    values: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def scene(rung, app) -> Scene:
    """Acme with an invoice, invitations and an upload; the stranger belongs to another organization."""
    with app.app_context():
        with clock.as_of(datetime(2026, 10, 12, 9, tzinfo=UTC)):
            company = world.make_company()
            learner = world.make_user("asha@acme.test")
            world.add_member(company.organization, learner, Role.ORG_LEARNER)
            booking = world.book(company, learner)
        with clock.as_of(datetime(2026, 10, 12, 10, tzinfo=UTC)), db.unit_of_work():
            invoice = invoices.issue_now(company.organization.id, actor=world.as_self(company.owner))
            data = CreditNoteIn(amount=10_000, reason="The room was loud", reason_code=ReasonCode.GOODWILL)
            note = credit_notes.issue_by_hand(invoice.id, data, actor=world.as_self(company.owner))
        with clock.as_of(datetime(2026, 10, 13, 9, tzinfo=UTC)):
            world.book(company, learner, hours=30)
        organization = db.session.get_one(Organization, company.organization.id)
        with db.unit_of_work():
            people = [invitations.Person("dev@acme.test", "Dev", Role.ORG_LEARNER)]
            invitations.invite(organization, people, inviter=company.owner, actor=world.as_self(company.owner))
            roles = invitable_roles(organization.kind, inviter=Role.ORG_OWNER, provider_orgs=False)
            around = verdicts.surroundings(organization, allowed_roles=roles)
            upload = imports.Upload("hr.csv", b"Email,Name\nesha@acme.test,Esha\nbroken,X\n")
            batch = imports.stage(upload, default_role=Role.ORG_LEARNER, around=around, creator=company.owner)
        draft = world.make_draft(company.owner, name="Draft")
        with db.unit_of_work():
            setup.stage([invitations.Person("fay@draft.test", None, Role.ORG_LEARNER)], draft=draft)
            around = setup.around(draft, creator=company.owner)
            staged = imports.stage(upload, default_role=Role.ORG_LEARNER, around=around, creator=company.owner)
        stranger = world.make_user("stranger@other.test")
        world.make_organization(stranger, name="Other")
        logo = world.place_logo(organization, company.owner)
        with db.unit_of_work():
            issued = db.session.scalars(select(Invoice.issue_date)).one()
            archive = archives.request_archive(organization.id, since=issued, until=issued, user_id=company.owner.id)
            archives.build_archive(archive.id)
        invitation = db.session.scalars(select(Invitation)).one()
        values = {
            "archive_id": archive.id,
            "invoice_id": invoice.id,
            "note_id": note.id,
            "invitation_id": invitation.id,
            "import_id": batch.id,
            "plan_id": company.plan.id,
            "payment_id": booking.payment_id,
            "booking_id": booking.id,
            "gateway": "sandbox",
            "user_id": company.consultant.id,
            "member_id": orgs_queries.membership(organization.id, learner.id).id,
            "slot": "logo",
            "line": "2",
            "group": "profile",
            "colors": "1f5fd6-0f6b3c",
            "file_name": logo,
            "invitee_id": setup.queries.staged(draft.id)[0].id,
            "draft_id": draft.id,
            "draft_import_id": staged.id,
            "invitation_token": mails.token_of(invitation),
            "order_id": _sandbox_order(),
            "token_id": _token(organization, company.owner),
            **_single_sign_on(organization, company.owner),
            "job_name": "invites-expire",
            "rq_id": _failed_job(),
            **_links(),
        }
        admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
        return Scene(organization.slug, organization.id, company.owner, learner, stranger, admin, values)


def _single_sign_on(organization: Organization, owner: object) -> dict[str, str]:
    with db.unit_of_work():
        claimed = domains.claim("acme.test", organization=organization, user=owner, actor=world.as_self(owner))
        data = ProviderIn(provider_id="okta", metadata_xml=Provider.like("okta").metadata())
        connection = connections.create(data, organization=organization, actor=world.as_self(owner))
        request_id = requests.prepare_test(connection, owner=owner)
    return {
        "domain_id": claimed.id,
        "domain": claimed.domain,
        "connection_id": connection.id,
        "provider_id": connection.provider_id,
        "request_id": request_id,
    }


def _sandbox_order() -> str:
    ends = clock.now() + timedelta(minutes=30)
    order = payments.Order(db.new_id(), 118_000, "INR", "Career coaching", "asha@acme.test", "http://localhost/", ends)
    return payments.current().open(order).order_id


def _token(organization: Organization, owner: User) -> str:
    with db.unit_of_work():
        wish = TokenIn(name="Payroll sync", scopes={TokenScope.READ})
        row, _secret = tokens.create(wish, organization=organization, maker=owner, actor=world.as_self(owner))
    return row.id


def _failed_job() -> str:
    rq_id = queue.ring("sweep")
    job = Job.fetch(rq_id, connection=queue.connection())
    Queue(job.origin, connection=queue.connection()).remove(job)
    job.set_status(JobStatus.FAILED)
    FailedJobRegistry(job.origin, connection=queue.connection()).add(job, ttl=600)
    return rq_id


def _links() -> dict[str, str]:
    with db.unit_of_work():
        user = world.accounts.sign_up(SignUpIn(name="New", email="new@acme.test", password="a good long password"), ip=None)
        world.accounts.request_password_reset(user.email)
    found = {}
    for link in db.session.scalars(select(MailedLink).where(MailedLink.user_id == user.id)):
        name = {LinkPurpose.VERIFY_EMAIL: "verify_token", LinkPurpose.RESET_PASSWORD: "reset_token"}[link.purpose]
        found[name] = crypto.derive_token(link.purpose, link.id, link.nonce)
    return found


@pytest.fixture
def pages(app, scene):
    """Audience → the paths of its pages; and the routes that are none. The draft is a HYBRID, which has every step of the wizard."""
    with app.app_context(), db.unit_of_work():
        db.session.execute(update(Organization).where(Organization.id == scene.values["draft_id"]).values(kind=Kind.HYBRID))
    clients = {
        "nobody": app.test_client(),
        "owner": world.sign_in(app.test_client(), scene.owner),
        "admin": world.sign_in(app.test_client(), scene.admin),
    }
    found, lost = defaultdict(list), []
    for rule, view in routes(app):
        is_other = rule.rule.startswith("/api/") and rule.endpoint not in ALSO
        if "GET" not in rule.methods or is_other or rule.endpoint in LEADS_ON | NOT_HERE:
            continue
        who = "nobody" if view.gate in PUBLIC else ROOMS.get(view.gate, "owner")
        path = url(rule, scene)
        answer = clients[who].get(path)
        if answer.status_code != 200:
            lost.append(f"{rule.endpoint} {path}: {answer.status_code}")
        elif answer.mimetype == "text/html":
            found[who].append(path)
    return found, lost
