"""Writes recordings of digits: ``python -m sensorium.demo.make_digits -o FOLDER``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.demo._damage import Damage
from sensorium.demo._digits import sessions
from sensorium.demo._digits_scene import DigitsScene
from sensorium.demo._spoken import SpokenScene

__all__ = ["main"]


def main() -> None:
    """Write ``digits-train.mcap`` and ``digits-test.mcap``, of images and voices of their own."""
    parser = argparse.ArgumentParser(
        description="Write recordings of digits that are seen, heard and guessed (MCAP): MNIST's "
        "images, synthetic speech in many voices with noise, and typed guesses."
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, default=Path())
    parser.add_argument(
        "--sessions", type=int, default=150, help="to train on; a third of it to test"
    )
    parser.add_argument("--length", type=int, default=20, help="digits of a session")
    parser.add_argument("--seed", type=int, default=0, help="what makes it reproducible")
    parser.add_argument(
        "--real-speech",
        metavar="FOLDER",
        type=Path,
        help="write digits-real.mcap of WAV files named digit_speaker_index.wav instead",
    )
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.real_speech is not None:
        spoken = SpokenScene(args.real_speech)
        spoken.record(args.output / "digits-real.mcap", Damage())
        print(f"{args.output / 'digits-real.mcap'}: {spoken.introduction}")
        return
    for name, held_out in (("train", False), ("test", True)):
        count = max(1, args.sessions // 3) if held_out else args.sessions
        path = args.output / f"digits-{name}.mcap"
        made = list(sessions(count, args.length, args.seed, held_out=held_out))
        DigitsScene(made, args.seed).record(path, Damage())
        print(f"{path}: {count * args.length} digits")


if __name__ == "__main__":
    main()
