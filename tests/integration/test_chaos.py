"""Engines die, freeze and change, and the broker stands still and restarts, while a real Apache
Kafka is read and written: what comes out is what comes out of an undisturbed run.

The undisturbed run is the recording of the same topics, replayed through the local executor. Bad
engines are found out: one that commits too early, and one that reads too little again.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chaos import EVERYTHING, Engines, Outcome
from kafka_broker import NoBrokerError, OwnBroker, own_broker
from kafka_records import SECOND, chunk, read_all

from sensorium.cli import main

SOAK = os.environ.get("SENSORIUM_SOAK") == "1"
#: In a soak 500 in all, others in every run.
FAULTS, SEED = (125, random.SystemRandom().randrange(10**6)) if SOAK else (10, 7)
#: In the tests, one of each.
COMBINATIONS = [("at_least_once", "nearest"), ("exactly_once", "window")]
if SOAK:
    COMBINATIONS += [
        ("at_least_once", "window"), ("exactly_once", "nearest"), ("exactly_once", "approximate"),
    ]  # fmt: skip
SECONDS_BETWEEN = 2.5
LIMITS = {"max_delay": "4s", "max_future": "2s", "max_duration": "1s"}
POLICIES: dict[str, dict[str, Any]] = {
    "window": {"policy": "window", "size": "1s", "require": "any", "deadline": "1s"},
    "nearest": {
        "policy": "nearest", "primary": "accel", "before": "150ms", "after": "150ms",
        "require": "any", "deadline": "1s",
    },
    "approximate": {"policy": "approximate", "max_interval": "150ms"},
}  # fmt: skip
#: How long a group waits for a member that does not come, though it is not missed.
REBALANCE = "20s"
KEYS = [f"p{n}" for n in range(9)]


POISON = b"\x82\xa1broken"

_LONG = "takes a minute: SENSORIUM_SOAK=1 make soak"
#: Engines with a defect, which has to be found out.
SLOW = """
import time
from sensorium_plugins.modalities._sensor_stats import SensorStats
encode = SensorStats.encode
SensorStats.encode = lambda self, arrays: (time.sleep(0.5), encode(self, arrays))[1]
"""
COMMITS_EARLY = (
    SLOW
    + """
from sensorium.runtime._delivery import Delivery
from sensorium.runtime._outbox import Outbox
def mark(self, *, now=False):
    if self.patience() > 0 and not now: return
    self._marked_at = time.perf_counter_ns()
    if marker := self._intake.mark():  # and not when it has come to its turn
        self._outstanding += 1
        self.reach(marker)
