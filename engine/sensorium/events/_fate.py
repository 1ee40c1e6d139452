"""What became of an event, and why a stream is missing from a set."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Absence", "Fate"]


class Fate(StrEnum):
    """What became of an event; each has exactly one, decided when no set can still use it."""

    MATCHED = "matched"
    """It is a member of an emitted set."""
    LATE = "late"
    """It came after its stream's bound, or after the deadline of every set that it could serve."""
    SUPERSEDED = "superseded"
    """It was within an emitted set's reach, and another event was chosen."""
    UNMATCHED = "unmatched"
    """No emitted set could use it."""
    DUPLICATE = "duplicate"
    """The same record had come before."""
    INVALID = "invalid"
    """It lies too far in the future, or lasts too long."""
    EVICTED = "evicted"
    """A memory limit pushed it out."""
    PENDING = "pending"
    """Not decided yet."""

    __hash__ = str.__hash__  # that of Enum is Python, and every event is counted a few times


class Absence(StrEnum):
    """Why a stream has no member in a set."""

    PROVEN = "proven"
    """Its bound passed: nothing that counts can still come."""
    TIMEOUT = "timeout"
    """The set's deadline passed first."""
    FAILED = "failed"
    """Decoding or encoding what was there failed."""
