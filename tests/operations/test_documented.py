"""What the operators' pages say is so: figures and alarms, units, settings; and the figures of several web processes add up."""

import re
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from portal import jobs
from portal.config import Settings
from portal.operations import queries
from tests.support.portal_process import TOP, PortalProcess

METRICS_TOKEN = "0123456789abcdef-metrics"
ASKED = 24


def page(name: str) -> str:
    return (TOP / "docs" / name).read_text()


def test_two_web_processes_tell_one_sum_and_every_documented_figure(tmp_path):
    portal = PortalProcess(tmp_path)
    portal.environment |= {"METRICS_TOKEN": METRICS_TOKEN, "WEB_WORKERS": "2"}
    portal.start()
    try:
        for _ in range(ASKED):
            assert portal.get("/signin")[0] == 200
        portal.flask("jobs", "run", "billing-reconcile", "--wait")
        told = [scraped(portal) for _ in range(4)]
        key = ("portal_requests_total", *sorted(("/signin", "200", "GET")))
        counted = [found[key] for found in told]
        assert counted == [ASKED] * 4, "whichever process answers tells what all have counted"
        names = {name for name, *_labels in told[-1]} | {re.sub("_(total|bucket|count|sum)$", "", name) for name, *_labels in told[-1]}
        documented = set(re.findall(r"portal_[a-z_]+", page("monitoring.md"))) - {"portal_readyz"}
        assert {name for name in documented if not any(known.startswith(name) for known in names)} == set()
        kinds = set(re.findall(r'kind=~?"([^"]+)"', page("monitoring.md")))
        known = {kind.name for kind in queries.OUTBOX}
        assert [pattern for pattern in kinds if not any(re.fullmatch(pattern, name) for name in known)] == []
    finally:
        status = portal.stop()
    assert status == 0


def scraped(portal: PortalProcess) -> dict[tuple[str, ...], float]:
    time.sleep(0.1)
    text = portal.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})[1]
    families = text_string_to_metric_families(text)
    return {(each.name, *sorted(each.labels.values())): each.value for family in families for each in family.samples}


def test_the_units_start_what_the_procfile_starts():
    started = {line.partition("exec ")[2] for line in (TOP / "Procfile").read_text().splitlines()}
    units = [path.read_text() for path in sorted((TOP / "docs" / "systemd").glob("*.service"))]
    commands = {command for unit in units for command in re.findall(r"^ExecStart=/srv/portal/\.venv/bin/(.*)$", unit, flags=re.MULTILINE)}
    assert commands == started
    assert all("Restart=always" in unit for unit in units)


def test_every_setting_is_documented():
    text = page("operations.md")
    supplier = {f"SUPPLIER_{name}" for name in re.findall(r"`NAME ADDRESS [A-Z_ ]+`", text)[0].strip("`").split()}
    missing = [name.upper() for name in Settings.model_fields if f"`{name.upper()}" not in text and name.upper() not in supplier]
    assert missing == []


def test_the_jobs_that_pages_name_exist():
    known = set(jobs.JOBS)
    for name in ("operations.md", "monitoring.md", "deploying.md", "finance.md"):
        named = set(re.findall(r"\b(?:billing|bookings|setup|invites|accounts|orgs|sandbox)-[a-z-]+\b", page(name)))
        assert named <= known, name


def test_every_page_that_a_page_leads_to_exists():
    for path in (TOP / "README.md", *(TOP / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} leads to {target}"
    assert Path(TOP / "docs" / "pictures" / "billing.png").stat().st_size < 150_000
