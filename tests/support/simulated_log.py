"""A log in memory with partitions, a consumer group and transactions, read by real lines that die.

Every process is a `Line` on a thread of its own, but only one runs at a time: it gives way in
every poll, and the world's random numbers say who goes on. So a run is determined by its seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sensorium.errors import CommitError
from sensorium.events import DeadLetter, Prediction
from sensorium.plugin import (
    Assignee,
    Batch,
    Cut,
    PluginConfig,
    Record,
    Sink,
    Source,
    TopicPartition,
)


class Crash(BaseException):
    """The process is dead from here on."""


@dataclass
class Entry:
    """What lies at one offset: a record, or None where a transaction ended."""

    appended: int
    stamped: int
    record: Record | None


@dataclass
class World:
    """The log, its group, and what readers of committed records see of the outputs."""

    rng: random.Random
    partitions: Mapping[TopicPartition, Sequence[Entry]]
    margin: int = 0
    danger: float = 0.0
    """How probable a crash, and a failed commit, is at each point where it may happen."""
    stale: float = 0.0
    """How probable it is that a member is told an older cut than the stored one."""
    foresight: float = 0.0
    """How probable it is that a new member is told what it may be granted."""
    stale_rng: random.Random = field(default_factory=lambda: random.Random("stale"))
    now: int = 0
    outputs: list[Prediction] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    offsets: dict[TopicPartition, tuple[int, str]] = field(default_factory=dict)
    cuts: dict[int, list[Cut]] = field(default_factory=dict)
    """All that were ever stored, by partition number."""
    older: dict[TopicPartition, tuple[int, str]] = field(default_factory=dict)
    """What was stored before that."""
    notes: dict[int, dict[str, bytes]] = field(default_factory=dict)
    """What sinks carry, by partition number."""
    generation: int = 0
    members: list[SimulatedSource] = field(default_factory=list)
    joined: list[SimulatedSource] = field(default_factory=list)
    crashes: int = 0

    @property
    def topics(self) -> list[str]:
        return sorted({place.topic for place in self.partitions})

    @property
    def numbers(self) -> list[int]:
        return sorted({place.partition for place in self.partitions})

    def end(self, place: TopicPartition) -> int:
        """The first offset that is not there yet."""
        entries = self.partitions[place]
        return sum(1 for entry in entries if entry.appended <= self.now)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def leave(self, member: SimulatedSource) -> None:
        if member in self.members:
            self.members.remove(member)
            self.share_out()

    def share_out(self) -> None:
        """Begin a rebalance."""
        self.joined = []
        for member in self.members:
            member.sharing = True

    def join(self, member: SimulatedSource) -> None:
        self.joined.append(member)
        member.sharing = False
        if len(self.joined) < len(self.members):
            return
        self.generation += 1
        self.joined = []
        order = self.rng.sample(self.members, len(self.members))
        for one in self.members:
            one.granted = []
        for number in self.numbers:
            self.rng.choice(order).granted.append(number)  # type: ignore[union-attr]

    def answer(self, number: int) -> dict[TopicPartition, tuple[int, str]]:
        """What a member is told that the group has stored of a partition number."""
        known = self.older if self.stale_rng.random() < self.stale else self.offsets
        return {place: commit for place, commit in known.items() if place.partition == number}

    def stored(self, numbers: Collection[int]) -> dict[int, Cut | None]:
        return {
            number: Cut.read(
                {it: commit for it, commit in self.offsets.items() if it.partition == number}
            )
            for number in numbers
        }

    def store(self, cuts: Mapping[int, Cut]) -> None:
        for number, cut in cuts.items():
            self.cuts.setdefault(number, []).append(cut)
            for place, position in cut.positions.items():
                if place in self.offsets:
                    self.older[place] = self.offsets[place]
                self.offsets[place] = (position.offset, cut.metadata(place))


class SimulatedSource(Source):
    """A member of the world's group."""

    name = "simulated"

    def __init__(self, world: World, give_way: Callable[[], None]) -> None:
        super().__init__(PluginConfig(), world.topics)
        self._world = world
        self._give_way = give_way
        self._assignee: Assignee
        self._positions: dict[TopicPartition, int] = {}
        self._newest: dict[TopicPartition, int] = {}
        self._paused: frozenset[TopicPartition] = frozenset()
        self._told: dict[int, Cut | None] = {}
        self.generation = -1
        self.sharing = False
        self.granted: list[int] | None = None
        self.owned: list[int] = []
        self.dead = False
        #: Up to where what was foreseen is read before it is granted.
        self._until: dict[TopicPartition, int] = {}
        world.members.append(self)
        world.share_out()

    @property
    def keeps_cuts(self) -> bool:
        return True

    @property
    def member(self) -> str:
        return str(id(self))

    def partitions(self) -> Sequence[int]:
        return self.owned

    def join(self, assignee: Assignee) -> None:
        self._assignee = assignee
        world = self._world
        if not (world.foresight and world.chance(world.foresight)):
            return
        numbers = [number for number in world.numbers if world.chance(0.7)]
        cuts = {number: cut for number, cut in world.stored(numbers).items() if cut is not None}
        for cut in cuts.values():
            for place, position in cut.positions.items():
                self._positions[place] = position.offset
                self._until[place] = position.next
        assignee.foreseen(cuts)

    def danger(self) -> None:
        """A point at which the process may die."""
        if self._world.chance(self._world.danger):
            self.dead = True
            raise Crash

    def poll(self, limit: int, timeout: float) -> Batch:
        self._give_way()
        self.danger()
        world = self._world
        if self not in world.members:  # it was taken for dead
            self._assignee.lost(self.owned)
            self.owned, self.granted = [], None
            world.members.append(self)
            world.share_out()
        if self.sharing:
            self._assignee.revoked(self.owned)
            self.danger()
            if self not in world.members:
                return Batch()
            world.join(self)
        if self in world.joined and self.granted is None:
            return Batch(ahead=self._read_ahead())
        if self.granted is not None:
            self.owned, self.granted = self.granted, None
            self.generation = world.generation
            self._tell()
            self.danger()
        return self._read(limit)

    def _tell(self) -> None:
        """Tell the assignee what it reads, from the stored cuts on."""
        world = self._world
        self._until = {}
        before = (self._positions, self._newest)
        self._positions, self._newest = {}, {}
        answers = {number: world.answer(number) for number in self.owned}
        for place in world.partitions:
            if place.partition in self.owned:
                self._positions[place] = answers[place.partition].get(place, (0, ""))[0]
        self._before = before
        self._told = {number: Cut.read(answer) for number, answer in answers.items()}
        self._assignee.assigned(dict(self._told))

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        for place, offset in offsets.items():
            self._positions[place] = offset
            if place in self._before[1]:
                self._newest[place] = self._before[1][place]

    def seek_to_time(self, times: Mapping[int, int]) -> None:
        for place in self._positions:
            if place.partition in times:
                stamps = [entry.stamped for entry in self._world.partitions[place]]
                self._positions[place] = next(
                    (at for at, it in enumerate(stamps) if it >= times[place.partition]),
                    len(stamps),
                )

    def _read(self, limit: int) -> Batch:
        world = self._world
        records: list[Record] = []
        progress: dict[TopicPartition, int] = {}
        positions: dict[TopicPartition, int] = {}
        for place in world.rng.sample(list(self._positions), len(self._positions)):
            if place in self._paused or world.chance(0.4):
                continue
            end = world.end(place)
            count = world.rng.choice([1, 2, 5, 20])
            entries = world.partitions[place][self._positions[place] : end][:count]
            for entry in entries:
                self._positions[place] += 1
                if entry.record is not None:
                    records.append(self._stamp(place, entry))
            positions[place] = self._positions[place]
            if self._positions[place] == end and world.chance(0.7):
                progress[place] = world.now - world.margin
        return Batch(records, progress, positions=positions)

    def _read_ahead(self) -> list[Record]:
        records = []
        for place, until in self._until.items():
            count = self._world.rng.choice([0, 1, 5, 20])
            entries = self._world.partitions[place][self._positions[place] : until][:count]
            for entry in entries:
                self._positions[place] += 1
                if entry.record is not None:
                    records.append(self._stamp(place, entry))
        return records

    def _stamp(self, place: TopicPartition, entry: Entry) -> Record:
        arrived = max(self._newest.get(place, entry.stamped), entry.stamped)
        self._newest[place] = arrived
        it = entry.record
        assert it is not None
        return Record(it.topic, it.partition, self._positions[place] - 1, it.data, arrived=arrived)

    def pause(self, places: Collection[TopicPartition]) -> bool:
        self._paused = frozenset(places)
        return True

    def valid(self, membership: Any) -> bool:
        world = self._world
        return self in world.members and membership == world.generation and self.granted is None

    def membership(self) -> Any:
        return self.generation

    def commit(self, cuts: Mapping[int, Cut]) -> None:
        self.danger()
        if not self.valid(self.generation):
            raise CommitError("another generation")
        if self._world.chance(self._world.danger):
            raise CommitError("the broker is away")
        self._world.store(cuts)
        if self._world.chance(self._world.danger):
            raise CommitError("the answer was lost")
        self.danger()

    def confirm(self, numbers: Collection[int]) -> None:
        told = {number: self._told.pop(number) for number in numbers if number in self._told}
        if told != self._world.stored(told):
            raise CommitError("an answer was old")

    def rewind(self) -> None:
        if self in self._world.members and not self.sharing:
            self._tell()

    def close(self) -> None:
        if not self.dead:
            self.dead = True
            self._world.leave(self)


