"""A real Kubernetes API server takes what the chart installs, and would take its pods."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_values import ALL_ON, GPUS, GROUPS, SECURE, values
from go_programs import NoProgramError
from helm_program import CHART, Helm
from kubernetes_schemas import NoSchemaError, crds_folder
from kubernetes_server import Cluster, RefusedError, kubernetes_server

# Its start takes a while where the machine has other things to do.
pytestmark = pytest.mark.timeout(300)

COPY = {"image": "models:1", "command": ["cp", "/watch.safetensors", "/models/"]}
STANDALONE = {
    **ALL_ON,
    **GPUS,
    **SECURE,
    "watch__checkpoint": {"path": "watch.safetensors", "copy": COPY},
}
RAY = {**STANDALONE, "runtime__mode": "ray", "autoscaling__enabled": False}
ADMITTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    try:
        definitions = [
            yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
            for path in sorted(crds_folder().glob("*.yaml"))
        ]
        with kubernetes_server() as found:
            for definition in definitions:
                found.create(definition)
            wait_for_kinds(found, definitions)
            yield found
    except (NoProgramError, NoSchemaError) as error:
        pytest.skip(str(error))


def wait_for_kinds(cluster: Cluster, definitions: list[dict[str, Any]]) -> None:
    """The server serves a custom resource some moments after its definition."""
    end = time.monotonic() + 30
    for definition in definitions:
        group, kind = definition["spec"]["group"], definition["spec"]["names"]["kind"]
        version = next(it["name"] for it in definition["spec"]["versions"] if it["storage"])
        while not cluster.serves(f"{group}/{version}", kind):
            assert time.monotonic() < end, f"{kind} is not served"
            time.sleep(0.1)


@pytest.fixture
def install(cluster: Cluster, helm: Helm, tmp_path: Path) -> Any:
    """Install the chart in a namespace of its own that admits restricted pods only; its notes."""

    def run(namespace: str, given: dict[str, Any]) -> str:
        space = {"name": namespace, "labels": ADMITTED}
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": space})
        path = tmp_path / "values.json"
        path.write_text(json.dumps(given), encoding="utf-8")
        return helm.run(
            "install", "demo", str(CHART), "--values", str(path), "--namespace", namespace,
            "--kubeconfig", str(cluster.kubeconfig),
        )  # fmt: skip

    return run


def make_pod(cluster: Cluster, namespace: str, name: str, template: dict[str, Any]) -> None:
    """As a controller would."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **template}
    pod["metadata"] = {**template["metadata"], "name": name}
    cluster.create(pod, namespace)


def test_standalone_is_installed_and_its_pods_are_admitted(cluster: Cluster, install: Any) -> None:
    notes = install("standalone", values(**STANDALONE))
    assert "kubectl -n standalone rollout status deployment/demo-sensorium-watch" in notes
    assert "helm test demo --namespace standalone --logs" in notes
    assert "nothing scrapes the pods yet" not in notes
    [deployment] = cluster.list("apps/v1", "Deployment", "standalone")
    make_pod(cluster, "standalone", "engine", deployment["spec"]["template"])
    for group, kind in [
        ("policy/v1", "PodDisruptionBudget"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("monitoring.coreos.com/v1", "PodMonitor"),
        ("v1", "ServiceAccount"),
    ]:
        assert len(cluster.list(group, kind, "standalone")) == 1, kind
    assert len(cluster.list("keda.sh/v1alpha1", "ScaledObject", "standalone")) == int(GROUPS)


def test_ray_is_installed_and_its_pods_are_admitted(cluster: Cluster, install: Any) -> None:
    notes = install("ray", values(**RAY))
    assert "kubectl -n ray get rayservice demo-sensorium-watch" in notes
    [service] = cluster.list("ray.io/v1", "RayService", "ray")
    ray = service["spec"]["rayClusterConfig"]
    make_pod(cluster, "ray", "head", ray["headGroupSpec"]["template"])
    for group in ray["workerGroupSpecs"]:
        make_pod(cluster, "ray", group["groupName"], group["template"])
    assert len(cluster.list("v1", "Pod", "ray")) == 4


def test_the_pods_of_helm_test_are_admitted(cluster: Cluster, install: Any, render: Any) -> None:
    given = values(**SECURE)
    assert "nothing scrapes the pods yet" in install("tested", given)
    hooks = [it for it in render(given) if "helm.sh/hook" in it["metadata"].get("annotations", {})]
    for hook in hooks:
        cluster.create(hook, "tested")
        if hook["kind"] == "Job":
            make_pod(cluster, "tested", "test", hook["spec"]["template"])
    assert {it["kind"] for it in hooks} == {"ConfigMap", "Job"}


def test_without_a_pipeline_the_notes_say_how_to_begin(install: Any) -> None:
    assert "There is no pipeline yet." in install("empty", {})


def test_such_a_server_refuses_what_it_should(cluster: Cluster, install: Any) -> None:
    """Of these tests themselves: an unknown field, and a pod with more rights."""
    install("refusing", values())
    [deployment] = cluster.list("apps/v1", "Deployment", "refusing")
    template = deployment["spec"]["template"]
    template["spec"]["restartPolice"] = "Always"
    with pytest.raises(RefusedError, match="unknown field"):
        make_pod(cluster, "refusing", "misspelt", template)
    del template["spec"]["restartPolice"]
    template["spec"]["securityContext"]["runAsNonRoot"] = False
    with pytest.raises(RefusedError, match=r"violates PodSecurity.*runAsNonRoot"):
        make_pod(cluster, "refusing", "root", template)
