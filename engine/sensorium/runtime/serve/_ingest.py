"""The ingest deployment: source, ingest, align and emit, on one thread of a replica."""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensorium import __version__
from sensorium.errors import RunError
from sensorium.events import AlignedSet, Prediction
from sensorium.host import ObserveConfig, default_host
from sensorium.observe import Exporter, Health, Journal, Reading, health_readings, logging_to
from sensorium.plugin import Sink, Source
from sensorium.runtime._ahead import ahead_of
from sensorium.runtime._ends import open_sink, open_source, warn_of_moves
from sensorium.runtime._flight import ThreadFlight
from sensorium.runtime._line import Line
from sensorium.runtime._summary import RunSummary
from sensorium.runtime.serve._metrics import RayMetrics
from sensorium.runtime.serve._outbox import Outbox, OutboxSink, Parcel
from sensorium.runtime.serve._scaling import LoadMeter
from sensorium.runtime.serve._settings import MODEL_ONLY, pipeline_of
from sensorium.runtime.serve._work import ServeWork

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from sensorium.host import Pipeline, PluginHost

__all__ = ["DRAIN_SECONDS", "Collected", "IngestReplica", "Order"]

_COLLECT_SECONDS: Final = 0.25
#: How long what is in flight may take to be finished when a replica is taken down.
DRAIN_SECONDS: Final = 30.0
#: How long a line may take to end that has been told to abandon what is in flight.
_ABANDON_SECONDS: Final = 30.0


#: After how long a thread gives way to another one that waits for the interpreter.
_SWITCH_SECONDS: Final = 0.0005


