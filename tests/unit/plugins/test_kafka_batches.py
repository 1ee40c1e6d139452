"""Records that are read a batch at a time are those that kafka-python gives, at the same places."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import kafka
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.consumer.fetcher import Fetcher, IsolationLevel
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.record.util import calc_crc32c
from kafka.structs import TopicPartition

from sensorium_plugins._kafka_batches import batch_reader, read_in_batches

PLACE = TopicPartition("topic", 3)
CONTROL, APPENDED = 0x20, 0x08
#: Where a batch holds its first offset, checksum and attributes, and where its records begin.
CRC_AT, ATTRIBUTES_AT, RECORDS_AT = 17, 21, 61
#: The key of the marker of an aborted transaction, and of a committed one.
ABORT, COMMIT = (struct.pack(">hh", 0, kind) for kind in (0, 1))


@dataclass
class Batch:
    """What a producer or a broker has written at once."""

    records: list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]]
    producer: int = -1
    attributes: int = 0
    codec: int = 0

    def written(self, offset: int) -> bytes:
        own: dict[str, Any] = {}
        if self.producer >= 0:
            own = {"transactional": True, "producer_id": self.producer}
            own |= {"producer_epoch": 0, "base_sequence": 0}
        builder = MemoryRecordsBuilder(2, self.codec, 1 << 20, offset=0, **own)
        for time, key, value, headers in self.records:
            assert builder.append(time, key, value, headers) is not None
        builder.close()
        data = bytearray(builder.buffer())
        struct.pack_into(">q", data, 0, offset)
        attributes = struct.unpack_from(">h", data, ATTRIBUTES_AT)[0] | self.attributes
        struct.pack_into(">h", data, ATTRIBUTES_AT, attributes)
        return sealed(data)


def sealed(data: bytearray) -> bytes:
    """A batch whose checksum is right."""
    struct.pack_into(">I", data, CRC_AT, calc_crc32c(memoryview(data)[ATTRIBUTES_AT:]))
    return bytes(data)


@dataclass
class Aborted:
    """As a broker names an aborted transaction with what it gives."""

    producer_id: int
    first_offset: int


@dataclass
class Fetched:
    """What one fetch has brought."""

    data: bytes
    aborted: list[Aborted] = field(default_factory=list)


TEXTS = st.binary(max_size=200) | st.none()
HEADERS = st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=80) | st.none()), max_size=3)
RECORDS = st.lists(st.tuples(st.integers(0, 2**40), TEXTS, TEXTS, HEADERS), min_size=1, max_size=8)


@st.composite
def fetches(draw: st.DrawFn) -> Fetched:
    """Batches of producers with transactions and without, in any interleaving."""
    data, offset = b"", draw(st.integers(0, 2**33))
    begun: dict[int, int] = {}
    aborted = []
    for _ in range(draw(st.integers(1, 6))):
        offset += draw(st.sampled_from([0, 0, 1, 100]))
        producer = draw(st.sampled_from([-1, -1, 7, 8]))
        if producer in begun and draw(st.booleans()):
            key = draw(st.sampled_from([ABORT, COMMIT]))
            marker = Batch([(0, key, b"\0" * 6, [])], producer, CONTROL)
            if key == ABORT:
                aborted.append(Aborted(producer, begun[producer]))
            del begun[producer]
            data += marker.written(offset)
            offset += 1
            continue
        if producer >= 0:
            begun.setdefault(producer, offset)
        records = draw(RECORDS)
        attributes = draw(st.sampled_from([0, APPENDED]))
        data += Batch(
            records, producer, attributes, draw(st.sampled_from([0, 1, 2, 3, 4]))
        ).written(offset)
        offset += len(records)
    return Fetched(data, aborted)


def told(reader: Any, fetched: Fetched, begin: int, sizes: list[int], **more: Any) -> list[Any]:
    """What a reader gives, taken in portions, with where it stands after each."""
    parts = reader(
        begin, PLACE, MemoryRecords(fetched.data), aborted_transactions=fetched.aborted, **more
    )
    found: list[Any] = []
    for size in sizes:
        if not parts:
            break
        try:
            found.append((parts.take(size), parts.next_fetch_offset, parts.leader_epoch))
        except Exception as error:
            return [*found, type(error)]
    return [*found, bool(parts), parts.records_read]


def first_offset(data: bytes) -> int:
    return int(struct.unpack_from(">q", data)[0])


@given(
    fetched=fetches(),
    inside=st.integers(0, 5),
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=20),
    level=st.sampled_from([IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED]),
)
def test_the_same_records_and_places(
    fetched: Fetched, inside: int, sizes: list[int], level: Any
) -> None:
    """Also from the middle of a batch, as after a `seek`, and with transactions aborted."""
    begin = first_offset(fetched.data) + inside
    theirs = told(Fetcher.PartitionRecords, fetched, begin, sizes, isolation_level=level)
    ours = told(batch_reader(), fetched, begin, sizes, isolation_level=level)
    # They count one by one, and a whole batch is counted here.
    assert ours[:-1] == theirs[:-1]


@given(
    records=RECORDS,
    at=st.integers(0, 10_000),
    change=st.integers(1, 255),
    cut=st.booleans(),
    right_sum=st.booleans(),
)
def test_a_broken_batch_gives_nothing_or_an_error(
    records: Any, at: int, change: int, cut: bool, right_sum: bool
) -> None:
    """Where kafka-python finds fault with a batch, so does this; and it never fails otherwise."""
    data = bytearray(Batch(records).written(40))
    place = RECORDS_AT + at % (len(data) - RECORDS_AT)
    if cut:
        del data[place:]
        struct.pack_into(">i", data, 8, len(data) - 12)
    else:
        data[place] ^= change
    fetched = Fetched(sealed(data) if right_sum else bytes(data))
    theirs = told(Fetcher.PartitionRecords, fetched, 40, [100])
    ours = told(batch_reader(), fetched, 40, [100])
    if CorruptRecordError in ours:
        # They give what comes before the fault first.
        theirs = told(Fetcher.PartitionRecords, fetched, 40, [1] * 100)
        assert CorruptRecordError in theirs
    elif not any("\\x" in name for name in names_in(ours)):  # of any bytes, and not to theirs
        assert ours == theirs


def names_in(found: list[Any]) -> list[str]:
    """The names of all headers."""
    given = [it[0] for it in found if isinstance(it, tuple)]
    return [name for records in given for one in records for name, _ in one.headers]


def test_old_batches_are_left_to_the_client() -> None:
    old = MemoryRecordsBuilder(1, 0, 1 << 20, offset=0)
    for number in range(5):
        old.append(number, b"k", b"v%d" % number, [])
    old.close()
    new = Batch([(9, b"k", b"new", [])]).written(5)
    fetched = Fetched(bytes(old.buffer()) + new)
    ours = told(batch_reader(), fetched, 0, [2, 2, 2, 2])
    assert ours == told(Fetcher.PartitionRecords, fetched, 0, [2, 2, 2, 2])
    assert [it.value for portion in ours[:3] for it in portion[0]][-1] == b"new"


def test_a_wrong_checksum_is_told_only_where_it_is_asked_for() -> None:
    data = bytearray(Batch([(9, b"k", b"v", [])]).written(0))
    data[CRC_AT] ^= 1
    fetched = Fetched(bytes(data))
    assert told(batch_reader(), fetched, 0, [9]) == [CorruptRecordError]
    assert told(batch_reader(), fetched, 0, [9], check_crcs=False)[0][0][0].value == b"v"


class Consumer:
    """As much of a consumer as is changed."""

    def __init__(self) -> None:
        self._fetcher = type("AFetcher", (), {"PartitionRecords": None})()


def test_a_series_that_is_not_known_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    known, unknown = Consumer(), Consumer()
    read_in_batches(known)
    assert known._fetcher.PartitionRecords is batch_reader()
    monkeypatch.setattr(kafka, "__version__", "3.1.0")
    read_in_batches(unknown)
    assert unknown._fetcher.PartitionRecords is None


def test_names_of_headers_need_not_be_text() -> None:
    batch = Batch([(7, b"k", b"v", [("name", b"1"), ("b", None)])]).written(40)
    odd = sealed(bytearray(batch.replace(b"name", b"n\xff\xfee")))
    (record,) = batch_reader()(0, PLACE, MemoryRecords(odd)).take(10)
    assert record.headers == [("n\\xff\\xfee", b"1"), ("b", None)]
    assert (record.offset, record.key, record.value) == (40, b"k", b"v")
