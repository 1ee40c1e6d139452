"""Everything that the chart renders fits the schemas, closed against unknown fields."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
from chart_values import ALL_OFF, ALL_ON, FILE, GPUS, SECURE, changed, values
from helm_program import CHART, KUBERNETES, Helm, Manifest
from kubernetes_schemas import NoSchemaError, validate

TWO = {
    "pipelines": {"watch": {"file": FILE}, "room": {"file": changed(FILE, {"pipeline": "room"})}}
}
CLAIM = {"watch__checkpoint": {"path": "watch.safetensors", "existingClaim": "models"}}
COPY = {
    "watch__checkpoint": {
        "path": "watch.safetensors",
        "copy": {"image": "models:1", "command": ["cp", "/watch.safetensors", "/models/"],
                 "secretEnv": {"TOKEN": {"secret": "store", "key": "token"}}},
    }
}  # fmt: skip
EXTRAS = {
    "imagePullSecrets": [{"name": "registry"}],
    "image__digest": "sha256:" + "0" * 64,
    "watch__env": {"OMP_NUM_THREADS": "2"},
    "watch__affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}},
    "watch__tolerations": [{"key": "sensing", "operator": "Exists"}],
    "watch__nodeSelector": {"disk": "fast"},
    "watch__priorityClassName": "high",
    "watch__podLabels": {"team": "sensing"},
    "watch__podAnnotations": {"example.com/owner": "sensing"},
    "watch__updateStrategy": "RollingUpdate",
    "watch__topologySpread": [],
    "watch__test": {"recording": "{}"},
    "serviceAccount__annotations": {"example.com/role": "reader"},
    "networkPolicy__egress": [{"ports": [{"protocol": "TCP", "port": 8001}]}],
    "networkPolicy__brokersTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicy__scrapersFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
    "metrics__podMonitor__labels": {"release": "prometheus"},
}  # fmt: skip
RAY = {"runtime__mode": "ray", "autoscaling__enabled": False}
MATRIX: dict[str, dict[str, Any]] = {
    "standalone": values(),
    "standalone, all on": values(**ALL_ON),
    "standalone, all off": values(**ALL_OFF),
    "standalone, all on, with extras": values(**ALL_ON, **EXTRAS),
    "standalone, TLS and SASL": values(**ALL_ON, **SECURE),
    "standalone, GPUs": values(**ALL_ON, **GPUS),
    "standalone, weights of a claim": values(**CLAIM),
    "standalone, weights copied": values(**COPY),
    "standalone, several pipelines": TWO | values(**ALL_ON, pipelines={}) | TWO,
    "no pipeline": values(**ALL_ON, pipelines={}),
    "ray": values(**RAY),
    "ray, all on": values(**{**ALL_ON, **RAY, "ray__autoscaling__enabled": True}),
    "ray, all off": values(**{**ALL_OFF, **RAY, "ray__authentication": False}),
    "ray, all on, with extras": values(**{**ALL_ON, **EXTRAS, **RAY}),
    "ray, TLS and SASL": values(**{**ALL_ON, **SECURE, **RAY}),
    "ray, GPUs": values(**{**ALL_ON, **GPUS, **RAY}),
    "ray, weights copied": values(**{**COPY, **RAY}),
    "ray, several pipelines": values(**{**ALL_ON, **RAY}, pipelines={}) | TWO,
}


@pytest.mark.parametrize("name", list(MATRIX))
def test_every_manifest_fits_its_schema(render: Any, name: str) -> None:
    manifests = render(MATRIX[name], release="a-name-that-is-as-long-as-helm-takes-one-which-is-53")
    check_names(manifests)
    without: set[str] = set()
    for manifest in manifests:
        try:
            validate(manifest)
        except NoSchemaError as error:
            without.add(str(error))
        except jsonschema.ValidationError as error:
            where = "/".join(map(str, error.absolute_path))
            raise AssertionError(f"{manifest['kind']} at {where}: {error.message}") from None
    if without:
        pytest.skip("; ".join(sorted(without)))


def check_names(manifests: list[Manifest]) -> None:
    names = [(it["kind"], it["metadata"]["name"]) for it in manifests]
    assert len(set(names)) == len(names)
    for kind, found in names:
        # KubeRay takes no longer name of a RayService.
        assert len(found) <= (47 if kind == "RayService" else 63), found


def test_what_a_schema_does_not_know_is_found(render: Any) -> None:
    """Of the validation itself: a slip anywhere makes it fail."""
    [deployment] = [it for it in render(values()) if it["kind"] == "Deployment"]
    for slip in ("spec.replica", "spec.template.spec.restartPolice"):
        wrong = changed(deployment, {slip: 1})
        with pytest.raises(jsonschema.ValidationError, match=slip.rpartition(".")[2]):
            validate(wrong)
    wrong = copy.deepcopy(deployment)
    wrong["spec"]["template"]["spec"]["containers"][0]["portz"] = []
    with pytest.raises(jsonschema.ValidationError, match="portz"):
        validate(wrong)


def test_a_slip_in_a_custom_resource_is_found(render: Any) -> None:
    [service] = [it for it in render(values(**RAY)) if it["kind"] == "RayService"]
    try:
        validate(service)
    except NoSchemaError as error:
        pytest.skip(str(error))
    wrong = copy.deepcopy(service)
    pod = wrong["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]
    pod["containers"][0]["securityContext"]["readonlyRootFilesystem"] = True
    with pytest.raises(jsonschema.ValidationError, match="readonlyRootFilesystem"):
        validate(wrong)


def test_it_lints(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.run(
        "lint", "--strict", str(CHART), "--kube-version", KUBERNETES
    )
