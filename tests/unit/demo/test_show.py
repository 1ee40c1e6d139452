import io

from sensorium.demo._scoreboard import Scoreboard
from sensorium.demo._show import PlainDisplay
from sensorium.events import AlignedSet, Event, Prediction, TaskResult

SECOND = 1_000_000_000


def prediction(key: str, label: str, at: int) -> tuple[Prediction, AlignedSet]:
    members = {"accel": (Event("accel", key, at),)}
    aligned = AlignedSet(key, at, members, id=f"{key}{at}", start=at, end=at + 2 * SECOND)
    result = TaskResult(label=label, score=0.75)
    return Prediction(
        aligned.id, "watch", key, at, {"exercise": result}, {"accel": ("a",)}
    ), aligned


def board() -> Scoreboard:
    ticks = iter(range(0, 1000 * SECOND, SECOND))
    truth = {"a": "PEN", "b": "ROW"}
    return Scoreboard(
        "exercise",
        lambda key, time: truth[key],
        10 * SECOND,
        110 * SECOND,
        lambda: next(ticks),
    )


def test_right_and_wrong_are_counted() -> None:
    shown = board()
    for key, label in (("a", "PEN"), ("b", "PEN"), ("b", "ROW"), ("a", "PEN")):
        made, aligned = prediction(key, label, 20 * SECOND)
        shown.take([made], [aligned])
    assert (shown.predictions, shown.right, shown.accuracy) == (4, 3, 0.75)
    assert [it.verdict for it in shown.newest] == ["right", "wrong", "right", "right"]


def test_before_the_first_prediction_there_is_no_accuracy() -> None:
    assert (board().accuracy, board().latency_ms, board().events_per_s) == (None, None, 0.0)


def test_progress_lag_and_latency() -> None:
    shown = board()
    shown.sensorium_on_events("watch", [Event("accel", "a", 30 * SECOND, arrived=35 * SECOND)])
    made, aligned = prediction("a", "PEN", 31 * SECOND)
    shown.sensorium_on_sets("watch", [aligned])
    shown.take([made], [aligned])
    assert shown.progress == 0.25
    assert shown.lag == 2 * SECOND
    assert shown.latency_ms == 1000.0


def test_plain_lines_say_how_far_it_is_and_the_newest_prediction() -> None:
    out = io.StringIO()
    shown = board()
    seconds = iter([0.0, 0.1, 0.2, 0.3])
    with PlainDisplay(out, lambda: next(seconds)).watching(shown) as update:
        update()
        for arrived in (35, 36):  # a quarter of the recording, then hardly more
            shown.sensorium_on_events("w", [Event("accel", "a", 0, arrived=arrived * SECOND)])
            made, aligned = prediction("b", "PEN", 31 * SECOND)
            shown.take([made], [aligned])
            update()
    lines = out.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("00:25 (25%) 1 predictions, accuracy 0.000, ")
    assert lines[0].endswith("; b at 00:21: PEN 0.75 from accel, wrong")
