"""The Serve config file of a pipeline, which `serve deploy` and a RayService take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ray.serve.schema import ServeDeploySchema

from sensorium.runtime._model import require_weights
from sensorium.runtime.serve._application import deployment_options
from sensorium.runtime.serve._run import require_sharing
from sensorium.runtime.serve._settings import settings_of, topology_of

if TYPE_CHECKING:
    from sensorium.host import Pipeline

__all__ = ["IMPORT_PATH", "build_config"]

IMPORT_PATH: Final = "sensorium.runtime.serve:build"


def build_config(pipeline: Pipeline) -> dict[str, Any]:
    """The config file, checked against Ray's own schema.

    The arguments hold the topology; what may change while it runs is the ``user_config`` of every
    deployment, so that a new checkpoint restarts nothing.

    Raises
    ------
    ConfigError
        If a model lacks its weights, or several ingest replicas could not share the source.
    """
    require_sharing(pipeline)
    settings = settings_of(pipeline, require_weights(pipeline))
    options = deployment_options(pipeline.config, settings)
    config = {
        "proxy_location": "Disabled",
        "applications": [
            {
                "name": pipeline.name,
                # The line is called by nobody: it reads its source.
                "route_prefix": None,
                "import_path": IMPORT_PATH,
                "args": topology_of(pipeline),
                "deployments": [{"name": name, **it} for name, it in options.items()],
            }
        ],
    }
    ServeDeploySchema.model_validate(config)
    return config
