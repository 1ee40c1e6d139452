"""The timeline of a key: streams as rows, events as marks, sets as links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sensorium.errors import MissingExtraError, RunError
from sensorium.events import AlignedSet, Fate
from sensorium.explain._explain import Explanation
from sensorium.explain._story import Seen, Shown
from sensorium.explain._times import span

__all__ = ["draw"]

_SECOND: Final = 1e9
#: Per fate its colour and the form of its mark.
_MARKS: Final[Mapping[Fate, tuple[str, str]]] = {
    Fate.MATCHED: ("#1b6ca8", "o"),
    Fate.SUPERSEDED: ("#8a8a8a", "o"),
    Fate.UNMATCHED: ("#e08a00", "D"),
    Fate.LATE: ("#c62828", "X"),
    Fate.DUPLICATE: ("#7b4fa3", "s"),
    Fate.INVALID: ("#6d4c41", "P"),
    Fate.EVICTED: ("#37474f", "v"),
    Fate.PENDING: ("#b0bec5", "o"),
}
_WHOLE: Final = "#2e7d32"
_PARTIAL: Final = "#e08a00"
_MOST_SETS: Final = 60


def draw(explanation: Explanation, path: Path) -> None:
    """Draw the timeline into a file.

    Parameters
    ----------
    explanation
        What to show, and which part of it.
    path
        Where to; its suffix says the format, as ``.png``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    RunError
        If the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("the picture", "matplotlib", "train") from error
    streams = list(explanation.story.pipeline.streams)
    figure = Figure(figsize=(13, 2.6 + 0.85 * len(streams)), layout="constrained")
    axes = figure.subplots()
    rows = {name: len(streams) - 1 - index for index, name in enumerate(streams)}
    sets = _draw_sets(axes, explanation, rows)
    fates = _draw_events(axes, explanation, rows)
    _draw_focus(axes, explanation, rows)
    _dress(axes, explanation, rows, top=sets)
    _legend(axes, fates)
    try:
        figure.savefig(path, dpi=140)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: the picture cannot be written: {error}") from error


def _at(explanation: Explanation, time: float) -> float:
    return (time - explanation.axis.origin) / _SECOND


def _draw_events(axes: Any, explanation: Explanation, rows: Mapping[str, int]) -> list[Fate]:
    first, last = explanation.span
    found: dict[Fate, list[Seen]] = {}
    for seen in explanation.story.events:
        if first <= seen.event.end and seen.event.time <= last:
            found.setdefault(seen.fate, []).append(seen)
    for fate, events in found.items():
        colour, form = _MARKS[fate]
        loud = fate not in (Fate.MATCHED, Fate.SUPERSEDED, Fate.PENDING)
        lasting = [seen for seen in events if seen.event.duration]
        axes.hlines(
            [rows[seen.event.stream] for seen in lasting],
            [_at(explanation, seen.event.time) for seen in lasting],
            [_at(explanation, seen.event.end) for seen in lasting],
            color=colour, alpha=0.35, linewidth=7, zorder=3,
        )  # fmt: skip
        axes.scatter(
            [_at(explanation, seen.event.time) for seen in events],
            [rows[seen.event.stream] for seen in events],
            s=70 if loud else 32, color=colour, marker=form, zorder=5 if loud else 4,
            edgecolors="white", linewidths=0.6,
        )  # fmt: skip
    letters = [one for one in explanation.story.letters if one.stream in rows and one.time]
    if letters:
        axes.scatter(
            [_at(explanation, one.time or 0) for one in letters],
            [rows[one.stream or ""] for one in letters],
            s=80, color="black", marker="x", zorder=6, label="dead letter",
        )  # fmt: skip
    return [fate for fate in _MARKS if fate in found]


def _draw_sets(axes: Any, explanation: Explanation, rows: Mapping[str, int]) -> float:
    """Draw those that are in sight; gives the height that they take above the rows."""
    first, last = explanation.span
    sets = [
        shown
        for shown in explanation.story.sets
        if first <= max(shown.aligned.end, shown.aligned.time) and shown.aligned.start <= last
    ][:_MOST_SETS]
    top = len(rows) - 0.35
    if explanation.story.pipeline.policy.name == "window":
        return _draw_windows(axes, explanation, rows, sets, top)
    for shown in sets:
        _draw_link(axes, explanation, rows, shown.aligned)
    return top


def _draw_windows(
    axes: Any,
    explanation: Explanation,
    rows: Mapping[str, int],
    sets: Sequence[Shown],
    top: float,
) -> float:
    """A bar above the rows for each, and a hatched bar in the row of what it lacks."""
    lanes: list[int] = []
    for shown in sorted(sets, key=lambda one: one.aligned.start):
        aligned = shown.aligned
        lane = next((at for at, end in enumerate(lanes) if end <= aligned.start), len(lanes))
        lanes[lane:] = [aligned.end, *lanes[lane + 1 :]]
        start, width = _at(explanation, aligned.start), (aligned.end - aligned.start) / _SECOND
        axes.broken_barh(
            [(start, width)],
            (top + 0.24 * lane, 0.18),
            facecolors=_PARTIAL if aligned.absent else _WHOLE,
            alpha=0.75,
            edgecolors="black" if _about(explanation, aligned) else "white",
            linewidth=1.2,
            zorder=4 if _about(explanation, aligned) else 3,
        )
    for name in rows:
        _draw_absences(axes, explanation, rows[name], _absences(sets, name))
    return top + 0.24 * len(lanes)


