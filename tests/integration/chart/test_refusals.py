"""Wrong values are refused, with what is wrong, where, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from chart_values import FILE, GPUS, GROUPS, SCALED, changed, values
from helm_program import HelmError

from sensorium.host._config import RuntimeConfig

ALONE = {key: it for key, it in FILE["source"].items() if key != "group"}
RAY = {"runtime__mode": "ray"}
SHARED = {"watch__partitions": 4, "file__runtime": {"ingest": {"replicas": {"min": 1, "max": 4}}}}
GROUPED = pytest.mark.skipif(not GROUPS, reason="this version's Kafka source has no group")
DRAIN = pytest.mark.skipif(
    "drain" not in RuntimeConfig.model_fields, reason="this version has no runtime.drain"
)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        # By the schema of the values.
        (values(replicaCount=3), "additional properties 'replicaCount' not allowed"),
        (
            values(runtime__mode="serve"),
            "'/runtime/mode': value must be one of 'standalone', 'ray'",
        ),
        (values(watch__replicas="three"), "'/pipelines/watch/replicas': got string, want integer"),
        (values(watch__replica=3), "additional properties 'replica' not allowed"),
        (values(autoscaling__min=0), "'/autoscaling/min': minimum: got 0, want 1"),
        (values(watch__resources__limits__memory="2 GB"), "does not match pattern"),
        (values(image__digest="latest"), "'/image/digest': 'latest' does not match pattern"),
        ({"pipelines": {"Watch": {"file": FILE}}}, "invalid propertyName 'Watch'"),
        ({"pipelines": {"watch": {}}}, "missing property 'file'"),
        # By the engine's schema of the pipeline file.
        (
            values(file__streams__accel__max_dely="5s"),
            "additional properties 'max_dely' not allowed",
        ),
        (values(file__streams__accel__config__rat=50), "additional properties 'rat' not allowed"),
        (values(file__streams__accel__modality="sensor-stat"), "value must be one of"),
        (values(file__align__deadline="5 parsecs"), "does not match pattern"),
        (values(file__fusion__plugin="concatenate"), "value must be one of"),
        (values(file__tasks={}), "minProperties"),
        # By the templates.
        (
            values(file__observe={"bind": "127.0.0.1", "port": 9464}),
            "pipelines.watch.file.observe.bind is 127.0.0.1: neither probes nor Prometheus would",
        ),
        (
            values(file__runtime={"executor": "serve"}),
            "watch.file.runtime.executor is serve, and runtime.mode standalone needs local",
        ),
        (
            values(**RAY, file__runtime={"executor": "local"}),
            "pipelines.watch.file.runtime.executor is local, and runtime.mode ray needs serve",
        ),
        (values(file__sink=None), "pipelines.watch.file.sink is missing"),
        (
            values(file__source__password="hunter2"),
            "pipelines.watch.file.source: password holds a secret, which a ConfigMap would show",
        ),
        (
            values(
                file__sink__oauth={
                    "token_endpoint": "https://idp",
                    "client_id": "watch",
                    "client_secret": "hunter2",
                }
            ),
            "pipelines.watch.file.sink: client_secret holds a secret",
        ),
        (
            values(file__source__username="${env:KAFKA_USER}"),
            "add pipelines.watch.secretEnv.KAFKA_USER: {secret: NAME, key: KEY}",
        ),
        (
            values(watch__env={"A": "1"}, watch__secretEnv={"A": {"secret": "s", "key": "k"}}),
            "the variable A is in both env and secretEnv",
        ),
        (
            values(file__checkpoint="watch.safetensors"),
            "set pipelines.watch.checkpoint.path, or an absolute path in the image",
        ),
        (
            values(watch__checkpoint={"existingClaim": "models"}),
            "pipelines.watch.checkpoint.path is missing: it names the file within /models",
        ),
        (
            values(watch__checkpoint={"path": "a", "copy": {"image": "models:1"}}),
            "pipelines.watch.checkpoint.copy.command is missing",
        ),
        (
            values(
                watch__checkpoint={"path": "a", "existingClaim": "b", "copy": {"image": "models:1"}}
            ),
            "pipelines.watch.checkpoint has both existingClaim and copy.image",
        ),
        (
            values(watch__terminationGracePeriodSeconds=30),
            "terminationGracePeriodSeconds is 30, and the engine may take 30 s to finish",
        ),
        pytest.param(
            values(file__runtime={"drain": "1m30s500ms"}),
            "terminationGracePeriodSeconds is 60, and the engine may take 90.5 s to finish",
            marks=DRAIN,
        ),
        (
            values(watch__replicas=2, watch__partitions=2, file__source=ALONE),
            "pipelines.watch may have several readers, and without file.source.group each",
        ),
        (
            values(**SCALED, file__source=ALONE),
            "pipelines.watch may have several readers, and without file.source.group each",
        ),
        pytest.param(
            values(**SCALED, file__source__group_instance_id="one"),
            "file.source.group_instance_id would give all of them the same name",
            marks=GROUPED,
        ),
        (
            values(watch__replicas=3, watch__partitions=2),
            "pipelines.watch has 3 replicas and 2 partitions: a pod without a partition does",
        ),
        pytest.param(
            values(**SCALED, watch__partitions=2, autoscaling__max=3),
            "autoscaling.max is 3, and pipelines.watch has 2 partitions",
            marks=GROUPED,
        ),
        pytest.param(
            values(**SCALED, autoscaling__min=2),
            "autoscaling.min is 2, which is more than",
            marks=GROUPED,
        ),
        pytest.param(
            values(autoscaling__enabled=True), "autoscaling.prometheus is missing", marks=GROUPED
        ),
        (
            values(**RAY, file__streams__gyro__resources={"num_gpus": 1}),
            "watch.file.streams.gyro asks for GPUs, and placement inline would run it",
        ),
        (
            values(**RAY, file__fusion={**GPUS["file__fusion"], "resources": {"num_gpus": 2}}),
            "file.fusion asks for 1 CPUs and 2 GPUs, and a worker has 4 and 1: no replica would",
        ),
        (
            values(**RAY, watch__partitions=2, file__runtime={"ingest": {"replicas": 3}}),
            "watch.file.runtime.ingest.replicas may be 3, and there are 2 partitions",
        ),
        (
            values(**RAY, **SHARED, file__source=ALONE),
            "pipelines.watch may have several readers, and without file.source.group each would",
        ),
        pytest.param(
            values(**RAY, **SHARED, file__source__group_instance_id="one"),
            "file.source.group_instance_id would give all of them the same name",
            marks=GROUPED,
        ),
        (values(**SCALED, **RAY), "autoscaling scales the Deployment of mode standalone"),
        (
            values(
                **GPUS,
                file__streams__accel__resources={"num_gpus": 1, "accelerator_type": "A100"},
            ),
            "asks for GPUs of several kinds (A100, L4)",
        ),
    ],
)
def test_it_is_refused(render: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError) as refused:
        render(wrong)
    assert message in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_image_may_have_further_plugins(render: Any) -> None:
    file = changed(
        FILE,
        {
            "streams.accel": {"modality": "level", "config": {"depth": 3}},
            "align": {"policy": "mine", "reach": 3},
            "fusion": {"plugin": "mine", "width": 3},
            "tasks.exercise": {"type": "mine", "classes": 3},
        },
    )
    with pytest.raises(HelmError, match="value must be one of"):
        render({"pipelines": {"watch": {"file": file}}})
    assert render({"pipelines": {"watch": {"file": file}}, "thirdPartyPlugins": True})
    # What the engine itself has is still known.
    wrong = changed(file, {"streams.gyro.max_dely": "5s"})
    with pytest.raises(HelmError, match="'max_dely' not allowed"):
        render({"pipelines": {"watch": {"file": wrong}}, "thirdPartyPlugins": True})
