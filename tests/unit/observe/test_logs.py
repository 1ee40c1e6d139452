"""What a run logs, how it looks, and that what repeats is summed up."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sensorium.events import DeadLetter
from sensorium.observe import Journal, logging_to
from sensorium.observe._log_handler import SummingHandler

SECOND = 1_000_000_000


@pytest.fixture
def journal() -> Journal:
    return Journal("watch", ["accel", "gyro"])


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What has been logged, as JSON."""
    stream = io.StringIO()
    with logging_to(stream, "json", "debug"):
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def letter(**more: Any) -> DeadLetter:
    given = {"stream": "accel", "plugin": "sensor-stats", "hook": "decode", **more}
    return DeadLetter("ingest", "PayloadError", "expected a number, not 'secret'", **given)


def test_a_record_says_what_happened_where(journal: Journal, logged: Any) -> None:
    journal.buried([letter(origin="watch/accel/3/17")])
    [record] = logged()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert record == {
        "level": "warning",
        "logger": "sensorium.ingest",
        "message": "a dead letter: PayloadError in sensor-stats.decode, stream accel",
        "event": "dead_letter",
        "pipeline": "watch",
        "stage": "ingest",
        "stream": "accel",
        "plugin": "sensor-stats",
        "hook": "decode",
        "error": "PayloadError",
        "count": 1,
        "origin": "watch/accel[3]@17",
    }


def test_what_other_libraries_stamp_on_records_is_left_out(logged: Any) -> None:
    logging.getLogger("sensorium.emit").info("done", extra={"_stamp": 1, "event": "done"})
    [record] = logged()
    assert (record["event"], record.get("_stamp")) == ("done", None)


def test_the_letters_of_a_batch_are_one_line_a_kind(journal: Journal, logged: Any) -> None:
    journal.buried([letter(origin=f"accel/0/{offset}") for offset in range(500)])
    journal.buried([letter(), letter(stream="gyro", plugin=None, hook=None)])
    assert [(it["message"], it.get("origin")) for it in logged()] == [
        ("500 dead letters: PayloadError in sensor-stats.decode, stream accel", "accel[0]@0"),
        ("a dead letter: PayloadError in sensor-stats.decode, stream accel", None),
        ("a dead letter: PayloadError, stream gyro", None),
    ]


def test_what_a_plugin_says_of_a_payload_is_not_logged(journal: Journal, logged: Any) -> None:
    journal.buried([letter(data=b"secret", headers={"h": b"secret"}, key="secret")])
    assert "secret" not in json.dumps(logged())


def test_the_course_of_a_run(journal: Journal, logged: Any) -> None:
    journal.starting("1.2", "local", "http://127.0.0.1:9464")
    journal.model_loaded("f00d", ["accel: sensor-stats", "fusion: mean"])
    journal.assigned([0, 1])
    journal.stopped(early=True, events=7, sets=3)
    assert [(it["event"], it["message"]) for it in logged()] == [
        (
            "starting",
            "starting with sensorium 1.2, executor local; metrics and health at "
            "http://127.0.0.1:9464",
        ),
        ("model_loaded", "loaded accel: sensor-stats, fusion: mean; the model is f00d"),
        ("assigned", "reading partitions 0, 1"),
        ("stopped", "stopped: events 7, sets 3"),
    ]


def test_a_stream_that_falls_silent_is_told_once_and_so_is_its_return(
    journal: Journal, logged: Any
) -> None:
    for second in range(200):
        heard = second < 50 or second > 150
        newest = {"accel": second * SECOND, "gyro": (second if heard else 50) * SECOND}
        journal.read(newest)
    assert [(it["event"], it["stream"]) for it in logged()] == [
        ("stream_silent", "gyro"),
        ("stream_back", "gyro"),
    ]


def test_a_stream_that_never_had_an_event_is_silent_too(journal: Journal, logged: Any) -> None:
    journal.read({})
    for second in range(100):
        journal.read({"accel": second * SECOND})
    [record] = logged()
    assert (record["event"], record["stream"]) == ("stream_silent", "gyro")


def test_a_stream_that_is_read_ahead_for_a_moment_makes_no_other_silent(
    journal: Journal, logged: Any
) -> None:
    for _ in range(9):
        journal.read({"accel": 500 * SECOND, "gyro": 1})
    for _ in range(9):
        journal.read({"accel": 500 * SECOND, "gyro": 500 * SECOND})
    assert logged() == []


def test_people_get_a_line_in_utc() -> None:
    stream = io.StringIO()
    with logging_to(stream):
        log = logging.getLogger("sensorium.ingest")
        log.warning("two\nlines", extra={"origin": "accel[0]@17"})
        log.debug("nobody sees this")
        logging.getLogger("kafka").info("nor this")
        logging.getLogger("kafka").warning("but this")
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(
        r"[-0-9]{10}T[:0-9]{8}\.\d{3}Z WARNING ingest accel\[0\]@17 two\\nlines", first
    )
    assert second.endswith("Z WARNING kafka but this")


def test_a_library_is_left_alone() -> None:
    before = (logging.getLogger().handlers[:], logging.getLogger("sensorium").level)
    with logging_to(io.StringIO()):
        pass
    assert (logging.getLogger().handlers, logging.getLogger("sensorium").level) == before


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def summed() -> Iterator[tuple[logging.Logger, io.StringIO, Clock, SummingHandler]]:
    """A logger whose handler writes the first two of a kind in ten seconds."""
    stream, clock = io.StringIO(), Clock()
    handler = SummingHandler(stream, first=2, every=10, timer=clock)
    log = logging.getLogger("test.summed")
    log.propagate = False
    log.addHandler(handler)
    yield log, stream, clock, handler
    log.removeHandler(handler)
    handler.close()


def test_what_repeats_is_summed_up_when_the_interval_is_over(summed: Any) -> None:
    log, stream, clock, _ = summed
    for number in range(1000):
        log.error("no answer from %s", number)
        clock.now += 0.001
    log.error("something else")
    clock.now = 11
    log.error("no answer from %s", "again")
    assert stream.getvalue().splitlines() == [
        "no answer from 0",
        "no answer from 1",
        "something else",
        "998 more in 11 s like: no answer from 999",
        "no answer from again",
    ]


def test_what_is_held_back_is_told_even_if_nothing_else_is_logged() -> None:
    stream = io.StringIO()
    handler = SummingHandler(stream, first=1, every=0.05)
    for _ in range(3):
        handler.handle(logging.makeLogRecord({"levelno": logging.ERROR, "msg": "lost"}))
    end = time.monotonic() + 20
    while "2 more" not in stream.getvalue():
        assert time.monotonic() < end
        time.sleep(0.01)
    handler.close()
    assert len(stream.getvalue().splitlines()) == 2


def test_what_is_held_back_is_told_at_the_end(summed: Any) -> None:
    log, stream, _, handler = summed
    for _ in range(5):
        log.warning("lost")
    handler.close()
    assert stream.getvalue().splitlines() == ["lost", "lost", "3 more in 0 s like: lost"]


def test_news_is_never_held_back(summed: Any) -> None:
    log, stream, _, _ = summed
    log.setLevel(logging.INFO)
    for _ in range(5):
        log.info("news")
    assert len(stream.getvalue().splitlines()) == 5


def test_kinds_without_number_are_bounded(summed: Any) -> None:
    log, stream, _, _ = summed
    for number in range(10_000):
        log.error(f"no answer from {number}")  # as a careless library does
    assert len(stream.getvalue().splitlines()) < 300
