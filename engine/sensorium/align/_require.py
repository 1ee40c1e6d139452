"""Whether a set has the streams that its policy requires."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sensorium.plugin import Policy

__all__ = ["required_streams"]


def required_streams(policy: Policy, streams: Sequence[str]) -> frozenset[int]:
    """Indices of the streams without which a set of the policy is not emitted."""
    names: Iterable[str]
    if policy.require == "all":
        names = streams
    elif policy.require == "any":
        names = ()
    else:
        names = policy.require
    return frozenset(streams.index(name) for name in names)
