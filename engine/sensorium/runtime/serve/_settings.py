"""What a deployment is told: the topology in its arguments, and what may change while it runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from sensorium.errors import ConfigError
from sensorium.host import Pipeline, default_host, load_pipeline

__all__ = ["MODEL_ONLY", "changeable", "pipeline_of", "settings_of", "topology_of"]

#: The settings that the models alone take up; a line with any other changed is begun again.
MODEL_ONLY: Final = ("checkpoint", "digest")
_DIGEST: Final = "digest"
_MISSING: Final = object()


def changeable(document: Mapping[str, Any]) -> list[str]:
    """The parts of a pipeline file that a running application takes up without a restart.

    They are paths as those of ``--set``. All else is the topology, a change of which makes Serve
    start every deployment anew.
    """
    of_streams = [
        f"streams.{name}.{key}"
        for name in document.get("streams", {})
        for key in ("batch", "on_failure")
    ]
    of_runtime = [f"runtime.{key}" for key in ("batch", "retries", "breaker")]
    return ["checkpoint", "align.deadline", *of_runtime, *of_streams]


def topology_of(pipeline: Pipeline) -> dict[str, Any]:
    """The pipeline file as plain data, without what may change."""
    document = pipeline.document()
    for path in changeable(document):
        section, key = _section(document, path)
        if section is not None:
            section.pop(key, None)
    return document


def settings_of(pipeline: Pipeline, digest: str) -> dict[str, Any]:
    """What may change, by path, as the ``user_config`` of every deployment.

    Parameters
    ----------
    digest
        The identity of the checkpoint, so that a file that is written anew under its old name is
        a change, too.
    """
    document = pipeline.document()
    found = {}
    for path in changeable(document):
        section, key = _section(document, path)
        if section is not None and key in section:
            found[path] = section[key]
    return found | {_DIGEST: digest}


def pipeline_of(topology: Mapping[str, Any], settings: Mapping[str, Any]) -> Pipeline:
    """Compose topology and settings with the plugins that this process has.

    Raises
    ------
    ConfigError
        If they do not fit, as where a plugin is not installed here.
    """
    document = copy.deepcopy(dict(topology))
    known = changeable(document)
    for path, value in settings.items():
        if path == _DIGEST:
            continue
        if path not in known:
            raise ConfigError(
                f"{path!r} is not among what a user_config may change: {', '.join(known)}"
            )
        head, _, key = path.rpartition(".")
        section = document
        for name in filter(None, head.split(".")):
            section = section.setdefault(name, {})
        section[key] = value
    return load_pipeline(document, plugins=default_host())


def _section(document: dict[str, Any], path: str) -> tuple[dict[str, Any] | None, str]:
    head, _, key = path.rpartition(".")
    section: Any = document
    for name in filter(None, head.split(".")):
        section = section.get(name, _MISSING)
        if not isinstance(section, dict):
            return None, key
    return section, key
