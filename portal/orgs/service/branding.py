"""Logo and banner: decoded and encoded anew, kept in the store, named after their content."""

from portal import db
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import NotFound, Unavailable
from portal.gateways import files
from portal.orgs.models import Organization
from portal.orgs.rules.images import Picture, Slot
from portal.orgs.service.organizations import lock_open, subject


def folder(organization_id: str) -> str:
    """The prefix of everything that an organization uploaded."""
    return f"organizations/{organization_id}"


def slot_of(name: str) -> Slot:
    """The picture that a URL names.

    Raises:
        NotFound: There is no such picture.
    """
    if name not in set(Slot):
        raise NotFound("There are two pictures: logo and banner.", code="SLOT_NOT_FOUND")
    return Slot(name)


def place(picture: Picture, *, slot: Slot, organization: Organization, actor: Actor) -> Organization:
    """Puts a picture into its slot; the one before stays in the store.

    A kill after the file was written leaves a file that nobody names; the same upload again finds it there.

    Raises:
        Unavailable: The store can't be written.
        Conflict: The organization is suspended.
    """
    lock_open(organization.id)
    keep(picture, slot=slot, organization_id=organization.id)
    locked = lock_open(organization.id)
    attach(picture.file_name(slot), slot=slot, organization=locked, actor=actor)
    return locked


def keep(picture: Picture, *, slot: Slot, organization_id: str) -> None:
    """Commits, and writes the file with no transaction open.

    Raises:
        Unavailable: The store can't be written.
    """
    with db.outside():
        try:
            files.store().write(f"{folder(organization_id)}/{picture.file_name(slot)}", picture.content)
        except OSError:
            sentence = "The picture can't be kept at the moment, so the old one stays. Try again in a few minutes."
            raise Unavailable(sentence, code="STORE_UNAVAILABLE") from None


def picture_of(organization_id: str, file_name: str) -> bytes | None:
    """An uploaded picture's content, or None when there is none of that name.

    Raises:
        Unavailable: The store can't be read.
    """
    try:
        return files.store().read(f"{folder(organization_id)}/{file_name}")
    except OSError:
        raise Unavailable("The picture can't be read at the moment. Try again in a few minutes.", code="STORE_UNAVAILABLE") from None


def attach(file_name: str | None, *, slot: Slot, organization: Organization, actor: Actor) -> None:
    """Notes which file is in a slot of a locked organization; None empties it."""
    column = f"{slot.value}_file"
    before = getattr(organization, column)
    if before == file_name:
        return
    setattr(organization, column, file_name)
    audit.record(
        actor,
        Action.SETTINGS_CHANGED,
        subject(organization),
        organization_id=organization.id,
        before={column: before},
        after={column: file_name},
    )
    db.session.flush()


def remove(slot: Slot, *, organization: Organization, actor: Actor) -> Organization:
    """Empties a slot; harmless when it is empty."""
    locked = lock_open(organization.id)
    attach(None, slot=slot, organization=locked, actor=actor)
    return locked
