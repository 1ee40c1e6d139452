"""Engine processes that are killed, frozen, added and taken away while they read a real Kafka."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_COMMAND = [sys.executable, "-c", "import sys; from sensorium.cli import main; sys.exit(main())"]


@dataclass
class Engines:
    """The members of one group, and what has been done to them.

    Parameters
    ----------
    pipeline
        What all of them run.
    rng
        Says what is done to whom.
    freeze_seconds
        How long a frozen process stands still: longer than the group waits for it.
    """

    pipeline: Path
    rng: random.Random
    freeze_seconds: float
    faults: Counter[str] = field(default_factory=Counter)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _frozen: list[tuple[float, subprocess.Popen[bytes]]] = field(default_factory=list)

    def start(self) -> None:
        log = self.pipeline.with_suffix(".log").open("ab")
        self._running.append(
            subprocess.Popen([*_COMMAND, "run", str(self.pipeline)], stdout=log, stderr=log)
        )

    def hurt(self) -> None:
        """One more fault."""
        kind = self.rng.choice(["kill", "kill", "freeze", "leave", "come"])
        if kind == "come" and len(self._running) > 2:
            kind = "kill"
        self.faults[kind] += 1
        if kind == "come":
            self.start()
            return
        victim = self._running.pop(self.rng.randrange(len(self._running)))
        if kind == "kill":
            victim.kill()
            victim.wait(30)
        elif kind == "leave":
            victim.terminate()
            victim.wait(60)
        else:
            victim.send_signal(signal.SIGSTOP)
            self._frozen.append((time.monotonic() + self.freeze_seconds, victim))
        if len(self._running) < 2:
            self.start()

    def tend(self) -> None:
        """Let those go on that have been frozen for long enough; replace what has ended."""
        now = time.monotonic()
        for until, victim in list(self._frozen):
            if now >= until:
                self._frozen.remove((until, victim))
                victim.send_signal(signal.SIGCONT)
                self._running.append(victim)
        for one in list(self._running):
            if one.poll() is not None:
                self._running.remove(one)
                self.faults["ended by itself"] += 1
                self.start()

    def calm(self) -> None:
        """Let all that are frozen go on."""
        self._frozen = [(0.0, victim) for _, victim in self._frozen]
        self.tend()

    def stop(self) -> None:
        for one in [*self._running, *(victim for _, victim in self._frozen)]:
            one.kill()
            one.wait(30)


@dataclass(frozen=True)
class Outcome:
    """What a reader of committed records found, beside what there should be."""

    sets: int
    lost: int
    repeated: int
    wrong: int
    extra: int

    @classmethod
    def of(cls, found: list[dict[str, Any]], expected: Mapping[str, dict[str, Any]]) -> Outcome:
        counts = Counter(one["id"] for one in found)
        return cls(
            len(expected),
            lost=len(expected.keys() - counts.keys()),
            repeated=sum(count - 1 for count in counts.values()),
            wrong=sum(_essence(it) != _essence(expected[it["id"]]) for it in found
                      if it["id"] in expected),
            extra=len(counts.keys() - expected.keys()),
        )  # fmt: skip


def _essence(prediction: dict[str, Any]) -> Any:
    """What two runs have to agree on to the letter; scores may differ in their last bits."""
    return [prediction[name] for name in ("key", "time", "members", "absent", "unsettled")]
