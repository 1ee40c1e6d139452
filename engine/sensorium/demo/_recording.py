"""Recordings of what the log of a demo gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sensorium.demo._damage import Damage
from sensorium.demo._layout import Placed, chunks
from sensorium.plugin import Payload, Record
from sensorium.wire import CONTENT_TYPE, Envelope, RecordingWriter, write_envelope

__all__ = ["Logged", "write_log", "write_recording"]

#: Log time in ns since the epoch, topic, and what it gets.
Logged = tuple[int, str, Envelope]


def write_log(path: Path, given: Iterable[Logged]) -> int:
    """Write envelopes as MCAP, in the order of their log times.

    Returns
    -------
    int
        The last log time, in ns since the epoch; 0 of nothing.
    """
    offsets: dict[str, int] = {}
    last = 0
    with RecordingWriter(path) as recording:
        for arrived, topic, envelope in sorted(given, key=lambda item: item[0]):
            offset = offsets[topic] = offsets.get(topic, -1) + 1
            record = Record(
                topic=topic,
                partition=0,
                offset=offset,
                data=write_envelope(envelope),
                key=(envelope.key or "").encode(),
                headers={"content-type": CONTENT_TYPE.encode()},
                arrived=arrived,
            )
            recording.write(record, envelope.time)
            last = arrived
    return last


def write_recording(
    path: Path, placed: Sequence[Placed], damage: Damage, seed: int, pipeline: str = "watch"
) -> int:
    """Write what the log gets of the watch: a topic per stream, and one with what each trial shows.

    Parameters
    ----------
    path
        The file.
    placed
        The trials.
    damage
        What goes wrong on the way to the log.
    seed
        The same trials, damage and seed give the same file.
    pipeline
        What the topics' names begin with.

    Returns
    -------
    int
        The last log time, in ns since the epoch.
    """
    labels: list[Logged] = [
        (item.start, "label", Envelope(
            None, item.trial.key, item.start, Payload({"exercise": item.trial.exercise})
        ))
        for item in placed
    ]  # fmt: skip
    readings: list[Logged] = [
        (chunk.arrived, f"{pipeline}.{chunk.stream}", Envelope(
            None, chunk.key, chunk.time, Payload(chunk.samples), duration=chunk.duration
        ))
        for chunk in chunks(placed, damage, seed)
    ]  # fmt: skip
    return write_log(path, [*labels, *readings])
