"""The README of the Helm chart: its text, and a table made from the values.

``make chart`` writes it, and a test compares it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "sensorium"
SOURCE = CHART.parent / "README.template.md"
TARGET = CHART / "README.md"
_PLACE = "<!-- values -->\n"


def render() -> str:
    """The whole page."""
    text = SOURCE.read_text("utf-8")
    assert text.count(_PLACE) == 1, f"{SOURCE} has no line {_PLACE!r}"
    rows = [
        f"| `{path}` | {default and f'`{default}`'} | {said} |"
        for path, default, said in described()
    ]
    table = "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])
    return text.replace(_PLACE, table + "\n")


def described() -> Iterator[tuple[str, str, str]]:
    """Path, default and description of every value, in the order of the file.

    A value that has a comment above it is described as a whole, unless the keys within it have
    comments, too; the comment is then theirs together.
    """
    text = (CHART / "values.yaml").read_text("utf-8")
    values = yaml.safe_load(text)
    comments = dict(_comments(text))
    for path, said in comments.items():
        within = [other for other in comments if other.startswith(f"{path}.")]
        if within:
            yield path, "", said
        elif said:
            yield path, _default(values, path), said


def undescribed() -> list[str]:
    """Paths of values that neither have a comment nor lie within one that has."""
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    told = [path for path, default, said in described() if said and default]
    return [path for path in _leaves(values, "") if not any(_within(path, it) for it in told)]


def _within(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}.")


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    else:
        yield path


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """The path of each key that stands on a line of its own, with the comment above it."""
    parents: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if match := re.fullmatch(r" *# ?(.*)", line):
            comment.append(match[1])
        elif match := re.match(r"( *)([A-Za-z]\w*):", line):
            indent = len(match[1])
            parents = [(depth, key) for depth, key in parents if depth < indent]
            parents.append((indent, match[2]))
            if comment:
                yield ".".join(key for _, key in parents), " ".join(comment).replace("|", "\\|")
            comment = []
        else:
            comment = []


def _default(values: Any, path: str) -> str:
    for key in path.split("."):
        values = values[key]
    return (
        yaml.safe_dump(values, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    )


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
