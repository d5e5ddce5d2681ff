"""THE table of encrypted columns: what ``flask keys rotate`` writes anew. A feature that encrypts a column gets its line here."""

from portal.operations.service import Encrypted
from portal.providers.models import PayoutAccount
from portal.providers.service.accounts import about as about_account
from portal.sso.models import Connection
from portal.sso.service.parties import about as about_connection
from portal.web import idempotency
from portal.web.models import IdempotentAnswer

ENCRYPTED: tuple[Encrypted, ...] = (
    Encrypted(IdempotentAnswer.answer, about=idempotency.about),
    Encrypted(PayoutAccount.number_sealed, about=about_account),
    Encrypted(Connection.private_key, about=about_connection),
)
