"""Reading the pipeline file: YAML 1.2's plain values, each with the line where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from sensorium.errors import ConfigError

__all__ = ["Document", "KeyPath", "dotted", "parse_yaml", "read_document"]

#: Keys and list indices from the root of the file.
KeyPath: TypeAlias = tuple[str | int, ...]

_MAX_BYTES: Final = 1 << 20
_MAX_DEPTH: Final = 50
_TAG: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content, and where each part of it stands.

    Parameters
    ----------
    value
        Mappings, lists and scalars.
    source
        The name of the file, for messages.
    lines
        Per path, its line, counted from 1.
    """

    value: Any
    source: str = "pipeline"
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """The line of a path, or of the nearest part of the file around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


def dotted(path: KeyPath) -> str:
    """A path as it is written in messages: ``streams.accel.config.rate``, ``labels[2]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    ConfigError
        If it cannot be read, is no YAML, has a key twice, or uses tags or aliases.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path} has {len(data)} bytes; a pipeline file has at most {_MAX_BYTES}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from error
    try:
        document = parse_yaml(text, source=str(path))
    except ConfigError as error:
        raise ConfigError.all_of([error], str(path)) from error
    if document.value is None:
        raise ConfigError(f"{path} is empty; see docs/pipeline.md for an example")
    return document


def parse_yaml(text: str, source: str = "") -> Document:
    """Read a YAML text; see `read_document`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[KeyPath, int] = {}
        value = None if node is None else _construct(node, (), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        message = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"not valid YAML: {message}", line=line) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}") from error
    return Document(value, source, lines)


class _Loader(yaml.SafeLoader):
    """Composes nodes by YAML 1.2's core schema: ``NO`` and ``on`` are text, ``1e-3`` a number."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  (PyYAML's own way)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nesting = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]
            raise ConfigError(
                f"the alias *{event.anchor} is not supported: write the value out",
                line=event.start_mark.line + 1,
            )
        if self._nesting == _MAX_DEPTH:
            raise ConfigError(f"nested deeper than {_MAX_DEPTH} levels")
        self._nesting += 1
        node = super().compose_node(parent, index)
        self._nesting -= 1
        return node


def _resolve(tag: str, pattern: str, first: Sequence[str]) -> None:
    _Loader.add_implicit_resolver(_TAG + tag, re.compile(f"^(?:{pattern})$", re.ASCII), list(first))


_resolve("null", "~|null|Null|NULL|", ["~", "n", "N", ""])
_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789")
_resolve(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+.0123456789",
)


def _construct(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
        return _construct_mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
        return [_construct(item, (*path, i), lines) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _construct_scalar(node, path)
    raise _at(f"the tag {node.tag!r} is not supported", path, node)


def _construct_mapping(
    node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int]
) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _construct_scalar(key_node, path) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise _at("a key must be a text; put it in quotes", path, key_node)
        if key in mapping:
            first = lines[(*path, key)]
            raise _at(f"given twice, first on line {first}", (*path, key), key_node)
        mapping[key] = _construct(value_node, (*path, key), lines)
        # A value may begin below its key; people look for the key.
        lines[(*path, key)] = key_node.start_mark.line + 1
    return mapping


def _construct_scalar(node: yaml.ScalarNode, path: KeyPath) -> Any:
    text: str = node.value
    try:
        match node.tag.removeprefix(_TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                base = 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10
                return int(text, base)
            case "float":
                return float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
    except ValueError as error:
        raise _at(f"{text[:40]!r} is not a number", path, node) from error
    raise _at(f"the tag {node.tag!r} is not supported", path, node)


def _at(message: str, path: KeyPath, node: yaml.Node) -> ConfigError:
    return ConfigError(message, path=dotted(path), line=node.start_mark.line + 1)
