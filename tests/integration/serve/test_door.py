"""The door on Ray Serve: a deployment that asks the others, beside a line that goes on."""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_ports

from sensorium.errors import ConfigError, RunError
from sensorium.events import AlignedSet, Prediction
from sensorium.host import DoorConfig, Pipeline, PluginHost, read_checkpoint
from sensorium.runtime import run_pipeline

pytestmark = pytest.mark.timeout(300)


def ask(port: int, **values: Any) -> tuple[int, Any]:
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [json.dumps({"data": value})]}
        for name, value in values.items()
    ]
    body = json.dumps({"inputs": inputs}).encode()
    address = f"http://127.0.0.1:{port}/v2/models/adding/infer"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_door_asks_the_replicas_and_the_line_goes_on(
    ray_here: object,
    adding: Callable[..., Pipeline],
    checkpoint: Callable[..., Path],
    numbers: Callable[..., Path],
    host: PluginHost,
    tmp_path: Path,
) -> None:
    [port] = free_ports(1)
    weights = checkpoint(scale=10, bias=0.5)
    pipeline = adding(weights=weights, poison=-1.0)
    answers: list[tuple[int, Any]] = []
    made: list[Prediction] = []

    def take(predictions: Sequence[Prediction], sets: Sequence[AlignedSet]) -> None:
        made.extend(predictions)
        if not answers:
            answers.append(ask(port, a=1, b=2))
            answers.append(ask(port, b=2))
            answers.append(ask(port, a="three"))
            answers.extend(ask(port, a=-1.0) for _ in range(12))

    summary = run_pipeline(
        pipeline,
        host,
        data=numbers(range(20)),
        sink=str(tmp_path / "out.jsonl"),
        executor="serve",
        speed="1",
        door=DoorConfig(port=port),
        on_predictions=take,
    )
    (status, whole), (_, alone), (wrong, message), *poisoned = answers
    assert (status, whole["outputs"][1]["data"]) == (200, [30.5])
    assert whole["model_version"] == read_checkpoint(weights).digest
    assert alone["outputs"][1]["data"] == [20.5]
    assert wrong == 400
    assert message["error"].startswith("input 'a': payload 0: scaled.decode: expected a number")
    assert {code for code, _ in poisoned} == {500, 503}
    # Twelve failures of the door have opened its breaker, and nobody else's.
    assert summary.predictions == len(made) == 20
    assert summary.absences == {}
    assert [it.tasks["sum"].values for it in made] == [(20.0 * it + 0.5,) for it in range(20)]
    with pytest.raises(OSError, match="refused"):
        ask(port, a=1)


def test_it_does_not_start_without_the_token(
    adding: Callable[..., Pipeline], host: PluginHost
) -> None:
    with pytest.raises(ConfigError, match=r"^door\.token: 0\.0\.0\.0 may be reached from other"):
        run_pipeline(adding(), host, sink="-", executor="serve", door=DoorConfig(bind="0.0.0.0"))


@pytest.mark.soak
@pytest.mark.skipif(
    os.environ.get("SENSORIUM_SOAK") != "1", reason="takes a minute: SENSORIUM_SOAK=1 make soak"
)
def test_a_port_that_is_taken_is_told(
    ray_here: object,
    adding: Callable[..., Pipeline],
    numbers: Callable[..., Path],
    host: PluginHost,
    tmp_path: Path,
) -> None:
    told = (
        r"^adding could not be deployed: door: .*ConfigError: door.port: cannot serve the door on"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=told):
            run_pipeline(
                adding(),
                host,
                data=numbers(range(3)),
                sink=str(tmp_path / "out.jsonl"),
                executor="serve",
                door=DoorConfig(port=port),
            )
