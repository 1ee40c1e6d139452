"""Manifests against the schemas of Kubernetes and of custom resources, closed to unknown fields.

Those of Kubernetes are in the package kubernetes-validate. Those of custom resources are what
`kubectl get crd NAME -o yaml` prints, a file each, in the folder that `SENSORIUM_TEST_CRDS` names,
or in `shared/crds` beside this tree.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import kubernetes_validate
import yaml

Schema: TypeAlias = dict[str, Any]

#: Both ends of what the chart supports: its `kubeVersion`, and the newest with schemas.
VERSIONS = ("1.27.0", "1.34.0")
#: Which resources are custom, and so need a file.
GROUPS = ("ray.io", "keda.sh", "monitoring.coreos.com")


class NoSchemaError(Exception):
    """There is no schema of a custom resource here, for the reason that it says."""


def validate(manifest: dict[str, Any]) -> None:
    """Validate one manifest.

    Raises
    ------
    jsonschema.ValidationError
        If it does not fit.
    NoSchemaError
        If it is a custom resource whose schema is not here.
    """
    if manifest["apiVersion"].partition("/")[0] in GROUPS:
        validator = jsonschema.Draft202012Validator(
            _custom(manifest["apiVersion"], manifest["kind"])
        )
        validator.validate(manifest)
        return
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


def crds_folder() -> Path:
    """Where the definitions of custom resources are.

    Raises
    ------
    NoSchemaError
        If nowhere.
    """
    named = os.environ.get("SENSORIUM_TEST_CRDS")
    near = [parent / "shared" / "crds" for parent in Path(__file__).parents]
    for folder in [Path(named)] if named else near:
        if folder.is_dir():
            return folder
    raise NoSchemaError(
        "no definitions of custom resources: set SENSORIUM_TEST_CRDS to a folder of them, made by "
        "`kubectl get crd NAME -o yaml > NAME.yaml`"
    )


@functools.cache
def _custom(api_version: str, kind: str) -> Schema:
    for path in sorted(crds_folder().glob("*.yaml")):
        # The loader in C: some of these files have a megabyte.
        definition = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        spec = definition["spec"]
        if spec["names"]["kind"] != kind:
            continue
        for version in spec["versions"]:
            if f"{spec['group']}/{version['name']}" == api_version and version["served"]:
                schema: Schema = closed(version["schema"]["openAPIV3Schema"])
                # An API server knows these two of every object.
                schema["properties"] |= {"metadata": {"type": "object"}}
                return schema
    raise NoSchemaError(f"no definition of {kind} {api_version} in {crds_folder()}")


def closed(schema: Schema) -> Schema:
    """A structural schema as JSON Schema, where what it does not name is refused."""
    found = {
        key: value
        for key, value in schema.items()
        if key in ("type", "enum", "required", "minimum", "maximum", "minLength", "maxLength",
                   "minItems", "maxItems", "pattern", "anyOf")
    }  # fmt: skip
    if schema.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
    if "properties" in schema:
        found["properties"] = {key: closed(it) for key, it in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            found["additionalProperties"] = False
    if isinstance(schema.get("additionalProperties"), dict):
        found["additionalProperties"] = closed(schema["additionalProperties"])
    if "items" in schema:
        found["items"] = closed(schema["items"])
    return found
