"""Ports for servers that tests start."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["free_ports"]


def free_ports(count: int) -> list[int]:
    """Different ports on which nothing listens now."""
    with contextlib.ExitStack() as open_until_all_are_known:
        ports = []
        for _ in range(count):
            one = open_until_all_are_known.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            ports.append(int(one.getsockname()[1]))
        return ports
