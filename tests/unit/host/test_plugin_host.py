import logging
import re
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from sensorium import hookspecs
from sensorium.errors import PluginError
from sensorium.hookspecs import hookimpl
from sensorium.host import PluginHost
from sensorium.host._plugin import CLASS_HOOKS

Make = Callable[..., ModuleType]
Install = Callable[..., None]

HOOKS = [name for name in hookspecs.__all__ if name.startswith("sensorium_")]
OBSERVING = {
    "sensorium_on_events": "events",
    "sensorium_on_sets": "sets",
    "sensorium_on_predictions": "predictions",
    "sensorium_on_dead_letters": "letters",
}

GOOD = """
from sensorium import hookimpl, Sink

class {cls}(Sink):
    '''Drops everything.'''
    name = "{name}"
    def write(self, predictions): pass
    def write_dead_letters(self, letters): pass
    def flush(self): pass
    def close(self): pass

@hookimpl
def sensorium_sinks():
    return [{cls}]
"""


def good(name: str, cls: str = "Drop") -> str:
    return GOOD.format(name=name, cls=cls)


def only(host: PluginHost, distribution: str) -> list[str]:
    """The problems of one distribution, as people see them."""
    return [str(problem) for problem in host.problems if problem.distribution == distribution]


def test_every_hook_is_either_one_that_returns_classes_or_one_that_observes() -> None:
    assert sorted([*CLASS_HOOKS, *OBSERVING]) == sorted(HOOKS)


def test_every_hook_is_documented() -> None:
    for name in HOOKS:
        assert (getattr(hookspecs, name).__doc__ or "").strip().endswith(".")


@pytest.mark.parametrize("hook", sorted(CLASS_HOOKS))
def test_the_classes_of_a_hook_are_found_by_name(
    hook: str, plugin_module: Make, toy_classes: Mapping[str, type[Any]]
) -> None:
    cls = toy_classes[CLASS_HOOKS[hook]]
    host = PluginHost(entry_points=(), modules=[plugin_module("mine.sub", **{hook: lambda: [cls]})])
    registry = host.registries[CLASS_HOOKS[hook]]
    assert host.problems == []
    assert dict(registry) == {cls.name: cls}
    assert registry[f"mine:{cls.name}"] is cls
    assert [plugin.hooks for plugin in host.plugins] == [(hook,)]
    assert [item.qualified for item in host.registered()] == [f"mine:{cls.name}"]


@pytest.mark.parametrize("hook", sorted(OBSERVING))
def test_an_observer_is_shown_the_batches(hook: str, plugin_module: Make) -> None:
    seen: list[Any] = []
    argument = OBSERVING[hook]
    observers = {
        "events": lambda pipeline, events: seen.append((pipeline, events)),
        "sets": lambda pipeline, sets: seen.append((pipeline, sets)),
        "predictions": lambda pipeline, predictions: seen.append((pipeline, predictions)),
        "letters": lambda pipeline, letters: seen.append((pipeline, letters)),
    }
    module = plugin_module("watcher", **{hook: observers[argument]})
    host = PluginHost(entry_points=(), modules=[module])
    what = hook.removeprefix("sensorium_on_")
    assert [
        name for name in ("events", "sets", "predictions", "dead_letters") if host.observes(name)
    ] == [what]
    getattr(host.hook, hook)(pipeline="p", **{argument: [1, 2]})
    assert seen == [("p", [1, 2])]


