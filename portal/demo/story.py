"""Three made-up organizations with a story, told through the services as people would do it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import exists, select

from portal import clock, db
from portal.accounts import service as accounts
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.audit.rules import SYSTEM, Actor, Via
from portal.billing import queries as billing
from portal.billing.models import Invoice
from portal.billing.rules import month_before, month_start
from portal.billing.schemas import PayIn, RefundIn
from portal.billing.service import allocations, refunds, runs
from portal.bookings import service as bookings
from portal.bookings.models import Plan
from portal.bookings.rules import PlanType
from portal.bookings.schemas import CheckoutIn, PlanIn
from portal.errors import Conflict
from portal.invites.service import invitations, mails
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Kind, Role, SizeBucket, Verdict
from portal.orgs.rules.tokens import TokenScope
from portal.orgs.schemas import BillingIn, OrganizationIn, OrgInfoIn
from portal.orgs.schemas.tokens import TokenIn
from portal.orgs.service import tokens
from portal.providers import service as providers
from portal.providers.rules import AccountAction
from portal.providers.rules.roster import Decision
from portal.providers.schemas import AccountForm, ConsultantIn, ProcessIn
from portal.providers.service import accounts as payout_accounts
from portal.providers.service import earnings, payouts, roster, transfers
from portal.setup import service as setup
from portal.setup.rules import Step
from portal.sso.rules.certificates import make_pair
from portal.sso.rules.connections import Preset
from portal.sso.schemas import ProviderIn, SamlConfigIn
from portal.sso.service import connections, domains

PASSWORD = "demo-portal-2026"  # noqa: S105 - printed by the command; the demo refuses a database with real people
STORIES = (
    ("Acme Learning", "acme.example", "Education", "29", "Bengaluru", SizeBucket.MEDIUM_51_200),
    ("Kaveri Hospitals", "kaveri.example", "Health care", "33", "Chennai", SizeBucket.LARGE_201_1000),
    ("Nilgiri Foods", "nilgiri.example", "Food", "27", "Mumbai", SizeBucket.SMALL_1_50),
)
PEOPLE = ("Asha Rao", "Bharat Singh", "Chitra Iyer", "Dev Menon", "Esha Gupta")
CONSULTANTS = (("Dr. Meera Nair", "Clinical psychologist"), ("Rohan Kulkarni", "Career coach"))
PLANS = (("Career coaching", 150_000), ("Wellbeing session", 220_000))


def load(*, force: bool) -> list[str]:
    """Fills the database and returns what to tell the operator.

    Raises:
        Conflict: There are users already and ``force`` isn't given.
    """
    if db.session.scalar(select(exists().select_from(User))) and not force:
        raise Conflict("The database isn't empty. Say --force to load the demo into it all the same.", code="NOT_EMPTY")
    now = clock.now()
    start = month_before(month_before(now))
    with clock.as_of(month_start(now)), db.unit_of_work():
        runs.run_month()  # of a month that is done, the sweep of a portal that runs beside us doesn't bill a story half told
    with clock.as_of(start + timedelta(hours=6)), db.unit_of_work():
        admin = _user("Priya Shah", "admin@portal.example", role=PlatformRole.ADMIN)
        experts = [_consultant(name, headline, admin) for name, headline in CONSULTANTS]
        house = _house(experts[1], admin) if orgs.provider_orgs_are_on() else None
    lines = [f"Everybody's password is {PASSWORD}", "Platform admin: admin@portal.example"]
    for number, story in enumerate(STORIES):
        lines.append(_tell(story, number=number, experts=experts, start=start, now=now))
    _connect(admin, domain=STORIES[0][1], at=start + timedelta(days=3, hours=4))
    first_run = month_start(start + timedelta(days=32))
    for boundary in (first_run, month_start(now)):
        with clock.as_of(boundary), db.unit_of_work():
            runs.run_month()
        if boundary == first_run:
            _pay_and_give_back(admin, at=first_run + timedelta(days=9, hours=5))
    if house is not None:
        _pay_out(house, admin, at=first_run + timedelta(days=11), now=now)
        lines.append(f"{house.name}: owner@malabar.example, hosts {CONSULTANTS[1][0]}")
    return lines


def _house(expert: User, admin: User) -> Organization:
    """An organization that hosts one of the consultants, with a verified account."""
    owner, by_admin = _user("Farida Khan", "owner@malabar.example"), Actor(user_id=admin.id, name=admin.name, via=Via.PLATFORM_ADMIN)
    data = OrganizationIn(name="Malabar Coaching", billing_email="finance@malabar.example", kind=Kind.PROVIDER)
    house = orgs.create(data, creator=owner, actor=_as(owner))
    orgs.decide(house.id, Verdict.APPROVE, reason=None, actor=by_admin)
    member = roster.apply(house.id, note="Twelve years of career coaching in Kochi.", user=expert, actor=_as(expert))
    roster.decide(member.id, Decision.APPROVE, organization=house, actor=_as(owner))
    account = AccountForm(
        account_holder_name="Malabar Coaching LLP",
        bank_name="Example Bank",
        account_number=SecretStr("000123456789"),
        ifsc_code="EXMP0001234",
    )
    payout_accounts.save(account, organization=house, actor=_as(owner))
    payout_accounts.decide(house.id, AccountAction.APPROVE, reason=None, actor=by_admin)
    return house


def _pay_out(house: Organization, admin: User, *, at: datetime, now: datetime) -> None:
    """What the house earned in the first month is paid out; what came later is ready."""
    by_admin = Actor(user_id=admin.id, name=admin.name, via=Via.PLATFORM_ADMIN)
    with clock.as_of(at), db.unit_of_work():
        earnings.release()
        payout = payouts.begin(house, actor=SYSTEM)
        transfers.process(ProcessIn(payout_id=payout.id, reference="NEFT-MALABAR-1"), actor=by_admin)
    with clock.as_of(now), db.unit_of_work():
        earnings.release()


def _connect(admin: User, *, domain: str, at: datetime) -> None:
    """The first organization is about to try single sign-on: its domain is verified, and an Okta that isn't there is set up."""
    with clock.as_of(at), db.unit_of_work():
        owner = db.session.scalars(select(User).where(User.email == f"owner@{domain}")).one()
        organization = db.session.scalars(select(Organization).where(Organization.created_by == owner.id)).one()
        domains.claim(domain, organization=organization, user=owner, actor=_as(owner))
        domains.verify_by_hand(domain, admin=admin, actor=Actor(user_id=admin.id, name=admin.name, via=Via.PLATFORM_ADMIN))
        issuer = "http://www.okta.com/exk1fxp4rt3demo"
        provider = SamlConfigIn(issuer=issuer, entry_point=f"https://{domain}/sso", cert=make_pair("Okta", now=at)[0])
        data = ProviderIn(provider_id="okta", preset=Preset.OKTA, saml_config=provider)
        connections.create(data, organization=organization, actor=_as(owner))


