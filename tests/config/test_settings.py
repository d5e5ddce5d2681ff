"""The settings: a wrong one stops the start with one sentence that names it and shows no secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.config import ConfigurationError, Settings, load_settings

TOP = Path(__file__).resolve().parents[2]
SECRET = "a secret of thirty-two characters or more"
GOOD = {
    "DATABASE_URL": "postgresql://portal:pw@db.internal/portal",
    "REDIS_URL": "redis://cache.internal:6379/0",
    "SECRET_KEY": SECRET,
    "DATA_ENCRYPTION_KEYS": "k2:" + "cd" * 32 + ",k1:" + "AB" * 32,
}
PRODUCTION = GOOD | {
    "PORTAL_ENV": "production",
    "BASE_URL": "https://portal.example.com",
    "PAYMENT_GATEWAY": "razorpay",
    "RAZORPAY_KEY_ID": "rzp_test_1",
    "RAZORPAY_KEY_SECRET": "key secret",
    "RAZORPAY_WEBHOOK_SECRET": "webhook secret",
    "SUPPLIER_GSTIN": "27AAPFU0939F1ZV",
    "SUPPLIER_STATE_CODE": "27",
    "SUPPLIER_PAN": "AAPFU0939F",
    "SUPPLIER_NAME": "Example Forum Private Limited",
    "SUPPLIER_ADDRESS": "1 Marine Drive|Mumbai 400020",
    "SUPPLIER_BANK": "Example Forum Private Limited|A Bank|Account 1|IFSC AAAA0000001",
    "SUPPLIER_UPI_ID": "-",
    "FILES_URL": "s3://bucket/prefix",
    "MAIL_URL": "smtp://mail.internal",
    "MAIL_FROM": "Example <no-reply@example.com>",
}


@pytest.fixture
def environment(monkeypatch):
    """Sets the environment to the good settings with changes; None takes one away."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def change(changes, *, base=GOOD):
        for name, value in (base | changes).items():
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    return change


def refusal(environment, changes, *, base=GOOD) -> str:
    environment(changes, base=base)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    return str(refused.value)


def test_four_settings_are_enough(environment):
    environment({})
    settings = load_settings()
    assert settings.database_url == "postgresql+psycopg://portal:pw@db.internal/portal"
    assert (settings.port, settings.base_url, settings.is_https) == (8000, "http://localhost:8000", False)
    assert (settings.rate_limits, settings.enable_provider_orgs, settings.draft_max_idle_hours) == ("on", False, 24)
    assert (settings.invoice_series, settings.credit_note_series) == ("PF", "PFCN")
    assert settings.mail_location == f"file://{Path('var').resolve()}/mail"
    assert settings.files_location == f"file://{Path('var').resolve()}/files"


