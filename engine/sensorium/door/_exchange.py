"""The door's requests as HTTP has them: bounded, and refused in words."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from sensorium.door._answer import Answer
from sensorium.door._refused import RefusedError
from sensorium.listening import Exchange
from sensorium.stages import raised

__all__ = ["guarded", "header_length", "read_body", "send_answer", "send_json"]

_LOG: Final = logging.getLogger("sensorium.door")
_HEADER_LENGTH: Final = "Inference-Header-Content-Length"
#: How long a request may take to arrive, in seconds.
_ARRIVAL_SECONDS: Final = 30.0
_CHUNK: Final = 64 * 1024
#: How long what is not wanted of a refused request is still taken in, in seconds.
_LINGER_SECONDS: Final = 2.0


def guarded(exchange: Exchange, serve: Callable[[], None]) -> HTTPStatus:
    """Serve a request; nothing that it brings about goes further than its answer.

    Returns
    -------
    HTTPStatus
        OK where it was served, else what it was refused with.

    Raises
    ------
    OSError
        If the client has gone, or is too slow.
    """
    try:
        serve()
    except RefusedError as refused:
        status, message = refused.status, refused.message
    except OSError:
        raise
    except Exception as error:
        # What a library says may quote the payload: only where it was raised is told.
        _LOG.error("a request at the door %s", raised(error), extra={"event": "door_failed"})
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        message = f"it failed: {type(error).__name__}"
    else:
        return HTTPStatus.OK
    _refuse(exchange, status, message)
    return status


def read_body(exchange: Exchange, max_bytes: int) -> Callable[[], bytes]:
    """What reads the body of a request, once it is wanted; refuses one that is not to be read."""
    length = _whole(exchange, "Content-Length")
    if exchange.headers.get("Transfer-Encoding") or length is None:
        raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "the request has to say its Content-Length")
    if exchange.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a compressed request is not read")
    if length > max_bytes:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the request has {length} bytes; at most {max_bytes} are read",
        )

    def read() -> bytes:
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        chunks: list[bytes] = []
        left = length
        while left > 0:
            # As much as is there: a whole chunk, byte by byte, would take longer than the deadline.
            chunk = exchange.rfile.read1(min(left, _CHUNK))
            if not chunk or time.monotonic() > deadline:
                raise ConnectionError("the request did not arrive in time")
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)

    return read


def header_length(exchange: Exchange) -> int | None:
    """The length of the JSON at the head of the body, where something follows it."""
    return _whole(exchange, _HEADER_LENGTH)


def send_answer(exchange: Exchange, answer: Answer) -> None:
    """Send what was inferred."""
    if answer.header_length is None:
        exchange.reply(HTTPStatus.OK, "application/json", answer.body)
        return
    headers = {_HEADER_LENGTH: str(answer.header_length)}
    exchange.reply(HTTPStatus.OK, "application/octet-stream", answer.body, headers)


def send_json(
    exchange: Exchange, status: HTTPStatus, body: Any, headers: dict[str, str] | None = None
) -> None:
    """Send a status with JSON."""
    exchange.reply(status, "application/json", json.dumps(body).encode() + b"\n", headers)


def _refuse(exchange: Exchange, status: HTTPStatus, message: str) -> None:
    # What is left of the request is no next one, so the connection is of no more use.
    headers = {"Connection": "close"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    send_json(exchange, status, {"error": message}, headers)
    # Who is hung up on while sending does not read the answer.
    deadline = time.monotonic() + _LINGER_SECONDS
    with suppress(OSError):
        exchange.connection.shutdown(socket.SHUT_WR)
        exchange.connection.settimeout(_LINGER_SECONDS)
        while time.monotonic() < deadline and exchange.rfile.read1(_CHUNK):
            pass


def _whole(exchange: Exchange, name: str) -> int | None:
    """A header that is a whole number; None without it."""
    text = exchange.headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{name} is not a number of bytes")
    return int(text)
