"""What the aligner costs, against one dictionary filled with the same events.

    PYTHONPATH=engine:plugins python tests/benchmarks/align.py

The limit is the least that any join has to do: look up the event's key, keep the event under its
time, and take out what has every stream. It knows no lateness, no bounds, no fates.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from sensorium.align import (
    Aligner,
    Approximate,
    Exact,
    Nearest,
    Policy,
    StreamSpec,
    Window,
)
from sensorium.durations import format_duration
from sensorium.events import Event, Fate
from sensorium.runtime._garbage import rare_collections

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_700_000_000 * SECOND
STEP = 100 * MS
LATENESS = 500 * MS
#: Events are handed over in batches of as many as the runtime polls.
POLL = 1024

POLICIES: dict[str, Policy] = {
    "exact": Exact(require="any"),
    "nearest": Nearest(primary="s0", before=40 * MS, after=40 * MS, require="any"),
    "approximate": Approximate(max_interval=80 * MS),
    "window": Window(size=2 * SECOND, hop=SECOND, require="any"),
}


@dataclass(frozen=True)
class Report:
    """Medians over the repetitions; `ratio` is the aligner's time per event over the limit's."""

    policy: str
    streams: int
    keys: int
    disorder: float
    events: int
    sets: int
    events_per_s: float
    limit_events_per_s: float
    ratio: float


def make_events(
    streams: int, keys: int, total: int, disorder: float, duration: int = STEP
) -> list[Event]:
    """Events of every stream and key each 100 ms, in log order; a share of them logged late."""
    random = np.random.default_rng(0)
    steps = max(total // (streams * keys), 1)
    events = []
    for step in range(steps):
        for key in range(keys):
            for stream in range(streams):
                time = START + step * STEP + key * STEP // keys
                late = int(random.integers(0, LATENESS)) if random.random() < disorder else 0
                arrived = time + MS + stream + late
                name = f"s{stream}"
                events.append(Event(name, f"k{key}", time, arrived=arrived, duration=duration))
    return sorted(events, key=lambda event: event.arrived or 0)


def aligner_for(policy: Policy, streams: int, lateness: int = LATENESS) -> Aligner:
    spec = StreamSpec(
        lateness=lateness, max_delay=5 * SECOND, max_future=5 * SECOND, max_duration=SECOND
    )
    return Aligner(policy, {f"s{number}": spec for number in range(streams)})


def run_aligner(
    policy: Policy, streams: int, events: Sequence[Event], lateness: int = LATENESS
) -> int:
    aligner = aligner_for(policy, streams, lateness)
    sets = 0
    for at in range(0, len(events), POLL):
        sets += len(aligner.add_all(events[at : at + POLL]))
    sets += len(aligner.close())
    fates = aligner.fates
    assert sum(fates.values()) == len(events)
    assert not fates[Fate.LATE], fates
    return sets


def run_limit(streams: int, events: Sequence[Event]) -> int:
    open_sets: dict[tuple[str, int], dict[str, Event]] = {}
    sets = 0
    for event in events:
        place = (event.key, event.time)
        group = open_sets.get(place)
        if group is None:
            group = open_sets[place] = {}
        group[event.stream] = event
        if len(group) == streams:
            del open_sets[place]
            sets += 1
    return sets


def cpu_seconds(work: Callable[[], int]) -> tuple[float, int]:
    start = time.process_time()
    count = work()
    return time.process_time() - start, count


def measure(
    policy: str, streams: int, keys: int, disorder: float, total: int, repeat: int
) -> Report:
    events = make_events(streams, keys, total, disorder)
    gc.collect()
    gc.freeze()  # the events belong to the benchmark
    ours, limit, sets = [], [], 0
    with rare_collections():  # as while a pipeline runs
        for _ in range(repeat):
            seconds, sets = cpu_seconds(lambda: run_aligner(POLICIES[policy], streams, events))
            ours.append(seconds)
            limit.append(cpu_seconds(lambda: run_limit(streams, events))[0])
    gc.unfreeze()
    return Report(
        policy,
        streams,
        keys,
        disorder,
        len(events),
        sets,
        len(events) / median(ours),
        len(events) / median(limit),
        median(ours) / median(limit),
    )


def quiet_key_bytes(policy: str, streams: int, keys: int = 5_000) -> float:
    """What a key costs whose one set has settled and which nothing has been heard of since."""
    aligner = aligner_for(POLICIES[policy], streams)
    names = [f"k{key}" for key in range(keys)]
    gc.collect()
    tracemalloc.start()
    for name in names:
        for stream in range(streams):
            aligner.add(Event(f"s{stream}", name, START, arrived=START + MS, duration=STEP))
    # Later than everything that waits, and before the keys are forgotten.
    for stream in range(streams):
        aligner.progress(f"s{stream}", START + 9 * SECOND)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not aligner.fates[Fate.PENDING]
    assert aligner.keys == keys
    return held / keys


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers, too")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--events", type=int, default=20_000, help="per run (default 20000)")
    given = parser.parse_args(arguments)
    reports = []
    spread = format_duration(LATENESS)
    print(f"disorder: that share of the events is logged up to {spread} later")
    print("policy      streams    keys  disorder      sets   events/s    limit/s   times the limit")
    for policy in POLICIES:
        for streams in (2, 4):
            for keys in (1, 100, 10_000):
                for disorder in (0.0, 0.1):
                    # At least ten events of each stream and key, so that making the keys, which
                    # is done once, does not count for more than it does in a stream.
                    total = max(given.events, 10 * streams * keys)
                    one = measure(policy, streams, keys, disorder, total, given.repeat)
                    reports.append(one)
                    print(
                        f"{policy:<11} {streams:>7} {keys:>7,} {disorder:>9.0%} {one.sets:>9,} "
                        f"{one.events_per_s:>10,.0f} {one.limit_events_per_s:>10,.0f} "
                        f"{one.ratio:>17.1f}",
                        flush=True,
                    )
    memory = {
        f"{policy}, {streams} streams": quiet_key_bytes(policy, streams)
        for policy in POLICIES
        for streams in (2, 4)
    }
    for name, size in memory.items():
        print(f"a quiet key, {name}: {size:,.0f} bytes")
    if given.json is not None:
        numbers = {"throughput": [asdict(one) for one in reports], "quiet_key_bytes": memory}
        given.json.write_text(json.dumps(numbers, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
