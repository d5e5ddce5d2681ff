"""The settings: read from the environment once, checked, frozen.

A bad value stops the start with one sentence that names it (``ConfigurationError``).
"""

from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from portal import india
from portal.errors import Invalid

DEFAULT_SUPPLIER_GSTIN = "29AAGCP4321K1Z8"
_KEY_HEX_LENGTH = 64
_SHORTEST_TOKEN = 16
NONE = "-"
"""What a setting says that has a default and is to be empty: an empty variable counts as absent."""

_OWN = ("supplier_name", "supplier_address", "supplier_bank", "supplier_upi_id", "mail_from")
_GATEWAY_KEYS = {
    "stripe": ("stripe_secret_key", "stripe_webhook_secret"),
    "razorpay": ("razorpay_key_id", "razorpay_key_secret", "razorpay_webhook_secret"),
}
_PAYOUT_KEYS = {
    "razorpayx": ("razorpayx_key_id", "razorpayx_key_secret", "razorpayx_account_number"),
    "stripe": ("stripe_secret_key",),
}


class ConfigurationError(Exception):
    """A setting can't be used; the message is one sentence that names it."""


class Settings(BaseSettings):
    """Everything that an operator can set, with its default (``spec/cli.md``)."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    portal_env: Literal["development", "production"] = "development"
    portal_home: Path = Path("./var")
    port: int = Field(default=8000, ge=1, le=65535)
    base_url: str = "http://localhost:8000"
    database_url: str
    redis_url: str
    secret_key: str = Field(min_length=32)
    data_encryption_keys: str
    files_url: str = ""
    files_endpoint_url: str = ""
    mail_url: str = ""
    mail_from: str = "Portal <no-reply@portal.example>"
    mail_timeout_seconds: int = Field(default=20, ge=1)
    payment_gateway: Literal["sandbox", "stripe", "razorpay"] = "sandbox"
    stripe_secret_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_api_base: str = "https://api.stripe.com"
    razorpay_key_id: str = ""
    razorpay_key_secret: str = ""
    razorpay_webhook_secret: str = ""
    razorpay_api_base: str = "https://api.razorpay.com"
    payout_gateway: Literal["manual", "razorpayx", "stripe"] = "manual"
    razorpayx_key_id: str = ""
    razorpayx_key_secret: str = ""
    razorpayx_account_number: str = Field(default="", pattern=r"^[0-9]{0,20}$")
    enable_provider_orgs: bool = False
    supplier_name: str = "Prism Forum Private Limited"
    supplier_address: Annotated[tuple[str, ...], NoDecode] = ("4th Floor, 12 Residency Road", "Bengaluru 560025", "Karnataka, India")
    supplier_gstin: str = DEFAULT_SUPPLIER_GSTIN
    supplier_state_code: str = "29"
    supplier_pan: str = "AAGCP4321K"
    supplier_upi_id: str = "prismforum@upi"
    supplier_bank: Annotated[tuple[str, ...], NoDecode] = (
        "Prism Forum Private Limited",
        "Example Bank, Residency Road",
        "Account 000123456789",
        "IFSC EXMP0000001",
    )
    supplier_lut: str = ""
    invoice_series: str = Field(default="PF", pattern=r"^[A-Z0-9]{1,4}$")
    credit_note_series: str = Field(default="PFCN", pattern=r"^[A-Z0-9]{1,4}$")
    reminder_days: Annotated[tuple[int, ...], NoDecode] = (-7, 0, 7, 14, 30)
    draft_max_idle_hours: int = Field(default=24, ge=1)
    clock_file: Path | None = None
    rate_limits: Literal["on", "off"] = "on"
    sso_allow_local_metadata: bool = False
    proxy_hops: int = Field(default=0, ge=0, le=5)
    metrics_token: str = ""
    sentry_dsn: str = ""

    @field_validator("supplier_address", "supplier_bank", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split("|")) if isinstance(value, str) else value

    @field_validator("reminder_days", mode="before")
    @classmethod
    def _days(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(sorted({int(part) for part in value.split(",") if part.strip()}))
        except ValueError:
            raise ValueError("it must be days after the due date such as -7,0,7,14,30, or empty for no reminders") from None

    @field_validator("supplier_upi_id")
    @classmethod
    def _upi(cls, value: str) -> str:
        if value == NONE:
            return ""
        if "@" not in value.strip("@"):
            raise ValueError(f"it must be an id such as name@bank, or {NONE} for none")
        return value

    @field_validator("database_url")
    @classmethod
    def _psycopg(cls, value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if scheme not in {"postgres", "postgresql", "postgresql+psycopg"} or not separator:
            raise ValueError("it must be a PostgreSQL address such as postgresql://user:password@host/name")
        return f"postgresql+psycopg://{rest}"

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("it must be a Redis or Valkey address such as redis://host:6379/0")
        return value

    @field_validator("base_url", "stripe_api_base", "razorpay_api_base")
    @classmethod
    def _base_url(cls, value: str) -> str:
        parts = urlsplit(value)
        try:
            plain = not (parts.username or parts.query or parts.fragment) and (parts.port is None or parts.port > 0)
        except ValueError:  # a port that no network has
            plain = False
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or not plain:
            raise ValueError("it must be an address such as https://portal.example.com, without a path")
        return value.rstrip("/")

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        _name, address = parseaddr(value)
        if "@" not in address.strip("@") or not value.isprintable():
            raise ValueError("it must be an address such as Portal <no-reply@portal.example.com>")
        return value

    @field_validator("mail_url")
    @classmethod
    def _mail(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in {"file", "smtp", "smtps"}:
            raise ValueError("it must begin with file://, smtp:// or smtps://")
        return value

    @field_validator("files_url")
    @classmethod
    def _files(cls, value: str) -> str:
        parts = urlsplit(value)
        is_folder = parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/")
        is_bucket = parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc
        if value and (parts.query or parts.fragment or not (is_folder or is_bucket)):
            raise ValueError("it must be an address such as file:///srv/portal/files or s3://bucket/prefix")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _token(cls, value: str) -> str:
        if value and (len(value) < _SHORTEST_TOKEN or not value.isascii() or not value.isprintable() or " " in value):
            raise ValueError(f"it must be {_SHORTEST_TOKEN} or more visible ASCII characters, or empty for no figures")
        return value

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in {"http", "https"} and parts.username and parts.hostname and parts.path.strip("/").isdecimal()):
            raise ValueError("it must be a DSN such as https://key@sentry.example.com/1, or empty")
        return value

    @field_validator("data_encryption_keys")
    @classmethod
    def _keys(cls, value: str) -> str:
        pairs = [pair.strip().partition(":") for pair in value.split(",")]
        if len({key_id for key_id, _separator, _key in pairs}) < len(pairs):
            raise ValueError("each of its keys must have an id of its own")
        for key_id, _separator, key in pairs:
            if not key_id or len(key) != _KEY_HEX_LENGTH or set(key.lower()) - set("0123456789abcdef"):
                raise ValueError("it must be pairs of id:hex with 64 hexadecimal digits each, separated by commas")
        return value

    @field_validator("supplier_gstin")
    @classmethod
    def _gstin(cls, value: str) -> str:
        try:
            return india.check_gstin(value)
        except Invalid as error:
            raise ValueError(error.message) from error

    @field_validator("supplier_state_code")
    @classmethod
    def _state(cls, value: str) -> str:
        if value not in india.STATES:
            raise ValueError("it must be one of India's two-digit GST state codes")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.supplier_gstin[:2] != self.supplier_state_code:
            raise ValueError("SUPPLIER_STATE_CODE must equal the first two digits of SUPPLIER_GSTIN")
        if self.invoice_series == self.credit_note_series:
            raise ValueError("CREDIT_NOTE_SERIES must differ from INVOICE_SERIES, or two documents would have one number")
        for name in _GATEWAY_KEYS.get(self.payment_gateway, ()):
            if not getattr(self, name):
                raise ValueError(f"{name.upper()} must be set when PAYMENT_GATEWAY is {self.payment_gateway}")
        for name in _PAYOUT_KEYS.get(self.payout_gateway, ()):
            if not getattr(self, name):
                raise ValueError(f"{name.upper()} must be set when PAYOUT_GATEWAY is {self.payout_gateway}")
        if self.portal_env == "production":
            self._refuse_in_production()
        return self

    def _refuse_in_production(self) -> None:
        refused = {
            "BASE_URL must begin with https:// in production": not self.base_url.startswith("https://"),
            "PAYMENT_GATEWAY must not be sandbox in production": self.payment_gateway == "sandbox",
            "STRIPE_API_BASE must begin with https:// in production": not self.stripe_api_base.startswith("https://"),
            "RAZORPAY_API_BASE must begin with https:// in production": not self.razorpay_api_base.startswith("https://"),
            "CLOCK_FILE must not be set in production": self.clock_file is not None,
            "RATE_LIMITS must be on in production": self.rate_limits == "off",
            "SSO_ALLOW_LOCAL_METADATA must be off in production": self.sso_allow_local_metadata,
            "SUPPLIER_GSTIN must be your own in production": self.supplier_gstin == DEFAULT_SUPPLIER_GSTIN,
            "SUPPLIER_PAN must be characters 3 to 12 of SUPPLIER_GSTIN": self.supplier_pan != self.supplier_gstin[2:12],
            "FILES_URL must be set in production": not self.files_url,
            "MAIL_URL must be an smtp:// or smtps:// address in production": urlsplit(self.mail_url).scheme not in {"smtp", "smtps"},
            **{f"{name.upper()} must be your own in production": self._is_made_up(name) for name in _OWN},
        }
        for sentence, broken in refused.items():
            if broken:
                raise ValueError(sentence)

    def _is_made_up(self, name: str) -> bool:
        """Whether a setting still says what is printed on documents of a supplier who doesn't exist."""
        return bool(getattr(self, name) == type(self).model_fields[name].default)

    @cached_property
    def files_location(self) -> str:
        """Where files are kept: ``FILES_URL`` or a folder under ``PORTAL_HOME``."""
        return self.files_url or (self.portal_home.resolve() / "files").as_uri()

    @cached_property
    def mail_location(self) -> str:
        """Where mail goes: ``MAIL_URL`` or a folder of .eml files under ``PORTAL_HOME``."""
        return self.mail_url or f"file://{self.portal_home.resolve() / 'mail'}"

    @property
    def is_https(self) -> bool:
        """Whether browsers reach us by https, so that cookies must be Secure."""
        return self.base_url.startswith("https://")


def load_settings() -> Settings:
    """Reads the environment.

    Raises:
        ConfigurationError: The first setting that is missing or wrong, in one sentence.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else ""
        reason = str(first["msg"]).removeprefix("Value error, ").removesuffix(".")
        if first["type"] == "missing":
            sentence = f"The setting {name} is missing."
        elif name:
            sentence = f"The setting {name} can't be used: {reason[:1].lower()}{reason[1:]}."
        else:
            sentence = f"The settings don't fit together: {reason}."
        raise ConfigurationError(sentence) from None


_current: list[Settings] = []


def use(settings: Settings) -> None:
    """Makes these the settings of this process, once at start."""
    _current[:] = [settings]


def current() -> Settings:
    """The settings of this process."""
    return _current[0]
