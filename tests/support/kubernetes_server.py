"""A real Kubernetes API server, with its etcd, to see what it says of manifests.

There is nothing behind it: no scheduler, no controllers, no nodes. What it accepts is stored, and
nothing runs. Both are built by ``make apiserver``.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from go_programs import GoProgram

_VERSION = "1.34.4"
#: Modules that Kubernetes takes from its own source tree.
_STAGED = (
    "api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider "
    "cluster-bootstrap code-generator component-base component-helpers controller-manager cri-api "
    "cri-client csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms "
    "kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics "
    "mount-utils pod-security-admission sample-apiserver sample-cli-plugin sample-controller"
)
API_SERVER = GoProgram(
    "kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes",
    f"v{_VERSION}",
    {f"k8s.io/{name}": f"v0.{_VERSION.partition('.')[2]}" for name in _STAGED.split()},
    {"k8s.io/component-base/version.gitVersion": f"v{_VERSION}"},
)
ETCD = GoProgram("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", "v3.6.13")
_START_SECONDS = 180
_BUSY_SECONDS = 30


class RefusedError(Exception):
    """The server refused; the text is what it said."""


class Cluster:
    """An API server that runs.

    Parameters
    ----------
    port, token
        Where it listens on the loopback address, and what its administrator says.
    kubeconfig
        The same in a file, for helm.
    """

    def __init__(self, port: int, token: str, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._address = f"https://127.0.0.1:{port}"
        self._token = token
        # The certificate is the server's own, made at its start: there is nobody to vouch for it.
        self._context = ssl._create_unverified_context()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API.

        Raises
        ------
        RefusedError
            If it answers with an error.
        """
        request = urllib.request.Request(
            self._address + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        text = self._answer(request)
        try:
            return json.loads(text)
        except ValueError:
            return text.decode()

    def _answer(self, request: urllib.request.Request) -> bytes:
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30, context=self._context) as response:
                    text: bytes = response.read()
                    return text
            except urllib.error.HTTPError as error:
                # So it asks its clients to try again, as while it makes a place for a new kind.
                if error.code != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > end:
                    raise RefusedError(error.read().decode(errors="replace")) from None
            time.sleep(0.1)

    def create(self, manifest: dict[str, Any], namespace: str | None = None) -> Any:
        """Create an object; a field that the server does not know is an error.

        Raises
        ------
        RefusedError
            If the server refuses it.
        """
        path = self._path(manifest["apiVersion"], manifest["kind"], namespace)
        return self.call("POST", f"{path}?fieldValidation=Strict", manifest)

    def list(self, api_version: str, kind: str, namespace: str) -> list[Any]:
        """The objects of a kind in a namespace."""
        found: list[Any] = self.call("GET", self._path(api_version, kind, namespace))["items"]
        return found

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind may be created by now."""
        try:
            self._path(api_version, kind, None)
        except (RefusedError, StopIteration):
            return False
        return True

    def _path(self, api_version: str, kind: str, namespace: str | None) -> str:
        group = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        resources = self.call("GET", group)["resources"]
        plural = next(
            it["name"] for it in resources if it["kind"] == kind and "/" not in it["name"]
        )
        return f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"


@contextlib.contextmanager
def kubernetes_server() -> Iterator[Cluster]:
    """An API server, while it runs.

    Raises
    ------
    NoProgramError
        If it has not been built.
    """
    server, store = API_SERVER.found(), ETCD.found()
    with (
        tempfile.TemporaryDirectory(prefix="sensorium-kubernetes-") as name,
        contextlib.ExitStack() as running,
    ):
        folder = Path(name)
        port, client, peer = _free_ports(3)
        _start(running, folder, [
            str(store), "--data-dir", f"{folder}/etcd",
            "--listen-client-urls", f"http://127.0.0.1:{client}",
            "--advertise-client-urls", f"http://127.0.0.1:{client}",
            "--listen-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-cluster", f"default=http://127.0.0.1:{peer}",
        ])  # fmt: skip
        token = secrets.token_hex(16)
        (folder / "tokens").write_text(f"{token},admin,admin,system:masters\n", encoding="utf-8")
        key = folder / "accounts.key"
        subprocess.run(
            ["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True
        )
        process, output = _start(running, folder, [
            str(server), "--etcd-servers", f"http://127.0.0.1:{client}",
            "--bind-address", "127.0.0.1", "--secure-port", str(port), "--cert-dir", str(folder),
            "--token-auth-file", f"{folder}/tokens", "--authorization-mode", "RBAC",
            "--service-cluster-ip-range", "10.96.0.0/24",
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", str(key), "--service-account-signing-key-file", str(key),
            # A controller that is not here would make the account that it waits for.
            "--disable-admission-plugins", "ServiceAccount",
        ])  # fmt: skip
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(_kubeconfig(port, token), encoding="utf-8")
        cluster = Cluster(port, token, kubeconfig)
        _wait_for(cluster, process, output)
        yield cluster


def _start(
    running: contextlib.ExitStack, folder: Path, command: list[str]
) -> tuple[subprocess.Popen[bytes], Path]:
    output = folder / f"{Path(command[0]).name}.log"
    log = running.enter_context(output.open("wb"))
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def stop() -> None:
        process.send_signal(signal.SIGKILL)  # its data is thrown away
        process.wait(timeout=30)

    running.callback(stop)
    return process, output


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _kubeconfig(port: int, token: str) -> str:
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }
    )


def _wait_for(cluster: Cluster, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {output.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError, RefusedError):
            if cluster.call("GET", "/readyz") == "ok":
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server was not ready within {_START_SECONDS} s")
