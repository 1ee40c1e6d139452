"""Processes die, lose partitions and come back: what comes out is what an undisturbed run gives.

The log is simulated, the line is real. Each run has some twenty crashes, at any point at which a
process touches the log, the sink or the models. Three deliberate errors show that the comparison
can fail.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from simulated_cases import Case, make_case
from simulated_log import SimulatedSource
from simulated_runs import run_case

from sensorium.align import Carry, horizon
from sensorium.durations import INFINITY
from sensorium.errors import RunError
from sensorium.plugin import Cut, CutPosition, Deadlines, Source, TopicPartition
from sensorium.runtime._delivery import Delivery
from sensorium.runtime._intake import Intake
from sensorium.runtime._lane import Lane, Marked
from sensorium.runtime._outbox import Outbox

RUNS = 400 if os.environ.get("SENSORIUM_SOAK") == "1" else 12
#: Seeds on which a deliberate error shows; too short a horizon needs records at its very edge.
CONTROLS = (83, 0, 115, 10, 15, 29)
CARRYING_CONTROLS = (10, 22, 75)
DEADLINES = [{"deadline": deadline} for deadline in (0, 4, 10, 25)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Commits fail by the thousand here, and each says so."""
    log = logging.getLogger("sensorium")
    before = log.level
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(before)


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("seed", range(RUNS))
def test_crashes_change_nothing(seed: int, delivery: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(seed)
    if seed % 2:
        _hesitate(monkeypatch, seed)
    verdict = run_case(case, seed, delivery)
    assert verdict.crashes
    assert verdict.faults == 0, verdict


@pytest.mark.parametrize("seed", range(RUNS))
def test_crashes_change_nothing_where_state_is_carried(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(seed, carries=True)
    if seed % 2:
        _hesitate(monkeypatch, seed)
    verdict = run_case(case, seed, "exactly_once", stale=0.1 if seed % 3 == 0 else 0.0)
    assert verdict.crashes
    assert verdict.faults == 0, verdict


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("seed", range(RUNS // 3))
def test_a_cut_that_is_told_too_late_repeats_nothing(seed: int, delivery: str) -> None:
    assert run_case(make_case(seed), seed, delivery, stale=0.2).faults == 0


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("seed", range(RUNS))
def test_what_is_read_ahead_of_an_assignment_changes_nothing(seed: int, delivery: str) -> None:
    verdict = run_case(make_case(seed), seed, delivery, foresight=0.8)
    assert verdict.crashes
    assert verdict.faults == 0, verdict


@pytest.mark.parametrize("seed", range(RUNS))
def test_what_is_carried_is_read_ahead_too(seed: int) -> None:
    case = make_case(seed, carries=True)
    stale = 0.1 if seed % 3 == 0 else 0.0
    verdict = run_case(case, seed, "exactly_once", stale=stale, foresight=0.8)
    assert verdict.crashes
    assert verdict.faults == 0, verdict


def _with_deadline(seed: int, *, carries: bool) -> Case:
    """A case to which a deadline can be given, and another one."""
    while True:
        case = make_case(seed, carries=carries)
        if carries or case.policy.batches:  # sessions: see `_policy`
            if case.policy.deadline == INFINITY:
                case.policy = case.policy.model_copy(update={"deadline": 4})
            return case
        seed += 1000


@pytest.mark.parametrize("carries", [False, True])
@pytest.mark.parametrize("seed", range(RUNS // 2))
def test_a_deadline_that_changes_loses_and_repeats_nothing(seed: int, carries: bool) -> None:
    case = _with_deadline(seed, carries=carries)
    foresight = 0.5 if seed % 2 else 0.0
    verdict = run_case(case, seed, "exactly_once", foresight=foresight, changes=DEADLINES)
    assert verdict.crashes
    assert verdict.faults == 0, verdict


def test_a_deadline_that_changed_for_what_was_read_before_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Deadlines, "then", lambda self, now, until: Deadlines(now))
    verdicts = []
    for seed in range(6):
        case = _with_deadline(seed, carries=False)
        verdicts.append(run_case(case, seed, "exactly_once", changes=DEADLINES))
    assert any(verdict.faults for verdict in verdicts)


@pytest.mark.parametrize("seed", range(RUNS // 2))
def test_another_policy_repeats_nothing_and_buries_nothing_again(seed: int) -> None:
    """Which sets are given up is said elsewhere: nobody expects any here."""
    case = _without_a_future(seed)
    case.expected = {}
    changes = [{"require": "any"}, {"require": [*case.specs][:1]}]
    verdict = run_case(case, seed, "exactly_once", changes=changes)
    assert verdict.crashes
    assert not verdict.lost
    assert not verdict.repeated


def _without_a_future(seed: int) -> Case:
    """A case without events that are stamped ahead of the log: they may be in a set by then."""
    while True:
        case = make_case(seed)
        if not any(spec.max_future or spec.offset for spec in case.specs.values()):
            return case
        seed += 1000


def test_what_was_read_ahead_up_to_another_cut_must_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assign = Intake.assign

    def believing(intake: Intake, stored: Mapping[int, Cut | None]) -> None:
        for number, lane in intake._foreseen.items():
            lane.stored = stored.get(number)
        assign(intake, stored)

    monkeypatch.setattr(Intake, "assign", believing)
    verdicts = [run_case(make_case(it), it, "exactly_once", foresight=0.8) for it in range(8)]
    assert any(verdict.faults for verdict in verdicts)


def test_without_a_look_before_the_first_commit_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedSource, "confirm", Source.confirm)
    verdicts = [run_case(make_case(it), it, "exactly_once", stale=0.2) for it in range(4)]
    assert any(verdict.repeated for verdict in verdicts)


def _hesitate(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Have several cuts on their way, as with slow models, and commits that wait for newer ones."""
    rng = random.Random(seed)
    monkeypatch.setattr("sensorium.runtime._delivery._BATCHES_BETWEEN", 0)

    def sometimes(delivery: Delivery) -> None:
        if rng.random() < 0.3:
            delivery.commit()

    monkeypatch.setattr(Delivery, "_commit_if_due", sometimes)


def _halve_the_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sensorium.runtime._intake.horizon",
        lambda policy, specs, deadlines=None: horizon(policy, list(specs), deadlines) // 2,
    )


def _forget_log_times(monkeypatch: pytest.MonkeyPatch) -> None:
    restore = Lane.restore

    def forgetting(lane: Lane) -> Mapping[TopicPartition, int]:
        restore(lane)
        return {}

    monkeypatch.setattr(Lane, "restore", forgetting)


def _commit_early(monkeypatch: pytest.MonkeyPatch) -> None:
    def jump(outbox: Outbox, marker: Any) -> None:
        outbox._line.appendleft(marker)

    monkeypatch.setattr(Outbox, "add_marker", jump)


def _carry_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Carry, "load", lambda self, known, void=(): None)


def _carry_only_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two cuts that are committed together, forget what changed before the first."""
    monkeypatch.setattr(Marked, "after", lambda self, earlier: self)


@pytest.mark.parametrize("error", [_carry_nothing, _carry_only_the_last])
def test_a_deliberate_error_in_carrying_is_found(
    error: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    error(monkeypatch)
    for seed in CARRYING_CONTROLS:
        _hesitate(monkeypatch, seed)
        if run_case(make_case(seed, carries=True), seed, "exactly_once").faults:
            return
    pytest.fail("no run shows the error")


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("error", [_halve_the_horizon, _forget_log_times, _commit_early])
def test_a_deliberate_error_is_found(
    error: Callable[[pytest.MonkeyPatch], None], delivery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error(monkeypatch)
    for seed in CONTROLS:
        if run_case(make_case(seed), seed, delivery).faults:
            return
    pytest.fail("no run shows the error")


PLACES = [TopicPartition("a", 3), TopicPartition("b", 3)]


def commits(cut: Cut) -> dict[TopicPartition, tuple[int, str]]:
    return {place: (it.offset, cut.metadata(place)) for place, it in cut.positions.items()}


def test_a_cut_is_read_back_from_what_is_committed() -> None:
    positions = {PLACES[0]: CutPosition(5, 9, -3), PLACES[1]: CutPosition(0, 0, None)}
    changed = Deadlines(5, ((100, 7), (200, 0)))
    for deadlines in (None, Deadlines(5), changed):
        cut = Cut(7, positions, "0123456789abcdef", 12, deadlines)
        assert Cut.read(commits(cut)) == cut
    assert Cut.read({}) is None
    huge = 2**63
    largest = Cut(huge, {PLACES[0]: CutPosition(huge, huge, huge)}, "f" * 16, huge, Deadlines(huge))
    assert len(largest.metadata(PLACES[0])) < 180


def test_however_often_a_deadline_changes_a_cut_can_be_committed() -> None:
    deadlines = Deadlines(0)
    for number in range(1000):
        deadlines = deadlines.then(number % 2 * 10**18, until=10**18 + number)
    positions = {PLACES[0]: CutPosition(2**63, 2**63, 2**63)}
    assert len(Cut(2**63, positions, "f" * 16, 2**63, deadlines).metadata(PLACES[0])) < 1000


def test_a_torn_cut_is_refused() -> None:
    one, two = (
        commits(Cut(serial, {place: CutPosition(0, 1, 2) for place in PLACES}, "f"))
        for serial in (4, 5)
    )
    with pytest.raises(RunError, match=r"a\[3\] is of cut 4; b\[3\] is of cut 5"):
        Cut.read({PLACES[0]: one[PLACES[0]], PLACES[1]: two[PLACES[1]]})


def test_offsets_of_others_are_refused() -> None:
    with pytest.raises(RunError, match=r"a\[3\] was not written by.*choose a `group` of its own"):
        Cut.read({PLACES[0]: (4, "theirs")})
