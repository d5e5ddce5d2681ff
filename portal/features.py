"""THE list of features: their blueprints, in the order in which they are registered."""

from flask import Blueprint

from portal.billing import api as billing_api
from portal.billing.views import admin as billing_admin_views
from portal.billing.views import archives as archives_views
from portal.billing.views import credits as credits_views
from portal.billing.views import documents as billing_views
from portal.billing.views import refunds as refunds_views
from portal.billing.views import statement as statement_views
from portal.bookings import api as bookings_api
from portal.bookings import views as bookings_views
from portal.home import api as home_api
from portal.home import views as home_views
from portal.invites import api as invites_api
from portal.invites.views import invitations
from portal.operations.views import health
from portal.operations.views import jobs as jobs_views
from portal.orgs import api as orgs_api
from portal.orgs.views import audit_log, media, members, settings, tokens, verification
from portal.providers.api import consultants as providers_api
from portal.providers.api import payouts as payouts_api
from portal.providers.views import admin as payouts_admin_views
from portal.providers.views import consultants as providers_views
from portal.providers.views import explore as explore_views
from portal.providers.views import payouts as payouts_views
from portal.providers.views import roster as roster_views
from portal.sandbox import views as sandbox_views
from portal.setup import views as setup_views
from portal.signin import api as signin_api
from portal.signin import views as signin_views
from portal.sso import api as sso_api
from portal.sso.views import claims as sso_claims
from portal.sso.views import saml
from portal.sso.views import settings as sso_settings
from portal.web import openapi

BLUEPRINTS: tuple[Blueprint, ...] = (
    health.bp,
    signin_views.bp,
    signin_api.bp,
    home_views.bp,
    home_api.bp,
    setup_views.bp,
    members.bp,
    settings.bp,
    tokens.bp,
    audit_log.bp,
    verification.bp,
    media.bp,
    orgs_api.bp,
    invitations.bp,
    invites_api.bp,
    providers_views.bp,
    roster_views.bp,
    payouts_views.bp,
    explore_views.bp,
    payouts_admin_views.bp,
    providers_api.bp,
    payouts_api.bp,
    bookings_views.bp,
    bookings_api.bp,
    billing_views.bp,
    archives_views.bp,
    statement_views.bp,
    billing_admin_views.bp,
    credits_views.bp,
    refunds_views.bp,
    billing_api.bp,
    billing_api.admin_bp,
    billing_api.credits_bp,
    billing_api.payments_bp,
    billing_api.webhooks_bp,
    saml.bp,
    sso_settings.bp,
    sso_claims.bp,
    sso_api.bp,
    sso_api.admin_bp,
    jobs_views.bp,
    sandbox_views.bp,
    openapi.bp,
)
