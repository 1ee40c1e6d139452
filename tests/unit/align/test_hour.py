"""An hour of a fleet, in event time: memory stays flat, fates add up, no set comes out twice.

`make soak` (``SENSORIUM_SOAK=1``) runs the hour, 3.6 million events; else it is one minute.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType

import numpy as np
import pytest

from sensorium.align import Aligner, Nearest, Policy, StreamSpec, Window
from sensorium.events import Event, Fate

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_700_000_000 * SECOND
SECONDS = 3600 if os.environ.get("SENSORIUM_SOAK") == "1" else 60
DEVICES = 250
STREAMS = ("accel", "gyro")
#: Two events a second of every device and stream: 1,000 events/s in all.
PERIOD = 500 * MS
SKEW = 200 * MS
SPEC = StreamSpec(lateness="300ms", max_delay="1s", max_future="1s", max_duration=PERIOD)

POLICIES: dict[str, Policy] = {
    "window": Window(size="2s", hop="1s", require="any", deadline="2s"),
    "nearest": Nearest(
        primary="accel", before="250ms", after="250ms", require="any",
        deadline="1s", on_late="revise", revise_within="1s",
    ),
}  # fmt: skip


@dataclass
class Fleet:
    """Devices whose clocks are off by up to 200 ms each way, which jitter, and of which one in a
    hundred at a time is silent for 5 to 40 s, and then comes back."""

    random: np.random.Generator

    def batches(self) -> Iterator[list[Event]]:
        """The events of each second, in log order."""
        skews = self.random.integers(-SKEW, SKEW, (DEVICES, len(STREAMS)))
        phases = self.random.integers(0, PERIOD, DEVICES)
        silent_until = np.zeros(DEVICES, np.int64)
        for second in range(SECONDS):
            now = START + second * SECOND
            while (silent_until > now).sum() < DEVICES // 100:
                device = self.random.integers(DEVICES)
                silent_until[device] = now + self.random.integers(5, 40) * SECOND
            events = []
            for device in np.flatnonzero(silent_until <= now).tolist():
                for stream, name in enumerate(STREAMS):
                    for at in range(now + int(phases[device]), now + SECOND, PERIOD):
                        arrived = at + int(self.random.integers(1, 150)) * MS
                        time = at + int(skews[device, stream])
                        key = f"device {device}"
                        events.append(Event(name, key, time, arrived=arrived, duration=PERIOD))
            yield sorted(events, key=lambda event: event.arrived or 0)


def held_bytes(aligner: Aligner) -> int:
    """The memory of everything that is reached from the aligner's own attributes."""
    seen: set[int] = set()
    left: list[object] = [vars(aligner)]
    size = 0
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType | Policy):
            continue
        seen.add(id(one))
        size += sys.getsizeof(one)
        left += gc.get_referents(one)
    return size


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.timeout(0 if SECONDS == 3600 else 300)
def test_an_hour_of_devices_that_fall_silent_and_come_back(name: str) -> None:
    aligner = Aligner(POLICIES[name], dict.fromkeys(STREAMS, SPEC))
    ids: set[str] = set()
    sets = taken = most = 0
    warm: list[int] = []
    held: list[int] = []
    for second, events in enumerate(Fleet(np.random.default_rng(0)).batches()):
        found = aligner.add_all(events)
        taken += len(events)
        sets += len(found)
        ids.update(one.id for one in found)
        assert aligner.fates.total() == taken
        most = max(most, aligner.fates[Fate.PENDING])
        if second % (SECONDS // 12) == SECONDS // 12 - 1:
            (warm if second < SECONDS // 3 else held).append(held_bytes(aligner))
    sets += len(found := aligner.close())
    ids.update(one.id for one in found)
    fates = aligner.fates
    print(
        f"{name}: {taken:,} events, {sets:,} sets, {fates}, KiB {[n // 1024 for n in warm + held]}"
    )
    assert len(ids) == sets
    assert fates.total() == taken
    assert fates[Fate.PENDING] == 0
    assert fates[Fate.MATCHED] > 0.95 * taken
    assert most < 12_000
    assert aligner.keys <= DEVICES
    assert max(held) < 1.25 * max(warm)
