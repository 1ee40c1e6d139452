"""Records that are made quickly are, once made, what `dataclasses` would have made."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from sensorium.events import AlignedSet, Event, Prediction, TaskResult
from sensorium.plugin import Payload, Record, Samples
from sensorium.sealed import sealed
from sensorium.wire import Envelope


@sealed
@dataclass(frozen=True, slots=True)
class Parcel:
    """One of each kind of field."""

    name: str
    size: int = 3
    tags: dict[str, int] = field(default_factory=dict)
    note: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size is {self.size}")
        if not self.name:
            object.__setattr__(self, "name", "nobody")


SOME = [
    Parcel("a", 1, {"x": 1}),
    Event("accel", "k", 7, 1.5, duration=3),
    AlignedSet("k", 7, {}),
    TaskResult("up", 0.5),
    Prediction("id", "watch", "k", 7, {}),
    Payload(b"x"),
    Record("t", 0, 1, b"x"),
    Envelope("accel", "k", 7, Payload(1)),
]


@pytest.mark.parametrize("record", SOME, ids=lambda it: type(it).__name__)
def test_it_is_frozen_and_has_no_other_attributes(record: Any) -> None:
    first = type(record).__slots__[0]
    for name in (first, "another"):
        with pytest.raises((FrozenInstanceError, TypeError)):
            setattr(record, name, 1)
    with pytest.raises(FrozenInstanceError):
        delattr(record, first)
    assert not hasattr(record, "__dict__")


@pytest.mark.parametrize("record", SOME, ids=lambda it: type(it).__name__)
def test_it_is_compared_copied_and_pickled_as_before(record: Any) -> None:
    assert type(record) is type(replace(record))
    for other in (replace(record), copy.copy(record), pickle.loads(pickle.dumps(record))):
        assert other == record
        assert repr(other) == repr(record)


@pytest.mark.parametrize("kind", [type(it) for it in SOME] + [Samples])
def test_its_signature_is_that_of_the_dataclass(kind: type[Any]) -> None:
    assert list(inspect.signature(kind).parameters) == list(kind.__slots__)


def test_defaults_are_each_records_own() -> None:
    one, other = Parcel("a"), Parcel("a")
    assert (one.size, one.tags, one.note) == (3, {}, None)
    assert one.tags is not other.tags
    assert Parcel(name="a", note=1) == Parcel("a", note=2)


def test_it_is_checked_while_it_is_made() -> None:
    assert Parcel("").name == "nobody"
    with pytest.raises(ValueError, match="size is -1"):
        Parcel("a", -1)
    with pytest.raises(TypeError, match="required positional argument: 'name'"):
        Parcel()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'weight'"):
        Parcel("a", weight=1)  # type: ignore[call-arg]


def test_a_record_of_a_subclass_stays_one() -> None:
    class Labelled(Parcel):
        """With attributes of its own."""

    one = Labelled("a", 1)
    assert type(one) is Labelled
    assert (one.name, one.size, one.tags) == ("a", 1, {})
    with pytest.raises(FrozenInstanceError):
        one.name = "b"  # type: ignore[misc]


def test_only_a_frozen_dataclass_with_slots_can_be_sealed() -> None:
    @dataclass(frozen=True)
    class WithoutSlots:
        name: str

    @dataclass(slots=True)
    class Open:
        name: str

    @dataclass(frozen=True, slots=True, kw_only=True)
    class ByName:
        name: str

    for kind in (WithoutSlots, Open):
        with pytest.raises(TypeError, match=f"{kind.__name__} is not a frozen dataclass"):
            sealed(kind)
    with pytest.raises(TypeError, match="ByName has fields that cannot be given by position"):
        sealed(ByName)
