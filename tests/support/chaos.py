"""Engine processes and their broker, hurt in every way while they work on a real Kafka."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka_broker import OwnBroker

#: What an engine fails with that finds no broker when it begins.
_NO_BROKER = "KafkaTimeoutError"
_MAIN = "import sys; from sensorium.cli import main; sys.exit(main())"
#: Everything that can happen, killing most often; each round has all of them, in any order.
EVERYTHING = (
    "kill", "kill", "kill", "kill", "freeze", "leave", "come", "come",
    "pause the broker", "restart the broker",
)  # fmt: skip


@dataclass
class Engines:
    """The members of one group, and what has been done to them.

    Parameters
    ----------
    pipeline
        What all of them run.
    broker
        What they read from and write to.
    rng
        Says what is done to whom, and when.
    kinds
        What is done in a round.
    first
        Python text that each process runs first: what makes it a bad engine, to see that it is
        found out.
    """

    pipeline: Path
    broker: OwnBroker
    rng: random.Random
    kinds: Sequence[str] = EVERYTHING
    first: str = ""
    faults: Counter[str] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)
    """The last words of engines that have ended by themselves, but for those that found no broker
    when they began: it is stopped and restarted, and they say so and end."""
    _round: list[str] = field(default_factory=list)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _frozen: list[tuple[float, subprocess.Popen[bytes]]] = field(default_factory=list)
    _broker_until: float | None = None
    _started: int = 0
    _numbers: dict[int, int] = field(default_factory=dict)

    def start(self) -> None:
        command = [sys.executable, "-c", f"{self.first}\n{_MAIN}", "run", str(self.pipeline)]
        self._started += 1
        with self._log(self._started).open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._numbers[process.pid] = self._started
        self._running.append(process)

    def _log(self, number: int) -> Path:
        return self.pipeline.with_suffix(f".{number}.log")

    def hurt(self) -> None:
        """One more fault."""
        if not self._round:
            self._round = list(self.kinds)
            self.rng.shuffle(self._round)
        kind = self._round.pop()
        if kind == "come" and len(self._running) > 2:
            kind = "leave"
        self.faults[kind] += 1
        if kind == "come":
            self.start()
        elif kind == "restart the broker":
            self._let_the_broker_go_on()
            self.broker.restart()
        elif kind == "pause the broker":
            if self._broker_until is None:
                self.broker.pause()
            # Some are shorter than the session time-out, some longer.
            self._broker_until = time.monotonic() + self.rng.uniform(1, 5)
        else:
            self._hurt_one(kind)

    def _hurt_one(self, kind: str) -> None:
        victim = self._running.pop(self.rng.randrange(len(self._running)))
        if kind == "kill":
            victim.kill()
            victim.wait(30)
        elif kind == "leave":
            self._let_the_broker_go_on()  # it cannot leave without
            victim.terminate()
            victim.wait(60)
        else:
            # For longer than the group waits for it.
            victim.send_signal(signal.SIGSTOP)
            self._frozen.append((time.monotonic() + 5, victim))
        if len(self._running) < 2:
            self.start()

    def tend(self) -> None:
        """Let go on what has stood still for long enough; replace what has ended."""
        now = time.monotonic()
        if self._broker_until is not None and now >= self._broker_until:
            self._let_the_broker_go_on()
        for until, victim in list(self._frozen):
            if now >= until:
                self._frozen.remove((until, victim))
                victim.send_signal(signal.SIGCONT)
                self._running.append(victim)
        for one in list(self._running):
            if one.poll() is not None:
                self._running.remove(one)
                self._note_end(one)
                self.start()

    def _note_end(self, one: subprocess.Popen[bytes]) -> None:
        said = self._log(self._numbers[one.pid]).read_text(errors="replace").strip()
        if f"connecting failed ({_NO_BROKER}" in said:
            self.faults["found no broker"] += 1
        else:
            self.ended.append(f"with {one.returncode}: {said[-500:]}")

    def calm(self) -> None:
        """Let everything go on that stands still."""
        self._let_the_broker_go_on()
        self._frozen = [(0.0, victim) for _, victim in self._frozen]
        self.tend()

    def stop(self) -> None:
        self._let_the_broker_go_on()
        for one in [*self._running, *(victim for _, victim in self._frozen)]:
            one.kill()
            one.wait(30)

    def _let_the_broker_go_on(self) -> None:
        if self._broker_until is not None:
            self._broker_until = None
            self.broker.resume()


@dataclass(frozen=True)
class Outcome:
    """What a reader of committed records found, beside what there should be."""

    sets: int
    lost: int
    repeated: int
    wrong: int
    extra: int
    examples: tuple[str, ...] = ()
    """Some of what is lost, wrong, extra or repeated, for who has to find out why: of what is
    repeated, by partition, the first and the last, with where and when each was written."""

    @classmethod
    def of(cls, found: list[dict[str, Any]], expected: Mapping[str, dict[str, Any]]) -> Outcome:
        counts = Counter(one["id"] for one in found)
        lost = [one for identity, one in expected.items() if identity not in counts]
        wrong = [
            (one, expected[one["id"]])
            for one in found
            if one["id"] in expected and not _alike(one, expected[one["id"]])
        ]
        extra = [one for one in found if one["id"] not in expected]
        examples = [f"lost: {_essence(it)}" for it in lost[:2]]
        examples += [f"wrong: {_essence(it)} instead of {_essence(due)}" for it, due in wrong[:3]]
        examples += [f"extra: {_essence(it)}" for it in extra[:2]]
        places: dict[str, list[str]] = defaultdict(list)
        for one in found:
            places[one["id"]].append(one.get("written", "?"))
        spans: dict[str, list[list[str]]] = defaultdict(list)
        for those in places.values():
            if len(those) > 1:
                spans[those[0].partition("@")[0]].append(those)
        for those in spans.values():
            examples += [f"repeated: {', '.join(one)}" for one in (those[0], those[-1])]
        return cls(
            len(expected),
            len(lost),
            sum(count - 1 for count in counts.values()),
            len(wrong),
            len({one["id"] for one in extra}),
            tuple(examples),
        )


def _alike(one: dict[str, Any], due: dict[str, Any]) -> bool:
    if _essence(one) != _essence(due) or one["tasks"].keys() != due["tasks"].keys():
        return False
    scores = [(one["tasks"][it]["scores"], due["tasks"][it]["scores"]) for it in due["tasks"]]
    return all(abs(ours[label] - theirs[label]) < 1e-5 for ours, theirs in scores for label in ours)


def _essence(prediction: dict[str, Any]) -> Any:
    """What two runs have to agree on to the letter; scores may differ in their last bits."""
    return [prediction[name] for name in ("key", "time", "members", "absent", "unsettled")]
