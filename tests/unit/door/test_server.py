"""Who is let in, what is refused, and what a bad guest can do: nothing."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sensorium import __version__
from sensorium.door import Door
from sensorium.errors import ConfigError
from sensorium.events import AlignedSet, Prediction
from sensorium.host import DoorConfig, Pipeline, door_token
from sensorium.runtime import Models
from sensorium.runtime._door import predict_with
from sensorium.runtime._work import local_work

INFER = "/v2/models/watch/infer"
BODY = json.dumps(
    {
        "inputs": [
            {
                "name": "accel",
                "shape": [1],
                "datatype": "BYTES",
                "data": [json.dumps({"data": [[0.0, 0.1, 0.2]] * 25})],
            }
        ]
    }
).encode()


def test_what_there_is(kit: SimpleNamespace, answering: Door, models: Models) -> None:
    def look(path: str) -> tuple[int, Any]:
        reply = kit.knock(answering.address, path)
        return reply.status, reply.json

    assert look("/v2") == (
        200,
        {"name": "sensorium", "version": __version__, "extensions": ["binary_tensor_data"]},
    )
    assert look("/v2/health/live") == (200, {"live": True})
    assert look("/v2/health/ready/") == (200, {"ready": True})
    assert look("/v2/models/watch/ready") == (200, {"name": "watch", "ready": True})
    assert look("/v2/models/watch") == (
        200,
        {
            "name": "watch",
            "versions": [models.digest],
            "platform": "sensorium",
            "inputs": [
                {"name": "accel", "datatype": "BYTES", "shape": [-1]},
                {"name": "gyro", "datatype": "BYTES", "shape": [-1]},
            ],
            "outputs": [
                {"name": "prediction", "datatype": "BYTES", "shape": [1]},
                {"name": "exercise.label", "datatype": "BYTES", "shape": [1]},
                {"name": "exercise.score", "datatype": "FP64", "shape": [1]},
                {"name": "exercise.scores", "datatype": "FP64", "shape": [7]},
            ],
        },
    )


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/", None, 404, "there are GET /v2, /v2/health/live, "),
        ("/v2/models", None, 404, "there are GET /v2, "),
        ("/v2/models/watch/versions/1/infer", BODY, 404, "there are GET /v2, "),
        ("/v2/models/wacht", None, 404, "there is no model 'wacht'; there is 'watch'"),
        ("/v2/models/wacht/infer", BODY, 404, "there is no model 'wacht'; there is 'watch'"),
        (INFER, None, 405, "an inference is asked for by POST"),
    ],
)
def test_another_path_says_which_there_are(
    kit: SimpleNamespace, answering: Door, path: str, body: bytes | None, status: int, message: str
) -> None:
    reply = kit.knock(answering.address, path, body)
    assert (reply.status, reply.json["error"][: len(message)]) == (status, message)


def test_before_the_models_are_loaded_it_is_alive_and_not_ready(
    kit: SimpleNamespace, open_door: Callable[..., Door]
) -> None:
    address = open_door().address
    assert kit.knock(address, "/v2/health/live").status == 200
    assert kit.knock(address, "/v2/health/ready").status == 503
    reply = kit.knock(address, INFER, BODY)
    assert (reply.status, reply.json["error"]) == (503, "the models are not loaded yet")
    assert reply.headers["Retry-After"] == "1"


def test_without_the_token_nothing_is_told(
    kit: SimpleNamespace, open_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_DOOR_TOKEN", "open-sesame")
    address = open_door().address
    strangers = ("", "Bearer", "Bearer open-sesam", "open-sesame", "Basic open-sesame")
    for given in strangers:
        for path, body in ((INFER, BODY), ("/v2", None), ("/v2/health/live", None)):
            reply = kit.knock(address, path, body, Authorization=given)
            assert reply.status == 401
            assert reply.headers["WWW-Authenticate"] == "Bearer"
            assert reply.json == {
                "error": "a token is needed: send it as `Authorization: Bearer TOKEN`"
            }
    assert kit.knock(address, "/v2", Authorization="Bearer open-sesame").status == 200
    assert kit.knock(address, "/v2", Authorization="bearer  open-sesame").status == 200


def test_the_token_is_in_no_log(
    kit: SimpleNamespace,
    open_door: Callable[..., Door],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SENSORIUM_DOOR_TOKEN", "open-sesame")
    with caplog.at_level(logging.DEBUG, logger="sensorium"):
        door = open_door()
        kit.knock(door.address, "/v2", Authorization="Bearer open-sesame")
        kit.knock(door.address, "/v2", Authorization="Bearer open-sesam")
    assert f"the door is open at {door.address}; a token is asked for" in caplog.text
    assert "sesam" not in caplog.text


def test_away_from_loopback_it_does_not_open_without_a_token(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigError) as caught:
        Door(pipeline, DoorConfig(bind="0.0.0.0", port=0))
    assert str(caught.value) == (
        "door.token: 0.0.0.0 may be reached from other machines, and the door needs a token "
        "there; ${env:SENSORIUM_DOOR_TOKEN}: the environment variable SENSORIUM_DOOR_TOKEN is "
        "not set"
    )


@pytest.mark.parametrize("bind", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_on_loopback_there_may_be_none(bind: str) -> None:
    assert door_token(DoorConfig(bind=bind), {}) is None


@pytest.mark.parametrize("bind", ["", "0.0.0.0", "::", "192.0.2.1", "no such name"])
def test_elsewhere_there_may_not(bind: str) -> None:
    config = DoorConfig.model_construct(bind=bind, token=DoorConfig().token)
    with pytest.raises(ConfigError, match="needs a token"):
        door_token(config, {})
    assert door_token(config, {"SENSORIUM_DOOR_TOKEN": "t"}) == "t"


def test_a_token_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    named = DoorConfig(token="${env:OTHER}")
    with pytest.raises(ConfigError, match=r"^door.token: \$\{env:OTHER\}: .* is not set$"):
        door_token(named, {})
    assert door_token(named, {"OTHER": "t"}) == "t"
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    assert door_token(DoorConfig(token=f"${{file:{file}}}"), {}) == "from-a-file"
    for wrong in ("", "\n", " padded", "gl\u00fcck", "two\nlines"):
        file.write_text(wrong)
        with pytest.raises(ConfigError, match="is empty, or not plain ASCII") as caught:
            door_token(DoorConfig(token=f"${{file:{file}}}"), {})
        assert not wrong.strip() or wrong not in str(caught.value)


def test_what_is_too_large_is_not_read(
    kit: SimpleNamespace, open_door: Callable[..., Door]
) -> None:
    address = open_door(max_bytes=1000).address
    # The second one is still being sent when it is refused.
    for length in (1001, 20_000_000):
        reply = kit.knock(address, INFER, b" " * length)
        assert reply.status == 413
        assert reply.json["error"] == f"the request has {length} bytes; at most 1000 are read"


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ("", 411, "the request has to say its Content-Length"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 411, "the request has to say"),
        ("Content-Length: -1\r\n", 400, "Content-Length is not a number of bytes"),
        ("Content-Length: 1e3\r\n", 400, "Content-Length is not a number of bytes"),
        ("Content-Length: 1\r\nContent-Encoding: gzip\r\n", 415, "a compressed request is not"),
        (
            "Content-Length: 2\r\nInference-Header-Content-Length: 3\r\n",
            400,
            "the JSON is said to have 3 bytes; there are 2",
        ),
    ],
)
def test_what_is_no_good_http_is_refused(
    answering: Door, headers: str, status: int, message: str
) -> None:
    with _connected(answering) as guest:
        guest.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{{}}".encode())
        answer = b"".join(iter(lambda: guest.recv(4096), b"")).decode()
    # The connection has been closed: what is left of such a request is no next one.
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert message in answer


def test_a_guest_who_goes_away_takes_no_place(
    kit: SimpleNamespace, answering: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(20):
        with _connected(answering) as guest:
            guest.sendall(f"POST {INFER} HTTP/1.1\r\nContent-Length: 9999\r\n\r\nhalf".encode())
    _wait_until_they_have_gone()
    assert kit.knock(answering.address, INFER, BODY).status == 200
    assert capsys.readouterr().err == ""


def test_who_sends_a_byte_now_and_then_is_hung_up_on(
    kit: SimpleNamespace, answering: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensorium.door._exchange._ARRIVAL_SECONDS", 0.2)
    with _connected(answering) as guest:
        guest.sendall(f"POST {INFER} HTTP/1.1\r\nContent-Length: 60000\r\n\r\n".encode())
        guest.settimeout(0.05)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                guest.sendall(b" ")
                if guest.recv(1) == b"":
                    break
            except TimeoutError:
                continue  # nothing has been said yet
            except OSError:
                break
        assert time.monotonic() < deadline
    assert kit.knock(answering.address, INFER, BODY).status == 200


def test_guests_who_say_nothing_do_not_crowd_out_the_next(
    kit: SimpleNamespace, open_door: Callable[..., Door]
) -> None:
    door = open_door()
    silent = [_connected(door) for _ in range(80)]
    # There is no more room, so that these have been hung up on.
    assert sum(it.recv(1) == b"" for it in silent[64:]) == 16
    for guest in silent:
        guest.close()
    _wait_until_they_have_gone()
    assert kit.knock(door.address, "/v2/health/live").status == 200


def test_when_it_is_busy_it_says_so(kit: SimpleNamespace, open_door: Callable[..., Door]) -> None:
    going, entered = threading.Event(), threading.Semaphore(0)

    def slow(aligned: AlignedSet) -> Prediction:
        entered.release()
        assert going.wait(30)
        return Prediction(aligned.id, "watch", aligned.key, aligned.time, {})

    door = open_door()
    door.attach(slow, str)
    replies: list[Any] = []
    guests = [
        threading.Thread(target=lambda: replies.append(kit.knock(door.address, INFER, BODY)))
        for _ in range(4)
    ]
    for guest in guests:
        guest.start()
    for _ in guests:
        assert entered.acquire(timeout=30)
    refused = kit.knock(door.address, INFER, BODY)
    assert refused.status == 503
    assert refused.json["error"] == "4 requests are being worked on; ask again later"
    # Who only looks is not kept out.
    assert kit.knock(door.address, "/v2/health/ready").status == 200
    going.set()
    for guest in guests:
        guest.join(30)
    assert [it.status for it in replies] == [200] * 4
    assert kit.knock(door.address, INFER, BODY).status == 200


def test_what_the_models_cannot_do_is_told(
    kit: SimpleNamespace,
    open_door: Callable[..., Door],
    pipeline: Pipeline,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = open_door()
    work = local_work(pipeline, models, remembered=0)
    door.attach(predict_with(pipeline, work), str)

    def broken(*arguments: Any, **named: Any) -> Any:
        raise ValueError("secret")

    def asked() -> tuple[int, str]:
        reply = kit.knock(door.address, INFER, BODY)
        return reply.status, reply.json.get("error", "")

    with monkeypatch.context() as patch:
        patch.setattr(models.modalities["accel"], "prepare", broken)
        status, message = asked()
        assert status == 400
        assert message.startswith("input 'accel': sensor-stats.prepare raised ValueError at ")
    with monkeypatch.context() as patch:
        patch.setattr(models.fusion, "fuse", broken)
        status, message = asked()
        assert (status, message[:33]) == (500, "concat.fuse raised ValueError at ")
    with monkeypatch.context() as patch:
        patch.setattr(models.modalities["accel"], "encode", broken)
        for _ in range(pipeline.config.runtime.breaker.failures):
            status, message = asked()
            assert status == 500
            assert message.startswith("input 'accel': sensor-stats.encode raised ValueError at ")
        # By now the door's own breaker is open; the line has one of its own.
        status, message = asked()
        assert status == 503
        assert message.endswith("has failed again and again, and is spared for a while")
    assert "secret" not in caplog.text


def test_an_error_that_nobody_expected_is_an_answer_too(
    kit: SimpleNamespace, open_door: Callable[..., Door], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(aligned: AlignedSet) -> Prediction:
        raise KeyError("secret")

    door = open_door()
    door.attach(broken, str)
    reply = kit.knock(door.address, INFER, BODY)
    assert (reply.status, reply.json) == (500, {"error": "it failed: KeyError"})
    assert "a request at the door raised KeyError at test_server.py:" in caplog.text
    assert "secret" not in caplog.text

    assert kit.knock(door.address, "/v2/health/live").status == 200


def test_a_port_that_is_taken_is_told(pipeline: Pipeline, answering: Door) -> None:
    port = int(answering.address.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"^door.port: cannot serve the door on 127.0.0.1:{port}"):
        Door(pipeline, DoorConfig(port=port))


def _connected(door: Door) -> socket.socket:
    host, _, port = door.address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _wait_until_they_have_gone() -> None:
    deadline = time.monotonic() + 30
    while any("process_request_thread" in it.name for it in threading.enumerate()):
        assert time.monotonic() < deadline, "there are guests still"
        time.sleep(0.01)
