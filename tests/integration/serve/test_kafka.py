"""Several ingest replicas share a real Apache Kafka, exactly once, while everything dies."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka_records import read_all
from serve_kafka import KEYS, MakePipeline, Predictions, wait_for

from sensorium.errors import ConfigError
from sensorium.host import Pipeline, read_checkpoint
from sensorium.plugin import Payload
from sensorium.wire import Envelope, write_envelope

SOAK = os.environ.get("SENSORIUM_SOAK") == "1"
#: In a soak sixty replicas die, each of which takes up to twenty seconds.
pytestmark = pytest.mark.timeout(2400 if SOAK else 900)
SECOND = 1_000_000_000
CONTROLLER = "SERVE_CONTROLLER"


#: How long events are under way before they are sent. What has not come when a line is begun anew,
#: with another deadline as well, has to come out afterwards.
DELAY = 300_000_000


class Producer:
    """Sends, five times a second, the next number in both streams of every key."""

    def __init__(self, broker: str, topics: dict[str, str]) -> None:
        self._broker, self._topics = broker, topics
        #: Per key and event time, the number.
        self.sent: dict[tuple[str, int], int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._turn)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(60)

    def _turn(self) -> None:
        from kafka import KafkaProducer

        producer = KafkaProducer(bootstrap_servers=self._broker)
        while not self._stopping.wait(0.2):
            send(producer, self._topics, time.time_ns() - DELAY, len(self.sent), self.sent)
        producer.close()


def send(producer: Any, topics: dict[str, str], now: int, number: int, sent: Any) -> None:
    for key in KEYS:
        for stream, topic in topics.items():
            envelope = Envelope(stream, key, now, Payload(number))
            producer.send(topic, key=key.encode(), value=write_envelope(envelope))
        sent[key, now] = number
    producer.flush()


def wait_for_all(producer: Producer, predictions: Predictions) -> None:
    """Wait until all that was sent is predicted; tell what is not."""
    left: set[tuple[str, int]] = set()

    def none_left() -> bool:
        left.clear()
        left.update(producer.sent.keys() - {(it["key"], it["time"]) for it in predictions()})
        return not left

    try:
        wait_for(none_left, "end of what was sent")
    finally:
        for key, when in sorted(left, key=lambda it: it[1])[:20]:
            print(f"one of {len(left)} not predicted: {key} {producer.sent[key, when]} at {when}")
        if left:
            print(f"sent until {max(when for _, when in producer.sent)}")


def members(broker: str, group: str) -> int | None:
    """How many processes share a group; None while that is being settled."""
    from kafka.admin import KafkaAdminClient
    from kafka.errors import CoordinatorNotAvailableError

    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        described = admin.describe_groups([group])[group]
    except CoordinatorNotAvailableError:
        return None  # the topic of the group's offsets is only now being made
    finally:
        admin.close()
    settled = described["group_state"] in ("Stable", "Empty")
    return len(described["members"]) if settled else None


@pytest.fixture
def producer(broker: str, topics: dict[str, str]) -> Iterator[Producer]:
    one = Producer(broker, {name: topics[name] for name in "ab"})
    yield one
    one.stop()


@pytest.fixture
def flows(predictions: Predictions) -> Callable[[str], None]:
    """Wait for output of what is sent from now on, of every key: of every partition with any."""

    def wait(after: str) -> None:
        now = time.time_ns()

        def all_there() -> bool:
            return {it["key"] for it in predictions() if it["time"] > now} == set(KEYS)

        wait_for(all_there, "prediction of every key")
        print(f"{after}: every key has output after {(time.time_ns() - now) / SECOND:.1f} s")

    return wait


def assert_each_once(found: list[dict[str, Any]], producer: Producer) -> None:
    assert len({it["id"] for it in found}) == len(found)
    assert {(it["key"], it["time"]) for it in found} == set(producer.sent)
    assert all(set(it["members"]) == {"a", "b"} for it in found)


def test_every_replica_may_die_and_the_model_may_change(
    deployed: Callable[[Pipeline], None],
    kill: Callable[[str], None],
    shared: MakePipeline,
    checkpoint: Callable[..., Path],
    producer: Producer,
    predictions: Predictions,
    flows: Callable[[str], None],
    broker: str,
    topics: dict[str, str],
    group: str,
) -> None:
    from sensorium.runtime.serve import remove

    one, two = checkpoint("one", scale=1, bias=0), checkpoint("two", scale=10, bias=5)
    replicas = "runtime.ingest.replicas=2"
    deployed(shared(replicas, weights=one))
    wait_for(lambda: members(broker, group) == 2, "second member")
    flows("deployed")
    for round_ in range(10 if SOAK else 1):
        for victim in ("streams.a", "ingest", "fusion", "streams.b", "ingest", CONTROLLER):
            kill(victim)
            flows(f"{victim} killed")
            if victim == "streams.a":
                deployed(shared(replicas, f"align.deadline={30 - round_}s", weights=two))
            if victim == "fusion":
                # Both lines are ended and begun again, in place.
                deployed(shared(replicas, f"align.deadline={29 - round_}s", weights=two))
                flows("deadline changed")
    producer.stop()
    wait_for_all(producer, predictions)
    # One may die at the last moment too: what is removed then is what is left.
    kill("ingest")
    assert remove(shared(replicas, weights=two))
    wait_for(lambda: members(broker, group) == 0, "leaving of the group")

    found = predictions()
    assert_each_once(found, producer)
    digests = {read_checkpoint(one).digest: (1, 0), read_checkpoint(two).digest: (10, 5)}
    assert {it["model"] for it in found} == set(digests)
    for it in found:
        scale, bias = digests[it["model"]]
        number = producer.sent[it["key"], it["time"]]
        assert it["tasks"]["sum"]["values"] == [2 * scale * number + bias]
    assert not read_all(broker, topics["dead"])


def test_a_node_may_die(
    add_node: Callable[[str], Callable[[], None]],
    deployed: Callable[[Pipeline], None],
    shared: MakePipeline,
    producer: Producer,
    predictions: Predictions,
    flows: Callable[[str], None],
) -> None:
    from sensorium.runtime.serve import remove

    # Ray places a replica that names a kind of GPU where that is, whether it needs one or not.
    there = [f"{part}.resources.accelerator_type=SPARE" for part in ("runtime.ingest", "streams.a")]
    kill_first = add_node("SPARE")
    deployed(shared(*there))
    flows("deployed")
    add_node("SPARE")
    kill_first()
    flows("the node of two replicas killed")
    producer.stop()
    wait_for(lambda: len(predictions()) >= len(producer.sent), "end of what was sent")
    assert remove(shared(*there))
    assert_each_once(predictions(), producer)


def test_a_run_adds_up_what_its_replicas_did(
    ray_here: Any, shared: MakePipeline, broker: str, topics: dict[str, str]
) -> None:
    from kafka import KafkaProducer

    from sensorium.runtime.serve import ServeExecutor
    from sensorium.testing import MemorySink

    sent: dict[tuple[str, int], int] = {}
    now = time.time_ns()
    sender = KafkaProducer(bootstrap_servers=broker)
    for number in range(50):
        send(sender, {name: topics[name] for name in "ab"}, now + number, number, sent)
    sender.close()
    sink = MemorySink()
    pipeline = shared("runtime.ingest.replicas=2", "delivery=at_least_once")
    summary = ServeExecutor(pipeline, ray_here, sink=sink, until_end=True).run()
    assert summary.events == 2 * len(sent)
    assert summary.predictions == len(sent)
    assert {(it.key, it.time) for it in sink.predictions} == set(sent)
    assert len(sink.predictions) == len(sent)


def test_a_slow_model_makes_nothing_late_and_loses_no_partition(
    deployed: Callable[[Pipeline], None],
    shared: MakePipeline,
    broker: str,
    topics: dict[str, str],
    group: str,
) -> None:
    """A call takes seven seconds; the group waits six for a poll, the brokers two for a commit."""
    from kafka import KafkaProducer
    from ray import serve

    from sensorium.runtime.serve import remove

    times = ["source.max_poll_interval=6s", "sink.transaction_timeout=2s", "align.deadline=1s"]
    pipeline = shared(*times, pause=7)
    deployed(pipeline)
    # A group may share out again when it has only now learned of a topic that is new; the drain of
    # a revoke would take longer than the group waits.
    for _ in range(2):
        wait_for(lambda: members(broker, group) == 1, "member")
        time.sleep(2)
    sent: dict[tuple[str, int], int] = {}
    sender = KafkaProducer(bootstrap_servers=broker)
    for number in range(4):  # 32 sets, in batches of at most 8
        send(sender, {name: topics[name] for name in "ab"}, time.time_ns(), number, sent)
        time.sleep(0.5)
    sender.close()
    ingest: Any = serve.get_deployment_handle("ingest", pipeline.name)

    def behind() -> float:
        """What the autoscaler is told, and the metrics say."""
        [load] = ingest.broadcast("record_autoscaling_stats").results()
        return load["lag_seconds"]

    wait_for(lambda: behind() > 5, "lag")
    assert members(broker, group) == 1

    def predictions() -> list[Any]:
        return read_all(broker, topics["out"], running=True)

    wait_for(lambda: len(predictions()) >= len(sent), "end of what was sent")
    assert len(predictions()) == len(sent)
    [summary] = remove(pipeline)
    assert summary.fates == {"matched": 2 * len(sent)}
    # It was never sent back to a stored cut.
    assert not summary.records.get("replayed")
    assert summary.adopted == 0


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="takes four minutes: SENSORIUM_SOAK=1 make soak")
def test_replicas_follow_the_lag(
    deployed: Callable[[Pipeline], None],
    shared: MakePipeline,
    producer: Producer,
    broker: str,
    topics: dict[str, str],
    group: str,
) -> None:
    """A model in the ingest replica that is too slow for one, and then nothing to do."""
    inline = [f"{part}.placement=inline" for part in ("streams.a", "streams.b", "fusion")]
    scale = "{replicas: {min: 1, max: 3}, target_lag: 2s, cool_down: 10s}"
    # One set after the other on each of two threads: some 20 a second, where 40 come.
    slow = ["runtime.batch.size=1", "runtime.threads=1", f"runtime.ingest={scale}"]
    deployed(shared(*inline, *slow, pause=0.05))
    wait_for(lambda: (members(broker, group) or 0) >= 2, "second replica")
    producer.stop()

    def predictions() -> list[dict[str, Any]]:
        return [json.loads(it.value) for it in read_all(broker, topics["out"], running=True)]

    wait_for_all(producer, predictions)
    wait_for(lambda: members(broker, group) == 1, "replica fewer")
    found = predictions()
    assert {(it["key"], it["time"]) for it in found} == set(producer.sent)
    assert len(found) == len(producer.sent)
    for it in found:
        assert it["tasks"]["sum"]["values"] == [2 * producer.sent[it["key"], it["time"]]]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["source.group=null", "delivery=at_least_once"], "does not share its partitions out"),
        (["source.group_instance_id=one"], "is configured for one process"),
        (["observe={port: 9464}"], "only one can listen there"),
    ],
)
def test_what_several_replicas_cannot_share_is_refused(
    deployed: Callable[[Pipeline], None], shared: MakePipeline, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        deployed(shared("runtime.ingest.replicas=2", *overrides))
