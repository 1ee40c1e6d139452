"""A real Apache Kafka for the tests: one process in KRaft mode, from the artifacts in Maven.

`SENSORIUM_TEST_KAFKA=host:port` names a broker that runs already; without it, and without Java and
Maven, the tests that need one are skipped with the reason. For trials by hand::

    PYTHONPATH=tests/support python -m kafka_broker
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from free_ports import free_ports

VERSION = "4.1.0"
_START_SECONDS = 60

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>broker</artifactId><version>1</version>
<packaging>pom</packaging>
<dependencies><dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
</dependency></dependencies>
</project>
"""

_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/logs
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.partitions=1
"""


class NoBrokerError(Exception):
    """There is no broker to be had here, for the reason that it says."""


@contextlib.contextmanager
def kafka_broker() -> Iterator[str]:
    """A broker's address, while it runs.

    Raises
    ------
    NoBrokerError
        If none is named and none can be started.
    """
    named = os.environ.get("SENSORIUM_TEST_KAFKA")
    if named:
        yield named
        return
    java, libraries = _java(), _libraries()
    with tempfile.TemporaryDirectory(prefix="sensorium-kafka-") as name:
        folder = Path(name)
        port, controller = free_ports(2)
        properties = folder / "server.properties"
        properties.write_text(
            _PROPERTIES.format(port=port, controller=controller, folder=folder), encoding="utf-8"
        )
        (folder / "log4j2.properties").write_text("rootLogger.level=off\n", encoding="utf-8")
        command = [
            java,
            "-Xmx512m",
            f"-Dlog4j2.configurationFile={folder}/log4j2.properties",
            "-cp",
            f"{libraries}/*",
        ]
        subprocess.run(
            [*command, "kafka.tools.StorageTool", "format", "-t",
             "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(properties)],
            check=True, capture_output=True, timeout=_START_SECONDS,
        )  # fmt: skip
        output = (folder / "output").open("wb")
        process = subprocess.Popen(
            [*command, "kafka.Kafka", str(properties)],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_for(port, process, folder / "output")
            yield f"127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGKILL)  # its data is thrown away
            process.wait(timeout=30)
            output.close()


def _java() -> str:
    found = shutil.which("java")
    if found is None:
        raise NoBrokerError("no Java on the PATH, and SENSORIUM_TEST_KAFKA names no broker")
    return found


def _libraries() -> Path:
    """The folder of the broker's jars; fetched once, and kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sensorium" / f"kafka-{VERSION}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise NoBrokerError("no Maven on the PATH, and SENSORIUM_TEST_KAFKA names no broker")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        Path(name, "pom.xml").write_text(_POM, encoding="utf-8")
        done = subprocess.run(
            [maven, "-q", "-B", "-f", f"{name}/pom.xml", "dependency:copy-dependencies",
             f"-DoutputDirectory={name}/libs", "-DincludeScope=runtime"],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            last = (done.stdout.strip() or done.stderr.strip()).splitlines()[:1]
            raise NoBrokerError(f"Maven could not fetch Apache Kafka: {' '.join(last)}")
        with contextlib.suppress(OSError):  # another run was quicker
            Path(name, "libs").rename(folder)
    return folder


def _wait_for(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the broker ended: {output.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the broker did not listen within {_START_SECONDS} s")


if __name__ == "__main__":
    with kafka_broker() as address:
        print(address, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
