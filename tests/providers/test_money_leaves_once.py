"""Two batches at once, two processors at once, a process that dies around the transfer: money leaves once."""

from collections import Counter
from datetime import timedelta
from threading import RLock

import pytest

from portal import clock, jobs
from portal.billing import queries as billing
from portal.gateways import payouts as gateways
from portal.gateways.guard import refuse_inside_transaction
from portal.gateways.payouts import (
    GatewayRefused,
    GatewayUnavailable,
    PayoutProvider,
    Transfer,
    TransferState,
    TransferStatus,
)
from tests.support.dying import Seams
from tests.support.hosting import NUMBER
from tests.support.together import at_once


class Vault:
    """A bank with books of its own: one transfer a key, however often it is told."""

    provider = PayoutProvider.RAZORPAYX
    by_hand = False

    def __init__(self) -> None:
        self.transfers: dict[str, Transfer] = {}
        self.calls: Counter = Counter()
        self.becomes = TransferStatus.PAID
        self.is_down = self.loses_answers = False
        self.refuses = ""
        self.reach = lambda _name: None
        self._books = RLock()

    def transfer(self, order: Transfer) -> TransferState:
        self._enter("transfer")
        if self.refuses:
            raise GatewayRefused(self.refuses)
        with self._books:
            self.transfers.setdefault(order.key, order)
        return self._answer("transfer", order.key)

    def state(self, order: Transfer) -> TransferState:
        self._enter("state")
        return self._answer("state", order.key)

    @property
    def paid(self) -> int:
        return sum(order.amount for order in self.transfers.values())

    def _enter(self, call: str) -> None:
        refuse_inside_transaction()
        self.reach(f"before {call}")
        self.calls[call] += 1
        if self.is_down:
            raise GatewayUnavailable("The bank doesn't answer.")

    def _answer(self, call: str, key: str) -> TransferState:
        self.reach(f"after {call}")
        if self.loses_answers:
            raise GatewayUnavailable("The connection broke.")
        if key not in self.transfers:
            return TransferState(TransferStatus.UNKNOWN)
        return TransferState(self.becomes, f"pout_{key[-6:]}", "UTR1" if self.becomes is TransferStatus.PAID else None, "Account closed")


@pytest.fixture
def vault(monkeypatch):
    """The bank that payouts go to during the test."""
    bank, others = Vault(), gateways.by_name
    monkeypatch.setattr(gateways, "current", lambda: bank)
    monkeypatch.setattr(gateways, "by_name", lambda name: bank if name == bank.provider else others(name))
    return bank


@pytest.fixture
def ready(house):
    """A house with ₹1,000 ready and an account that is verified."""
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    return house


def standing(house, payout_id):
    [row] = house.rows("SELECT status, attempts, failure, reference FROM payouts WHERE id = :id", id=payout_id)
    return row


def settle(house, *minutes):
    """The sweeps of some minutes, and what they ring."""
    for minute in minutes or (3, 6, 9):
        with clock.as_of(clock.now() + timedelta(minutes=minute)), house.app.app_context():
            jobs.run("sweep")
        while house.bells:
            bell = house.bells.pop(0)
            with clock.as_of(clock.now() + timedelta(minutes=minute)), house.app.app_context():
                jobs.run(bell.name, *bell.ids)


def assert_whole(house, vault, payouts=1):
    assert len(vault.transfers) == payouts
    assert vault.paid == house.rows("SELECT coalesce(sum(amount), 0) FROM payouts WHERE status = 'COMPLETED'")[0][0]
    with house.app.app_context():
        assert list(billing.differences()) == []


def test_two_batches_at_once_make_one(ready):
    owner = ready.person("owner")
    acts = [lambda: owner.post(f"{ready.url}/payouts", {}) for _each in range(6)]
    answers, _refusals = at_once(ready.app, acts)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"PAYOUT_UNDER_WAY"}
    assert ready.rows("SELECT count(*), sum(amount) FROM payouts")[0] == (1, 100_000)


