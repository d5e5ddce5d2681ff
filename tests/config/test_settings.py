"""Settings: a wrong one stops the start with one sentence that names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.config import ConfigurationError, load_settings

TOP = Path(__file__).resolve().parents[2]
GOOD = {
    "DATABASE_URL": "postgresql://portal@localhost/portal",
    "REDIS_URL": "redis://localhost:6379/0",
    "SECRET_KEY": "x" * 32,
    "DATA_ENCRYPTION_KEYS": "k1:" + "ab" * 32,
}
PRODUCTION = {
    "PORTAL_ENV": "production",
    "BASE_URL": "https://portal.example.com",
    "PAYMENT_GATEWAY": "stripe",
    "SUPPLIER_GSTIN": "29AABCU9603R1ZJ",
}


@pytest.fixture
def environment(monkeypatch):
    for name in list(os.environ):
        if name in {*GOOD, *PRODUCTION, "PORT", "CLOCK_FILE", "PORTAL_HOME"}:
            monkeypatch.delenv(name)

    def use(**values: str):
        for name, value in {**GOOD, **values}.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return use


def test_the_defaults_are_enough_for_one_machine(environment):
    settings = environment()
    assert settings.database_url == "postgresql+psycopg://portal@localhost/portal"
    assert (settings.base_url, settings.payment_gateway, settings.enable_provider_orgs) == ("http://localhost:8000", "sandbox", False)
    assert settings.mail_location.startswith("file:///")
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://localhost/x"),
        ("DATABASE_URL", ""),
        ("REDIS_URL", "http://localhost"),
        ("SECRET_KEY", "short"),
        ("DATA_ENCRYPTION_KEYS", "k1:abc"),
        ("DATA_ENCRYPTION_KEYS", "ab" * 32),
        ("PORTAL_ENV", "staging"),
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("BASE_URL", "portal.example.com"),
        ("BASE_URL", "https://portal.example.com/app"),
        ("MAIL_URL", "http://mail"),
        ("FILES_URL", "ftp://files"),
        ("PAYMENT_GATEWAY", "cash"),
        ("SUPPLIER_GSTIN", "29AAGCP4321K1ZB"),
        ("SUPPLIER_STATE_CODE", "KA"),
        ("SUPPLIER_STATE_CODE", "33"),
        ("INVOICE_SERIES", "TOOLONG"),
        ("DRAFT_MAX_IDLE_HOURS", "0"),
        ("RATE_LIMITS", "maybe"),
        ("ENABLE_PROVIDER_ORGS", "perhaps"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(environment, name, value):
    with pytest.raises(ConfigurationError) as stopped:
        environment(**{name: value})
    sentence = str(stopped.value)
    assert name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "http://portal.example.com"),
        ("PAYMENT_GATEWAY", "sandbox"),
        ("CLOCK_FILE", "clock"),
        ("RATE_LIMITS", "off"),
        ("SUPPLIER_GSTIN", "29AAGCP4321K1Z8"),
    ],
)
def test_production_refuses_what_is_for_trying_only(environment, name, value):
    assert environment(**PRODUCTION).is_https
    with pytest.raises(ConfigurationError, match=name):
        environment(**{**PRODUCTION, name: value})


def test_the_start_stops_without_a_traceback():
    environment = {**os.environ, **GOOD, "PORTAL_ENV": "development", "BASE_URL": "nonsense"}
    done = subprocess.run([sys.executable, "-c", "import wsgi"], cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "The setting BASE_URL can't be used: it must be an address such as https://portal.example.com, without a path."
    ]
