"""Acts on users: signing up and in, verifying an address, setting a password."""

from datetime import datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import select, update

from portal import clock, config, crypto, db, queue
from portal.accounts import queries
from portal.accounts.models import LoginSession, MailedLink, User
from portal.accounts.rules import SESSION_LASTS, LinkPurpose, PlatformRole, check_password, normalize_email
from portal.accounts.schemas import SignInIn, SignUpIn
from portal.audit import service as audit
from portal.audit.rules import Action, Actor, Via
from portal.errors import Conflict, Gone, NotFound, Unauthenticated
from portal.gateways.mail import Message, deliver
from portal.gateways.rendering import render

_hasher = PasswordHasher()


def actor_of(user: User, *, ip: str | None) -> Actor:
    """A user who acts for themselves."""
    return Actor(user_id=user.id, name=user.name, via=Via.SELF, ip=ip)


def admin_actor_of(user: User, *, ip: str | None) -> Actor:
    """A platform admin who acts for the platform."""
    return Actor(user_id=user.id, name=user.name, via=Via.PLATFORM_ADMIN, ip=ip)


def staff_actor_of(user: User, *, ip: str | None) -> Actor:
    """Somebody of the platform's staff, or a platform admin, who acts for the platform."""
    via = Via.PLATFORM_ADMIN if user.is_platform_admin else Via.PLATFORM_STAFF
    return Actor(user_id=user.id, name=user.name, via=via, ip=ip)


def sign_up(data: SignUpIn, *, ip: str | None) -> User:
    """Makes an account and mails the link that verifies its address.

    Raises:
        Conflict: ``EMAIL_TAKEN``: the address has an account already.
        Invalid: The password is too weak.
    """
    user = _add_user(name=data.name, email=data.email, password=data.password, role=PlatformRole.USER)
    audit.record(actor_of(user, ip=ip), Action.USER_SIGNED_UP, _subject(user), after={"email": user.email})
    _mail_link(user, LinkPurpose.VERIFY_EMAIL)
    return user


def create_user(*, email: str, name: str, password: str | None, role: PlatformRole, actor: Actor) -> User:
    """Makes a user with a verified address, as an operator does on the command line.

    Raises:
        Conflict: ``EMAIL_TAKEN``.
        Invalid: The password is too weak.
    """
    user = _add_user(name=name, email=email, password=password, role=role)
    user.email_verified_at = user.created_at
    audit.record(actor, Action.USER_SIGNED_UP, _subject(user), after={"email": user.email, "platformRole": role})
    return user


def change_platform_role(*, email: str, role: PlatformRole, actor: Actor) -> User:
    """Makes a user STAFF, ADMIN or an ordinary USER.

    Raises:
        NotFound: Nobody has this address.
    """
    user = db.session.scalar(select(User).where(User.email == normalize_email(email)).with_for_update())
    if user is None:
        raise NotFound(f"Nobody has the address {email}.", code="USER_NOT_FOUND")
    before, user.platform_role = user.platform_role, role
    audit.record(actor, Action.PLATFORM_ROLE_CHANGED, _subject(user), before={"platformRole": before}, after={"platformRole": role})
    return user


def sign_in(data: SignInIn) -> User:
    """The user whose address and password these are. Takes as long for an unknown address as for a known one.

    Raises:
        Unauthenticated: ``WRONG_CREDENTIALS``, beside the password.
    """
    user = queries.user_by_email(data.email)
    stored = user.password_hash if user is not None and user.password_hash else _nobodys_hash()
    try:
        _hasher.verify(stored, data.password)
    except VerificationError:
        user = None
    if user is None or user.password_hash is None:
        sentence = "The e-mail address or the password is wrong. Try again, or set a new password."
        raise Unauthenticated(sentence, code="WRONG_CREDENTIALS", details={"password": [sentence]})
    if _hasher.check_needs_rehash(stored):
        user.password_hash = _hasher.hash(data.password)
    return user


def open_session(user: User, *, ip: str | None, user_agent: str | None, until: datetime | None = None) -> str:
    """Opens a sign-in for a browser and returns its token, which only the browser keeps.

    Args:
        user: Who signs in; carries the token and the row's id from now on.
        ip: From where.
        user_agent: With which browser.
        until: When it ends, if that is sooner than usual.
    """
    token = crypto.random_token()
    at = clock.now()
    row = LoginSession(
        user_id=user.id,
        token_hash=crypto.hash_token(token),
        created_at=at,
        expires_at=min(at + SESSION_LASTS, until) if until else at + SESSION_LASTS,
        ip=ip,
        user_agent=(user_agent or "")[:300] or None,
    )
    db.session.add(row)
    db.session.flush()
    user.session_token, user.session_id = token, row.id
    return token


def close_session(token: str) -> None:
    """Ends the sign-in of one browser; harmless when it has ended."""
    statement = (
        update(LoginSession)
        .where(LoginSession.token_hash == crypto.hash_token(token), LoginSession.ended_at.is_(None))
        .values(ended_at=clock.now())
    )
    db.session.execute(statement)


def close_all_sessions(user_id: str) -> None:
    """Signs a user out everywhere."""
    statement = update(LoginSession).where(LoginSession.user_id == user_id, LoginSession.ended_at.is_(None)).values(ended_at=clock.now())
    db.session.execute(statement)


def resend_verification(user: User) -> None:
    """Mails a new link that verifies the user's address.

    Raises:
        Conflict: ``EMAIL_ALREADY_VERIFIED``.
    """
    if user.email_verified_at is not None:
        raise Conflict("Your e-mail address is verified already.", code="EMAIL_ALREADY_VERIFIED")
    _mail_link(user, LinkPurpose.VERIFY_EMAIL)


