"""The door of a run: it gives what the line gives, and a foreign client understands it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import assert_alike
from free_ports import free_ports

import sensorium.demo
from sensorium.door import Door
from sensorium.events import AlignedSet, Prediction
from sensorium.host import DoorConfig, PluginHost, load_pipeline
from sensorium.plugin import Payload, Record
from sensorium.runtime import LocalExecutor, load_models
from sensorium.runtime._door import local_predict
from sensorium.testing import MemorySink, MemorySource
from sensorium.wire import Envelope, prediction_to_dict, write_envelope

WATCH = Path(sensorium.demo.__file__).parent / "data" / "watch.yaml"
START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
TOKEN = "open-sesame"
COMMAND = (sys.executable, "-c", "import sys; from sensorium.cli import main; sys.exit(main())")

CLIENT = """
import json, sys
import numpy as np
import tritonclient.http as http

address, token = sys.argv[1:]
def headers():
    # New for each call, for this client adds its own to them.
    return {"Authorization": f"Bearer {token}"}

client = http.InferenceServerClient(address)
assert client.is_server_live(headers()) and client.is_server_ready(headers())
assert client.is_model_ready("watch", headers=headers())
assert client.get_server_metadata(headers())["name"] == "sensorium"
metadata = client.get_model_metadata("watch", headers=headers())
payloads = [json.dumps({"data": [[0.1, 0.2, 0.3]] * 25, "time": at}).encode() for at in (0, 1)]
found = []
for binary in (True, False):
    one = http.InferInput("accel", [2], "BYTES")
    one.set_data_from_numpy(np.array(payloads, object), binary_data=binary)
    result = client.infer("watch", [one], request_id="7", headers=headers())
    [prediction] = result.as_numpy("prediction")
    found.append(
        [json.loads(prediction), result.as_numpy("exercise.scores").tolist(),
         result.as_numpy("exercise.label")[0].decode()]
    )
plain = http.InferRequestedOutput("exercise.label", binary_data=False)
result = client.infer("watch", [one], outputs=[plain], headers=headers())
assert result.as_numpy("exercise.label")[0] == found[0][2]
assert result.as_numpy("exercise.scores") is None
print(json.dumps({"metadata": metadata, "found": found}))
"""


@pytest.fixture
def recorded() -> list[Record]:
    """Two people for some seconds; one stream of the second has gaps."""
    random, records = np.random.default_rng(5), []
    for number in range(16):
        for key in ("a", "b"):
            for stream in ("accel", "gyro"):
                values = random.normal(size=(25, 3)).astype(np.float32)
                if (key, stream) == ("b", "gyro") and number % 8 > 2:
                    continue
                at = START + number * SECOND // 2
                data = write_envelope(Envelope(stream, key, at, Payload(values)))
                topic = f"watch.{stream}"
                records.append(Record(topic, 0, len(records), data, arrived=at + SECOND // 2))
    return records


def test_it_gives_what_the_line_gives(recorded: list[Record]) -> None:
    pipeline = load_pipeline(WATCH)
    models = load_models(pipeline)
    made: list[tuple[Prediction, AlignedSet]] = []

    def take(predictions: Sequence[Prediction], sets: Sequence[AlignedSet]) -> None:
        made.extend(zip(predictions, sets, strict=True))

    source = MemorySource(recorded)
    LocalExecutor(
        pipeline, PluginHost(), source, MemorySink(), models=models, on_predictions=take
    ).run()
    assert len(made) > 12
    assert any(aligned.absent for _, aligned in made)
    payloads = {it.origin: it.data or b"" for it in recorded}
    with closing(Door(pipeline, DoorConfig(port=0))) as door:
        door.attach(local_predict(pipeline, models), lambda: models.digest)
        for prediction, aligned in made:
            inputs = [
                {
                    "name": stream,
                    "shape": [len(origins)],
                    "datatype": "BYTES",
                    "data": [base64.b64encode(payloads[it]).decode() for it in origins],
                    "parameters": {"content_type": "base64"},
                }
                for stream, origins in prediction.members.items()
            ]
            span = {"start": aligned.start, "end": aligned.end}
            status, answer = _post(
                door.address, {"id": prediction.id, "inputs": inputs, "parameters": span}
            )
            assert status == 200
            [text] = answer["outputs"][0]["data"]
            # What the log says, places and waiting, the door cannot know.
            at_the_door, on_the_line = json.loads(text), prediction_to_dict(prediction)
            for one in (at_the_door, on_the_line):
                one["members"] = {name: len(it) for name, it in one["members"].items()}
                one["absent"] = list(one["absent"])
                del one["unsettled"]
            assert_alike([at_the_door], [on_the_line])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A run that reads standard input, and the address of its door."""
    [port] = free_ports(1)
    arguments = ["run", str(WATCH), "--data", "-", "--sink", "-", "--door", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SENSORIUM_DOOR_TOKEN": TOKEN},
    ) as process:
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", process)
            yield f"127.0.0.1:{port}", process
        finally:
            process.kill()


def test_a_client_of_triton_is_understood(
    running: tuple[str, subprocess.Popen[str]],
) -> None:
    if find_spec("geventhttpclient") is None:
        pytest.skip("needs pip install 'tritonclient[http]'")
    address, _ = running
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, address, TOKEN], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [it["name"] for it in answer["metadata"]["inputs"]] == ["accel", "gyro"]
    [binary, plain] = answer["found"]
    assert binary == plain
    prediction, scores, label = binary
    assert prediction["absent"] == {"gyro": "proven"}
    assert prediction["tasks"]["exercise"]["label"] == label
    assert list(prediction["tasks"]["exercise"]["scores"].values()) == scores


def test_what_happens_at_the_door_does_not_harm_the_line(
    running: tuple[str, subprocess.Popen[str]],
) -> None:
    address, process = running
    junk: dict[str, Any] = {"name": "accel", "shape": [1], "datatype": "BYTES", "data": ["junk"]}
    for body in ({}, {"inputs": [junk]}, {"inputs": [{**junk, "name": "x"}]}):
        status, _ = _post(f"http://{address}", body)
        assert status == 400
    # The same event as one of the line's, with other data.
    line = {"stream": "accel", "key": "a", "time": time.time_ns(), "id": "1"}
    lie = {**junk, "data": [json.dumps({**line, "data": [[9.0, 9.0, 9.0]] * 25})]}
    assert _post(f"http://{address}", {"inputs": [lie]})[0] == 200
    said, told = process.communicate(
        json.dumps({**line, "data": [[0.1, 0.2, 0.3]] * 25}) + "\n", timeout=60
    )
    assert process.returncode == 0, told
    predictions = [json.loads(it) for it in said.splitlines()]
    assert {it["key"] for it in predictions} == {"a"}
    assert f"the door is open at http://{address}; a token is asked for" in told
    assert TOKEN not in told


def _post(address: str, body: Any) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{address}/v2/models/watch/infer",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {TOKEN}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def _wait_until_ready(address: str, process: subprocess.Popen[str]) -> None:
    request = urllib.request.Request(
        f"{address}/v2/health/ready", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    deadline = time.monotonic() + 60
    while process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=10):
                return
        except OSError:
            assert time.monotonic() < deadline, "the door does not open"
            time.sleep(0.1)
    raise AssertionError(process.stderr.read() if process.stderr else "")
