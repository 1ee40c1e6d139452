"""What the engine costs, against the bare model on arrays that are aligned already.

    PYTHONPATH=engine:plugins python tests/benchmarks/pipeline.py --model both

Both sides run in this process, in turn, on the same sets, with the same number of model threads;
torch gets one thread per call, so that CPU seconds mean the same on both sides.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from watch_data import LABELS, STREAMS, watch_recordings, watch_records

import sensorium_plugins
from sensorium.events import AlignedSet, DeadLetter, Prediction
from sensorium.host import Pipeline, PluginHost, load_pipeline
from sensorium.plugin import Arrays, PluginConfig, Record, Sink
from sensorium.runtime import LocalExecutor, Models, RunSummary
from sensorium.stages import samples_of
from sensorium.testing import MemorySource

MODELS = {
    "stats": ("sensor-stats", {"plugin": "concat", "hidden": [64]}),
    "cnn": ("sensor-cnn", {"plugin": "gated"}),
}


@dataclass(frozen=True)
class Cost:
    """Seconds by the wall and of the CPU."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Report:
    """Medians over the repetitions; the own shares are ``1 - bare / engine``."""

    model: str
    data: str
    events: int
    sets: int
    batches: int
    events_per_s: float
    sets_per_s: float
    stage_seconds: dict[str, float]
    engine: Cost
    bare_model: Cost
    bare_model_with_prepare: Cost
    own_share_wall: float
    own_share_cpu: float
    own_share_with_prepare_cpu: float


def pipeline_of(model: str, host: PluginHost, size: int, threads: int) -> Pipeline:
    """The pipeline of `sensorium demo watch`, with one modality for both streams."""
    modality, fusion = MODELS[model]
    config = {"channels": 3, "rate": 50}
    stream = {"modality": modality, "max_delay": "5s", "config": config}
    return load_pipeline(
        {
            "pipeline": "watch",
            "streams": dict.fromkeys(STREAMS, stream),
            "align": {"policy": "window", "size": "2s", "hop": "1s", "require": "any"},
            "fusion": fusion,
            "tasks": {"exercise": {"type": "classification", "labels": LABELS}},
            "runtime": {"batch": {"size": size}, "threads": threads},
        },
        plugins=host,
    )


def fresh_models(pipeline: Pipeline) -> Models:
    """Untrained models: what they compute is worth nothing and takes as long."""
    modalities = pipeline.modalities()
    for modality in modalities.values():
        modality.load("cpu", None)
    fusion = pipeline.fusion_for(modalities)
    fusion.load("cpu", None)
    return Models(modalities, fusion)


