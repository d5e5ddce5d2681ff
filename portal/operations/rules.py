"""When a job is due, how its last run went, and how old something is."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from crontab import CronTab


class Outcome(StrEnum):
    """How the newest run of a job stands."""

    NEVER = "NEVER"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def label(self) -> str:
        """The outcome in words."""
        words = {"NEVER": "Not yet", "RUNNING": "Running", "DONE": "Done", "FAILED": "Failed", "STOPPED": "Stopped before its end"}
        return words[self.value]

    @property
    def tone(self) -> str:
        """The colour of its pill."""
        return {"NEVER": "mute", "RUNNING": "info", "DONE": "good", "FAILED": "bad", "STOPPED": "bad"}[self.value]


def next_run(cron: str, *, after: datetime) -> datetime:
    """When a cron line (UTC) is due next; the answer is UTC, a whole minute."""
    due: datetime = CronTab(cron).next(now=after.astimezone(UTC).replace(tzinfo=None), default_utc=True, return_datetime=True)
    return due.replace(tzinfo=UTC)


def outcome(*, started: datetime, finished: datetime | None, error: str | None, timeout: int, now: datetime) -> Outcome:
    """How a run went. One that hasn't noted its end and must be over by its time limit (seconds) was killed."""
    if finished is None:
        return Outcome.RUNNING if now < started + timedelta(seconds=timeout + 60) else Outcome.STOPPED
    return Outcome.FAILED if error else Outcome.DONE


def age_seconds(since: datetime | None, *, now: datetime) -> float:
    """How long ago something was; 0 when there is nothing, or when it is still to come."""
    return max((now - since).total_seconds(), 0) if since is not None else 0


def summary_words(summary: Mapping[str, object] | None) -> str:
    """What a job said, in one line: figures as they are, lists by their length. Its name and its hour stand elsewhere."""
    said = {name: value for name, value in (summary or {}).items() if name not in {"job", "asOf"}}
    return ", ".join(f"{_words(name)}: {_short(value)}" for name, value in said.items())


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_|-", " ", name).lower()


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{number} {_words(str(name))}" for name, number in value.items()) or "none"
    return str(len(value)) if isinstance(value, list) else str(value)
