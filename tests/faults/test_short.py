"""The trial of ``make faults``, short: every kind of fault comes at least once while people are at work.

It has a process of its own, as an operator's: what it connects the portal with must not be what the other tests use afterwards.
"""

import re
import subprocess
import sys

from tests.support.portal_process import TOP

SECONDS = 25
SEED = 7
KINDS = 10


def figure(name: str, said: str) -> int:
    """The first figure of a line of the report."""
    [found] = re.findall(rf"^{name}: (\d+)", said, re.MULTILINE)
    return int(found)


def test_nothing_is_lost_doubled_or_stuck_whatever_breaks():
    command = [sys.executable, "-m", "tests.faults", "--seconds", str(SECONDS), "--seed", str(SEED)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-8000:]
    [faults] = re.findall(r"^faults: (.*)$", said, re.MULTILINE)
    assert faults.count("×") == KINDS
    assert re.search(r"[1-9]\d* sessions booked", said)
    assert figure("invoices", said) > 0
    assert figure("mails", said) > 0
