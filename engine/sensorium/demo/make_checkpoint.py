"""Makes a checkpoint that ships: ``python -m sensorium.demo.make_checkpoint [DEMO [MODEL]]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.demo._demos import DEMOS
from sensorium.demo._train import fit_demo
from sensorium.host import default_host
from sensorium.train import print_fit

__all__ = ["main"]


def main() -> None:
    """Train a demo's model and put its checkpoint beside its pipeline file."""
    parser = argparse.ArgumentParser(description="Train a model of a demo and keep it.")
    parser.add_argument("demo", nargs="?", choices=list(DEMOS), default="watch")
    parser.add_argument("model", nargs="?", help="one of the demo's models (default the first)")
    parser.add_argument(
        "-o", "--output", metavar="CHECKPOINT", type=Path, help="instead of the one that ships"
    )
    args = parser.parse_args()
    demo, host = DEMOS[args.demo], default_host()
    output = args.output or demo.file(args.model).with_suffix(".safetensors")
    print_fit(fit_demo(demo, args.model, host, output))


if __name__ == "__main__":
    main()
