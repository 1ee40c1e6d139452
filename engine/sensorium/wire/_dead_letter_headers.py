"""Dead letters as records of a log: the original bytes and headers, and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sensorium.errors import WireError
from sensorium.events import DeadLetter
from sensorium.plugin import Record

__all__ = [
    "attempts_of",
    "dead_letter_from_record",
    "dead_letter_headers",
    "replayed_headers",
]

_PREFIX: Final = "sensorium-"
_ATTEMPT: Final = f"{_PREFIX}attempt"
_MAX_ATTEMPTS: Final = 1_000_000


def dead_letter_headers(letter: DeadLetter) -> dict[str, bytes]:
    """The headers of a dead letter's record: the original ones, and what happened.

    Of the engine's own there are ``sensorium-stage``, ``-error``, ``-message``, ``-attempt`` and,
    as far as they are known, ``-stream``, ``-key``, ``-plugin``, ``-hook``, ``-topic``,
    ``-partition``, ``-offset`` and ``-time``.
    """
    topic, partition, offset = _coordinates(letter.origin)
    said = {
        "stage": letter.stage,
        "error": letter.error,
        "message": letter.message,
        "stream": letter.stream,
        "key": letter.key,
        "plugin": letter.plugin,
        "hook": letter.hook,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "time": None if letter.time is None else str(letter.time),
        "attempt": str(letter.attempt),
    }
    return {
        **_original(letter.headers),
        **{
            f"{_PREFIX}{name}": value.encode("utf-8", "backslashreplace")
            for name, value in said.items()
            if value is not None
        },
    }


def dead_letter_from_record(record: Record) -> DeadLetter:
    """Read a dead letter again from its record.

    Raises
    ------
    WireError
        If the record is no dead letter.
    """
    said = {
        name.removeprefix(_PREFIX): value.decode("utf-8", "replace")
        for name, value in record.headers.items()
        if name.startswith(_PREFIX)
    }
    for name in ("stage", "error", "message"):
        if name not in said:
            raise WireError("This is no dead letter", field=f"header:{_PREFIX}{name}")
    parts = ("topic", "partition", "offset")
    return DeadLetter(
        stage=said["stage"],
        error=said["error"],
        message=said["message"],
        stream=said.get("stream"),
        key=said.get("key"),
        time=_whole(said, "time"),
        origin="/".join(said[name] for name in parts) if said.keys() >= set(parts) else None,
        plugin=said.get("plugin"),
        hook=said.get("hook"),
        data=record.data,
        headers=_original(record.headers),
        attempt=_whole(said, "attempt") or 1,
        record_key=record.key,
    )


def replayed_headers(letter: DeadLetter) -> dict[str, bytes]:
    """The original headers of a letter whose record is sent again, with the number of the try."""
    return {**_original(letter.headers), _ATTEMPT: str(letter.attempt + 1).encode()}


def attempts_of(headers: Mapping[str, bytes]) -> int:
    """How many times a record has been tried, with this one; a header that is no number is 1."""
    value = bytes(headers.get(_ATTEMPT, b"1"))
    return min(int(value), _MAX_ATTEMPTS) if value.isdigit() and len(value) < 20 else 1


def _original(headers: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in headers.items() if not name.startswith(_PREFIX)}


def _coordinates(origin: str | None) -> tuple[str | None, str | None, str | None]:
    """Topic, partition and offset out of ``topic/partition/offset``."""
    if origin is None or origin.count("/") < 2:
        return None, None, None
    topic, partition, offset = origin.rsplit("/", 2)
    return topic, partition, offset


def _whole(said: Mapping[str, str], name: str) -> int | None:
    text = said.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise WireError(
            f"Expected a whole number, got {text[:40]!r}", field=f"header:{_PREFIX}{name}"
        ) from None
