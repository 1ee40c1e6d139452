"""Dead letters as records of a log, and the count of tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.errors import WireError
from sensorium.events import DeadLetter
from sensorium.plugin import Record
from sensorium.wire import (
    attempts_of,
    dead_letter_from_record,
    dead_letter_headers,
    replayed_headers,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MAYBE = st.none() | TEXT
LETTERS = st.builds(
    DeadLetter,
    stage=TEXT,
    error=TEXT,
    message=TEXT,
    stream=MAYBE,
    key=MAYBE,
    time=st.none() | st.integers(-(2**63), 2**63 - 1),
    origin=st.none() | st.builds("{}/{}/{}".format, TEXT, st.integers(0, 9), st.integers(0, 99)),
    plugin=MAYBE,
    data=st.none() | st.binary(max_size=20),
    headers=st.dictionaries(TEXT.filter(lambda name: not name.startswith("sensorium-")),
                            st.binary(max_size=9), max_size=3),
    attempt=st.integers(1, 1000),
    record_key=st.none() | st.binary(max_size=9),
)  # fmt: skip


def as_record(letter: DeadLetter) -> Record:
    return Record("dead", 0, 7, letter.data, letter.record_key, dead_letter_headers(letter))


@given(LETTERS)
def test_a_letter_comes_back_from_its_record(letter: DeadLetter) -> None:
    assert dead_letter_from_record(as_record(letter)) == letter


@given(LETTERS)
def test_what_is_sent_again_counts_up_and_is_else_as_it_was(letter: DeadLetter) -> None:
    headers = replayed_headers(dead_letter_from_record(as_record(letter)))
    assert attempts_of(headers) == letter.attempt + 1
    assert {**headers, **letter.headers} == {**letter.headers, **headers}
    assert headers.keys() - letter.headers.keys() == {"sensorium-attempt"}


@pytest.mark.parametrize(
    ("header", "tries"), [(b"3", 3), (b"", 1), (b"x", 1), (b"-1", 1), (b"9" * 30, 1)]
)
def test_a_header_that_is_no_number_is_the_first_try(header: bytes, tries: int) -> None:
    assert attempts_of({"sensorium-attempt": header}) == tries


def test_another_record_is_no_letter() -> None:
    with pytest.raises(WireError, match="no dead letter - at `header:sensorium-stage`"):
        dead_letter_from_record(Record("dead", 0, 7, b"x"))
    headers = {**dead_letter_headers(DeadLetter("ingest", "E", "m")), "sensorium-time": b"soon"}
    with pytest.raises(WireError, match="Expected a whole number, got 'soon'"):
        dead_letter_from_record(Record("dead", 0, 7, b"x", headers=headers))
