"""``sensorium demo kafka``: the watch demo through a broker, each part in a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from sensorium.demo._broker import NoBrokerError, kafka_broker
from sensorium.demo._damage import Damage
from sensorium.demo._demos import DEMOS
from sensorium.demo._layout import place
from sensorium.demo._recording import write_recording
from sensorium.demo._watch import load_trials, split_trials
from sensorium.errors import ConfigError, RunError, WireError
from sensorium.events import Prediction
from sensorium.host import Pipeline, PluginHost, load_pipeline
from sensorium.operations import create_topics, open_log, plan_topics
from sensorium.plugin import Record
from sensorium.wire import prediction_from_dict

__all__ = ["run_kafka_demo"]

_WATCH: Final = DEMOS["watch"]
_INTERRUPTED: Final = 130
#: Longer than the engine waits for the last window: its max_delay, its deadline, and a second.
_QUIET_SECONDS: Final = 10.0
_END_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.2
_PROGRAM: Final = "import sys; from sensorium.cli import main; sys.exit(main())"


def run_kafka_demo(
    *,
    bootstrap_servers: str | None = None,
    partitions: int = 3,
    speed: float | str = 1.0,
    executor: str = "local",
    model: str | None = None,
    damage: Damage | None = None,
    seed: int = 0,
    as_json: bool = False,
) -> int:
    """Play the recordings into topics, run the engine on them, and print what it predicts.

    Three processes and, if none is named, a broker: a producer (`sensorium replay`), the engine
    (`sensorium run`), and this one, which consumes the predictions. All end with this one.

    Parameters
    ----------
    bootstrap_servers
        A broker that runs; None to start one.
    partitions
        Of each topic.
    speed
        How many times as fast as it was; ``max`` for as fast as it goes.
    executor
        What runs the engine.
    model
        ``stats``, which is the default, or ``cnn``.
    damage
        What goes wrong between devices and log.
    seed
        What makes the recordings reproducible.
    as_json
        Whether to print nothing but one JSON object.

    Returns
    -------
    int
        The exit code: 0, or 130 if it was interrupted.

    Raises
    ------
    ConfigError
        If there is no broker to be had, or no such model.
    RunError
        If the producer or the engine fails.
    """
    shipped = _WATCH.file(model)
    score = _Score(quiet=as_json, in_real_time=speed == 1.0)
    with contextlib.ExitStack() as held:
        held.enter_context(_terminated_as_interrupted())
        try:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="sensorium-demo-")))
            address = bootstrap_servers or held.enter_context(_broker(score))
            placed = place(split_trials(load_trials())[1], seed)
            score.truth = {item.trial.key: item.trial.exercise for item in placed}
            path = _write_pipeline(folder, address, shipped, in_real_time=score.in_real_time)
            pipeline = load_pipeline(path, plugins=PluginHost())
            recording = folder / "watch.mcap"
            write_recording(recording, placed, damage or Damage(), seed, pipeline.name)
            create_topics(pipeline, plan_topics(pipeline, partitions=partitions))
            score.say(f"topics of {partitions} partitions, named {pipeline.name}.*")
            engine = held.enter_context(
                _process("engine", "run", str(path), "--executor", executor)
            )
            played = ["--data", str(recording), "--now", "--by-key", "--speed", str(speed)]
            producer = held.enter_context(_process("producer", "replay", str(path), *played))
            score.say(f"the producer is process {producer.pid}, the engine {engine.pid}")
            _consume(pipeline, score, producer, engine)
        except KeyboardInterrupt:
            score.finish(as_json=as_json)
            return _INTERRUPTED
    score.finish(as_json=as_json)
    return 0


@dataclass
class _Score:
    """Prints predictions, and counts those that are right.

    Parameters
    ----------
    quiet
        Whether nothing is printed.
    in_real_time
        Whether event times can be compared with the broker's clock.
    truth
        Per key the exercise.
    """

    quiet: bool
    in_real_time: bool
    truth: Mapping[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    right: int = 0

    def say(self, line: str) -> None:
        if not self.quiet:
            print(line, flush=True)

    def take(self, record: Record) -> None:
        try:
            prediction = prediction_from_dict(json.loads(record.data or b""))
        except (ValueError, WireError):
            return  # of somebody else
        if prediction.id in self.ids:  # at_least_once
            return
        self.ids.add(prediction.id)
        label = prediction.tasks[_WATCH.task].label
        correct = label == self.truth.get(prediction.key)
        self.right += correct
        after = ((record.arrived or 0) - prediction.time) / 1e9
        wait = f", {after:.1f} s after its window began" if self.in_real_time else ""
        verdict = "right" if correct else "wrong"
        self.say(f"[{record.partition}] {_words(prediction)}{wait}, {verdict}")

    def finish(self, *, as_json: bool) -> None:
        accuracy = self.right / len(self.ids) if self.ids else None
        if as_json:
            print(json.dumps({"predictions": len(self.ids), "accuracy": accuracy}), flush=True)
        else:
            shown = "-" if accuracy is None else f"{accuracy:.3f}"
            self.say(f"\n{len(self.ids):,} predictions, accuracy {shown}")


def _words(prediction: Prediction) -> str:
    result = prediction.tasks[_WATCH.task]
    streams = "+".join(sorted(prediction.members))
    absent = "".join(f", no {name} ({why})" for name, why in sorted(prediction.absent.items()))
    return f"{prediction.key}: {result.label} {result.score or 0:.2f} from {streams}{absent}"


@contextlib.contextmanager
def _broker(score: _Score) -> Iterator[str]:
    score.say("starting Apache Kafka (the first time, Maven fetches it)")
    with contextlib.ExitStack() as held:
        try:
            address = held.enter_context(kafka_broker())
        except NoBrokerError as error:
            raise ConfigError(
                f"there is no broker to be had here: {error}. Name one with --bootstrap-servers, "
                "or install Java 17 and Maven (Debian and Ubuntu: apt install default-jre-headless "
                "maven)"
            ) from None
        score.say(f"Apache Kafka at {address}")
        yield address


def _write_pipeline(folder: Path, address: str, shipped: Path, *, in_real_time: bool) -> Path:
    """The shipped pipeline file, on topics of this run's own."""
    import yaml

    fields: dict[str, Any] = yaml.safe_load(shipped.read_text("utf-8"))
    name = f"watch-{time.strftime('%H%M%S')}"
    broker = {"plugin": "kafka", "bootstrap_servers": address}
    fields["pipeline"] = name
    fields["source"] = {**broker, "start": "earliest"}
    out = {"topic": f"{name}.predictions", "dead_letters": f"{name}.dead-letters"}
    fields["sink"] = {**broker, **out}
    fields["checkpoint"] = str(shipped.parent / fields["checkpoint"])
    for stream, part in fields["streams"].items():
        part["topic"] = f"{name}.{stream}"
        if not in_real_time:
            # What happens runs ahead of the broker's clock, which then decides nothing: a set
            # comes when its streams have passed its end.
            part |= {"max_future": "1h", "max_delay": "1h"}
    if not in_real_time:
        fields["align"]["deadline"] = "1h"
    path = folder / "watch.yaml"
    path.write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")
    return path