def test_an_empty_variable_counts_as_absent(environment):
    environment({"PORT": "", "BASE_URL": "", "MAIL_URL": ""})
    assert load_settings().port == 8000


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_setting_is_named(environment, name, value):
    assert refusal(environment, {name: value}) == f"The setting {name} is missing."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_ENV", "staging"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("BASE_URL", "portal.example.com"),
        ("BASE_URL", "ftp://portal.example.com"),
        ("BASE_URL", "https://portal.example.com/app"),
        ("BASE_URL", "https://"),
        ("BASE_URL", "https://portal.example.com?a=b"),
        ("BASE_URL", "https://portal.example.com#top"),
        ("BASE_URL", "https://user:pw@portal.example.com"),
        ("BASE_URL", "https://portal.example.com:99999"),
        ("BASE_URL", "https://[portal"),
        ("STRIPE_API_BASE", "api.stripe.com"),
        ("RAZORPAY_API_BASE", "https://api.razorpay.com/v1"),
        ("DATABASE_URL", "mysql://portal:pw@db/portal"),
        ("DATABASE_URL", "sqlite:///portal.db"),
        ("DATABASE_URL", "db.internal"),
        ("REDIS_URL", "http://cache.internal"),
        ("REDIS_URL", "cache.internal"),
        ("SECRET_KEY", "short"),
        ("DATA_ENCRYPTION_KEYS", "ab" * 32),
        ("DATA_ENCRYPTION_KEYS", "k1:" + "ab" * 31),
        ("DATA_ENCRYPTION_KEYS", "k1:" + "zz" * 32),
        ("DATA_ENCRYPTION_KEYS", ":" + "ab" * 32),
        ("DATA_ENCRYPTION_KEYS", "k1:" + "ab" * 32 + ","),
        ("DATA_ENCRYPTION_KEYS", "k1:" + "ab" * 32 + ",k1:" + "cd" * 32),
        ("FILES_URL", "/var/files"),
        ("FILES_URL", "ftp://files.internal"),
        ("FILES_URL", "s3:///prefix"),
        ("FILES_URL", "file://elsewhere/files"),
        ("FILES_URL", "s3://key:secret@bucket/prefix"),
        ("MAIL_URL", "mail.internal:25"),
        ("MAIL_URL", "http://mail.internal"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_TIMEOUT_SECONDS", "0"),
        ("PAYMENT_GATEWAY", "paypal"),
        ("ENABLE_PROVIDER_ORGS", "perhaps"),
        ("PAYOUT_GATEWAY", "razorpay"),
        ("RAZORPAYX_ACCOUNT_NUMBER", "my account"),
        ("SUPPLIER_GSTIN", "29AAGCP4321K1Z9"),
        ("SUPPLIER_GSTIN", "nonsense"),
        ("SUPPLIER_STATE_CODE", "99x"),
        ("SUPPLIER_UPI_ID", "nobody"),
        ("INVOICE_SERIES", "toolong"),
        ("INVOICE_SERIES", "pf"),
        ("CREDIT_NOTE_SERIES", "P/N"),
        ("DRAFT_MAX_IDLE_HOURS", "0"),
        ("RATE_LIMITS", "sometimes"),
        ("PROXY_HOPS", "-1"),
        ("PROXY_HOPS", "6"),
        ("METRICS_TOKEN", "too short"),
        ("METRICS_TOKEN", "a token with blanks in it"),
        ("SENTRY_DSN", "sentry.example.com"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence_that_shows_no_secret(environment, name, value):
    sentence = refusal(environment, {name: value})
    assert sentence.startswith(f"The setting {name} can't be used: ")
    assert sentence.endswith(".")
    assert sentence.count("\n") == 0
    assert not sentence.endswith("..")
    if name in {"SECRET_KEY", "DATA_ENCRYPTION_KEYS", "DATABASE_URL"}:
        assert value not in sentence


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"SUPPLIER_STATE_CODE": "27"}, "SUPPLIER_STATE_CODE"),
        ({"INVOICE_SERIES": "PF", "CREDIT_NOTE_SERIES": "PF"}, "CREDIT_NOTE_SERIES"),
        ({"PAYMENT_GATEWAY": "stripe"}, "STRIPE_SECRET_KEY must be set when PAYMENT_GATEWAY is stripe"),
        ({"PAYMENT_GATEWAY": "stripe", "STRIPE_SECRET_KEY": "sk_test_1"}, "STRIPE_WEBHOOK_SECRET"),
        ({"PAYMENT_GATEWAY": "razorpay", "RAZORPAY_KEY_ID": "k"}, "RAZORPAY_KEY_SECRET"),
        ({"PAYMENT_GATEWAY": "razorpay", "RAZORPAY_KEY_ID": "k", "RAZORPAY_KEY_SECRET": "s"}, "RAZORPAY_WEBHOOK_SECRET"),
        ({"PAYOUT_GATEWAY": "razorpayx"}, "RAZORPAYX_KEY_ID must be set when PAYOUT_GATEWAY is razorpayx"),
        ({"PAYOUT_GATEWAY": "razorpayx", "RAZORPAYX_KEY_ID": "k", "RAZORPAYX_KEY_SECRET": "s"}, "RAZORPAYX_ACCOUNT_NUMBER"),
        ({"PAYOUT_GATEWAY": "stripe"}, "STRIPE_SECRET_KEY must be set when PAYOUT_GATEWAY is stripe"),
    ],
)
def test_settings_that_contradict_each_other_are_named(environment, changes, name):
    sentence = refusal(environment, changes)
    assert sentence.startswith("The settings don't fit together: ")
    assert name in sentence


