"""What people see: a live table on a terminal, plain lines elsewhere, or nothing but JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, TextIO

from sensorium.demo._figures import Figures, share
from sensorium.demo._scoreboard import Scoreboard, Shown

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Display", "LiveDisplay", "PlainDisplay", "Silent"]

_REFRESH_PER_SECOND: Final = 8


class Silent:
    """Shows nothing."""

    def say(self, line: str) -> None:
        """Tell what goes on."""

    def warn(self, line: str) -> None:
        """Tell what must not pass unnoticed: where nothing is shown, on standard error."""
        print(line, file=sys.stderr, flush=True)

    @contextmanager
    def watching(self, board: Scoreboard) -> Iterator[Callable[[], None]]:
        """While it runs; gives what to call when there are new predictions."""
        yield _nothing

    def finish(self, figures: Figures) -> None:
        """Show what was found."""


#: What all displays can do.
Display = Silent


class PlainDisplay(Silent):
    """Plain lines: one about every second, or every tenth of the recording.

    Parameters
    ----------
    out
        Where to.
    clock
        Seconds that only go forward.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = monotonic) -> None:
        self._out = out
        self._clock = clock

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=self._out, flush=True)

    warn = say

    @contextmanager
    def watching(self, board: Scoreboard) -> Iterator[Callable[[], None]]:
        """Print how far it is, with the newest prediction."""
        said, at = 0, self._clock()

        def update() -> None:
            nonlocal said, at
            tenth, now = int(board.progress * 10), self._clock()
            if board.newest and (tenth > said or now - at >= 1.0):
                said, at = tenth, now
                self.say(f"{progress_line(board)}; {prediction_line(board.newest[-1])}")

        yield update

    def finish(self, figures: Figures) -> None:
        """Print the figures."""
        rows = figures.rows()
        width = max(len(name) for name, _ in rows)
        self.say("")
        for name, value in rows:
            self.say(f"{name.ljust(width)}  {value}")


class LiveDisplay(Silent):
    """A table that is drawn again several times a second."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, markup=False)

    warn = say

    @contextmanager
    def watching(self, board: Scoreboard) -> Iterator[Callable[[], None]]:
        """Draw the newest predictions and the figures so far."""
        from rich.live import Live

        with Live(
            console=self._console,
            refresh_per_second=_REFRESH_PER_SECOND,
            get_renderable=lambda: _picture(board),
        ):
            yield _nothing

    def finish(self, figures: Figures) -> None:
        """Show the figures as a table."""
        from rich.table import Table

        table = Table(
            title=f"sensorium demo {figures.demo}", show_header=False, title_justify="left"
        )
        table.add_column()
        table.add_column(justify="right")
        for name, value in figures.rows():
            table.add_row(name, value)
        self._console.print(table)


def progress_line(board: Scoreboard) -> str:
    """How far it is, in one line."""
    latency = board.latency_ms
    waited = "" if latency is None else f", latency {latency:.1f} ms"
    return (
        f"{clock_time(board.elapsed)} ({board.progress:.0%}) "
        f"{board.predictions:,} predictions, accuracy {share(board.accuracy)}, "
        f"{board.events_per_s:,.0f} events/s, lag {board.lag / 1e9:.1f} s{waited}"
    )


def prediction_line(shown: Shown) -> str:
    """One prediction, in words."""
    return (
        f"{shown.key} at {clock_time(shown.time)}: {shown.label} {shown.score:.2f} "
        f"from {'+'.join(shown.streams)}, {shown.verdict}"
    )


def clock_time(nanoseconds: int) -> str:
    """Minutes and seconds since the start; what lies before it is the start."""
    minutes, seconds = divmod(max(0, nanoseconds) // 1_000_000_000, 60)
    return f"{minutes:02d}:{seconds:02d}"


def _picture(board: Scoreboard) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=False)
    for heading in ("window", "key", "says", "score", "truth", "", "streams"):
        table.add_column(heading, justify="right" if heading == "score" else "left")
    # A copy: the thread that runs the pipeline goes on adding.
    for shown in board.newest.copy():
        style = "green" if shown.verdict == "right" else "red"
        table.add_row(
            clock_time(shown.time),
            shown.key,
            shown.label,
            f"{shown.score:.2f}",
            shown.truth,
            Text(shown.verdict, style=style),
            " + ".join(shown.streams),
        )
    return Group(table, Text(progress_line(board)), Text("Ctrl-C ends it", style="dim"))


def _nothing() -> None:
    """Do nothing."""
