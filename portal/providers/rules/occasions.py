"""What the mails about consultants, accounts and payouts say."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Occasion(StrEnum):
    """Why a mail goes out."""

    CONSULTANT_APPLIED = "CONSULTANT_APPLIED"
    CONSULTANT_JOINED = "CONSULTANT_JOINED"
    CONSULTANT_APPROVED = "CONSULTANT_APPROVED"
    CONSULTANT_REJECTED = "CONSULTANT_REJECTED"
    ACCOUNT_CHANGED = "ACCOUNT_CHANGED"
    ACCOUNT_VERIFIED = "ACCOUNT_VERIFIED"
    ACCOUNT_REFUSED = "ACCOUNT_REFUSED"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    PAYOUT_INITIATED = "PAYOUT_INITIATED"
    PAYOUT_COMPLETED = "PAYOUT_COMPLETED"
    PAYOUT_FAILED = "PAYOUT_FAILED"


@dataclass(frozen=True, slots=True)
class Words:
    """A mail's subject, its sentences, and where it leads: the page's last part, and what its link says."""

    subject: str
    sentences: tuple[str, ...]
    page: str
    link: str


_WORDS = {
    Occasion.CONSULTANT_APPLIED: Words(
        "{consultant} wants to join {organization}",
        ("{consultant} has applied to give sessions for {organization}.", "Approve or reject the application on the page of consultants."),
        "/orgs/{slug}/consultants",
        "Open the application",
    ),
    Occasion.CONSULTANT_JOINED: Words(
        "{consultant} has joined {organization}",
        ("{consultant} applied and was approved at once, as your settings say.",),
        "/orgs/{slug}/consultants",
        "Open the consultants",
    ),
    Occasion.CONSULTANT_APPROVED: Words(
        "{organization} has approved you",
        ("You are a consultant of {organization} now. Sessions that are booked from now on are shared out by its rates.",),
        "/orgs/{slug}/home",
        "Open {organization}",
    ),
    Occasion.CONSULTANT_REJECTED: Words(
        "{organization} did not take your application",
        ("{organization} has decided not to go on with your application. Nothing else changes for you.",),
        "/explore/companies",
        "See other companies",
    ),
    Occasion.ACCOUNT_CHANGED: Words(
        "The payout account of {organization} was changed",
        (
            "{actor} entered the account ending in {last_four} ({bank}) for payouts of {organization}.",
            "It must be verified before anything is paid to it. If nobody of you did this, write to the platform's staff at once.",
        ),
        "/orgs/{slug}/payouts",
        "Open the payouts",
    ),
    Occasion.ACCOUNT_VERIFIED: Words(
        "The payout account of {organization} is verified",
        ("Earnings of {organization} can be paid to the account ending in {last_four} ({bank}).",),
        "/orgs/{slug}/payouts",
        "Open the payouts",
    ),
    Occasion.ACCOUNT_REFUSED: Words(
        "The payout account of {organization} was refused",
        ("The account ending in {last_four} ({bank}) couldn't be verified: {reason}", "Check the details and enter them again."),
        "/orgs/{slug}/payouts",
        "Open the payouts",
    ),
    Occasion.ACCOUNT_SUSPENDED: Words(
        "The payout account of {organization} is suspended",
        ("Nothing is paid to the account ending in {last_four} ({bank}) for now: {reason}",),
        "/orgs/{slug}/payouts",
        "Open the payouts",
    ),
    Occasion.PAYOUT_INITIATED: Words(
        "A payout of {amount} to {organization} is being prepared",
        ("{amount} of your earnings go to the account ending in {last_four} ({bank}).", "We write again when the money is on its way."),
        "/orgs/{slug}/payouts",
        "Open the payouts",
    ),
    Occasion.PAYOUT_COMPLETED: Words(
        "{amount} was paid to {organization}",
        ("{amount} was paid to the account ending in {last_four} ({bank}).", "The bank's reference is {reference}."),
        "/orgs/{slug}/payouts",
        "Open the payouts",
    ),
    Occasion.PAYOUT_FAILED: Words(
        "The payout of {amount} to {organization} failed",
        ("The bank didn't pay {amount} to the account ending in {last_four} ({bank}): {reason}", "The platform's staff will try again."),
        "/orgs/{slug}/payouts",
        "Open the payouts",
    ),
}


def words_of(occasion: Occasion, facts: Mapping[str, str]) -> Words:
    """A mail's words with its facts in them."""
    plain = _WORDS[occasion]
    return Words(
        subject=plain.subject.format_map(facts),
        sentences=tuple(sentence.format_map(facts) for sentence in plain.sentences),
        page=plain.page.format_map(facts),
        link=plain.link.format_map(facts),
    )
