"""A small HTTP server on threads: for metrics and health, and for the door."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final, TypeAlias

from sensorium.errors import ConfigError

__all__ = ["Exchange", "Listener", "Serve", "is_loopback"]

_LOG: Final = logging.getLogger(__name__)
#: How long a client may be silent, in seconds.
_CLIENT_SECONDS: Final = 10
#: How many clients are listened to at a time; more are hung up on.
_CLIENTS: Final = 64

#: Answers one request.
Serve: TypeAlias = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """A request and its answer; each connection is on a thread of its own, and none is logged."""

    timeout = _CLIENT_SECONDS
    protocol_version = "HTTP/1.1"
    server_version = "sensorium"
    sys_version = ""
    get: Serve
    post: Serve | None = None

    def do_GET(self) -> None:
        """Answer; see `Listener`."""
        type(self).get(self)

    do_HEAD = do_GET  # noqa: N815 - the same

    def do_POST(self) -> None:
        """Answer; see `Listener`."""
        serve = type(self).post
        if serve is None:
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
        else:
            serve(self)

    def reply(
        self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Send an answer.

        Parameters
        ----------
        status, kind, body
            The status, the content type, and what it holds.
        headers
            Further headers.
        """
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Not a word: a probe each second is no news."""


class Listener:
    """Listens from when it is made until `close`.

    Parameters
    ----------
    bind, port
        Where; port 0 for any that is free.
    get, post
        What answers the requests of a method; without `post` there is only GET, and HEAD.
    what
        What is served, for the message of an error.
    path
        Where the port is set, as a path into the pipeline file.

    Raises
    ------
    ConfigError
        If it cannot listen there.
    """

    def __init__(
        self, bind: str, port: int, *, get: Serve, post: Serve | None = None, what: str, path: str
    ) -> None:
        try:
            family, _ = _resolve(bind, port)
            places = threading.BoundedSemaphore(_CLIENTS)

            class Server(ThreadingHTTPServer):
                address_family = family
                request_queue_size = 2 * _CLIENTS

                def server_bind(self) -> None:
                    # The base's would ask the network for the name of this address.
                    TCPServer.server_bind(self)

                def process_request(self, request: Any, client_address: Any) -> None:
                    if places.acquire(blocking=False):
                        super().process_request(request, client_address)
                    else:
                        self.shutdown_request(request)

                def process_request_thread(self, request: Any, client_address: Any) -> None:
                    try:
                        super().process_request_thread(request, client_address)
                    finally:
                        places.release()

                def handle_error(self, request: Any, client_address: Any) -> None:
                    # The base's prints a traceback where a client has just gone away.
                    _LOG.debug("a request for %s failed", what, exc_info=True)

            self._server = Server(
                (bind, port), type("Handler", (Exchange,), {"get": get, "post": post})
            )
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(
                f"cannot serve {what} on {bind}:{port}: {why}. Choose another port (0 for any "
                "that is free), or stop what listens there",
                path=path,
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            name=f"sensorium-{path.partition('.')[0]}",
            daemon=True,
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens, as ``http://127.0.0.1:9464``."""
        host, port = self._server.server_address[:2]
        host = host.decode() if isinstance(host, bytes) else str(host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def listening(self) -> bool:
        """Whether it takes connections."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def is_loopback(bind: str) -> bool:
    """Whether only this machine can reach what listens there; False for what is no address."""
    try:
        _, address = _resolve(bind, 0)
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except (OSError, ValueError):
        return False


def _resolve(bind: str, port: int) -> tuple[socket.AddressFamily, str]:
    [(family, _, _, _, place), *_] = socket.getaddrinfo(
        bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return family, str(place[0])
