"""What all plugin classes share."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

__all__ = ["API_VERSION", "PluginConfig"]

#: The version of the plugin API that this engine speaks.
API_VERSION: Final = 1


class PluginConfig(BaseModel):
    """The base of every plugin's configuration: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
