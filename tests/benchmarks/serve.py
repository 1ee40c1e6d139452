"""What the executor `serve` gives, between one call per set and the bare model.

    PYTHONPATH=engine:plugins:tests/support python tests/benchmarks/serve.py

In one run on one Ray: (a) one handle call per set, 64 of them under way; (b) the engine, from a
recording to a file; (c) the bare model on batches that are made already, in one process. The tiny
model costs nothing but calls; the other one some 5 ms of a CPU a batch of 64. Numbers are sets/s.
"bare beside" is (c) while another process keeps one more core busy, as the engine does: cores share
caches, memory and clock rate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
BATCH = 64
#: So many calls are under way at once the naive way.
WINDOW = 64


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """The plugins of the tests as an installed distribution, here and in the replicas."""
    info = folder / "serve_plugins-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: serve-plugins\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sensorium]\nserve = serve_plugins\n")
    paths = [str(folder), str(Path(__file__).parents[1] / "support")]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])
    # One thread a process: what is measured is calls, not how BLAS shares cores.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    yield


def record(path: Path, sets: int, step: int) -> Path:
    """One event a set, `step` ns apart."""
    from sensorium.plugin import Payload, Record
    from sensorium.wire import Envelope, RecordingWriter, write_envelope

    with RecordingWriter(path) as writer:
        for at in range(sets):
            instant = START + at * step
            data = write_envelope(Envelope("a", f"k{at % 32}", instant, Payload(float(at))))
            writer.write(Record("a", 0, at, data, arrived=instant))
    return path


def pipeline_for(folder: Path, recording: Path, speed: float | str, **config: Any) -> Any:
    from sensorium.host import PluginHost, load_pipeline, write_checkpoint

    weights = folder / "weights.safetensors"
    write_checkpoint(
        weights, {"streams.a.scale": np.array([2.0]), "fusion.bias": np.array([1.0])}, {}
    )
    replicas = config.pop("replicas", 1)
    size = config.pop("size", BATCH)
    stream = {"modality": "scaled", "config": config, "replicas": replicas}
    return load_pipeline(
        {
            "pipeline": "bench",
            "source": {"plugin": "mcap", "path": str(recording), "speed": speed},
            "streams": {"a": {**stream, "placement": "replica"}},
            "align": {"policy": "exact", "require": "any"},
            "fusion": {"plugin": "adding"},
            "tasks": {"sum": {"type": "regression"}},
            "checkpoint": str(weights),
            "sink": {"plugin": "jsonl", "path": str(folder / "out.jsonl")},
            "runtime": {"batch": {"size": size}},
        },
        plugins=PluginHost(),
    )


def engine(pipeline: Any) -> Any:
    from sensorium.host import default_host
    from sensorium.runtime import run_pipeline

    return run_pipeline(pipeline, default_host(), executor="serve")


def naive(pipeline: Any, sets: int) -> float:
    """One call per set of a deployment that does the same."""
    from ray import serve

    from sensorium.runtime.serve._replicas import EncodeReplica
    from sensorium.runtime.serve._settings import settings_of, topology_of

    settings = settings_of(pipeline, digest := digest_of(pipeline))
    deployment = serve.deployment(EncodeReplica).options(
        name="naive", user_config=settings, max_ongoing_requests=WINDOW
    )
    handle = serve.run(deployment.bind(topology_of(pipeline), "a"), name="naive", route_prefix=None)
    calls: deque[Any] = deque()

    def send(number: int) -> None:
        arrays = {"x": np.array([float(number)])}
        calls.append(handle.encode.remote(digest, arrays, None))

    for number in range(WINDOW):
        send(number)
    start = time.perf_counter()
    for number in range(sets):
        calls.popleft().result()
        send(number)
    seconds = time.perf_counter() - start
    while calls:
        calls.popleft().result()
    serve.delete("naive")
    return sets / seconds


def digest_of(pipeline: Any) -> str:
    from sensorium.host import read_checkpoint

    return read_checkpoint(pipeline.checkpoint).digest


def bare(pipeline: Any, batches: int) -> float:
    """Encode and fuse on arrays that are there already."""
    from sensorium.plugin import Features
    from sensorium.runtime import load_models

    models = load_models(pipeline)
    modality = models.modalities["a"]
    arrays = {"x": np.arange(float(BATCH))}
    present = {"a": np.ones(BATCH, np.bool_)}
    start = time.perf_counter()
    for _ in range(batches):
        features: Features = modality.encode(arrays)
        models.fusion.fuse(present, a=features)
    return batches * BATCH / (time.perf_counter() - start)


@contextmanager
def another_core_busy() -> Iterator[None]:
    """A loop of Python in a process of its own."""
    loop = "while True:\n    sum(map(abs, range(10_000)))"
    process = subprocess.Popen([sys.executable, "-c", loop])
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def rounds_for(seconds: float) -> int:
    """How many multiplications take so long here."""
    matrix = np.full((64, 64), 1e-3)
    took = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(100):
            np.tanh(matrix @ matrix)
        took.append((time.perf_counter() - start) / 100)
    return round(seconds / float(np.median(took)))


def throughput(folder: Path, sets: int, repeats: int) -> dict[str, Any]:
    recording = record(folder / "fast.mcap", sets, 1_000_000)
    found: dict[str, Any] = {}
    for model, config in {"tiny": {}, "5 ms": {"rounds": rounds_for(0.005)}}.items():
        pipeline = pipeline_for(folder, recording, "max", **config)
        rows: dict[str, list[float]] = {"bare": [], "bare beside": [], "engine": [], "naive": []}
        for _ in range(repeats):
            batches = 2000 if model == "tiny" else 200
            rows["bare"].append(bare(pipeline, batches))
            with another_core_busy():
                rows["bare beside"].append(bare(pipeline, batches))
            summary = engine(pipeline)
            rows["engine"].append(summary.sets / summary.seconds)
            say(model, {name: it[-1:] for name, it in rows.items()}, summary)
            if model == "tiny":
                rows["naive"].append(naive(pipeline, 2000))
                say(model, {"naive": rows["naive"][-1:]})
        found[model] = {name: float(np.median(it)) for name, it in rows.items() if it}
        if model == "tiny":
            found[model]["engine / naive"] = found[model]["engine"] / found[model]["naive"]
        for limit in ("bare", "bare beside"):
            found[model][f"engine / {limit}"] = found[model]["engine"] / found[model][limit]
    return found


def latencies(folder: Path) -> list[dict[str, Any]]:
    """At half the load that a model of 5 ms on another device takes, by batch size and replicas."""
    rows = []
    for size, replicas in [(16, 1), (64, 1), (16, 2), (16, 4)]:
        rate = 0.5 * size * replicas / 0.005
        rate = min(rate, 2000.0)
        recording = record(folder / f"{size}-{replicas}.mcap", int(rate * 8), int(SECOND / rate))
        pipeline = pipeline_for(folder, recording, 1, pause=0.005, size=size, replicas=replicas)
        summary = engine(pipeline)
        rows.append(
            {
                "batch": size,
                "replicas": replicas,
                "sets/s": round(rate),
                "p50_ms": summary.latency_p50_ms,
                "p99_ms": summary.latency_p99_ms,
            }
        )
        say("half load", rows[-1])
    return rows


def say(*what: Any) -> None:
    """Tell how far it is: a run takes minutes."""
    print(*what, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--address", help="a Ray that runs already and finds the tests' plugins")
    parser.add_argument("--no-latency", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The model costs one thread here too, as in its replica.
        with installed(folder / "site"), threadpool_limits(1):
            from sensorium.runtime.serve import cluster

            start = time.perf_counter()
            with cluster(args.address, cpus=8):
                report: dict[str, Any] = {"ray_start_s": time.perf_counter() - start}
                report |= throughput(folder, args.sets, args.repeats)
                if not args.no_latency:
                    report["latency at half load"] = latencies(folder)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
