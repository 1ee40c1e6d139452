"""Writes recordings of digits: ``python -m sensorium.demo.make_digits -o FOLDER``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.demo._digits import sessions, write_digits, write_spoken

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
        path = args.output / "digits-real.mcap"
        print(f"{path}: {write_spoken(path, args.real_speech)} digits")
        return
    for name, held_out in (("train", False), ("test", True)):
        count = max(1, args.sessions // 3) if held_out else args.sessions
        path = args.output / f"digits-{name}.mcap"
        made = sessions(count, args.length, args.seed, held_out=held_out)
        print(f"{path}: {write_digits(path, made)} digits")


if __name__ == "__main__":
    main()