Delivery.mark = mark
"""
)
HALVES_THE_HORIZON = """
from sensorium.runtime import _intake
horizon = _intake.horizon
_intake.horizon = lambda *its: horizon(*its) // 2
"""


class Producer:
    """Sends chunks of both streams as time goes by, some late, some broken, some twice."""

    def __init__(self, broker: str, topics: list[str], seed: int) -> None:
        self._broker = broker
        self._topics = topics
        self._rng = random.Random(seed)
        self._stopping = threading.Event()
        self._last = 0
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End; gives the time of the last event that is in the log for certain, in ns."""
        self._stopping.set()
        self._thread.join(60)
        return self._last

    def _send(self) -> None:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        producer = KafkaProducer(bootstrap_servers=self._broker)
        while not self._stopping.wait(0.2):
            now = time.time_ns()
            sent = [
                producer.send(topic, **self._record(now)) for topic in self._topics for _ in KEYS
            ]
            try:
                for future in sent:
                    future.get(timeout=10)
            except KafkaError:
                continue  # the broker is away; it is sent again by itself
            self._last = now
        producer.close(timeout=20)

    def _record(self, now: int) -> dict[str, Any]:
        if self._rng.random() < 0.02:
            return {"key": self._rng.choice(KEYS).encode(), "value": POISON}
        delay = self._rng.choice([0, 0, 0, SECOND // 5, SECOND, 5 * SECOND])
        return chunk(self._rng.choice(KEYS), now - delay)


@pytest.fixture(scope="module")
def own() -> Iterator[OwnBroker]:
    """A broker of this module's own, since it is hurt."""
    try:
        settings = {
            # One that was killed is not taken back before its session with the controller ends.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "400",
        }
        log = ["kafka.coordinator.transaction", "org.apache.kafka.coordinator"]
        with own_broker(properties=settings, own_controller=True, log=log) as broker:
            yield broker
    except NoBrokerError as error:
        pytest.skip(f"needs Apache Kafka: {error}")


@pytest.fixture(scope="module")
def broker(own: OwnBroker) -> str:
    """Its address; what asks for a broker here gets this one."""
    return own.addresses["PLAINTEXT"]


@dataclass(frozen=True)
class Survived:
    """What came of it."""

    outcome: Outcome
    faults: int
    ended: Sequence[str]
    """The last words of engines that have ended by themselves: none has a reason to."""
    longest_pause: float
    """How long no prediction was written, in seconds."""
    hidden: Mapping[int, int]
    """Per partition of the output, how many records no reader of committed ones is given, since the
    broker takes a transaction for open."""
    broken: Sequence[str] = ()
    """What the broker said where it left a transaction half done, or answered for a group that it
    had not read."""


#: Runs a pipeline with these changes under so many faults, of these kinds, by engines that run some
#: text first.
Chaos = Callable[..., Survived]


@pytest.fixture
def chaos(
    own: OwnBroker, broker: str, pipeline_file: Callable[..., Path], tmp_path: Path
) -> Iterator[Chaos]:
    made: list[Engines] = []

    def run(
        faults: int,
        kinds: Sequence[str] = EVERYTHING,
        first: str = "",
        limits: Mapping[str, str] = LIMITS,
        **parts: Any,
    ) -> Survived:
        stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}, **limits}
        draft = json.loads(pipeline_file().read_text())
        streams = {name: {**stream, "topic": it["topic"]} for name, it in draft["streams"].items()}
        carries = parts["align"]["policy"] == "approximate"
        carry = {"carry": f"{draft['pipeline']}.carry"} if carries else {}
        path = pipeline_file(
            pipeline=draft["pipeline"],
            source={
                **draft["source"],
                "group": draft["pipeline"],
                "session_timeout": "3s",
                "max_poll_interval": REBALANCE,
            },
            streams=streams,
            sink={**draft["sink"], "transaction_timeout": "3s", **carry},
            **parts,
        )
        assert main(["topics", "create", str(path), "--partitions", "3", "--outage", "1h"]) == 0
        rng = random.Random(SEED)
        topics = [it["topic"] for it in streams.values()]
        producer = Producer(broker, topics, SEED)
        members = Engines(path, own, rng, kinds, first)
        made.append(members)
        members.start()
        members.start()
        done, next_fault = 0, time.monotonic() + 10
        while done < faults:
            time.sleep(0.1)
            members.tend()
            if time.monotonic() >= next_fault:
                members.hurt()
                done += 1
                next_fault = time.monotonic() + rng.uniform(0.5, 2 * SECONDS_BETWEEN)
        last = producer.stop()
        members.calm()

        recording, replayed = tmp_path / "all.mcap", tmp_path / "replayed.jsonl"
        assert main(["record", str(path), "-o", str(recording), "--until-end"]) == 0
        replay = ["run", str(path), "--data", str(recording), "--sink", str(replayed)]
        assert main(replay) == 0
        lines = [json.loads(line) for line in replayed.read_text().splitlines()]
        # The end of a recording closes its streams; live, silence closes them, and all sets are
        # due.
        due = last - 3 * SECOND
        expected = {one["id"]: one for one in lines if "id" in one and one["time"] < due}
        patience = 8 if first else 45
        found, pause = _settled(broker, draft["sink"]["topic"], expected, due, members, patience)
        hidden = _hidden(broker, draft["sink"]["topic"])
        outcome = Outcome.of(found, expected)
        said = own.output.read_text(errors="replace").splitlines()
        broken = [it for it in said if "likely deleted" in it or "Ignored load completion" in it]
        survived = Survived(outcome, done, members.ended, pause, hidden, broken[:4])
        print(f"seed {SEED}, {dict(members.faults)}: {survived}")
        if outcome.repeated and parts["delivery"] == "exactly_once":
            # What was committed and what was not, and by whom, is in the segments only.
            kept = tmp_path / "segments"
            for wanted in (f"{draft['sink']['topic']}-*", "__transaction_state-*"):
                for folder in own.data.glob(wanted):
                    shutil.copytree(folder, kept / folder.name)
            shutil.copy(own.output, kept)
            print(f"the broker's segments, and what it said, are kept in {kept}")
        assert len(expected) > 50
        if not first:
            _all_bad_ones_are_told(broker, topics, draft["sink"]["dead_letters"])
        return survived

    yield run
    for one in made:
        one.stop()


