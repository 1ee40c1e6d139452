"""What the kit found out about one plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from sensorium.errors import MissingExtraError

__all__ = [
    "Check",
    "InapplicableError",
    "NonconformanceError",
    "Outcome",
    "Report",
    "Subject",
    "outcome_of",
    "promised",
]

#: A check takes a subject, and raises `NonconformanceError` or `InapplicableError`, or nothing.
Check = Callable[[Any], None]


class NonconformanceError(AssertionError):
    """A plugin does not do what its base class promises.

    Parameters
    ----------
    plugin
        The plugin's name.
    message
        What it does instead.
    """

    def __init__(self, plugin: str, message: str) -> None:
        self.plugin = plugin
        super().__init__(f"{plugin}: {message}")


class InapplicableError(Exception):
    """A check has nothing to look at in this plugin; the message says why."""


class Subject:
    """A plugin to check, with what it is tried with; the base of one class per kind."""

    @property
    def name(self) -> str:
        """The plugin's name."""
        raise NotImplementedError

    def figures(self) -> Mapping[str, float]:
        """How long it takes, in microseconds per item, by what is done."""
        return {}

    def refuse(self, message: str) -> NoReturn:
        """Complain."""
        raise NonconformanceError(self.name, message)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check.

    Parameters
    ----------
    check
        Its name.
    promise
        What a plugin promises, in a line.
    state
        ``waived``: the plugin's author has said why it need not hold. ``inapplicable``: there is
        nothing to look at.
    message
        What is wrong, or why the check was not made.
    """

    check: str
    promise: str
    state: Literal["passed", "failed", "waived", "inapplicable"]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all checks of one plugin.

    Parameters
    ----------
    kind, plugin
        What was checked.
    outcomes
        In the order of the checks.
    figures
        Microseconds per item, by what is done.
    """

    kind: str
    plugin: str
    outcomes: tuple[Outcome, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not any(outcome.state == "failed" for outcome in self.outcomes)

    def __str__(self) -> str:
        """A line per check, the times, and a sum."""
        width = max((len(outcome.check) for outcome in self.outcomes), default=0)
        lines = [f"{self.kind} {self.plugin}"]
        for outcome in self.outcomes:
            state = outcome.state.upper() if outcome.state == "failed" else outcome.state
            told = outcome.message or outcome.promise
            lines.append(f"  {state:<12}  {outcome.check:<{width}}  {told}")
        if self.figures:
            told = ", ".join(f"{what} {time:,.1f} us" for what, time in self.figures.items())
            lines.append(f"  time per item: {told}")
        states = ("passed", "failed", "waived", "inapplicable")
        counts = {it: sum(outcome.state == it for outcome in self.outcomes) for it in states}
        lines.append("  " + ", ".join(f"{count} {it}" for it, count in counts.items()))
        return "\n".join(lines)


def outcome_of(name: str, subject: Subject, check: Check) -> Outcome:
    """Make a check, and say what came of it.

    Raises
    ------
    MissingExtraError
        If the plugin needs a package that is not installed.
    """
    promise = promised(check)
    try:
        check(subject)
    except InapplicableError as error:
        return Outcome(name, promise, "inapplicable", str(error))
    except NonconformanceError as error:
        return Outcome(name, promise, "failed", str(error).removeprefix(f"{subject.name}: "))
    except MissingExtraError:
        raise
    except Exception as error:
        # What the check did not expect is the plugin's all the same.
        return Outcome(name, promise, "failed", f"raised {type(error).__name__}: {error}")
    return Outcome(name, promise, "passed")


def promised(check: Check) -> str:
    """What a plugin promises, in a line."""
    return (check.__doc__ or "").strip().partition("\n")[0]
