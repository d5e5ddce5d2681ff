"""Puts the portal together; no logic."""

from pathlib import Path

from flask import Flask
from flask_login import LoginManager

from portal import clock, config, crypto, db, jobs
from portal.accounts.queries import user_of_session
from portal.accounts.rules import SESSION_LASTS
from portal.cli import register_commands
from portal.features import BLUEPRINTS
from portal.gateways import dns, files, mail, payments, payouts
from portal.home.views import shell
from portal.operations.service.logs import configure_logging, watch_errors
from portal.orgs.queries import tokens
from portal.orgs.service.tokens import note_use
from portal.web import bearer, errors, filters, forms, security, templates, tracing, transactions

TOP = Path(__file__).resolve().parent.parent


def create_app(settings: config.Settings | None = None) -> Flask:
    """The WSGI application.

    Args:
        settings: The settings; read from the environment when they aren't given.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    settings = settings or config.load_settings()
    config.use(settings)
    crypto.use_secret(settings.secret_key)
    crypto.use_keys(settings.data_encryption_keys)
    clock.read_from(settings.clock_file)
    configure_logging(settings, who_asks=tracing.who_asks)
    watch_errors(settings)
    app = Flask("portal", root_path=str(TOP), template_folder="templates", static_folder="static")
    app.config.update(MIGRATIONS=TOP / "migrations", PERMANENT_SESSION_LIFETIME=SESSION_LASTS, MAX_CONTENT_LENGTH=8 * 1024 * 1024)
    app.json = forms.Json(app)
    db.init_app(app, database_url=settings.database_url)
    jobs.init_queue(settings.redis_url)
    mail.connect(settings.mail_location, sender=settings.mail_from, timeout_seconds=settings.mail_timeout_seconds)
    files.connect(settings.files_location, endpoint_url=settings.files_endpoint_url)
    payments.connect(settings)
    payouts.connect(settings)
    dns.connect()
    tracing.init_app(app)
    transactions.begin_first(app)
    bearer.init_app(app, find=tokens.bearer_of, used=note_use)
    security.init_app(app, settings)
    errors.init_app(app)
    filters.init_app(app)
    templates.init_app(app, settings, shell=shell)
    transactions.end_first(app)
    login = LoginManager(app)
    login.session_protection = None
    login.user_loader(user_of_session)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    register_commands(app)
    return app
