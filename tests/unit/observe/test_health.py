"""Live and ready, with a clock that is turned by hand."""

from __future__ import annotations

import threading

import pytest

from sensorium.observe import Health, HealthWatch, Journal, Waits


class Timer:
    """Seconds, turned by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def health(timer: Timer) -> Health:
    """Of a loop that runs."""
    health = Health(30, timer)
    health.phase = "running"
    health.enter()
    return health


def test_a_loop_that_turns_is_live_and_ready(health: Health, timer: Timer) -> None:
    timer.now += 30
    assert health.live() == (True, ())
    assert health.ready() == (True, ())


def test_a_loop_that_does_not_turn_is_neither_and_the_reason_says_where_it_is(
    health: Health, timer: Timer
) -> None:
    timer.now += 31
    live, [reason] = health.live()
    assert not live
    assert reason.startswith("the loop has not turned for 31 s; it is in ")
    assert ".py:" in reason
    assert health.ready() == (False, (reason,))


@pytest.mark.parametrize("place", ["source", "sink"])
def test_a_broker_that_is_slow_is_alive_but_not_ready(
    health: Health, timer: Timer, place: Waits
) -> None:
    health.enter(place)
    timer.now += 31
    assert health.live().ok
    assert health.ready() == (False, (f"the {place} has not answered for 31 s",))
    health.enter()
    assert health.ready().ok


def test_a_source_that_says_nothing_at_all_is_not_ready(health: Health, timer: Timer) -> None:
    for _ in range(400):  # it is asked again and again, as a Kafka client whose brokers are gone
        health.enter("source")
        timer.now += 0.1
        health.enter()
        health.source(silent=True)
    assert health.live().ok
    assert health.ready() == (False, ("the source has not answered for 40 s",))
    health.source(silent=False)  # nothing is there, and it says so
    assert health.ready().ok


def test_a_model_that_is_slow_is_alive_but_not_ready(health: Health, timer: Timer) -> None:
    health.models(64)
    for _ in range(400):  # the loop looks in on the models, and turns
        health.enter("models")
        timer.now += 0.1
        health.enter()
    assert health.live().ok
    assert health.ready() == (False, ("the models have given nothing back for 40 s",))
    assert health.models_silent == pytest.approx(40)
    health.models(32)  # something came back, something is left
    assert health.ready().ok
    health.models(0)
    timer.now += 100
    assert health.models_silent == 0


def test_what_is_not_ready_yet_is_alive(timer: Timer) -> None:
    health = Health(30, timer)
    timer.now += 1000  # loading may take as long as it takes
    assert health.live().ok
    assert health.ready() == (False, ("models are being loaded",))
    health.phase = "starting"
    health.enter("source")
    assert health.ready().reasons == ("the source has not assigned partitions yet",)
    health.phase = "running"
    health.partitions = 0
    assert health.ready().reasons == ("no partition is assigned to this process",)
    health.partitions = 2
    assert health.ready().ok
    health.phase = "stopping"
    assert health.ready().reasons == ("it is stopping",)


def test_changes_are_told_once_and_only_while_it_runs(
    health: Health, timer: Timer, caplog: pytest.LogCaptureFixture
) -> None:
    watch = HealthWatch(health, Journal("p", ["a"]))
    health.partitions = 0
    with caplog.at_level("INFO", logger="sensorium"):
        watch.look()  # it has not been ready yet
        health.partitions = 1
        watch.look()
        health.source(silent=True)
        timer.now += 31
        health.enter()
        watch.look()
        watch.look()
        health.source(silent=False)
        watch.look()
        health.phase = "stopping"
        watch.look()
    assert [(it.levelname, it.getMessage()) for it in caplog.records] == [
        ("WARNING", "not ready: the source has not answered for 31 s"),
        ("INFO", "ready again"),
    ]


def test_it_looks_by_itself(health: Health, timer: Timer, caplog: pytest.LogCaptureFixture) -> None:
    looked = threading.Event()

    class Looking(HealthWatch):
        def look(self) -> None:
            super().look()
            looked.set()

    with (
        caplog.at_level("INFO", logger="sensorium"),
        Looking(health, Journal("p", ["a"]), every=0.001),
    ):
        assert looked.wait(20)
        health.source(silent=True)
        timer.now += 31
        for _ in range(3):  # one may have been on its way
            looked.clear()
            assert looked.wait(20)
    [told] = caplog.records
    assert told.getMessage().startswith("not ready: ")
