"""How long, in log time, one record may matter to another of its key."""

from __future__ import annotations

from collections.abc import Iterable

from sensorium.durations import Duration
from sensorium.plugin import Deadlines, Policy, StreamSpec

__all__ = ["horizon"]


def horizon(
    policy: Policy, specs: Iterable[StreamSpec], deadlines: Deadlines | None = None
) -> Duration:
    """The horizon of a policy over its streams, in ns; infinite if a delay or duration is.

    What was logged longer ago is needed neither to find a set again nor to know a duplicate. It is
    that of the longest of the `deadlines`, where there are some besides the policy's.
    """
    specs = list(specs)
    if deadlines is not None and deadlines.longest > policy.deadline:
        policy = policy.model_copy(update={"deadline": deadlines.longest})
    extent = policy.extent(max(spec.max_duration for spec in specs))
    max_delay = max(spec.max_delay for spec in specs)
    max_future = max(spec.max_future for spec in specs)
    return 2 * extent + max_delay + max_future + 1
