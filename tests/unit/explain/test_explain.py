"""What `sensorium explain` says of each fate and absence, with its numbers."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sensorium.align import Aligner
from sensorium.errors import ConfigError
from sensorium.events import Fate
from sensorium.explain import draw, explain

from .conftest import START, Tell, line

WINDOW = {"policy": "window", "size": "1s", "require": "any"}
NEAREST = {"policy": "nearest", "primary": "a", "before": "300ms", "after": "300ms"}


def said(story: Any, time: str | None = None, stream: str | None = None) -> str:
    return "\n".join(explain(story, time=time, stream=stream).lines)


def test_a_matched_event_names_its_sets(tell: Tell) -> None:
    story = tell([line("a", 0.1, 0.2), line("b", 0.4, 0.5), line("a", 1.5, 1.6)], WINDOW)
    text = said(story, "+0s", "a")
    assert "times are from 2023-11-14T22:13:20.100000000Z" in text
    assert "a at +0.000 s, lasting 20ms, logged 100ms later as small.jsonl/0/1: matched." in text
    assert "It is in the window -0.100 s to +0.900 s, with b." in text
    assert "came out with a (1 event, +0.000 s), b (1 event, +0.300 s)." in text


def test_late_by_lateness_says_which_would_have_done(tell: Tell) -> None:
    records = [line("a", 0, 0.1), line("a", 2, 2.1), line("a", 1.2, 2.2), line("b", 0, 0.1)]
    text = said(tell(records, WINDOW, lateness="500ms"), "+1.2s", "a")
    assert "a at +1.200 s, lasting 20ms, logged 1s later as small.jsonl/0/3: late." in text
    assert "nothing of this stream and key older than +1.500 s counted any more" in text
    assert "it is 300ms older" in text
    assert "a lateness of at least 800ms would have taken it" in text


def test_late_by_max_delay_says_both_numbers(tell: Tell) -> None:
    records = [line("a", 0, 0.1), line("b", 9, 9.1), line("a", 3, 9.2)]
    text = said(tell(records, WINDOW, max_delay="5s"), "+3s", "a")
    assert "It was logged 6s200ms after its time; max_delay is 5s." in text


def test_late_by_what_others_had_read(tell: Tell) -> None:
    records = [line("a", 0, 0.1), line("a", 9, 9.1, key="other"), line("a", 3.5, 8.4)]
    text = said(tell(records, WINDOW, max_delay="5s"), "+3.5s", "a")
    assert "how far the stream had been read by then, +9.100 s in log time, less" in text
    assert "the max_delay of 5s" in text


def test_late_by_the_deadline_says_when_that_was(tell: Tell) -> None:
    records = [line("a", 0.1, 0.2), line("a", 5, 5.1), line("b", 0.5, 5.2), line("b", 6, 6.1)]
    align = {**WINDOW, "deadline": "2s"}
    text = said(tell(records, align, max_delay="1m"), "+0.4s", "b")
    assert "It came within its bounds, but after the deadline of every set" in text
    assert "waited until +2.900 s in log time, and it was logged at +5.100 s, 2s200ms after" in text
    text = said(tell(records, align, max_delay="1m"), "+0s")
    assert "b is absent (timeout): when the deadline had passed (+2.900 s in log time)" in text
    assert "That of +0.400 s was late." in text


@pytest.mark.parametrize(
    ("records", "specs", "reason"),
    [
        (
            [line("a", 0.1, 0.2), line("b", 3, 3.1), line("a", 3, 3.1)],
            {"lateness": "500ms"},
            "b is absent (proven): its newest event for this key was at +2.900 s, so with a "
            "lateness of 500ms nothing before +2.400 s could count any more",
        ),
        (
            [line("a", 0.1, 0.2), line("a", 8, 8.1), line("b", 8, 8.1, key="other")],
            {"max_delay": "5s"},
            "b is absent (proven): it had been read up to +8.000 s in log time, so with a "
            "max_delay of 5s nothing before +3.000 s could count",
        ),
        (
            [line("a", 0.1, 0.2)],
            {"max_delay": "1h"},
            "b is absent (proven): the recording ended without any.",
        ),
    ],
)
def test_an_absence_is_proven_by_something(
    tell: Tell, records: list[dict[str, Any]], specs: dict[str, str], reason: str
) -> None:
    assert reason in said(tell(records, WINDOW, **specs), "+0s")


def test_superseded_names_what_was_chosen(tell: Tell) -> None:
    records = [line("b", 0.8, 0.9), line("b", 0.95, 1.0), line("a", 1, 1.1), line("b", 2, 2.1)]
    text = said(tell(records, NEAREST), "+0s", "b")
    assert "superseded. It was within the reach of a set that came out" in text
    assert "The set at +0.200 s has that of +0.150 s, 50ms away; this one is 200ms away." in text


def test_unmatched_says_how_near_the_others_were(tell: Tell) -> None:
    records = [line("a", 1, 1.1), line("b", 1.5, 1.6), line("a", 9, 9.1), line("b", 9, 9.1)]
    text = said(tell(records, NEAREST), "+0s", "a")
    assert "unmatched. No set came out that could use it (policy nearest, require: all)." in text
    assert "The nearest of b is 500ms later and is unmatched." in text
    text = said(tell([line("a", 1, 1.1)], NEAREST), "+0s", "a")
    assert "The recording has no event of b for this key." in text


def test_duplicate_and_invalid_say_of_what_and_by_how_much(tell: Tell) -> None:
    records = [
        line("a", 0, 0.1),
        line("a", 0, 0.3),
        line("a", 60, 0.4),
        line("b", 0, 0.5, duration=60 * 10**9),
    ]
    text = said(tell(records, NEAREST, max_future="5s", max_duration="10s"))
    assert "a: 3 events (1 unmatched, 1 duplicate, 1 invalid)." in text
    assert "had come before, logged at +0.100 s as small.jsonl/0/1." in text
    assert "Its time lies 59s600ms ahead of its log time +0.400 s; max_future is 5s" in text
    assert "It lasts 1m; max_duration is 10s." in text


def test_a_dead_letter_of_the_key_is_told(tell: Tell) -> None:
    bad = line("a", 0.5, 0.6, data="no samples")
    text = said(tell([line("a", 0, 0.1), bad], WINDOW))
    assert "A record of a (small.jsonl/0/2) is a dead letter of ingest" in text
    assert "no samples" not in text


@pytest.mark.parametrize(
    "time", ["+0.5s", "2023-11-14T22:13:20.6Z", str(START + 600_000_000), "+500ms"]
)
def test_a_time_may_be_written_in_three_ways(tell: Tell, time: str) -> None:
    story = tell([line("a", 0.1, 0.2), line("a", 0.6, 0.7)], WINDOW)
    assert "a at +0.500 s" in said(story, time, "a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time": "noon"}, "is no time"),
        ({"time": "2023-11-14T22:13:20"}, "is no time"),
        ({"stream": "c"}, "there is no stream 'c'; there are a, b"),
        ({"time": "+0s", "stream": "b"}, "no event of b for the key 'k'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tell: Tell, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        explain(tell([line("a", 0.1, 0.2)], WINDOW), **arguments)


def test_a_key_that_is_not_there_is_answered_with_one_that_is(tell: Tell) -> None:
    with pytest.raises(ConfigError, match="no event of the key 'kez'; did you mean 'key'"):
        tell([line("a", 0.1, 0.2, key="key")], WINDOW, key="kez")


def disordered(seed: int) -> list[dict[str, Any]]:
    generator = random.Random(seed)
    records = []
    for number in range(200):
        time = number * 0.11
        delay = generator.choice([0.05, 0.1, 0.4, 1.5, 7])
        stream = generator.choice(["a", "a", "b"])
        records += [line(stream, time, time + delay)] * generator.choice([1, 1, 1, 2])
    return sorted(records, key=lambda record: record["arrived"])


ALIGNS = [
    {**WINDOW, "deadline": "1s", "hop": "500ms"},
    {**NEAREST, "require": "any", "deadline": "1s"},
    {"policy": "exact", "require": "any", "deadline": "500ms"},
    {"policy": "approximate", "max_interval": "200ms"},
    {"policy": "window", "gap": "300ms", "max_length": "5s"},
]


@pytest.mark.parametrize("align", ALIGNS, ids=lambda align: align["policy"])
def test_every_event_is_told_once_with_the_aligners_own_fate(
    tell: Tell, align: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Aligner] = []
    trace = Aligner.trace
    monkeypatch.setattr(Aligner, "trace", lambda it, to: (made.append(it), trace(it, to)))
    records = disordered(3)
    story = tell(records, align, lateness="200ms", max_delay="5s")
    assert Counter(one.fate for one in story.events) == made[0].fates
    assert len(story.events) == len(records)
    members = {(e.stream, e.id) for shown in story.sets for them in shown.aligned.members.values()
               for e in them}  # fmt: skip
    matched = [one.event for one in story.events if one.fate is Fate.MATCHED]
    assert {(event.stream, event.id) for event in matched} == members
    for one in story.events:
        away = (one.event.time - min(it.event.time for it in story.events)) / 10**9
        assert str(one.fate) in said(story, f"+{away:.9f}s", one.event.stream)


@pytest.mark.parametrize("align", ALIGNS, ids=lambda align: align["policy"])
def test_it_is_drawn(tell: Tell, align: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs pip install 'sensorium[train]'")
    story = tell(disordered(5), align, lateness="200ms", max_delay="5s")
    for number, arguments in enumerate([{}, {"time": "+5s"}, {"time": "+5s", "stream": "a"}]):
        path = tmp_path / f"{number}.png"
        draw(explain(story, **arguments), path)
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 10_000
