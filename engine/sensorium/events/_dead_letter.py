"""What could not be used, with everything needed to find out why and to send it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DeadLetter"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that failed, as it came, with where and why.

    Parameters
    ----------
    stage
        The stage that refused it: ``ingest``, ``align`` or ``encode``.
    error
        The name of the exception's class.
    message
        What it said. It never quotes the payload.
    stream, key, time
        The stream, entity and event time, as far as they are known.
    origin
        ``topic/partition/offset``.
    plugin
        The plugin that refused it.
    data
        The original bytes of the record, or None where they are gone (after decoding).
    headers
        The original headers.
    attempt
        How many times it was tried.
    record_key
        The bytes of the record's key, which are there even where the entity is not known.
    hook
        The method of the plugin that refused it: ``decode``, ``prepare``, ``encode``, ``fuse`` or
        ``result``.
    """

    stage: str
    error: str
    message: str
    stream: str | None = None
    key: str | None = None
    time: int | None = None
    origin: str | None = None
    plugin: str | None = None
    data: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    attempt: int = 1
    record_key: bytes | None = field(default=None, repr=False)
    hook: str | None = None