class SimulatedSink(Sink):
    """Writes to the world, at once or in transactions."""

    name = "simulated"

    def __init__(self, world: World, source: SimulatedSource) -> None:
        super().__init__(PluginConfig())
        self._world = world
        self._source = source
        self._predictions: list[Prediction] = []
        self._letters: list[DeadLetter] = []
        self._notes: dict[int, dict[str, bytes | None]] = {}

    @property
    def transactional(self) -> bool:
        return True

    @property
    def carries(self) -> bool:
        return True

    def carry(self, number: int, notes: Mapping[str, bytes | None]) -> None:
        self._source.danger()
        self._notes.setdefault(number, {}).update(notes)

    def carried(self, numbers: Collection[int]) -> Mapping[int, Mapping[str, bytes]]:
        self._source.danger()
        return {number: dict(self._world.notes.get(number, {})) for number in numbers}

    def begin(self, member: str) -> None:
        pass

    def write(self, predictions: Sequence[Prediction]) -> None:
        self._source.danger()
        self._predictions += predictions

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        self._source.danger()
        self._letters += letters

    def flush(self) -> None:
        while self._predictions:
            self._source.danger()
            self._world.outputs.append(self._predictions.pop(0))
        while self._letters:
            self._source.danger()
            self._world.letters.append(self._letters.pop(0))

    def commit(self, cuts: Mapping[int, Cut], membership: Any) -> None:
        world = self._world
        self._source.danger()
        if not self._source.valid(membership):
            raise CommitError("another generation")
        if world.chance(world.danger):
            raise CommitError("the broker is away")
        world.store(cuts)
        world.outputs += self._predictions
        world.letters += self._letters
        for number, notes in self._notes.items():
            kept = {**world.notes.get(number, {}), **notes}
            world.notes[number] = {it: note for it, note in kept.items() if note is not None}
        self._predictions, self._letters, self._notes = [], [], {}
        self._source.danger()
        if world.chance(world.danger):
            raise CommitError("the answer was lost")

    def abort(self) -> None:
        self._source.danger()
        self._predictions, self._letters, self._notes = [], [], {}

    def close(self) -> None:
        self._predictions, self._letters = [], []
