"""The mode ray: what matters in the RayService, off and on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_values import FILE, GPUS, SECURE, values
from helm_program import of_kind

ROOT = Path(__file__).parents[3]
RAY = {"runtime__mode": "ray"}


def cluster_of(service: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = service["spec"]["rayClusterConfig"]
    return found


def groups_of(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {it["groupName"]: it for it in cluster_of(service)["workerGroupSpecs"]}


def pods_of(service: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [cluster_of(service)["headGroupSpec"], *cluster_of(service)["workerGroupSpecs"]]
    return [it["template"]["spec"] for it in parts]


def application_of(service: dict[str, Any]) -> dict[str, Any]:
    [found] = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    application: dict[str, Any] = found
    return application


def test_there_is_neither_deployment_nor_scaled_object(render: Any) -> None:
    kinds = {it["kind"] for it in render(values(**RAY)) if of_kind(it["kind"], [it])}
    assert kinds == {"RayService", "ServiceAccount"}


def test_what_may_change_while_running_is_user_config(one: Any) -> None:
    given = {
        **RAY,
        **GPUS,
        "watch__checkpoint__path": "/opt/watch.safetensors",
        "file__runtime": {"batch": {"size": 32}, "threads": 3},
        "file__streams__accel__batch": {"size": 16},
    }
    service = one("RayService", values(**given))
    application = application_of(service)
    names = [it["name"] for it in application["deployments"]]
    assert names == ["ingest", "fusion", "streams.gyro"]
    for deployment in application["deployments"]:
        assert deployment["user_config"] == {
            "checkpoint": "/opt/watch.safetensors",
            "align.deadline": "2s",
            "runtime.batch": {"size": 32},
            "streams.accel.batch": {"size": 16},
        }
    # Nothing is called over HTTP.
    assert application["route_prefix"] is None
    changed = {
        "watch__checkpoint__path": "/opt/other.safetensors",
        "file__align__deadline": "3s",
        "file__runtime": {"batch": {"size": 64}, "threads": 3},
        "file__streams__accel__batch": {"size": 8},
    }
    other = one("RayService", values(**{**given, **changed}))
    assert application_of(other) != application
    assert application_of(other)["args"] == application["args"]
    assert application["args"]["runtime"] == {"executor": "serve", "threads": 3}


def test_an_edited_pipeline_leaves_the_cluster_as_it_is(one: Any) -> None:
    before, after = (
        one("RayService", values(**RAY, file__align__deadline=deadline))
        for deadline in ("2s", "3s")
    )
    assert application_of(before) != application_of(after)
    assert cluster_of(before) == cluster_of(after)


def test_every_pod_has_probes_that_ask_no_http_proxy(one: Any) -> None:
    """KubeRay's own readiness probe of workers does, and would never succeed."""
    head, *workers = pods_of(one("RayService", values(**RAY, **GPUS)))
    paths = [pod["containers"][0]["readinessProbe"]["httpGet"] for pod in [head, *workers]]
    assert paths == [
        {"path": "/api/healthz", "port": 52365},
        *[{"path": "/api/local_raylet_healthz", "port": 52365}] * len(workers),
    ]


def test_every_pod_is_restricted(one: Any) -> None:
    service = one("RayService", values(**RAY, **SECURE, **GPUS))
    for pod in pods_of(service):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["env"][0]["valueFrom"]["secretKeyRef"]["name"] == "kafka"
    assert cluster_of(service)["authOptions"] == {"mode": "token"}


def test_only_the_head_beside_the_autoscaler_speaks_to_kubernetes(one: Any) -> None:
    service = one("RayService", values(**RAY, ray__autoscaling__enabled=True))
    head, *workers = pods_of(service)
    assert head["automountServiceAccountToken"] is True
    assert not any(pod["automountServiceAccountToken"] for pod in workers)


def test_ingest_gets_the_workers_that_it_asks_for(one: Any) -> None:
    ingest = {"replicas": {"min": 1, "max": 6}, "resources": {"num_cpus": 2}}
    given = {**RAY, "watch__partitions": 6, "file__runtime": {"ingest": ingest}}
    assert sizes(one("RayService", values(**given))) == {"cpu": (1, 3)}


