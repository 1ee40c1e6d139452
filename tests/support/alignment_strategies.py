"""Random alignments for Hypothesis: policies, streams and logs in small integer times.

Within a stream log times never decrease; across streams any interleaving is drawn. Times are small
so that ties, duplicates and exact hits on every limit are common. Half of the alignments are drawn
choice by choice, which shrinks well; the others come from a seed, which spreads wider, and shrink
by leaving calls out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignment_calls import (
    INF,
    Add,
    Advance,
    Call,
    Close,
    ExactRule,
    Heartbeat,
    NearestRule,
    Progress,
    Reach,
    Require,
    Rule,
    SessionRule,
    Spec,
    WindowRule,
)
from hypothesis import settings
from hypothesis import strategies as st

_STEPS = [*[1, 0, 2] * 8, 3, 3, 4, 5, 20]

KINDS = ("exact", "nearest", "window", "session")


def share(parts: int) -> int:
    """How many examples a property takes that is one of `parts` alike."""
    assert settings.default is not None
    return max(1, settings.default.max_examples // parts)


@dataclass(frozen=True)
class Case:
    """One alignment: what it is given, stream by stream, and in which order."""

    rule: Rule
    specs: Mapping[str, Spec]
    logs: Mapping[str, Sequence[Call]]
    """Per stream its calls, in their order."""
    turns: Sequence[str]
    """The stream whose next call comes next."""

    @property
    def calls(self) -> list[Call]:
        return merge(self.logs, self.turns)


def merge(logs: Mapping[str, Sequence[Call]], turns: Sequence[str]) -> list[Call]:
    """Read the logs in the order of `turns`."""
    readers = {stream: iter(log) for stream, log in logs.items()}
    return [next(readers[stream]) for stream in turns]


Pick = Callable[[Sequence[Any]], Any]
"""Chooses one; the first is the simplest."""


def specs_of(pick: Pick, wild: bool, mood: str) -> Spec:
    """How a stream's events come.

    Where the mood is ``tight``, no limit is infinite; where it is ``tame``, few events are refused,
    so that many compete for the same sets.
    """
    if mood == "tame":
        return Spec(lateness=pick([2, 4, 8, INF]), max_duration=pick([0, 6, INF]))
    infinite = () if mood == "tight" else (INF, INF)
    return Spec(
        lateness=pick([0, 1, 3, 6, INF]),
        max_delay=pick([1, 4, 9, *infinite]) if wild else INF,
        max_future=pick([1, 4, 9, *infinite]) if wild else INF,
        max_duration=pick([0, 2, 5, *infinite[:1]]),
        offset=pick([0, 0, 0, 2, -3]),
    )


def reach_of(pick: Pick) -> Reach:
    return Reach(pick([3, 1, 0, 5]), pick([2, 0, 1, 4]), pick(["nearest", "first", "last"]))


def rule_of(pick: Pick, kind: str, streams: Sequence[str], wild: bool) -> Rule:
    require: Require = pick(["any", "any", "all", tuple(streams[:1]), tuple(streams[-1:])])
    deadline = pick([0, 1, 4, 8, INF]) if wild else INF
    late: tuple[str, Any] = ("drop", INF)
    if deadline < INF and kind != "session":
        late = pick([late, ("revise", INF), ("revise", pick([0, 1, 3, 6]))])
    if kind == "exact":
        return ExactRule(require, deadline, *late)
    if kind == "nearest":
        primary = pick([streams[0], streams[-1]])
        own = {name: reach_of(pick) for name in streams if name != primary and pick([0, 1])}
        return NearestRule(primary, reach_of(pick), own, require, deadline, *late)
    if kind == "window":
        size = pick(range(1, 7))
        return WindowRule(
            size, pick(range(1, size + 3)), pick(range(-3, 8)), require, deadline, *late
        )
    return SessionRule(pick(range(5)), pick([5, 8, 16, INF]), require, deadline)


def log_of(
    pick: Pick,
    stream: str,
    spec: Spec,
    keys: Sequence[str],
    length: int,
    apart: tuple[int, int] | None,
    explicit: bool,
) -> list[Call]:
    """One stream's calls; with `apart`, log times are distinct, `apart[0]` modulo `apart[1]`."""
    log: list[Call] = []
    added: list[Add] = []
    now = pick([0, 0, 1, -3, 5])
    extras = ["heartbeat", "progress", "advance"] if explicit else []
    for number in range(length):
        now += pick(_STEPS)
        if apart:
            now += 1 + (apart[0] - now - 1) % apart[1]
        kind = pick(["add"] * 11 + ["again"] * 2 + extras)
        key = pick(keys)
        time = now - spec.offset + pick([0, 0, 0, 0, -1, -1, 1, -2, 2, -4, 3, -7, 6])
        if kind == "again" and added:
            old = pick(added)
            new_id = pick([old.id, f"{stream}{number}"])
            log.append(Add(stream, old.key, old.time, now, new_id, old.duration))
        elif kind in ("add", "again"):
            duration = pick([0, 0, 0, 1, 2, 3, 6])
            if duration > spec.max_duration and pick(range(8)):
                duration = int(spec.max_duration)
            added.append(Add(stream, key, time, now, f"{stream}{number}", duration))
            log.append(added[-1])
        elif kind == "heartbeat":
            log.append(Heartbeat(stream, time, now, pick([None, key])))
        elif kind == "advance":
            log.append(Advance(stream, time, pick([None, key])))
        else:
            log.append(Progress(stream, now))
    if explicit and not pick(range(8)):
        log = closed(log, pick(range(len(log) + 1)), Close(stream))
    return log


