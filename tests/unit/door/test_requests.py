"""What is asked at the door, and what it answers."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sensorium.door import Door
from sensorium.wire import prediction_from_dict

Ask = Callable[..., Any]


def encoded(*payloads: bytes, name: str, **parameters: Any) -> dict[str, Any]:
    """An input of binary payloads in JSON."""
    return {
        "name": name,
        "shape": [len(payloads)],
        "datatype": "BYTES",
        "data": [base64.b64encode(it).decode() for it in payloads],
        "parameters": {"content_type": "base64", **parameters},
    }


def written(*texts: str, name: str = "accel", **parameters: Any) -> dict[str, Any]:
    """An input of payloads that are text."""
    return {
        "name": name,
        "shape": [len(texts)],
        "datatype": "BYTES",
        "data": list(texts),
        "parameters": parameters,
    }


def lines(count: int = 2, **fields: Any) -> list[str]:
    """Payloads of the accelerometer as JSON."""
    values = [[0.1 * row, -0.2, 0.3] for row in range(25)]
    return [json.dumps({"data": values, **fields}) for _ in range(count)]


def test_the_example_of_the_documentation_is_answered(
    kit: SimpleNamespace, answering: Door
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "door.md").read_text()
    [(path, body)] = re.findall(
        r"^curl -s http://127.0.0.1:9465(\S+) -d '(.*?)'$", page, re.M | re.S
    )
    reply = kit.knock(answering.address, path, body.encode())
    assert (reply.status, reply.json["id"]) == (200, "first")


def prediction_of(reply: Any) -> dict[str, Any]:
    [text] = next(it["data"] for it in reply.json["outputs"] if it["name"] == "prediction")
    prediction_from_dict(json.loads(text))
    return json.loads(text)


def test_a_set_is_answered_with_its_prediction(kit: Any, ask: Ask) -> None:
    reply = ask(
        encoded(kit.reading("accel"), kit.reading("accel", 0.5), name="accel"),
        encoded(kit.reading("gyro"), name="gyro"),
        id="mine",
        parameters={"start": kit.START, "end": kit.START + 2 * 10**9},
    )
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    answer = reply.json
    assert (answer["model_name"], answer["id"]) == ("watch", "mine")
    outputs = {it["name"]: it for it in answer["outputs"]}
    assert list(outputs) == ["prediction", "exercise.label", "exercise.score", "exercise.scores"]
    prediction = prediction_of(reply)
    assert prediction["id"] == "mine"
    assert (prediction["key"], prediction["time"]) == ("wrist", kit.START)
    assert prediction["members"] == {
        "accel": ["accel/0/0", "accel/0/1"],
        "gyro": ["gyro/0/0"],
    }
    assert prediction["absent"] == {}
    assert prediction["model"] == answer["model_version"]
    result = prediction["tasks"]["exercise"]
    assert outputs["exercise.label"]["data"] == [result["label"]]
    assert outputs["exercise.scores"] == {
        "name": "exercise.scores",
        "shape": [7],
        "datatype": "FP64",
        "data": list(result["scores"].values()),
    }


def test_a_stream_that_is_left_out_is_absent(kit: Any, ask: Ask) -> None:
    prediction = prediction_of(ask(encoded(kit.reading("gyro"), name="gyro")))
    assert prediction["absent"] == {"accel": "proven"}
    assert list(prediction["members"]) == ["gyro"]


def test_text_is_taken_as_it_is(ask: Ask) -> None:
    prediction = prediction_of(ask(written(*lines(1, key="k", time=7))))
    assert (prediction["key"], prediction["time"]) == ("k", 7)


def test_key_and_time_are_those_of_the_request_where_a_payload_has_none(ask: Ask) -> None:
    parameters = {"key": "everybody", "time": 5}
    prediction = prediction_of(ask(written(*lines(1)), parameters=parameters))
    assert (prediction["key"], prediction["time"]) == ("everybody", 5)
    prediction = prediction_of(ask(written(*lines(1), key="mine", time=6), parameters=parameters))
    assert (prediction["key"], prediction["time"]) == ("mine", 6)


def test_without_a_time_it_is_now(ask: Ask) -> None:
    prediction = prediction_of(ask(written(*lines(1))))
    assert prediction["key"] == "door"
    assert prediction["time"] > 1_700_000_000_000_000_000


def test_one_request_does_not_change_the_next(kit: Any, ask: Ask) -> None:
    one = encoded(kit.reading("accel", scale=1), name="accel")
    other = encoded(kit.reading("accel", scale=9), name="accel")
    first, between, again = (prediction_of(ask(it))["tasks"] for it in (one, other, one))
    assert first == again != between


def test_only_the_outputs_that_are_wanted(ask: Ask) -> None:
    reply = ask(written(*lines()), outputs=[{"name": "exercise.label"}])
    assert [it["name"] for it in reply.json["outputs"]] == ["exercise.label"]
    reply = ask(written(*lines()), outputs=[{"name": "exercise"}])
    assert reply.status == 400
    assert reply.json["error"].startswith("there is no output 'exercise'; there are prediction, ")


def test_binary_data_follow_the_json(kit: Any, answering: Door) -> None:
    payloads = [kit.reading("accel"), kit.reading("accel", 0.5)]
    data = b"".join(struct.pack("<I", len(it)) + it for it in payloads)
    head = {
        "inputs": [
            {
                "name": "accel",
                "shape": [2],
                "datatype": "BYTES",
                "parameters": {"binary_data_size": len(data)},
            }
        ],
        "outputs": [
            {"name": "exercise.scores", "parameters": {"binary_data": True}},
            {"name": "exercise.label", "parameters": {"binary_data": True}},
            {"name": "exercise.score"},
        ],
    }
    text = json.dumps(head).encode()
    reply = kit.knock(
        answering.address,
        "/v2/models/watch/infer",
        text + data,
        Inference_Header_Content_Length=str(len(text)),
    )
    assert reply.status == 200
    length = int(reply.headers["Inference-Header-Content-Length"])
    scores, label, score = json.loads(reply.body[:length])["outputs"]
    rest = reply.body[length:]
    assert scores["parameters"] == {"binary_data_size": 56}
    found = struct.unpack("<7d", rest[:56])
    assert max(found) == score["data"][0]
    (size,) = struct.unpack("<I", rest[56:60])
    assert len(rest) == 60 + size == 56 + label["parameters"]["binary_data_size"]
    assert rest[60:].decode() in ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")


WRONG: list[tuple[Mapping[str, Any], str]] = [
    (written("{}", name="acel"), "input 'acel': there is no such stream; there are accel, gyro"),
    (written("{}"), "input 'accel': payload 0: Missing required field - at `$.data`"),
    (written(lines(1)[0], '{"data": 1}'), "input 'accel': payload 1: sensor-stats.decode: "),
    (written(), "input 'accel': it is empty; leave out a stream that is absent"),
    ({**written("{}"), "shape": [2]}, "input 'accel': the shape is [2], the data [1]"),
    ({**written("{}"), "shape": [1, 1]}, "input 'accel'.shape: List should have at most 1 item"),
    ({**written("{}"), "datatype": "FP32"}, "input 'accel'.datatype: Input should be 'BYTES'"),
    ({**written("{}"), "data": [1]}, "input 'accel'.data.0: Input should be a valid string"),
    ({**written("{}"), "data": None}, "input 'accel': it has no data"),
    (written("%", content_type="base64"), "input 'accel': there is malformed base64 in its data"),
    (written("\ud800"), "input 'accel': there is no Unicode text in its data"),
    (written("{}", binary_data_size=4), "input 'accel': it has data and binary_data_size; one"),
    (
        {**written("{}", binary_data_size=4), "data": None},
        "input 'accel': binary_data_size is 4, and 0 bytes follow",
    ),
    (
        written('{"heartbeat": true, "time": 1}'),
        "input 'accel': payload 0: a heartbeat is no event",
    ),
    (
        written('{"stream": "gyro", "data": 1}'),
        "input 'accel': payload 0: the envelope names the stream 'gyro'",
    ),
    ({"shape": [1]}, "inputs[0].name: Field required"),
    (written("{}", key="\ud800"), "input 'accel'.parameters.key: Value error, it is no Unicode"),
]


@pytest.mark.parametrize(("one", "message"), WRONG)
def test_what_is_wrong_is_told_with_the_input(
    ask: Ask, one: Mapping[str, Any], message: str
) -> None:
    reply = ask(one)
    assert (reply.status, reply.json["error"][: len(message)]) == (400, message)


def test_an_error_does_not_quote_the_payload(ask: Ask) -> None:
    for data in (["secret"], ['{"data": "secret"}'], ['{"data": [["secret"]]}']):
        reply = ask({**written("{}"), "data": data})
        assert reply.status == 400
        assert b"secret" not in reply.body
    reply = ask({**written("{}"), "data": {"secret": 1}})
    assert b"secret" not in reply.body


def test_one_request_is_one_entity(ask: Ask) -> None:
    reply = ask(written(*lines(1, key="a")), written(*lines(1, key="b"), name="gyro"))
    assert reply.status == 400
    assert reply.json["error"] == (
        "input 'gyro': its key is 'b', and another's 'a': one request is one set of one entity"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the request is not JSON: JSONDecodeError"),
        (b"[" * 100_000, "the request is not JSON: RecursionError"),
        (b"\xff", "the request is not JSON: UnicodeDecodeError"),
        (b"[]", "the request: Input should be a valid dictionary"),
        (b"{}", "inputs: Field required"),
        (b'{"inputs": []}', "inputs: List should have at least 1 item"),
        (b'{"inputs": [3]}', "inputs[0]: Input should be a valid dictionary"),
    ],
)
def test_what_is_no_request_is_told(kit: Any, answering: Door, body: bytes, message: str) -> None:
    reply = kit.knock(answering.address, "/v2/models/watch/infer", body)
    assert (reply.status, reply.json["error"][: len(message)]) == (400, message)


def test_a_span_that_is_none_is_refused(ask: Ask) -> None:
    reply = ask(written(*lines(1)), parameters={"start": 5, "end": 5})
    assert reply.status == 400
    assert reply.json["error"] == "parameters: the set ends at 5, and starts at 5"


def test_too_many_payloads_are_refused(ask: Ask) -> None:
    reply = ask(written(*["{}"] * 5000))
    assert reply.status == 413
    assert reply.json["error"] == (
        "input 'accel': there are more than 4096 payloads in the request"
    )