def test_an_owner_and_the_job_at_once_make_one(ready):
    ready.person("owner").patch(ready.url, {"payoutFrequency": "WEEKLY"})
    later = clock.now() + timedelta(days=8)
    with clock.as_of(later):
        ready.again()
    owner = ready.person("owner")

    def by_owner():
        with clock.as_of(later):
            return owner.post(f"{ready.url}/payouts", {}).status_code

    acts = [by_owner, *(lambda: ready.run("providers-batch-payouts", after=timedelta(days=8)) for _each in range(2))]
    at_once(ready.app, acts)
    assert ready.rows("SELECT count(*), sum(amount) FROM payouts")[0] == (1, 100_000)


def test_two_processors_at_once_send_once(ready, vault):
    payout = ready.payout()
    acts = [lambda: ready.process(payoutId=payout["id"]).status_code for _each in range(4)]
    answers, _refusals = at_once(ready.app, acts)
    assert sorted(answers) == [200, 409, 409, 409]
    assert standing(ready, payout["id"]).status == "COMPLETED"
    assert vault.calls == {"transfer": 1}
    assert [order.key for order in vault.transfers.values()] == [f"org-payout-{payout['id']}"]
    assert_whole(ready, vault)


def test_all_that_wait_are_taken_up_once_and_sent_by_jobs(ready, vault):
    payout = ready.payout()
    acts = [lambda: ready.process().json["processed"] for _each in range(4)]
    answers, _refusals = at_once(ready.app, acts)
    assert sorted(len(answer) for answer in answers) == [0, 0, 0, 1]
    settle(ready)
    assert standing(ready, payout["id"]).status == "COMPLETED"
    assert_whole(ready, vault)


def test_a_process_killed_anywhere_around_the_transfer_pays_once(ready, vault, monkeypatch):
    seams = Seams(monkeypatch)
    vault.reach = seams.reach
    number, killed, payouts = 0, True, 0
    while killed:
        number += 1
        payout = ready.payout()
        payouts += 1

        def act(payout=payout):
            with ready.app.app_context():
                return ready.process(payoutId=payout["id"])

        killed = seams.dies(act, at=number)
        ready.bells.clear()
        if standing(ready, payout["id"]).status == "PENDING":
            ready.process(payoutId=payout["id"])
        settle(ready)
        assert standing(ready, payout["id"]).status == "COMPLETED", seams.passed
        assert_whole(ready, vault, payouts)
        ready.earned(2_000_000, on=ready.buyer())
        ready.release()
    assert {"before a commit", "after a commit", "before transfer", "after transfer"} <= set(seams.passed)


def test_an_answer_that_was_lost_is_asked_for_and_not_sent_again(ready, vault):
    payout = ready.payout()
    vault.loses_answers = True
    answer = ready.process(payoutId=payout["id"])
    assert answer.json["processed"][0]["status"] == "PROCESSING"
    account = ready.person("owner").delete(f"{ready.url}/payout-account")
    assert (account.status_code, account.json["code"]) == (409, "PAYOUT_UNDER_WAY")
    by_hand = ready.process(payoutId=payout["id"], reference="UTR9")
    assert (by_hand.status_code, by_hand.json["code"]) == (409, "PAYOUT_CLAIMED")
    settle(ready, 3)
    assert standing(ready, payout["id"]).status == "PROCESSING"
    vault.loses_answers = False
    settle(ready, 10)
    assert standing(ready, payout["id"]).status == "COMPLETED"
    assert vault.calls["transfer"] == 1
    assert_whole(ready, vault)


def test_a_bank_that_was_down_is_told_once_it_answers(ready, vault):
    payout = ready.payout()
    vault.is_down = True
    ready.process(payoutId=payout["id"])
    settle(ready, 3)
    assert vault.transfers == {}
    vault.is_down = False
    settle(ready, 10)
    assert standing(ready, payout["id"]).status == "COMPLETED"
    assert_whole(ready, vault)


