"""Where the model is, and how long to try."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sensorium.durations import INFINITY, DurationField
from sensorium.plugin import PluginConfig

__all__ = ["TritonConfig"]


def _address(url: str) -> str:
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]]+):\d{1,5}", url):
        raise ValueError(
            f"{url!r} is not host:port of the server's gRPC endpoint, as localhost:8001"
        )
    return url


class TritonConfig(PluginConfig):
    """Where the model is, and how long to try.

    Parameters
    ----------
    url
        ``host:port`` of the server's gRPC endpoint (Triton's default port for it is 8001).
    model
        The model's name on the server.
    version
        Its version there; the server's choice if not given.
    start
        How long start-up waits for the server and the model to be ready.
    timeout
        The longest wait for one answer.
    retries
        How often a call that got no answer is repeated before its batch fails.
    pause
        The longest wait before the first repetition; it doubles with each, to at most 5s, and
        the wait is a random part of it.
    shared_memory
        ``auto``: inputs are handed over in system shared memory if the server is on this machine
        and allows it; ``off``: never.
    """

    url: Annotated[str, AfterValidator(_address)]
    model: str = Field(min_length=1)
    version: str = Field(default="", pattern=r"^\d*$")
    start: DurationField = Field(default=30_000_000_000, ge=0, lt=INFINITY)
    timeout: DurationField = Field(default=2_000_000_000, gt=0, lt=INFINITY)
    retries: int = Field(default=2, ge=0, le=100)
    pause: DurationField = Field(default=100_000_000, ge=0, lt=INFINITY)
    shared_memory: Literal["auto", "off"] = "auto"

    @property
    def where(self) -> str:
        """The model and the server, for messages."""
        version = f" version {self.version}" if self.version else ""
        return f"model {self.model!r}{version} at {self.url}"
