"""Every fusion on the watch, trained with and without modality dropout, tested on other people.

``PYTHONPATH=engine:plugins python tests/benchmarks/fusions.py`` prints the table of
docs/benchmarks.md; it needs seglearn (the extra ``demo``) and torch.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

import sensorium_plugins
from sensorium.demo import Damage
from sensorium.demo._layout import place
from sensorium.demo._recording import write_recording
from sensorium.demo._watch import load_trials, split_trials
from sensorium.host import PluginHost, load_pipeline
from sensorium.train import Dataset, collect, evaluate_dataset, fit_dataset

WATCH = Path(__file__).parents[2] / "deploy" / "pipelines" / "watch.yaml"
FUSIONS: list[dict[str, Any]] = [
    {"plugin": "concat", "hidden": [64], "alpha": 3},
    {"plugin": "mean"},
    {"plugin": "max"},
    {"plugin": "weighted"},
    {"plugin": "gated"},
    {"plugin": "late"},
    {"plugin": "transformer"},
    {"plugin": "adversarial"},
]
COLUMNS = (
    "all streams",
    "accel alone",
    "gyro alone",
    "each stream missing 10%",
    "each stream missing 30%",
    "each stream missing 50%",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=1, help="how many trainings are averaged")
    given = parser.parse_args(arguments)
    host = PluginHost(entry_points=(), modules=[sensorium_plugins])
    document = {**yaml.safe_load(WATCH.read_text()), "checkpoint": None}
    plain = load_pipeline(document, plugins=host)
    print(f"| fusion | dropout | {' | '.join(COLUMNS)} |")
    print("|---|---|" + "---|" * len(COLUMNS))
    with tempfile.TemporaryDirectory(prefix="sensorium-fusions-") as folder:
        data = []
        for name, trials in zip(("train", "test"), split_trials(load_trials()), strict=True):
            path = Path(folder, f"{name}.mcap")
            write_recording(path, place(trials, 0), Damage(), 0)
            data.append(collect(plain, host, [path]))
        output = Path(folder, "watch.safetensors")
        for fusion in FUSIONS:
            for dropout in (0.0, 0.3):
                rows = [
                    accuracies(host, {**document, "fusion": fusion}, *data, output, options)
                    for options in settings(given, dropout)
                ]
                cells = [
                    f"{100 * sum(column) / len(rows):.1f}" for column in zip(*rows, strict=True)
                ]
                print(f"| `{fusion['plugin']}` | {dropout:g} | {' | '.join(cells)} |", flush=True)


def settings(given: argparse.Namespace, dropout: float) -> list[dict[str, Any]]:
    """How each of the trainings of a row goes."""
    return [
        {"seed": seed, "epochs": given.epochs, "modality_dropout": dropout}
        for seed in range(given.seeds)
    ]


def accuracies(
    host: PluginHost,
    document: dict[str, Any],
    train: Dataset,
    test: Dataset,
    output: Path,
    options: dict[str, Any],
) -> list[float]:
    """Train, and test under every column's circumstances."""
    fit_dataset(
        load_pipeline(document, plugins=host), host, train, output, progress=False, **options
    )
    trained = load_pipeline({**document, "checkpoint": str(output)}, plugins=host)
    scores = evaluate_dataset(trained, test).tasks["exercise"]
    return [scores[name].metrics["accuracy"] for name in COLUMNS]


if __name__ == "__main__":
    main()
