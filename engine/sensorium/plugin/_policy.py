"""An alignment policy: which events of one key belong together, and when that is certain.

The aligner keeps what all policies share (bounds, log time, duplicates, fates, limits); a policy
gives one `Matcher` per key, which holds that key's events and says which sets have settled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sensorium.durations import INFINITY, Duration, DurationField
from sensorium.events import Event, Fate
from sensorium.plugin._plugin import API_VERSION

__all__ = ["Entry", "Matcher", "Policy", "Settled", "StreamSpec", "View"]


class StreamSpec(BaseModel):
    """How a stream's events come, in durations (``"250ms"``, ``"inf"``, or int nanoseconds).

    Parameters
    ----------
    lateness
        How far an event may lie behind the newest one of its key and still count.
    max_delay
        How long after its event time an event may be logged and still count.
    max_future
        How far ahead of its log time an event time may lie.
    max_duration
        How long one event may last.
    offset
        What is added to every event time, before every rule; it corrects a skewed clock.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lateness: DurationField = Field(default=0, ge=0)
    max_delay: DurationField = Field(default=INFINITY, ge=0)
    max_future: DurationField = Field(default=INFINITY, ge=0)
    max_duration: DurationField = Field(default=INFINITY, ge=0)
    offset: DurationField = 0


class Entry:
    """An accepted event while a set may still use it.

    Parameters
    ----------
    event
        The event.
    arrived
        Log time of the event: the running maximum of its stream.
    """

    __slots__ = ("arrived", "event", "fate", "pending")

    def __init__(self, event: Event, arrived: int) -> None:
        self.event = event
        self.arrived = arrived
        #: What becomes of it if no further set uses it; it only ever improves (see `mark`).
        self.fate = Fate.UNMATCHED
        #: For the matcher's own book-keeping: how many open sets may still use it.
        self.pending = 0

    def mark(self, fate: Fate) -> None:
        """Note a fate; the first of matched, evicted, late, superseded, unmatched that applies
        stays."""
        if _RANK[fate] > _RANK[self.fate]:
            self.fate = fate


_RANK = {
    Fate.UNMATCHED: 0,
    Fate.SUPERSEDED: 1,
    Fate.LATE: 2,
    Fate.EVICTED: 3,
    Fate.MATCHED: 4,
}


@dataclass(slots=True)
class Settled:
    """A set that a matcher has found.

    Parameters
    ----------
    anchor
        What tells it from the key's other sets, for its id: the primary's time, the window's
        start, the newest member's time.
    time, start, end
        As in `AlignedSet`.
    members
        Per stream, by its index, the members in the order of their times.
    unsettled
        Indices of the streams that had not settled by the deadline.
    revision
        0, or 1 for a revision.
    """

    anchor: int
    time: int
    start: int
    end: int
    members: Mapping[int, Sequence[Entry]]
    unsettled: frozenset[int] = frozenset()
    revision: int = 0


class View(ABC):
    """What a matcher may ask about its key while it settles."""

    @abstractmethod
    def bound(self, stream: int, at: Duration = INFINITY) -> Duration:
        """The bound of the stream for this key, as of log time `at` (now, if not yet passed)."""

    @abstractmethod
    def passed(self, stream: int, log_time: Duration) -> bool:
        """Whether the stream has been read beyond a log time: nothing can come that was logged
        by then."""

    @abstractmethod
    def open(self, stream: int, first: Duration, last: Duration, at: Duration = INFINITY) -> bool:
        """Whether an event with a time in ``[first, last]`` could still come and count.

        Judged as of log time `at` where the stream has passed it, else as of now; in the latter
        case the matcher is called again when the answer changes. What is still waited for has to
        be asked again in every call of `settle`.
        """

    @abstractmethod
    def wake(self, stream: int, last: Duration, at: Duration = INFINITY) -> None:
        """Have the matcher called again once the stream's bound has passed the time `last`, or
        its log time has passed `at`; `open` does so by itself."""

    @abstractmethod
    def due(self, base: Duration) -> Duration:
        """When a set has to come out whose deadline counts from `base`, in log time.

        That is `base` and the policy's deadline, but for what was read before that was changed;
        see `Policy.deadline_may_change`. It never falls as `base` grows.
        """

    @abstractmethod
    def overdue(self, log_time: Duration) -> Duration:
        """The inverse: exactly what counts from before this was due before `log_time`."""

    @abstractmethod
    def release(self, entry: Entry) -> None:
        """No set can use the entry any more: its fate is final."""

    def release_all(self, entries: Iterable[Entry]) -> None:
        """Release many, in their order; cheaper than one by one."""
        for entry in entries:
            self.release(entry)

    @abstractmethod
    def give_up(self, sets: int = 1) -> None:
        """Count open sets that are given up since a memory limit is exceeded.

        Their events have fates of their own, which need not show it: where sets overlap, others
        may have them as members.
        """


