"""`approximate` on Ray Serve with a real Kafka: a replica goes on where another one stood."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serve_kafka import KEYS, MakePipeline, Predictions, wait_for

from sensorium.host import Pipeline, PluginHost
from sensorium.plugin import Payload
from sensorium.runtime import run_pipeline
from sensorium.wire import Envelope, write_envelope

pytestmark = pytest.mark.timeout(900)
SECOND = 1_000_000_000


def test_what_approximate_has_used_is_known_to_the_next_replica(
    deployed: Callable[[Pipeline], None],
    kill: Callable[[str], None],
    shared: MakePipeline,
    predictions: Predictions,
    new_topic: Callable[..., str],
    broker: str,
    topics: dict[str, str],
    host: PluginHost,
    tmp_path: Path,
) -> None:
    """Each event lies halfway between two of the other stream: which of them go together depends
    on those before, back to the first, which is one of `b`. A replica that takes over reads one of
    `a` first."""
    from kafka import KafkaProducer

    from sensorium.runtime.serve import remove

    # A horizon of three seconds, so that a replica that takes over reads no more again.
    limits = [f"streams.{name}.{it}=1s" for name in "ab" for it in ("max_delay", "max_future")]
    align = 'align={"policy": "approximate", "max_interval": "150ms"}'
    carry = f"sink.carry={new_topic(4, cleanup='compact')}"
    pipeline = shared(align, *limits, carry, "runtime.ingest.replicas=2")
    deployed(pipeline)
    sender = KafkaProducer(bootstrap_servers=broker)
    begin = time.time_ns()

    def send_event(stream: str, key: str, instant: int) -> None:
        data = write_envelope(Envelope(stream, key, instant, Payload(1)))
        sender.send(topics[stream], key=key.encode(), value=data)

    for key in KEYS:
        send_event("b", key, begin - SECOND // 10)
    for number in range(75):
        now = begin + number * SECOND // 5
        time.sleep(max(now - time.time_ns(), 0) / SECOND)
        for key in KEYS:
            send_event("a", key, now)
            send_event("b", key, now + SECOND // 10)
        sender.flush()
        if number in (25, 50):
            kill("ingest")
    sender.close()
    # What one process makes of the same log, from beginning to end.
    alone = shared(align, *limits, "source.group=null", "delivery=at_least_once")
    run_pipeline(alone, host, sink=str(tmp_path / "alone"), until_end=True)
    expected = {it["id"]: it["members"] for it in map(json.loads, (tmp_path / "alone").open())}
    assert len(expected) > 50 * len(KEYS)
    wait_for(lambda: len(predictions()) >= len(expected), "end of what was sent")
    assert remove(pipeline)
    found = predictions()
    assert len({it["id"] for it in found}) == len(found)
    assert {it["id"]: it["members"] for it in found} == expected
