"""Random alignments for Hypothesis: policies, streams and logs in small integer times.

Within a stream log times never decrease; across streams any interleaving is drawn. Times are small
so that ties, duplicates and exact hits on every limit are common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    Time,
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


def limit(*values: Time) -> st.SearchStrategy[Time]:
    return st.sampled_from([*values, INF])


@st.composite
def specs_of(draw: st.DrawFn, wild: bool, tight: bool) -> Spec:
    """How a stream's events come; where it is `tight`, no limit is infinite."""
    infinite = () if tight else (INF,)
    return Spec(
        lateness=draw(st.sampled_from([0, 1, 3, 6, INF, INF])),
        max_delay=draw(st.sampled_from([1, 4, 9, *infinite, *infinite])) if wild else INF,
        max_future=draw(st.sampled_from([1, 4, 9, *infinite, *infinite])) if wild else INF,
        max_duration=draw(st.sampled_from([0, 2, 5, *infinite])),
        offset=draw(st.sampled_from([0, 0, 0, 2, -3])),
    )


@st.composite
def reaches(draw: st.DrawFn) -> Reach:
    return Reach(
        before=draw(st.sampled_from([3, 1, 0, 5])),
        after=draw(st.sampled_from([2, 0, 1, 4])),
        pick=draw(st.sampled_from(["nearest", "first", "last"])),
    )


@st.composite
def rules(draw: st.DrawFn, kind: str, streams: Sequence[str], wild: bool) -> Rule:
    some: st.SearchStrategy[Require] = st.lists(
        st.sampled_from(streams), min_size=1, unique=True
    ).map(tuple)
    require = draw(st.one_of(st.sampled_from(["all", "any", "any"]), some))
    deadline = draw(limit(0, 1, 4, 8)) if wild else INF
    if kind == "exact":
        return ExactRule(require, deadline)
    if kind == "nearest":
        own = {stream: draw(reaches()) for stream in streams[1:] if draw(st.booleans())}
        primary = draw(st.sampled_from([streams[0], streams[-1]]))
        own.pop(primary, None)
        return NearestRule(primary, draw(reaches()), own, require, deadline)
    if kind == "window":
        size = draw(st.integers(1, 6))
        hop = draw(st.integers(1, size))
        return WindowRule(size, hop, draw(st.integers(-3, 7)), require, deadline)
    gap = draw(st.integers(0, 4))
    return SessionRule(gap, draw(st.sampled_from([5, 8, 16])), require, deadline)


@st.composite
def logs_of(
    draw: st.DrawFn,
    stream: str,
    spec: Spec,
    keys: Sequence[str],
    length: int,
    residue: tuple[int, int],
    explicit: bool,
) -> list[Call]:
    """One stream's calls; log times are `residue[0]` modulo `residue[1]`."""
    log: list[Call] = []
    added: list[Add] = []
    now = draw(st.sampled_from([0, 0, 1, -3, 5]))
    kinds = ["add"] * 8 + ["again"] * 2 + (["heartbeat", "progress", "advance"] if explicit else [])
    for number in range(length):
        now += draw(st.sampled_from(_STEPS))
        now += (residue[0] - now) % residue[1]
        kind = draw(st.sampled_from(kinds))
        key = draw(st.sampled_from(keys))
        time = (
            now - spec.offset + draw(st.sampled_from([0, 0, 0, 0, -1, -1, 1, -2, 2, -4, 3, -7, 6]))
        )
        if kind == "again" and added:
            old = draw(st.sampled_from(added))
            new_id = old.id if draw(st.booleans()) else f"{stream}{number}"
            log.append(Add(stream, old.key, old.time, now, new_id, old.duration))
        elif kind in ("add", "again"):
            duration = draw(st.sampled_from([0, 0, 0, 1, 2, 3, 6]))
            if duration > spec.max_duration and draw(st.integers(0, 7)):
                duration = int(spec.max_duration)
            added.append(Add(stream, key, time, now, f"{stream}{number}", duration))
            log.append(added[-1])
        elif kind == "heartbeat":
            log.append(Heartbeat(stream, time, now, draw(st.sampled_from([None, key]))))
        elif kind == "advance":
            log.append(Advance(stream, time, draw(st.sampled_from([None, key]))))
        else:
            log.append(Progress(stream, now))
    if explicit and not draw(st.integers(0, 7)):
        log.insert(draw(st.integers(0, len(log))), Close(stream))
    return log


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
        Whether sessions with a deadline may see equal log times in different streams: the order
        of those is not in the log.
    """
    streams = ["a", "b", "c"][: draw(st.sampled_from([2, 2, 3, 1]))]
    keys = ["k", "m"][: draw(st.sampled_from([1, 1, 2]))]
    rule = draw(rules(kind, streams, wild))
    tight = wild and draw(st.integers(0, 2)) == 0
    specs = {stream: draw(specs_of(wild, tight)) for stream in streams}
    apart = kind == "session" and rule.deadline < INF and not ties
    logs: dict[str, Sequence[Call]] = {}
    for index, stream in enumerate(streams):
        residue = (index, len(streams)) if apart else (0, 1)
        longest = calls // len(streams)
        length = draw(st.sampled_from([longest, longest // 2, longest // 3]))
        logs[stream] = draw(logs_of(stream, specs[stream], keys, length, residue, explicit))
    slots = [stream for stream, log in logs.items() for _ in log]
    return Case(rule, specs, logs, draw(st.permutations(slots)))
