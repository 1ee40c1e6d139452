"""Reports as aligned tables, plain where they are piped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from sensorium.train._evaluate import EvalReport
from sensorium.train._fit import FitReport
from sensorium.train._scores import Scores

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["print_eval", "print_fit"]

_HEADINGS: Final = {
    "accuracy": "accuracy",
    "hamming_loss": "hamming",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "ece": "ECE",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R2",
}

#: Wide enough for any table: a pipe has no width of its own, and cells must not be cut.
_PIPE_WIDTH: Final = 200


def print_fit(report: FitReport, console: Console | None = None) -> None:
    """Print what `fit` did."""
    out = console or _console()
    counts = report.counts
    out.print(
        f"trained on {counts['training_sets']} sets of {counts['training_keys']} keys, "
        f"tested on {counts['validation_sets']} sets of {counts['validation_keys']} others",
        highlight=False,
    )
    for task, found in report.metrics.items():
        _show(out, f"{task} ({_kind(found)})", _conditions(found))
    for note in report.notes:
        out.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    out.print(
        f"wrote {report.path} ({report.checkpoint.digest[:12]})",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def print_eval(report: EvalReport, console: Console | None = None) -> None:
    """Print what `evaluate` found."""
    out = console or _console()
    model = report.model[:12] or "none"
    out.print(
        f"{report.pipeline}: {report.sets} sets of {report.keys} keys, model {model}",
        highlight=False,
        markup=False,
    )
    for task, found in report.tasks.items():
        _show(out, f"{task} ({_kind(found)})", _conditions(found))
        first = next(iter(found.values()))
        if first.labels:
            _show(out, f"{task}, by label", _labels(first))
        if first.confusion is not None:
            title = f"{task}, confusion (rows: truth, columns: prediction)"
            _show(out, title, _confusion(first))
        for name, reason in first.reasons.items():
            text = f"note: {task}, {_HEADINGS.get(name, name)}: {reason}"
            out.print(text, highlight=False, markup=False, soft_wrap=True)
    for note in report.notes:
        out.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    for path in report.plots:
        out.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)


def _console() -> Console:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


def _show(out: Console, title: str, table: Table) -> None:
    # Not the table's own title, which is wrapped to the width of the table.
    out.print(f"\n{title}", style="bold", highlight=False, markup=False, soft_wrap=True)
    out.print(table)


def _kind(found: Mapping[str, Scores]) -> str:
    return next(iter(found.values())).kind


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    return table


def _conditions(found: Mapping[str, Scores]) -> Table:
    first = next(iter(found.values()))
    names = list(first.metrics)
    shows_interval = "accuracy" in first.metrics
    headings = ["streams", "sets", *(_HEADINGS.get(name, name) for name in names)]
    if shows_interval:
        headings.insert(3, "95% interval")
    table = _table(*headings)
    for condition, scores in found.items():
        cells = [_number(scores.metrics[name]) for name in names]
        if shows_interval:
            low_high = scores.interval
            shown = f"{low_high[0]:.3f}-{low_high[1]:.3f}" if low_high else "-"
            cells.insert(1, shown)
        table.add_row(condition, str(scores.count), *cells)
    return table


def _labels(scores: Scores) -> Table:
    table = _table("label", "sets", "precision", "recall", "F1", "ROC AUC")
    for label in scores.labels:
        cells = (label.precision, label.recall, label.f1, label.roc_auc)
        table.add_row(label.label, str(label.count), *(_number(cell) for cell in cells))
    return table


def _confusion(scores: Scores) -> Table:
    assert scores.confusion is not None
    names = [label.label for label in scores.labels]
    table = _table("", *names)
    for name, row in zip(names, scores.confusion, strict=True):
        table.add_row(name, *(str(count) for count in row))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
