"""The kit of a fusion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from sensorium.plugin import FeatureSpec, Fusion, Task, Weights
from sensorium.testing.conformance._case import Conformance
from sensorium.testing.conformance._fusion_checks import FUSION_CHECKS
from sensorium.testing.conformance._fusion_subject import FusionSubject

__all__ = ["FusionConformance", "check_fusion"]


class FusionConformance(Conformance, kind="fusion", checks=FUSION_CHECKS):
    """All checks of a fusion: set `plugin`, and `config` where it needs one.

    Attributes
    ----------
    features
        Per stream, what it is to fuse; every pattern of absence is tried, so give few.
    tasks
        What it is to predict; by default one installed task of each type that `sensorium` brings.
    weights
        What it loads; None to start from scratch.
    """

    plugin: ClassVar[type[Fusion]]
    features: ClassVar[Mapping[str, FeatureSpec]] = {
        "vector": FeatureSpec(4),
        "other": FeatureSpec(3),
        "sequence": FeatureSpec(2, "sequence"),
    }
    tasks: ClassVar[Mapping[str, Task] | None] = None
    weights: ClassVar[Weights | None] = None

    @classmethod
    def make_subject(cls, folder: Path) -> FusionSubject:
        """The fusion with its streams and tasks."""
        tasks = standard_tasks() if cls.tasks is None else cls.tasks
        return FusionSubject(cls.plugin, cls.configure(folder), cls.features, tasks, cls.weights)


def standard_tasks() -> dict[str, Task]:
    """A classification, a multi-label task and a regression, as a pipeline file would give them."""
    from sensorium.host import default_host

    configs: dict[str, dict[str, Any]] = {
        "classification": {"labels": ["a", "b", "c"]},
        "multi-label": {"labels": ["x", "y"]},
        "regression": {},
    }
    tasks = {}
    for name, config in configs.items():
        task = default_host().tasks[name]
        tasks[name.replace("-", "_")] = task(task.Config.model_validate(config))
    return tasks


def check_fusion(
    plugin: type[Any],
    config: Mapping[str, Any],
    features: Mapping[str, FeatureSpec],
    tasks: Mapping[str, Task],
    *,
    weights: Weights | None = None,
    waived: Mapping[str, str] | None = None,
) -> None:
    """Run every check of a fusion; `FusionConformance` does it by pytest, one by one.

    Parameters
    ----------
    plugin, config, weights
        The class, its configuration as in a pipeline file, and what it loads.
    features
        Per stream, what it is to fuse; every pattern of absence is tried, so give few.
    tasks
        What it is to predict.
    waived
        Checks that need not hold, each with the reason.

    Raises
    ------
    NonconformanceError
        Saying what the plugin does that its base class does not allow.
    """
    settings = {
        "plugin": plugin,
        "config": config,
        "features": features,
        "tasks": tasks,
        "weights": weights,
        "waived": waived or {},
    }
    adopted: type[FusionConformance] = type(plugin.__name__, (FusionConformance,), settings)
    adopted.require()