def test_production_takes_what_is_meant_for_it(environment):
    environment({}, base=PRODUCTION)
    settings = load_settings()
    assert settings.is_https
    assert settings.supplier_upi_id == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"BASE_URL": "http://portal.example.com"}, "BASE_URL must begin with https:// in production"),
        ({"BASE_URL": None}, "BASE_URL must begin with https:// in production"),
        ({"PAYMENT_GATEWAY": "sandbox"}, "PAYMENT_GATEWAY must not be sandbox in production"),
        ({"PAYMENT_GATEWAY": None}, "PAYMENT_GATEWAY must not be sandbox in production"),
        ({"STRIPE_API_BASE": "http://localhost:8420"}, "STRIPE_API_BASE must begin with https:// in production"),
        ({"RAZORPAY_API_BASE": "http://localhost:8421"}, "RAZORPAY_API_BASE must begin with https:// in production"),
        ({"CLOCK_FILE": "clock"}, "CLOCK_FILE must not be set in production"),
        ({"RATE_LIMITS": "off"}, "RATE_LIMITS must be on in production"),
        ({"SUPPLIER_GSTIN": None, "SUPPLIER_STATE_CODE": None}, "SUPPLIER_GSTIN must be your own in production"),
        ({"SUPPLIER_PAN": None}, "SUPPLIER_PAN must be characters 3 to 12 of SUPPLIER_GSTIN"),
        ({"FILES_URL": None}, "FILES_URL must be set in production"),
        ({"MAIL_URL": None}, "MAIL_URL must be an smtp:// or smtps:// address in production"),
        ({"MAIL_URL": "file:///srv/mail"}, "MAIL_URL must be an smtp:// or smtps:// address in production"),
        ({"MAIL_FROM": None}, "MAIL_FROM must be your own in production"),
        ({"SUPPLIER_NAME": None}, "SUPPLIER_NAME must be your own in production"),
        ({"SUPPLIER_ADDRESS": None}, "SUPPLIER_ADDRESS must be your own in production"),
        ({"SUPPLIER_UPI_ID": None}, "SUPPLIER_UPI_ID must be your own in production"),
        ({"SUPPLIER_BANK": None}, "SUPPLIER_BANK must be your own in production"),
    ],
)
def test_production_refuses_what_is_meant_for_trying(environment, changes, reason):
    assert refusal(environment, changes, base=PRODUCTION) == f"The settings don't fit together: {reason}."


@pytest.mark.parametrize("name", GOOD)
def test_production_makes_no_secret_of_its_own(environment, name):
    assert refusal(environment, {name: None}, base=PRODUCTION) == f"The setting {name} is missing."


def test_settings_never_change_after_the_start(environment):
    environment({})
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"PORT": "http"}, "The setting PORT can't be used: "),
        ({"SECRET_KEY": ""}, "The setting SECRET_KEY is missing."),
        ({"BASE_URL": "http://portal.example.com"}, "The settings don't fit together: BASE_URL must begin with https:// in production."),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line_and_no_traceback(tmp_path, changes, sentence):
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment = inherited | PRODUCTION | {"PORTAL_HOME": str(tmp_path)} | changes
    command = [sys.executable, "-c", "import wsgi"]
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(sentence)
    assert SECRET not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
