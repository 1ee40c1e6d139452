"""The loop that every executor turns: poll, ingest, align, send to the models, emit, flush."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from time import perf_counter_ns
from typing import Final, TypeAlias

import numpy as np

from sensorium.errors import ConfigError
from sensorium.events import AlignedSet, DeadLetter, Event, Prediction
from sensorium.host import Pipeline, PluginHost, delivery_problems
from sensorium.observe import Health, HealthWatch, Journal, Meters, Reading
from sensorium.plugin import Batch, Cut, Sink, Source
from sensorium.runtime._ahead import Ahead
from sensorium.runtime._arrivals import Arrivals, Latencies
from sensorium.runtime._delivery import Delivery
from sensorium.runtime._end import EndWatch
from sensorium.runtime._flight import Flight
from sensorium.runtime._garbage import rare_collections
from sensorium.runtime._intake import Intake, ingest_streams
from sensorium.runtime._lane import Marker
from sensorium.runtime._microbatch import Worked
from sensorium.runtime._outbox import Outbox
from sensorium.runtime._pressure import Pressure
from sensorium.runtime._readings import line_readings, plugin_hooks
from sensorium.runtime._summary import RunSummary, Tally
from sensorium.stages import Emitter, Ingest

__all__ = ["Line", "OnPredictions"]

#: Called with the predictions that have just been handed to the sink, and the set of each.
OnPredictions: TypeAlias = Callable[[Sequence[Prediction], Sequence[AlignedSet]], None]

#: How long one poll may block, in seconds, so that `stop` is noticed.
_POLL_SECONDS: Final = 0.1
#: The same while models work, so that their results are not kept waiting.
_POLL_SECONDS_IN_FLIGHT: Final = 0.002
_POLL_RECORDS: Final = 1024
_TICK_EVERY_NS: Final = 1_000_000_000


class Line:
    """The straight line, turned by one thread; only the models run elsewhere.

    It polls, ingests, aligns and emits. Micro-batches are handed to a flight, which takes them
    through encode and fuse wherever the models are. When too much is in flight, reading stops. Sets
    and predictions, and their order, do not depend on the timing of the flight. Where the source
    keeps cuts, it is the `Assignee` of its partition numbers.

    Parameters
    ----------
    pipeline, host
        What to run, and the plugins that observe it.
    source, sink
        Where records come from and predictions go; both are closed at the end.
    flight
        Takes micro-batches through the models; it is closed at the end.
    ahead
        Has events encoded before their sets settle; it is closed at the end.
    model
        The identity of the model, for the predictions.
    clock
        Gives the log time, in ns since the epoch, of records that carry none.
    until_end
        Whether a source that goes on for ever is left when it says that every partition has been
        read to its end.
    on_predictions
        Called on the running thread.
    health, journal
        Are told how the loop turns, and what is worth a line in the log.

    Raises
    ------
    ConfigError
        If source and sink cannot deliver as the pipeline says.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        host: PluginHost,
        source: Source,
        sink: Sink,
        flight: Flight,
        *,
        ahead: Ahead | None = None,
        model: str = "",
        clock: Callable[[], int] = time.time_ns,
        until_end: bool = False,
        on_predictions: OnPredictions | None = None,
        health: Health | None = None,
        journal: Journal | None = None,
    ) -> None:
        for path, message, fix in delivery_problems(pipeline, source, sink):
            raise ConfigError(f"{message}: {fix}", path=path)
        runtime = pipeline.config.runtime
        tasks = {name: part.task for name, part in pipeline.tasks.items()}
        exactly_once = (
            pipeline.config.delivery == "exactly_once" and source.keeps_cuts and sink.transactional
        )
        self._pipeline = pipeline
        self._host = host
        self._source = source
        self._sink = sink
        self._flight = flight
        self._ahead = ahead or Ahead()
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
        carrier = sink if exactly_once and pipeline.policy.carries else None
        self._intake = Intake(pipeline, self._ingest, clock, self._tally, source, carrier)
        self._emitter = Emitter(pipeline.name, list(pipeline.streams), tasks, model)
        self._outbox = Outbox(flight, runtime.batch.size, runtime.batch.wait, self._launching)
        self._stopping = threading.Event()
        self._abandoning = threading.Event()
        self._delivery = Delivery(
            source,
            sink,
            self._intake,
            self._outbox,
            self._tally,
            self._journal,
            exactly_once=exactly_once,
            interval=runtime.commit_interval,
            stopping=self._stopping.is_set,
        )
        self._pressure = Pressure(
            source,
            self._intake,
            self._outbox,
            self._tally,
            sets=runtime.in_flight.sets,
            bytes_=runtime.in_flight.bytes,
            max_lead=runtime.max_lead,
        )
        # What a poll gives is taken whole, so a small limit of sets needs small polls.
        self._poll_records = min(_POLL_RECORDS, runtime.in_flight.sets)
        self._drain_seconds = float(runtime.drain) / 1e9
        self._arrivals = Arrivals()
        self._latencies = Latencies()
        self._end = EndWatch(self._intake, asked=until_end)
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
            closing.callback(self._ahead.close)
            closing.enter_context(HealthWatch(self._health, self._journal))
            closing.enter_context(rare_collections())
            self._delivery.begin()
            if self._source.keeps_cuts:
                self._health.partitions = 0
                self._source.join(self)
            ended = self._turn_until_end()
            self._health.phase = "stopping"
            if ended and not self._source.keeps_cuts:
                self._settle(self._intake.close(self._watch))
            if self._finish():
                self._flight.close()
                self._delivery.flush(idle=True)
        summary = self._tally.summary(
            self._ingest.counts,
            self._intake.fates,
            self._latencies,
            nanoseconds=perf_counter_ns() - start,
            stopped=not ended,
            ahead=self._ahead.counts,
            given_up=self._intake.given_up,
        )
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
        return self._ahead.readings() + line_readings(
            self._tally,
            self._ingest,
            self._intake,
            topics={name: part.topic for name, part in self._pipeline.streams.items()},
            now=self._clock(),
            waiting=self._outbox.waiting,
            held=self._outbox.bytes,
            behind=self._outbox.behind,
            model=self._model,
            observers=self._host.hook.errors,
        )

    # What the source tells of partition numbers, within `poll`.

    def assigned(self, stored: Mapping[int, Cut | None]) -> None:
        """Read these partition numbers and no others; see `Assignee.assigned`."""
        self._delivery.assigned()
        self._intake.assign(stored)
        self._end.begin_again()
        self._tally.rebalances += 1
        self._tally.partitions = len(self._intake.places)
        self._health.partitions = len(stored)
        self._journal.assigned(sorted(stored))

    def foreseen(self, stored: Mapping[int, Cut]) -> None:
        """Read ahead what these cuts cover; see `Assignee.foreseen`."""
        self._intake.foresee(stored)

    def revoked(self, numbers: Collection[int]) -> None:
        """Commit what has been read of these partition numbers; see `Assignee.revoked`."""
        self._delivery.share_out()
        if numbers and not self._finish():
            self._delivery.give_up()

    def lost(self, numbers: Collection[int]) -> None:
        """Commit nothing more of these partition numbers; see `Assignee.lost`."""
        self._delivery.share_out()
        if numbers:
            self._delivery.give_up()

    # The loop.

    def _turn_until_end(self) -> bool:
        while not self._stopping.is_set():
            batch = self._poll()
            self._tick()
            self._settle(self._intake.take(batch, self._watch))
            self._outbox.launch()
            self._delivery.mark()
            self._land()
            self._outbox.launch()  # what has landed has made room
            self._health.enter("sink")
            self._delivery.flush(idle=not batch.records)
            self._health.enter()
            if batch.ended or self._end.reached(batch):
                return True
        return False

    def _poll(self) -> Batch:
        if not self._pressure.admits():
            self._wait_for_models(_POLL_SECONDS)
            return Batch()
        self._health.enter("source")
        start = perf_counter_ns()
        batch = self._source.poll(self._poll_records, self._patience())
        if not batch.records:
            waits_for = "models" if self._outbox.sets else "source"
            self._tally.waited[waits_for] += perf_counter_ns() - start
        self._health.enter()
        # A log says of what is quiet that it is; a file, or standard input, has nothing to say.
        asked = not self._source.local and self._tally.partitions > self._tally.paused
        self._health.source(silent=asked and not (batch.records or batch.progress))
        return batch

    def _tick(self) -> None:
        """What is told once a second."""
        now = perf_counter_ns()
        if self._health.phase == "starting":
            self._health.phase = "running"
            if not self._source.keeps_cuts:
                numbers = self._source.partitions()
                self._health.partitions = len(numbers)
                self._tally.partitions = len(self._intake.places)
                self._journal.assigned(numbers)
        if now - self._ticked_at >= _TICK_EVERY_NS:
            self._ticked_at = now
            self._journal.read(self._ingest.newest)
            self._tally.lag = dict(self._source.lag())

    def _wait_for_models(self, seconds: float) -> None:
        self._health.enter("models")
        start = perf_counter_ns()
        self._flight.wait(seconds)
        self._tally.waited["models"] += perf_counter_ns() - start
        self._health.enter()

    def _patience(self) -> float:
        """How long the next poll may block, in seconds."""
        longest = _POLL_SECONDS_IN_FLIGHT if len(self._flight) else _POLL_SECONDS
        return min(longest, self._outbox.patience() / 1e9, self._delivery.patience() / 1e9)

    def _watch(self, events: Sequence[Event], letters: list[DeadLetter]) -> None:
        self._arrivals.note(events, perf_counter_ns())
        self._ahead.take(events)
        if events and self._host.observes("events"):
            self._host.hook.sensorium_on_events(pipeline=self._pipeline.name, events=events)
        if letters:
            self._outbox.add_letters(letters)

    def _settle(self, steps: Iterable[list[AlignedSet]]) -> None:
        observed = self._host.observes("sets")
        for sets in steps:
            now = perf_counter_ns()
            if observed:
                self._host.hook.sensorium_on_sets(pipeline=self._pipeline.name, sets=sets)
            for aligned in sets:
                self._outbox.add(aligned, now, self._arrivals.of(aligned, now))
            self._tally.sets += len(sets)

    def _finish(self) -> bool:
        """Commit all that has been read, within the limit; gives whether nothing is left."""
        end = time.monotonic() + self._drain_seconds
        self._delivery.mark(now=True)
        while self._outbox and not (self._abandoning.is_set() or self._delivery.failed):
            left = end - time.monotonic()
            if left <= 0:
                self._journal.left(self._outbox.sets, self._drain_seconds)
                break
            self._outbox.seal()
            self._outbox.launch()
            self._wait_for_models(min(_POLL_SECONDS, left))
            self._land()
        if self._abandoning.is_set():
            return False
        self._delivery.commit()  # also where not all is done: what is, need not be done again
        return not self._outbox and not self._delivery.uncovered

    def _launching(self, sets: int) -> None:
        if not self._tally.meters.in_flight:
            self._health.models(sets)
        self._tally.meters.launched(sets)

    def _land(self) -> None:
        for item in self._outbox.take():
            if isinstance(item, Marker):
                self._health.enter("sink")
                self._delivery.reach(item)
                self._health.enter()
            elif isinstance(item, Worked):
                self._emit(item)
            else:
                self._bury(item)

    def _emit(self, worked: Worked) -> None:
        start = perf_counter_ns()
        tally, batch = self._tally, worked.batch
        tally.spent("encode", worked.encode_ns)
        tally.spent("fuse", worked.fuse_ns)
        tally.meters.landed(batch.sets, len(worked.fused.rows))
        self._health.models(tally.meters.in_flight)
        tally.absent(batch.sets)
        if worked.model is not None and worked.model != self._model:
            self._model = worked.model
            self._journal.model_changed(worked.model)
        emitted = self._emitter.emit(batch.sets, worked.fused, self._model)
        self._bury(worked.letters + emitted.letters)
        if emitted.predictions:
            self._send(emitted.predictions, emitted.sets)
            read = self._latencies.note(worked, perf_counter_ns())
            tally.meters.predicted(emitted.sets, self._clock(), np.array(read, np.float64))
        tally.spent("emit", perf_counter_ns() - start)

    def _send(self, predictions: list[Prediction], sets: list[AlignedSet]) -> None:
        self._health.enter("sink")
        self._delivery.write(predictions)
        self._health.enter()
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
        self._delivery.bury(letters)
        self._health.enter()
        self._tally.dead_letters += len(letters)
        self._tally.meters.buried(letters)
        self._journal.buried(letters)
        if self._host.observes("dead_letters"):
            self._host.hook.sensorium_on_dead_letters(pipeline=self._pipeline.name, letters=letters)
