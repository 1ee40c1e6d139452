"""Cases from the tests of other systems, told with our events.

Only inputs and expected outputs are taken over. What these systems call a watermark W (nothing up
to W comes any more) is an explicit bound of W + 1 here; where they are lenient with single windows
it is a log time of W + 2, since a deadline has passed only when the log time is greater.

- MediaPipe, Apache-2.0: mediapipe/framework/stream_handler/sync_set_input_stream_handler_test.cc
- Platform for Situated Intelligence (psi), MIT: Sources/Runtime/Test.Psi/InterpolatorTests.cs and
  JoinTests.cs
- Apache Kafka Streams, Apache-2.0: streams/src/test/java/org/apache/kafka/streams/kstream/, there
  internals/KStreamKStreamJoinTest.java and KStreamSessionWindowAggregateProcessorTest.java
- Apache Flink, Apache-2.0: flink-streaming-java/src/test/java/org/apache/flink/streaming/,
  there api/operators/co/IntervalJoinOperatorTest.java and, in runtime/operators/windowing/,
  SlidingEventTimeWindowsTest.java and WindowOperatorTest.java
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from sensorium.align import Aligner, Exact, Nearest, Policy, StreamSpec, Window
from sensorium.durations import INFINITY
from sensorium.events import AlignedSet, Event, Fate

OPEN = StreamSpec(lateness="inf")


def aligner_of(policy: Policy, streams: str, spec: StreamSpec | None = None) -> Aligner:
    return Aligner(policy, dict.fromkeys(streams, spec or StreamSpec()))


def event(stream: str, time: int, key: str = "k", arrived: int = 0, name: str = "") -> Event:
    return Event(stream, key, time, id=name or f"{stream}{time}", arrived=arrived)


def times(one: AlignedSet) -> dict[str, list[int]]:
    return {stream: [part.time for part in parts] for stream, parts in one.members.items()}


# -- MediaPipe: exact times, bounds per stream ----------------------------------------------------

#: Per packet its stream and time (None: the stream is closed), and the sets that it settles.
ACE = [
    ("a", 0, []), ("c", 0, []), ("a", 10, []), ("e", 0, ["0 ace"]), ("c", 10, []),
    ("e", 10, ["10 ace"]), ("e", 20, []), ("a", 20, []), ("c", 20, ["20 ace"]), ("c", 30, []),
    ("a", 30, []), ("a", 40, []), ("a", 50, []), ("c", 40, []), ("a", None, []),
    ("e", 40, ["30 ac", "40 ace"]), ("c", 50, []), ("e", 50, ["50 ace"]), ("c", 60, []),
    ("c", 70, []), ("c", None, []), ("e", None, ["60 c", "70 c"]),
]  # fmt: skip
BD = [
    ("b", -300, []), ("b", -200, []), ("b", -100, []), ("d", -200, ["-300 b", "-200 bd"]),
    ("d", -20, ["-100 b"]), ("d", -10, []), ("b", 0, ["-20 d", "-10 d"]), ("d", 0, ["0 bd"]),
    ("d", 10, []), ("b", 10, ["10 bd"]), ("b", 20, []), ("d", 200, ["20 b"]),
    ("b", 100, ["100 b"]), ("b", 200, ["200 bd"]), ("b", 250, []), ("b", 300, []),
    ("d", None, ["250 b", "300 b"]), ("b", None, []),
]  # fmt: skip


@pytest.mark.parametrize("packets", [ACE, BD], ids=["a c e", "b d"])
def test_mediapipe_gives_each_timestamp_as_soon_as_it_is_settled(
    packets: Sequence[tuple[str, int | None, list[str]]],
) -> None:
    streams = "".join(sorted({stream for stream, _, _ in packets}))
    aligner = aligner_of(Exact(require="any"), streams)
    for stream, time, expected in packets:
        sets = aligner.close(stream) if time is None else aligner.add(event(stream, time))
        assert [f"{one.time} {''.join(one.members)}" for one in sets] == expected


# -- psi: the nearest in an interval --------------------------------------------------------------

INF = INFINITY
#: Before, after, the time of the primary, and which of 10, 20 and 30 goes with it: None is
#: "does not exist", and "?" is "insufficient data": a better one may still come.
BEST = [
    (INF, INF, 100, "?"), (INF, INF, 9, 10), (INF, INF, 14, 10), (INF, INF, 15, 20),
    (INF, INF, 26, 30),
    (INF, 0, 100, "?"), (INF, 0, 9, None), (INF, 0, 14, 10), (INF, 0, 15, 10), (INF, 0, 26, 20),
    (0, INF, 100, "?"), (0, INF, 9, 10), (0, INF, 14, 20), (0, INF, 15, 20), (0, INF, 26, 30),
    (5, 5, 36, "?"), (5, 5, 35, "?"), (5, 5, 4, None), (5, 5, 5, 10), (5, 5, 14, 10),
    (5, 5, 15, 20), (5, 5, 26, 30),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "time", "expected"), BEST)
def test_psi_matches_the_best_once_it_is_certain(
    before: float, after: float, time: int, expected: int | str | None
) -> None:
    policy = Nearest(primary="a", before=before, after=after, require="any")
    aligner = aligner_of(policy, "ab")
    sets = [one for at in (10, 20, 30) for one in aligner.add(event("b", at))]
    sets += aligner.add(event("a", time))
    if expected == "?":
        assert sets == []
    else:
        (one,) = sets
        assert times(one).get("b") == (None if expected is None else [expected])


def joined(before: float, after: float, a: Sequence[int], b: Sequence[int]) -> list[list[int]]:
    policy = Nearest(primary="a", before=before, after=after)
    aligner = aligner_of(policy, "ab", OPEN)
    events = [*(event("a", time) for time in a), *(event("b", time) for time in b)]
    sets = [times(one) for one in aligner.add_all(events) + aligner.close()]
    return sorted(one["a"] + one["b"] for one in sets)


def test_psi_joins_the_last_message_of_a_stream_that_is_closed() -> None:
    pairs = joined(INF, INF, range(0, 1000, 100), range(0, 500, 50))
    assert [(a // 100, b // 50) for a, b in pairs] == [
        (0, 0), (1, 2), (2, 4), (3, 6), (4, 8), (5, 9), (6, 9), (7, 9), (8, 9), (9, 9),
    ]  # fmt: skip


def test_psi_joins_streams_of_different_rates() -> None:
    fast, slow = range(0, 300, 10), range(0, 300, 100)
    both = [[0, 0], [100, 100], [200, 200]]
    assert joined(5, 5, fast, slow) == both
    assert joined(5, 5, slow, fast) == both


# -- Kafka Streams: windowed joins and sessions ---------------------------------------------------


@pytest.mark.parametrize(
    ("time", "keys"),
    [(1100, "0123"), (1101, "123"), (1102, "23"), (1103, "3"), (1104, ""), (899, ""), (900, "0")],
)
def test_kafka_streams_joins_within_the_window_on_both_sides(time: int, keys: str) -> None:
    aligner = aligner_of(Nearest(primary="a", before=100, after=100), "ab", OPEN)
    events = [(event("a", 1000 + n, str(n)), event("b", time, str(n))) for n in range(4)]
    sets = aligner.add_all([one for pair in events for one in pair]) + aligner.close()
    assert "".join(sorted(one.key for one in sets)) == keys


GAP = 5 * 60 * 1000
SESSIONS: Mapping[str, tuple[Sequence[int], Sequence[tuple[int, int]]]] = {
    "CreateSingleSessionWhenWithinGap": ([0, 500], [(0, 2)]),
    "MergeSessions": ([0, GAP + 1, GAP // 2], [(0, 3)]),
    "UpdateSessionIfTheSameTime": ([0, 0], [(0, 2)]),
    "MultipleSessionsApartBySessionGap": (
        [0, GAP + 1, GAP + 1, *[2 * GAP + 2] * 3],
        [(0, 1), (GAP + 1, 2), (2 * GAP + 2, 3)],
    ),
    "MultipleSessionsAndMerging, a": (
        [0, GAP + 1, GAP + 1 + GAP // 2],
        [(0, 1), (GAP + 1, 2)],
    ),
    "MultipleSessionsAndMerging, c": ([0, GAP + 1 + GAP // 2], [(0, 1), (GAP + 1 + GAP // 2, 1)]),
    "MultipleSessionsAndMerging, d": ([0, GAP // 2], [(0, 2)]),
}


@pytest.mark.parametrize("name", SESSIONS)
def test_kafka_streams_sessions(name: str) -> None:
    at, expected = SESSIONS[name]
    aligner = aligner_of(Window(gap=GAP, max_length="inf"), "a", OPEN)
    aligner.add_all([event("a", time, name=f"{n}") for n, time in enumerate(at)])
    assert [(one.time, len(one.members["a"])) for one in aligner.close()] == expected


# -- Flink: interval join, window assigners, sessions, lateness ------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "pairs"),
    [
        (1, 1, "11 12 21 22 23 32 33 34 43 44"),  # -1 and 1, inclusive
        (0, 0, "11 22 33 44"),  # -1 and 1, exclusive
    ],
)
def test_flink_joins_what_lies_in_the_interval(before: int, after: int, pairs: str) -> None:
    def fits(a: int, b: int) -> bool:
        return bool(joined(before, after, [a], [b]))

    every = range(1, 5)
    assert " ".join(f"{a}{b}" for a in every for b in every if fits(a, b)) == pairs


@pytest.mark.parametrize(
    ("offset", "time", "first"),
    [
        (0, 0, -4000), (0, 4999, 0), (0, 5000, 1000),
        (100, 100, -3900), (100, 5099, 100), (100, 5100, 1100),
        (-100, 0, -4100), (-100, 4899, -100), (-100, 4900, 900),
        (500, 100, -4500), (500, 5499, 500), (500, 5100, 500),
    ],
)  # fmt: skip
def test_flink_assigns_sliding_windows(offset: int, time: int, first: int) -> None:
    aligner = aligner_of(Window(size=5000, hop=1000, offset=offset), "a")
    aligner.add(event("a", time))
    starts = [(one.start, one.end) for one in aligner.close()]
    assert starts == [(first + n * 1000, first + n * 1000 + 5000) for n in range(5)]


def test_flink_sessions_go_on_after_a_snapshot() -> None:
    aligner = aligner_of(Window(gap=3000, max_length="inf"), "a", OPEN)
    aligner.add_all([event("a", time, "2") for time in (0, 1000, 2500)])
    aligner.add_all([event("a", time, "1") for time in (10, 1000)])
    aligner = Aligner.restore(aligner.snapshot())
    aligner.add(event("a", 2500, "1"))
    aligner.add_all(
        [event("a", t, "2", name=f"{n}") for n, t in enumerate([5501, 6000, 6000, 6050])]
    )
    sets = aligner.advance("a", 12001)
    aligner.add_all([event("a", 15000, "2", name=name) for name in "xy"])
    sets += aligner.advance("a", 18001)
    assert [(one.key, one.start, len(one.members["a"])) for one in sets] == [
        ("2", 0, 3), ("1", 10, 3), ("2", 5501, 4), ("2", 15000, 2),
    ]  # fmt: skip


def test_flink_puts_aside_what_is_late_for_a_tumbling_window() -> None:
    aligner = aligner_of(Window(size=2000, deadline=0, on_late="dead-letter"), "a", OPEN)
    sets, watermark = [], 0
    for time, then in [(1000, 1985), (1980, 1999), (1998, 1999), (2001, 3999)]:
        sets += aligner.add(event("a", time, arrived=watermark + 2))
        sets += aligner.progress("a", (watermark := then) + 2)
    assert [times(one)["a"] for one in sets] == [[1000, 1980], [2001]]
    assert [late.time for late in aligner.take_late()] == [1998]


def test_flink_takes_what_is_late_for_one_window_into_the_others_over_it() -> None:
    policy = Window(size=3000, hop=1000, deadline=0, on_late="dead-letter")
    aligner = aligner_of(policy, "a", OPEN)
    sets: list[AlignedSet] = []
    watermark = 0

    def add(key: str, *at: int) -> None:
        for time in at:
            name = f"{key}/{aligner.fates.total()}"
            sets.extend(aligner.add(event("a", time, key, watermark + 2, name)))

    for key, at, then in [("2", (1000,), 1999), ("2", (2000,), 3000)]:
        add(key, *at)
        sets += aligner.progress("a", (watermark := then) + 2)
    add("1", 3001)
    add("2", 2400, 2400)
    add("1", 3001)
    add("2", 3900)
    sets += aligner.progress("a", (watermark := 6000) + 2)
    add("1", 3001)
    sets += aligner.progress("a", 25_002)
    assert sorted((one.key, one.end, len(one.members["a"])) for one in sets) == [
        ("1", 4000, 2), ("1", 5000, 2), ("1", 6000, 2), ("2", 2000, 1), ("2", 3000, 2),
        ("2", 4000, 5), ("2", 5000, 4), ("2", 6000, 1),
    ]  # fmt: skip
    assert [late.time for late in aligner.take_late()] == [3001]


def test_flink_fires_again_within_the_allowed_lateness() -> None:
    policy = Window(size=2000, deadline=0, on_late="revise", revise_within=500)
    aligner = aligner_of(policy, "a", OPEN)
    sets, watermark = [], 0
    for time, then in [(500, 1500), (1300, 2300), (1997, 6000), (1998, 7000)]:
        sets += aligner.add(event("a", time, arrived=watermark + 2))
        sets += aligner.progress("a", (watermark := then) + 2)
    # Flink's trigger purges, so it fires with 1997 alone; a revision is the whole set.
    assert [(times(one)["a"], one.revision) for one in sets] == [
        ([500, 1300], 0),
        ([500, 1300, 1997], 1),
    ]
    assert aligner.fates == {Fate.MATCHED: 3, Fate.LATE: 1}
