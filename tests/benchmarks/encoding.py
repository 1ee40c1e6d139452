"""Items a second that every modality prepares and encodes, by the size of the batch, on one core.

``PYTHONPATH=engine:plugins python tests/benchmarks/encoding.py`` prints the table of
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import sensorium_plugins
from sensorium.plugin import Modality, Payload, Samples

SECOND = 1_000_000_000
SIZES = (1, 4, 16, 64, 256)
SENSOR = {"channels": 3, "rate": 50}

#: Per row of the table: the modality, its configuration, and what an item holds.
ROWS: list[tuple[str, dict[str, Any], str]] = [
    ("text-tfidf", {}, "text"),
    ("text-embedding", {}, "text"),
    ("text-embedding", {"reader": "mean"}, "text"),
    ("text-transformer", {}, "text"),
    ("text-sentence", {}, "text"),
    ("image-cnn", {}, "image"),
    ("image-resnet", {}, "image"),
    ("image-vit", {}, "image"),
    ("video-frames", {}, "film"),
    ("audio-mel", {"length": "2s"}, "sound"),
    ("audio-mel", {"length": "2s", "reader": "gru", "spectrum": "mfcc"}, "sound"),
    ("sensor-stats", SENSOR, "readings"),
    ("sensor-cnn", SENSOR, "readings"),
    ("sensor-gru", SENSOR, "readings"),
    ("tabular", {"numbers": [f"n{i}" for i in range(20)]}, "record"),
]


def payload(kind: str, random: np.random.Generator) -> Payload:
    """What one item holds."""
    if kind == "text":
        return Payload(" ".join(f"word{number}" for number in random.integers(0, 5000, 20)))
    if kind == "image":
        return Payload(jpeg(random.integers(0, 255, (240, 320, 3)).astype(np.uint8)))
    if kind == "film":
        frames = random.integers(0, 255, (8, 240, 320, 3)).astype(np.uint8)
        return Payload([jpeg(frame) for frame in frames])
    if kind == "sound":
        return Payload((random.normal(size=32_000) * 3000).astype(np.int16))
    if kind == "readings":
        return Payload(random.normal(size=(100, 3)).astype(np.float32))
    return Payload({f"n{i}": float(random.normal()) for i in range(20)})


def jpeg(pixels: np.ndarray) -> bytes:
    """Pixels as a file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="JPEG")
    return out.getvalue()


def rate(call: Callable[[], Any], items: int, seconds: float) -> float:
    """Items a second: the best of rounds that last `seconds` together, of at least two."""
    best, until, rounds = float("inf"), time.perf_counter() + seconds, 0
    while rounds < 2 or time.perf_counter() < until:
        start = time.process_time()
        call()
        best, rounds = min(best, time.process_time() - start), rounds + 1
    return items / max(best, 1e-9)


def measure(modality: Modality, kind: str, seconds: float) -> list[float]:
    """Decode, then prepare and encode together for every size of batch, in items a second."""
    random = np.random.default_rng(0)
    sent = [payload(kind, random) for _ in range(16)]
    values = [modality.decode(one) for one in sent]
    items = [item(modality, values[at % len(values)]) for at in range(max(SIZES))]
    found = [rate(lambda: [modality.decode(one) for one in sent], len(sent), seconds)]
    for size in SIZES:
        batch = items[:size]
        modality.encode(modality.prepare(batch))  # warm
        found.append(rate(lambda b=batch: modality.encode(modality.prepare(b)), size, seconds))
    return found


def item(modality: Modality, value: Any) -> Samples:
    """A set with one event, spanning two seconds."""
    lasts = np.array([modality.duration(value)], dtype=np.int64)
    return Samples(np.zeros(1, dtype=np.int64), lasts, [value], 0, 2 * SECOND)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="per cell")
    given = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    classes = {cls.name: cls for cls in sensorium_plugins.sensorium_modalities()}
    print(f"| modality | options | decode | {' | '.join(map(str, SIZES))} |")
    print("|---|---|" + "---|" * (len(SIZES) + 1))
    for name, config, kind in ROWS:
        modality = classes[name](classes[name].Config.model_validate(config))
        modality.load("cpu", None)
        cells = [f"{figure:,.0f}" for figure in measure(modality, kind, given.seconds)]
        shown = ", ".join(f"{k}: {v}" for k, v in config.items() if k in ("reader", "spectrum"))
        print(f"| `{name}` | {shown} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
