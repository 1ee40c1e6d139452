"""Random pipelines and logs, small enough to be run by the thousand, and what they have to give."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from simulated_log import Entry

from sensorium.align import Aligner, Approximate, Exact, Nearest, Window
from sensorium.errors import PayloadError
from sensorium.events import AlignedSet, Event, Prediction, TaskResult
from sensorium.host import Pipeline, PipelineConfig, StreamPart, TaskPart
from sensorium.plugin import (
    Deadlines,
    Features,
    FeatureSpec,
    Fusion,
    Modality,
    Payload,
    PluginConfig,
    Policy,
    Record,
    StreamSpec,
    Task,
    TaskOutput,
    TopicPartition,
)
from sensorium.stages import Fused
from sensorium.wire import Envelope, FieldMap, write_envelope

STREAMS = ("a", "b", "c")


class Nothing(Modality):
    """Takes any number, and has no features worth the name."""

    name = "nothing"

    def decode(self, payload: Payload) -> Any:
        if not isinstance(payload.data, int):
            raise PayloadError("expected a whole number")
        return payload.data

    def prepare(self, items: Any) -> Any:
        raise NotImplementedError

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(1)

    def encode(self, arrays: Any) -> Features:
        raise NotImplementedError


class NoFusion(Fusion):
    name = "nothing"

    def fuse(self, present: Any, **features: Features) -> Any:
        raise NotImplementedError


class Zero(Task):
    name = "zero"

    @property
    def size(self) -> int:
        return 1

    def activate(self, logits: Any) -> Any:
        return logits

    def result(self, activated: Any) -> TaskResult:
        return TaskResult(values=(0.0,))

    def target(self, value: Any) -> Any:
        raise NotImplementedError

    def loss(self, logits: Any, targets: Any) -> Any:
        raise NotImplementedError


@dataclass
class Case:
    """A pipeline, the log that it reads, and what it has to give."""

    policy: Policy
    specs: dict[str, StreamSpec]
    partitions: dict[TopicPartition, list[Entry]]
    margin: int
    end: int
    expected: dict[str, Prediction] = field(default_factory=dict)
    letters: set[str] = field(default_factory=set)


def make_case(seed: int, *, carries: bool = False) -> Case:
    """A random pipeline and log; small times, so that ties and exact hits are common.

    With `carries` it has the policy that carries state, else one of the others.
    """
    rng = random.Random(seed)
    streams = STREAMS[: rng.choice([2, 2, 3])]
    late = random.Random(f"late {seed}")
    policy = _carrying_policy(late, streams) if carries else _policy(rng, late, streams)
    specs = {
        name: StreamSpec(
            lateness=rng.choice([2, 6, 6] if carries else [0, 0, 2, 5]),
            max_delay=rng.choice([0, 3, 6, 12]),
            max_future=rng.choice([0, 2, 5]),
            max_duration=rng.choice([0, 0, 4]),
            offset=rng.choice([0, 0, 0, 2]),
        )
        for name in streams
    }
    create_time = rng.random() < 0.3
    margin = rng.choice([2, 5]) if create_time else rng.choice([0, 1])
    length = rng.choice([150, 300])
    slack = margin if create_time else 0
    make = _steady_log if carries else _log
    partitions = {
        TopicPartition(name, number): make(rng, name, number, specs[name], length, slack)
        for name in streams
        for number in (0, 1)
    }
    case = Case(policy, specs, partitions, margin, length + 200)
    expect(case)
    return case


def _policy(rng: random.Random, late: random.Random, streams: tuple[str, ...]) -> Policy:
    require = rng.choice(["any", "any", "all", [streams[0]]])
    common: dict[str, Any] = {"require": require, "deadline": rng.choice(["inf", 0, 4, 10])}
    if common["deadline"] != "inf" and late.random() < 0.5:
        common |= {"on_late": "revise", "revise_within": late.choice(["inf", 3, 8])}
    kind = rng.choice(["exact", "nearest", "window", "session"])
    if kind == "exact":
        return Exact(**common)
    if kind == "nearest":
        pick = rng.choice(["nearest", "first", "last"])
        return Nearest(
            primary=streams[0], before=rng.choice([0, 3, 6]), after=rng.choice([0, 3]), pick=pick,
            **common,
        )  # fmt: skip
    if kind == "window":
        size = rng.choice([4, 8])
        return Window(size=size, hop=rng.choice([2, 4]), **common)
    # Which of two events of equal log time ends a session is not laid down: no deadline.
    return Window(gap=rng.choice([1, 3]), max_length=rng.choice([8, 16]), require=require)


def _carrying_policy(rng: random.Random, streams: tuple[str, ...]) -> Policy:
    deadline = rng.choice(["inf", "inf", 0, 4, 10])
    return Approximate(
        max_interval=rng.choice([2, 3, 6]),
        # The greater, the more depends on what came before: the first set that there is comes out.
        age_penalty=rng.choice([0.0, 0.1, 1.0, 10.0]),
        # Which events are pushed out of a full queue depends on the order of arrival.
        queue_size=1000,
        deadline=deadline,
        require="all" if deadline == "inf" else rng.choice(["any", "all", [streams[0]]]),
    )


def _log(
    rng: random.Random,
    stream: str,
    number: int,
    spec: StreamSpec,
    length: int,
    slack: int,
) -> list[Entry]:
    """The entries of one topic-partition, with lulls and bursts, repeats, beats and poison.

    Producers stamp the records up to `slack` before they are appended; 0 is the log's own stamp.
    """
    entries: list[Entry] = []
    sent: list[Envelope] = []
    now = rng.randrange(6)
    while now < length:
        now += rng.choice([0, 0, 1, 1, 2, 5]) if rng.random() < 0.97 else rng.randrange(20, 60)
        stamped = now - rng.randrange(slack + 1)
        delay = rng.choice([0, 1, 2, spec.max_delay, spec.max_delay + 1, -int(spec.max_future)])
        key = f"k{number}{rng.choice('xyz')}"
        time = stamped - int(delay) - int(spec.offset)
        envelope = Envelope(stream, key, time, Payload(now), duration=rng.choice([0, 0, 4]))
        kind = rng.random()
        if kind < 0.03:
            entries.append(Entry(now, stamped, None))
            continue
        if kind < 0.06:
            envelope = Envelope(stream, key, time, Payload("poison"))
        elif kind < 0.10:
            envelope = Envelope(
                stream, rng.choice([key, None]), time, Payload(None), heartbeat=True
            )
        elif kind < 0.2 and sent:
            envelope = rng.choice(sent[-3:])
        sent.append(envelope)
        record = Record(stream, number, 0, write_envelope(envelope))
        entries.append(Entry(now, stamped, record))
    return entries


def _steady_log(
    rng: random.Random, stream: str, number: int, spec: StreamSpec, length: int, slack: int
) -> list[Entry]:
    """The same with one key, whose streams take turns at equal distances, with few gaps: which
    events are paired then depends on what came before, for long."""
    found: list[tuple[int, int]] = []
    for time in range(2 * STREAMS.index(stream), length, 4):
        kind = rng.random()
        if kind < 0.98:
            late = kind < 0.02
            delay = spec.max_delay + late if kind < 0.06 else min(rng.randrange(4), spec.max_delay)
            found.append((time + int(delay) + slack, time))
    entries: list[Entry] = []
    for now, time in sorted(found):
        envelope = Envelope(stream, f"k{number}x", time - int(spec.offset), Payload(now))
        record = Record(stream, number, 0, write_envelope(envelope))
        copies = 1 + (rng.random() < 0.05)
        entries += [Entry(now, now - rng.randrange(slack + 1), record) for _ in range(copies)]
    return entries


def make_pipeline(case: Case, delivery: str) -> Pipeline:
    config = PipelineConfig.model_validate(
        {
            "pipeline": "p",
            "streams": {name: {"modality": "nothing"} for name in case.specs},
            "align": {"policy": "any"},
            "fusion": {"plugin": "nothing"},
            "tasks": {"it": {"type": "zero"}},
            "delivery": delivery,
            "runtime": {"commit_interval": 0, "batch": {"size": 4, "wait": 0}, "max_lead": 60},
        }
    )
    streams = {
        name: StreamPart(name, name, Nothing, PluginConfig(), spec, "auto", FieldMap(), "cpu", 4)
        for name, spec in case.specs.items()
    }
    return Pipeline(
        name="p", streams=streams, policy=case.policy, fusion=NoFusion,
        fusion_config=PluginConfig(), fusion_device="cpu",
        tasks={"it": TaskPart("it", Zero(PluginConfig()), None, 1.0)},
        source=None, source_config=None, sink=None, sink_config=None, checkpoint=None,
        config=config,
    )  # fmt: skip


def expect(case: Case, deadlines: Mapping[int, Deadlines] | None = None) -> None:
    """Note what an undisturbed run gives: each partition number read once, in the order of log
    time, with the deadlines given by its number, if they are."""
    from sensorium.runtime._intake import ingest_streams
    from sensorium.stages import Emitter, Ingest

    pipeline = make_pipeline(case, "at_least_once")
    emitter = Emitter("p", list(case.specs), {"it": Zero(PluginConfig())})
    sets: list[AlignedSet] = []
    for number in (0, 1):
        ingest = Ingest(ingest_streams(pipeline), clock=lambda: 0)
        known = None if deadlines is None else deadlines[number]
        aligner = Aligner(case.policy, case.specs, lambda: 0, "p", deadlines=known)
        rows: list[tuple[int, int, Record]] = []
        for place, entries in case.partitions.items():
            if place.partition != number:
                continue
            newest = -1000
            for offset, entry in enumerate(entries):
                if entry.record is not None:
                    newest = max(newest, entry.stamped)
                    record = Record(place.topic, number, offset, entry.record.data, arrived=newest)
                    rows.append((entry.appended, len(rows), record))
        for _, _, record in sorted(rows, key=lambda row: row[:2]):
            read = ingest.read([record])
            case.letters.update(letter.origin or "" for letter in read.letters)
            for _, item in read.items:
                sets += _feed(aligner, item)
        for name in case.specs:
            sets += aligner.progress(name, case.end - case.margin)
    count = len(sets)
    fused = Fused(np.arange(count), {"it": TaskOutput(values=np.zeros((count, 1)))})
    case.expected = {it.id: it for it in emitter.emit(sets, fused).predictions}


def _feed(aligner: Aligner, item: Any) -> list[AlignedSet]:
    if isinstance(item, Event):
        return aligner.add(item)
    if hasattr(item, "key"):
        return aligner.heartbeat(item.stream, item.time, item.arrived, item.key)
    return aligner.progress(item.stream, item.log_time)
