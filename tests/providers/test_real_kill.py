"""The real signal in a real process, in the middle of its call to RazorpayX: the next process looks there first, and money leaves once."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from portal import clock, config, jobs
from portal.billing import queries as billing
from portal.gateways import payouts as gateways
from tests.support.loopback import serving
from tests.support.portal_process import OURS, TOP
from tests.support.vaults import RazorpayXBooks

PAY = """
import sys
from portal import db
from portal.app import create_app
from portal.audit.rules import SYSTEM
from portal.providers.schemas import ProcessIn
from portal.providers.service import transfers

with create_app().app_context(), db.unit_of_work():
    transfers.process(ProcessIn(payout_id=sys.argv[1]), actor=SYSTEM)
"""
KEYS = {"razorpayx_key_id": "rzp_test_1", "razorpayx_key_secret": "s", "razorpayx_account_number": "7878780080316316"}


@pytest.fixture
def ready(house):
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    return house


def standing(house, payout_id) -> str:
    return house.rows("SELECT status FROM payouts WHERE id = :id", id=payout_id)[0][0]


@pytest.mark.parametrize("dies", ["after the money left", "before it left"])
def test_a_killed_process_and_the_next_one_pay_once(ready, servers, settings, tmp_path, dies):
    books = RazorpayXBooks(loses=True)
    deaf = dies == "before it left"
    payout = ready.payout()
    with serving(lambda asked: None if deaf else books.answer(asked)) as server:
        x = {**KEYS, "payout_gateway": "razorpayx", "razorpay_api_base": server.url}
        environment = {name: value for name, value in os.environ.items() if name not in OURS} | {
            "DATABASE_URL": servers["DATABASE_URL"],
            "REDIS_URL": servers["REDIS_URL"],
            "SECRET_KEY": settings.secret_key,
            "DATA_ENCRYPTION_KEYS": settings.data_encryption_keys,
            "PORTAL_HOME": str(tmp_path),
            "ENABLE_PROVIDER_ORGS": "true",
            **{name.upper(): value for name, value in x.items()},
        }
        process = subprocess.Popen([sys.executable, "-c", PAY, payout["id"]], cwd=TOP, env=environment)
        try:
            end = time.monotonic() + 120
            while not server.asked and process.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            assert [asked.method for asked in server.asked] == ["POST"]
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=60)
        assert standing(ready, payout["id"]) == "PROCESSING"
        assert len(books.payouts) == (0 if deaf else 1)
        server.answer, books.loses = books.answer, False
        gateways.connect(settings.model_copy(update=x))
        try:
            with clock.as_of(clock.now() + timedelta(minutes=3)), ready.app.app_context():
                ready.bells.clear()
                jobs.run("sweep")
                assert [bell.ids for bell in ready.bells if bell.name == "providers-send-payout"] == [(payout["id"],)]
                jobs.run("providers-send-payout", payout["id"])
        finally:
            gateways.connect(config.current())
    assert standing(ready, payout["id"]) == "COMPLETED"
    assert [row["amount"] for row in books.payouts.values()] == [100_000]
    with ready.app.app_context():
        assert list(billing.differences()) == []
