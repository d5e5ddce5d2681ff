"""Providers' tables."""

from portal.providers.models.consultants import Consultant
from portal.providers.models.earnings import Earning, EarningReversal
from portal.providers.models.mails import ProviderMail
from portal.providers.models.payouts import Payout, PayoutAccount, PayoutLine

__all__ = ["Consultant", "Earning", "EarningReversal", "Payout", "PayoutAccount", "PayoutLine", "ProviderMail"]
