"""What is counted of who knocks."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from sensorium.door import Door
from sensorium.events import AlignedSet, Prediction
from sensorium.observe import Histogram

INFER = "/v2/models/watch/infer"
DATA = json.dumps({"data": [[0.0, 0.1, 0.2]] * 25})
BODY = json.dumps(
    {"inputs": [{"name": "accel", "shape": [1], "datatype": "BYTES", "data": [DATA]}]}
).encode()


def counted(door: Door) -> tuple[Counter[str], int]:
    """Requests by outcome, and how many the histogram of times has; without what is 0."""
    outcomes, times = Counter[str](), 0
    for reading in door.readings():
        if isinstance(reading.value, Histogram):
            times = sum(reading.value.counts)
        else:
            outcomes[reading.labels[0]] = int(reading.value)
    return +outcomes, times


def until(door: Door, outcomes: dict[str, int]) -> None:
    """An answer is counted when it has been sent, which its reader may notice first."""
    deadline = time.monotonic() + 30
    while counted(door)[0] != outcomes:
        assert time.monotonic() < deadline, (counted(door), outcomes)
        time.sleep(0.01)


def test_requests_are_counted_by_what_became_of_them(
    kit: SimpleNamespace, open_door: Callable[..., Door], caplog: pytest.LogCaptureFixture
) -> None:
    def predict(aligned: AlignedSet) -> Prediction:
        if aligned.key == "broken":
            raise ValueError("secret")
        return Prediction(aligned.id, "watch", aligned.key, aligned.time, {})

    door = open_door()
    assert {it.labels: it.value for it in door.readings() if it.labels} == {
        (outcome,): 0
        for outcome in ("answered", "refused", "unauthorized", "unavailable", "failed", "gone")
    }
    assert kit.knock(door.address, INFER, BODY).status == 503
    door.attach(predict, str)
    for _ in range(3):
        assert kit.knock(door.address, INFER, BODY).status == 200
    broken = json.dumps({**json.loads(BODY), "parameters": {"key": "broken"}}).encode()
    assert kit.knock(door.address, INFER, broken).status == 500
    assert kit.knock(door.address, INFER, b"{").status == 400
    assert kit.knock(door.address, "/v2/models/wacht/infer", BODY).status == 404
    until(door, {"answered": 3, "refused": 2, "unavailable": 1, "failed": 1})
    # Who only looks is not counted.
    for path, status in (("/v2", 200), ("/v2/health/ready", 200), ("/v3", 404)):
        assert kit.knock(door.address, path).status == status
    assert counted(door) == ({"answered": 3, "refused": 2, "unavailable": 1, "failed": 1}, 3)


def test_who_has_no_token_is_counted_whatever_they_ask(
    kit: SimpleNamespace, open_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_DOOR_TOKEN", "open-sesame")
    door = open_door()
    assert kit.knock(door.address, "/v2").status == 401
    assert kit.knock(door.address, INFER, BODY, Authorization="Bearer open").status == 401
    assert kit.knock(door.address, "/v2", Authorization="Bearer open-sesame").status == 200
    until(door, {"unauthorized": 2})


def test_a_client_that_goes_away_is_counted(open_door: Callable[..., Door]) -> None:
    door = open_door()
    door.attach(lambda aligned: Prediction(aligned.id, "watch", aligned.key, aligned.time, {}), str)
    host, _, port = door.address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as guest:
        guest.sendall(f"POST {INFER} HTTP/1.1\r\nContent-Length: 9999\r\n\r\nhalf".encode())
    until(door, {"gone": 1})
