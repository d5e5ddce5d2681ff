"""After a restore: do database, files and keys belong together?"""

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from portal import db
from portal.billing.models import CreditNote, Invoice
from portal.gateways import files
from portal.operations.service.rotation import Encrypted, unreadable
from portal.orgs.models import Organization

NAMED = 50
AT_ONCE = 500


def missing_parts(columns: Sequence[Encrypted]) -> list[str]:
    """What is missing, a sentence each: migrations, files that rows name, keys that rows need. Empty when all is there."""
    found = [] if db.is_migrated() else ["The database isn't at the newest migration: run flask db upgrade."]
    found += [f"The file {key} of {what} isn't in FILES_URL." for what, key in _named_files() if not _is_there(key)]
    for column, keys in unreadable(columns).items():
        found.append(f"{column}: {len(keys)} rows can't be read with DATA_ENCRYPTION_KEYS.")
    return found[:NAMED] + ([f"And {len(found) - NAMED} more."] if len(found) > NAMED else [])


def _named_files() -> Iterator[tuple[str, str]]:
    for model, word in ((Invoice, "invoice"), (CreditNote, "credit note")):
        statement = select(model.number, model.file_key).where(model.file_key.is_not(None)).execution_options(yield_per=AT_ONCE)
        for number, key in db.session.execute(statement):
            yield f"{word} {number}", str(key)
    pictures = select(Organization.id, Organization.name, Organization.logo_file, Organization.banner_file)
    for organization_id, name, *names in db.session.execute(pictures):
        for file_name in filter(None, names):
            yield f"the organization {name}", f"organizations/{organization_id}/{file_name}"


def _is_there(key: str) -> bool:
    try:
        return files.store().read(key) is not None
    except OSError:
        return False
