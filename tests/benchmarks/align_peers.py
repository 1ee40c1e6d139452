"""The aligner beside Bytewax's `join_window`, on the same events in one run.

    pip install bytewax && PYTHONPATH=engine:plugins python tests/benchmarks/align_peers.py

Two streams, every key each 100 ms, in order, joined per key in tumbling windows of 100 ms: the case
that `join_window` is made for. Both are handed Python objects, and what they give is counted. The
times are CPU seconds of one process, Bytewax with one worker.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from align import MS, POLL, SECOND, START, cpu_seconds, make_events, run_aligner, run_limit

from sensorium.align import Window
from sensorium.events import Event

SIZE = 100 * MS


def run_bytewax(events: Sequence[Event]) -> int:
    import bytewax.operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.operators.windowing import EventClock, TumblingWindower, join_window
    from bytewax.outputs import DynamicSink, StatelessSinkPartition
    from bytewax.testing import TestingSource, run_main

    found = 0

    class Count(StatelessSinkPartition[Any]):
        def write_batch(self, items: list[Any]) -> None:
            nonlocal found
            found += len(items)

    class CountSink(DynamicSink[Any]):
        def build(self, step_id: str, worker_index: int, worker_count: int) -> Count:
            return Count()

    start = datetime.fromtimestamp(START / SECOND, UTC)

    def when(event: Event) -> datetime:
        return start + timedelta(microseconds=(event.time - START) // 1000)

    flow = Dataflow("join")
    sides = []
    for name in ("s0", "s1"):
        items = [(event.key, event) for event in events if event.stream == name]
        sides.append(op.input(name, flow, TestingSource(items, batch_size=POLL)))
    # It reads its inputs a batch at a time, so that one is ahead of the other by as much.
    ahead = timedelta(milliseconds=100 * POLL)
    clock = EventClock(ts_getter=when, wait_for_system_duration=ahead)
    windower = TumblingWindower(align_to=start, length=timedelta(milliseconds=100))
    joined = join_window("join", clock, windower, *sides)
    op.output("out", joined.down, CountSink())
    run_main(flow)
    return found


def main(keys: Iterable[int] = (1, 100, 10_000)) -> int:
    print("keys      sets   aligner/s   limit/s   bytewax/s   times bytewax")
    for count in keys:
        total = max(40_000, 10 * count)
        events = make_events(2, count, total, 0.0, duration=0)
        ours, sets = cpu_seconds(
            lambda events=events: run_aligner(Window(size=SIZE), 2, events, lateness=0)
        )
        limit, _ = cpu_seconds(lambda events=events: run_limit(2, events))
        theirs, found = cpu_seconds(lambda events=events: run_bytewax(events))
        assert sets == found, (sets, found)
        rates = [len(events) / seconds for seconds in (ours, limit, theirs)]
        print(
            f"{count:>6,} {sets:>7,} {rates[0]:>11,.0f} {rates[1]:>9,.0f} {rates[2]:>11,.0f} "
            f"{rates[0] / rates[2]:>15.1f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
