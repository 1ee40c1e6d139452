"""The Serve config of the RayService means what `sensorium build` would write."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from chart_values import FILE, GPUS, values

from sensorium.host import default_host, load_pipeline

_build = pytest.importorskip("sensorium.runtime.serve._build", reason="needs sensorium build")

CHANGED = {
    **GPUS,
    "runtime__mode": "ray",
    "file__source": {
        **FILE["source"], "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN",
        "username": "watch", "password": "${env:KAFKA_PASSWORD}",
    },
    "watch__secretEnv": {"KAFKA_PASSWORD": {"secret": "kafka", "key": "password"}},
    "file__fusion": {
        "plugin": "mean", "placement": "replica", "replicas": 2,
        "resources": {"num_gpus": 0.25},
    },
    "file__runtime": {"batch": {"size": 32}, "threads": 3},
    "file__streams__accel__batch": {"size": 16},
}  # fmt: skip


def test_it_is_that_of_the_command(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sensorium.runtime.serve._settings import pipeline_of

    given = values(**CHANGED)
    config = yaml.safe_load(one("RayService", given)["spec"]["serveConfigV2"])
    # The pipeline, as the chart leaves it; it has no weights here, and needs none for this.
    file = copy.deepcopy(given["pipelines"]["watch"]["file"])
    file["runtime"]["executor"] = "serve"
    pipeline = load_pipeline(file, plugins=default_host())
    monkeypatch.setattr(_build, "require_weights", lambda _: "")
    built = _build.build_config(pipeline)

    _build.ServeDeploySchema.model_validate(config)
    [ours], [theirs] = config.pop("applications"), built.pop("applications")
    assert config == built
    for name in ("name", "route_prefix", "import_path"):
        assert ours[name] == theirs[name]
    # What each replica makes of it is the same, too, though defaults are left out here.
    settings = {it["name"]: it["user_config"] for it in ours["deployments"]}
    assert set(settings) == {it["name"] for it in theirs["deployments"]}
    for deployment in theirs["deployments"]:
        found = pipeline_of(ours["args"], settings[deployment["name"]])
        expected = pipeline_of(theirs["args"], deployment["user_config"])
        assert found.config == expected.config == pipeline.config
        assert set(settings[deployment["name"]]) <= set(deployment["user_config"])
