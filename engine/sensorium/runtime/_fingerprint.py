"""What decides which sets there are: a digest of it, and the deadlines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b

from sensorium.durations import INFINITY, format_duration
from sensorium.host import Pipeline
from sensorium.plugin import Cut, Deadlines, Policy

__all__ = ["alignment_fingerprint", "deadline_change", "deadlines_after"]


def deadlines_after(policy: Policy, cut: Cut | None) -> Deadlines | None:
    """The deadlines that hold after a cut of the same fingerprint, or from the beginning.

    None where cuts do not say them, and another one is another configuration.
    """
    if not _says_deadlines(policy):
        return None
    if cut is None or cut.deadlines is None:
        return Deadlines(policy.deadline)
    # What counts from later than all that had been read has come out at no deadline.
    return cut.deadlines.then(policy.deadline, cut.newest)


def deadline_change(policy: Policy, fingerprint: str, cuts: Iterable[Cut | None]) -> str:
    """Which deadline follows which others, of cuts of this fingerprint; empty if none does."""
    told = {
        it.deadlines.now for it in cuts if it and it.deadlines and it.fingerprint == fingerprint
    }
    before = [format_duration(it) for it in sorted(told - {policy.deadline})]
    return f"{format_duration(policy.deadline)} instead of {', '.join(before)}" if before else ""


def _says_deadlines(policy: Policy) -> bool:
    return policy.deadline_may_change and policy.deadline != INFINITY


def alignment_fingerprint(pipeline: Pipeline) -> str:
    """16 hexadecimal digits of the alignment's configuration.

    Of the policy and of every stream's topic and limits: with another one, what a cut says of
    pending sets no longer holds. Of a deadline that may change it is only said that there is one.
    """
    policy = pipeline.policy
    parameters = policy.model_dump(mode="json")
    if _says_deadlines(policy):
        parameters["deadline"] = "finite"
    said = {
        "policy": {"name": policy.name, **parameters},
        "streams": {
            name: {"topic": part.topic, **part.spec.model_dump(mode="json")}
            for name, part in pipeline.streams.items()
        },
    }
    return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8).hexdigest()
