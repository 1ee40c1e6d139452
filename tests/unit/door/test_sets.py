"""Payloads are read as the stream says, and make one set."""

from __future__ import annotations

from typing import Any

import pytest

from sensorium.door import RefusedError
from sensorium.door._request import Payloads, Request
from sensorium.door._set import SetMaker
from sensorium.events import AlignedSet
from sensorium.host import load_pipeline

NOW = 1_700_000_000_000_000_000


@pytest.fixture
def sets() -> SetMaker:
    """Two streams of text out of one topic: raw bytes, and JSON with fields of its own."""
    field = {"key": "who", "time": "at", "time_unit": "s", "data": "said.text"}
    text = {"modality": "text-tfidf", "topic": "talk"}
    pipeline = load_pipeline(
        {
            "pipeline": "talk",
            "streams": {
                "chat": {**text, "format": "raw", "offset": "2s"},
                "mail": {**text, "format": "json", "fields": field},
            },
            "align": {"policy": "exact"},
            "fusion": {"plugin": "concat"},
            "tasks": {"mood": {"type": "classification", "labels": ["good", "bad"]}},
        }
    )
    return SetMaker(pipeline, clock=lambda: NOW)


def made(sets: SetMaker, **inputs: Any) -> AlignedSet:
    return sets.make(Request("", {name: Payloads(**it) for name, it in inputs.items()}))


def test_raw_bytes_have_key_time_and_type_from_the_request(sets: SetMaker) -> None:
    chat = {"records": [b"hello"], "media_type": "text/plain", "key": "ann", "time": 5}
    aligned = made(sets, chat=chat)
    [event] = aligned.members["chat"]
    # The stream's offset is added, as it is on the line.
    assert (event.value, event.key, event.time) == ("hello", "ann", 2_000_000_005)
    assert aligned.absent == {"mail": "proven"}


def test_fields_are_where_the_stream_says(sets: SetMaker) -> None:
    mail = {"records": [b'{"who": "ann", "at": 9, "said": {"text": "no"}}']}
    aligned = made(sets, mail=mail, chat={"records": [b"yes"], "key": "ann"})
    [event] = aligned.members["mail"]
    assert (event.value, event.key, event.time) == ("no", "ann", 9_000_000_000)
    assert aligned.members["chat"][0].time == NOW + 2_000_000_000
    assert (aligned.start, aligned.end) == (9_000_000_000, NOW + 2_000_000_001)


def test_events_are_in_the_order_of_their_times(sets: SetMaker) -> None:
    records = [b'{"who": "ann", "at": %d, "said": {"text": "%d"}}' % (at, at) for at in (3, 1, 2)]
    aligned = made(sets, mail={"records": records})
    assert [event.value for event in aligned.members["mail"]] == ["1", "2", "3"]
    assert aligned.time == 3_000_000_000


def test_what_is_not_text_is_refused_with_its_place(sets: SetMaker) -> None:
    with pytest.raises(RefusedError) as caught:
        made(sets, chat={"records": [b"fine", b"\xff\xfe"]})
    assert caught.value.status == 400
    assert caught.value.message.startswith("input 'chat': payload 1: text-tfidf.decode: ")