def sizes(service: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (it["minReplicas"], it["maxReplicas"]) for name, it in groups_of(service).items()}


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        # 5 replicas of half a GPU: two to a worker of one GPU.
        ({"resources": {"num_gpus": 0.5}}, {"cpu": (1, 1), "gpu-any": (1, 3)}),
        # Of 0.6, one fits on a GPU; three of a third do.
        ({"resources": {"num_gpus": 0.6}}, {"cpu": (1, 1), "gpu-any": (1, 5)}),
        ({"resources": {"num_gpus": 1 / 3}}, {"cpu": (1, 1), "gpu-any": (1, 2)}),
        # Here CPUs decide: 4 to a worker.
        ({"resources": {"num_gpus": 0.1, "num_cpus": 2}}, {"cpu": (1, 1), "gpu-any": (1, 3)}),
        # And of 5 times 2 and the ingest replica's 1, 11.
        ({"resources": {"num_cpus": 2}}, {"cpu": (1, 3)}),
    ],
)
def test_groups_are_as_large_as_the_replicas_need(
    one: Any, stream: dict[str, Any], expected: dict[str, tuple[int, int]]
) -> None:
    stream |= {**FILE["streams"]["gyro"], "placement": "replica", "replicas": {"min": 1, "max": 5}}
    assert sizes(one("RayService", values(**RAY, file__streams__gyro=stream))) == expected


def test_groups_follow_from_the_resources_of_the_pipeline_file(one: Any) -> None:
    """The gyroscope: 1 to 5 replicas of half an L4. The fusion: a quarter of any GPU."""
    service = one("RayService", values(**RAY, **GPUS))
    assert sizes(service) == {"cpu": (1, 1), "gpu-l4": (1, 3), "gpu-any": (1, 1)}
    groups = groups_of(service)
    assert all(it["replicas"] == it["maxReplicas"] for it in groups.values())
    pod = groups["gpu-l4"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["containers"][0]["image"].endswith("-gpu")
    assert pod["nodeSelector"] == {"example.com/gpu": "l4"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    start = groups["gpu-l4"]["rayStartParams"]
    # It is put into a shell's command; Ray reads what the shell leaves.
    assert json.loads(json.loads(start["resources"])) == {"accelerator_type:L4": 1}
    plain = groups["cpu"]["template"]["spec"]
    assert plain["containers"][0]["image"].endswith("-cpu")
    assert "tolerations" not in plain


def test_with_the_autoscaler_the_fewest_workers_start(one: Any) -> None:
    given = values(**RAY, **GPUS, ray__autoscaling__enabled=True)
    service = one("RayService", given)
    assert cluster_of(service)["enableInTreeAutoscaling"] is True
    assert groups_of(service)["gpu-l4"]["replicas"] == 1


def test_the_head_runs_no_replicas(one: Any) -> None:
    start = cluster_of(one("RayService", values(**RAY)))["headGroupSpec"]["rayStartParams"]
    assert start["num-cpus"] == "0"


def test_metrics_of_ray_are_scraped_as_the_shipped_configuration_does(render: Any) -> None:
    """In the words of Prometheus Operator, which are Prometheus's in another case."""
    shipped = yaml.safe_load((ROOT / "deploy/observability/prometheus.yaml").read_text("utf-8"))
    [job] = [it for it in shipped["scrape_configs"] if it["job_name"] == "sensorium-ray"]
    words = {"source_labels": "sourceLabels", "target_label": "targetLabel"}
    expected = [
        {words.get(key, key): value for key, value in rule.items()}
        for rule in job["metric_relabel_configs"]
    ]
    [monitor] = of_kind("PodMonitor", render(values(**RAY, metrics__podMonitor__enabled=True)))
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["metricRelabelings"] == expected
    [plain] = of_kind("PodMonitor", render(values(metrics__podMonitor__enabled=True)))
    assert "metricRelabelings" not in plain["spec"]["podMetricsEndpoints"][0]
