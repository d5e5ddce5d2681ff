"""People, organizations and bookings for tests, made through the services as the portal makes them."""

import io
from dataclasses import dataclass
from datetime import timedelta

from PIL import Image
from sqlalchemy import insert, select

from portal import clock, db, jobs, queue
from portal.accounts import service as accounts
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.audit.rules import SYSTEM, Actor, Via
from portal.bookings import service as bookings
from portal.bookings.models import Booking, Plan
from portal.bookings.rules import PlanType
from portal.bookings.schemas import CheckoutIn, PlanIn
from portal.invites.service import invitations
from portal.orgs import service as orgs
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import BillingMode, Kind, MembershipStatus, Role
from portal.orgs.rules.images import Slot, picture_from
from portal.orgs.schemas import BillingIn, OrgInfoIn
from portal.orgs.service import branding
from portal.providers import service as providers
from portal.providers.schemas import ConsultantIn
from portal.setup import service as setup
from portal.setup.rules import Step

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Company:
    """An organization that bills monthly, with what a booking needs."""

    organization: Organization
    owner: User
    plan: Plan
    consultant: User


def as_self(user: User) -> Actor:
    """The user acting for themselves."""
    return Actor(user_id=user.id, name=user.name, via=Via.SELF)


def make_user(email: str, *, name: str = "", role: PlatformRole = PlatformRole.USER) -> User:
    """A user with a verified address and the password ``PASSWORD``."""
    with db.unit_of_work():
        return accounts.create_user(email=email, name=name or email.partition("@")[0].title(), password=PASSWORD, role=role, actor=SYSTEM)


def make_draft(owner: User, *, name: str = "Acme", seats: int | None = None, state: str = "29") -> Organization:
    """A setup with every step saved, not launched."""
    with db.unit_of_work():
        info = OrgInfoIn(name=name, billing_email=f"finance@{name.lower().replace(' ', '-')}.test", kind=Kind.BUYER)
        draft = setup.start(info, creator=owner, actor=as_self(owner))
        billing = BillingIn(
            billing_mode=BillingMode.INVOICED_MONTHLY,
            state_code=state,
            line1="1 MG Road",
            city="Bengaluru",
            postal_code="560001",
            seats_total=seats,
        )
        setup.save(billing, draft=draft, step=Step.BILLING)
    return draft


def make_organization(owner: User, *, name: str = "Acme", seats: int | None = None, state: str = "29") -> Organization:
    """A launched BUYER organization that bills monthly."""
    draft = make_draft(owner, name=name, seats=seats, state=state)
    with db.unit_of_work():
        setup.launch(draft, owner=owner, actor=as_self(owner))
    return draft


def organization(slug: str) -> Organization:
    """The organization with this slug."""
    return db.session.scalars(select(Organization).where(Organization.slug == slug)).one()


def picture(width: int = 64, height: int = 64, *, color: str = "#1f5fd6") -> bytes:
    """A PNG."""
    held = io.BytesIO()
    Image.new("RGB", (width, height), color).save(held, "PNG")
    return held.getvalue()


def place_logo(organization: Organization, owner: User) -> str:
    """Uploads a logo and returns its file's name."""
    with db.unit_of_work():
        made = picture_from(picture(), file_name="logo.png", slot=Slot.LOGO)
        branding.place(made, slot=Slot.LOGO, organization=organization, actor=as_self(owner))
    return made.file_name(Slot.LOGO)


def invite(organization: Organization, inviter: User, email: str, *, role: Role = Role.ORG_LEARNER) -> str:
    """Invites somebody and returns the invitation's id."""
    with db.unit_of_work():
        people = [invitations.Person(email=email, name=None, role=role)]
        [(invitation_id, _email)] = invitations.invite(organization, people, inviter=inviter, actor=as_self(inviter))
    return invitation_id


def add_member(organization: Organization, user: User, role: Role) -> Membership:
    """Makes a user a member."""
    with db.unit_of_work():
        return orgs.join(organization.id, user, role=role)


def make_consultant(email: str = "meera@experts.test") -> User:
    """A verified consultant."""
    user = make_user(email)
    with db.unit_of_work():
        providers.register(ConsultantIn(headline="Coach"), user=user, actor=as_self(user))
        providers.verify(user.id, actor=SYSTEM)
    return user


def make_plan(organization: Organization, owner: User, *, price: int = 100_000, plan_type: PlanType = PlanType.CONSULTATION) -> Plan:
    """A plan of the organization; the price is paise."""
    with db.unit_of_work():
        data = PlanIn(plan_type=plan_type, title="Career coaching", price=price, duration_minutes=30)
        return bookings.create_plan(data, organization=organization, actor=as_self(owner))


def make_company(name: str = "Acme", *, price: int = 100_000, consultant: User | None = None, state: str = "29") -> Company:
    """An organization with a plan and a consultant, ready for bookings."""
    slug = name.lower().replace(" ", "-")
    owner = make_user(f"owner@{slug}.test")
    organization = make_organization(owner, name=name, state=state)
    expert = consultant or make_consultant(f"meera@{slug}-experts.test")
    return Company(organization, owner, make_plan(organization, owner, price=price), expert)


def book(company: Company, learner: User, *, hours: int = 24, plan: Plan | None = None) -> Booking:
    """Books a session that starts in ``hours``."""
    with db.unit_of_work():
        data = CheckoutIn(
            plan_id=(plan or company.plan).id,
            starts_at=clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours),
            organization_id=company.organization.id,
            consultant_id=company.consultant.id,
        )
        return bookings.checkout(data, organization=company.organization, learner=learner, actor=as_self(learner))


def sign_in(client, user: User):
    """Signs a test client in through the API and returns it."""
    answer = client.post(
        "/api/auth/login",
        json={"email": user.email, "password": PASSWORD},
        headers={"X-CSRFToken": client.get("/api/auth/csrf").json["csrfToken"]},
    )
    assert answer.status_code == 200, answer.text
    return client


def csrf(client) -> dict[str, str]:
    """The header that a state-changing call of this client needs."""
    return {"X-CSRFToken": client.get("/api/auth/csrf").json["csrfToken"]}


def work_off(bells: list[queue.Bell]) -> int:
    """Runs what was rung, and what that rings, as a worker would; returns how many jobs ran."""
    done = 0
    while bells:
        bell = bells.pop(0)
        jobs.run(bell.name, *bell.ids, as_of=bell.as_of)
        done += 1
    return done


def crowd(organization_id: str, number: int) -> None:
    """Learners in bulk, without passwords."""
    at = clock.now()
    people = [{"id": db.new_id(), "email": f"crowd{each}@acme.test", "name": f"Crowd {each}", "created_at": at} for each in range(number)]
    rest = {"organization_id": organization_id, "role": Role.ORG_LEARNER, "status": MembershipStatus.ACTIVE, "created_at": at}
    with db.unit_of_work():
        db.session.execute(insert(User), people)
        db.session.execute(insert(Membership), [{**rest, "user_id": person["id"], "joined_at": at} for person in people])
