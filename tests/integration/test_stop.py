"""An engine can be stopped while its brokers are away, and what it leaves is gone on with."""

from __future__ import annotations

import json
import threading
import time
import uuid
from typing import Any

from kafka_broker import OwnBroker
from kafka_records import chunk, make_topics, read, read_all, send
from kafka_runs import executor_of, run_to_end

SECOND = 1_000_000_000


def test_an_engine_ends_although_brokers_do_not_answer(own: OwnBroker) -> None:
    """Nothing is begun anew for a commit that fails then: that would wait for the brokers."""
    address, name = own.addresses["PLAINTEXT"], f"stop-{uuid.uuid4().hex[:8]}"
    topics = {it: f"{name}.{it}" for it in ("a", "g", "out", "dead")}
    make_topics(address, list(topics.values()))
    stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}}
    limits = {"max_delay": "60s", "max_future": "60s", "max_duration": "1s"}
    ends = {"plugin": "kafka", "bootstrap_servers": address, "connect_timeout": "2s"}
    fields: dict[str, Any] = {
        "pipeline": "watch",
        "delivery": "exactly_once",
        "source": {**ends, "start": "earliest", "group": name, "session_timeout": "6s"},
        "streams": {it: {**stream, **limits, "topic": topics[it]} for it in ("a", "g")},
        "align": {"policy": "window", "size": "1s", "require": "any"},
        "fusion": {"plugin": "mean"},
        "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
        "sink": {
            **ends,
            "topic": topics["out"],
            "dead_letters": topics["dead"],
            "transaction_timeout": "2s",
        },
        "runtime": {"commit_interval": "100ms", "drain": "2s"},
    }
    start = time.time_ns() // SECOND * SECOND - 20 * SECOND

    def log(seconds: range) -> None:
        for it in ("a", "g"):
            records = [chunk("p", start + at * SECOND) for at in seconds]
            send(address, topics[it], records)

    log(range(5))
    executor = executor_of(fields)
    thread = threading.Thread(target=executor.run)
    thread.start()
    try:
        assert len(read(address, topics["out"], 4)) == 4
        log(range(5, 8))
        own.pause()
        time.sleep(0.5)
        executor.stop()
        thread.join(60)
        assert not thread.is_alive()
    finally:
        own.resume()
        executor.stop(now=True)
        thread.join(60)
    log(range(8, 10))
    run_to_end(fields)
    found = [json.loads(it.value)["id"] for it in read_all(address, topics["out"])]
    assert len(found) == len(set(found)) == 9
