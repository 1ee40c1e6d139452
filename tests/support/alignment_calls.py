"""What an alignment is given and what it gives, in plain data: no class of the engine.

The brute-force oracle and the property tests speak of these; `alignment_runs` translates them for
the engine's own `Aligner`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

INF: Final = math.inf
Time: TypeAlias = int | float
Require: TypeAlias = str | tuple[str, ...]


@dataclass(frozen=True)
class Spec:
    """How a stream's events come."""

    lateness: Time = 0
    max_delay: Time = INF
    max_future: Time = INF
    max_duration: Time = INF
    offset: int = 0


@dataclass(frozen=True)
class ExactRule:
    """Events of equal time."""

    require: Require = "all"
    deadline: Time = INF
    on_late: str = "drop"
    revise_within: Time = INF


@dataclass(frozen=True)
class Reach:
    """How far from the primary, and which of those in reach."""

    before: Time = 0
    after: Time = 0
    pick: str = "nearest"


@dataclass(frozen=True)
class NearestRule:
    """A primary event and one of every other stream."""

    primary: str
    reach: Reach
    streams: Mapping[str, Reach] = field(default_factory=dict)
    require: Require = "all"
    deadline: Time = INF
    on_late: str = "drop"
    revise_within: Time = INF

    def of(self, stream: str) -> Reach:
        return self.streams.get(stream, self.reach)


@dataclass(frozen=True)
class WindowRule:
    """All events in a tumbling or hopping window."""

    size: int
    hop: int
    offset: int = 0
    require: Require = "all"
    deadline: Time = INF
    on_late: str = "drop"
    revise_within: Time = INF


@dataclass(frozen=True)
class SessionRule:
    """All events between two gaps."""

    gap: int
    max_length: Time
    require: Require = "all"
    deadline: Time = INF
    on_late: str = "drop"
    """Never ``revise``: sessions are not revised."""


Rule: TypeAlias = ExactRule | NearestRule | WindowRule | SessionRule


@dataclass(frozen=True)
class Add:
    """`Aligner.add`; `time` is the producer's, before the stream's offset."""

    stream: str
    key: str
    time: int
    arrived: int
    id: str
    duration: int = 0


@dataclass(frozen=True)
class Advance:
    """`Aligner.advance`."""

    stream: str
    time: int
    key: str | None = None


@dataclass(frozen=True)
class Heartbeat:
    """`Aligner.heartbeat`."""

    stream: str
    time: int
    arrived: int
    key: str | None = None


@dataclass(frozen=True)
class Progress:
    """`Aligner.progress`."""

    stream: str
    log_time: int


@dataclass(frozen=True)
class Close:
    """`Aligner.close`, of one stream or of all."""

    stream: str | None = None


Call: TypeAlias = Add | Advance | Heartbeat | Progress | Close


@dataclass(frozen=True)
class Found:
    """An emitted set."""

    time: int
    key: str
    members: frozenset[tuple[str, int, str]]
    """Per member its stream, its time after the stream's offset, and its id."""
    absent: frozenset[tuple[str, str]] = frozenset()
    """Per absent stream its name and the reason."""
    unsettled: frozenset[str] = frozenset()
    revision: int = 0

    @property
    def place(self) -> tuple[int, str, int]:
        """Where it stands among the sets of one call."""
        return (self.time, self.key, self.revision)

    @property
    def ids(self) -> str:
        """The members' ids, sorted, with a blank between: for tests to read."""
        return " ".join(sorted(member[2] for member in self.members))
