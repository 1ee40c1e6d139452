"""The models that a process holds: the one in force, and the one before it while calls still ask
for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sensorium.errors import ConfigError

__all__ = ["Held", "Shelf"]

T = TypeVar("T")

_logger = logging.getLogger("sensorium.serve")


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """A loaded model.

    Parameters
    ----------
    digest
        Its identity.
    model
        What was loaded.
    """

    digest: str
    model: T


class Shelf(Generic[T]):
    """Holds the newest model and the one before.

    The first is loaded by the caller's thread. Each later one is loaded, and warmed up, by a thread
    of its own while the old one goes on; one that cannot be loaded leaves the old one in force.

    Parameters
    ----------
    load
        Loads a model from settings and warms it up.
    """

    def __init__(self, load: Callable[[Mapping[str, Any]], Held[T]]) -> None:
        self._load = load
        self._held: list[Held[T]] = []
        self._changing = threading.Lock()
        self._wanted: Mapping[str, Any] = {}

    def change(self, settings: Mapping[str, Any]) -> None:
        """Take up settings.

        Raises
        ------
        ConfigError
            If the first model cannot be loaded.
        """
        self._wanted = settings
        if not self._held:
            self._held = [self._loaded(settings)]
        else:
            threading.Thread(target=self._swap, name="sensorium-load", daemon=True).start()

    @property
    def newest(self) -> Held[T]:
        """The model in force."""
        return self._held[-1]

    @property
    def all(self) -> list[Held[T]]:
        """The model in force, then the one before it."""
        return self._held[::-1]

    def find(self, digest: str) -> T | None:
        """The model of this identity, if it is here."""
        return next((it.model for it in self._held if it.digest == digest), None)

    def _swap(self) -> None:
        with self._changing:
            # Another change may have come while this one waited: the newest is what counts.
            settings = self._wanted
            try:
                loaded = self._loaded(settings)
            except Exception:
                _logger.exception("cannot load %s: the model before goes on", settings)
                return
            others = [it for it in self._held if it.digest != loaded.digest]
            self._held = [*others[-1:], loaded]

    def _loaded(self, settings: Mapping[str, Any]) -> Held[T]:
        loaded = self._load(settings)
        wanted = settings.get("digest", loaded.digest)
        if loaded.digest != wanted:
            raise ConfigError(
                f"the checkpoint {settings.get('checkpoint')} is {loaded.digest[:12] or 'empty'}, "
                f"not {wanted[:12]}: it has changed since it was deployed, or differs here",
                path="checkpoint",
            )
        return loaded
