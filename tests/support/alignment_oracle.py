"""A brute-force oracle for alignment, written from the documented rules alone.

It keeps nothing between calls: it is given all calls so far and works everything out again, by
enumeration, in small integer times. It is as slow and as obvious as it can be, and shares no code
with `sensorium.align`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from alignment_calls import (
    INF,
    Call,
    ExactRule,
    Found,
    NearestRule,
    Rule,
    SessionRule,
    Spec,
    Time,
    WindowRule,
)
from alignment_log import Log, Record


@dataclass
class Group:
    """Events that may become a set: what they have in common, and who is in it so far."""

    key: str
    time: int
    deadline: Time
    """D, in log time; what arrived after it is never a member."""
    members: dict[str, list[Record]]
    settled: set[str]
    """The streams of which nothing that could change it can still come, as of D."""

    def closed(self, read: Mapping[str, Time]) -> bool:
        return all(s in self.settled or read[s] > self.deadline for s in read)

    def unsettled(self, read: Mapping[str, Time]) -> frozenset[str]:
        return frozenset(read) - self.settled

    def wanted(self, rule: Rule, streams: Sequence[str]) -> bool:
        if rule.require == "any":
            return any(self.members.values())
        required = streams if rule.require == "all" else rule.require
        return all(self.members[stream] for stream in required)

    def found(self, read: Mapping[str, Time], revision: int = 0) -> Found:
        unsettled = self.unsettled(read)
        return Found(
            time=self.time,
            key=self.key,
            members=frozenset(
                (r.stream, r.time, r.id) for members in self.members.values() for r in members
            ),
            absent=frozenset(
                (stream, "timeout" if stream in unsettled else "proven")
                for stream, members in self.members.items()
                if not members
            ),
            unsettled=unsettled,
            revision=revision,
        )


@dataclass
class Outcome:
    """What must have come out after all calls so far."""

    emitted: set[Found]
    fates: Counter[str]
    verdicts: list[str]
    """Per event, in the order of the calls: accepted, duplicate, invalid or late."""


def outcome(rule: Rule, specs: Mapping[str, Spec], calls: Sequence[Call]) -> Outcome:
    """Work out from nothing what an alignment has emitted after these calls."""
    log = Log(rule, specs, read=dict.fromkeys(specs, -INF))
    for call in calls:
        log.take(call)
    missed: list[Record] = []
    groups = list(groups_of(log, rule, calls, missed))
    closed = [group for group in groups if group.closed(log.read)]
    wanted = [group for group in closed if group.wanted(rule, list(specs))]
    revised = list(revisions(log, rule, calls, wanted))
    used = [r for g in wanted + revised for members in g.members.values() for r in members]
    return Outcome(
        emitted={group.found(log.read) for group in wanted}
        | {group.found(log.read, revision=1) for group in revised},
        fates=Counter(fate(log, record, closed, wanted, used, missed) for record in log.records),
        verdicts=[record.verdict for record in log.records],
    )


def groups_of(log: Log, rule: Rule, calls: Sequence[Call], missed: list[Record]) -> Iterator[Group]:
    if isinstance(rule, ExactRule):
        return exact_groups(log, rule)
    if isinstance(rule, NearestRule):
        return nearest_groups(log, rule, instants(rule, log.specs, calls))
    if isinstance(rule, WindowRule):
        return window_groups(log, rule)
    return session_groups(log, rule, missed)


def revisions(log: Log, rule: Rule, calls: Sequence[Call], emitted: list[Group]) -> Iterator[Group]:
    """What sets that were cut off by their deadline have become `revise_within` later, or when
    they settled before that, where their members are others by then."""
    if isinstance(rule, SessionRule) or rule.on_late != "revise":
        return
    longer = replace(rule, deadline=rule.deadline + rule.revise_within)
    later = {(g.key, g.time): g for g in groups_of(log, longer, calls, [])}
    for first in emitted:
        second = later[first.key, first.time]
        changed = any(set(second.members[s]) != set(first.members[s]) for s in log.specs)
        if first.unsettled(log.read) and second.closed(log.read) and changed:
            yield second


def fate(
    log: Log,
    record: Record,
    closed: list[Group],
    wanted: list[Group],
    used: list[Record],
    missed: list[Record],
) -> str:
    """The fate once everything is closed: matched, late, superseded, unmatched, in this order."""
    rule = log.rule
    if record.verdict != "accepted":
        return record.verdict
    if record in used:
        return "matched"
    if record in missed:
        return "late"
    if isinstance(rule, NearestRule):
        return nearest_fate(log, rule, record, closed, wanted)
    if isinstance(rule, ExactRule):
        groups = exact_groups(log, rule)
        here = [g for g in groups if (g.key, g.time) == (record.key, record.time)]
        return "late" if any(record.arrived > g.deadline for g in here) else "unmatched"
    if isinstance(rule, WindowRule):
        deadlines = [start + rule.size + rule.deadline for start in windows_of(rule, record)]
        return "late" if any(record.arrived > deadline for deadline in deadlines) else "unmatched"
    return "unmatched"


def nearest_fate(
    log: Log, rule: NearestRule, record: Record, closed: list[Group], wanted: list[Group]
) -> str:
    if record.stream == rule.primary:
        return "unmatched"
    near = [g for g in closed if g.key == record.key and in_reach(rule, record, g.time)]
    for group in near:
        if record.stream in group.unsettled(log.read) and record.arrived > group.deadline:
            return "late"
    return "superseded" if any(group in wanted for group in near) else "unmatched"


def keys_of(log: Log) -> list[str]:
    return sorted({record.key for record in log.records})


# -- exact ------------------------------------------------------------------------------------


def exact_groups(log: Log, rule: ExactRule) -> Iterator[Group]:
    for key in keys_of(log):
        events = [r for stream in log.specs for r in log.accepted(stream, key)]
        for time in sorted({event.time for event in events}):
            here = [event for event in events if event.time == time]
            deadline = min(event.arrived for event in here) + rule.deadline
            members = {
                stream: [e for e in here if e.stream == stream and e.arrived <= deadline]
                for stream in log.specs
            }
            settled = {
                stream
                for stream in log.specs
                if members[stream] or time < log.bound(stream, key, deadline)
            }
            yield Group(key, time, deadline, members, settled)


# -- nearest ----------------------------------------------------------------------------------


def instants(rule: NearestRule, specs: Mapping[str, Spec], calls: Sequence[Call]) -> range:
    """All instants that could matter: those mentioned, and generously around them."""
    mentioned = [
        value
        for call in calls
        for name in ("time", "arrived", "log_time")
        if isinstance(value := getattr(call, name, None), int)
    ]
    reaches = [rule.reach, *rule.streams.values()]
    lengths = [length for reach in reaches for length in (reach.before, reach.after)]
    for spec in specs.values():
        lengths += [spec.lateness, spec.max_delay, spec.max_future, spec.max_duration]
        lengths.append(abs(spec.offset))
    around = int(sum(length for length in lengths if length < INF)) + 2
    return range(min(mentioned, default=0) - around, max(mentioned, default=0) + around)


def nearest_instant(first: int, last: Time, time: int) -> Time:
    """Of the instants from `first` to `last`, the one nearest to `time`."""
    if first > time:
        return first
    return last if last < time else time


def in_reach(rule: NearestRule, event: Record, time: int) -> bool:
    reach = rule.of(event.stream)
    return (
        time - reach.before <= nearest_instant(event.time, event.last, time) <= time + reach.after
    )


def best(rule: NearestRule, events: list[Record], time: int) -> list[Record]:
    """The event in reach that is chosen, as a list of one or none."""
    reachable = sorted((e for e in events if in_reach(rule, e, time)), key=lambda e: e.time)
    if not reachable:
        return []
    pick = rule.of(reachable[0].stream).pick
    if pick == "first":
        return reachable[:1]
    if pick == "last":
        return reachable[-1:]
    return [
        min(reachable, key=lambda e: (abs(nearest_instant(e.time, e.last, time) - time), -e.time))
    ]


def would_replace(
    rule: NearestRule, stream: str, spec: Spec, chosen: list[Record], time: int, at: int
) -> bool:
    """Whether an event at `at`, of the most helpful duration, would be chosen instead."""
    reach = rule.of(stream)
    nearest = nearest_instant(at, at + max(spec.max_duration, 1) - 1, time)
    if not time - reach.before <= nearest <= time + reach.after:
        return False
    if not chosen:
        return True
    now = chosen[0]
    if reach.pick == "first":
        return at < now.time
    if reach.pick == "last":
        return at > now.time
    distance = abs(nearest - time)
    distance_now = abs(nearest_instant(now.time, now.last, time) - time)
    return distance < distance_now or (distance == distance_now and at > now.time)


def nearest_groups(log: Log, rule: NearestRule, universe: range) -> Iterator[Group]:
    for key in keys_of(log):
        for primary in log.accepted(rule.primary, key):
            deadline = primary.arrived + rule.deadline
            members = {rule.primary: [primary]}
            settled = {rule.primary}
            for stream in log.specs:
                if stream == rule.primary:
                    continue
                events = log.accepted(stream, key, deadline)
                members[stream] = best(rule, events, primary.time)
                bound = log.bound(stream, key, deadline)
                known = {event.time for event in events}
                if not any(
                    would_replace(
                        rule, stream, log.specs[stream], members[stream], primary.time, at
                    )
                    for at in universe
                    if at >= bound and at not in known
                ):
                    settled.add(stream)
            yield Group(key, primary.time, deadline, members, settled)


# -- windows ----------------------------------------------------------------------------------


def windows_of(rule: WindowRule, event: Record) -> list[int]:
    """The starts of the windows ``[start, start + size)`` that the event overlaps."""
    return [
        start
        for start in range(event.time - rule.size, event.last + 1)
        if (start - rule.offset) % rule.hop == 0
        and any(start <= at < start + rule.size for at in range(event.time, event.last + 1))
    ]


def window_groups(log: Log, rule: WindowRule) -> Iterator[Group]:
    for key in keys_of(log):
        events = [r for stream in log.specs for r in log.accepted(stream, key)]
        for start in sorted({start for event in events for start in windows_of(rule, event)}):
            end = start + rule.size
            deadline = end + rule.deadline
            inside = [e for e in events if start in windows_of(rule, e) and e.arrived <= deadline]
            if inside:
                members = {s: [e for e in inside if e.stream == s] for s in log.specs}
                settled = {s for s in log.specs if log.bound(s, key, deadline) >= end}
                yield Group(key, start, deadline, members, settled)


# -- sessions ---------------------------------------------------------------------------------


def session_groups(log: Log, rule: SessionRule, missed: list[Record]) -> Iterator[Group]:
    """The sessions of every key and cell; `missed` gets the events that came too late for one."""
    for key in keys_of(log):
        events = [r for stream in log.specs for r in log.accepted(stream, key)]
        for cell in sorted({cell_of(rule, event.time) for event in events}):
            cell_end = INF if rule.max_length == INF else (cell + 1) * rule.max_length
            here = [event for event in events if cell_of(rule, event.time) == cell]
            for session in simulate(rule, here, cell_end, missed):
                over = max(event.end for event in session) + rule.gap
                deadline = due(rule, session, cell_end)
                bounds = {s: log.bound(s, key, deadline) for s in log.specs}
                yield Group(
                    key,
                    min(event.time for event in session),
                    deadline,
                    {s: [e for e in session if e.stream == s] for s in log.specs},
                    {s for s in log.specs if bounds[s] > over or bounds[s] >= cell_end},
                )


def cell_of(rule: SessionRule, time: int) -> int:
    """Endless sessions are all in one cell."""
    return 0 if rule.max_length == INF else int(time // rule.max_length)


def due(rule: SessionRule, session: list[Record], cell_end: Time) -> Time:
    over = max(event.end for event in session) + rule.gap
    return min(over, cell_end) + rule.deadline


def simulate(
    rule: SessionRule, events: list[Record], cell_end: Time, missed: list[Record]
) -> list[list[Record]]:
    """Let the events of one key and cell come in the order of their log times."""
    sessions: list[list[Record]] = []
    for event in sorted(events, key=lambda e: e.arrived):
        near = [
            session
            for session in sessions
            if event.time <= max(e.end for e in session) + rule.gap
            and event.end >= min(e.time for e in session) - rule.gap
        ]
        joined = [event, *(e for session in near for e in session)]
        # What arrives after a deadline is never a member: neither of a session that was due
        # before it, nor of one that it would begin.
        was_due = [due(rule, session, cell_end) for session in near]
        was_due.append(due(rule, joined, cell_end))
        if any(event.arrived > deadline for deadline in was_due):
            missed.append(event)
            continue
        sessions = [session for session in sessions if session not in near] + [joined]
    return sessions
