"""The programs of Prometheus for the tests: from the PATH, or out of Debian's package `prometheus`.

The package is fetched with `apt-get download` and unpacked into the user's cache; nothing is
installed. To have them by hand: `apt-get install prometheus`, or::

    python tests/support/prometheus_programs.py
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = ("prometheus", "promtool")


class NoPrometheusError(Exception):
    """The programs are not to be had here, for the reason that it says."""


def program(name: str) -> str:
    """The path of one of `PROGRAMS`.

    Raises
    ------
    NoPrometheusError
        If it is not on the PATH and the package cannot be fetched.
    """
    return shutil.which(name) or str(_package() / "usr" / "bin" / name)


def _package() -> Path:
    """The folder of the unpacked package; fetched once, and kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sensorium" / "prometheus"
    if folder.is_dir():
        return folder
    for needed in ("apt-get", "dpkg-deb"):
        if shutil.which(needed) is None:
            raise NoPrometheusError(f"no Prometheus on the PATH, and no {needed} to fetch it with")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        _run(name, "apt-get", "download", "prometheus")
        _run(name, "dpkg-deb", "--extract", next(Path(name).glob("*.deb")).name, "unpacked")
        with contextlib.suppress(OSError):  # another run was quicker
            Path(name, "unpacked").rename(folder)
    return folder


def _run(folder: str, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise NoPrometheusError(
            f"`{' '.join(command)}` failed: {' '.join(last)}; "
            "install Debian's package prometheus, or run apt-get update first"
        )


if __name__ == "__main__":
    try:
        for each in PROGRAMS:
            print(program(each))
    except NoPrometheusError as error:
        sys.exit(str(error))