@pytest.mark.timeout(3600 if FAULTS > 100 else 300)
@pytest.mark.parametrize(("delivery", "policy"), COMBINATIONS)
def test_faults_lose_repeat_and_change_nothing(chaos: Chaos, delivery: str, policy: str) -> None:
    survived = chaos(FAULTS, align=POLICIES[policy], delivery=delivery)
    outcome = survived.outcome
    assert survived.faults == FAULTS
    assert not survived.ended
    assert (outcome.lost, outcome.wrong, outcome.extra) == (0, 0, 0)
    if delivery == "exactly_once":
        assert outcome.repeated == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "defect",
    [
        COMMITS_EARLY,
        HALVES_THE_HORIZON,
        # That it is slow is no defect, and not what is found out.
        pytest.param(SLOW, marks=pytest.mark.skipif(not SOAK, reason=_LONG)),
    ],
    ids=["early", "horizon", "none"],
)
def test_an_engine_that_forgets_is_found_out(chaos: Chaos, defect: str) -> None:
    # So that every window waits for as long as the horizon allows.
    limits = {"lateness": "4s", "max_delay": "4s", "max_future": "100ms", "max_duration": "200ms"}
    survived = chaos(
        4,
        ["kill"],
        defect,
        limits,
        align={"policy": "window", "size": "1s", "require": "any"},
        delivery="at_least_once",
    )
    outcome = survived.outcome
    assert (outcome.lost + outcome.wrong > 0) == (defect != SLOW)


def _all_bad_ones_are_told(broker: str, topics: Sequence[str], dead_letters: str) -> None:
    bad = {
        (topic, one.partition, one.offset)
        for topic in topics
        for one in read_all(broker, topic)
        if one.value == POISON
    }
    told = [dict(it.headers) for it in read_all(broker, dead_letters)]
    names = ("sensorium-topic", "sensorium-partition", "sensorium-offset")
    places = {tuple(it[name].decode() for name in names) for it in told}
    assert places == {tuple(map(str, place)) for place in bad}


def _hidden(broker: str, topic: str) -> dict[int, int]:
    from kafka import KafkaConsumer, TopicPartition

    ends: list[dict[Any, int]] = []
    for level in ("read_uncommitted", "read_committed"):
        consumer = KafkaConsumer(bootstrap_servers=broker, isolation_level=level)
        numbers = consumer.partitions_for_topic(topic)
        ends.append(consumer.end_offsets([TopicPartition(topic, number) for number in numbers]))
        consumer.close()
    return {place.partition: end - ends[1][place] for place, end in ends[0].items()}


def _settled(
    broker: str,
    topic: str,
    expected: dict[str, Any],
    due: int,
    members: Engines,
    patience: float,
) -> tuple[list[dict[str, Any]], float]:
    """The predictions of sets before `due`, once all expected ones are there, or none has come for
    `patience` seconds, each with where and when it was written; and how long, in seconds, none was
    written."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False,
        isolation_level="read_committed",
    )  # fmt: skip
    found: list[dict[str, Any]] = []
    places: set[tuple[int, int]] = set()
    written: list[int] = []
    end = time.monotonic() + 120
    quiet = time.monotonic()
    while time.monotonic() < end:
        there = expected.keys() <= {it["id"] for it in found}
        if time.monotonic() - quiet > (5 if there else patience):
            break
        members.tend()
        for one in [one for those in consumer.poll(200).values() for one in those]:
            quiet = time.monotonic()
            prediction = json.loads(one.value)
            place = (one.partition, one.offset)
            if int(prediction["time"]) < due and place not in places:
                places.add(place)  # a reader that is given one twice is no fault of who wrote it
                prediction["written"] = f"{one.partition}@{one.offset} at {one.timestamp}"
                found.append(prediction)
                written.append(one.timestamp)
    consumer.close()
    written.sort()
    pauses = [later - sooner for sooner, later in itertools.pairwise(written)]
    return found, max(pauses, default=0) / 1000
