"""A real Prometheus for the tests, with the shipped configuration."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from prometheus_programs import program

SHIPPED = Path(__file__).parents[2] / "deploy" / "observability"


class Prometheus:
    """Asks a Prometheus.

    Parameters
    ----------
    address
        As ``http://127.0.0.1:9090``.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def query(self, query: str) -> list[dict[str, Any]]:
        """The series that a query gives now: ``metric`` (labels) and ``value`` of each."""
        answer = get_json(f"{self.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def value(self, query: str) -> float | None:
        """The value of the only series that a query gives; None if it gives none."""
        found = self.query(query)
        assert len(found) < 2, found
        return float(found[0]["value"][1]) if found else None


def get_json(url: str) -> Any:
    """What a URL answers, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def eventually(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until something is true, and give it; it may raise `OSError` meanwhile."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if found := what():
                return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what()!r}")
        time.sleep(0.1)


@contextlib.contextmanager
def prometheus(
    folder: Path, targets: dict[str, Sequence[str]], *, hurry: int = 1
) -> Iterator[Prometheus]:
    """Run the shipped scrape configuration and rules.

    Parameters
    ----------
    folder
        For its data.
    targets
        Per job of the shipped configuration, what it scrapes instead.
    hurry
        By what all times in the rules are divided, so that a test does not wait for minutes.

    Raises
    ------
    NoPrometheusError
        If it is not to be had here.
    """
    config = yaml.safe_load((SHIPPED / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": list(targets.get(job["job_name"], ()))}]
        if job["job_name"] == "sensorium-ray":
            # The page of a Ray that has run for a while is several MB, and takes seconds; a scrape
            # may take no longer than the interval.
            job |= {"scrape_interval": "15s", "scrape_timeout": "15s"}
    (folder / "rules.yaml").write_text(_in_a_hurry((SHIPPED / "rules.yaml").read_text(), hurry))
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus"),
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            ready = f"http://{address}/-/ready"
            eventually(lambda: urllib.request.urlopen(ready, timeout=10).status == 200)
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _in_a_hurry(rules: str, hurry: int) -> str:
    """Rules whose durations, and limits of 60 seconds, are shorter by a factor."""
    milliseconds = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}

    def shorter(found: re.Match[str]) -> str:
        return f"{int(found[1]) * milliseconds[found[2]] // hurry}ms"

    text = re.sub(r"(?<![\w:])(\d+)([mhd])\b", shorter, rules)
    return text.replace("> 60", f"> {60 / hurry}")
