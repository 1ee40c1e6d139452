"""A real Apache Kafka for trials and tests: one process in KRaft mode, from the artifacts in Maven.

It keeps nothing: its data is removed when it ends. For trials by hand::

    python -m sensorium.demo._broker
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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["NoBrokerError", "OwnBroker", "kafka_broker", "own_broker"]

VERSION: Final = "4.3.1"
_START_SECONDS: Final = 60
_PLAIN: Final = {"PLAINTEXT": "PLAINTEXT"}

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>broker</artifactId><version>1</version>
<packaging>pom</packaging>
<dependencies><dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
</dependency><dependency>
<groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
</dependency></dependencies>
</project>
"""
_LOGGER: Final = "-Dorg.slf4j.simpleLogger"

_PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
}


class NoBrokerError(Exception):
    """There is no broker to be had here, for the reason that it says."""


@contextlib.contextmanager
def kafka_broker() -> Iterator[str]:
    """A broker's address, while it runs: the one that SENSORIUM_TEST_KAFKA names, or an own one.

    Raises
    ------
    NoBrokerError
        If none is named and none can be started.
    """
    named = os.environ.get("SENSORIUM_TEST_KAFKA")
    if named:
        yield named
        return
    with own_broker() as broker:
        yield broker.addresses["PLAINTEXT"]


