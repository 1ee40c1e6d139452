"""What a killed engine had read is read again while the group still waits for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka_records import chunk, read, read_all, send
from kafka_runs import executor_of, run_to_end

SECOND = 1_000_000_000
KEYS = 6
NewTopic = Callable[..., str]
SUPPORT = Path(__file__).parents[1] / "support"
_RUN = """
import json, sys
from kafka_runs import executor_of
executor_of(json.loads(sys.argv[1])).run()
"""


@pytest.fixture
def fields(group_fields: dict[str, Any]) -> dict[str, Any]:
    # The longer the group waits, the surer it is that all has been read by then.
    group_fields["source"]["session_timeout"] = "8s"
    group_fields["sink"]["transaction_timeout"] = "2s"
    return group_fields


def log(broker: str, fields: dict[str, Any], start: int, seconds: range) -> None:
    """Records of every key, five a second and stream."""
    for stream in fields["streams"].values():
        records = [
            chunk(f"p{key}", start + at * SECOND // 5)
            for at in range(5 * seconds.start, 5 * seconds.stop)
            for key in range(KEYS)
        ]
        send(broker, stream["topic"], records)


@contextmanager
def killed_after(fields: dict[str, Any], predictions: int, broker: str) -> Iterator[None]:
    """An engine of this host that is killed once it has given so many, and its cut is committed."""
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
    engine = subprocess.Popen(
        [sys.executable, "-c", _RUN, json.dumps(fields)], env={**os.environ, "PYTHONPATH": path}
    )
    try:
        assert len(read(broker, fields["sink"]["topic"], predictions)) == predictions
        time.sleep(1)
        assert engine.poll() is None
        engine.send_signal(signal.SIGKILL)
        engine.wait(10)
        yield
    finally:
        engine.kill()
        engine.wait(10)


def told(caplog: pytest.LogCaptureFixture) -> list[int]:
    """How many records were read ahead, as the log says."""
    return [it.count for it in caplog.records if getattr(it, "event", None) == "read_ahead"]  # type: ignore[attr-defined]


def ids(broker: str, fields: dict[str, Any]) -> list[str]:
    return sorted(json.loads(it.value)["id"] for it in read_all(broker, fields["sink"]["topic"]))


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_the_horizon_is_read_while_a_killed_engine_is_waited_for(
    broker: str,
    fields: dict[str, Any],
    new_topic: NewTopic,
    delivery: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields["delivery"] = delivery
    start = time.time_ns() // SECOND * SECOND - 20 * SECOND
    log(broker, fields, start, range(10))
    # The last second of each key is not over.
    with killed_after(fields, 9 * KEYS, broker), caplog.at_level("INFO", "sensorium.ingest"):
        log(broker, fields, start, range(10, 12))
        second = run_to_end(fields)
    assert told(caplog) == [2 * 50 * KEYS]
    assert second.records["replayed"] == 2 * 50 * KEYS
    assert second.events == 2 * 10 * KEYS
    assert second.predictions == 2 * KEYS

    undisturbed = {
        **fields,
        "source": {**fields["source"], "group": f"group-{uuid.uuid4().hex}"},
        "sink": {**fields["sink"], "topic": new_topic()},
    }
    run_to_end(undisturbed)
    assert ids(broker, fields) == ids(broker, undisturbed)


def test_a_member_that_comes_back_by_name_is_not_waited_for(
    broker: str, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    fields["source"]["group_instance_id"] = "a"
    start = time.time_ns() // SECOND * SECOND - 20 * SECOND
    log(broker, fields, start, range(4))
    with killed_after(fields, 3 * KEYS, broker), caplog.at_level("INFO", "sensorium.ingest"):
        began = executor_of(fields, until_end=True).run()
    assert told(caplog) == []
    assert began.records["replayed"] == 2 * 20 * KEYS
    assert len(ids(broker, fields)) == 3 * KEYS
