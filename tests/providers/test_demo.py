"""The demo's provider, which it has while the tier is on."""

from datetime import UTC, datetime

from click.testing import CliRunner

from portal import clock
from portal.billing.queries import differences
from tests.support.paying import rows


def test_the_demo_hosts_a_consultant_and_pays_out(tables, app, provider_orgs):
    with app.app_context(), clock.as_of(datetime(2026, 11, 23, 10, tzinfo=UTC)):
        done = CliRunner().invoke(app.cli, ["demo", "load"])
        assert (done.exit_code, "Malabar Coaching: owner@malabar.example" in done.output) == (0, True), done.output
        assert differences() == []
    [(status, reference, amount)] = rows(app, "SELECT status, reference, amount FROM payouts")
    assert (status, reference) == ("COMPLETED", "NEFT-MALABAR-1")
    found = {row.status: row.amount for row in rows(app, "SELECT status, sum(share - reversed_amount) AS amount FROM earnings GROUP BY 1")}
    assert {"READY", "PAID"} <= found.keys()
    assert amount >= 50_000


def test_without_the_tier_the_demo_has_no_provider(tables, app):
    with app.app_context(), clock.as_of(datetime(2026, 11, 23, 10, tzinfo=UTC)):
        done = CliRunner().invoke(app.cli, ["demo", "load"])
    assert (done.exit_code, "Malabar" in done.output) == (0, False), done.output
    assert rows(app, "SELECT count(*) FROM earnings WHERE party = 'ORGANIZATION'")[0][0] == 0
    assert rows(app, "SELECT count(*) FROM earnings WHERE party = 'CONSULTANT'")[0][0] > 0