class OwnBroker:
    """A broker of one's own, which can be hurt.

    Parameters
    ----------
    command
        What starts it.
    output
        Where it writes what it has to say.
    addresses
        Per listener, its address.
    """

    def __init__(self, command: Sequence[str], output: Path, addresses: Mapping[str, str]) -> None:
        self.data = output.parent / "broker"
        """The folder of its topics' segments, while it is there."""
        self.output = output
        """What it has said, likewise."""
        self.addresses = addresses
        self._command = command
        self._process = self._start()

    def pause(self) -> None:
        """Let it stand still: it holds its connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; what it has written stays."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)

    def restart(self) -> None:
        """End it at once, and start it again at the same addresses with what it has written."""
        self.kill()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = _run(self._command, self.output)
        try:
            _wait_for(next(iter(self.addresses.values())), process, self.output)
        except BaseException:
            process.kill()
            process.wait(timeout=30)
            raise
        return process


@contextlib.contextmanager
def own_broker(
    listeners: Mapping[str, str] = _PLAIN,
    properties: Mapping[str, str] | None = None,
    format_arguments: Sequence[str] = (),
    *,
    own_controller: bool = False,
    log: Sequence[str] = (),
) -> Iterator[OwnBroker]:
    """Start a broker on free ports of the loopback interface; it ends with the context.

    Parameters
    ----------
    listeners
        Per name of a listener, its protocol, as ``{"PLAINTEXT": "PLAINTEXT"}``.
    properties
        Further settings of the server.
    format_arguments
        Further arguments of its storage tool, as ``--add-scram``.
    own_controller
        Have a controller in a process of its own, which goes on when the broker is hurt, as in a
        cluster. A broker that is its own controller begins, after it was killed, with what was so
        before: it answers for groups that it has not read yet, and skips the markers of
        transactions whose leaders it does not know yet (Apache Kafka 4.1 and 4.3: "Ignored load
        completion", "likely deleted already").
    log
        Of which of its packages it says what happens there, in `OwnBroker.output`.

    Raises
    ------
    NoBrokerError
        If Java, or Apache Kafka itself, cannot be had.
    RuntimeError
        If it does not start.
    """
    java, libraries = _java(), _libraries()
    with tempfile.TemporaryDirectory(prefix="sensorium-kafka-") as name:
        folder = Path(name)
        ports = dict(zip([*listeners, "CONTROLLER"], _free_ports(len(listeners) + 1), strict=True))
        settings = {**_PROPERTIES, **_addresses(listeners, ports), **(properties or {})}
        of_controller: dict[str, str] = {}
        if own_controller:
            settings, of_controller = _apart(settings)
        file = _settings_file(folder, "broker", settings)
        command = [
            java,
            "-Xmx512m",
            f"{_LOGGER}.defaultLogLevel=off",
            f"{_LOGGER}.showDateTime=true",
            f"{_LOGGER}.dateTimeFormat=HH:mm:ss.SSS",
            *(f"{_LOGGER}.log.{package}=info" for package in log),
            "-cp",
            f"{libraries}/*",
        ]
        addresses = {name: f"127.0.0.1:{ports[name]}" for name in listeners}
        with contextlib.ExitStack() as running:
            if own_controller:
                other = _settings_file(folder, "controller", of_controller)
                _format(command, other, format_arguments)
                controller = _run(
                    [*command, "kafka.Kafka", str(other)], folder / "controller.output"
                )
                running.callback(controller.wait, 30)
                running.callback(controller.kill)
            _format(command, file, format_arguments)
            broker = OwnBroker([*command, "kafka.Kafka", str(file)], folder / "output", addresses)
            running.callback(broker.kill)  # its data is thrown away
            yield broker


def _run(command: Sequence[str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - Java, with arguments of our own
            command,
            stdout=file,
            stderr=file,
            # Not of this terminal's group: Ctrl-C is for who uses it, and ends it afterwards.
            start_new_session=True,
        )


def _format(command: Sequence[str], settings: Path, arguments: Sequence[str]) -> None:
    subprocess.run(  # noqa: S603 - Java, with arguments of our own
        [*command, "kafka.tools.StorageTool", "format", "-t",
         "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(settings), *arguments],
        check=True, capture_output=True, timeout=_START_SECONDS,
    )  # fmt: skip


def _settings_file(folder: Path, name: str, settings: Mapping[str, str]) -> Path:
    file = folder / f"{name}.properties"
    settings = {**settings, "log.dirs": str(folder / name)}
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), "utf-8")
    return file


def _apart(settings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The settings of a broker, and of its controller in a process of its own."""
    of_broker, of_controller = settings["listeners"].rsplit(",", 1)
    voters = settings["controller.quorum.voters"].split("@")[1]
    shared = {**settings, "controller.quorum.voters": f"2@{voters}"}
    broker = {**shared, "process.roles": "broker", "listeners": of_broker}
    # It has no listener for clients.
    for name in ("advertised.listeners", "inter.broker.listener.name"):
        del shared[name]
    controller = {
        **shared, "process.roles": "controller", "node.id": "2", "listeners": of_controller
    }  # fmt: skip
    return broker, controller


def _addresses(listeners: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    bound = {name: f"{name}://127.0.0.1:{port}" for name, port in ports.items()}
    protocols = {**listeners, "CONTROLLER": "PLAINTEXT"}
    return {
        "listeners": ",".join(bound.values()),
        "advertised.listeners": ",".join(bound[name] for name in listeners),
        "inter.broker.listener.name": next(iter(listeners)),
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocol}" for name, protocol in protocols.items()
        ),
        "controller.quorum.voters": f"1@127.0.0.1:{ports['CONTROLLER']}",
    }


def _java() -> str:
    found = shutil.which("java")
    if found is None:
        raise NoBrokerError("no Java on the PATH, and no broker is named")
    return found


def _libraries() -> Path:
    """The folder of the broker's jars; fetched once, and kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sensorium" / f"kafka-{VERSION}-simple"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise NoBrokerError("no Maven on the PATH, and no broker is named")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        Path(name, "pom.xml").write_text(_POM, encoding="utf-8")
        done = subprocess.run(  # noqa: S603 - Maven, with arguments of our own
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


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(address: str, process: subprocess.Popen[bytes], output: Path) -> None:
    host, port = address.rsplit(":", 1)
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the broker ended: {output.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the broker did not listen within {_START_SECONDS} s")


if __name__ == "__main__":
    with kafka_broker() as address:
        print(address, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
