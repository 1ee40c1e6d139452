"""Runs a few calls through the oracle, or through the engine, and says what comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alignment_calls import Add, Call, Close, Found, Rule, Spec
from alignment_oracle import outcome
from alignment_runs import aligner, found, make


@dataclass
class Played:
    """What came out, call by call; the last entry is what closing everything gave."""

    steps: list[list[Found]] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)

    @property
    def sets(self) -> list[Found]:
        return [found for step in self.steps for found in step]


class Play(Protocol):
    def __call__(self, rule: Rule, specs: Mapping[str, Spec], calls: Sequence[Call]) -> Played: ...


def in_oracle(rule: Rule, specs: Mapping[str, Spec], calls: Sequence[Call]) -> Played:
    played = Played()
    seen: set[Found] = set()
    calls = [*calls, Close()]
    for number in range(len(calls)):
        now = outcome(rule, specs, calls[: number + 1])
        fresh = now.emitted - seen
        played.steps.append(sorted(fresh, key=lambda one: one.place))
        seen = now.emitted
        played.fates = now.fates
    return played


def in_engine(rule: Rule, specs: Mapping[str, Spec], calls: Sequence[Call]) -> Played:
    engine = aligner(rule, specs)
    played = Played()
    for call in [*calls, Close()]:
        sets = make(engine, call)
        played.steps.append([found(aligned) for aligned in sets])
    played.fates = Counter({str(fate): n for fate, n in engine.fates.items() if n})
    return played


def at(stream: str, time: int, duration: int = 0, key: str = "k") -> Add:
    """An event logged when it happened; its id is stream and time, as ``a5``."""
    return Add(stream, key, time, time, f"{stream}{time}", duration)


def old(stream: str, time: int, arrived: int, duration: int = 0) -> Add:
    """An event logged later than it happened."""
    return Add(stream, "k", time, arrived, f"{stream}{time}", duration)


def steps(played: Played) -> list[list[str]]:
    """Per call, the ids of the members of each set that it gave."""
    return [[found.ids for found in step] for step in played.steps]


def ids(played: Played) -> list[str]:
    """The ids of the members of each set."""
    return [found.ids for found in played.sets]
