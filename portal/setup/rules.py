"""The steps of the wizard."""

from enum import StrEnum

from portal.orgs.rules import Kind


class Step(StrEnum):
    """A step; its value is the last part of its URL."""

    INFO = "info"
    BILLING = "billing"
    RATES = "rates"
    BRANDING = "branding"
    INVITE = "invite"
    REVIEW = "review"

    @property
    def label(self) -> str:
        """The plain name."""
        return {
            "info": "Org info",
            "billing": "Billing & seats",
            "rates": "Revenue rates",
            "branding": "Branding",
            "invite": "Invite team",
            "review": "Review",
        }[self.value]


def steps_for(kind: Kind) -> list[Step]:
    """The steps of a kind, in order."""
    left_out = {Step.BILLING: not kind.buys, Step.RATES: not kind.provides}
    return [step for step in Step if not left_out.get(step, False)]


def next_step(step: Step, kind: Kind) -> Step:
    """What follows a step; the last one follows itself."""
    steps = steps_for(kind)
    return steps[min(steps.index(step) + 1, len(steps) - 1)]


def missing_steps(steps_done: list[str], kind: Kind) -> list[Step]:
    """What must be saved before a launch; branding and inviting are left to the user."""
    optional = {Step.BRANDING, Step.INVITE, Step.REVIEW}
    return [step for step in steps_for(kind) if step not in optional and step.value not in steps_done]
