from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.errors import WireError
from sensorium.wire._times import read_duration, read_time


@pytest.mark.parametrize(
    ("value", "unit", "nanoseconds"),
    [
        (5, "ns", 5),
        (-5, "us", -5_000),
        (1.5, "s", 1_500_000_000),
        (0.1, "ms", 100_000),
        (Decimal("1700000000.123456789"), "s", 1_700_000_000_123_456_789),
        (Decimal("0.5"), "ns", 0),
        (Decimal("1.5"), "ns", 2),
        (Decimal("0e999999"), "s", 0),
        (Decimal("1e-999999"), "s", 0),
        ("1700000000123", "ms", 1_700_000_000_123_000_000),
        ("1.5e3", "ms", 1_500_000_000),
        ("1970-01-01T00:00:01Z", "ms", 1_000_000_000),
        ("1970-01-01t00:00:01.5z", "ns", 1_500_000_000),
        ("1970-01-01 01:00:00.000000001+01:00", "ns", 1),
        ("1969-12-31T23:59:59.999999999-0000", "ns", -1),
        ("1970-01-01T00:00:00,1234567890Z", "ns", 123_456_789),
    ],
)
def test_times_are_read(value, unit, nanoseconds):
    assert read_time(value, unit, "$.time") == nanoseconds


@given(st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_iso_text_is_exact_to_the_microsecond(moment):
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    expected = ((delta.days * 86_400 + delta.seconds) * 10**6 + delta.microseconds) * 1000
    assert read_time(moment.isoformat(), "ns", "$") == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "got `bool`"),
        (None, "got `null`"),
        ([], "got `list`"),
        (float("nan"), "Expected a finite time"),
        (float("inf"), "Expected a finite time"),
        (2**63, "within 64 bits"),
        (1e300, "within 64 bits"),
        (Decimal("1e999999999"), "within 64 bits"),
        ("9" * 40, "within 64 bits"),
        ("9" * 4000, "Expected a time as ISO 8601"),
        ("2024-05-01T12:00:00", "Expected a time as ISO 8601 with its zone"),
        ("2024-02-30T12:00:00Z", "Expected a time that exists"),
        ("2024-02-20T12:00:60Z", "Expected a time that exists"),
        ("2024-02-20T12:00:00+99:00", "Expected a zone between"),
        ("9999-01-01T00:00:00Z", "within 64 bits"),
        ("", "Expected a time as ISO 8601"),
    ],
)
def test_what_is_no_time_is_refused(value, message):
    with pytest.raises(WireError, match=message) as caught:
        read_time(value, "ns", "$.time")
    assert caught.value.field == "$.time"


@pytest.mark.parametrize(
    ("value", "ns"), [(20, 20_000_000), ("250ms", 250_000_000), ("0.5", 500_000)]
)
def test_durations_are_read(value, ns):
    assert read_duration(value, "ms", "$") == ns


@pytest.mark.parametrize(
    "value", [-1, "-5ms", "inf", "soon", None, True, [], 2**70, "1" * 99 + "d"]
)
def test_what_is_no_duration_is_refused(value):
    with pytest.raises(WireError):
        read_duration(value, "ns", "$.duration")
