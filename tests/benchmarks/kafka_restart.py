"""How long output stops when an engine dies and another one takes over, by how much is re-read.

    PYTHONPATH=engine:plugins python tests/benchmarks/kafka_restart.py

Two topics are filled with events of many keys, all within the horizon, so that whoever takes over
has to read every one of them again; an engine reads them. Then it is killed, and another process is
started at once, while pairs of events go on. From the kill to the first prediction of a pair that
was sent after it, less the session time-out of the group, for which the broker holds the partitions
back. The same with hardly anything to read again leaves the start of a process and the joining of a
group; the same with one key a partition says what the keys cost; and `approximate` has a note of
every key to read besides. All of it is read while the group still waits for the dead engine, so it
counts how long that is. A member with a `group_instance_id` that comes back under it is given its
partitions at once.

A broker is started (Java and Maven), or SENSORIUM_TEST_KAFKA names one. Broker, engine and feeder
share the cores of the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from kafka_parts import PARTITIONS, Broker, pipeline, process, serve
from watch_data import STREAMS

from sensorium.demo._broker import kafka_broker
from sensorium.plugin import Payload
from sensorium.wire import Envelope, write_envelope

#: The default of the source.
SESSION_SECONDS = 15
#: All that is read again has to be younger than this.
MAX_DELAY_SECONDS = 300
_PATIENCE = 180


@dataclass(frozen=True)
class Pause:
    """Between a kill and new output."""

    records: int
    keys: int
    policy: str
    member: str | None
    session: int
    """The session time-out, in seconds."""
    seconds: float
    """From the kill to the first new prediction."""

    @property
    def beyond_session(self) -> float:
        return self.seconds - self.session


class Feeder:
    """Sends pairs of events; the event time is when they are sent."""

    def __init__(self, broker: Broker, topics: Sequence[str]) -> None:
        from kafka import KafkaProducer

        self._producer = KafkaProducer(
            bootstrap_servers=broker.address, linger_ms=5, batch_size=1 << 17
        )
        self._topics = topics
        self._array = np.ones((25, 3), np.float32)

    def pair(self, number: int) -> None:
        key, instant = f"k{number}", time.time_ns()
        for topic in self._topics:
            data = write_envelope(Envelope(None, key, instant, Payload(self._array)))
            self._producer.send(topic, data, partition=number % PARTITIONS)

    def flush(self) -> None:
        self._producer.flush()

    def close(self) -> None:
        self._producer.close()


class Reader:
    """Reads predictions as they are committed."""

    def __init__(self, broker: Broker, topic: str) -> None:
        from kafka import KafkaConsumer, TopicPartition

        self._consumer = KafkaConsumer(
            bootstrap_servers=broker.address,
            enable_auto_commit=False,
            isolation_level="read_committed",
        )
        self._consumer.assign([TopicPartition(topic, it) for it in range(PARTITIONS)])
        self._consumer.seek_to_beginning()

    def wait_for(self, count: int) -> None:
        """Wait for so many predictions."""
        deadline = time.monotonic() + _PATIENCE
        while count > 0:
            if time.monotonic() > deadline:
                raise SystemExit(f"{count} predictions have not come")
            count -= sum(len(those) for those in self._consumer.poll(timeout_ms=100).values())

    def newest(self) -> int:
        """The event time of the newest of those that have just come, or 0."""
        polled = self._consumer.poll(timeout_ms=20)
        times = [json.loads(it.value)["time"] for those in polled.values() for it in those]
        return max(times, default=0)

    def close(self) -> None:
        self._consumer.close()


def pause(
    broker: Broker,
    delivery: str,
    session: int,
    records: int,
    keys: int,
    policy: str,
    member: str | None,
) -> Pause:
    """Fill, read, kill, and wait."""
    topics = {name: broker.topic(stamp="LogAppendTime") for name in STREAMS}
    fields = pipeline(broker, topics, delivery, align={"policy": policy})
    if policy == "approximate":
        fields["align"]["max_interval"] = "100ms"
        fields["sink"]["carry"] = broker.topic(cleanup="compact")
    if member is not None:
        fields["source"]["group_instance_id"] = member
    fields["source"]["session_timeout"] = f"{session}s"
    fields["sink"]["transaction_timeout"] = f"{min(session, 10)}s"
    for stream in fields["streams"].values():
        stream["max_delay"] = f"{MAX_DELAY_SECONDS}s"
    part = ("serve", json.dumps(fields))
    feeder, reader = Feeder(broker, list(topics.values())), Reader(broker, fields["sink"]["topic"])
    try:
        began = time.monotonic()
        for number in range(records // 2):
            feeder.pair(number % keys)
        feeder.flush()
        with process(__file__, *part):
            reader.wait_for(records // 2)
            # So that its last commit covers them.
            time.sleep(3)
        killed, killed_at = time.time_ns(), time.monotonic()
        if killed_at - began > MAX_DELAY_SECONDS:
            raise SystemExit("the first events have left the horizon: fewer --records")
        with process(__file__, *part):
            number = 0
            while reader.newest() <= killed:
                if time.monotonic() - killed_at > _PATIENCE:
                    raise SystemExit("no new prediction has come")
                feeder.pair(number % keys)
                feeder.flush()
                number += 1
            return Pause(records, keys, policy, member, session, time.monotonic() - killed_at)
    finally:
        feeder.close()
        reader.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=300_000, help="to read again (300000)")
    parser.add_argument("--keys", type=int, default=100_000, help="of them (default 100000)")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument(
        "--session", type=int, default=SESSION_SECONDS, help="session time-out, in s (default 15)"
    )
    parser.add_argument("--delivery", default="exactly_once", help="exactly_once by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers, too")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.part is not None:
        _, fields = json.loads(given.part)
        serve(fields)
        return 0
    found: dict[str, list[dict[str, Any]]] = {}
    with kafka_broker() as address:
        broker = Broker(address)
        cases = {
            "nothing to read again": (2 * PARTITIONS, PARTITIONS, "exact", None),
            "one key a partition": (given.records, PARTITIONS, "exact", None),
            "many keys": (given.records, given.keys, "exact", None),
            "one key, same member": (given.records, PARTITIONS, "exact", "a"),
            "many keys, same member": (given.records, given.keys, "exact", "a"),
        }
        if given.delivery == "exactly_once":
            cases["many keys, carried"] = (given.records, given.keys, "approximate", None)
        for name, case in cases.items():
            records, keys, *_ = case
            pauses = [
                pause(broker, given.delivery, given.session, *case) for _ in range(given.repeat)
            ]
            found[name] = [asdict(it) for it in pauses]
            print(
                f"  {name:<22} {records:>8,} records of {keys:>7,} keys: "
                f"{median(it.seconds for it in pauses):>5.1f} s, "
                f"{median(it.beyond_session for it in pauses):>5.1f} s beyond the session time-out",
                flush=True,
            )
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
