"""Every built-in plugin passes the kit that everybody's plugins have to pass."""

from __future__ import annotations

import pytest

import sensorium_plugins
import sensorium_plugins.conformance as adopted
from sensorium.testing.conformance import Conformance
from sensorium_plugins.conformance import *  # noqa: F403 - pytest collects the classes

pytestmark = pytest.mark.torch

#: What needs a server, or a model that somebody else has trained; its own tests have one.
ELSEWHERE = {"kafka", "triton", "text-sentence"}


def test_every_built_in_has_adopted_the_kit():
    hooks = [getattr(sensorium_plugins, name) for name in sensorium_plugins.__all__]
    classes = {cls for hook in hooks for cls in hook() if cls.name not in ELSEWHERE}
    found = [
        value
        for value in vars(adopted).values()
        if isinstance(value, type) and issubclass(value, Conformance)
    ]
    assert classes == {value.plugin for value in found} - {None}
    assert not any(value.waived for value in found)
