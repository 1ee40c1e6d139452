"""A Ray to run on: one of this process's own, or one that is there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import psutil  # Ray brings it
import ray
from ray import serve

from sensorium.errors import ConfigError, RunError

__all__ = ["ACCELERATOR", "Cluster", "cluster"]

#: Ray gives up when its own agents take longer than 15 s to start, as on a machine that is busy.
_ATTEMPTS: Final = 3
_OBJECT_STORE_BYTES: Final = 256 * 1024 * 1024
#: Begins the names of the resources by which Ray says which kinds of accelerators a node has.
ACCELERATOR: Final = "accelerator_type:"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The Ray that this process is connected to.

    Parameters
    ----------
    own
        Whether it was started for this run, and ends with it.
    here
        The resource that only the node of this process has, by Ray's convention.
    nodes
        How many nodes it has.
    """

    own: bool
    here: str
    nodes: int = 1

    def require(self, wanted: Mapping[str, float]) -> None:
        """Refuse to wait for ever for what the cluster has not got.

        Raises
        ------
        ConfigError
            Naming the resource.
        """
        there = ray.cluster_resources()
        for name, amount in wanted.items():
            if name.startswith(ACCELERATOR) and name not in there:
                kinds = sorted(
                    it.removeprefix(ACCELERATOR) for it in there if it.startswith(ACCELERATOR)
                )
                raise ConfigError(
                    "the pipeline's replicas need the accelerator "
                    f"{name.removeprefix(ACCELERATOR)}, and the cluster has "
                    f"{', '.join(kinds) or 'none of any kind'}: change `accelerator_type`, or add "
                    "such nodes",
                    path="streams",
                )
            if amount > there.get(name, 0.0):
                raise ConfigError(
                    f"the pipeline's replicas need {amount:g} {name}, and the cluster has "
                    f"{there.get(name, 0.0):g}: lower `resources` or `replicas`, or add nodes",
                    path="streams",
                )


@contextmanager
def cluster(address: str | None, cpus: float = 1.0, attempts: int = _ATTEMPTS) -> Iterator[Cluster]:
    """Start a Ray in this process, or join the one at an address, or use what is connected.

    Parameters
    ----------
    address
        ``host:port`` of a cluster that this machine belongs to, or ``auto`` for the one that runs
        here; None for a Ray of one's own, without a dashboard.
    cpus
        How many CPUs the pipeline asks for. A Ray of one's own has as many even where the machine
        has fewer: they share it.
    attempts
        How often to try to start a Ray of one's own.

    Raises
    ------
    ConfigError
        If the address is that of a Ray client.
    RunError
        If there is no Ray at the address, or none can be started.
    """
    if ray.is_initialized():
        _start_serve()
        yield _connected(own=False)
        return
    if address is not None and "://" in address:
        raise ConfigError(
            f"{address!r} is not the address of a cluster that this machine belongs to: give "
            "host:port or auto. To reach another cluster, write its file by `sensorium build "
            "PIPELINE` and deploy it by `serve deploy FILE --address http://HEAD:8265`"
        )
    try:
        _connect(address, cpus, attempts)
        _start_serve()
        yield _connected(own=address is None)
    finally:
        ray.shutdown()


def _connect(address: str | None, cpus: float, attempts: int) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # Nobody asked for it to report home.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {
            "address": "local",
            "num_cpus": max(os.cpu_count() or 1, int(-(-cpus // 1))),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
    else:
        options["address"] = address
    for attempt in range(attempts):
        before = set(psutil.Process().children(recursive=True))
        try:
            ray.init(**options)
        except Exception as error:
            # Ray leaves behind what it has started so far.
            for process in set(psutil.Process().children(recursive=True)) - before:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            if address is None and attempt + 1 < attempts:
                continue
            what = "start a local Ray" if address is None else f"join the Ray at {address}"
            raise RunError(f"cannot {what}: {error}") from error
        return


def _start_serve() -> None:
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    # No HTTP: deployments are called by their handles.
    serve.start(proxy_location="Disabled")


def _connected(*, own: bool) -> Cluster:
    nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    return Cluster(own, f"node:{ray.util.get_node_ip_address()}", nodes)