@dataclass(frozen=True, slots=True)
class Order:
    """What an ingest replica is to run.

    Parameters
    ----------
    followed
        Whether the program follows the run to its end.
    data, speed, until_end
        As of `run_pipeline`; the path is absolute.
    sink
        Whether predictions and dead letters are handed back, instead of written to the pipeline's
        own sink.
    sets
        Whether predictions are handed back with their sets.
    """

    followed: bool = False
    data: str | None = None
    speed: str | None = None
    until_end: bool = False
    sink: bool = False
    sets: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run has to hand back.

    Parameters
    ----------
    replica
        Whose it is.
    parcels
        In order.
    summary
        Once it has ended well; then there are no parcels but these.
    error
        Once it has failed.
    """

    replica: str
    parcels: list[Parcel]
    summary: RunSummary | None = None
    error: Exception | None = None


class _Run:
    """A line on its thread, and what it hands back."""

    def __init__(self, line: Line, outbox: Outbox, health: Health, ends: ExitStack) -> None:
        self.outbox = outbox
        self.line = line
        self.health = health
        self._ends = ends
        self.summary: RunSummary | None = None
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._turn, name="sensorium-line", daemon=True)
        self._thread.start()

    def stop(self, now: bool) -> None:
        """Stop the intake; with `now` abandon what is in flight."""
        self.line.stop(now=now)
        if now:
            self.outbox.close()

    def drain(self, seconds: float) -> RunSummary | None:
        """Stop the intake, finish what is in flight, and say what was done; None if it failed.

        What is not finished in so many seconds is abandoned.
        """
        self.stop(now=False)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.stop(now=True)
            self._thread.join(_ABANDON_SECONDS)
        return self.summary

    @property
    def ended(self) -> bool:
        """Whether the line has come to its end; one that hangs in a source or a sink has not."""
        return not self._thread.is_alive()

    def collect(self, replica: str, after: int) -> Collected:
        """What has not arrived yet, and how the run has ended, if it has."""
        ended = self.ended
        parcels = self.outbox.collect(after, 0 if ended else _COLLECT_SECONDS)
        if not ended:
            return Collected(replica, parcels)
        return Collected(replica, parcels, self.summary, self.error)

    def _turn(self) -> None:
        try:
            self.summary = self.line.run()
        except Exception as error:
            self.error = error
        finally:
            self.outbox.close()
            self._ends.close()


class IngestReplica:
    """Turns the line of a pipeline; see `sensorium.runtime.Line`.

    Its methods are plain functions, which Serve runs on threads.

    Parameters
    ----------
    topology
        The pipeline.
    encoders, fusion
        The deployments of what is not inline.
    flights
        How many micro-batches may be under way.
    order
        What to run.
    door
        The deployment of the door, if there is one. Nothing is done with it: an application is
        what its root names.
    """

    def __init__(
        self,
        topology: Mapping[str, Any],
        encoders: Mapping[str, DeploymentHandle[Any]],
        fusion: DeploymentHandle[Any] | None,
        flights: int,
        order: Order,
        door: DeploymentHandle[Any] | None = None,
    ) -> None:
        del door
        # A call of a deployment changes threads several times, and each time it would wait for the
        # line's thread to be interrupted: 5 ms, Python's default, are as long as a model's call.
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._order = order
        # A process of the engine's own; Ray keeps what it says.
        self._logging = ExitStack()
        self._logging.enter_context(logging_to(sys.stderr, "json"))
        self._topology = topology
        self._flights = flights
        self._work = ServeWork(topology, encoders, fusion)
        self._settings: Mapping[str, Any] = {}
        self._lock = threading.Lock()
        self._name = uuid.uuid4().hex
        self._stops = 0
        # Every model is a deployment of its own, and scaled by itself.
        self._load = LoadMeter(len(encoders) == len(topology["streams"]) and fusion is not None)
        self._run: _Run | None = None
        #: Why no line could be begun with other settings.
        self._failed: Exception | None = None

    def reconfigure(self, settings: Mapping[str, Any]) -> None:
        """Take up other settings: the first at once, later ones in the background."""
        with self._lock:
            before, self._settings = self._settings, settings
            self._work.change(settings)
            if self._run is None:
                if not self._order.followed:
                    self._run = self._begin(self._order)
            elif _of_the_line(before) != _of_the_line(settings):
                threading.Thread(target=self._begin_again, daemon=True).start()

    def collect(self, after: Mapping[str, int], stops: int) -> Collected:
        """What this replica hands back and what has not arrived yet; the first time, it begins.

        Parameters
        ----------
        after
            Per replica, the number up to which its parcels have arrived.
        stops
            Whether to stop the intake first (1), and to abandon what is in flight (2).

        Raises
        ------
        ConfigError
            If the source or sink cannot be opened.
        """
        with self._lock:
            if self._run is None:
                # Not before: what cannot be opened is told to the program that asks.
                self._run = self._begin(self._order)
            run = self._run
        if stops > self._stops:
            self._stops = stops
            run.stop(now=stops > 1)
        return run.collect(self._name, after.get(self._name, 0))

    def record_autoscaling_stats(self) -> dict[str, float]:
        """The load, for the policy that says how many replicas there should be."""
        run = self._run
        if run is None:
            return {}
        return self._load.measure(run.line.readings(), run.health.partitions or 0)

    def drain(self) -> RunSummary | None:
        """Stop the intake, finish what is in flight, commit; give the summary, None without one."""
        return None if self._run is None else self._run.drain(DRAIN_SECONDS)

    def check_health(self) -> None:
        """Fail where the loop does not turn any more; not where a broker or a model is slow."""
        if self._failed is not None:
            raise self._failed
        if self._run is None:
            return
        verdict = self._run.health.live()
        if not verdict.ok:
            raise RuntimeError("; ".join(verdict.reasons))
        if not self._order.followed and self._run.error is not None:
            # Nobody collects the error: Serve starts another replica, which goes on by the log.
            raise self._run.error

    def __del__(self) -> None:
        """Drain: Serve calls this when it takes a replica down, as when it scales."""
        if getattr(self, "_run", None) is not None:
            self.drain()

    def _begin_again(self) -> None:
        """End the line where it is, and begin one with the newest settings from there.

        Nobody waits for this: where it fails, the replica's health does, and Serve starts another.
        """
        with self._lock:
            if self._run is None:
                return
            try:
                self._run = self._begin_after(self._run, self._order)
            except Exception as error:
                self._failed = error

    def _begin_after(self, run: _Run, order: Order) -> _Run:
        run.drain(DRAIN_SECONDS)
        if not run.ended:
            raise RunError("the line with the settings of before does not end")
        return self._begin(order)

    def _begin(self, order: Order) -> _Run:
        pipeline = pipeline_of(self._topology, self._settings)
        host = default_host()
        observe = pipeline.config.observe
        watched = observe or ObserveConfig()
        health = Health(watched.stall_after / 1e9)
        journal = Journal(pipeline.name, pipeline.streams, watched.silent_after)
        outbox = Outbox()
        with ExitStack() as opened:
            exporter = None
            if observe is not None:
                exporter = Exporter(
                    pipeline.name,
                    health,
                    observe.bind,
                    observe.port,
                    version=__version__,
                    executor="serve",
                )
                opened.callback(exporter.close)
            data = None if order.data is None else Path(order.data)
            source = open_source(pipeline, host, data, order.speed)
            ends = opened.enter_context(ExitStack())
            ends.callback(source.close)
            sink = OutboxSink(outbox) if order.sink else open_sink(pipeline, host, None)
            if order.sink:
                warn_of_moves(source)
            line = self._line(order, pipeline, host, source, sink, outbox, health, journal)
            # From here on the line closes both.
            ends.pop_all()

            def readings() -> list[Reading]:
                return [*line.readings(), *self._work.readings()]

            def all_readings() -> list[Reading]:
                return [*readings(), *health_readings(health, __version__, "serve")]

            opened.callback(RayMetrics(pipeline.name, all_readings).close)
            if exporter is not None:
                exporter.attach(readings)
            journal.starting(__version__, "serve", None if exporter is None else exporter.address)
            return _Run(line, outbox, health, opened.pop_all())

    def _line(
        self,
        order: Order,
        pipeline: Pipeline,
        host: PluginHost,
        source: Source,
        sink: Sink,
        outbox: Outbox,
        health: Health,
        journal: Journal,
    ) -> Line:
        def hand_back(predictions: Sequence[Prediction], sets: Sequence[AlignedSet]) -> None:
            outbox.put(predictions=tuple(predictions), sets=tuple(sets))

        return Line(
            pipeline,
            host,
            source,
            sink,
            # One waits for a thread, so that it begins when another has ended, and not when the
            # line comes by.
            ThreadFlight(self._work, self._flights, self._flights + 1),
            ahead=ahead_of(pipeline, self._work),
            until_end=order.until_end,
            on_predictions=hand_back if order.sets else None,
            health=health,
            journal=journal,
        )


def _of_the_line(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {path: it for path, it in settings.items() if path not in MODEL_ONLY}