def _about(explanation: Explanation, aligned: AlignedSet) -> bool:
    """Whether a window covers what was asked about."""
    moment = explanation.moment
    return moment is not None and aligned.start <= moment < aligned.end


def _absences(sets: Sequence[Shown], name: str) -> list[tuple[int, int, str]]:
    """Start, end and reason of where a stream is absent; overlapping ones of one reason as one."""
    spans: list[tuple[int, int, str]] = []
    for shown in sorted(sets, key=lambda one: one.aligned.start):
        aligned = shown.aligned
        if name not in aligned.absent:
            continue
        reason = str(aligned.absent[name])
        if spans and spans[-1][1] >= aligned.start and spans[-1][2] == reason:
            spans[-1] = (spans[-1][0], max(spans[-1][1], aligned.end), reason)
        else:
            spans.append((aligned.start, aligned.end, reason))
    return spans


def _draw_absences(
    axes: Any, explanation: Explanation, y: float, spans: Sequence[tuple[int, int, str]]
) -> None:
    left, right = (_at(explanation, time) for time in explanation.span)
    for start, end, reason in spans:
        first, last = _at(explanation, start), _at(explanation, end)
        axes.broken_barh(
            [(first, last - first)], (y - 0.26, 0.52), facecolors="none",
            edgecolors=_PARTIAL, hatch="////", alpha=0.4, zorder=1,
        )  # fmt: skip
        middle = (max(first, left) + min(last, right)) / 2
        axes.annotate(
            f"absent: {reason}", (middle, y - 0.38), ha="center", va="center", fontsize=8,
            color="#9a5f00", annotation_clip=True,
        )  # fmt: skip


def _draw_link(
    axes: Any, explanation: Explanation, rows: Mapping[str, int], aligned: AlignedSet
) -> None:
    """A line through the members, from the first row to the last."""
    points = sorted(
        (
            (_at(explanation, event.time), rows[name])
            for name, events in aligned.members.items()
            for event in events
        ),
        key=lambda point: -point[1],
    )
    colour = _PARTIAL if aligned.absent else _WHOLE
    axes.plot([x for x, _ in points], [y for _, y in points], color=colour, alpha=0.6,
              linewidth=1.6, zorder=2)  # fmt: skip
    for name, reason in aligned.absent.items():
        x, y = _at(explanation, aligned.time), rows[name] - 0.26
        if points:
            near = min(points, key=lambda point: abs(point[1] - y))
            axes.plot([near[0], x], [near[1], y], color=_PARTIAL, alpha=0.6, linewidth=1.2,
                      linestyle=":", zorder=2)  # fmt: skip
        axes.annotate(
            f"{reason}", (x, y), ha="center", va="center",
            fontsize=7, color="#9a5f00", annotation_clip=True,
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": _PARTIAL, "ls": ":"},
        )  # fmt: skip


def _draw_focus(axes: Any, explanation: Explanation, rows: Mapping[str, int]) -> None:
    if explanation.moment is not None:
        axes.axvline(_at(explanation, explanation.moment), color="#555555", linewidth=0.8,
                     linestyle=":", zorder=1)  # fmt: skip
    focus = explanation.focus
    if focus is None:
        return
    event, y = focus.event, rows[focus.event.stream]
    x, logged = _at(explanation, event.time), _at(explanation, event.arrived or event.time)
    axes.scatter([x], [y], s=230, facecolors="none", edgecolors="black", linewidths=1.4, zorder=7)
    delay = span((event.arrived or event.time) - event.time)
    last = _at(explanation, explanation.span[1])
    axes.annotate(
        f"{focus.fate}, logged {delay} later",
        xy=(min(logged, last), y + 0.06), xytext=(x, y + 0.3), fontsize=8, va="bottom",
        bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.85},
        arrowprops={"arrowstyle": "->", "color": "#555555", "shrinkA": 0, "shrinkB": 0},
        zorder=8,
    )  # fmt: skip


def _dress(axes: Any, explanation: Explanation, rows: Mapping[str, int], *, top: float) -> None:
    first, last = (_at(explanation, time) for time in explanation.span)
    axes.set_xlim(first, last if last > first else first + 1)
    axes.set_ylim(-0.6, top + 0.15)
    ticks: dict[float, str] = {y: name for name, y in rows.items()}
    if explanation.story.pipeline.policy.name == "window":
        ticks[len(rows) - 0.26] = "sets"
    axes.set_yticks(list(ticks), list(ticks.values()))
    for y in rows.values():
        axes.axhline(y, color="#dddddd", linewidth=0.8, zorder=0)
    axes.set_xlabel(f"seconds of event time after {explanation.axis.began}")
    policy = explanation.story.pipeline.policy
    axes.set_title(f"{explanation.story.key}, policy {policy.name}", loc="left", fontsize=11)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _legend(axes: Any, fates: Sequence[Fate]) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=_MARKS[fate][0], marker=_MARKS[fate][1], linestyle="", label=fate)
        for fate in fates
    ]
    entries += [
        Line2D([], [], color=_WHOLE, linewidth=4, alpha=0.75, label="set, whole"),
        Line2D([], [], color=_PARTIAL, linewidth=4, alpha=0.75, label="set, a stream absent"),
    ]
    axes.legend(handles=entries, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=8,
                frameon=False, fontsize=8)  # fmt: skip
