"""A progress bar on standard error, for people who wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sensorium.plugin import Progress

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(title: str, *, shown: bool) -> Iterator[Progress]:
    """Show how far something is, while the block runs.

    Parameters
    ----------
    title
        What is being done.
    shown
        Whether to show it at all; it is never shown where standard error is not a terminal.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[word]}"),
    )
    hidden = not (shown and console.is_terminal)
    with Bar(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(title, total=None, word="")

        def update(done: int, total: int, word: str) -> None:
            bar.update(task, completed=done, total=total, word=word)

        yield update
