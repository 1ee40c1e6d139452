"""Runs the engine's `Aligner` on the plain data of `alignment_calls`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignment_calls import (
    Add,
    Advance,
    Call,
    ExactRule,
    Found,
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

from sensorium.align import Aligner, Exact, Nearest, Window
from sensorium.events import AlignedSet, Event
from sensorium.plugin import Policy, StreamSpec


def aligner(rule: Rule, specs: Mapping[str, Spec], **limits: Any) -> Aligner:
    """An aligner for a rule; `limits` are its memory limits."""
    return Aligner(
        policy(rule),
        streams={name: StreamSpec(**vars(spec)) for name, spec in specs.items()},
        pipeline="p",
        **limits,
    )


def policy(rule: Rule) -> Policy:
    common: dict[str, Any] = {"require": _require(rule.require), "deadline": rule.deadline}
    common["on_late"] = rule.on_late
    if rule.on_late == "revise":
        assert not isinstance(rule, SessionRule)
        common["revise_within"] = rule.revise_within
    if isinstance(rule, ExactRule):
        return Exact(**common)
    if isinstance(rule, NearestRule):
        streams = {name: _reach(reach) for name, reach in rule.streams.items()}
        return Nearest(primary=rule.primary, **_reach(rule.reach), streams=streams, **common)
    if isinstance(rule, WindowRule):
        return Window(size=rule.size, hop=rule.hop, offset=rule.offset, **common)
    return Window(gap=rule.gap, max_length=rule.max_length, **common)


def _reach(reach: Reach) -> dict[str, Any]:
    return {"before": reach.before, "after": reach.after, "pick": reach.pick}


def _require(require: Require) -> str | list[str]:
    return require if isinstance(require, str) else list(require)


def event_of(call: Add) -> Event:
    """The event of a call."""
    return Event(
        call.stream,
        call.key,
        call.time,
        id=call.id,
        arrived=call.arrived,
        duration=call.duration,
    )


def make(aligner: Aligner, call: Call) -> list[AlignedSet]:
    """Make one call."""
    if isinstance(call, Add):
        return aligner.add(event_of(call))
    if isinstance(call, Advance):
        return aligner.advance(call.stream, call.time, call.key)
    if isinstance(call, Heartbeat):
        return aligner.heartbeat(call.stream, call.time, call.arrived, call.key)
    if isinstance(call, Progress):
        return aligner.progress(call.stream, call.log_time)
    return aligner.close(call.stream)


def found(aligned: AlignedSet) -> Found:
    """A set as plain data."""
    return Found(
        time=aligned.time,
        key=aligned.key,
        members=frozenset(
            (stream, event.time, event.id)
            for stream, events in aligned.members.items()
            for event in events
        ),
        absent=frozenset((stream, str(why)) for stream, why in aligned.absent.items()),
        unsettled=aligned.unsettled,
        revision=aligned.revision,
    )
