"""Plugins in processes of Ray, as replicas load them."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import PluginError, RunError

__all__ = ["in_replicas"]

Arrays = Mapping[str, npt.NDArray[Any]]

_LOCK: Final = threading.Lock()
_driver: subprocess.Popen[str] | None = None


def in_replicas(order: Mapping[str, Any], arrays: Arrays) -> list[dict[str, npt.NDArray[Any]]]:
    """Have two worker processes of Ray build a plugin twice each, and call it.

    Ray is started when it is first needed, in a process of its own, so that this one stays free to
    use Ray itself. It ends with this process, or when nothing has been asked of it for a while.

    Parameters
    ----------
    order
        What to build, as `sensorium.testing.conformance._replica` reads it; JSON.
    arrays
        What it is given.

    Returns
    -------
    list
        What each of the four instances answered.

    Raises
    ------
    PluginError
        With what went wrong in a worker.
    RunError
        If Ray cannot be started.
    """
    with _LOCK, tempfile.TemporaryDirectory(prefix="sensorium-") as name:
        folder = Path(name)
        np.savez(folder / "given.npz", **arrays)  # type: ignore[arg-type]
        line = json.dumps({"folder": name, "path": sys.path, "order": order})
        answer = json.loads(_ask(line))
        if "error" in answer:
            raise PluginError(answer["error"])
        answers = []
        for file in answer["files"]:
            with np.load(folder / file) as loaded:
                answers.append(dict(loaded))
        return answers


def _ask(line: str) -> str:
    # One that had nothing to do may end just now; then another is started.
    for _ in range(2):
        driver = _running()
        assert driver.stdin is not None
        assert driver.stdout is not None
        try:
            driver.stdin.write(line + "\n")
            driver.stdin.flush()
            answer = driver.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return answer
        _stop()
    raise RunError("Ray could not be started in a process of its own: see what it has printed")


def _running() -> subprocess.Popen[str]:
    global _driver  # noqa: PLW0603 - one per process
    if _driver is None or _driver.poll() is not None:
        _stop()
        _driver = subprocess.Popen(
            [sys.executable, "-m", "sensorium.testing.conformance._ray_driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.unregister(_stop)
        atexit.register(_stop)
    return _driver


def _stop() -> None:
    global _driver
    driver, _driver = _driver, None
    if driver is not None:
        driver.communicate()
