"""What organizations book on, in tests: a pool of credits, a limit, a contract; and one person's calls from many threads."""

from dataclasses import dataclass

from portal import clock, db
from portal.billing.models import LedgerRow
from portal.billing.rules import LedgerReason
from portal.billing.service import credits as pool
from tests.support import world
from tests.support.paying import Shop, rows, set_mode

BROKEN_CHAIN = """
SELECT count(*) FROM (
    SELECT position, balance_after, delta, row_number() OVER rows_before AS place,
           lag(balance_after, 1, 0::bigint) OVER rows_before AS before
    FROM credit_ledger WINDOW rows_before AS (PARTITION BY organization_id ORDER BY position)
) AS ledger WHERE balance_after <> before + delta OR position <> place
"""


@dataclass(frozen=True)
class Caller:
    """Somebody who is signed in and calls from as many threads as they like."""

    app: object
    headers: dict[str, str]

    def post(self, path: str, body: dict, *, key: str | None = None):
        """Posts JSON, with an Idempotency-Key when there is one."""
        headers = {**self.headers, **({} if key is None else {"Idempotency-Key": key})}
        return self.app.test_client(use_cookies=False).post(path, json=body, headers=headers)


def caller(app, user) -> Caller:
    """Signs somebody in, and keeps what their calls need."""
    client = world.sign_in(app.test_client(), user)
    token = world.csrf(client)
    return Caller(app, {**token, "Cookie": f"portal={client.get_cookie('portal').value}"})


def fund(shop: Shop, amount: int) -> LedgerRow:
    """Makes the shop's organization book on credits, and puts some into its pool (paise), as a purchase does."""
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "SEAT_PACK", first_payment_at=clock.now())
        with db.unit_of_work():
            return pool.move(shop.company.organization.id, amount, reason=LedgerReason.PURCHASE)


def pool_of(shop: Shop) -> tuple[int, int]:
    """The pool's balance and what was bought in all, paise."""
    [row] = rows(shop.app, "SELECT balance, total_purchased FROM credit_pools WHERE organization_id = :id", id=shop.company.organization.id)
    return tuple(row)


def assert_chained(shop: Shop) -> None:
    """Each row of the ledger follows from the one before, and the pool holds what the last one says."""
    assert shop.count(BROKEN_CHAIN) == 0
    last = "SELECT position, balance_after FROM credit_ledger WHERE organization_id = :id ORDER BY position DESC LIMIT 1"
    held = "SELECT entries, balance FROM credit_pools WHERE organization_id = :id"
    organization_id = shop.company.organization.id
    assert rows(shop.app, held, id=organization_id) == rows(shop.app, last, id=organization_id)


def session_at(shop: Shop, number: int) -> str:
    """Books the number-th of many sessions on the organization, each at its own hour; returns the payment's id."""
    return world.book(shop.company, shop.learner, hours=24 + number).payment_id


def sessions(shop: Shop, number: int) -> list:
    """So many acts that book a session each."""
    return [lambda place=place: session_at(shop, place) for place in range(number)]
