"""Everything that breaks, at random, again and again: each kind comes before any comes a second time."""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread

import psutil

from portal.local import postgres, valkey
from tests.faults.stage import Stage


@dataclass(frozen=True)
class Fault:
    """What was broken, from when to when (monotonic seconds)."""

    name: str
    began: float
    ended: float


class Weather:
    """Breaks things until it is told to stop.

    Attributes:
        faults: All that was broken so far.
    """

    def __init__(self, stage: Stage, *, seed: int, seconds: float) -> None:
        self.stage, self.faults = stage, []
        self._chance = random.Random(f"weather {seed}")  # noqa: S311 - bad luck, no secret
        self._over, self._lock = Event(), Lock()
        self._seconds = seconds
        self._began = time.monotonic()
        self._long: list[Thread] = []
        self._thread = Thread(target=self._rage, daemon=True)

    def begin(self) -> None:
        """It begins."""
        self._thread.start()

    def end(self) -> None:
        """The last fault is over when this returns."""
        self._over.set()
        self._thread.join()
        for thread in self._long:
            thread.join()

    @property
    def counts(self) -> Counter[str]:
        """How often each kind came."""
        return Counter(fault.name for fault in self.faults)

    def is_under(self, began: float, ended: float, names: set[str], *, slack: float) -> bool:
        """Whether something of these kinds was broken while something else went on."""
        return any(fault.name in names and fault.began - 0.2 <= ended and began <= fault.ended + slack for fault in self.faults)

    def _deck(self) -> list[tuple[str, Callable[[], None], bool]]:
        """One round: name, what it does, and whether the next ones come while it lasts."""
        short = self._seconds < 300
        gone, bad = (6.0, 5.0) if short else (60.0, 20.0)
        kills = [
            ("worker killed", lambda: self._kill("worker")),
            ("pdf worker killed", lambda: self._kill("pdf")),
            ("scheduler killed", lambda: self._kill("scheduler")),
        ]
        deck = [
            ("PostgreSQL restarted", lambda: self._restart_postgres(crash=False), False),
            ("PostgreSQL crashed", lambda: self._restart_postgres(crash=True), False),
            ("Valkey gone and back empty", lambda: self._lose_valkey(gone), True),
            ("mail refused", lambda: self._refuse_mail(bad), True),
            ("mail slow", lambda: self._slow_mail(bad), True),
            ("disk full", lambda: self._fill_disk(bad), True),
            ("web process killed", self._kill_web, False),
            *((name, act, False) for name, act in kills * (1 if short else 3)),
        ]
        self._chance.shuffle(deck)
        return deck

    def _rage(self) -> None:
        pause = self._seconds / (28 if self._seconds < 300 else 110)
        is_first = True
        while is_first or not self._over.is_set():
            for name, act, lasts in self._deck():
                if self._over.wait(pause * self._chance.uniform(0.4, 1.6)) and not is_first:
                    return  # each kind has come at least once
                if lasts:
                    thread = Thread(target=self._suffer, args=(name, act), daemon=True)
                    self._long.append(thread)
                    thread.start()
                else:
                    self._suffer(name, act)
            is_first = False

    def _suffer(self, name: str, act: Callable[[], None]) -> None:
        began = time.monotonic()
        try:
            act()
        finally:
            ended = time.monotonic()
            with self._lock:
                self.faults.append(Fault(name, began, ended))
            print(f"{began - self._began:6.1f} s: {name} ({ended - began:.1f} s)", file=sys.stderr, flush=True)  # noqa: T201 - a log

    def _restart_postgres(self, *, crash: bool) -> None:
        with self.stage.databases:
            if crash:
                pid = int((self.stage.postgres / "postmaster.pid").read_text().split("\n", 1)[0])
                with suppress(psutil.NoSuchProcess):
                    postmaster = psutil.Process(pid)
                    postmaster.send_signal(signal.SIGQUIT)
                    postmaster.wait(timeout=60)
            else:
                postgres.stop(self.stage.postgres)
            time.sleep(self._chance.uniform(0.2, 2.5))
            postgres.start(self.stage.postgres, durable=True)

    def _lose_valkey(self, seconds: float) -> None:
        self.stage.lose_valkey()
        self._over.wait(seconds)
        valkey.start(self.stage.valkey, durable=True)

    def _refuse_mail(self, seconds: float) -> None:
        self.stage.post.refuses = True
        self._over.wait(seconds)
        self.stage.post.refuses = False

    def _slow_mail(self, seconds: float) -> None:
        self.stage.post.slow_seconds = self._chance.uniform(1, 4)
        self._over.wait(seconds)
        self.stage.post.slow_seconds = 0.0

    def _fill_disk(self, seconds: float) -> None:
        self.stage.disk.fill()
        self._over.wait(seconds)
        self.stage.disk.free()

    def _kill(self, kind: str) -> None:
        """As a power cut (the process and what it forked), as the kernel short of memory (one of the two), or while it starts."""
        family = self._chance.choice(self.stage.named(kind)).family()
        how = self._chance.choice(("all", "all", "parent", "child"))
        members = {"all": family, "parent": family[:1], "child": family[1:] or family}[how]
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGKILL)

    def _kill_web(self) -> None:
        children = self.stage.named("web")[0].family()[1:]
        if children:
            with suppress(psutil.NoSuchProcess):
                self._chance.choice(children).send_signal(signal.SIGKILL)
