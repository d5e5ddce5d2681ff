"""``python -m tests.faults --seconds 600``: a mixed load while everything breaks at random; afterwards all must be as it must be."""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.trial import run


def main() -> int:
    """Runs one trial, prints its figures, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long the load and the faults go on")
    parser.add_argument("--seed", type=int, default=None, help="of a trial that is to be tried again")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    home = Path(tempfile.mkdtemp(prefix="portal-faults-"))
    outcome = run(home, seconds=arguments.seconds, seed=seed)
    print(outcome.report())  # noqa: T201 - what it is for
    if outcome.findings:
        print(f"What happened stands in {home}.", file=sys.stderr)  # noqa: T201 - a command speaks to its terminal
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
