"""Calling the plugins that watch: their errors are logged once and never stop the pipeline."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sensorium.host._plugin import LoadedPlugin
from sensorium.stages import raised

if TYPE_CHECKING:
    from sensorium.events import AlignedSet, DeadLetter, Event, Prediction

__all__ = ["Observers"]

_log = logging.getLogger("sensorium.host")


class Observers:
    """The observing hooks of all plugins, under the names of `sensorium.hookspecs`.

    Parameters
    ----------
    plugins
        The loaded plugins; they are called in this order.
    """

    def __init__(self, plugins: Sequence[LoadedPlugin]) -> None:
        self._observing: dict[str, list[LoadedPlugin]] = {}
        for plugin in plugins:
            for hook in plugin.hooks:
                if hook.startswith("sensorium_on_"):
                    self._observing.setdefault(hook, []).append(plugin)
        #: How many errors there have been, by plugin and hook.
        self.errors: Counter[tuple[str, str]] = Counter()
        self._logged: set[tuple[str, str, str, type[Exception]]] = set()

    def any(self, what: str) -> bool:
        """Whether a plugin observes ``events``, ``sets``, ``predictions`` or ``dead_letters``."""
        return f"sensorium_on_{what}" in self._observing

    def sensorium_on_events(self, *, pipeline: str, events: Sequence[Event]) -> None:
        """Show a batch of decoded events."""
        self._call("sensorium_on_events", pipeline=pipeline, events=events)

    def sensorium_on_sets(self, *, pipeline: str, sets: Sequence[AlignedSet]) -> None:
        """Show a batch of aligned sets."""
        self._call("sensorium_on_sets", pipeline=pipeline, sets=sets)

    def sensorium_on_predictions(self, *, pipeline: str, predictions: Sequence[Prediction]) -> None:
        """Show a batch of predictions."""
        self._call("sensorium_on_predictions", pipeline=pipeline, predictions=predictions)

    def sensorium_on_dead_letters(self, *, pipeline: str, letters: Sequence[DeadLetter]) -> None:
        """Show a batch of dead letters."""
        self._call("sensorium_on_dead_letters", pipeline=pipeline, letters=letters)

    def _call(self, hook: str, **arguments: Any) -> None:
        for plugin in self._observing.get(hook, ()):
            try:
                getattr(plugin.manager.hook, hook)(**arguments)
            except Exception as error:
                self._note(plugin, hook, error)

    def _note(self, plugin: LoadedPlugin, hook: str, error: Exception) -> None:
        self.errors[plugin.name, hook] += 1
        seen = (plugin.distribution, plugin.name, hook, type(error))
        if seen in self._logged:
            return
        self._logged.add(seen)
        _log.error(
            "%s; the pipeline goes on, and further errors of this type are not logged",
            plugin.problem(hook, raised(error)),
        )
