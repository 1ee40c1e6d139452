"""A sink: where predictions and dead letters go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from sensorium.events import DeadLetter, Prediction
from sensorium.plugin._cut import Cut
from sensorium.plugin._plugin import API_VERSION, PluginConfig

__all__ = ["Sink"]


class Sink(ABC):
    """Writes predictions, in the order given, and dead letters.

    Parameters
    ----------
    config
        The pipeline's ``sink`` without ``plugin``, as a `Config`.
    """

    name: ClassVar[str]
    """The name in the pipeline file, as ``kafka``."""
    api: ClassVar[int] = API_VERSION
    """The plugin API that the class was written for."""
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    """The model of the configuration; strict."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def write(self, predictions: Sequence[Prediction]) -> None:
        """Take predictions; they are safe after the next `flush`."""

    @abstractmethod
    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Take dead letters; they are safe after the next `flush`."""

    @abstractmethod
    def flush(self) -> None:
        """Return when all that was taken is safe."""

    @abstractmethod
    def close(self) -> None:
        """Flush and free what is held; may be called twice."""

    # What follows is for a sink that can commit cuts with what it writes; the others need none.

    @property
    def transactional(self) -> bool:
        """Whether it can: without that there is no ``delivery: exactly_once``."""
        return False

    def begin(self, member: str) -> None:
        """From now on nothing is visible to readers before `commit`; called once, at the start.

        Parameters
        ----------
        member
            `Source.member`: what an earlier process of this name left open is ended.
        """
        raise NotImplementedError

    def commit(self, cuts: Mapping[int, Cut], membership: Any) -> None:
        """Make all that was taken, and the cuts of these partition numbers, visible as one.

        Parameters
        ----------
        cuts
            Per partition number.
        membership
            `Source.membership` from when the cuts were made.

        Raises
        ------
        CommitError
            If that failed, or it is not known whether it did; `abort` then has to follow.
        """
        raise NotImplementedError

    def abort(self) -> None:
        """Take back all that was taken since the last commit."""
        raise NotImplementedError

    @property
    def carries(self) -> bool:
        """Whether it keeps notes, too: what policies that `carries` need for a restart."""
        return False

    def carry(self, number: int, notes: Mapping[str, bytes | None]) -> None:
        """Take notes of a partition number, each in place of an earlier one of its name.

        They are kept from the next `commit` on; None ends one.
        """
        raise NotImplementedError

    def carried(self, numbers: Collection[int]) -> Mapping[int, Mapping[str, bytes]]:
        """Per partition number the notes that are kept; called when it has been assigned.

        Raises
        ------
        RunError
            If they cannot be had.
        """
        raise NotImplementedError
