"""Every error that Sensorium raises on purpose.

::

    SensoriumError
    ├── ConfigError          the pipeline file or a plugin's configuration is wrong   (exit code 2)
    ├── PluginError          a plugin is missing, broken or named twice               (exit code 2)
    │   └── MissingExtraError    it needs an optional package                         (exit code 2)
    ├── PayloadError         one record cannot be understood: it becomes a dead letter
    │   └── WireError            its envelope cannot
    ├── AlignmentError       the aligner was called in a way that it refuses
    ├── CommitError          a cut was not stored: what it covers is done again
    ├── UnavailableError     what a plugin calls does not answer now, and may later   (exit code 1)
    └── RunError             the pipeline failed while running                        (exit code 1)

A message says what is wrong, where, and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AlignmentError",
    "CommitError",
    "ConfigError",
    "MissingExtraError",
    "PayloadError",
    "PluginError",
    "RunError",
    "SensoriumError",
    "UnavailableError",
    "WireError",
]


class SensoriumError(Exception):
    """The root of all errors below."""


class ConfigError(SensoriumError):
    """The pipeline file, or a plugin's part of it, is wrong.

    Parameters
    ----------
    message
        What is wrong and what to do.
    path
        Where, as a path into the pipeline file: ``streams.accel.config.rate``.
    line
        The line of the pipeline file, counted from 1, where it is known.
    findings
        The errors that this one reports together; see `all_of`.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        line: int | None = None,
        findings: Sequence[ConfigError] = (),
    ) -> None:
        self.message = message
        self.path = path
        self.line = line
        self._findings = tuple(findings)
        location = f"line {line}" if line is not None else ""
        where = f"{path} ({location})" if path and location else path or location
        super().__init__(f"{where}: {message}" if where else message)

    @property
    def findings(self) -> tuple[ConfigError, ...]:
        """Every single error of the file, in its order; the error itself if it stands alone."""
        return self._findings or (self,)

    @classmethod
    def all_of(cls, findings: Sequence[ConfigError], source: str) -> ConfigError:
        """Report all errors of one file (`source`) at once, so that they are mended in one go."""
        if len(findings) == 1:
            return cls(f"{source}: {findings[0]}", findings=findings)
        lines = "".join(f"\n  {finding}" for finding in findings)
        return cls(f"{source} has {len(findings)} errors:{lines}", findings=findings)


class PluginError(SensoriumError):
    """A plugin is missing, cannot be loaded, or clashes with another."""


class MissingExtraError(PluginError):
    """A plugin needs an optional package that is not installed."""

    def __init__(self, needed_by: str, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"{needed_by} needs {package}, which is not installed: pip install 'sensorium[{extra}]'"
        )


class PayloadError(SensoriumError):
    """One record cannot be understood; it becomes a dead letter and nothing else stops."""


class WireError(PayloadError):
    """The envelope of a record cannot be read.

    Parameters
    ----------
    message
        What is wrong.
    field
        The field of the envelope at fault, ``$`` for the whole.
    """

    def __init__(self, message: str, *, field: str = "$") -> None:
        self.field = field
        super().__init__(f"{message} - at `{field}`")


class AlignmentError(SensoriumError):
    """The aligner was given something that it refuses, such as an unknown stream."""


class CommitError(SensoriumError):
    """A source or sink did not store a cut, or cannot say whether it did.

    The engine goes on from what is stored; the run only fails if that cannot be read.
    """


class UnavailableError(SensoriumError):
    """What a plugin depends on, such as a server, does not answer now, and may answer later.

    A plugin raises it when it has retried as long as it should. The items of the call are not to
    blame, so the engine does not call again with fewer of them to find a culprit: all of them fail.
    """


class RunError(SensoriumError):
    """The pipeline failed while running."""
