"""What runs in a worker of Ray: plugins made from names and JSON, called with arrays."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
from pydantic import BaseModel

from sensorium.plugin import Features, FeatureSpec, Task, TaskOutput

__all__ = [
    "Replica",
    "fusion_order",
    "modality_order",
    "part",
    "spread_features",
    "spread_outputs",
]

Arrays = Mapping[str, npt.NDArray[Any]]
_BETWEEN = "\n"


class Replica:
    """A worker; it is given names and JSON, as a replica is, and arrays."""

    def answer(self, path: list[str], order: Mapping[str, Any], given: Arrays) -> list[Arrays]:
        """Build the plugin twice, as two streams of one modality do, and call both."""
        sys.path += [entry for entry in path if entry not in sys.path]
        build = _modality if order["kind"] == "modality" else _fusion
        return [built() for built in [build(order, given), build(order, given)]]


def _reference(cls: type[Any]) -> str:
    """The name that another process imports a class by."""
    return f"{cls.__module__}:{cls.__qualname__}"


def modality_order(plugin: type[Any], config: BaseModel) -> dict[str, Any]:
    """A modality, for `Replica.answer`."""
    return {"kind": "modality", "class": _reference(plugin), "config": config.model_dump_json()}


def fusion_order(
    plugin: type[Any],
    config: BaseModel,
    features: Mapping[str, FeatureSpec],
    tasks: Mapping[str, Task],
) -> dict[str, Any]:
    """A fusion, for `Replica.answer`."""
    return {
        "kind": "fusion",
        "class": _reference(plugin),
        "config": config.model_dump_json(),
        "features": {name: [it.dim, it.kind, it.dtype] for name, it in features.items()},
        "tasks": {
            name: [_reference(type(task)), task.config.model_dump_json()]
            for name, task in tasks.items()
        },
    }


def part(name: str, *rest: str) -> str:
    """The name of an array among all that are sent."""
    return _BETWEEN.join([name, *rest])


def spread_outputs(outputs: Mapping[str, TaskOutput]) -> dict[str, npt.NDArray[Any]]:
    """The outputs of a fusion as named arrays."""
    return {
        part(name, field): array
        for name, output in outputs.items()
        for field in ("scores", "values", "contribution")
        if (array := getattr(output, field)) is not None
    }


def spread_features(features: Features) -> dict[str, npt.NDArray[Any]]:
    """Features as named arrays."""
    mask = {} if features.mask is None else {"mask": features.mask}
    return {"data": features.data, **mask}


def _under(given: Arrays, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays whose name begins with a part, without it."""
    start = prefix + _BETWEEN
    return {name.removeprefix(start): it for name, it in given.items() if name.startswith(start)}


def _imported(name: str) -> Any:
    module, _, qualified = name.partition(":")
    found = importlib.import_module(module)
    for attribute in qualified.split("."):
        found = getattr(found, attribute)
    return found


def _weights(given: Arrays) -> Arrays | None:
    return _under(given, "weights") or None


def _modality(order: Mapping[str, Any], given: Arrays) -> Any:
    plugin = _imported(order["class"])
    modality = plugin(plugin.Config.model_validate_json(order["config"]))
    modality.load("cpu", _weights(given))
    return lambda: spread_features(modality.encode(_under(given, "arrays")))


def _fusion(order: Mapping[str, Any], given: Arrays) -> Any:
    plugin = _imported(order["class"])
    specs = {name: FeatureSpec(*it) for name, it in order["features"].items()}
    tasks = {}
    for name, (task, config) in order["tasks"].items():
        found = _imported(task)
        tasks[name] = found(found.Config.model_validate_json(config))
    fusion = plugin(plugin.Config.model_validate_json(order["config"]), specs, tasks)
    fusion.load("cpu", _weights(given))
    present = _under(given, "present")
    data, masks = _under(given, "data"), _under(given, "mask")
    features = {name: Features(array, masks.get(name)) for name, array in data.items()}
    return lambda: spread_outputs(fusion.fuse(present, **features))
