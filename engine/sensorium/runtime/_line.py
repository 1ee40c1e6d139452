"""The loop that every executor turns: poll, ingest, align, send to the models, emit, flush."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from sensorium.events import AlignedSet, DeadLetter, Event, Prediction
from sensorium.observe import Health, Journal, Meters, Reading
from sensorium.plugin import Sink, Source, TopicPartition
from sensorium.runtime._arrivals import Arrivals
from sensorium.runtime._end import EndWatch
from sensorium.runtime._flight import Flight
from sensorium.runtime._intake import Intake, ingest_streams
from sensorium.runtime._microbatch import Waiting, Worked
from sensorium.runtime._readings import line_readings, plugin_hooks
from sensorium.runtime._summary import STAGES, RunSummary, Tally, percentile_ms
from sensorium.stages import Emitter, Ingest

if TYPE_CHECKING:
    from sensorium.host import Pipeline, PluginHost

__all__ = ["Line", "OnPredictions"]

#: Called with the predictions that have just been handed to the sink, and the set of each.
OnPredictions: TypeAlias = Callable[[Sequence[Prediction], Sequence[AlignedSet]], None]

#: How long one poll may block, in seconds, so that `stop` is noticed.
_POLL_SECONDS: Final = 0.1
#: The same while models work, so that their results are not kept waiting.
_POLL_SECONDS_IN_FLIGHT: Final = 0.002
_POLL_RECORDS: Final = 1024
_FLUSH_EVERY_NS: Final = 1_000_000_000
_TICK_EVERY_NS: Final = 1_000_000_000
_LATENCIES_KEPT: Final = 65_536


class Line:
    """The straight line, turned by one thread; only the models run elsewhere.

    It polls, ingests, aligns and emits. Micro-batches are handed to a flight, which takes them
    through encode and fuse wherever the models are. When the flight is full, polling stops. Sets
    and predictions, and their order, do not depend on the timing of the flight.

    Parameters
    ----------
    pipeline, host
        What to run, and the plugins that observe it.
    source, sink
        Where records come from and predictions go; both are closed at the end.
    flight
        Takes micro-batches through the models; it is closed at the end.
    model
        The identity of the model, for the predictions.
    clock
        Gives the log time, in ns since the epoch, of records that carry none.
    until_end
        Whether a source that goes on for ever is left when it says that every partition has been
        read to its end.
    on_predictions
        Called on the running thread.
    health
        Is told how the loop turns.
    journal
        Is told what is worth a line in the log.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        host: PluginHost,
        source: Source,
        sink: Sink,
        flight: Flight,
        *,
        model: str = "",
        clock: Callable[[], int] = time.time_ns,
        until_end: bool = False,
        on_predictions: OnPredictions | None = None,
        health: Health | None = None,
        journal: Journal | None = None,
    ) -> None:
        batch = pipeline.config.runtime.batch
        tasks = {name: part.task for name, part in pipeline.tasks.items()}
        self._pipeline = pipeline
        self._host = host
        self._source = source
        self._sink = sink
        self._flight = flight
        self._on_predictions = on_predictions
        self._clock = clock
        self._model = model
        self._health = health or Health()
        self._journal = journal or Journal(pipeline.name, pipeline.streams)
        self._tally = Tally(
            Meters(pipeline.streams, plugin_hooks(pipeline)),
            absences={name: Counter() for name in pipeline.streams},
        )
        self._ingest = Ingest(ingest_streams(pipeline), clock=clock)
        self._intake = Intake(pipeline, self._ingest, clock, self._tally)
        self._emitter = Emitter(pipeline.name, list(pipeline.streams), tasks, model)
        self._waiting = Waiting(batch.size, batch.wait)
        self._arrivals = Arrivals()
        self._latencies: deque[tuple[int, int]] = deque(maxlen=_LATENCIES_KEPT)
        self._until_end = until_end
        self._stopping = threading.Event()
        self._abandoning = threading.Event()
        self._unflushed = False
        self._flushed_at = 0
        self._ticked_at = 0

    def stop(self, *, now: bool = False) -> None:
        """Stop the intake; see `Executor.stop`."""
        if now:
            self._abandoning.set()
        self._stopping.set()

    def run(self) -> RunSummary:
        """Run until the source ends or `stop` is called, once; see `Executor.run`."""
        start = perf_counter_ns()
        self._health.phase = "starting"
        with ExitStack() as closing:
            closing.callback(self._sink.close)
            closing.callback(self._source.close)
            closing.callback(self._flight.close, abandon=True)
            ended = self._turn_until_end()
            self._health.phase = "stopping"
            if ended:
                self._settle(self._intake.close(self._watch))
            self._drain()
            if not self._abandoning.is_set():
                self._flight.close()
            self._health.enter("sink")
            self._sink.flush()
        summary = self._summary(perf_counter_ns() - start, stopped=not ended)
        self._journal.stopped(
            early=not ended,
            events=summary.events,
            sets=summary.sets,
            predictions=summary.predictions,
            dead_letters=summary.dead_letters,
        )
        return summary

    def readings(self) -> list[Reading]:
        """The metrics as they are now; may be called from any thread."""
        return line_readings(
            self._tally,
            self._ingest,
            self._intake,
            waiting=len(self._waiting),
            model=self._model,
            observers=self._host.hook.errors,
        )

    def _turn_until_end(self) -> bool:
        end = None
        if self._until_end:
            numbers = self._source.partitions()
            topics = self._source.topics
            end = EndWatch(TopicPartition(topic, it) for topic in topics for it in numbers)
        while not self._stopping.is_set():
            self._health.enter("source")
            batch = self._source.poll(_POLL_RECORDS, self._patience())
            self._health.enter()
            self._tick()
            self._settle(self._intake.take(batch, self._watch))
            self._land()
            if self._waiting and self._waiting.left(perf_counter_ns()) == 0:
                self._launch()
            self._flush(idle=not batch.records)
            if batch.ended or (end is not None and end.reached(batch)):
                return True
        return False

    def _tick(self) -> None:
        """What is told once a second."""
        now = perf_counter_ns()
        if self._health.phase == "starting":
            numbers = self._source.partitions()
            self._health.phase, self._health.partitions = "running", len(numbers)
            self._journal.assigned(numbers)
        if now - self._ticked_at >= _TICK_EVERY_NS:
            self._ticked_at = now
            self._journal.read(self._ingest.newest)

    def _patience(self) -> float:
        """How long the next poll may block, in seconds."""
        longest = _POLL_SECONDS_IN_FLIGHT if len(self._flight) else _POLL_SECONDS
        return min(longest, self._waiting.left(perf_counter_ns()) / 1e9)

    def _watch(self, events: Sequence[Event], letters: list[DeadLetter]) -> None:
        self._arrivals.note(events, perf_counter_ns())
        if events and self._host.observes("events"):
            self._host.hook.sensorium_on_events(pipeline=self._pipeline.name, events=events)
        self._bury(letters)

    def _settle(self, steps: Iterable[list[AlignedSet]]) -> None:
        observed = self._host.observes("sets")
        for sets in steps:
            now = perf_counter_ns()
            if observed:
                self._host.hook.sensorium_on_sets(pipeline=self._pipeline.name, sets=sets)
            for aligned in sets:
                self._waiting.add(aligned, now, self._arrivals.of(aligned, now))
                self._tally.sets += 1
                if self._waiting.full:
                    self._launch()
            if self._abandoning.is_set():
                return

    def _launch(self) -> None:
        """Send a micro-batch to the models; this is where a slow model holds up the intake."""
        while self._flight.full and not self._abandoning.is_set():
            self._wait_for_models()
            self._land()
        if not self._flight.full:
            batch = self._waiting.take()
            if not self._tally.meters.in_flight:
                self._health.models(len(batch.sets))
            self._tally.meters.launched(len(batch.sets))
            self._flight.submit(batch)

    def _drain(self) -> None:
        while (self._waiting or len(self._flight)) and not self._abandoning.is_set():
            if self._waiting:
                self._launch()
            else:
                self._wait_for_models()
            self._land()

    def _wait_for_models(self) -> None:
        self._health.enter("models")
        self._flight.wait(_POLL_SECONDS)
        self._health.enter()

    def _land(self) -> None:
        for worked in self._flight.landed():
            start = perf_counter_ns()
            tally, batch = self._tally, worked.batch
            if worked.model is not None and worked.model != self._model:
                self._model = worked.model
                self._journal.model_changed(worked.model)
            tally.spent("encode", worked.encode_ns)
            tally.spent("fuse", worked.fuse_ns)
            tally.meters.landed(batch.sets, len(worked.fused.rows))
            self._health.models(tally.meters.in_flight)
            for aligned in batch.sets:
                for stream, reason in aligned.absent.items():
                    tally.absences[stream][reason.value] += 1
            if worked.model is not None:
                self._model = worked.model
            emitted = self._emitter.emit(batch.sets, worked.fused, self._model)
            self._bury(worked.letters + emitted.letters)
            if emitted.predictions:
                self._send(emitted.predictions, emitted.sets)
                self._note_latencies(worked, emitted.sets)
            tally.spent("emit", perf_counter_ns() - start)

    def _note_latencies(self, worked: Worked, sets: Sequence[AlignedSet]) -> None:
        end, batch = perf_counter_ns(), worked.batch
        rows = worked.fused.rows.tolist()
        settled = [end - batch.settled[row] for row in rows]
        read = [end - batch.read[row] for row in rows]
        self._latencies.extend(zip(settled, read, strict=True))
        self._tally.meters.predicted(sets, self._clock(), np.array(read, np.float64))

    def _send(self, predictions: list[Prediction], sets: list[AlignedSet]) -> None:
        self._health.enter("sink")
        self._sink.write(predictions)
        self._health.enter()
        self._unflushed = True
        self._tally.predictions += len(predictions)
        if self._host.observes("predictions"):
            self._host.hook.sensorium_on_predictions(
                pipeline=self._pipeline.name, predictions=predictions
            )
        if self._on_predictions is not None:
            self._on_predictions(predictions, sets)

    def _bury(self, letters: list[DeadLetter]) -> None:
        if not letters:
            return
        self._health.enter("sink")
        self._sink.write_dead_letters(letters)
        self._health.enter()
        self._unflushed = True
        self._tally.dead_letters += len(letters)
        self._tally.meters.buried(letters)
        self._journal.buried(letters)
        if self._host.observes("dead_letters"):
            self._host.hook.sensorium_on_dead_letters(pipeline=self._pipeline.name, letters=letters)

    def _flush(self, *, idle: bool) -> None:
        now = perf_counter_ns()
        if self._unflushed and (idle or now - self._flushed_at >= _FLUSH_EVERY_NS):
            self._health.enter("sink")
            self._sink.flush()
            self._health.enter()
            self._unflushed = False
            self._flushed_at = now

    def _summary(self, nanoseconds: int, *, stopped: bool) -> RunSummary:
        tally = self._tally
        settled = [latency for latency, _ in self._latencies]
        read = [latency for _, latency in self._latencies]
        return RunSummary(
            records=dict(self._ingest.counts),
            events=self._ingest.counts["event"],
            sets=tally.sets,
            predictions=tally.predictions,
            dead_letters=tally.dead_letters,
            fates=dict(self._intake.fates),
            absences={name: dict(reasons) for name, reasons in tally.absences.items() if reasons},
            seconds=nanoseconds / 1e9,
            stage_seconds={name: tally.nanoseconds[name] / 1e9 for name in STAGES},
            latency_p50_ms=percentile_ms(settled, 50),
            latency_p99_ms=percentile_ms(settled, 99),
            arrival_p50_ms=percentile_ms(read, 50),
            arrival_p99_ms=percentile_ms(read, 99),
            stopped=stopped,
        )
