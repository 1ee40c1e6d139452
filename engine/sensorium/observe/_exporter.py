"""Metrics and health over HTTP: ``/metrics``, ``/health/live`` and ``/health/ready``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from types import TracebackType

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from sensorium.listening import Exchange, Listener
from sensorium.observe._collector import RunCollector
from sensorium.observe._health import Health, Verdict
from sensorium.observe._reading import Reading, Readings

__all__ = ["Exporter", "health_readings"]


class Exporter:
    """Serves the metrics and the health of one run, from when it is made until `close`.

    A context manager, which closes it.

    Parameters
    ----------
    pipeline
        The pipeline's name.
    health
        What is asked for health.
    bind, port
        Where to listen; port 0 for any that is free.
    version, executor
        For the metric ``sensorium_build_info``.

    Raises
    ------
    ConfigError
        If it cannot listen there.
    """

    def __init__(
        self, pipeline: str, health: Health, bind: str, port: int, *, version: str, executor: str
    ) -> None:
        self._pipeline = pipeline
        self._health = health
        self._build = (version, executor)
        self._readings: Readings = tuple
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(RunCollector(pipeline, self._all_readings))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._listener = Listener(
            bind, port, get=self._serve, what="metrics and health", path="observe.port"
        )

    @property
    def address(self) -> str:
        """Where it listens, as ``http://127.0.0.1:9464``."""
        return self._listener.address

    def attach(self, readings: Readings) -> None:
        """Serve these readings from now on; until then there are only those of health."""
        self._readings = readings

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._listener.close()

    def __enter__(self) -> Exporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def answer(self, path: str, accept: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and body of a path."""
        if path == "/metrics":
            encode, kind = choose_encoder(accept)
            return HTTPStatus.OK, kind, encode(self._registry)
        if path in ("/health/live", "/health/ready"):
            name = path.rpartition("/")[2]
            verdict = self._health.live() if name == "live" else self._health.ready()
            return self._verdict(name, verdict)
        text = "there are /metrics, /health/live and /health/ready\n"
        return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", text.encode()

    def _serve(self, exchange: Exchange) -> None:
        accept = exchange.headers.get("Accept", "")
        exchange.reply(*self.answer(exchange.path.partition("?")[0], accept))

    def _verdict(self, name: str, verdict: Verdict) -> tuple[HTTPStatus, str, bytes]:
        body = {"pipeline": self._pipeline, name: verdict.ok, "reasons": verdict.reasons}
        status = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(body).encode() + b"\n"

    def _all_readings(self) -> Iterator[Reading]:
        yield from self._readings()
        yield from health_readings(self._health, *self._build)


def health_readings(health: Health, version: str, executor: str) -> list[Reading]:
    """The metrics of a process, whatever it runs."""
    return [
        Reading("sensorium_live", (), int(health.live().ok)),
        Reading("sensorium_ready", (), int(health.ready().ok)),
        Reading("sensorium_models_silent_seconds", (), health.models_silent),
        Reading("sensorium_build_info", (version, executor), 1),
    ]
