"""Kafka to Kafka on one machine, against a bare loop that polls and produces.

    PYTHONPATH=engine:plugins python tests/benchmarks/kafka.py

**Rate.** Topics are filled with the recordings of two sensors of a watch; then, in turn, each reads
them from the beginning: a loop of kafka-python that polls all records and writes one message for
each set, of a prediction's size (the limit: it decodes nothing and aligns nothing), and the engine,
which decodes, aligns windows, calls a model that costs nothing, and writes predictions, in both
deliveries. Counted from the first record to the last message that the broker has, in this process:
events per second by the wall, and seconds of its CPU per million events.

**Latency.** Two topics get events in pairs, half as many pairs a second as the engine has shown
that it makes sets. `exact` aligns a pair at once, so that no time of it is the alignment's own;
another process reads what comes out. From when a pair was sent to when its message is read, for the
loop and for both deliveries.

A broker is started (Java and Maven), or SENSORIUM_TEST_KAFKA names one. Broker, engine, feeder and
reader share the cores of the machine.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from kafka_parts import PARTITIONS, Broker, FreePlugins, executor, pipeline, process, serve
from watch_data import STREAMS, watch_recordings, watch_records

import sensorium_plugins
from sensorium.demo._broker import kafka_broker
from sensorium.hookspecs import hookimpl
from sensorium.host import PluginHost
from sensorium.plugin import Payload
from sensorium.wire import Envelope, write_envelope

SECOND = 1_000_000_000
DELIVERIES = ("at_least_once", "exactly_once")


@dataclass(frozen=True)
class Rate:
    """What one of them did with all records."""

    events: int
    messages: int
    seconds: float
    cpu_seconds: float

    @property
    def per_s(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_per_million(self) -> float:
        return self.cpu_seconds / self.events * 1e6


@dataclass(frozen=True)
class Latency:
    """What a reader saw at a rate of events, in ms."""

    events_per_s: float
    messages: int
    p50: float
    p99: float


def fill(broker: Broker, topics: Mapping[str, str], copies: int) -> int:
    """Write the recordings, as many copies as are asked for, each under keys of its own."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker.address, linger_ms=20, batch_size=1 << 17)
    _, recordings = watch_recordings()
    records = watch_records([array for array in recordings for _ in range(copies)])
    for record in records:
        key = record.data[: record.data.find(b"\xa4time")] if record.data else b""
        number = hash(key.split(b"watch-")[-1]) % PARTITIONS
        producer.send(
            topics[record.topic],
            record.data,
            partition=number,
            timestamp_ms=(record.arrived or 0) // 1_000_000,
        )
    producer.flush()
    producer.close()
    return len(records)


def bare(broker: Broker, topics: Sequence[str], events: int, messages: int) -> Rate:
    """The limit: poll everything, and write so many messages, spread over it."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=broker.address, enable_auto_commit=False, isolation_level="read_committed"
    )
    consumer.assign([TopicPartition(topic, it) for topic in topics for it in range(PARTITIONS)])
    consumer.seek_to_beginning()
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all")
    out, value, headers = broker.topic(), b"p" * 420, [("content-type", b"application/json")]
    seen, written, start, cpu = 0, 0, 0.0, 0.0
    while seen < events:
        found = consumer.poll(timeout_ms=1000, max_records=1024)
        if found and not seen:
            start, cpu = time.perf_counter(), time.process_time()
        for those in found.values():
            for record in those:
                seen += 1
                if seen * messages >= (written + 1) * events:
                    producer.send(out, value, record.value[20:28], headers)
                    written += 1
    producer.flush()
    rate = Rate(seen, written, time.perf_counter() - start, time.process_time() - cpu)
    consumer.close()
    producer.close()
    return rate


class Watch(FreePlugins):
    """Looks at when an engine had its first event and wrote its last message."""

    def __init__(self) -> None:
        self.events = 0
        self.first = self.last = (0.0, 0.0)

    @hookimpl
    def sensorium_on_events(self, pipeline: str, events: Any) -> None:
        if not self.events:
            self.first = time.perf_counter(), time.process_time()
        self.events += len(events)

    @hookimpl
    def sensorium_on_predictions(self, pipeline: str, predictions: Any) -> None:
        self.last = time.perf_counter(), time.process_time()


def engine(broker: Broker, topics: Mapping[str, str], delivery: str, events: int) -> Rate:
    """The engine, until it has read everything."""
    watch = Watch()
    host = PluginHost(entry_points=[], modules=[sensorium_plugins, watch])
    summary = executor(pipeline(broker, topics, delivery), host, until_end=True).run()
    assert summary.events == events, summary
    assert summary.dead_letters == 0
    seconds, cpu = (last - first for first, last in zip(watch.first, watch.last, strict=True))
    return Rate(summary.events, summary.predictions, seconds, cpu)


# Latency: processes of their own, started from this file.


def feed(address: str, topics: Sequence[str], pairs_per_s: float, seconds: float) -> None:
    """Send pairs of events of a hundred keys, evenly; the event time is when it is sent."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=address)
    array = np.ones((25, 3), np.float32)
    start, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - start) < seconds:
        while sent < now * pairs_per_s:
            key, instant = f"k{sent % 100}", time.time_ns()
            for topic in topics:
                data = write_envelope(Envelope(None, key, instant, Payload(array)))
                producer.send(topic, data, partition=sent % 100 % PARTITIONS)
            sent += 1
        time.sleep(0.001)
    producer.flush()
    producer.close()


