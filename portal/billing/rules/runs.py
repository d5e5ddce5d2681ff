"""The monthly run: begun once a month, resumed until it is done."""

from enum import StrEnum


class RunStatus(StrEnum):
    """RUNNING until nothing is left to bill, then DONE."""

    RUNNING = "RUNNING"
    DONE = "DONE"
