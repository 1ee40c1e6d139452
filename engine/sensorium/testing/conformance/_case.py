"""The kit as a class: one line adopts it, pytest finds its checks, and none can be lost."""

from __future__ import annotations

import contextlib
import difflib
import tempfile
import unittest
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from sensorium.testing.conformance._report import (
    Check,
    InapplicableError,
    Outcome,
    Report,
    Subject,
    outcome_of,
    promised,
)

__all__ = ["Conformance"]


class Conformance:
    """All checks of one kind of plugin; a subclass says of which plugin.

    Derive from `ModalityConformance`, `FusionConformance` and so on, not from this class. Every
    check is a method ``test_<check>``, which pytest runs in a subclass called ``Test...``.

    Attributes
    ----------
    plugin
        What is checked: the class, or of an observer the module.
    config
        Its configuration, as in a pipeline file.
    waived
        Checks that need not hold, each with the reason, which every report shows.

    Raises
    ------
    TypeError
        When a subclass is defined that replaces a standard check, waives one that does not exist,
        or gives no reason.
    """

    plugin: ClassVar[Any] = None
    config: ClassVar[Mapping[str, Any]] = {}
    waived: ClassVar[Mapping[str, str]] = {}
    _kind: ClassVar[str] = ""
    _checks: ClassVar[Mapping[str, Check]] = {}

    def __init_subclass__(
        cls, kind: str | None = None, checks: Mapping[str, Check] | None = None, **rest: Any
    ) -> None:
        super().__init_subclass__(**rest)
        if kind is not None and checks is not None:
            cls._kind, cls._checks = kind, checks
            for name, check in checks.items():
                setattr(cls, f"test_{name}", _method(name, check))
            return
        cls._keep_standard_checks()
        cls._refuse_groundless_waivers()

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        """The configuration, where it names files: `folder` is empty, and may be written to."""
        return cls.config

    @classmethod
    def make_subject(cls, folder: Path) -> Subject:
        """The plugin with what it is tried with."""
        raise NotImplementedError

    @classmethod
    @contextlib.contextmanager
    def surroundings(cls, folder: Path) -> Iterator[None]:
        """What has to hold while a check is made."""
        yield

    @classmethod
    @contextlib.contextmanager
    def subject(cls) -> Iterator[Subject]:
        """The same, with a folder that is empty before and gone afterwards."""
        if cls.plugin is None:
            raise TypeError(f"{cls.__qualname__}: set `plugin` to the class that is to be checked")
        with (
            tempfile.TemporaryDirectory(prefix="sensorium-") as folder,
            cls.surroundings(Path(folder)),
        ):
            yield cls.make_subject(Path(folder))

    @classmethod
    def report(cls) -> Report:
        """Make all checks, and say what came of each."""
        outcomes = []
        for name, check in cls._checks.items():
            if name in cls.waived:
                outcomes.append(Outcome(name, promised(check), "waived", cls.waived[name]))
                continue
            with cls.subject() as subject:
                outcomes.append(outcome_of(name, subject, check))
        sound = not any(outcome.state == "failed" for outcome in outcomes)
        with cls.subject() as subject:
            figures = subject.figures() if sound else {}
            return Report(cls._kind, subject.name, tuple(outcomes), figures)

    @classmethod
    def require(cls) -> None:
        """Make all checks.

        Raises
        ------
        NonconformanceError
            At the first that does not hold.
        """
        for name, check in cls._checks.items():
            if name not in cls.waived:
                with cls.subject() as subject, contextlib.suppress(InapplicableError):
                    check(subject)

    def test_time_per_item(self, record_property: Callable[[str, object], None]) -> None:
        """The time per item is in pytest's report, as a property of this test."""
        with self.subject() as subject:
            figures = subject.figures()
        assert figures, "nothing was measured"
        for what, time in figures.items():
            record_property(f"{what}, microseconds per item", round(time, 2))

    @classmethod
    def _keep_standard_checks(cls) -> None:
        standard = next(base for base in cls.__mro__ if "_checks" in vars(base))
        for name in cls._checks:
            method = f"test_{name}"
            if getattr(cls, method) is not getattr(standard, method):
                raise TypeError(
                    f"{cls.__qualname__}.{method} would replace a standard check, silently; give "
                    f"yours another name, or say why the check need not hold: "
                    f"waived = {{{name!r}: 'the reason'}}"
                )

    @classmethod
    def _refuse_groundless_waivers(cls) -> None:
        for name, reason in cls.waived.items():
            if name not in cls._checks:
                near = difflib.get_close_matches(name, cls._checks, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there are {[*cls._checks]}"
                raise TypeError(f"{cls.__qualname__}.waived names no check: {name!r}{hint}")
            if not (isinstance(reason, str) and reason.strip()):
                raise TypeError(f"{cls.__qualname__}.waived gives no reason for {name!r}")


def _method(name: str, check: Check) -> Callable[[Conformance], None]:
    def test(self: Conformance) -> None:
        reason = self.waived.get(name)
        if reason is not None:
            raise unittest.SkipTest(f"waived: {reason}")
        with self.subject() as subject:
            try:
                check(subject)
            except InapplicableError as error:
                raise unittest.SkipTest(f"inapplicable: {error}") from None

    test.__name__ = test.__qualname__ = f"test_{name}"
    test.__doc__ = check.__doc__
    return test
