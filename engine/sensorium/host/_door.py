"""Who may come through the door."""

from __future__ import annotations

from collections.abc import Mapping

from sensorium.errors import ConfigError
from sensorium.host._config import DoorConfig
from sensorium.host._secrets import resolve_reference
from sensorium.listening import is_loopback

__all__ = ["door_token"]


def door_token(config: DoorConfig, environ: Mapping[str, str] | None = None) -> str | None:
    """The token that requests have to carry; None where none is asked for.

    None is asked for on loopback, if the file names none and the default variable is not set.
    Do not log or print what is returned.

    Parameters
    ----------
    config
        The pipeline file's ``door``.
    environ
        The environment; None for this process's.

    Raises
    ------
    ConfigError
        If the token cannot be had where it is needed, or is empty or not ASCII; the message names
        the reference and never the token.
    """
    try:
        token = resolve_reference(config.token, environ)
    except ConfigError as error:
        if is_loopback(config.bind) and "token" not in config.model_fields_set:
            return None
        raise ConfigError(
            f"{config.bind} may be reached from other machines, and the door needs a token there; "
            f"{error}"
            if not is_loopback(config.bind)
            else str(error),
            path="door.token",
        ) from None
    if not token or not token.isascii() or not token.isprintable() or token != token.strip():
        raise ConfigError(
            f"the token of {config.token} is empty, or not plain ASCII without spaces around it",
            path="door.token",
        )
    return token