def test_an_observer_that_raises_is_logged_once_and_the_others_go_on(
    plugin_module: Make, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    def keep(events: Any) -> None:
        seen.append(events)

    def broken(events: Any) -> None:
        raise ValueError(f"no good: {events}")

    host = PluginHost(
        entry_points=(),
        modules=[
            plugin_module("broken", sensorium_on_events=broken),
            plugin_module("fine", sensorium_on_events=keep),
        ],
    )
    with caplog.at_level(logging.ERROR):
        host.hook.sensorium_on_events(pipeline="p", events=["a"])
        host.hook.sensorium_on_events(pipeline="p", events=["b"])
        host.hook.sensorium_on_sets(pipeline="p", sets=["b"])
    assert seen == [["a"], ["b"]]
    [record] = caplog.records
    # Not what it says, which quotes an event.
    assert re.fullmatch(
        "plugin broken of broken, hook sensorium_on_events: raised ValueError at "
        r"test_plugin_host\.py:\d+; the pipeline goes on, and further errors of this type are not "
        "logged",
        record.getMessage(),
    )
    assert record.exc_info is None
    assert host.hook.errors == {("broken", "sensorium_on_events"): 2}


def test_an_installed_plugin_is_found_with_its_distribution(install: Install) -> None:
    install("drop-it", {"drop_it_mod": good("drop-it-sink")}, version="2.1")
    host = PluginHost()
    item = host.sinks.lookup("drop-it-sink")
    assert (item.distribution, item.version, item.plugin) == ("drop-it", "2.1", "drop_it_mod")
    assert item.description == "Drops everything."
    assert only(host, "drop-it") == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "import not_there_at_all",
            "cannot be imported (bad_mod): ModuleNotFoundError: No module named 'not_there_at_all'",
        ),
        ("raise SystemExit(3)", "cannot be imported (bad_mod): SystemExit: 3"),
        ("def f(:", "cannot be imported (bad_mod): SyntaxError"),
        ("x = 1", "has no hook: mark functions of the module with @sensorium.hookimpl"),
        (
            good("later-sink").replace('name = "later-sink"', 'name = "later-sink"; api = 99'),
            "hook sensorium_sinks: bad_mod.Drop is written for version 99 of the plugin API; this "
            "engine speaks version 1: install a release of the plugin that does, too",
        ),
        (good("x").replace('name = "x"', ""), "bad_mod.Drop has no proper name, but None"),
        (good("a:b"), "bad_mod.Drop has no proper name, but 'a:b'"),
        (good("x").replace("[Drop]", "[Drop({})]"), "which is not a class; return the class"),
        (good("x").replace("[Drop]", "Drop"), "it must be a list of classes"),
        (good("x").replace("(Sink)", ""), "bad_mod.Drop is not a subclass of sensorium.Sink"),
        (
            good("x").replace("def flush", "def flash"),
            "bad_mod.Drop is abstract: it does not define flush",
        ),
        (good("x").replace("[Drop]", "1 / 0"), "hook sensorium_sinks: raised ZeroDivisionError"),
        (
            good("x").replace("sensorium_sinks()", "sensorium_sinks(extra)"),
            "hook sensorium_sinks: Plugin 'bad_mod' for hook 'sensorium_sinks' hookimpl "
            "definition: "
            "sensorium_sinks(extra) Argument(s) {'extra'} are declared in the hookimpl but can not "
            "be found in the hookspec",
        ),
        (
            good("x").replace("sensorium_sinks", "sensorium_sink"),
            "unknown hook 'sensorium_sink' in plugin",
        ),
        (
            "from pydantic import BaseModel\n"
            + good("x").replace("name =", "Config = BaseModel; name ="),
            "bad_mod.Drop takes unknown keys: derive its Config from sensorium.PluginConfig",
        ),
        (
            "from sensorium import PluginConfig\nclass C(PluginConfig):\n    plugin: str\n"
            + good("x").replace("name =", "Config = C; name ="),
            "bad_mod.Drop has a field 'plugin', a key of the engine in the same section",
        ),
    ],
)
def test_a_broken_plugin_is_reported_and_takes_no_other_down(
    install: Install, source: str, problem: str
) -> None:
    install("bad-one", {"bad_mod": source}, version="0.3")
    install("good-one", {"good_mod": good("good-sink")})
    host = PluginHost()
    assert "good-sink" in host.sinks
    [found] = only(host, "bad-one")
    assert found.startswith("plugin bad_mod of bad-one 0.3")
    assert problem in found


def test_a_near_match_of_an_unknown_hook_is_named(plugin_module: Make) -> None:
    host = PluginHost(entry_points=(), modules=[plugin_module("m", sensorium_sink=lambda: None)])
    assert str(host.problems[0]).endswith("did you mean sensorium_sinks?")


