"""Secrets: ``${env:NAME}`` and ``${file:PATH}`` in the configuration of a source or a sink.

The reference stays in the pipeline as it is written, so whatever prints a pipeline prints the
reference. It is replaced by its value only where the source or the sink is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import SecretBytes, SecretStr, ValidationError

from sensorium.errors import ConfigError
from sensorium.plugin import PluginConfig

__all__ = ["resolve_reference", "resolve_secrets", "secret_references"]

C = TypeVar("C", bound=PluginConfig)

_REFERENCE: Final = re.compile(r"\$\{(env|file):([^{}]+)\}")


def secret_references(value: Any) -> Iterator[str]:
    """All references in a configuration or a part of one, as ``${env:NAME}``."""
    if isinstance(value, PluginConfig):
        value = value.model_dump()
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, str):
        if _REFERENCE.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secret_references(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from secret_references(item)


def resolve_secrets(config: C, environ: Mapping[str, str] | None = None) -> C:
    """Replace the references in a configuration by what they stand for.

    Do not log or print what is returned.

    Parameters
    ----------
    config
        The configuration of a source or a sink.
    environ
        The environment; None for this process's.

    Raises
    ------
    ConfigError
        If a variable is not set, a file cannot be read, or the value is refused; the message
        names the reference and never the value.
    """
    references = list(secret_references(config))
    if not references:
        return config
    resolved = _resolved(config.model_dump(), os.environ if environ is None else environ)
    try:
        # Not strict: what was a list in the file may be a tuple or a set by now.
        return type(config).model_validate(resolved, strict=False)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, detail["loc"])) for detail in error.errors())
        # The cause holds the value: it is left out on purpose.
        raise ConfigError(
            f"{type(config).__qualname__} refuses the value of {' or '.join(references)}"
            + (f" at {where}" if where else "")
        ) from None


def resolve_reference(text: str, environ: Mapping[str, str] | None = None) -> str:
    """What a text stands for, if it is a reference; else the text.

    Do not log or print what is returned.

    Raises
    ------
    ConfigError
        As of `resolve_secrets`.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return text
    return _value_of(match[1], match[2], os.environ if environ is None else environ)


def _resolved(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return resolve_reference(value, environ)
    if isinstance(value, SecretStr):
        return SecretStr(_resolved(value.get_secret_value(), environ))
    if isinstance(value, SecretBytes):
        return value
    if isinstance(value, Mapping):
        return {key: _resolved(item, environ) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(_resolved(item, environ) for item in value)
    return value


def _value_of(kind: str, name: str, environ: Mapping[str, str]) -> str:
    if kind == "env":
        if name not in environ:
            raise ConfigError(f"${{env:{name}}}: the environment variable {name} is not set")
        return environ[name]
    try:
        # Editors and `kubectl` end a file with a newline that is no part of the secret.
        return Path(name).read_text("utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"${{file:{name}}}: cannot read the file: {reason}") from None