def verify_email(token: str) -> User:
    """Takes the address of a mailed link as verified.

    Raises:
        NotFound: There is no such link.
        Gone: The link has expired. (Using it a second time is harmless.)
    """
    link = _lock_link(token, LinkPurpose.VERIFY_EMAIL, again=True)
    link.used_at = link.used_at or clock.now()
    link.user.email_verified_at = link.user.email_verified_at or link.used_at
    return link.user


def mark_verified(user: User) -> None:
    """Takes the user's address as verified, because a secret that was mailed there came back."""
    user.email_verified_at = user.email_verified_at or clock.now()


def hand_over(user: User, *, actor: Actor) -> None:
    """Gives an account whose address nobody proved yet to whoever proves it now: whoever made it knows its password."""
    if user.email_verified_at is not None:
        return
    mark_verified(user)
    close_all_sessions(user.id)
    if user.password_hash is not None:
        user.password_hash = None
        audit.record(actor, Action.PASSWORD_CHANGED, _subject(user), after={"password": None})


def rename(user: User, name: str, *, actor: Actor) -> None:
    """Calls a user by another name."""
    before, user.name = user.name, name
    audit.record(actor, Action.USER_RENAMED, _subject(user), before={"name": before}, after={"name": name})


def request_password_reset(email: str) -> None:
    """Mails a link for a new password when the address has an account; says nothing either way."""
    user = queries.user_by_email(email)
    if user is not None:
        _mail_link(user, LinkPurpose.RESET_PASSWORD)


def reset_password(token: str, *, password: str, ip: str | None) -> User:
    """Sets a new password by a mailed link and signs the user out everywhere.

    Raises:
        NotFound: There is no such link.
        Gone: It has expired or was used.
        Invalid: The password is too weak.
    """
    link = _lock_link(token, LinkPurpose.RESET_PASSWORD, again=False)
    user = link.user
    user.password_hash = _hasher.hash(check_password(password, email=user.email))
    link.used_at = clock.now()
    mark_verified(user)
    close_all_sessions(user.id)
    audit.record(actor_of(user, ip=ip), Action.PASSWORD_CHANGED, _subject(user))
    return user


def send_link(link_id: str) -> bool:
    """Sends the mail of a link that is due; returns whether it went out now."""
    link = db.session.scalar(select(MailedLink).where(MailedLink.id == link_id).with_for_update())
    if link is None or link.used_at is not None:
        return False
    user = db.session.get_one(User, link.user_id)
    template, path, subject = {
        LinkPurpose.VERIFY_EMAIL: ("verify_email", "verify", "Confirm your e-mail address"),
        LinkPurpose.RESET_PASSWORD: ("reset_password", "reset", "Set a new password"),
    }[link.purpose]
    url = f"{config.current().base_url}/{path}/{crypto.derive_token(link.purpose, link.id, link.nonce)}"
    context = {"name": user.name, "url": url, "expires_at": link.expires_at, "subject": subject}
    message = Message(
        key=link.id,
        to=[user.email],
        subject=subject,
        text=render(f"email/{template}.txt", **context),
        html=render(f"email/{template}.html", **context),
        at=link.created_at,
    )
    return deliver(link, message)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(crypto.random_token())


def password_hash(password: str) -> str:
    """What is stored of a password (argon2id), for people who are made in bulk."""
    return _hasher.hash(check_password(password, email=""))


def _add_user(*, name: str, email: str, password: str | None, role: PlatformRole) -> User:
    address = normalize_email(email)
    hashed = _hasher.hash(check_password(password, email=address)) if password is not None else None
    user = User(name=name, email=address, password_hash=hashed, platform_role=role, created_at=clock.now())
    sentence = "There is an account with this address already. Sign in, or set a new password."
    with db.refused_by({"uq_users_email": Conflict(sentence, code="EMAIL_TAKEN", details={"email": [sentence]})}):
        db.session.add(user)
    return user


def _mail_link(user: User, purpose: LinkPurpose) -> None:
    at = clock.now()
    link_id, nonce = db.new_id(), crypto.random_token()
    link = MailedLink(
        id=link_id,
        user_id=user.id,
        purpose=purpose,
        nonce=nonce,
        token_hash=crypto.hash_token(crypto.derive_token(purpose, link_id, nonce)),
        created_at=at,
        expires_at=at + purpose.lasts,
    )
    db.session.add(link)
    db.session.flush()
    queue.enqueue("accounts-send-link", link_id)


def usable_link(token: str, purpose: LinkPurpose, *, again: bool = False) -> MailedLink:
    """The link that a token belongs to, while it works.

    Args:
        token: What stands in the URL.
        purpose: What the link is for.
        again: Whether a link that was used already counts, too.

    Raises:
        NotFound: There is no such link.
        Gone: It has expired or was used.
    """
    link = queries.link_by_token(token, purpose)
    if link is None:
        raise NotFound("This link is not one of ours. Copy the whole address from the mail, or ask for a new one.", code="LINK_UNKNOWN")
    if link.used_at is not None and not again:
        raise Gone("This link was used already. Ask for a new one.", code="LINK_USED")
    if link.expires_at <= clock.now() and link.used_at is None:
        raise Gone("This link has expired. Ask for a new one.", code="LINK_EXPIRED")
    return link


def _lock_link(token: str, purpose: LinkPurpose, *, again: bool) -> MailedLink:
    statement = select(MailedLink.id).where(MailedLink.token_hash == crypto.hash_token(token)).with_for_update()
    db.session.execute(statement)
    return usable_link(token, purpose, again=again)


def _subject(user: User) -> audit.Subject:
    return audit.Subject("user", user.id, user.name)
