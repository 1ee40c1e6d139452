"""What sending predictions to Kafka costs, against kafka-python's own way.

    PYTHONPATH=engine:plugins python tests/benchmarks/kafka_sending.py

Micro-batches of messages as large as predictions, to a topic of three partitions of a real broker,
flushed after every fourth; both ways in turn, medians. CPU time of this process: of the thread that
sends, and of all, with the one that talks to the broker. The broker's is not in it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Of a script its own folder comes first, and `kafka` would be the benchmark of that name.
if sys.path[0] == str(Path(__file__).parent):
    sys.path.append(sys.path.pop(0))

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from sensorium.demo._broker import kafka_broker
from sensorium_plugins._kafka_partitioner import key_partitioner
from sensorium_plugins._kafka_sending import BATCH_BYTES, send_alike

TOPIC = "predictions"
HEADERS = [("content-type", b"application/json")]
#: Of a micro-batch, and micro-batches between two flushes.
MESSAGES, BATCHES = 256, 4

Send = Callable[[Any, Sequence[tuple[bytes, bytes]]], object]


def one_by_one(producer: Any, messages: Sequence[tuple[bytes, bytes]]) -> object:
    return [producer.send(TOPIC, value, key, HEADERS) for key, value in messages]


def together(producer: Any, messages: Sequence[tuple[bytes, bytes]]) -> object:
    return list(send_alike(producer, TOPIC, messages, HEADERS))


def microseconds(
    producer: Any, send: Send, messages: Sequence[tuple[bytes, bytes]], flushes: int
) -> tuple[float, float]:
    """CPU time of a message: of the thread that sends, and of the process."""
    own, began = 0.0, time.process_time()
    for _ in range(flushes):
        for _ in range(BATCHES):
            at = time.thread_time()
            send(producer, messages)
            own += time.thread_time() - at
        producer.flush()
    count = flushes * BATCHES * len(messages)
    return own / count * 1e6, (time.process_time() - began) / count * 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--flushes", type=int, default=20, help="in each round (default 20)")
    parser.add_argument("--rounds", type=int, default=7, help="default 7")
    parser.add_argument("--bytes", type=int, default=500, help="of a message (default 500)")
    given = parser.parse_args(arguments)
    messages = [(b"key-%d" % (it % 100), b"p" * given.bytes) for it in range(MESSAGES)]
    ways: dict[str, tuple[Send, dict[str, Any]]] = {
        "kafka-python's send": (one_by_one, {}),
        "and larger batches": (one_by_one, {"batch_size": BATCH_BYTES}),
        "many at a time": (together, {"batch_size": BATCH_BYTES}),
    }
    with kafka_broker() as address:
        admin = KafkaAdminClient(bootstrap_servers=address)
        admin.create_topics([NewTopic(TOPIC, 3, 1)])
        admin.close()
        producers = {
            name: KafkaProducer(
                bootstrap_servers=address, acks="all", partitioner=key_partitioner(), **settings
            )
            for name, (_, settings) in ways.items()
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(given.rounds):
            for name, (send, _) in ways.items():
                found[name].append(microseconds(producers[name], send, messages, given.flushes))
        for producer in producers.values():
            producer.close()
    print(f"{'us of CPU a message':<24}{'sending':>10}{'in all':>10}{'times':>8}")
    first = statistics.median(it for _, it in found[next(iter(ways))])
    for name, costs in found.items():
        own, total = (statistics.median(its) for its in zip(*costs, strict=True))
        print(f"{name:<24}{own:>10.1f}{total:>10.1f}{first / total:>8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
