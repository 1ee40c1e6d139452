"""People with watches doing exercises, as the demo plays them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sensorium.demo._damage import Damage
from sensorium.demo._layout import Placed, place
from sensorium.demo._recording import write_recording
from sensorium.demo._scene import Decode, Scene
from sensorium.demo._watch import PERIOD, load_trials, split_trials
from sensorium.events import AlignedSet, Event
from sensorium.plugin import Payload

__all__ = ["WatchScene", "unseen_watches", "watches_to_train_on", "windows"]


class WatchScene(Scene):
    """Trials, laid out in time.

    Parameters
    ----------
    placed
        The trials.
    seed
        What makes the damage reproducible.
    """

    def __init__(self, placed: Sequence[Placed], seed: int) -> None:
        self._placed, self._seed = placed, seed
        self._truth = {item.trial.key: item.trial.exercise for item in placed}

    @property
    def introduction(self) -> str:
        """How many people, and recordings of them."""
        people = len({item.trial.subject for item in self._placed})
        return f"{people} people whom the model has not seen, {len(self._placed)} recordings"

    @property
    def start(self) -> int:
        """When the first trial begins."""
        return self._placed[0].start

    def record(self, path: Path, damage: Damage) -> int:
        """A topic per sensor, and one with what each trial shows."""
        return write_recording(path, self._placed, damage, self._seed)

    def truth(self, key: str, time: int) -> str:
        """What the trial shows from its beginning to its end."""
        return self._truth[key]

    def perfect(self, size: int, hop: int, decode: Decode) -> Iterator[tuple[str, AlignedSet]]:
        """Every window that a trial reaches into, with one event a stream."""
        for item in self._placed:
            key, samples = item.trial.key, item.trial.streams
            for start, first, stop in windows(item.start, len(item.trial), size, hop):
                time, lasts = item.start + first * PERIOD, (stop - first) * PERIOD
                members = {
                    name: (
                        Event(name, key, time, decode(name, Payload(it[first:stop])),
                              duration=lasts),
                    )
                    for name, it in samples.items()
                }  # fmt: skip
                aligned = AlignedSet(key, start, members, start=start, end=start + size)
                yield item.trial.exercise, aligned


def unseen_watches(seed: int) -> WatchScene:
    """The people who are held out from training."""
    return WatchScene(place(split_trials(load_trials())[1], seed), seed)


def watches_to_train_on(folder: Path, seed: int) -> list[Path]:
    """Recordings of the others.

    They are recorded twice, once as they are and once with outages, so that windows that are
    filled in part are trained on, too.
    """
    scene = WatchScene(place(split_trials(load_trials())[0], seed), seed)
    whole, broken = folder / "watch.mcap", folder / "watch-outages.mcap"
    scene.record(whole, Damage())
    scene.record(broken, Damage(outage=0.3))
    return [whole, broken]


def windows(start: int, samples: int, size: int, hop: int) -> Iterator[tuple[int, int, int]]:
    """Every window of the grid that a trial reaches into.

    Parameters
    ----------
    start
        The time of the first sample, in ns since the epoch.
    samples
        How many there are.
    size, hop
        Of the windows, in ns.

    Yields
    ------
    start, first, stop
        When the window begins, and which samples were taken in it. A last one that begins after
        the last sample was taken, but while it holds, has that one.
    """
    end = start + samples * PERIOD
    for number in range((start - size) // hop + 1, (end - 1) // hop + 1):
        begin = number * hop
        first = max(0, -((start - begin) // PERIOD))
        stop = min(samples, -((start - begin - size) // PERIOD))
        yield begin, min(first, samples - 1), stop
