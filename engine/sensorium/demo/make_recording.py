"""Writes the recording that the demo plays: ``python -m sensorium.demo.make_recording -o FILE``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.demo._damage import Damage
from sensorium.demo._layout import place
from sensorium.demo._recording import write_recording
from sensorium.demo._watch import load_trials, split_trials

__all__ = ["main"]


def main() -> None:
    """Write the recordings of the people whom the model has not seen, as topics of the pipeline."""
    parser = argparse.ArgumentParser(description="Write the recording that the demo plays (MCAP).")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="what makes it reproducible")
    args = parser.parse_args()
    _, held_out = split_trials(load_trials())
    write_recording(args.output, place(held_out, args.seed), Damage(), args.seed)
    print(args.output)


if __name__ == "__main__":
    main()
