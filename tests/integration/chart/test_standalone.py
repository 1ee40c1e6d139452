"""The mode standalone: what matters in its manifests, off and on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_values import ALL_ON, FILE, GPUS, SECURE, changed, values
from helm_program import of_kind

from sensorium.host import PluginHost, load_pipeline

ROOT = Path(__file__).parents[3]


def pod_of(deployment: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def engine_of(deployment: dict[str, Any]) -> dict[str, Any]:
    [container] = pod_of(deployment)["containers"]
    found: dict[str, Any] = container
    return found


def test_pods_pass_the_pod_security_standard_restricted(one: Any) -> None:
    pod = pod_of(one("Deployment", values()))
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
    assert {"name": "tmp", "mountPath": "/tmp"} in engine_of(one("Deployment", values()))[
        "volumeMounts"
    ]


def test_what_needs_something_in_the_cluster_is_off(render: Any) -> None:
    off = {it["kind"] for it in render(values())}
    assert off == {"ServiceAccount", "ConfigMap", "Deployment", "Job"}
    on = {it["kind"] for it in render(values(**ALL_ON))}
    assert on - off == {
        "ScaledObject", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor", "PrometheusRule",
    }  # fmt: skip


def test_rules_and_dashboard_are_those_that_ship(render: Any) -> None:
    shipped = ROOT / "deploy" / "observability"
    manifests = render(values(**ALL_ON))
    [rules] = of_kind("PrometheusRule", manifests)
    assert rules["spec"] == yaml.safe_load((shipped / "rules.yaml").read_text("utf-8"))
    [dashboard] = [
        it
        for it in of_kind("ConfigMap", manifests)
        if "grafana_dashboard" in it["metadata"]["labels"]
    ]
    assert json.loads(dashboard["data"]["sensorium.json"]) == json.loads(
        (shipped / "dashboard.json").read_text("utf-8")
    )


def test_probes_ask_what_the_pipeline_file_serves(one: Any, render: Any) -> None:
    for given in (values(), values(file__observe={"bind": "::", "port": 9000})):
        manifests = render(given)
        [deployment] = of_kind("Deployment", manifests)
        [config] = of_kind("ConfigMap", manifests)
        observe = yaml.safe_load(config["data"]["pipeline.yaml"])["observe"]
        engine = engine_of(deployment)
        assert engine["ports"] == [{"name": "metrics", "containerPort": observe["port"]}]
        for probe, path in [("startup", "live"), ("liveness", "live"), ("readiness", "ready")]:
            assert engine[f"{probe}Probe"]["httpGet"] == {
                "path": f"/health/{path}",
                "port": "metrics",
            }
        assert not observe["bind"].startswith("127.")


def test_no_pod_starts_beside_those_that_go(one: Any) -> None:
    """It would take partitions from them, and read with another version of the pipeline."""
    assert one("Deployment", values())["spec"]["strategy"] == {"type": "Recreate"}
    rolling = one("Deployment", values(watch__updateStrategy="RollingUpdate"))
    assert rolling["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


def test_an_edited_pipeline_makes_new_pods(one: Any) -> None:
    def annotations(given: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = one("Deployment", given)["spec"]["template"]["metadata"][
            "annotations"
        ]
        return found

    assert annotations(values()) == annotations(values(podDisruptionBudget__enabled=True))
    assert annotations(values()) != annotations(values(file__align__deadline="3s"))


def test_the_number_of_pods_is_left_to_keda(render: Any) -> None:
    [fixed] = of_kind("Deployment", render(values(watch__replicas=3, watch__partitions=6)))
    assert fixed["spec"]["replicas"] == 3
    manifests = render(values(**ALL_ON, watch__partitions=6))
    [scaled], [scaling] = of_kind("Deployment", manifests), of_kind("ScaledObject", manifests)
    assert "replicas" not in scaled["spec"]
    assert scaling["spec"]["scaleTargetRef"]["name"] == scaled["metadata"]["name"]
    assert (scaling["spec"]["minReplicaCount"], scaling["spec"]["maxReplicaCount"]) == (1, 6)
    [trigger] = scaling["spec"]["triggers"]
    assert trigger["metadata"]["query"] == (
        'max(sensorium_lag_seconds{namespace="sensing", pipeline="watch"})'
    )
    assert trigger["metadata"]["threshold"] == "30"
    # No figure is no reason to take pods away.
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert trigger["authenticationRef"] == {"name": "prometheus"}


@pytest.mark.parametrize("most", [4, 6])
def test_fewer_pods_than_partitions_may_be_the_most(one: Any, most: int) -> None:
    given = values(**ALL_ON, watch__partitions=6, autoscaling__max=most)
    assert one("ScaledObject", given)["spec"]["maxReplicaCount"] == most


def test_secrets_are_there_by_reference_only(render: Any) -> None:
    manifests = render(values(**SECURE))
    [deployment] = of_kind("Deployment", manifests)
    [variable] = engine_of(deployment)["env"]
    assert variable == {
        "name": "KAFKA_PASSWORD",
        "valueFrom": {"secretKeyRef": {"name": "kafka", "key": "password"}},
    }
    assert {
        "name": "secret-tls",
        "mountPath": "/etc/sensorium/secrets/tls",
        "readOnly": True,
    } in engine_of(deployment)["volumeMounts"]
    # 0440: of the pod's group, which the user is in, and of nobody else.
    [volume] = [it for it in pod_of(deployment)["volumes"] if it["name"] == "secret-tls"]
    assert volume["secret"] == {"secretName": "kafka-tls", "defaultMode": 0o440}
    [config] = of_kind("ConfigMap", manifests)
    assert yaml.safe_load(config["data"]["pipeline.yaml"])["source"]["password"] == (
        "${env:KAFKA_PASSWORD}"
    )


def test_weights_come_from_a_claim(render: Any) -> None:
    manifests = render(
        values(watch__checkpoint={"path": "watch.safetensors", "existingClaim": "models"})
    )
    [deployment], [config] = of_kind("Deployment", manifests), of_kind("ConfigMap", manifests)
    assert "checkpoint: /models/watch.safetensors" in config["data"]["pipeline.yaml"]
    [volume] = [it for it in pod_of(deployment)["volumes"] if it["name"] == "models"]
    assert volume["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert "initContainers" not in pod_of(deployment)


def test_weights_are_copied_before_the_engine_starts(one: Any) -> None:
    copy = {"image": "models:1", "command": ["cp", "/watch.safetensors", "/models/"]}
    deployment = one(
        "Deployment", values(watch__checkpoint={"path": "watch.safetensors", "copy": copy})
    )
    [first] = pod_of(deployment)["initContainers"]
    assert (first["image"], first["command"]) == (copy["image"], copy["command"])
    assert {"name": "models", "mountPath": "/models"} in first["volumeMounts"]
    assert first["securityContext"]["readOnlyRootFilesystem"] is True
    # The engine itself cannot change what it has loaded.
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in engine_of(deployment)[
        "volumeMounts"
    ]


def test_weights_may_be_in_the_image(render: Any) -> None:
    manifests = render(values(watch__checkpoint__path="/opt/models/watch.safetensors"))
    [deployment], [config] = of_kind("Deployment", manifests), of_kind("ConfigMap", manifests)
    assert "checkpoint: /opt/models/watch.safetensors" in config["data"]["pipeline.yaml"]
    assert "models" not in {it["name"] for it in pod_of(deployment)["volumes"]}


def test_gpus_follow_from_the_pipeline_file(one: Any) -> None:
    plain = one("Deployment", values())
    assert "nvidia.com/gpu" not in engine_of(plain)["resources"]["limits"]
    assert engine_of(plain)["image"].endswith("-cpu")
    assert "tolerations" not in pod_of(plain)
    deployment = one("Deployment", values(**GPUS))
    # Half a GPU for the stream and a quarter for the fusion: one, since a pod gets whole ones.
    assert engine_of(deployment)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert engine_of(deployment)["image"].endswith("-gpu")
    assert pod_of(deployment)["nodeSelector"] == {"example.com/gpu": "l4"}
    assert pod_of(deployment)["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_several_pipelines_differ_in_what_each_says(render: Any) -> None:
    other = changed(FILE, {"pipeline": "room"})
    manifests = render(
        {
            "defaults": {"env": {"A": "1"}, "partitions": 4},
            "pipelines": {"watch": {"file": FILE}, "room": {"file": other, "replicas": 2}},
        }
    )
    by_name = {it["metadata"]["name"]: it for it in of_kind("Deployment", manifests)}
    assert {name: it["spec"]["replicas"] for name, it in by_name.items()} == {
        "demo-sensorium-watch": 1,
        "demo-sensorium-room": 2,
    }
    assert all(engine_of(it)["env"] == [{"name": "A", "value": "1"}] for it in by_name.values())
    selectors = [it["spec"]["selector"]["matchLabels"] for it in by_name.values()]
    assert selectors[0] != selectors[1]


def test_the_pipeline_file_survives_the_way_through_helm(one: Any) -> None:
    """Words that YAML's versions read differently, and numbers in all their forms."""
    file = changed(
        FILE,
        {
            "tasks.exercise.labels": [
                "no",
                "on",
                "1e-3",
                "0o7",
                "~",
                "null",
                "12:30",
                "1_000",
                "ä",
            ],
            "streams.accel.offset": -1_500_000_000,
            "streams.accel.max_delay": 5_000_000_000,
            "fusion.alpha": 0.001,
        },
    )
    host = PluginHost()
    config = one("ConfigMap", {"pipelines": {"watch": {"file": file}}})
    text = config["data"]["pipeline.yaml"]
    from sensorium.host._document import parse_yaml

    expected = load_pipeline(file, plugins=host).config
    found = load_pipeline(parse_yaml(text).value, plugins=host).config
    assert found.model_copy(update={"observe": None}) == expected
