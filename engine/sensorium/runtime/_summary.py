"""What a run did, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from sensorium.events import AlignedSet
from sensorium.observe import STAGES, Meters
from sensorium.plugin import TopicPartition

__all__ = ["STAGES", "RunSummary", "Tally", "percentile_ms"]


_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did.

    Parameters
    ----------
    records
        Records read, by what became of them: event, heartbeat, skipped, dead_letter; and replayed,
        those that a stored cut covers and that were read again.
    events, sets, predictions, dead_letters
        How many.
    fates
        Events by fate; those still pending when the run was stopped included. Where the source
        keeps cuts, as of the newest committed ones.
    adopted, handed_over
        Events that were pending in a cut that this run went on from, or that another process goes
        on from.
    absences
        Per stream, and in it per reason, the sets that lacked it.
    seconds
        How long the run took.
    stage_seconds
        How long each stage worked; encode and fuse summed over threads.
    latency_p50_ms, latency_p99_ms
        From the time that a set was settled to when its prediction was handed to the sink; None
        without predictions. Over the newest 65,536 predictions.
    arrival_p50_ms, arrival_p99_ms
        From the time that a set's newest member was read. It includes waiting for other streams,
        so it means something for a live source or a paced replay only.
    stopped
        Whether the run was stopped before its source ended.
    ahead
        Per stream with ``encode: eager``, its events that were encoded before their sets had
        settled, those of them that a set used, and those for which there was no room.
    given_up
        Open sets that were given up, since a limit was exceeded.
    """

    records: Mapping[str, int]
    events: int
    sets: int
    predictions: int
    dead_letters: int
    fates: Mapping[str, int]
    absences: Mapping[str, Mapping[str, int]]
    seconds: float
    stage_seconds: Mapping[str, float]
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    arrival_p50_ms: float | None = None
    arrival_p99_ms: float | None = None
    stopped: bool = False
    adopted: int = 0
    handed_over: int = 0
    ahead: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    given_up: int = 0

    @classmethod
    def together(cls, summaries: Sequence[RunSummary]) -> RunSummary:
        """What several lines did that shared the work.

        Numbers are added up; seconds and latencies are those of the slowest.
        """
        if len(summaries) == 1:
            return summaries[0]

        def slowest(values: Iterable[float | None]) -> float | None:
            return max((it for it in values if it is not None), default=None)

        return cls(
            records=_added(it.records for it in summaries),
            events=sum(it.events for it in summaries),
            sets=sum(it.sets for it in summaries),
            predictions=sum(it.predictions for it in summaries),
            dead_letters=sum(it.dead_letters for it in summaries),
            fates=_added(it.fates for it in summaries),
            absences=_added_in_each(it.absences for it in summaries),
            seconds=max(it.seconds for it in summaries),
            stage_seconds=_added(it.stage_seconds for it in summaries),
            latency_p50_ms=slowest(it.latency_p50_ms for it in summaries),
            latency_p99_ms=slowest(it.latency_p99_ms for it in summaries),
            arrival_p50_ms=slowest(it.arrival_p50_ms for it in summaries),
            arrival_p99_ms=slowest(it.arrival_p99_ms for it in summaries),
            stopped=any(it.stopped for it in summaries),
            adopted=sum(it.adopted for it in summaries),
            handed_over=sum(it.handed_over for it in summaries),
            ahead=_added_in_each(it.ahead for it in summaries),
            given_up=sum(it.given_up for it in summaries),
        )

    @property
    def events_per_s(self) -> float:
        """Events per second of the run."""
        return self.events / self.seconds if self.seconds > 0 else 0.0

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Names and values as they are shown to people."""
        rows = [
            ("events", f"{self.events:,}"),
            ("sets", f"{self.sets:,}"),
            ("predictions", f"{self.predictions:,}"),
            ("dead letters", f"{self.dead_letters:,}"),
            ("records skipped", f"{self.records.get('skipped', 0):,}"),
            *((f"fate {fate}", f"{count:,}") for fate, count in self.fates.items() if count),
        ]
        if self.given_up:
            rows.append(("sets given up", f"{self.given_up:,}"))
        for stream, reasons in self.absences.items():
            rows += [(f"absent {stream}, {why}", f"{count:,}") for why, count in reasons.items()]
        for stream, counts in self.ahead.items():
            rows.append((f"{stream} encoded ahead", f"{counts['encoded']:,}"))
            rows.append((f"{stream} in vain", f"{counts['encoded'] - counts['used']:,}"))
        rows += [
            ("seconds", f"{self.seconds:.2f}"),
            ("events per second", f"{self.events_per_s:,.0f}"),
        ]
        rows += [(f"seconds in {name}", f"{self.stage_seconds[name]:.3f}") for name in STAGES]
        for name, value in (
            ("latency p50", self.latency_p50_ms),
            ("latency p99", self.latency_p99_ms),
        ):
            if value is not None:
                rows.append((name, f"{value:.1f} ms"))
        return rows


@dataclass(slots=True)
class Tally:
    """The numbers of a run while it goes on.

    Parameters
    ----------
    meters
        What is counted for the metrics only.
    """

    meters: Meters
    sets: int = 0
    predictions: int = 0
    dead_letters: int = 0
    absences: dict[str, Counter[str]] = field(default_factory=dict)
    nanoseconds: Counter[str] = field(default_factory=Counter)
    waited: Counter[str] = field(default_factory=Counter)
    """How long the loop has waited, in ns: for records (``source``), or, with sets on their way,
    for the models (``models``)."""
    adopted: int = 0
    """Events that were pending in the cuts that this process went on from."""
    handed_over: int = 0
    """Events that were pending in the newest cuts of partition numbers that have been taken away:
    whoever reads these next adopts them."""
    commits: Counter[str] = field(default_factory=Counter)
    """Commits of cuts, by outcome: done, failed."""
    rebalances: int = 0
    """How often partition numbers were shared out anew."""
    partitions: int = 0
    """How many topic-partitions are read here."""
    paused: int = 0
    """How many of them are paused."""
    lag: Mapping[TopicPartition, int] = field(default_factory=dict)
    """How many records of each have not been read yet."""

    def committed(self, nanoseconds: int) -> None:
        """Note a commit that was done, and how long it took."""
        self.commits["done"] += 1
        self.meters.committed(nanoseconds)

    def absent(self, sets: Iterable[AlignedSet]) -> None:
        """Note which streams sets that were predicted do without, and why."""
        for aligned in sets:
            for stream, reason in aligned.absent.items():
                self.absences[stream][reason.value] += 1

    def spent(self, stage: str, nanoseconds: int) -> None:
        """Note the time of one call of a stage."""
        self.nanoseconds[stage] += nanoseconds
        self.meters.stage(stage, nanoseconds)

    def summary(
        self,
        records: Mapping[str, int],
        fates: Mapping[str, int],
        latencies: Collection[tuple[int, int]],
        *,
        nanoseconds: int,
        stopped: bool,
        ahead: Mapping[str, Mapping[str, int]],
        given_up: int,
    ) -> RunSummary:
        """What the run did, at its end.

        Parameters
        ----------
        records, fates, stopped, ahead, given_up
            As of `RunSummary`.
        latencies
            Of the newest predictions: since the set was settled, and since its newest member was
            read, in ns.
        nanoseconds
            How long the run took.
        """
        settled = [latency for latency, _ in latencies]
        read = [latency for _, latency in latencies]
        absences = {name: dict(reasons) for name, reasons in self.absences.items() if reasons}
        return RunSummary(
            records=dict(records),
            events=records["event"],
            sets=self.sets,
            predictions=self.predictions,
            dead_letters=self.dead_letters,
            fates=dict(fates),
            adopted=self.adopted,
            handed_over=self.handed_over,
            absences=absences,
            seconds=nanoseconds / 1e9,
            stage_seconds={name: self.nanoseconds[name] / 1e9 for name in STAGES},
            latency_p50_ms=percentile_ms(settled, 50),
            latency_p99_ms=percentile_ms(settled, 99),
            arrival_p50_ms=percentile_ms(read, 50),
            arrival_p99_ms=percentile_ms(read, 99),
            stopped=stopped,
            ahead=ahead,
            given_up=given_up,
        )


def percentile_ms(nanoseconds: Collection[int], share: float) -> float | None:
    """A percentile of times in ns, in ms; None of none."""
    if not nanoseconds:
        return None
    return float(np.percentile(np.fromiter(nanoseconds, np.float64), share)) / 1e6


def _added(counts: Iterable[Mapping[str, _Number]]) -> dict[str, _Number]:
    total: dict[str, _Number] = {}
    for mapping in counts:
        for name, value in mapping.items():
            total[name] = total[name] + value if name in total else value
    return total


def _added_in_each(
    counts: Iterable[Mapping[str, Mapping[str, int]]],
) -> dict[str, dict[str, int]]:
    found: dict[str, list[Mapping[str, int]]] = {}
    for mapping in counts:
        for name, inner in mapping.items():
            found.setdefault(name, []).append(inner)
    return {name: _added(those) for name, those in found.items()}
