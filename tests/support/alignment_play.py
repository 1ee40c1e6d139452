"""Runs a few calls through the oracle, or through the engine, and says what comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alignment_calls import Call, Close, Found, Rule, Spec
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
