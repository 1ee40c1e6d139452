"""The aligner beside Quix Streams' `join_interval`, on the same events in one run.

    pip install quixstreams && PYTHONPATH=engine:plugins python tests/benchmarks/align_quix.py

Two streams, every key each 100 ms, in order, joined per key within 10 ms: each event has its one
partner. `join_interval` runs in an application only: it reads from a broker and keeps both sides in
a store of its own. So the application is run twice, with the join and without, and what the join
costs is the difference; the aligner (`nearest`, 10 ms either way) is handed the objects. The times
are CPU seconds of one process, the threads of the Kafka client included.

A broker is started (Java and Maven), or SENSORIUM_TEST_KAFKA names one.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from align import MS, cpu_seconds, make_events, run_aligner, run_limit

from sensorium.align import Nearest
from sensorium.demo._broker import kafka_broker
from sensorium.events import Event

# A file beside this one has the name of the Kafka client.
if sys.path[0] == str(Path(__file__).parent):
    sys.path.append(sys.path.pop(0))

WITHIN = 10 * MS
NEAREST = Nearest(primary="s0", before=WITHIN, after=WITHIN)
#: The application ends when nothing has come for so long, in seconds; it sleeps meanwhile.
IDLE = 5.0


def fill(broker: str, topics: Sequence[str], events: Iterable[Event]) -> None:
    from kafka import KafkaProducer
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=broker)
    settings = {"num_partitions": 1, "replication_factor": 1}
    admin.create_topics(dict.fromkeys(topics, settings), wait_for_metadata=True)
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker, linger_ms=20)
    for event in events:
        topic = topics[int(event.stream[1:])]
        producer.send(topic, b"1", event.key.encode(), timestamp_ms=event.time // MS)
    producer.close()


def run_quix(broker: str, topics: Sequence[str], *, join: bool) -> int:
    from quixstreams import Application

    found = 0

    def count(_value: object) -> None:
        nonlocal found
        found += 1

    with tempfile.TemporaryDirectory() as state:
        app = Application(
            broker,
            consumer_group=uuid.uuid4().hex,
            auto_offset_reset="earliest",
            state_dir=state,
            loglevel="ERROR",
            use_changelog_topics=False,
        )
        read = [app.dataframe(app.topic(name, value_deserializer="str")) for name in topics]
        if join:
            read = [
                read[0].join_interval(
                    read[1],
                    on_merge=lambda left, right: left + right,
                    grace_ms=5_000,
                    backward_ms=WITHIN // MS,
                    forward_ms=WITHIN // MS,
                )
            ]
        for frame in read:
            frame.update(count)
        app.run(timeout=IDLE, collect=False)
    return found


def main(keys: Iterable[int] = (1, 100, 10_000)) -> int:
    logging.getLogger("kafka").setLevel(logging.ERROR)
    print("keys      sets   aligner/s   limit/s   quix/s   quix without join/s   times its join")
    with kafka_broker() as broker:
        for number in keys:
            events = make_events(2, number, max(40_000, 10 * number), 0.0, duration=0)
            topics = [f"quix-{uuid.uuid4().hex}" for _ in range(2)]
            fill(broker, topics, events)

            def app(join: bool, topics: Sequence[str] = topics) -> Callable[[], int]:
                return lambda: run_quix(broker, topics, join=join)

            ours, sets = cpu_seconds(
                lambda events=events: run_aligner(NEAREST, 2, events, lateness=0)
            )
            limit, _ = cpu_seconds(lambda events=events: run_limit(2, events))
            bare, read = cpu_seconds(app(join=False))
            theirs, found = cpu_seconds(app(join=True))
            assert read == len(events), (read, len(events))
            assert sets == found == len(events) // 2, (sets, found)
            rates = [len(events) / seconds for seconds in (ours, limit, theirs, bare)]
            print(
                f"{number:>6,} {sets:>7,} {rates[0]:>11,.0f} {rates[1]:>9,.0f} {rates[2]:>8,.0f} "
                f"{rates[3]:>21,.0f} {(theirs - bare) / ours:>16.1f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