class Matcher(ABC):
    """The events of one key, and the sets that they form.

    It must be a plain object of plain data: it is copied for a snapshot.
    """

    @abstractmethod
    def add(self, stream: int, entry: Entry, view: View) -> bool | None:
        """Take an accepted event (neither late nor a duplicate).

        Returns
        -------
        bool or None
            False if the event alone changes nothing that `settle` would find: it is then called
            only when a bound or log time that `View.open` or `View.wake` was asked about has been
            passed. Else it is called at once, or, where the policy `batches`, once for several
            events that are added together.
        """

    @abstractmethod
    def settle(self, view: View) -> Iterable[Settled]:
        """Give the sets that have settled or whose deadline has passed; release what is done.

        Only sets that `Policy.wants` are given; the events of others stay unmatched.
        """

    @abstractmethod
    def evict(self, entry: Entry, view: View) -> None:
        """Give up every open set that an entry may be a member of, since a memory limit is
        exceeded: mark what no other set can use as evicted and release it, the entry first; and
        say to `View.give_up` how many they are.

        What comes later for one of these sets is evicted, too, so that none comes out without a
        member that it would have had. `settle` is called afterwards.
        """

    @abstractmethod
    def held(self) -> Iterable[Entry]:
        """Every entry that was taken and is not released, once."""

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Whether nothing is held."""

    def carry(self) -> Any:
        """What a restart needs to know besides the events that are held, where the policy
        `carries`: plain data (tuples, numbers, strings, None), with the same events the same.

        None as long as it is as a new matcher's.
        """
        return None

    def resume(self, carried: Any) -> None:
        """Stand where `carry` was asked; called before the first event.

        Of the events that are added next, those that were held then are held again, and those that
        had been settled are released: whatever fate they are given does not count.
        """
        raise NotImplementedError

    def rest(self, view: View) -> bool:
        """Drop what nothing that can still come needs; called when the key has become quiet and
        is idle.

        Returns
        -------
        bool
            Whether it is as good as a new matcher: then it is dropped itself, and another one is
            made when the key is heard of again. A matcher that keeps no notes returns True.
        """
        return False


class Policy(BaseModel, ABC):
    """Which events belong together; the parameters common to all policies.

    Parameters
    ----------
    require
        ``"all"``: a set that lacks a stream is not emitted. ``"any"``: it is. A list: these
        streams must be there.
    deadline
        How long a set waits, in log time, for streams that have not settled.
    on_late
        What becomes of an event that is late. ``"drop"``: it is counted. ``"dead-letter"``: it
        is kept, see `Aligner.take_late`. ``"revise"``: if it missed the deadline of a set that
        was emitted, the set comes out once more with it, as its one and final revision.
    revise_within
        How long after its deadline a set may still be revised, in log time. Its revision comes
        out when it has settled or this has passed, if its members have changed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    """The ``policy`` in the pipeline file, as ``nearest``."""
    api: ClassVar[int] = API_VERSION
    """The plugin API that the class was written for."""
    distinct: ClassVar[bool] = True
    """Whether a second event of a (stream, key) at the same time is a duplicate whatever its id."""

    revises: ClassVar[bool] = False
    """Whether the matchers know ``on_late: revise``."""
    carries: ClassVar[bool] = False
    """Whether what is pending depends on more than the events of one horizon: the matchers then
    have `Matcher.carry`."""
    deadline_may_change: ClassVar[bool] = False
    """Whether the matchers take all deadlines from `View.due` and `View.overdue`: then another
    deadline, where there was one and is one, loses no set and gives none twice. Else it is another
    configuration, which begins beyond the newest cut."""

    require: Literal["all", "any"] | list[str] = "all"
    deadline: DurationField = Field(default=INFINITY, ge=0)
    on_late: Literal["drop", "dead-letter", "revise"] = "drop"
    revise_within: DurationField = Field(default=INFINITY, ge=0)

    @model_validator(mode="after")
    def _can_revise(self) -> Self:
        if self.on_late != "revise":
            if self.revise_within != INFINITY:
                raise ValueError("revise_within needs on_late: revise")
        elif not self.revises:
            raise ValueError(f"{self.name} does not revise its sets: on_late cannot be revise")
        elif self.deadline == INFINITY:
            raise ValueError(
                "on_late: revise needs a deadline: without one no set comes out before it settles"
            )
        return self

    @property
    def batches(self) -> bool:
        """Whether events that are added together give the same if `Matcher.settle` is called
        once, after all of them."""
        return False

    @property
    def revisions_end(self) -> Duration | None:
        """How long after its deadline a set may be revised, in log time; None if never."""
        return self.revise_within if self.on_late == "revise" else None

    @abstractmethod
    def extent(self, max_duration: Duration) -> Duration:
        """How far apart in event time an event and a set that it serves may lie, in ns."""

    @abstractmethod
    def matcher(self, streams: Sequence[str], specs: Sequence[StreamSpec]) -> Matcher:
        """A matcher for one key; stream indices are positions in `streams`."""

    def check(self, streams: Sequence[str]) -> None:
        """Refuse parameters that do not fit the streams; extend it for those of your own.

        Raises
        ------
        ValueError
            Naming the parameter.
        """
        if isinstance(self.require, list):
            for name in self.require:
                if name not in streams:
                    raise ValueError(f"require names the stream {name!r}; there are {streams}")
