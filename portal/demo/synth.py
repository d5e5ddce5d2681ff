"""Made-up data in bulk, written as sets by SQL alone: what a benchmark of a million payments needs within a minute or two."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text

from portal import clock, config, db
from portal.accounts import service as accounts
from portal.accounts.models import User
from portal.billing.rules import month_before, month_start
from portal.demo.story import PASSWORD
from portal.errors import Conflict, Invalid

CONSULTANTS = 40

# Ids as UUIDv7 (RFC 9562): the row's own instant, then what random() gives after setseed(), so that one seed makes the same rows.
_FUNCTIONS = """
CREATE OR REPLACE FUNCTION pg_temp.id_at(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3)
            || '8' || substr(md5(random()::text), 1, 15))::uuid
$$;
CREATE OR REPLACE FUNCTION pg_temp.one_of(words text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT words[1 + floor(random() * array_length(words, 1))::int]
$$;
"""

_STEPS = (
    # People: owners, learners, consultants. Their numbers are known, so that the rows that follow find them by number.
    """
    CREATE TEMP TABLE synth_people ON COMMIT DROP AS
    SELECT kind, g AS number, pg_temp.id_at(:begins) AS id,
           pg_temp.one_of(ARRAY['Asha','Bharat','Chitra','Dev','Esha','Farhan','Gita','Harish','Indira','Jatin',
           'Kavya','Lakshmi','Manoj','Nisha'])
           || ' ' || pg_temp.one_of(ARRAY['Rao','Singh','Iyer','Menon','Gupta','Khan','Nair','Shah','Das','Patel','Reddy',
           'Bose']) AS name
    FROM (VALUES ('owner', CAST(:organizations AS bigint)), ('learner', :learners), ('consultant', :consultants)) AS kinds(kind, many),
         generate_series(1, many) AS g
    """,
    """
    INSERT INTO users (id, email, name, password_hash, email_verified_at, platform_role, created_at)
    SELECT id, kind || number || '@' || :prefix || '.example', name, CASE WHEN kind = 'owner' THEN CAST(:password_hash AS text) END,
           :begins, 'USER', :begins
    FROM synth_people
    """,
    """
    INSERT INTO consultants (user_id, headline, created_at, verified_at)
    SELECT id, 'Coach', :begins, :begins FROM synth_people WHERE kind = 'consultant'
    """,
    """
    CREATE TEMP TABLE synth_organizations ON COMMIT DROP AS
    SELECT number, pg_temp.id_at(:begins) AS id, id AS owner_id, :prefix || '-' || lpad(number::text, 6, '0') AS slug,
           number % 50 = 0 AS is_sez,
           pg_temp.one_of(ARRAY['Kaveri','Nilgiri','Malabar','Deccan','Ganga','Vindhya','Konark','Sabarmati']) || ' '
           || pg_temp.one_of(ARRAY['Textiles','Hospitals','Foods','Software','Schools','Motors','Chemicals','Media'])
           || ' ' || number AS name,
           CASE WHEN number % 100 < 99 THEN pg_temp.one_of(ARRAY['29','29','29','27','33','36','07','09','24','19'])
           END AS state_code
    FROM synth_people WHERE kind = 'owner'
    """,
    """
    INSERT INTO organizations (id, name, slug, kind, status, billing_mode, billing_email, address, country, state_code, is_sez, time_zone,
        payment_terms_days, billing_contacts, platform_commission_rate, org_retain_rate, consultant_payout_rate, payout_frequency,
        auto_approve_consultants, enforce_organization_plans, created_by, created_at, launched_at, first_payment_at)
    SELECT id, name, slug, 'BUYER', 'ACTIVE', 'INVOICED_MONTHLY', 'finance@' || slug || '.example',
           jsonb_build_object('line1', number || ' Residency Road', 'city', 'Bengaluru', 'postalCode', '560025'),
           CASE WHEN state_code IS NULL THEN 'SG' ELSE 'IN' END, state_code, is_sez AND state_code IS NOT NULL, 'Asia/Kolkata',
           30, '[]', 1000, 500, 8500, 'MONTHLY', false, false, owner_id, :begins, :begins, :begins
    FROM synth_organizations
    """,
    """
    INSERT INTO memberships (id, organization_id, user_id, role, status, joined_at, seat_assigned_at, earnings_recipient, created_at)
    SELECT pg_temp.id_at(:begins), o.id, p.id, CASE p.kind WHEN 'owner' THEN 'ORG_OWNER' ELSE 'ORG_LEARNER' END, 'ACTIVE', :begins,
           CASE p.kind WHEN 'learner' THEN CAST(:begins AS timestamptz) END, 'CONSULTANT', :begins
    FROM synth_people p JOIN synth_organizations o ON o.number = 1 + (p.number - 1) % :organizations
    WHERE p.kind IN ('owner', 'learner')
    """,
    """
    CREATE TEMP TABLE synth_plans ON COMMIT DROP AS
    SELECT o.number, o.id AS organization_id, pg_temp.id_at(:begins) AS id, 100000 + floor(random() * 400)::bigint * 1000 AS price,
           (ARRAY['WEBINAR', 'CLASS'])[1 + o.number % 2] AS plan_type,
           (ARRAY['Wellbeing hour', 'Language class'])[1 + o.number % 2] AS title
    FROM synth_organizations o
    """,
    """
    INSERT INTO plans (id, organization_id, plan_type, title, price, duration_minutes, is_active, created_at)
    SELECT id, organization_id, plan_type, title, price, 60, true, :begins FROM synth_plans
    """,
    # Payments, spread over the month and, unevenly, over the organizations: the first ones are large, as customers are.
    """
    CREATE TEMP TABLE synth_payments ON COMMIT DROP AS
    SELECT g AS number, pg_temp.id_at(at) AS id, pg_temp.id_at(at) AS booking_id, at, at + interval '3 days' AS starts_at,
           1 + floor(:organizations * power(random(), 1.5))::bigint AS organization, floor(random() * 100)::int AS fate,
           random() AS learner, 1 + floor(random() * :consultants)::bigint AS consultant
    FROM (SELECT g, CAST(:begins AS timestamptz) + (CAST(:ends AS timestamptz) - CAST(:begins AS timestamptz)) * (g - 1) / :payments AS at
          FROM generate_series(1, CAST(:payments AS bigint)) AS g) AS every
    """,
    # Learners of one organization are :organizations apart; where there are fewer learners than organizations, some book for several.
    """
    CREATE TEMP TABLE synth_learners ON COMMIT DROP AS
    SELECT o.number AS organization, row_number() OVER (PARTITION BY o.number ORDER BY p.number) AS place,
           count(*) OVER (PARTITION BY o.number) AS of,
           p.id, p.name
    FROM synth_organizations o JOIN synth_people p ON p.kind = 'learner' AND (p.number - 1) % :organizations = (o.number - 1) % :learners
    """,
    "ANALYZE synth_people, synth_organizations, synth_plans, synth_payments, synth_learners",
    # One in a hundred is given back in full, another in part.
    """
    INSERT INTO payments (id, payer_id, organization_id, amount, original_amount, refunded_amount, claimed_amount, currency, payment_method,
        status, created_at, succeeded_at, learner_name, consultant_name, plan_type, plan_title, sac_code, session_starts_at)
    SELECT y.id, l.id, p.organization_id, p.price, p.price, back.amount, back.amount, 'INR', 'ORG_INVOICED', 'SUCCEEDED', y.at, y.at,
           l.name, c.name, p.plan_type, p.title, '999293', y.starts_at
    FROM synth_payments y JOIN synth_plans p ON p.number = y.organization
    JOIN synth_learners l ON l.organization = y.organization AND l.place = 1 + floor(y.learner * l.of)
    JOIN synth_people c ON c.kind = 'consultant' AND c.number = y.consultant,
    LATERAL (SELECT CASE y.fate WHEN 0 THEN p.price WHEN 1 THEN p.price / 3 ELSE 0 END AS amount) AS back
    """,
    """
    INSERT INTO refunds (id, payment_id, amount, status, created_at, finished_at, due_at)
    SELECT pg_temp.id_at(y.at), y.id, CASE y.fate WHEN 0 THEN p.price ELSE p.price / 3 END, 'SUCCEEDED', y.at, y.at, y.at
    FROM synth_payments y JOIN synth_plans p ON p.number = y.organization WHERE y.fate < 2
    """,
    """
    INSERT INTO bookings (id, plan_id, plan_type, learner_id, consultant_id, organization_id, payment_id, starts_at, during, status,
        created_at)
    SELECT y.booking_id, p.id, p.plan_type, l.id, c.id, p.organization_id, y.id, y.starts_at,
           tstzrange(y.starts_at, y.starts_at + interval '1 hour'), 'CONFIRMED', y.at
    FROM synth_payments y JOIN synth_plans p ON p.number = y.organization
    JOIN synth_learners l ON l.organization = y.organization AND l.place = 1 + floor(y.learner * l.of)
    JOIN synth_people c ON c.kind = 'consultant' AND c.number = y.consultant
    """,
    "ANALYZE users, organizations, memberships, plans, payments, refunds, bookings",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is made: so many organizations, unbilled payments of the month before among them, and learners."""

    organizations: int
    payments: int
    learners: int


def synthesize(size: Size, *, seed: int) -> list[str]:
    """Makes monthly invoiced organizations whose month before the clock's is unbilled, and returns what to tell the operator.

    The same size, seed and month make the same rows. A seed is used once a database.

    Raises:
        Invalid: A number is below one, or this is production.
        Conflict: ``SEED_USED``.
    """
    if min(size.organizations, size.payments, size.learners) < 1:
        raise Invalid("Organizations, payments and learners are at least one each. Nothing was made.", code="TOO_FEW")
    if config.current().portal_env == "production":
        raise Invalid("Made-up people have no place in production. Nothing was made.", code="PRODUCTION")
    prefix = f"synth{seed}"
    if db.session.scalar(select(User.id).where(User.email == f"owner1@{prefix}.example")):
        raise Conflict(f"Seed {seed} was used in this database already. Nothing was made: say another one.", code="SEED_USED")
    ends = month_start(clock.now())
    values: dict[str, int | str] = {
        "organizations": size.organizations,
        "payments": size.payments,
        "learners": size.learners,
        "consultants": CONSULTANTS,
        "prefix": prefix,
        "password_hash": accounts.password_hash(PASSWORD),
    }
    _write(values, begins=month_before(ends), ends=ends, seed=seed)
    owners = f"owner1@{prefix}.example to owner{size.organizations}@{prefix}.example"
    return [
        f"{size.organizations} organizations, {size.learners} learners and {size.payments} payments were made.",
        f"The payments are those of {month_before(ends):%B %Y}.",
        f"Owners: {owners}; their password is {PASSWORD}",
    ]


def _write(values: Mapping[str, int | str], *, begins: datetime, ends: datetime, seed: int) -> None:
    db.session.execute(text("SELECT setseed(:seed)"), {"seed": (seed % 20_001 - 10_000) / 10_000})
    db.session.execute(text(_FUNCTIONS))
    offered = {**values, "begins": begins, "ends": ends}
    for step in _STEPS:
        statement = text(step)
        db.session.execute(statement, {name: value for name, value in offered.items() if name in statement.compile().params})
