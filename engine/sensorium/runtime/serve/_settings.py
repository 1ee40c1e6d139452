"""What a deployment is told: the topology in its arguments, and what may change while it runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from sensorium.errors import ConfigError
from sensorium.host import Pipeline, default_host, load_pipeline

__all__ = ["CHANGEABLE", "pipeline_of", "settings_of", "topology_of"]

#: The parts of the pipeline file that a running application takes up without a restart.
CHANGEABLE: Final = ("checkpoint",)


def topology_of(pipeline: Pipeline) -> dict[str, Any]:
    """The pipeline file as plain data, without what may change."""
    return {key: it for key, it in pipeline.document().items() if key not in CHANGEABLE}


def settings_of(pipeline: Pipeline, digest: str) -> dict[str, Any]:
    """What may change, as the ``user_config`` of every deployment.

    Parameters
    ----------
    digest
        The identity of the checkpoint, so that a file that is written anew under its old name is
        a change, too.
    """
    document = pipeline.document()
    return {key: document[key] for key in CHANGEABLE if key in document} | {"digest": digest}


def pipeline_of(topology: Mapping[str, Any], settings: Mapping[str, Any]) -> Pipeline:
    """Compose topology and settings with the plugins that this process has.

    Raises
    ------
    ConfigError
        If they do not fit, as where a plugin is not installed here.
    """
    document = copy.deepcopy(dict(topology))
    unknown = set(settings) - {*CHANGEABLE, "digest"}
    if unknown:
        raise ConfigError(
            f"the user_config of a deployment has no {', '.join(sorted(unknown))}; it has "
            f"{', '.join(CHANGEABLE)} and digest"
        )
    document.update({key: settings[key] for key in CHANGEABLE if key in settings})
    return load_pipeline(document, plugins=default_host())
