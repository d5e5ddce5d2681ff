"""THE table of encrypted columns: what ``flask keys rotate`` writes anew. A feature that encrypts a column gets its line here."""

from portal.operations.service import Encrypted
from portal.web import idempotency
from portal.web.models import IdempotentAnswer

ENCRYPTED: tuple[Encrypted, ...] = (Encrypted(IdempotentAnswer.answer, about=idempotency.about),)
