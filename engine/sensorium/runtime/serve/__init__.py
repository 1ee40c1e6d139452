"""The executor `serve`: on Ray Serve, every plugin scaled by itself.

The ingest deployment turns the line: source, ingest, align and emit. Each stream, and the fusion,
whose ``placement`` is ``replica`` has a deployment of its own that is called by its handle, once
per micro-batch, with arrays only. Importing this package imports Ray.
"""

from sensorium.runtime.serve._application import application_of, build
from sensorium.runtime.serve._build import build_config
from sensorium.runtime.serve._cluster import Cluster, cluster
from sensorium.runtime.serve._deploy import deploy, remove
from sensorium.runtime.serve._executor import ServeExecutor
from sensorium.runtime.serve._run import demand, run_on_serve

__all__ = [
    "Cluster",
    "ServeExecutor",
    "application_of",
    "build",
    "build_config",
    "cluster",
    "demand",
    "deploy",
    "remove",
    "run_on_serve",
]
