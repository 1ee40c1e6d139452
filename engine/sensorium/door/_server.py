"""The door: single sets, asked for and answered over HTTP, beside the line and never on it."""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

from sensorium import __version__
from sensorium.door._answer import Answer, answer, outputs_of
from sensorium.door._exchange import (
    guarded,
    header_length,
    read_body,
    send_answer,
    send_json,
)
from sensorium.door._meters import DoorMeters
from sensorium.door._refused import RefusedError
from sensorium.door._request import read_request
from sensorium.door._set import SetMaker
from sensorium.events import AlignedSet, Prediction
from sensorium.host import DoorConfig, door_token
from sensorium.listening import Exchange, Listener
from sensorium.observe import Reading

if TYPE_CHECKING:
    from sensorium.host import Pipeline

__all__ = ["Door", "Predict"]

#: Takes a set through the models. It raises a `RefusedError` where there is no prediction.
Predict: TypeAlias = Callable[[AlignedSet], Prediction]

_LOG: Final = logging.getLogger("sensorium.door")
#: How many requests are read and worked on at a time; more are refused.
_AT_ONCE: Final = 4


class Door:
    """Answers single sets, from when it is made until `close`.

    Parameters
    ----------
    pipeline
        The pipeline.
    config
        Where to listen, and who may come in.

    Raises
    ------
    ConfigError
        If it cannot listen there, or lacks its token.
    """

    def __init__(self, pipeline: Pipeline, config: DoorConfig) -> None:
        self._pipeline = pipeline
        self._token = door_token(config)
        self._sets = SetMaker(pipeline)
        self._predict: Predict | None = None
        self._model: Callable[[], str] = str
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._max_bytes = config.max_bytes
        self._meters = DoorMeters()
        self._listener = Listener(
            config.bind,
            config.port,
            get=self._get,
            post=self._post,
            what="the door",
            path="door.port",
        )
        _LOG.info(
            "the door is open at %s; a token is %s",
            self.address,
            "asked for" if self._token else "not asked for",
            extra={"event": "door_open", "pipeline": pipeline.name, "address": self.address},
        )

    @property
    def address(self) -> str:
        """Where it listens, as ``http://127.0.0.1:9465``."""
        return self._listener.address

    @property
    def listening(self) -> bool:
        """Whether it takes connections."""
        return self._listener.listening

    def attach(self, predict: Predict, model: Callable[[], str]) -> None:
        """Answer from now on; until then it is alive, and not ready.

        Parameters
        ----------
        predict
            Takes a set through the models; called on many threads.
        model
            Gives the identity of the model in force.
        """
        self._model = model
        self._predict = predict

    def readings(self) -> list[Reading]:
        """Its metrics as they are now; called from any thread."""
        return self._meters.readings()

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._predict = None
        self._listener.close()

    # What is called for a request, on a thread of its own.

    def _get(self, exchange: Exchange) -> None:
        status = guarded(exchange, lambda: self._show(exchange))
        if status is HTTPStatus.UNAUTHORIZED:  # probes are no news
            self._meters.ended(status, 0)

    def _post(self, exchange: Exchange) -> None:
        started = perf_counter()
        try:
            status = guarded(exchange, lambda: self._predict_for(exchange))
        except OSError:
            self._meters.gone()
            raise
        self._meters.ended(status, perf_counter() - started)

    def _show(self, exchange: Exchange) -> None:
        self._admit(exchange)
        send_json(exchange, *self._look(_parts(exchange)))

    def _predict_for(self, exchange: Exchange) -> None:
        self._admit(exchange)
        parts = _parts(exchange)
        if len(parts) != 4 or parts[:2] != ["v2", "models"] or parts[3] != "infer":
            raise _no_such_path()
        self._require(parts[2])
        read, length = read_body(exchange, self._max_bytes), header_length(exchange)
        send_answer(exchange, self._infer(read, length))

    def _admit(self, exchange: Exchange) -> None:
        """Refuse who does not bring the token."""
        if self._token is None:
            return
        kind, _, given = exchange.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._token.encode())
        if kind.lower() != "bearer" or not right:
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "a token is needed: send it as `Authorization: Bearer TOKEN`",
            )

    def _look(self, parts: list[str]) -> tuple[HTTPStatus, dict[str, Any]]:
        """Status and JSON of a path that is read."""
        ready = self._predict is not None
        if parts == ["v2"]:
            about = {"name": "sensorium", "version": __version__}
            return HTTPStatus.OK, {**about, "extensions": ["binary_tensor_data"]}
        if parts == ["v2", "health", "live"]:
            return HTTPStatus.OK, {"live": True}
        if parts == ["v2", "health", "ready"]:
            return _of(ready), {"ready": ready}
        if parts[:2] != ["v2", "models"] or len(parts) not in (3, 4):
            raise _no_such_path()
        self._require(parts[2])
        if len(parts) == 3:
            return HTTPStatus.OK, self._metadata()
        if parts[3] == "ready":
            return _of(ready), {"name": self._pipeline.name, "ready": ready}
        if parts[3] == "infer":
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "an inference is asked for by POST")
        raise _no_such_path()

    def _infer(self, read: Callable[[], bytes], length: int | None) -> Answer:
        predict = self._predict
        if predict is None:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the models are not loaded yet")
        if not self._places.acquire(blocking=False):
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{_AT_ONCE} requests are being worked on; ask again later",
            )
        try:
            request = read_request(read(), length)
            return answer(predict(self._sets.make(request)), request)
        finally:
            self._places.release()

    def _require(self, name: str) -> None:
        if name != self._pipeline.name:
            raise RefusedError(
                HTTPStatus.NOT_FOUND,
                f"there is no model {name[:80]!r}; there is {self._pipeline.name!r}",
            )

    def _metadata(self) -> dict[str, Any]:
        model = self._model()
        tasks = {name: part.task for name, part in self._pipeline.tasks.items()}
        return {
            "name": self._pipeline.name,
            "versions": [model] if model else [],
            "platform": "sensorium",
            "inputs": [
                {"name": name, "datatype": "BYTES", "shape": [-1]}
                for name in self._pipeline.streams
            ],
            "outputs": outputs_of(tasks),
        }


def _parts(exchange: Exchange) -> list[str]:
    path = exchange.path.partition("?")[0].strip("/")
    return [unquote(it) for it in path.split("/")]


def _of(ready: bool) -> HTTPStatus:
    return HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE


def _no_such_path() -> RefusedError:
    return RefusedError(
        HTTPStatus.NOT_FOUND,
        "there are GET /v2, /v2/health/live, /v2/health/ready, /v2/models/NAME, "
        "/v2/models/NAME/ready, and POST /v2/models/NAME/infer",
    )
