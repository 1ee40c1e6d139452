"""What the chart tells a pod to do, done here: the engine starts, and predicts."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chart_values import values
from helm_program import CHART, Manifest, of_kind

import sensorium.demo

NewTopic = Callable[..., str]

CHECKPOINT = Path(sensorium.demo.__file__).parent / "data" / "watch.safetensors"
RECORDING = (CHART / "files" / "test-recording.jsonl").read_text("utf-8")


class Pod:
    """A pod's container in this place: its arguments, its environment and its mounted ConfigMaps.

    Parameters
    ----------
    spec
        The pod's specification.
    manifests
        All that the chart renders.
    secrets
        The values of secrets, by secret and key.
    folder
        Where what is mounted is put.

    Attributes
    ----------
    places
        Where paths of the container are here; arguments change accordingly.
    """

    def __init__(
        self,
        spec: dict[str, Any],
        manifests: list[Manifest],
        secrets: dict[tuple[str, str], str],
        folder: Path,
    ) -> None:
        [self._container] = spec["containers"]
        self._folder = folder
        self.places: dict[str, str] = {}
        self.environment = {
            it["name"]: it["value"] if "value" in it else secrets[_reference(it)]
            for it in self._container.get("env", ())
        }
        data = {it["metadata"]["name"]: it["data"] for it in manifests if it["kind"] == "ConfigMap"}
        volumes = {it["name"]: it for it in spec["volumes"]}
        for mount in self._container["volumeMounts"]:
            volume = volumes[mount["name"]]
            place = folder / mount["name"]
            place.mkdir()
            self.places[mount["mountPath"]] = str(place)
            for name, text in data.get(volume.get("configMap", {}).get("name"), {}).items():
                (place / name).write_text(text, encoding="utf-8")

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Start it, with nothing of this process's environment but the path.

        The image's entry point is `sensorium`, unless the container has a command.

        Parameters
        ----------
        more
            Further arguments.
        """
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = self._container.get("command") or ["sensorium", *self._container["args"]]
        return subprocess.Popen(
            [*(self._here(it) for it in given), *more],
            env={"PATH": path, "HOME": self.places["/tmp"], **self.environment},
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def answers(self, probe: str) -> bool:
        """Whether a probe succeeds, asked on the loopback address."""
        asked = self._container[f"{probe}Probe"]["httpGet"]
        [port] = [
            it["containerPort"] for it in self._container["ports"] if it["name"] == asked["port"]
        ]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{asked['path']}", timeout=3):
                return True
        except OSError:
            return False

    def _here(self, text: str) -> str:
        paths = "|".join(map(re.escape, sorted(self.places, key=len, reverse=True)))
        return re.sub(paths, lambda found: self.places[found[0]], text)


def _reference(variable: dict[str, Any]) -> tuple[str, str]:
    found = variable["valueFrom"]["secretKeyRef"]
    return found["name"], found["key"]


def test_the_pipeline_of_the_chart_runs_and_stops(
    render: Any, broker: str, new_topic: NewTopic, tmp_path: Path
) -> None:
    from kafka import KafkaConsumer, KafkaProducer

    accel, gyro, out, letters = (new_topic() for _ in range(4))
    manifests = render(
        values(
            file__source={
                "plugin": "kafka", "bootstrap_servers": "${env:BROKERS}", "start": "earliest",
            },
            file__sink={
                "plugin": "kafka", "bootstrap_servers": "${env:BROKERS}", "topic": out,
                "dead_letters": letters,
            },
            file__streams__accel__topic=accel,
            file__streams__gyro__topic=gyro,
            watch__checkpoint__path=str(CHECKPOINT),
            watch__secretEnv={"BROKERS": {"secret": "brokers", "key": "address"}},
            metrics__port=free_port(),
        )
    )  # fmt: skip
    [deployment] = of_kind("Deployment", manifests)
    spec = deployment["spec"]["template"]["spec"]
    pod = Pod(spec, manifests, {("brokers", "address"): broker}, tmp_path)

    topics = {"accel": accel, "gyro": gyro}
    producer = KafkaProducer(bootstrap_servers=broker)
    now = time.time_ns()
    for line in RECORDING.splitlines():
        record = json.loads(line)
        stream, key = record.pop("stream"), record.pop("key")
        del record["arrived"]
        record["time"] += now - 1_700_000_000_000_000_000 - 3_000_000_000
        producer.send(topics[stream], key=key.encode(), value=json.dumps(record).encode())
    producer.flush()
    producer.close()

    # The tests listen on the loopback address only.
    process = pod.start("--set", "observe.bind=127.0.0.1")
    try:
        for probe in ("startup", "liveness", "readiness"):
            wait_until(lambda probe=probe: pod.answers(probe), process)
        consumer = KafkaConsumer(
            out, bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False
        )
        found: list[Any] = []
        wait_until(lambda: found.extend(consumer.poll(200).values()) or found, process)
        consumer.close()
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=spec["terminationGracePeriodSeconds"])
    assert json.loads(found[0][0].value)["key"] == "wrist", output
    # It ended by itself, in the time that the pod has.
    assert process.returncode == 0, output


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_until(holds: Callable[[], object], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not holds():
        if process.poll() is not None:
            pytest.fail(f"the engine ended: {process.communicate()[0]}")
        if time.monotonic() > end:
            process.kill()
            pytest.fail(f"not within 60 s: {process.communicate()[0]}")
        time.sleep(0.05)


def run_test(render: Any, folder: Path, recording: str) -> tuple[int, str]:
    """The exit code and the output of `helm test`."""
    given = values(watch__checkpoint__path=str(CHECKPOINT), watch__test__recording=recording)
    manifests = render(given)
    [job] = [it for it in manifests if it["kind"] == "Job"]
    pod = Pod(job["spec"]["template"]["spec"], manifests, {}, folder)
    # The image has the example of `sensorium demo` at a place of its own.
    pod.places["/opt/sensorium/demo"] = str(CHECKPOINT.parent)
    process = pod.start()
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


@pytest.mark.parametrize("recording", ["", RECORDING], ids=["of the image", "of the pipeline"])
def test_helm_test_sends_one_set_through(render: Any, tmp_path: Path, recording: str) -> None:
    code, output = run_test(render, tmp_path, recording)
    assert code == 0, output
    assert '"key":"wrist"' in output


def test_helm_test_fails_where_nothing_comes_out(render: Any, tmp_path: Path) -> None:
    code, output = run_test(render, tmp_path, "\n")
    assert code == 1, output
    assert "no prediction came out" in output
