"""The whole state of an aligner at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `Aligner.restore` takes; made by `Aligner.snapshot`.

    It lives in memory: events are shared with the aligner (they are immutable), all else is
    copied. The log, not a snapshot, is what survives a process.
    """

    state: Mapping[str, Any]