def timed(work: Callable[[], Any]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


class NowhereSink(Sink):
    """Takes everything and keeps nothing, as a broker does for the process that writes to it."""

    name = "nowhere"

    def write(self, predictions: Sequence[Prediction]) -> None:
        pass

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class Bench:
    """One model, on both sides."""

    def __init__(self, model: str, records: Sequence[Record], size: int, threads: int) -> None:
        self.host = PluginHost(entry_points=[], modules=[sensorium_plugins])
        self.pipeline = pipeline_of(model, self.host, size, threads)
        self.models = fresh_models(self.pipeline)
        self.records = records
        self.size = size
        self.threads = threads
        self.batches = 0

    def engine(self, keep: list[AlignedSet] | None = None) -> RunSummary:
        """Run the whole line once; source and sink are lists."""
        self.batches = 0

        def count(_: Sequence[Prediction], sets: Sequence[AlignedSet]) -> None:
            self.batches += 1
            if keep is not None:
                keep.extend(sets)

        return LocalExecutor(
            self.pipeline,
            self.host,
            MemorySource(self.records),
            NowhereSink(PluginConfig()),
            models=self.models,
            on_predictions=count,
        ).run()

    def prepare(self, sets: Sequence[AlignedSet]) -> dict[str, Arrays]:
        """The arrays of a micro-batch, with no engine but what cuts out the samples."""
        return {
            name: modality.prepare(samples_of(sets, name)[1])
            for name, modality in self.models.modalities.items()
        }

    def model(self, arrays: dict[str, Arrays]) -> None:
        """Encode and fuse a micro-batch in which every stream is there."""
        features = {name: it.encode(arrays[name]) for name, it in self.models.modalities.items()}
        rows = len(next(iter(features.values())).data)
        self.models.fusion.fuse({name: np.ones(rows, bool) for name in features}, **features)

    def bare(self, work: Callable[[Any], None], batches: Iterable[Any]) -> None:
        """Call the model on threads, as many as the executor has."""
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(work, batches):
                pass


def measure(model: str, size: int, threads: int, repeat: int, most: int | None) -> Report:
    source, recordings = watch_recordings()
    records = watch_records(recordings[:most])
    bench = Bench(model, records, size, threads)
    sets: list[AlignedSet] = []
    bench.engine(sets)  # warms up, too
    whole = [one for one in sets if len(one.members) == len(STREAMS)]
    cut = [whole[at : at + size] for at in range(0, len(whole), size)]
    ready = [bench.prepare(part) for part in cut]
    engine, bare, prepared, summaries = [], [], [], []
    # The recording and the sets kept for the bare runs are not the engine's: a live source holds
    # neither. Frozen, they are not walked by the garbage collector while the engine runs.
    gc.collect()
    gc.freeze()
    for _ in range(repeat):
        engine.append(timed(lambda: summaries.append(bench.engine())))
        bare.append(timed(lambda: bench.bare(bench.model, ready)))
        prepared.append(
            timed(lambda: bench.bare(lambda part: bench.model(bench.prepare(part)), cut))
        )
    total, limit, longer = (_median(it) for it in (engine, bare, prepared))
    stages = {
        name: median(it.stage_seconds[name] for it in summaries)
        for name in summaries[0].stage_seconds
    }
    last = summaries[-1]
    assert last.dead_letters == 0
    assert last.predictions == last.sets
    # Sets at the ends that lack a stream are left out of the bare run: per set, then.
    scale = len(sets) / len(whole)
    limit, longer = (Cost(it.wall * scale, it.cpu * scale) for it in (limit, longer))
    return Report(
        model=model,
        data=source,
        events=last.events,
        sets=last.sets,
        batches=bench.batches,
        events_per_s=last.events / total.wall,
        sets_per_s=last.sets / total.wall,
        stage_seconds=stages,
        engine=total,
        bare_model=limit,
        bare_model_with_prepare=longer,
        own_share_wall=1 - limit.wall / total.wall,
        own_share_cpu=1 - limit.cpu / total.cpu,
        own_share_with_prepare_cpu=1 - longer.cpu / total.cpu,
    )


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(median(it.wall for it in costs), median(it.cpu for it in costs))


def show(report: Report) -> str:
    busy = sum(report.stage_seconds.values())
    lines = [
        f"{report.model} on {report.data}: {report.events:,} events, {report.sets:,} sets in "
        f"{report.batches} micro-batches",
        f"  events per second     {report.events_per_s:>10,.0f}",
        f"  sets per second       {report.sets_per_s:>10,.0f}",
    ]
    for name, seconds in report.stage_seconds.items():
        lines.append(f"  {name:<9}             {seconds:>10.3f} s  {seconds / busy:>6.1%}")
    for name, cost in (
        ("engine", report.engine),
        ("encode+fuse, bare", report.bare_model),
        ("prepare too, bare", report.bare_model_with_prepare),
    ):
        lines.append(f"  {name:<21} {cost.wall:>10.3f} s wall, {cost.cpu:.3f} s CPU")
    lines += [
        f"  engine's own share    {report.own_share_wall:>10.1%} wall, {report.own_share_cpu:.1%} "
        "CPU (against encode + fuse)",
        f"                        {report.own_share_with_prepare_cpu:>10.1%} CPU (against prepare "
        "+ encode + fuse)",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", choices=[*MODELS, "both"], default="both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers, too")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--size", type=int, default=64, help="sets of a micro-batch (default 64)")
    parser.add_argument("--threads", type=int, default=1, help="model threads (default 1)")
    parser.add_argument("--recordings", type=int, help="only the first so many (default all)")
    given = parser.parse_args(arguments)
    reports = []
    for model in MODELS if given.model == "both" else [given.model]:
        if model == "cnn":
            try:
                import torch
            except ImportError:
                print("cnn skipped: it needs torch; pip install 'sensorium[torch]'")
                continue
            torch.set_num_threads(1)
        report = measure(model, given.size, given.threads, given.repeat, given.recordings)
        print(show(report), flush=True)
        assert all(math.isfinite(value) for value in report.stage_seconds.values())
        reports.append(asdict(report))
    if given.json is not None:
        given.json.write_text(json.dumps(reports, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