def test_a_built_in_keeps_its_name(install: Install) -> None:
    install("aaa-third", {"aaa_mod": good("shared-sink", "Third")})
    install("sensorium", {"fake_builtin": good("shared-sink", "BuiltIn")})
    host = PluginHost(
        [
            entry_point("fake_builtin", "sensorium"),
            entry_point("aaa_mod", "aaa-third"),
        ]
    )
    assert host.sinks["shared-sink"].__name__ == "BuiltIn"
    assert host.sinks["aaa-third:shared-sink"].__name__ == "Third"
    assert set(host.sinks) == {"shared-sink", "aaa-third:shared-sink"}
    assert only(host, "aaa-third") == [
        "plugin aaa_mod of aaa-third 1.0: the sink 'shared-sink' is a built-in of sensorium, which "
        "wins; write 'aaa-third:shared-sink' for the one of aaa-third"
    ]


def test_two_third_parties_are_told_apart_by_their_distribution(install: Install) -> None:
    install("first-dist", {"first_mod": good("twice-sink", "First")})
    install("second-dist", {"second_mod": good("twice-sink", "Second")})
    host = PluginHost()
    assert "twice-sink" not in host.sinks
    assert host.sinks["first-dist:twice-sink"].__name__ == "First"
    assert host.sinks["second-dist:twice-sink"].__name__ == "Second"
    [found] = only(host, "second-dist")
    assert (
        "also brought by first-dist: write 'first-dist:twice-sink' or 'second-dist:twice-sink'"
        in found
    )
    with pytest.raises(
        PluginError, match=r"'twice-sink' is brought by several plugins: write 'first"
    ):
        host.sinks["twice-sink"]


def test_one_distribution_that_brings_a_name_twice_is_reported(
    plugin_module: Make, toy_classes: Any
) -> None:
    base = toy_classes["sink"]
    other = type("Other", (base,), {})
    module = plugin_module("m", sensorium_sinks=lambda: [base, other, base])
    host = PluginHost(entry_points=(), modules=[module])
    assert host.sinks["toy-sink"] is base
    [problem] = host.problems
    assert "the sink 'toy-sink' is brought twice by m" in problem.message


def test_an_unknown_name_is_answered_with_what_there_is(host: PluginHost) -> None:
    with pytest.raises(PluginError) as caught:
        host.modalities["toy-sensr"]
    assert str(caught.value) == (
        "there is no modality 'toy-sensr'; did you mean 'toy-sensor'? installed: "
        "toy-sensor, toy-text"
    )
    assert host.modalities.get("nothing") is None
    assert "nothing" not in host.modalities


def test_an_unknown_name_names_the_plugin_that_failed_to_load(install: Install) -> None:
    install("broken-dist", {"broken_mod": "import not_there_at_all"})
    host = PluginHost([entry_point("broken_mod", "broken-dist")])
    with pytest.raises(PluginError) as caught:
        host.sinks["any"]
    assert str(caught.value) == (
        "there is no sink 'any'; none is installed; it may be part of what failed to load: plugin "
        "broken_mod of broken-dist 1.0: cannot be imported (broken_mod): ModuleNotFoundError: No "
        "module named 'not_there_at_all'"
    )


def test_a_module_that_two_entry_points_name_is_one_plugin(
    plugin_module: Make, toy_classes: Any
) -> None:
    module = plugin_module("m", sensorium_sinks=lambda: [toy_classes["sink"]])
    host = PluginHost(entry_points=(), modules=[module, module])
    assert (len(host.plugins), host.problems) == (1, [])


def test_a_hook_that_returns_nothing_brings_nothing(plugin_module: Make) -> None:
    host = PluginHost(entry_points=(), modules=[plugin_module("m", sensorium_sinks=lambda: None)])
    assert (len(host.plugins), host.problems, len(host.sinks)) == (1, [], 0)


def entry_point(name: str, distribution: str) -> EntryPoint:
    """The installed entry point of a distribution."""
    from importlib.metadata import entry_points

    found = [
        item
        for item in entry_points(group="sensorium", name=name)
        if item.dist is not None and item.dist.name == distribution
    ]
    assert len(found) == 1
    return found[0]


def test_hookimpl_is_the_marker_of_the_project() -> None:
    @hookimpl
    def sensorium_sinks() -> list[Any]:
        return []

    assert sensorium_sinks.sensorium_impl["wrapper"] is False
