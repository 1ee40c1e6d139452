"""Predictions as JSON lines, to standard output or a file."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar

from pydantic import model_validator

from sensorium.errors import RunError
from sensorium.events import DeadLetter, Prediction
from sensorium.plugin import PluginConfig, Sink
from sensorium.wire import dead_letter_json, dead_letter_to_dict, prediction_json

__all__ = ["JsonLinesSink", "JsonLinesSinkConfig"]


class JsonLinesSinkConfig(PluginConfig):
    """Where the lines go.

    Parameters
    ----------
    path
        A file for the predictions, to which they are appended, or ``"-"`` for standard output.
    dead_letters
        A file for the dead letters, to which they are appended. None or ``"-"``: standard error,
        and there without the data and headers, which may be megabytes of base64.
    """

    path: str = "-"
    dead_letters: str | None = None

    @model_validator(mode="after")
    def _two_files(self) -> JsonLinesSinkConfig:
        if self.path != "-" and self.dead_letters not in (None, "-"):
            letters = Path(str(self.dead_letters)).absolute()
            if Path(self.path).absolute() == letters:
                raise ValueError("path and dead_letters name the same file; use two")
        return self


class JsonLinesSink(Sink):
    """One line a prediction, and one a dead letter.

    Parameters
    ----------
    config
        A `JsonLinesSinkConfig`.
    stdout, stderr
        Written instead of the process's own.
    """

    name: ClassVar[str] = "jsonl"
    Config: ClassVar[type[PluginConfig]] = JsonLinesSinkConfig

    def __init__(
        self,
        config: JsonLinesSinkConfig,
        *,
        stdout: BinaryIO | None = None,
        stderr: BinaryIO | None = None,
    ) -> None:
        super().__init__(config)
        letters = config.dead_letters
        self._predictions = _Lines(config.path, stdout, "standard output")
        self._letters = _Lines(letters or "-", stderr, "standard error")

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Take predictions.

        Raises
        ------
        RunError
            If they cannot be written; also when the reader of standard output has gone.
        """
        self._predictions.write([prediction_json(prediction) for prediction in predictions])

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Take dead letters.

        Raises
        ------
        RunError
            If they cannot be written.
        """
        complete = not self._letters.standard
        self._letters.write([dead_letter_json(x) if complete else _brief(x) for x in letters])

    def flush(self) -> None:
        """Return when all is with the reader, or on the disk.

        Raises
        ------
        RunError
            If it cannot be written.
        """
        self._predictions.flush()
        self._letters.flush()

    def close(self) -> None:
        """Flush, and close the files."""
        try:
            self._predictions.close()
        finally:
            self._letters.close()


def _brief(letter: DeadLetter) -> str:
    fields = dead_letter_to_dict(letter)
    del fields["data"], fields["headers"]
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


class _Lines:
    """A file or a standard stream that lines are written to; opened when the first comes."""

    def __init__(self, path: str, stream: BinaryIO | None, name: str) -> None:
        self.standard = path == "-"
        self._path = path
        self._stream = stream
        self._name = name
        self._gone: RunError | None = None

    def write(self, lines: Sequence[str]) -> None:
        if self._gone is not None:
            raise self._gone
        if lines:
            data = "\n".join([*lines, ""]).encode("ascii")
            try:
                self._open().write(data)
            except OSError as error:
                raise self._failed(error) from error

    def flush(self) -> None:
        if self._stream is None or self._gone is not None:
            return
        try:
            self._stream.flush()
            # A device or a pipe keeps nothing that could be made safe.
            if not self.standard and stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode):
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        try:
            self.flush()
        finally:
            if self._stream is not None and not self.standard:
                stream, self._stream = self._stream, None
                with contextlib.suppress(OSError):  # what it says, flush has said
                    stream.close()

    def _open(self) -> BinaryIO:
        if self._stream is None:
            if self.standard:
                text = sys.stdout if self._name == "standard output" else sys.stderr
                self._stream = text.buffer
            else:
                self._stream = Path(self._path).open("ab")  # noqa: SIM115 - until close
        return self._stream

    def _failed(self, error: OSError) -> RunError:
        where = self._name if self.standard else self._path
        if isinstance(error, BrokenPipeError):
            self._silence()
            self._gone = RunError(
                f"{where} was closed by its reader (as `| head` does); nothing more is written"
            )
            return self._gone
        return RunError(
            f"{where}: cannot be written ({error.strerror or error}); "
            "check the path, its permissions and the free space"
        )

    def _silence(self) -> None:
        """Let what is still buffered go nowhere, or the interpreter complains of it at its end."""
        with contextlib.suppress(OSError, ValueError):
            if self._stream is not None:
                descriptor = self._stream.fileno()
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
