"""Dead letters of a pipeline, read back from its log and sent again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sensorium.errors import ConfigError, RunError, WireError
from sensorium.events import DeadLetter
from sensorium.host import Pipeline
from sensorium.operations._logs import open_log
from sensorium.plugin import Log, Record
from sensorium.wire import attempts_of, dead_letter_from_record, replayed_headers

__all__ = ["Replayed", "StoredLetter", "late_again", "read_dead_letters", "replay_dead_letters"]

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter where it lies.

    Parameters
    ----------
    place
        ``partition/offset`` in the topic of the dead letters; it selects the letter.
    arrived
        When it was written, in ns since the epoch.
    letter
        The letter, with the original bytes.
    """

    place: str
    arrived: int
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a letter that was to be sent again.

    Parameters
    ----------
    stored
        The letter.
    to
        ``topic/partition`` that it was sent to, or empty.
    problem
        Why it could not be sent, or empty.
    """

    stored: StoredLetter
    to: str
    problem: str


def read_dead_letters(
    pipeline: Pipeline,
    *,
    places: Collection[str] = (),
    stage: str | None = None,
    stream: str | None = None,
    error: str | None = None,
) -> Iterator[StoredLetter]:
    """The dead letters that are there now, by partition in the order of the log.

    Parameters
    ----------
    pipeline
        Its sink has to be in a log.
    places
        Only these; none for all.
    stage, stream, error
        Only of this stage, this stream, this class of error.

    Raises
    ------
    ConfigError
        If the sink has no log, or keeps no dead letters there, or one of `places` is no place.
    RunError
        If the log cannot be read, or has nothing at one of `places`.
    """
    with open_log(pipeline, "sink") as log:
        topic = log.topics.get("dead_letters")
        if topic is None:
            raise ConfigError("the sink writes no dead letters to its log", path="sink")
        records = _named(log, topic, places) if places else _records(log, topic)
        for record in records:
            try:
                letter = dead_letter_from_record(record)
            except WireError as error:
                if places:
                    raise RunError(
                        f"what lies in {topic} at {record.partition}/{record.offset} is no dead "
                        f"letter of Sensorium ({error})"
                    ) from None
                continue  # somebody else wrote it there
            said = {"stage": letter.stage, "stream": letter.stream, "error": letter.error}
            asked = {"stage": stage, "stream": stream, "error": error}
            if all(wanted in (None, said[name]) for name, wanted in asked.items()):
                place = f"{record.partition}/{record.offset}"
                yield StoredLetter(place, record.arrived or 0, letter)


def replay_dead_letters(
    pipeline: Pipeline, letters: Sequence[StoredLetter], *, dry_run: bool = False
) -> list[Replayed]:
    """Send the original records again, to the topics and partitions that they came from.

    Each has its original bytes, key and headers, and a header that counts the tries. Where a
    letter has no bytes, as after decoding, the record is read again at its coordinates.

    Parameters
    ----------
    pipeline
        Its source has to be in a log.
    letters
        What to send.
    dry_run
        Whether to find out what would be sent, and send nothing.

    Raises
    ------
    RunError
        If the log fails; what was sent before is sent.
    """
    topics = {part.topic for part in pipeline.streams.values()}
    done = []
    with open_log(pipeline, "source") as log:
        for stored in letters:
            record, problem = _original(log, stored.letter, topics)
            if record is None:
                done.append(Replayed(stored, "", problem))
                continue
            if not dry_run:
                log.write(record)
            done.append(Replayed(stored, f"{record.topic}/{record.partition}", ""))
        log.flush()
    return done


def late_again(
    pipeline: Pipeline, letters: Sequence[StoredLetter], clock: Callable[[], int]
) -> int:
    """How many letters, sent now, lie more than their stream's ``max_delay`` back: `late`."""
    now = clock()
    return sum(_lies_back(pipeline, stored.letter, now) for stored in letters)


def _lies_back(pipeline: Pipeline, letter: DeadLetter, now: int) -> bool:
    part = pipeline.streams.get(letter.stream or "")
    return part is not None and letter.time is not None and now - letter.time > part.spec.max_delay


def _named(log: Log, topic: str, places: Collection[str]) -> Iterator[Record]:
    for place in places:
        partition, _, offset = place.partition("/")
        if not (partition.isdecimal() and offset.isdecimal()):
            raise ConfigError(
                f"{place!r} is no place: write PARTITION/OFFSET, as the list shows it"
            )
        record = log.fetch(topic, int(partition), int(offset))
        if record is None:
            raise RunError(
                f"{topic} holds no dead letter at {place}; `sensorium dlq list PIPELINE` shows "
                "those that are there"
            )
        yield record


def _records(log: Log, topic: str) -> Iterator[Record]:
    source = log.read([topic], start="earliest", follow=False)
    try:
        while True:
            batch = source.poll(_BATCH, 1.0)
            yield from batch.records
            if batch.ended:
                return
    finally:
        source.close()


def _original(log: Log, letter: DeadLetter, topics: Collection[str]) -> tuple[Record | None, str]:
    """The record to send again, or why there is none."""
    if letter.origin is None:
        return None, "it is of no single record"
    topic, partition, offset = letter.origin.rsplit("/", 2)
    if topic not in topics:
        return None, f"it came from {topic}, which is no topic of the pipeline's streams"
    data, key, time = letter.data, letter.record_key, letter.time
    if data is None:
        found = log.fetch(topic, int(partition), int(offset))
        if found is None:
            return None, f"its bytes are gone, and so is {letter.origin}"
        data, key, time = found.data, found.key, found.time
        letter = replace(letter, headers=found.headers, attempt=attempts_of(found.headers))
    # Where producers stamp, the stamp may be all that says when it happened.
    stamp = time if time is None or time >= 0 else None
    headers = replayed_headers(letter)
    return Record(topic, int(partition), int(offset), data, key, headers, stamp), ""