def loop(address: str, topics: Sequence[str], out: str) -> None:
    """The bare loop, for ever: a message for the second of each pair, with its time."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    consumer.assign([TopicPartition(topic, it) for topic in topics for it in range(PARTITIONS)])
    consumer.seek_to_end()
    producer = KafkaProducer(bootstrap_servers=address)
    while True:
        for place, those in consumer.poll(timeout_ms=100).items():
            for record in those:
                if place.topic == topics[1]:
                    at = record.value.index(b"time\xcf") + 5
                    instant = int.from_bytes(record.value[at : at + 8])
                    producer.send(out, b'{"time": %d, "rest": "%s"}' % (instant, b"p" * 400))


def read(broker: Broker, out: str, waits: Callable[[], bool]) -> list[tuple[float, float]]:
    """What comes out until nothing is to be waited for: when it was sent, and read, in s."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=broker.address, enable_auto_commit=False, isolation_level="read_committed"
    )
    consumer.assign([TopicPartition(out, it) for it in range(PARTITIONS)])
    consumer.seek_to_beginning()
    found: list[tuple[float, float]] = []
    quiet = 0
    while waits() or quiet < 20:
        polled = consumer.poll(timeout_ms=100)
        now = time.time()
        for those in polled.values():
            found += [(json.loads(record.value)["time"] / 1e9, now) for record in those]
        quiet = 0 if polled else quiet + 1
    consumer.close()
    return found


def latency(broker: Broker, kind: str, events_per_s: float, seconds: float) -> Latency:
    """Of the bare loop, or of the engine in a delivery, at this rate."""
    topics = {name: broker.topic(stamp="LogAppendTime") for name in STREAMS}
    names = list(topics.values())
    if kind == "loop":
        out = broker.topic()
        part = ("loop", broker.address, names, out)
    else:
        fields = pipeline(broker, topics, kind, align={"policy": "exact"})
        fields["source"]["start"] = "latest"
        out = fields["sink"]["topic"]
        part = ("serve", json.dumps(fields))
    with process(__file__, *part):
        time.sleep(5)  # until it reads: it is a member of a group
        feeder = ("feed", broker.address, names, events_per_s / 2, seconds)
        with process(__file__, *feeder) as feeding:
            found = read(broker, out, lambda: feeding.poll() is None)
    begin = min(sent for sent, _ in found)
    # The first second is that of connections being made.
    steady = [(got - sent) * 1e3 for sent, got in found if sent > begin + 1]
    p50, p99 = np.percentile(steady, [50, 99])
    return Latency(events_per_s, len(steady), float(p50), float(p99))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--copies", type=int, default=8, help="of the recordings (default 8)")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--seconds", type=float, default=15, help="of each latency (default 15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers, too")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.part is not None:
        name, *rest = json.loads(given.part)
        {"feed": feed, "loop": loop, "serve": serve}[name](*rest)
        return 0
    with kafka_broker() as address:
        broker = Broker(address)
        report = measure(broker, given.copies, given.repeat, given.seconds)
    if given.json is not None:
        given.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def measure(broker: Broker, copies: int, repeat: int, seconds: float) -> dict[str, Any]:
    topics = {name: broker.topic() for name in STREAMS}
    events = fill(broker, topics, copies)
    gc.collect()
    gc.freeze()
    messages = engine(broker, topics, "at_least_once", events).messages  # warms up, too
    rates: dict[str, list[Rate]] = {kind: [] for kind in ("loop", *DELIVERIES)}
    for _ in range(repeat):
        rates["loop"].append(bare(broker, list(topics.values()), events, messages))
        for delivery in DELIVERIES:
            rates[delivery].append(engine(broker, topics, delivery, events))
    print(f"{events:,} events, {messages:,} sets; {PARTITIONS} partitions, {len(topics)} topics")
    limit = median(it.per_s for it in rates["loop"])
    for kind, those in rates.items():
        per_s, cpu = median(it.per_s for it in those), median(it.cpu_per_million for it in those)
        print(
            f"  {kind:<14} {per_s:>9,.0f} events/s  {per_s / limit:>6.1%} of the loop  "
            f"{cpu:>6.1f} CPU s per million",
            flush=True,
        )
    # A pair is two events and one set.
    half = 2 * median(it.messages / it.seconds for it in rates["at_least_once"]) / 2
    found = {kind: latency(broker, kind, half, seconds) for kind in ("loop", *DELIVERIES)}
    for kind, it in found.items():
        print(
            f"  {kind:<14} at {it.events_per_s:>7,.0f} events/s: p50 {it.p50:.1f} ms, "
            f"p99 {it.p99:.1f} ms of {it.messages:,} messages"
        )
    return {
        "rates": {kind: [asdict(it) for it in those] for kind, those in rates.items()},
        "latency": {kind: asdict(it) for kind, it in found.items()},
    }


if __name__ == "__main__":
    threading.current_thread().name = "benchmark"
    sys.exit(main())