def _pay_and_give_back(admin: User, *, at: datetime) -> None:
    """Of the first invoices one is paid, one paid in part and one not at all; then a session of each is given back."""
    actor = Actor(user_id=admin.id, name=admin.name, via=Via.PLATFORM_ADMIN)
    found = db.session.scalars(select(Invoice).order_by(Invoice.number)).all()
    for invoice, share, days in zip(found, (1, 2, None), (0, 1, 2), strict=False):
        with clock.as_of(at + timedelta(days=days)), db.unit_of_work():
            if share is not None:
                paid = PayIn(amount=invoice.amount // share, method="BANK_TRANSFER", reference=f"NEFT-{invoice.number}")
                allocations.record(invoice.id, paid, actor=actor)
            line = billing.lines_of(invoice.id)[0]
            refunds.refund(RefundIn(payment_id=str(line.payment_id), reason="The session didn't take place"), actor=actor)


def _tell(story: Sequence[str], *, number: int, experts: list[User], start: datetime, now: datetime) -> str:
    name, domain, industry, state, city, size = story
    with clock.as_of(start + timedelta(hours=8)), db.unit_of_work():
        owner = _user(PEOPLE[number], f"owner@{domain}")
        organization = _organization(owner, name=name, domain=domain, industry=industry, state=state, city=city, size=size)
        plans = [_plan(organization, owner, title=title, price=price) for title, price in PLANS]
        learners = _learners(organization, owner, domain=domain)
        wish = TokenIn(name="Payroll sync", scopes={TokenScope.READ, TokenScope.INVITATIONS})
        tokens.create(wish, organization=organization, maker=owner, actor=_as(owner))
    moments = [start + timedelta(days=4 * step + number, hours=9) for step in range(1, 15)]
    for index, moment in enumerate(moment for moment in moments if moment < now):
        learner = learners[index % len(learners)]
        with clock.as_of(moment), db.unit_of_work():
            _book(organization, learner, plans[index % len(plans)], experts[index % len(experts)], number=number)
    return f"{name}: owner@{domain}, learners {learners[0].email} and {len(learners) - 1} more"


def _organization(owner: User, *, name: str, domain: str, industry: str, state: str, city: str, size: str) -> Organization:
    actor = _as(owner)
    info = OrgInfoIn(name=name, billing_email=f"finance@{domain}", industry=industry, size_bucket=SizeBucket(size))
    draft = setup.start(info, creator=owner, actor=actor)
    billing = BillingIn(
        billing_mode=BillingMode.INVOICED_MONTHLY,
        state_code=state,
        line1="12 Residency Road",
        city=city,
        postal_code="560025",
        seats_total=25,
    )
    setup.save(billing, draft=draft, step=Step.BILLING)
    setup.launch(draft, owner=owner, actor=actor)
    return draft


def _learners(organization: Organization, owner: User, *, domain: str) -> list[User]:
    people = [invitations.Person(email=f"{name.split()[0].lower()}@{domain}", name=name, role=Role.ORG_LEARNER) for name in PEOPLE]
    made = invitations.invite(organization, people, inviter=owner, actor=_as(owner))
    names = {person.email: str(person.name) for person in people}
    learners = []
    for invitation_id, email in made[:-1]:
        user = _user(names[email], email)
        invitations.accept(mails.token_by_id(invitation_id), user=user, ip=None)
        learners.append(user)
    return learners


def _book(organization: Organization, learner: User, plan: Plan, expert: User, *, number: int) -> None:
    starts_at = clock.now().replace(minute=0) + timedelta(days=1, hours=number)
    data = CheckoutIn(plan_id=plan.id, starts_at=starts_at.astimezone(UTC), organization_id=organization.id, consultant_id=expert.id)
    bookings.checkout(data, organization=organization, learner=learner, actor=_as(learner))


def _plan(organization: Organization, owner: User, *, title: str, price: int) -> Plan:
    data = PlanIn(plan_type=PlanType.CONSULTATION, title=title, price=price, duration_minutes=50)
    return bookings.create_plan(data, organization=organization, actor=_as(owner))


def _consultant(name: str, headline: str, admin: User) -> User:
    user = _user(name, f"{name.rsplit(maxsplit=1)[-1].lower()}@experts.example")
    providers.register(ConsultantIn(headline=headline), user=user, actor=_as(user))
    providers.verify(user.id, actor=Actor(user_id=admin.id, name=admin.name, via=Via.PLATFORM_ADMIN))
    return user


def _user(name: str, email: str, *, role: PlatformRole = PlatformRole.USER) -> User:
    return accounts.create_user(email=email, name=name, password=PASSWORD, role=role, actor=SYSTEM)


def _as(user: User) -> Actor:
    return Actor(user_id=user.id, name=user.name, via=Via.SELF)