def _consume(
    pipeline: Pipeline,
    score: _Score,
    producer: subprocess.Popen[bytes],
    engine: subprocess.Popen[bytes],
) -> None:
    """Print predictions until the producer has ended and no more come."""
    with open_log(pipeline, "sink") as log:
        source = log.read([log.topics["predictions"]], start="earliest", follow=True)
        try:
            quiet_since = time.monotonic()
            while time.monotonic() - quiet_since < _QUIET_SECONDS:
                records = source.poll(500, _POLL_SECONDS).records
                for record in records:
                    score.take(record)
                for name, process in (("producer", producer), ("engine", engine)):
                    if process.poll() not in (None, 0):
                        raise RunError(f"the {name} ended with exit code {process.returncode}")
                if records or producer.returncode is None:
                    quiet_since = time.monotonic()
        finally:
            source.close()


@contextlib.contextmanager
def _process(name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of sensorium's commands; it is told to end, and waited for, when the context ends."""
    process = subprocess.Popen(  # noqa: S603 - this program
        [sys.executable, "-c", _PROGRAM, *arguments],
        stdout=subprocess.DEVNULL,
        # Ctrl-C is for this process, which then tells the others in their order.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"the {name} had to be killed", file=sys.stderr)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """While it lasts, SIGTERM ends this process as Ctrl-C does: with what it has started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