def closed(log: Sequence[Call], place: int, close: Close) -> list[Call]:
    """Close a stream in between; what comes later is late, and repeats nothing.

    A closed stream is read to its end, so that its keys may be forgotten: whether a record that
    comes all the same is late or a duplicate is not laid down.
    """
    before, after = list(log[:place]), log[place:]
    times = {(call.key, call.time) for call in before if isinstance(call, Add)}
    fresh: list[Call] = []
    for call in after:
        if isinstance(call, Add):
            if (call.key, call.time) in times:
                continue
            times.add((call.key, call.time))
        fresh.append(call)
    return [*before, close, *fresh]


@st.composite
def cases(
    draw: st.DrawFn,
    kind: str,
    calls: int = 18,
    wild: bool = True,
    explicit: bool = True,
    ties: bool = False,
) -> Case:
    """An alignment.

    Parameters
    ----------
    kind
        One of `KINDS`.
    calls
        The most calls over all streams.
    wild
        Whether deadlines, ``max_delay`` and ``max_future`` may be finite.
    explicit
        Whether there are heartbeats, `advance`, `progress` and `close`.
    ties
        Whether sessions with a deadline may see equal log times: which of two such events comes
        first, and may keep the session open for the other, is not laid down.
    """
    seed = draw(st.none() | st.integers(1, 2**32))
    spread = random.Random(seed)

    def pick(options: Sequence[Any]) -> Any:
        return draw(st.sampled_from(options)) if seed is None else spread.choice(options)

    streams = ["a", "b", "c"][: pick([2, 2, 3, 1])]
    keys = ["k", "m"][: pick([1, 1, 2])]
    rule = rule_of(pick, kind, streams, wild)
    mood = pick(["tame", "mixed", "tight", "tame"] if wild else ["tame", "mixed"])
    specs = {stream: specs_of(pick, wild, mood) for stream in streams}
    apart = kind == "session" and rule.deadline < INF and not ties
    logs: dict[str, Sequence[Call]] = {}
    for index, stream in enumerate(streams):
        longest = calls // len(streams)
        length = pick([longest, longest, longest // 2, longest // 3])
        log = log_of(
            pick,
            stream,
            specs[stream],
            keys,
            length,
            (index, len(streams)) if apart else None,
            explicit,
        )
        if seed is not None:
            log = [call for call in log if draw(st.integers(0, 15))]
        logs[stream] = log
    slots = [stream for stream, log in logs.items() for _ in log]
    return Case(rule, specs, logs, draw(st.permutations(slots)))
