"""What is wrong with an installed plugin."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault of a plugin that did not stop the others.

    Parameters
    ----------
    plugin
        The name of the plugin's entry point.
    distribution, version
        The installed distribution that brings it.
    hook
        The hook at fault; empty if the plugin could not be loaded at all.
    message
        What is wrong and what to do.
    """

    plugin: str
    distribution: str
    version: str
    hook: str
    message: str

    def __str__(self) -> str:
        version = f" {self.version}" if self.version else ""
        hook = f", hook {self.hook}" if self.hook else ""
        return f"plugin {self.plugin} of {self.distribution}{version}{hook}: {self.message}"
