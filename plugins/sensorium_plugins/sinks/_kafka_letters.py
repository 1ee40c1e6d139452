"""Dead letters as messages that their topic takes, however large the record was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeAlias

from sensorium.events import DeadLetter
from sensorium.wire import dead_letter_headers

__all__ = ["Message", "message_of"]

#: Value, key and headers, as `KafkaProducer.send` takes them.
Message: TypeAlias = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]

#: How much is kept of a key, and of what a plugin has said, where not all of it fits.
_KEY_BYTES: Final = 1024
_WORDS: Final = 2048


def message_of(letter: DeadLetter, limit: int) -> Message:
    """The message of a dead letter: the record's bytes, key and headers, and what happened.

    What happened makes it larger than the record was, so of one near the limit of its own topic it
    may be more than this topic takes; it could never be written, and nothing after it. Then it goes
    without the record's bytes and headers, as a letter of what has been decoded does: who replays
    it reads them at its origin.

    Parameters
    ----------
    letter
        The letter.
    limit
        How many bytes a batch with this one message may have.
    """
    message = _whole(letter)
    size = _size(message)
    if size <= limit:
        return message
    key, text = letter.record_key, letter.key
    bare = replace(
        letter,
        data=None,
        headers={},
        record_key=key if key is not None and len(key) <= _KEY_BYTES else None,
        key=text if text is not None and len(text) <= _KEY_BYTES else None,
        message=f"{letter.message[:_WORDS]} (left out: with the record's bytes this has {size}, "
        f"and the topic takes {limit}; they are at the origin)",
    )
    return _whole(bare)


def _whole(letter: DeadLetter) -> Message:
    key = letter.record_key
    if not key and letter.key is not None:
        key = letter.key.encode("utf-8", "surrogatepass")
    if key is None and letter.data is None:
        # kafka-python sends nothing that has neither key nor value, as Java's client does.
        key = b""
    return letter.data, key, list(dead_letter_headers(letter).items())


def _size(message: Message) -> int:
    """At most how many bytes a batch has that holds only this."""
    from kafka.record.default_records import DefaultRecordBatchBuilder

    value, key, headers = message
    estimated: Any = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers)
    return int(estimated)
