from __future__ import annotations

import json
import math
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import WireError
from sensorium.events import Absence, DeadLetter, Prediction, TaskResult
from sensorium.wire import (
    dead_letter_from_dict,
    dead_letter_json,
    dead_letter_schema,
    dead_letter_to_dict,
    prediction_from_dict,
    prediction_json,
    prediction_schema,
    prediction_to_dict,
)

TEXT = st.text(max_size=12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
RESULTS = st.builds(
    TaskResult,
    label=st.none() | TEXT,
    score=st.none() | FLOATS,
    scores=st.none() | st.dictionaries(TEXT, FLOATS, max_size=3),
    labels=st.none() | st.lists(TEXT, max_size=3).map(tuple),
    values=st.none() | st.lists(FLOATS, max_size=3).map(tuple),
    contributions=st.none() | st.dictionaries(TEXT, FLOATS, max_size=3),
)
PREDICTIONS = st.builds(
    Prediction,
    id=TEXT,
    pipeline=TEXT,
    key=TEXT,
    time=st.integers(-(2**63), 2**63 - 1),
    tasks=st.dictionaries(TEXT, RESULTS, max_size=3),
    members=st.dictionaries(TEXT, st.lists(TEXT, max_size=3).map(tuple), max_size=3),
    absent=st.dictionaries(TEXT, st.sampled_from(list(Absence)), max_size=3),
    unsettled=st.frozensets(TEXT, max_size=3),
    revision=st.integers(0, 1),
    model=TEXT,
)
LETTERS = st.builds(
    DeadLetter,
    stage=TEXT,
    error=TEXT,
    message=TEXT,
    stream=st.none() | TEXT,
    key=st.none() | TEXT,
    time=st.none() | st.integers(-(2**63), 2**63 - 1),
    origin=st.none() | TEXT,
    plugin=st.none() | TEXT,
    data=st.none() | st.binary(max_size=40),
    headers=st.dictionaries(TEXT, st.binary(max_size=9), max_size=3),
    attempt=st.integers(1, 9),
    hook=st.none() | TEXT,
)

PREDICTION = Prediction(
    id="ab12",
    pipeline="watch",
    key="p1",
    time=5,
    tasks={"exercise": TaskResult(label="ROW", score=0.75, scores={"ROW": 0.75, "ER": 0.25})},
    members={"accel": ("t/0/1", "t/0/2")},
    absent={"gyro": Absence.TIMEOUT},
    unsettled=frozenset({"z", "gyro"}),
    model="f00d",
)


def test_a_prediction_is_one_line_of_json():
    assert prediction_json(PREDICTION) == (
        '{"id":"ab12","pipeline":"watch","key":"p1","time":5,'
        '"tasks":{"exercise":{"label":"ROW","score":0.75,"scores":{"ROW":0.75,"ER":0.25}}},'
        '"members":{"accel":["t/0/1","t/0/2"]},"absent":{"gyro":"timeout"},'
        '"unsettled":["gyro","z"],"revision":0,"model":"f00d"}'
    )


@pytest.mark.parametrize("key", ["p1", "gerät", "\u2028\x85\x7f", "\U0001f600", "half \ud83d"])
def test_it_is_ascii_whatever_the_key(key):
    """So that it is one line for every reader, also where a key has half of a surrogate pair."""
    line = prediction_json(replace(PREDICTION, key=key))
    assert line.isascii()
    assert json.loads(line)["key"] == key


@given(PREDICTIONS)
@settings(max_examples=100, deadline=None)
def test_a_prediction_comes_back_and_fits_its_schema(prediction):
    line = prediction_json(prediction)
    assert "\n" not in line
    value = json.loads(line)
    assert value == prediction_to_dict(prediction)
    jsonschema.validate(value, prediction_schema())
    assert prediction_from_dict(value) == prediction


def test_numpy_numbers_and_numbers_that_json_lacks_are_written():
    result = TaskResult(score=np.float32(0.5), values=(math.nan, math.inf, 1.0))
    prediction = Prediction("i", "p", "k", 1, {"t": result})
    value = json.loads(prediction_json(prediction))
    assert value["tasks"]["t"] == {"score": 0.5, "values": [None, None, 1.0]}
    jsonschema.validate(value, prediction_schema())
    back = prediction_from_dict(value).tasks["t"].values
    assert back is not None
    assert math.isnan(back[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": 5}, "Expected `str`, got `int` - at `$.key`"),
        ({"time": True}, "Expected `int`, got `bool` - at `$.time`"),
        ({"tasks": {"t": []}}, "Expected `map`, got `list` - at `$.tasks.t`"),
        ({"tasks": {"t": {"score": "x"}}}, "Expected `float`, got `str` - at `$.tasks.t.score`"),
        ({"tasks": {"t": {"values": [1, "x"]}}},
         "Expected `float`, got `str` - at `$.tasks.t.values[1]`"),
        ({"tasks": {"t": {"values": [10**400]}}},
         "Expected a float of 64 bits, got a larger number - at `$.tasks.t.values[0]`"),
        ({"members": {"a": [1]}}, "Expected `str`, got `int` - at `$.members.a[0]`"),
        ({"absent": {"a": "gone"}},
         "Expected one of proven, timeout, failed, got 'gone' - at `$.absent.a`"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_prediction_is_named(change, message):
    with pytest.raises(WireError) as caught:
        prediction_from_dict(prediction_to_dict(PREDICTION) | change)
    assert str(caught.value) == message


def test_a_missing_field_of_a_prediction_is_named_and_an_unknown_one_passed_over():
    value = prediction_to_dict(PREDICTION)
    assert prediction_from_dict(value | {"later": 1}) == PREDICTION
    del value["model"]
    with pytest.raises(WireError, match=r"Missing required field - at `\$.model`"):
        prediction_from_dict(value)


@given(LETTERS)
@settings(max_examples=100, deadline=None)
def test_a_dead_letter_comes_back_and_fits_its_schema(letter):
    line = dead_letter_json(letter)
    assert "\n" not in line
    value = json.loads(line)
    assert value == dead_letter_to_dict(letter)
    jsonschema.validate(value, dead_letter_schema())
    assert dead_letter_from_dict(value) == letter


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "?"}, "Malformed base64 - at `$.data`"),
        ({"headers": {"a": 1}}, "Expected `str`, got `int` - at `$.headers.a`"),
        ({"time": 1.5}, "Expected `int`, got `float` - at `$.time`"),
        ({"stage": None}, "Expected `str`, got `null` - at `$.stage`"),
    ],
)
def test_a_wrong_field_of_a_dead_letter_is_named(change, message):
    value = dead_letter_to_dict(DeadLetter("ingest", "WireError", "no"))
    with pytest.raises(WireError) as caught:
        dead_letter_from_dict(value | change)
    assert str(caught.value) == message


@pytest.mark.parametrize("schema", [prediction_schema(), dead_letter_schema()])
def test_the_schemas_are_schemas(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
