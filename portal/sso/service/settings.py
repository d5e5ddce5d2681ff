"""What an organization wants of single sign-on: its domains, enforcement, the role of newcomers."""

from portal import clock, config, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import Conflict
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import Role, default_role
from portal.sso import queries
from portal.sso.models import SsoSettings
from portal.sso.rules.addresses import check_domain
from portal.sso.rules.connections import check_default_role, grantable
from portal.sso.schemas import SsoPatch
from portal.sso.service import domains


def wanted(organization: Organization) -> SsoSettings:
    """What the organization said, or what applies until it says something; the latter isn't stored."""
    found = queries.settings_of(organization.id)
    if found is not None:
        return found
    role = default_role(organization.kind)
    return SsoSettings(organization_id=organization.id, is_enforced=False, default_role=role, changed_at=clock.now())


def change(data: SsoPatch, *, organization: Organization, user: User, actor: Actor) -> SsoSettings:
    """Changes what is named.

    Raises:
        Conflict: ``DOMAIN_ALREADY_CLAIMED``; ``SSO_NOT_READY``: enforcement without a verified domain and a successful test.
        Invalid: A domain or the role isn't possible.
        Forbidden: ``EMAIL_NOT_VERIFIED``: see ``domains.claim``.
    """
    orgs.lock_open(organization.id)
    settings = wanted(organization)
    before = {"enforceSSO": settings.is_enforced, "defaultRoleForAutoJoin": settings.default_role}
    db.session.add(settings)
    if data.allowed_email_domains is not None:
        _set_domains(data.allowed_email_domains, organization=organization, user=user, actor=actor)
    if data.default_role_for_auto_join is not None:
        provider_orgs = config.current().enable_provider_orgs
        settings.default_role = check_default_role(data.default_role_for_auto_join, kind=organization.kind, provider_orgs=provider_orgs)
    if data.enforce_sso is not None:
        settings.is_enforced = data.enforce_sso
    settings.changed_at = clock.now()
    db.session.flush()
    if settings.is_enforced:
        require_ready(organization.id)
    after = {"enforceSSO": settings.is_enforced, "defaultRoleForAutoJoin": settings.default_role}
    if before != after:
        changed = {name for name in before if before[name] != after[name]}
        audit.record(
            actor,
            Action.SSO_SETTINGS_CHANGED,
            orgs.subject(organization),
            organization_id=organization.id,
            before={name: before[name] for name in sorted(changed)},
            after={name: after[name] for name in sorted(changed)},
        )
    return settings


def release_domain(organization: Organization, *, domain_id: str, actor: Actor) -> str:
    """Gives one domain up and returns its name.

    Raises:
        NotFound: ``DOMAIN_NOT_FOUND``.
        Conflict: ``SSO_NOT_READY``: it is the last verified one while sign-ins are enforced.
    """
    orgs.lock_open(organization.id)
    domain = queries.require_domain(organization.id, domain_id=domain_id)
    domains.release(domain, actor=actor)
    require_ready_if_enforced(organization.id)
    return domain.domain


def require_ready_if_enforced(organization_id: str) -> None:
    """Keeps enforcement possible: called after what could take its ground away.

    Raises:
        Conflict: ``SSO_NOT_READY``.
    """
    settings = queries.settings_of(organization_id)
    if settings is not None and settings.is_enforced:
        require_ready(organization_id)


def require_ready(organization_id: str) -> None:
    """Makes sure that people could get in: a verified domain, and a connection that an owner has tested as it is now.

    Raises:
        Conflict: ``SSO_NOT_READY``.
    """
    missing = []
    if not queries.verified_domains(organization_id):
        missing.append("a verified domain")
    if not any(one.is_enabled and one.tested_at is not None for one in queries.connections_of(organization_id)):
        missing.append("a connection that you have tested successfully")
    if missing:
        sentence = f"Requiring single sign-on needs {' and '.join(missing)}. Otherwise nobody could sign in."
        raise Conflict(sentence, code="SSO_NOT_READY", details={"enforce_sso": [sentence]})


def grantable_roles(organization: Organization) -> list[Role]:
    """The roles that people may get by signing in, highest first."""
    return grantable(organization.kind, provider_orgs=config.current().enable_provider_orgs)


def _set_domains(names: list[str], *, organization: Organization, user: User, actor: Actor) -> None:
    chosen = {check_domain(name) for name in names}
    for domain in queries.domains_of(organization.id):
        if domain.domain not in chosen:
            domains.release(domain, actor=actor)
    for name in sorted(chosen):
        domains.claim(name, organization=organization, user=user, actor=actor)
