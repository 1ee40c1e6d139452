"""Consistent cuts: how far a partition number has been read, so that a restart can go on there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sensorium.errors import RunError

__all__ = ["Assignee", "Cut", "CutPosition", "TopicPartition"]

#: Begins the metadata of a commit, and says in which form the rest is.
_FORM = "sensorium-1"


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
        Of the alignment configuration that the cut was made with.
    floor
        Sets are given from this event time on (exclusive), since older ones belong to an earlier
        configuration; None where there is no such time.
    """

    serial: int
    positions: Mapping[TopicPartition, CutPosition]
    fingerprint: str
    floor: int | None = None

    def metadata(self, place: TopicPartition) -> str:
        """What is committed beside the offset of `place`: below 160 bytes, whatever is read."""
        position = self.positions[place]
        numbers = (self.serial, position.next, position.log_time, self.floor)
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
        cuts: dict[tuple[int, str, int | None], dict[TopicPartition, CutPosition]] = {}
        for place, (offset, metadata) in commits.items():
            serial, after, log_time, floor, fingerprint = _fields(place, metadata)
            cut = cuts.setdefault((serial, fingerprint, floor), {})
            cut[place] = CutPosition(offset, after, log_time)
        if len(cuts) > 1:
            said = "; ".join(
                f"{place.topic}[{place.partition}] is of cut {serial}"
                for (serial, _, _), positions in cuts.items()
                for place in positions
            )
            raise RunError(
                f"the committed offsets are of different cuts ({said}), so nothing consistent can "
                "be restored: something else has changed the group's offsets; set all of them "
                "back, or choose another `group`"
            )
        for (serial, fingerprint, floor), positions in cuts.items():
            return cls(serial, positions, fingerprint, floor)
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


def _fields(place: TopicPartition, metadata: str) -> tuple[int, int, int | None, int | None, str]:
    try:
        form, serial, after, log_time, floor, fingerprint = metadata.split(" ")
        if form == _FORM:
            return int(serial), int(after), _number(log_time), _number(floor), fingerprint
    except ValueError:
        pass
    raise RunError(
        f"the offset committed for {place.topic}[{place.partition}] was not written by this "
        f"version of sensorium (its metadata is {metadata[:80]!r}): choose a `group` of its own"
    )


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)
