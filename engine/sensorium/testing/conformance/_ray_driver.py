"""The process that owns Ray for the kit: a line of JSON in, a line of JSON out.

It ends, and Ray with it, when its input does, or when nothing has come for a while.
"""

from __future__ import annotations

import json
import os
import select
import sys
import traceback
from pathlib import Path
from typing import Any, Final

import numpy as np

_PATIENCE_SECONDS: Final = 120
_WORKERS: Final = 2


def main() -> None:
    """Answer until nothing is asked any more."""
    # Ray and what it starts may print; the answers have the pipe for themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # A machine that is busy with other tests starts a node in minutes.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    os.environ.setdefault("RAY_worker_register_timeout_seconds", "300")
    import ray

    from sensorium.testing.conformance import _replica

    ray.init(
        address="local",
        num_cpus=_WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=100_000_000,
        _node_ip_address="127.0.0.1",
    )
    remote = ray.remote(num_cpus=1)(_replica.Replica)
    workers = [remote.remote() for _ in range(_WORKERS)]
    while select.select([sys.stdin], [], [], _PATIENCE_SECONDS)[0]:
        line = sys.stdin.readline()
        if not line:
            break
        asked = json.loads(line)
        print(json.dumps(_answer(ray, workers, asked)), file=answers, flush=True)
    ray.shutdown()


def _answer(ray: Any, workers: list[Any], asked: dict[str, Any]) -> dict[str, Any]:
    folder = Path(asked["folder"])
    with np.load(folder / "given.npz") as loaded:
        given = ray.put(dict(loaded))
    try:
        answered = ray.get(
            [worker.answer.remote(asked["path"], asked["order"], given) for worker in workers]
        )
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if error.cause is not None else error
        return {"error": "".join(traceback.format_exception_only(cause)).strip()}
    files: list[str] = []
    for arrays in (arrays for both in answered for arrays in both):
        files.append(f"{len(files)}.npz")
        np.savez(folder / files[-1], **arrays)
    return {"files": files}


if __name__ == "__main__":
    main()
