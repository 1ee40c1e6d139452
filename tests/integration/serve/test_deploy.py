"""Deploying for good: the config file, a change of the model in the middle of a stream, the end."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from comparing import read_predictions
from free_ports import free_ports

from sensorium.cli import main
from sensorium.errors import ConfigError, RunError
from sensorium.host import Pipeline, read_checkpoint, write_checkpoint

pytestmark = pytest.mark.timeout(300)

MakePipeline = Callable[..., Pipeline]
COUNT = 300
PARTS = ("streams.a", "streams.b", "fusion")


@pytest.fixture
def streaming(
    adding: MakePipeline, numbers: Callable[..., Path], tmp_path: Path
) -> Callable[..., Pipeline]:
    """A pipeline that takes some 30 seconds for a recording, into a file."""
    recording, out = numbers(range(COUNT)), tmp_path / "out.jsonl"

    def make(weights: Path, *overrides: str) -> Pipeline:
        return adding(
            f"source={{plugin: mcap, path: {recording}, speed: 1}}",
            f"sink={{plugin: jsonl, path: {out}}}",
            *overrides,
            weights=weights,
        )

    return make


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} in {seconds} s"
        time.sleep(0.1)


def ask(port: int) -> list[float]:
    """What the door says of a one in both streams."""
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": ['{"data": 1}']} for name in "ab"
    ]
    address = f"http://127.0.0.1:{port}/v2/models/adding/infer"
    body = json.dumps({"inputs": inputs}).encode()
    with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as answer:
        outputs = {it["name"]: it["data"] for it in json.load(answer)["outputs"]}
    return outputs["sum.values"]


def test_a_new_model_takes_over_in_the_middle_of_a_stream(
    deployed: Callable[[Pipeline], None],
    streaming: Callable[..., Pipeline],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
) -> None:
    from sensorium.runtime.serve import remove

    one, two = checkpoint("one", scale=1, bias=0), checkpoint("two", scale=10, bias=5)
    out = tmp_path / "out.jsonl"
    [port] = free_ports(1)
    door = f"door.port={port}"

    def so_far() -> list[dict[str, Any]]:
        return read_predictions(out) if out.exists() else []

    deployed(streaming(one, door))
    assert ask(port) == [2.0]
    wait_for(lambda: len(so_far()) > 20, "prediction of the first model")
    deployed(streaming(two, door))
    wait_for(lambda: len(so_far()) == COUNT, "end of the recording")
    assert ask(port) == [25.0]
    [summary] = remove(streaming(two, door))

    predictions = so_far()
    assert summary.predictions == len(predictions) == len({it["id"] for it in predictions}) == COUNT
    digests = {read_checkpoint(one).digest: (1, 0), read_checkpoint(two).digest: (10, 5)}
    assert {it["model"] for it in predictions} == set(digests)
    for number, it in enumerate(predictions):
        scale, bias = digests[it["model"]]
        # Both streams and the fusion are of the model that the prediction names.
        assert it["tasks"]["sum"]["values"] == [2 * scale * number + bias]


def test_what_is_deployed_needs_its_own_ends(
    deployed: Callable[[Pipeline], None], adding: MakePipeline
) -> None:
    with pytest.raises(ConfigError, match="source: there is no source: what is deployed has its"):
        deployed(adding())


@pytest.mark.soak
@pytest.mark.skipif(
    os.environ.get("SENSORIUM_SOAK") != "1", reason="takes a minute: SENSORIUM_SOAK=1 make soak"
)
def test_a_model_that_cannot_be_loaded_is_told(
    deployed: Callable[[Pipeline], None],
    streaming: Callable[..., Pipeline],
    checkpoint: Callable[..., Path],
) -> None:
    weights = checkpoint()
    write_checkpoint(weights, {f"{it}.other": np.ones(1) for it in PARTS}, {})
    with pytest.raises(RunError, match=r"(?s)adding could not be deployed.*KeyError"):
        deployed(streaming(weights))


def test_only_what_is_there_can_be_removed(ray_here: Any, adding: MakePipeline) -> None:
    from sensorium.runtime.serve import remove

    with pytest.raises(ConfigError, match="there is no application 'adding' on the cluster"):
        remove(adding())


def test_a_removal_that_was_interrupted_is_taken_up_again(
    deployed: Callable[[Pipeline], None],
    streaming: Callable[..., Pipeline],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ray import serve

    from sensorium.runtime.serve import _deploy, remove

    pipeline, drain = streaming(checkpoint()), _deploy._drain

    def interrupted(*args: Any) -> Any:
        drain(*args)
        raise KeyboardInterrupt

    deployed(pipeline)
    out = tmp_path / "out.jsonl"
    wait_for(lambda: out.exists() and read_predictions(out), "prediction")
    with monkeypatch.context() as patch:
        patch.setattr(_deploy, "_drain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            remove(pipeline)
    # Nothing is deleted that nobody has waited for.
    assert pipeline.name in serve.status().applications
    drained = len(read_predictions(out))
    [summary] = remove(pipeline)
    assert summary.predictions == drained == len(read_predictions(out))
    assert pipeline.name not in serve.status().applications


def test_what_cannot_be_drained_is_deleted_and_told(
    deployed: Callable[[Pipeline], None],
    streaming: Callable[..., Pipeline],
    checkpoint: Callable[..., Path],
    kill: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ray import serve

    from sensorium.runtime.serve import remove

    pipeline = streaming(checkpoint())
    deployed(pipeline)
    monkeypatch.setattr("sensorium.runtime.serve._deploy._PATIENCE", 0.0)
    kill("ingest")
    with pytest.raises(RunError, match="adding is deleted, but was not drained: its ingest"):
        remove(pipeline)
    assert pipeline.name not in serve.status().applications


def test_the_config_file_is_what_serve_takes(
    plugins_everywhere: None,
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("ray.serve")
    from ray.serve.schema import ServeDeploySchema

    weights = checkpoint()
    file = tmp_path / "adding.yaml"
    stream = {"modality": "scaled", "placement": "replica", "batch": {"size": 16}}
    file.write_text(
        json.dumps(
            {
                "pipeline": "adding",
                "source": {"plugin": "kafka", "bootstrap_servers": "x:9092", "start": "latest"},
                "streams": {
                    "a": {
                        **stream,
                        "resources": {"num_gpus": 0.5},
                        "replicas": {"min": 1, "max": 4},
                    },
                    "b": {"modality": "scaled"},
                },
                "align": {"policy": "exact", "deadline": "1s"},
                "fusion": {"plugin": "adding", "placement": "replica", "replicas": 2},
                "tasks": {"sum": {"type": "regression"}},
                "checkpoint": weights.name,
                "door": {},
                "sink": {
                    "plugin": "kafka",
                    "bootstrap_servers": "x:9092",
                    "topic": "out",
                    "dead_letters": "dead",
                },
            }
        )
    )
    assert main(["build", str(file)]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    ServeDeploySchema.model_validate(config)
    [application] = config["applications"]
    assert application["import_path"] == "sensorium.runtime.serve:build"
    # What may change is no argument, so that a change of it restarts nothing.
    assert "checkpoint" not in application["args"]
    assert "deadline" not in application["args"]["align"]
    assert "batch" not in application["args"]["streams"]["a"]
    deployments = {it["name"]: it for it in application["deployments"]}
    assert set(deployments) == {"ingest", "streams.a", "fusion", "door"}
    assert deployments["door"]["ray_actor_options"]["num_cpus"] == 0
    assert deployments["fusion"]["num_replicas"] == 2
    assert deployments["streams.a"]["autoscaling_config"]["max_replicas"] == 4
    assert deployments["streams.a"]["ray_actor_options"]["num_gpus"] == 0.5
    assert deployments["ingest"]["user_config"] == {
        "checkpoint": str(weights),
        "align.deadline": "1s",
        "streams.a.batch": {"size": 16},
        "digest": read_checkpoint(weights).digest,
    }


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ("num_cpus: 1000", r"need \d+ CPU, and the cluster has .*lower `resources`"),
        ("num_gpus: 1", "need 1 GPU, and the cluster has 0: "),
        ("accelerator_type: H100", "need the accelerator H100, and the cluster has none of any"),
    ],
)
def test_what_no_node_has_is_not_waited_for(
    ray_here: Any,
    streaming: Callable[..., Pipeline],
    checkpoint: Callable[..., Path],
    resources: str,
    message: str,
) -> None:
    from sensorium.runtime.serve import deploy

    weights = checkpoint("one", scale=1, bias=0)
    pipeline = streaming(weights, f"streams.a.resources={{{resources}}}")
    with pytest.raises(ConfigError, match=message):
        deploy(pipeline, ray_here)
