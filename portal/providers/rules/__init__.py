"""Providers' decisions and sums: values in, values out."""

from portal.providers.rules.accounts import AccountAction, AccountStatus, check_bank, cools_off_at, decide_account, last_four
from portal.providers.rules.payouts import (
    LEAST_PAYOUT,
    PayoutStatus,
    Totals,
    check_due,
    next_period,
    period_start,
    transfer_key,
)
from portal.providers.rules.split import TWO_WAY, EarningStatus, Party, Share, Terms, hold_for, reversed_so_far, shares_of, three_way

__all__ = [
    "LEAST_PAYOUT",
    "TWO_WAY",
    "AccountAction",
    "AccountStatus",
    "EarningStatus",
    "Party",
    "PayoutStatus",
    "Share",
    "Terms",
    "Totals",
    "check_bank",
    "check_due",
    "cools_off_at",
    "decide_account",
    "hold_for",
    "last_four",
    "next_period",
    "period_start",
    "reversed_so_far",
    "shares_of",
    "three_way",
    "transfer_key",
]
