"""What the brute-force oracle knows of its calls so far: records, promises, and the log.

Written from the documented rules alone; it shares no code with `sensorium.align`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alignment_calls import (
    INF,
    Advance,
    Call,
    Close,
    ExactRule,
    Heartbeat,
    NearestRule,
    Progress,
    Rule,
    Spec,
    Time,
    WindowRule,
)


@dataclass(eq=False)
class Record:
    """One event of the log, its time corrected by the stream's offset."""

    stream: str
    key: str
    time: int
    arrived: int
    id: str
    duration: int
    verdict: str = ""
    holds_time: bool = False
    """Whether another event at its time is a second one: not if it is invalid, or repeats only
    such; then the time is still free."""

    @property
    def last(self) -> int:
        """The last instant that it covers; it covers at least its own time."""
        return self.time + max(self.duration, 1) - 1

    @property
    def end(self) -> int:
        return self.time + self.duration


@dataclass(frozen=True)
class Promise:
    """An explicit bound, made when its stream had been read up to log time `made`."""

    stream: str
    key: str | None
    time: Time
    made: Time


@dataclass
class Log:
    """Everything read so far, with the verdict on each event at its arrival."""

    rule: Rule
    specs: Mapping[str, Spec]
    records: list[Record] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    read: dict[str, Time] = field(default_factory=dict)
    """F: per stream, the greatest log time read; infinite once closed."""

    @property
    def distinct(self) -> bool:
        return isinstance(self.rule, ExactRule | NearestRule)

    def accepted(self, stream: str, key: str, as_of: Time = INF) -> list[Record]:
        return [
            record
            for record in self.records
            if (record.stream, record.key, record.verdict) == (stream, key, "accepted")
            and record.arrived <= as_of
        ]

    def bound(self, stream: str, key: str, as_of: Time = INF) -> Time:
        """No event of (stream, key) older than this will count, as known at log time `as_of`."""
        spec = self.specs[stream]
        bounds: list[Time] = [-INF]
        bounds += [r.time - spec.lateness for r in self.accepted(stream, key, as_of)]
        bounds += [
            promise.time
            for promise in self.promises
            if promise.stream == stream and promise.key in (None, key) and promise.made <= as_of
        ]
        if spec.max_delay < INF:
            bounds.append(min(self.read[stream], as_of) - spec.max_delay)
        return max(bounds)

    def take(self, call: Call) -> None:
        if isinstance(call, Close):
            for stream in self.specs if call.stream is None else [call.stream]:
                self.promises.append(Promise(stream, None, INF, self.read[stream]))
                self.read[stream] = INF
            return
        spec = self.specs[call.stream]
        if isinstance(call, Progress):
            self.read[call.stream] = max(self.read[call.stream], call.log_time)
        elif isinstance(call, Advance):
            bound: Time = call.time + spec.offset
            self.promises.append(Promise(call.stream, call.key, bound, self.read[call.stream]))
        elif isinstance(call, Heartbeat):
            self.read[call.stream] = max(self.read[call.stream], call.arrived)
            bound = min(call.time + spec.offset, call.arrived + spec.max_future)
            self.promises.append(Promise(call.stream, call.key, bound, self.read[call.stream]))
        else:
            self.read[call.stream] = max(self.read[call.stream], call.arrived)
            record = Record(
                call.stream,
                call.key,
                call.time + spec.offset,
                call.arrived,
                call.id,
                call.duration,
            )
            self.judge(record)
            self.records.append(record)

    def judge(self, new: Record) -> None:
        repeated = [old for old in self.records if self.repeats(new, old)]
        new.verdict = "duplicate" if repeated else self.verdict(new)
        new.holds_time = new.verdict in ("accepted", "late") or any(
            old.holds_time for old in repeated
        )

    def verdict(self, new: Record) -> str:
        spec = self.specs[new.stream]
        if new.time > new.arrived + spec.max_future or new.duration > spec.max_duration:
            return "invalid"
        if new.time < self.bound(new.stream, new.key) or new.arrived - new.time > spec.max_delay:
            return "late"
        return "accepted"

    def repeats(self, new: Record, old: Record) -> bool:
        if (old.stream, old.key, old.time) != (new.stream, new.key, new.time):
            return False
        if new.arrived - old.arrived > horizon(self.rule, self.specs):
            return False
        if old.id == new.id:
            return True
        return self.distinct and old.holds_time


def horizon(rule: Rule, specs: Mapping[str, Spec]) -> Time:
    """How long, in log time, a record matters."""
    longest = max(spec.max_duration for spec in specs.values())
    extent: Time
    if isinstance(rule, ExactRule):
        extent = 0
    elif isinstance(rule, NearestRule):
        reaches = [rule.reach, *rule.streams.values()]
        before = max(reach.before for reach in reaches)
        after = max(reach.after for reach in reaches)
        extent = before + after + longest
    elif isinstance(rule, WindowRule):
        extent = rule.size + longest
    else:
        extent = rule.max_length
    max_delay = max(spec.max_delay for spec in specs.values())
    max_future = max(spec.max_future for spec in specs.values())
    return 2 * extent + max_delay + max_future + 1
