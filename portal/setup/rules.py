"""The steps of the wizard."""

from enum import StrEnum

from portal.orgs.rules import Kind


class Step(StrEnum):
    """A step; its value is the last part of its URL."""

    INFO = "info"
    BILLING = "billing"
    INVITE = "invite"
    REVIEW = "review"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"info": "Org info", "billing": "Billing & seats", "invite": "Invite team", "review": "Review"}[self.value]


def steps_for(kind: Kind) -> list[Step]:
    """The steps of a kind, in order."""
    return [step for step in Step if step is not Step.BILLING or kind.buys]


def next_step(step: Step, kind: Kind) -> Step:
    """What follows a step; the last one follows itself."""
    steps = steps_for(kind)
    return steps[min(steps.index(step) + 1, len(steps) - 1)]


def missing_steps(steps_done: list[str], kind: Kind) -> list[Step]:
    """What must be saved before a launch; inviting is left to the user."""
    optional = {Step.INVITE, Step.REVIEW}
    return [step for step in steps_for(kind) if step not in optional and step.value not in steps_done]
