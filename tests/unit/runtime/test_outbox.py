"""What leaves keeps its order, whatever the flight takes, and waits for room in larger pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import perf_counter_ns

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.events import AlignedSet
from sensorium.runtime._lane import Marker
from sensorium.runtime._microbatch import Microbatch, Worked
from sensorium.runtime._outbox import Outbox
from sensorium.stages import Fused

HOUR = 3_600_000_000_000
SIZE = 4


class Room:
    """A flight whose micro-batches land when they are told to, and say that they took so long."""

    def __init__(self, limit: int, milliseconds: int = 0) -> None:
        self._limit = limit
        self._took = milliseconds * 1_000_000
        self.submitted: list[int] = []
        self._flying: deque[Microbatch] = deque()
        self._done = 0

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def full(self) -> bool:
        return len(self._flying) >= self._limit

    def submit(self, batch: Microbatch) -> None:
        assert not self.full
        self.submitted.append(len(batch.sets))
        self._flying.append(batch)

    def land(self) -> None:
        self._done = min(self._done + 1, len(self._flying))

    def landed(self) -> Iterator[Worked]:
        while self._done:
            self._done -= 1
            batch, fused = self._flying.popleft(), Fused(np.zeros(0, np.intp), {})
            yield Worked(batch, fused, [], self._took * len(batch.sets) // SIZE, 0)

    def wait(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")

    def close(self, *, abandon: bool = False) -> None:
        pass


def outbox_of(room: Room) -> Outbox:
    return Outbox(room, SIZE, HOUR, lambda sets: None)


def a_set(number: int) -> AlignedSet:
    return AlignedSet("k", number, {})


def fill(outbox: Outbox, numbers: range) -> None:
    for number in numbers:
        outbox.add(a_set(number), perf_counter_ns(), 0)


def test_with_room_a_full_micro_batch_goes_at_once() -> None:
    room = Room(limit=3)
    fill(outbox_of(room), range(3 * SIZE))
    assert room.submitted == [SIZE] * 3


@pytest.mark.parametrize(
    ("sets", "then"), [(3, []), (4, [4]), (7, [7]), (32, [32]), (33, [32]), (36, [32, 4])]
)
def test_what_waits_for_room_goes_as_one_up_to_eight_micro_batches(
    sets: int, then: list[int]
) -> None:
    room = Room(limit=1)
    outbox = outbox_of(room)
    fill(outbox, range(SIZE + sets))
    for _ in range(3):
        room.land()
        list(outbox.take())
        outbox.launch()
    assert room.submitted == [SIZE, *then]


@pytest.mark.parametrize(("milliseconds", "then"), [(25, 32), (50, 16), (70, 8), (900, 4)])
def test_slow_models_get_no_more_as_one_than_they_take_in_a_while(
    milliseconds: int, then: int
) -> None:
    room = Room(1, milliseconds)
    outbox = outbox_of(room)
    fill(outbox, range(SIZE))
    room.land()
    list(outbox.take())
    fill(outbox, range(SIZE, 10 * SIZE))
    room.land()
    list(outbox.take())
    outbox.launch()
    # The second went at once, with room; those after it waited.
    assert room.submitted == [SIZE, SIZE, then]


def test_a_marker_is_not_gone_beyond() -> None:
    room = Room(limit=1)
    outbox = outbox_of(room)
    fill(outbox, range(SIZE + 5))
    outbox.add_marker(Marker({}))
    fill(outbox, range(SIZE + 5, SIZE + 8))
    room.land()
    list(outbox.take())
    outbox.launch()
    assert room.submitted == [SIZE, 5]


def test_how_many_wait_may_be_asked_while_sets_are_put_in() -> None:
    """As by a thread that takes its turn between one batch and the next."""
    outbox = outbox_of(Room(limit=0))
    fill(outbox, range(SIZE))

    class Interrupted(list[AlignedSet]):
        def __len__(self) -> int:
            outbox.seal()
            fill(outbox, range(SIZE, SIZE + 1))
            return super().__len__()

    outbox._waiting[0].sets = Interrupted(outbox._waiting[0].sets)
    assert outbox.waiting == SIZE
    assert outbox.waiting > SIZE


Step = st.sampled_from(["set", "set", "set", "marker", "letter", "land", "take", "launch"])


@given(limit=st.integers(1, 3), steps=st.lists(Step, max_size=200))
def test_the_order_is_kept(limit: int, steps: list[str]) -> None:
    room = Room(limit)
    outbox = outbox_of(room)
    put: list[int | str] = []
    out: list[int | str] = []

    def take() -> None:
        for item in outbox.take():
            if isinstance(item, Worked):
                out.extend(it.time for it in item.batch.sets)
            elif isinstance(item, Marker):
                out.append("marker")

    for number, step in enumerate(steps):
        if step == "set":
            put.append(number)
            outbox.add(a_set(number), perf_counter_ns(), 0)
        elif step == "marker":
            put.append("marker")
            outbox.add_marker(Marker({}))
        elif step == "letter":
            outbox.add_letters([])
        elif step == "land":
            room.land()
        elif step == "take":
            take()
        else:
            outbox.launch()
    outbox.seal()
    while outbox:
        outbox.launch()
        room.land()
        take()
    assert out == put
    assert (outbox.sets, outbox.bytes) == (0, 0)
    assert max(room.submitted, default=0) <= 8 * SIZE
