"""How long a settled set waits for its prediction, with `encode: settled` and with `encode: eager`.

    PYTHONPATH=engine:plugins:tests/support python tests/benchmarks/eager.py

Two streams at ten events a second and key, four keys, windows of a second, replayed as fast as it
was; each call of a model waits 50 ms, as for another device, and takes up to 8 events.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from serve_plugins import Adding, Scaled

from sensorium.hookspecs import hookimpl
from sensorium.host import PluginHost, load_pipeline, write_checkpoint
from sensorium.plugin import Fusion, Modality, Payload, Record
from sensorium.runtime import run_pipeline
from sensorium.wire import Envelope, RecordingWriter, write_envelope

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class PerEvent(Scaled):
    """The model of the tests, event by event."""

    name = "scaled-event"
    per: ClassVar[Literal["event", "set"]] = "event"


class Plugins:
    """What is measured."""

    @hookimpl
    def sensorium_modalities(self) -> list[type[Modality]]:
        """Give the modality."""
        return [PerEvent]

    @hookimpl
    def sensorium_fusions(self) -> list[type[Fusion]]:
        """Give the fusion."""
        return [Adding]


def record(path: Path) -> Path:
    """Ten seconds."""
    with RecordingWriter(path) as writer:
        for number in range(100):
            time = START + number * SECOND // 10
            for place, (key, stream) in enumerate((k, s) for k in range(4) for s in "ab"):
                data = write_envelope(Envelope(stream, f"k{key}", time, Payload(float(number))))
                writer.write(Record(stream, 0, number * 4 + key, data, arrived=time + place))
    return path


def main() -> None:
    """Measure both, in turn."""
    host = PluginHost(modules=[Plugins()])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = {f"streams.{stream}.scale": np.ones(1) for stream in "ab"}
        checkpoint = folder / "weights.safetensors"
        write_checkpoint(checkpoint, weights | {"fusion.bias": np.zeros(1)}, {})
        recording = record(folder / "it.mcap")
        for encode in ("settled", "eager") * 3:
            stream = {"modality": PerEvent.name, "config": {"pause": 0.05}, "encode": encode}
            pipeline = load_pipeline(
                {
                    "pipeline": "eager",
                    "streams": dict.fromkeys("ab", stream),
                    "align": {"policy": "window", "size": "1s", "require": "any", "deadline": "1s"},
                    "fusion": {"plugin": Adding.name},
                    "tasks": {"sum": {"type": "regression"}},
                    "checkpoint": str(checkpoint),
                    "runtime": {"batch": {"size": 8}},
                },
                plugins=host,
            )
            sink = str(folder / "out.jsonl")
            run = run_pipeline(pipeline, host, data=recording, sink=sink, speed="1")
            print(
                f"{encode:8} p50 {run.latency_p50_ms:.1f} ms, p99 {run.latency_p99_ms:.1f} ms",
                *(f"{name}: {dict(counts)}" for name, counts in run.ahead.items()),
            )


if __name__ == "__main__":
    main()
