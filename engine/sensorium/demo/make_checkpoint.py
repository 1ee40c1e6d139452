"""Makes the checkpoint that ships: ``python -m sensorium.demo.make_checkpoint [MODEL]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.demo._train import DATA, MODELS, fit_demo
from sensorium.host import default_host
from sensorium.train import print_fit

__all__ = ["main"]


def main() -> None:
    """Train the demo's model and put its checkpoint beside its pipeline file."""
    parser = argparse.ArgumentParser(description="Train a model of the demo and keep it.")
    parser.add_argument("model", nargs="?", choices=list(MODELS), default="stats")
    parser.add_argument(
        "-o", "--output", metavar="CHECKPOINT", type=Path, help="instead of the one that ships"
    )
    args = parser.parse_args()
    output = args.output or (DATA / MODELS[args.model]).with_suffix(".safetensors")
    print_fit(fit_demo(args.model, default_host(), output))


if __name__ == "__main__":
    main()
