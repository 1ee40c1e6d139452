"""``--set path=value``: changing a pipeline file from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sensorium.errors import ConfigError
from sensorium.host._document import Document, KeyPath, parse_yaml

__all__ = ["override"]


def override(document: Document, overrides: Sequence[str]) -> Document:
    """Apply overrides, later ones last.

    Parameters
    ----------
    document
        The pipeline file; it is not changed.
    overrides
        Texts as ``streams.accel.config.rate=100``; the value is YAML. A number steps into a list.

    Raises
    ------
    ConfigError
        If one is not of this form, or leads into something that has no parts.
    """
    value = document.value
    lines = dict(document.lines)
    for text in overrides:
        path, sign, written = text.partition("=")
        if not sign or not all(path.split(".")):
            raise ConfigError(f"--set {text}: write it as path=value, as runtime.threads=4")
        try:
            new = parse_yaml(written).value
        except ConfigError as error:
            raise ConfigError(f"--set {text}: {error}") from error
        where: KeyPath = tuple(path.split("."))
        value = _replaced(value, where, new, text)
        # What was set does not stand in the file: it has no line there.
        lines = {key: line for key, line in lines.items() if key[: len(where)] != where}
    return replace(document, value=value, lines=lines)


def _replaced(value: Any, path: KeyPath, new: Any, text: str) -> Any:
    if not path:
        return new
    head, rest = str(path[0]), path[1:]
    if value is None:
        value = {}
    if isinstance(value, dict):
        return {**value, head: _replaced(value.get(head), rest, new, text)}
    if isinstance(value, list):
        if not head.isascii() or not head.isdigit() or int(head) >= len(value):
            raise ConfigError(f"--set {text}: {head!r} is not an index below {len(value)}")
        copy = list(value)
        copy[int(head)] = _replaced(copy[int(head)], rest, new, text)
        return copy
    raise ConfigError(f"--set {text}: there is nothing inside of {value!r} to set {head!r} in")
