"""How many ingest replicas there should be: by how far they lie behind, and how busy they are."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from sensorium.observe import Reading

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

    from sensorium.host import IngestConfig

__all__ = ["LagPolicy", "LoadMeter", "ingest_scale"]

#: Reports come each ten seconds: those of the newest three are averaged.
_LOOK_BACK_SECONDS: Final = 30.0
#: How long the lag has to last before there are more replicas, as after a start.
_UPSCALE_SECONDS: Final = 10.0
#: A replica that works less than this share of its time lies behind for another reason than work.
_BUSY: Final = 0.5
#: How busy those are to be that are left when there are fewer.
_BUSY_AFTER: Final = 0.6


class LoadMeter:
    """What an ingest replica tells Serve of its load, out of its metrics.

    Parameters
    ----------
    waits_for_models
        Whether the time that it waits for models counts as idle, since all of them are elsewhere
        and are scaled by themselves; else another replica would bring another model.
    """

    def __init__(self, waits_for_models: bool) -> None:
        self._idle = ("source", "models") if waits_for_models else ("source",)
        self._last: tuple[float, float] | None = None

    def measure(
        self, readings: Iterable[Reading], numbers: int, now: float | None = None
    ) -> dict[str, float]:
        """The load since it was last asked.

        Parameters
        ----------
        readings
            The metrics of the line.
        numbers
            How many partition numbers the replica holds.
        now
            Seconds that only grow; by default `time.monotonic`.

        Returns
        -------
        dict[str, float]
            ``lag_seconds``, the longest of its partitions, and how long what has been read waits
            for the models; ``busy``, the share of time that it worked; ``numbers``.
        """
        now = time.monotonic() if now is None else now
        lag = waits = idle = 0.0
        for name, labels, value in readings:
            if name == "sensorium_lag_seconds" and isinstance(value, int | float):
                lag = max(lag, value)
            elif name == "sensorium_oldest_set_seconds" and isinstance(value, int | float):
                waits = value
            elif name == "sensorium_waited_seconds_total" and labels[0] in self._idle:
                assert isinstance(value, int | float)
                idle += value
        last, self._last = self._last, (now, idle)
        busy = 0.0
        if last is not None and now > last[0]:
            busy = min(max(1 - (idle - last[1]) / (now - last[0]), 0.0), 1.0)
        return {"lag_seconds": lag + waits, "busy": busy, "numbers": float(numbers)}


class LagPolicy:
    """Serve's autoscaling policy of the ingest deployment; it runs in the controller.

    Twice as many while one lies further behind than it may and they have their hands full, at most
    as many as there are partition numbers; fewer when the rest can do the work. After a change
    their number stays as it is for a while.

    Parameters
    ----------
    target_lag
        How far one may lie behind, in seconds.
    cool_down
        How long the number stays as it is after a change, in seconds.
    """

    def __init__(self, target_lag: float, cool_down: float) -> None:
        self._target_lag = target_lag
        self._cool_down = cool_down

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """The number that there should be; see `ray.serve.config.AutoscalingPolicy`."""
        count = context.target_num_replicas
        metrics = context.aggregated_metrics or {}
        lags, busy = metrics.get("lag_seconds", {}), metrics.get("busy", {})
        changes = (context.last_scale_up_time, context.last_scale_down_time)
        changed = max((it for it in changes if it is not None), default=-math.inf)
        now = time.time() if context.current_time is None else context.current_time
        # A new replica says nothing yet, and what the others say is of the time before it.
        if len(busy) < count or now - changed < self._cool_down:
            return count, {}
        numbers = round(sum(metrics.get("numbers", {}).values()))
        work = sum(busy.values())
        wanted = count
        if max(lags.values(), default=0.0) > self._target_lag:
            if work >= _BUSY * count:
                wanted = 2 * count
        elif work < _BUSY_AFTER * (count - 1):
            wanted = math.ceil(work / _BUSY_AFTER)
        if numbers:
            wanted = min(wanted, numbers)
        return max(wanted, 1), {}


def ingest_scale(config: IngestConfig) -> dict[str, Any]:
    """The scale of the ingest deployment, in Serve's terms."""
    replicas = config.replicas
    if replicas.min == replicas.max:
        return {"num_replicas": replicas.min}
    cool_down = float(config.cool_down) / 1e9
    return {
        "autoscaling_config": {
            "min_replicas": replicas.min,
            "max_replicas": replicas.max,
            "upscale_delay_s": _UPSCALE_SECONDS,
            "downscale_delay_s": cool_down,
            "look_back_period_s": _LOOK_BACK_SECONDS,
            "policy": {
                "policy_function": f"{__name__}:{LagPolicy.__name__}",
                "policy_kwargs": {
                    "target_lag": float(config.target_lag) / 1e9,
                    "cool_down": cool_down,
                },
            },
        }
    }
