"""A real Triton Inference Server for the tests: a process from the wheel of nvidia-pytriton.

The wheel carries the server and its Python backend. It needs numpy 1 and a Python of the
distribution's own, so it lives in an environment apart, made once and kept in the user's cache;
``SENSORIUM_TEST_TRITON_PYTHON`` names the Python to make it with. Where that cannot be had, the
tests that need a server are skipped with the reason.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from free_ports import free_ports

VERSION = "0.7.0"
_START_SECONDS = 60
ROOT = Path(__file__).parents[2]
#: What a served plugin of Sensorium imports.
_PACKAGES = ["numpy<2", "pydantic>=2.10", "pluggy", "pyyaml", "msgpack", "safetensors", "mcap"]


class NoTritonError(Exception):
    """There is no server to be had here, for the reason that it says."""


def repository(folder: Path, models: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write a model repository.

    Parameters
    ----------
    folder
        Where to.
    models
        Per model: ``serve``, what `triton_model` is told; ``inputs`` and ``outputs``, per name a
        type and the shape of one item; ``max_batch_size``.
    """
    for name, model in models.items():
        place = folder / name / "1"
        place.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("triton_model.py"), place / "model.py")
        serve = {"path": [str(ROOT / "engine"), str(ROOT / "plugins")], **model["serve"]}
        text = json.dumps(json.dumps(serve))
        lines = [
            'backend: "python"',
            f"max_batch_size: {model['max_batch_size']}",
            "instance_group [{kind: KIND_CPU, count: 1}]",
            f'parameters: {{key: "serve", value: {{string_value: {text}}}}}',
        ]
        for kind in ("input", "output"):
            lines += [
                f'{kind} [{{name: "{it}", data_type: TYPE_{dtype}, dims: {list(shape)}}}]'
                for it, (dtype, shape) in model[f"{kind}s"].items()
            ]
        (folder / name / "config.pbtxt").write_text("\n".join(lines), encoding="utf-8")
    return folder


class TritonServer:
    """A server that can be killed, and started again at the same address.

    Parameters
    ----------
    models
        Its model repository.
    """

    def __init__(self, models: Path) -> None:
        self._home = _environment()
        self._models = models
        self._port, self._http = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        self._arguments: tuple[str, ...] = ()
        self.url = f"127.0.0.1:{self._port}"

    def start(self, *arguments: str) -> None:
        """Start it, and wait until all its models are ready.

        Parameters
        ----------
        arguments
            Further ones of ``tritonserver``.
        """
        self._arguments = arguments
        site = _site_packages(self._home)
        server = site / "pytriton" / "tritonserver"
        environment = {
            "HOME": str(self._models),
            "PATH": f"{self._home}/bin:/usr/bin:/bin",
            "LD_LIBRARY_PATH": str(site / "nvidia_pytriton.libs"),
        }
        log = self._models.parent / "triton.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(server / "bin" / "tritonserver"),
                 "--model-repository", str(self._models),
                 "--backend-directory", str(server / "backends"),
                 "--grpc-address", "127.0.0.1", "--grpc-port", str(self._port),
                 "--http-address", "127.0.0.1", "--http-port", str(self._http),
                 "--allow-metrics", "false", *arguments],
                env=environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self._wait(log)

    def ensure(self) -> None:
        """Start it if it does not run, or runs with arguments of its own."""
        if self._process is None or self._arguments:
            self.kill()
            self.start()

    def kill(self) -> None:
        """End it at once, as the loss of its machine would, with the backends that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=30)
            self._process = None

    def _wait(self, log: Path) -> None:
        from tritonclient.grpc import InferenceServerClient
        from tritonclient.utils import InferenceServerException

        process = self._process
        assert process is not None
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                self._process = None
                raise NoTritonError(f"the server ended: {log.read_text(errors='replace')[-1500:]}")
            with contextlib.suppress(InferenceServerException):
                client = InferenceServerClient(self.url)
                if client.is_server_ready(client_timeout=1):
                    client.close()
                    return
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"the server was not ready within {_START_SECONDS} s")


@contextlib.contextmanager
def triton_server(models: Mapping[str, Mapping[str, Any]]) -> Iterator[TritonServer]:
    """A server with these models, while it runs.

    Raises
    ------
    NoTritonError
        If none can be started.
    """
    with tempfile.TemporaryDirectory(prefix="sensorium-triton-") as name:
        server = TritonServer(repository(Path(name, "models"), models))
        try:
            server.start()
            yield server
        finally:
            server.kill()


def _environment() -> Path:
    """The environment with the server, made once."""
    python = os.environ.get("SENSORIUM_TEST_TRITON_PYTHON", "/usr/bin/python3")
    version = _output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sensorium" / f"pytriton-{VERSION}-python{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be making it
        if not (folder / "made").exists():
            _make(folder, python, version)
    return folder


def _make(folder: Path, python: str, version: str) -> None:
    # Not made elsewhere and moved: an environment does not survive that.
    shutil.rmtree(folder, ignore_errors=True)
    _output([python, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _output([*pip, "--no-deps", f"nvidia-pytriton=={VERSION}"])
    _output([*pip, *_PACKAGES])
    server = _site_packages(folder) / "pytriton" / "tritonserver"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        raise NoTritonError(f"the wheel has no Python backend for Python {version}")
    shutil.copy(stub, server / "backends" / "python")
    (folder / "made").touch()


def _site_packages(home: Path) -> Path:
    (found,) = home.glob("lib/python*/site-packages")
    return found


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except OSError as error:
        raise NoTritonError(
            f"{command[0]}: {error.strerror}; SENSORIUM_TEST_TRITON_PYTHON may name another Python"
        ) from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise NoTritonError(f"`{' '.join(command[:5])} ...` failed: {' '.join(last)}")
    return done.stdout.strip()
