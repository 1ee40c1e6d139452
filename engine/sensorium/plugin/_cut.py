"""Consistent cuts: how far a partition number has been read, so that a restart can go on there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sensorium.errors import RunError
from sensorium.plugin._deadlines import Deadlines

__all__ = ["Assignee", "Cut", "CutPosition", "TopicPartition"]

#: Begins the metadata of a commit, and says in which form the rest is.
_FORM = "sensorium-2"


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class CutPosition(NamedTuple):
    """What a cut says of one partition of one topic.

    Parameters
    ----------
    offset
        Where a restart begins to read: the offset that is committed.
    next
        The offset of the first record that the aligner has not taken. A restart reads again up to
        this one and none beyond.
    log_time
        How far the partition had been read in log time, ns since the epoch; None if that was not
        known of any time.
    """

    offset: int
    next: int
    log_time: int | None


class _Common(NamedTuple):
    """What the metadata of all topics say alike."""

    serial: int
    fingerprint: str
    floor: int | None
    deadlines: Deadlines | None


@dataclass(frozen=True, slots=True)
class Cut:
    """The state of one partition number, over all topics: everything settled by it is written.

    Parameters
    ----------
    serial
        Counts the cuts of the partition number.
    positions
        Per topic-partition.
    fingerprint
        Of the alignment configuration that the cut was made with, without its deadline where
        there are `deadlines`.
    floor
        Sets are given from this event time on (exclusive), since older ones belong to an earlier
        configuration; None where there is no such time.
    deadlines
        Those in force, where the deadline may change (`Policy.deadline_may_change`).
    """

    serial: int
    positions: Mapping[TopicPartition, CutPosition]
    fingerprint: str
    floor: int | None = None
    deadlines: Deadlines | None = None

    @property
    def newest(self) -> int | None:
        """The greatest log time that anything had been read up to; None if that is not known."""
        times = [position.log_time for position in self.positions.values()]
        return max((time for time in times if time is not None), default=None)

    def metadata(self, place: TopicPartition) -> str:
        """What is committed beside the offset of `place`.

        Below 180 bytes, whatever is read, and some 40 for each deadline that was changed within
        the horizon.
        """
        position = self.positions[place]
        numbers = (self.serial, position.next, position.log_time, self.floor, self.deadlines)
        fields = ["-" if number is None else str(number) for number in numbers]
        return " ".join([_FORM, *fields, self.fingerprint])

    @classmethod
    def read(cls, commits: Mapping[TopicPartition, tuple[int, str]]) -> Cut | None:
        """The cut of one partition number.

        Parameters
        ----------
        commits
            Offset and metadata of those of its topic-partitions that have any.

        Returns
        -------
        Cut or None
            None if there are no commits.

        Raises
        ------
        RunError
            If someone else wrote them, or they are of different cuts.
        """
        cuts: dict[_Common, dict[TopicPartition, CutPosition]] = {}
        for place, (offset, metadata) in commits.items():
            common, after, log_time = _fields(place, metadata)
            cuts.setdefault(common, {})[place] = CutPosition(offset, after, log_time)
        if len(cuts) > 1:
            said = "; ".join(
                f"{place.topic}[{place.partition}] is of cut {common.serial}"
                for common, positions in cuts.items()
                for place in positions
            )
            raise RunError(
                f"the committed offsets are of different cuts ({said}), so nothing consistent can "
                "be restored: something else has changed the group's offsets; set all of them "
                "back, or choose another `group`"
            )
        for common, positions in cuts.items():
            return cls(common.serial, positions, common.fingerprint, common.floor, common.deadlines)
        return None


class Assignee(Protocol):
    """Who reads a source whose partition numbers are shared out among processes."""

    def assigned(self, stored: Mapping[int, Cut | None]) -> None:
        """These partition numbers, and no others, are now read, each from its stored cut.

        The source stands at the committed offsets, or at its configured start where a number has
        no cut. The assignee may move it (`Source.seek`, `Source.seek_to_time`) before it returns.
        """
        ...

    def foreseen(self, stored: Mapping[int, Cut]) -> None:
        """These partition numbers will probably be assigned, from these stored cuts.

        Told before the first assignment, by a source that has to wait for it. Until then it gives
        what the cuts cover as `Batch.ahead`.
        """
        ...

    def revoked(self, numbers: Collection[int]) -> None:
        """These will be read by another process once this returns; cuts can still be committed."""
        ...

    def lost(self, numbers: Collection[int]) -> None:
        """These may be read by another process already; nothing can be committed."""
        ...


def _fields(place: TopicPartition, metadata: str) -> tuple[_Common, int, int | None]:
    try:
        form, serial, after, log_time, floor, deadlines, fingerprint = metadata.split(" ")
        if form == _FORM:
            known = None if deadlines == "-" else Deadlines.parse(deadlines)
            common = _Common(int(serial), fingerprint, _number(floor), known)
            return common, int(after), _number(log_time)
    except ValueError:
        pass
    raise RunError(
        f"the offset committed for {place.topic}[{place.partition}] was not written by this "
        f"version of sensorium (its metadata is {metadata[:80]!r}): choose a `group` of its own"
    )


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)
