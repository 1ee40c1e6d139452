"""When a source that goes on for ever has been read to its present end."""

from __future__ import annotations

from sensorium.plugin import Batch, TopicPartition
from sensorium.runtime._intake import Intake

__all__ = ["EndWatch"]


class EndWatch:
    """Notes which topic-partitions the source says it has read to the end.

    Parameters
    ----------
    intake
        What is read here.
    asked
        Whether anybody wants to know; else the end is never reached.
    """

    def __init__(self, intake: Intake, *, asked: bool) -> None:
        self._intake = intake
        self._asked = asked
        self._seen: set[TopicPartition] = set()

    def reached(self, batch: Batch) -> bool:
        """Whether, with this batch, all that is read here (and there is something) has been at its
        end, and nothing waits for what a stored cut covers to be read again.

        Being past the end is the source's word (`Batch.progress`), never a guess from silence.
        """
        if not self._asked:
            return False
        self._seen |= batch.progress.keys()
        places = self._intake.places
        return bool(places) and places <= self._seen and self._intake.caught_up

    def begin_again(self) -> None:
        """Forget them: what is read has been shared out anew, and some of it is read again."""
        self._seen.clear()
