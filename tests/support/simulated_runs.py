"""What crashes leave of the runs of a pipeline on a simulated log."""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from simulated_cases import Case, expect, make_pipeline
from simulated_log import Crash, SimulatedSink, SimulatedSource, World

from sensorium.host import PluginHost
from sensorium.plugin import Deadlines, TaskOutput
from sensorium.runtime import Line
from sensorium.runtime._microbatch import Microbatch, Worked
from sensorium.stages import Fused


class LazyFlight:
    """A flight without models, in which every micro-batch takes a random time."""

    def __init__(self, rng: random.Random, danger: Callable[[], None]) -> None:
        self._rng = rng
        self._danger = danger
        self._flying: deque[Microbatch] = deque()

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def full(self) -> bool:
        return len(self._flying) >= 3

    def submit(self, batch: Microbatch) -> None:
        self._danger()
        self._flying.append(batch)

    def landed(self) -> Iterator[Worked]:
        while self._flying and self._rng.random() < 0.5:
            self._danger()
            batch = self._flying.popleft()
            count = len(batch.sets)
            fused = Fused(np.arange(count), {"it": TaskOutput(values=np.zeros((count, 1)))})
            yield Worked(batch, fused, [], 0, 0)

    def wait(self, seconds: float) -> None:
        pass

    def close(self, *, abandon: bool = False) -> None:
        pass


class Process:
    """One engine process: what `make` gives is run on a thread, which goes on when it is told."""

    def __init__(self, make: Callable[[Callable[[], None]], Any]) -> None:
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._make = make
        self.executor: Any = None
        self.done = False
        self.error: BaseException | None = None
        self.crashed = False
        self.summary: Any = None
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let it run until it gives way again, or ends."""
        self._go.release()
        assert self._back.acquire(timeout=60), "a simulated process does not give way"

    def _give_way(self) -> None:
        self._back.release()
        self._go.acquire()

    def _main(self) -> None:
        self._go.acquire()
        try:
            self.executor = self._make(self._give_way)
            self.summary = self.executor.run()
        except Crash:
            self.crashed = True
        except BaseException as error:
            self.error = error
        finally:
            self.done = True
            self._back.release()


@dataclass
class Verdict:
    """What crashes left of a run."""

    crashes: int
    lost: set[str]
    repeated: set[str]
    wrong: set[str]
    extra: set[str]

    @property
    def faults(self) -> int:
        return len(self.lost) + len(self.repeated) + len(self.wrong) + len(self.extra)


def run_case(
    case: Case,
    seed: int,
    delivery: str,
    danger: float = 0.02,
    stale: float = 0.0,
    foresight: float = 0.0,
    changes: Sequence[Mapping[str, Any]] = (),
) -> Verdict:
    """Run the pipeline in one or two processes that die, come back and lose partitions.

    Each process has one of the `changes` in its policy, where there are any.
    """
    rng = random.Random(seed)
    choice = random.Random(f"changes {seed}")
    world = World(rng, case.partitions, case.margin, danger, stale, foresight)
    pipeline = make_pipeline(case, delivery)
    host = PluginHost(entry_points=[], modules=[])
    made: list[SimulatedSource] = []

    def make(give_way: Callable[[], None]) -> Line:
        source = SimulatedSource(world, give_way)
        made.append(source)
        flight = LazyFlight(rng, source.danger)
        sink = SimulatedSink(world, source)
        own = pipeline
        if changes:
            policy = case.policy.model_copy(update=choice.choice(changes))
            own = make_pipeline(replace(case, policy=policy), delivery)
        return Line(own, host, source, sink, flight, clock=lambda: world.now)

    running: list[Process] = []
    quiet = 0
    while quiet < 400 or not _everything_read(world):
        _let_time_pass(world, case)
        if len(running) < (rng.choice([1, 1, 2]) if world.danger else 1):
            running.append(Process(make))
        process = rng.choice(running)
        process.step()
        if process.done:
            running.remove(process)
            _bury(process, world, made)
        quiet = 0 if world.danger else quiet + 1
        assert quiet < 20_000, "the run does not come to its end"
    for process in running:
        process.executor.stop()
        while not process.done:
            process.step()
        _bury(process, world, made)
    if any("deadline" in change for change in changes):
        expect(case, {number: _in_force(world, number) for number in world.numbers})
    return _judge(case, world, delivery)


def _in_force(world: World, number: int) -> Deadlines:
    """All deadlines that a partition number ever had; a cut may leave out what is long past."""
    changes: dict[int, int] = {}
    now: Any = None
    until = None
    for cut in world.cuts[number]:
        assert cut.deadlines is not None
        if now not in (None, cut.deadlines.now) and until is not None:
            changes.setdefault(until, now)
        now, until = cut.deadlines.now, cut.newest
    return Deadlines(now, tuple(changes.items()))


def _let_time_pass(world: World, case: Case) -> None:
    world.now = min(world.now + world.rng.choice([0, 0, 1, 3]), case.end)
    if world.now == case.end:
        world.danger = 0.0
    if world.danger and world.members and world.chance(0.01):
        world.leave(world.rng.choice(world.members))  # it is slow, and taken for dead


def _bury(process: Process, world: World, made: list[SimulatedSource]) -> None:
    if process.error is not None:
        raise process.error
    world.crashes += process.crashed
    for source in made:
        if source.dead:
            world.leave(source)


def _everything_read(world: World) -> bool:
    for number in world.numbers:
        cut = world.stored([number])[number]
        if cut is None:
            return False
        for place, position in cut.positions.items():
            if any(entry.record for entry in world.partitions[place][position.next :]):
                return False
    return True


def _judge(case: Case, world: World, delivery: str) -> Verdict:
    counts = Counter(one.id for one in world.outputs)
    letters = Counter(letter.origin or "" for letter in world.letters)
    wrong = {
        one.id for one in world.outputs if one.id in case.expected and one != case.expected[one.id]
    }
    repeated = {it for it, count in (counts + letters).items() if count > 1}
    return Verdict(
        world.crashes,
        lost=(case.expected.keys() - counts.keys()) | (case.letters - letters.keys()),
        repeated=repeated if delivery == "exactly_once" else set(),
        wrong=wrong,
        extra=(counts.keys() - case.expected.keys()) | (letters.keys() - case.letters),
    )
