"""The notes that a sink keeps with a cut."""

from __future__ import annotations

from sensorium.plugin import Cut, CutPosition, TopicPartition
from sensorium.runtime._notes import read_notes, write_notes

CUT = Cut(7, {TopicPartition("a", 0): CutPosition(0, 1, 2)}, "f")


def kept(cut: Cut, changed: dict[str, object]) -> dict[str, bytes]:
    return {name: note for name, note in write_notes(cut, changed).items() if note is not None}


def test_they_are_read_back_as_they_were() -> None:
    changed = {"k": ((1, float("-inf")), (True, False), None), "": (2**62,), "\udcff": ("x",)}
    carried = read_notes(kept(CUT, changed), CUT, "f")
    assert carried.known == changed
    assert list(carried.void) == []
    assert carried.torn is None


def test_what_is_to_be_dropped_ends_a_note() -> None:
    assert write_notes(CUT, {"k": None})["key k"] is None


def test_a_key_cannot_be_taken_for_the_number_of_the_cut() -> None:
    assert read_notes(kept(CUT, {"cut": (1,)}), CUT, "f").known == {"cut": (1,)}


def test_of_another_configuration_or_another_group_none_holds() -> None:
    notes = kept(CUT, {"k": (1,), "l": (2,)})
    for cut, fingerprint in ((CUT, "another"), (None, "f")):
        carried = read_notes(notes, cut, fingerprint)
        assert not carried.known
        assert list(carried.void) == ["k", "l"]
        assert carried.torn is None


def test_what_somebody_else_has_written_is_told() -> None:
    notes = kept(CUT, {"k": (1,)})
    for name, note in (("key k", b"\xc1"), ("key k", b""), ("cut", b"\x07\x07")):
        carried = read_notes({**notes, name: note}, CUT, "f")
        assert "what the sink carries cannot be read" in str(carried.torn)


def test_those_of_another_cut_are_told() -> None:
    later = Cut(8, CUT.positions, "f")
    assert "are of cut 8, and what the sink carries is of cut 7" in str(
        read_notes(kept(CUT, {}), later, "f").torn
    )
    assert "is of no cut" in str(read_notes({}, CUT, "f").torn)