def test_on_its_way_stays_so_until_the_bank_says_more(ready, vault):
    payout = ready.payout()
    vault.becomes = TransferStatus.PENDING
    ready.process(payoutId=payout["id"])
    settle(ready, 3, 6)
    assert standing(ready, payout["id"]).status == "PROCESSING"
    vault.becomes = TransferStatus.PAID
    settle(ready, 9, 12)
    assert (standing(ready, payout["id"]).status, vault.calls["transfer"]) == ("COMPLETED", 1)


@pytest.mark.parametrize("how", ["refused", "failed afterwards"])
def test_a_definite_no_fails_it_and_a_new_attempt_has_a_new_key(ready, vault, how):
    payout = ready.payout()
    if how == "refused":
        vault.refuses = "The IFSC is unknown."
    else:
        vault.becomes = TransferStatus.FAILED
    answer = ready.process(payoutId=payout["id"])
    assert answer.json["processed"][0]["status"] == "FAILED"
    assert standing(ready, payout["id"]).failure == ("The IFSC is unknown." if how == "refused" else "Account closed")
    assert ready.rows("SELECT count(*) FROM earnings WHERE status = 'READY' AND party = 'ORGANIZATION'")[0][0] == 1
    vault.transfers.clear()
    vault.refuses, vault.becomes = "", TransferStatus.PAID
    assert ready.process(payoutId=payout["id"]).json["processed"][0]["status"] == "COMPLETED"
    assert list(vault.transfers) == [f"org-payout-{payout['id']}-2"]
    occasions = [row.occasion for row in ready.rows("SELECT occasion FROM provider_mails WHERE occasion LIKE 'PAYOUT%' ORDER BY id")]
    assert occasions == ["PAYOUT_INITIATED", "PAYOUT_FAILED", "PAYOUT_COMPLETED"]
    assert_whole(ready, vault)


def test_a_providers_words_never_show_the_number(ready, vault, capsys):
    payout = ready.payout()
    vault.refuses = f"The account {NUMBER} is closed."
    answer = ready.process(payoutId=payout["id"])
    assert answer.json["processed"][0]["failure"] == "The account …6789 is closed."
    kept = str(ready.rows("SELECT * FROM payouts")) + str(ready.rows("SELECT before, after FROM audit_rows"))
    said = capsys.readouterr()
    assert NUMBER not in kept + str(ready.rows("SELECT facts FROM provider_mails")) + said.out + said.err


def test_a_refund_and_a_batch_at_once_lose_nothing(ready):
    [payment] = ready.rows("SELECT id::text FROM payments")[0]
    owner = ready.person("owner")
    acts = [lambda: owner.post(f"{ready.url}/payouts", {}).status_code, lambda: ready.refund(payment, 400_000).status_code]
    at_once(ready.app, acts)
    with ready.app.app_context():
        assert list(billing.differences()) == []
    [(share, taken, settled, due)] = ready.rows(
        "SELECT share, reversed_amount, settled_amount, due_amount FROM earnings WHERE party = 'ORGANIZATION'"
    )
    assert share - taken - settled == due
    assert due >= 0


def test_a_suspended_organization_is_not_paid(ready, vault):
    payout = ready.payout()
    ready.person("admin").post(f"/api/admin/organizations/{ready.id}/verify", {"action": "SUSPEND"})
    one = ready.process(payoutId=payout["id"])
    assert (one.status_code, one.json["code"]) == (409, "ORGANIZATION_NOT_ACTIVE")
    every = ready.process()
    assert [(row["payoutId"], row["code"]) for row in every.json["failed"]] == [(payout["id"], "ORGANIZATION_NOT_ACTIVE")]
    assert vault.calls == {}
    assert standing(ready, payout["id"]).status == "PENDING"


def test_a_closed_organization_gets_what_was_begun_before_its_end(ready, vault):
    payout = ready.payout()
    assert ready.person("owner").delete(ready.url).status_code == 200
    assert ready.process(payoutId=payout["id"]).json["processed"][0]["status"] == "COMPLETED"
    assert_whole(ready, vault)
