"""What the demo found, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sensorium.demo._serve import Comparison
from sensorium.runtime import RunSummary

__all__ = ["Figures", "share"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the demo found.

    Parameters
    ----------
    demo, model, seed
        What was run.
    accuracy
        Streamed: the share of the predictions that were right. None without predictions.
    accuracy_offline
        Of the same model on perfectly aligned windows of the whole data.
    accuracy_by_streams
        Of each stream alone and all together, over the sets that have them.
    run
        The figures of the run.
    executor
        What ran it.
    comparison
        Of the executor serve: what the executor local gives beside it.
    """

    demo: str
    model: str
    seed: int
    accuracy: float | None
    accuracy_offline: float | None
    accuracy_by_streams: Mapping[str, float | None]
    run: RunSummary
    executor: str = "local"
    comparison: Comparison | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as JSON takes it."""
        run = self.run
        return {
            "demo": self.demo,
            "model": self.model,
            "seed": self.seed,
            "executor": self.executor,
            "serve_and_local": None if self.comparison is None else asdict(self.comparison),
            "accuracy": self.accuracy,
            "accuracy_offline": self.accuracy_offline,
            "accuracy_by_streams": dict(self.accuracy_by_streams),
            "sets": run.sets,
            "predictions": run.predictions,
            "events": run.events,
            "dead_letters": run.dead_letters,
            "fates": {name: count for name, count in run.fates.items() if count},
            "absences": {name: dict(reasons) for name, reasons in run.absences.items()},
            "seconds": run.seconds,
            "stage_seconds": dict(run.stage_seconds),
            "events_per_s": run.events_per_s,
            "latency_p50_ms": run.latency_p50_ms,
            "latency_p99_ms": run.latency_p99_ms,
            "stopped": run.stopped,
        }

    def rows(self) -> list[tuple[str, str]]:
        """Names and values as they are shown to people."""
        run = self.run
        rows = [
            ("accuracy, streamed", share(self.accuracy)),
            ("accuracy, offline, perfectly aligned", share(self.accuracy_offline)),
        ]
        rows += [
            (f"accuracy, {name.replace('+', ' + ')} only", share(value))
            for name, value in self.accuracy_by_streams.items()
        ]
        rows += [("sets", f"{run.sets:,}"), ("events", f"{run.events:,}")]
        rows += [(f"events {fate}", f"{count:,}") for fate, count in run.fates.items() if count]
        for stream, reasons in run.absences.items():
            rows += [(f"{stream} absent, {why}", f"{count:,}") for why, count in reasons.items()]
        rows.append(("events per second", f"{run.events_per_s:,.0f}"))
        for name, value in (("p50", run.latency_p50_ms), ("p99", run.latency_p99_ms)):
            rows.append((f"latency {name}", "-" if value is None else f"{value:.1f} ms"))
        return rows + ([] if self.comparison is None else self.comparison.rows())


def share(value: float | None) -> str:
    """An accuracy as it is shown."""
    return "-" if value is None else f"{value:.3f}"
