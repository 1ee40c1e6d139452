"""What reading the records of fetched batches costs, against kafka-python's own way.

    PYTHONPATH=engine:plugins python tests/benchmarks/kafka_records.py

Batches as a producer writes them, in memory, so that no broker and no network is measured; both are
asked for 500 records at a time, as a poll does. CPU time, the best of several rounds in turn, by
the size of a record's value and whether it has headers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Of a script its own folder comes first, and `kafka` would be the benchmark of that name.
if sys.path[0] == str(Path(__file__).parent):
    sys.path.append(sys.path.pop(0))

from kafka.consumer.fetcher import Fetcher
from kafka.record import MemoryRecords
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.structs import TopicPartition

from sensorium_plugins._kafka_batches import batch_reader

PLACE = TopicPartition("topic", 0)
#: As the client's default, of one poll.
POLL = 500
#: As the producer's default, of one batch.
BATCH_BYTES = 16_384


def batches(count: int, size: int, headers: list[tuple[str, bytes]]) -> bytes:
    """So many records, one after the other, in batches."""
    written, value, offset = b"", bytes(size), 0
    while offset < count:
        builder = MemoryRecordsBuilder(2, 0, BATCH_BYTES, offset=offset)
        while offset < count and builder.append(
            offset * 10, b"k%05d" % (offset % 10_000), value, headers
        ):
            offset += 1
        builder.close()
        written += bytes(builder.buffer())
    return written


def microseconds(reader: Any, data: bytes) -> float:
    """CPU time of a record."""
    began = time.process_time()
    parts = reader(0, PLACE, MemoryRecords(data))
    count = 0
    while parts:
        count += len(parts.take(POLL))
    return (time.process_time() - began) / count * 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=50_000, help="in each round (default 50000)")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    given = parser.parse_args(arguments)
    print(f"{'':<24}{'kafka-python':>14}{'in batches':>12}{'times':>7}   us a record")
    for size, headers in ((60, []), (400, []), (60, [("ce_id", b"0123456789"), ("a", b"b")])):
        data = batches(given.records, size, headers)
        theirs, ours = (
            min(costs)
            for costs in zip(
                *(
                    (
                        microseconds(Fetcher.PartitionRecords, data),
                        microseconds(batch_reader(), data),
                    )
                    for _ in range(given.rounds)
                ),
                strict=True,
            )
        )
        name = f"{size} bytes, {len(headers)} headers"
        print(f"{name:<24}{theirs:>14.2f}{ours:>12.2f}{theirs / ours:>7.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
