"""What `sensorium check --data FILE` says of a recording: delays, and clocks."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorium.cli._table import print_table

if TYPE_CHECKING:
    from sensorium.durations import Duration
    from sensorium.host import Pipeline, PluginHost
    from sensorium.operations import ClockEstimate, Losses

__all__ = ["print_survey"]

_MOST_KEYS: Final = 5
_MS: Final = 1_000_000
_MODEL: Final = (
    "ahead: how far a clock seems to be ahead of the others that it is compared with, and where "
    "that lies in 95% of resamples; streams with the other streams of the same keys, keys with the "
    "other keys. It is read from the least delays, which are the transport delay less what the "
    "clock is ahead: a stream that always takes longer on its way looks like one whose clock is "
    "behind. Of two, it cannot be told which one is wrong. Nothing is corrected; a stream's "
    "`offset` would do that, in the pipeline file."
)


def print_survey(pipeline: Pipeline, host: PluginHost, data: Path) -> None:
    """Print what settings lose what share of a recording's events, and clocks that are off."""
    from sensorium.operations import estimate_clocks, losses, survey

    arrivals = survey(pipeline, host, data)
    print(f"\n{data}: the least settings that lose no more than a share of the events")
    _print_losses(losses(pipeline, arrivals))
    estimates = estimate_clocks(arrivals)
    print("\nclocks, as far as delays tell")
    _print_clocks(pipeline, estimates)


def _print_losses(found: list[Losses]) -> None:
    from sensorium.operations import LOSSES

    heads = [f"{100 * share:g}%" if share else "none" for share in LOSSES]
    rows = [("stream", "setting", "events", *heads, "now", "now loses")]
    rows += [
        (
            one.stream,
            one.setting,
            f"{one.events:,}",
            *(_duration(least) for least in one.least),
            _duration(one.now),
            f"{one.lost:.2%}",
        )
        for one in found
    ]
    print_table(rows)


def _print_clocks(pipeline: Pipeline, estimates: list[ClockEstimate]) -> None:
    streams = [one for one in estimates if one.stream is not None]
    apart = [one for one in estimates if one.key is not None and one.stands_out]
    if not estimates:
        print("too few events of any stream and key to tell")
        return
    rows = [("of", "ahead", "95%", "drift", "95%", "keys")]
    rows += [
        (
            f"stream {one.stream}" if one.stream is not None else f"key {one.key}",
            _signed(one.ahead),
            f"{_signed(one.interval[0])} to {_signed(one.interval[1])}",
            f"{one.drift:+.0f} ppm",
            f"{one.drift_interval[0]:+.0f} to {one.drift_interval[1]:+.0f}",
            str(one.keys),
        )
        for one in [*streams, *apart[:_MOST_KEYS]]
    ]
    print_table(rows)
    if len(apart) > _MOST_KEYS:
        print(f"and {len(apart) - _MOST_KEYS} more keys whose clocks seem to be off")
    for one in streams:
        if one.certain:
            offset = pipeline.streams[one.stream or ""].spec.offset - round(one.ahead / _MS) * _MS
            print(
                f"{one.stream}: if it is this clock that is wrong, `offset: {_duration(offset)}` "
                "corrects it"
            )
    print(textwrap.fill(_MODEL, 100))


def _duration(nanoseconds: Duration) -> str:
    from sensorium.durations import format_duration

    if math.isinf(nanoseconds):
        return "inf"
    # Up to the next millisecond: a setting of that loses no more.
    return format_duration(-(-int(nanoseconds) // _MS) * _MS)


def _signed(nanoseconds: float) -> str:
    return f"{nanoseconds / _MS:+,.1f} ms"
