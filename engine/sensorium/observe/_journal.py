"""What a run tells its log: what happened, where, and never a payload or a secret.

The loggers are ``sensorium.run`` and, for what happens in a stage, ``sensorium.ingest`` to
``sensorium.emit``. A record carries attributes beside its text: ``event`` (the
name of what happened), ``pipeline``, and those that docs/logs.md lists.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sensorium.events import DeadLetter
from sensorium.observe._silence import Silence

__all__ = ["Journal"]

_run: Final = logging.getLogger("sensorium.run")


class Journal:
    """The log of one run.

    Parameters
    ----------
    pipeline
        The pipeline's name.
    streams
        The pipeline's streams.
    silent_after
        How far a stream may be behind the others before it counts as silent, in ns of log time.
    """

    def __init__(
        self, pipeline: str, streams: Iterable[str], silent_after: float = 60_000_000_000
    ) -> None:
        self._pipeline = pipeline
        self._silence = Silence(streams, silent_after)

    def starting(self, version: str, executor: str, address: str | None) -> None:
        """The process begins; `address` is where metrics and health are served."""
        where = f"; metrics and health at {address}" if address else ""
        self._tell(
            _run, logging.INFO, "starting", "starting with sensorium %s, executor %s%s",
            version, executor, where, version=version, executor=executor, address=address,
        )  # fmt: skip

    def model_loaded(self, model: str, plugins: Sequence[str]) -> None:
        """The models are loaded, and `model` is their identity."""
        self._tell(
            _run, logging.INFO, "model_loaded", "loaded %s; the model is %s",
            ", ".join(plugins), model or "without weights", model=model, plugins=list(plugins),
        )  # fmt: skip

    def model_changed(self, model: str) -> None:
        """Another model has taken over."""
        self._tell(_run, logging.INFO, "model_changed", "the model is now %s", model, model=model)

    def assigned(self, partitions: Sequence[int]) -> None:
        """These are the partition numbers that are read from now on."""
        self._tell(
            _run, logging.INFO, "assigned", "reading partitions %s",
            ", ".join(map(str, partitions)) or "none", partitions=list(partitions),
        )  # fmt: skip

    def not_ready(self, reasons: Sequence[str]) -> None:
        """It was ready, and is no more."""
        self._tell(
            _run, logging.WARNING, "not_ready", "not ready: %s", "; ".join(reasons),
            reasons=list(reasons),
        )  # fmt: skip

    def ready_again(self) -> None:
        """It is ready again."""
        self._tell(_run, logging.INFO, "ready_again", "ready again")

    def commit_failed(self, partitions: Sequence[int], error: Exception) -> None:
        """The cuts of these partition numbers could not be committed."""
        self._tell(
            _run, logging.WARNING, "commit_failed", "partitions %s: %s",
            ", ".join(map(str, partitions)), error,
            partitions=list(partitions), error=type(error).__name__,
        )  # fmt: skip

    def left(self, sets: int, seconds: float) -> None:
        """These sets were still in flight when the limit of draining, in seconds, was over."""
        self._tell(
            _run, logging.WARNING, "left",
            "%d sets were still in flight after runtime.drain (%g s), and are left: they are "
            "predicted again from the newest committed cut", sets, seconds, count=sets,
        )  # fmt: skip

    def stopped(self, *, early: bool, **counts: Any) -> None:
        """The run has ended, `early` if it was stopped before its source ended."""
        self._tell(
            _run, logging.INFO, "stopped", "%s: %s", "stopped" if early else "the source has ended",
            ", ".join(f"{name} {count}" for name, count in counts.items()), early=early, **counts,
        )  # fmt: skip

    def buried(self, letters: Iterable[DeadLetter]) -> None:
        """Tell of dead letters: one line per stage, stream, plugin and error, with the first one's
        place. What the error said is left out, since a plugin is apt to quote the payload."""
        groups: dict[tuple[str | None, ...], list[DeadLetter]] = {}
        for letter in letters:
            kind = (letter.stage, letter.stream, letter.plugin, letter.hook, letter.error)
            groups.setdefault(kind, []).append(letter)
        for (stage, stream, plugin, hook, error), group in groups.items():
            places = [letter.origin for letter in group if letter.origin is not None]
            self._tell(
                logging.getLogger(f"sensorium.{stage}"), logging.WARNING, "dead_letter",
                "%s: %s%s%s",
                "a dead letter" if len(group) == 1 else f"{len(group)} dead letters", error,
                f" in {plugin}.{hook}" if plugin else "", f", stream {stream}" if stream else "",
                stage=stage, stream=stream, plugin=plugin, hook=hook, error=error,
                count=len(group), origin=_place(places[0]) if places else None,
            )  # fmt: skip

    def read(self, newest: Mapping[str, int]) -> None:
        """Tell of streams that fall silent while others go on, and of their return.

        Called once a second or so.

        Parameters
        ----------
        newest
            Per stream, the log time of its newest event, in ns since the epoch.
        """
        silent, back = self._silence.check(newest)
        log = logging.getLogger("sensorium.ingest")
        for stream, seconds in silent.items():
            self._tell(
                log, logging.WARNING, "stream_silent",
                "the stream %s is silent: other streams have events up to %.0f s newer",
                stream, seconds, stage="ingest", stream=stream,
            )  # fmt: skip
        for stream in back:
            self._tell(
                log, logging.INFO, "stream_back", "the stream %s has events again",
                stream, stage="ingest", stream=stream,
            )  # fmt: skip

    def _tell(
        self, log: logging.Logger, level: int, event: str, text: str, *arguments: Any, **more: Any
    ) -> None:
        extra = {name: value for name, value in more.items() if value is not None}
        log.log(
            level, text, *arguments, extra={"event": event, "pipeline": self._pipeline, **extra}
        )


def _place(origin: str) -> str:
    """``topic[partition]@offset`` of ``topic/partition/offset``."""
    topic, *rest = origin.rsplit("/", 2)
    return f"{topic}[{rest[0]}]@{rest[1]}" if len(rest) == 2 else origin
