"""``sensorium plugins list|show|new|test``: what is installed, what is wrong with it, and more."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from sensorium.cli import _plugins_new, _plugins_test
from sensorium.cli._table import print_table
from sensorium.errors import PluginError

if TYPE_CHECKING:
    from sensorium.host import PluginHost, Registered

__all__ = ["add_parser", "run", "unknown"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "plugins", help="list the installed plugins, show, test or write one"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list", help="list what the installed plugins bring, and what is wrong with any"
    )
    showing = actions.add_parser("show", help="show one, with its configuration")
    showing.add_argument("name", metavar="NAME", help="its name, or distribution:name")
    for action in (listing, showing):
        action.add_argument("--json", action="store_true", help="print JSON")
    _plugins_new.add_parser(actions)
    _plugins_test.add_parser(actions)
    return parser


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    if args.action == "new":
        return _plugins_new.run(args)
    if args.action == "test":
        return _plugins_test.run(args)
    from sensorium.host import default_host

    host = default_host()
    return _list(host, args.json) if args.action == "list" else _show(host, args.name, args.json)


def _list(host: PluginHost, as_json: bool) -> int:
    items = [_summary(host, item) for item in host.registered()]
    plugins = [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "hooks": list(plugin.hooks),
        }
        for plugin in host.plugins
    ]
    if as_json:
        problems = [
            {key: getattr(problem, key) for key in type(problem).__slots__}
            for problem in host.problems
        ]
        print(json.dumps({"plugins": plugins, "classes": items, "problems": problems}, indent=2))
        return 0
    columns = ("kind", "name", "distribution", "version", "description")
    print_table([columns, *(tuple(item[column] for column in columns) for item in items)])
    for plugin in host.plugins:
        print(
            f"\nplugin {plugin.name} of {plugin.distribution} {plugin.version}".rstrip()
            + f": {', '.join(plugin.hooks)}"
        )
    if host.problems:
        print(f"\n{len(host.problems)} with problems:")
    for problem in host.problems:
        print(f"  {problem}")
    return 0


def _show(host: PluginHost, name: str, as_json: bool) -> int:
    found = [
        (registry, registry.lookup(name))
        for registry in host.registries.values()
        if name in registry
    ]
    if not found:
        raise PluginError(unknown(host, name))
    shown = []
    for registry, item in found:
        model = item.cls if registry.kind == "policy" else item.cls.Config
        hooks = next(
            plugin.hooks
            for plugin in host.plugins
            if (plugin.name, plugin.distribution) == (item.plugin, item.distribution)
        )
        shown.append(
            {
                **_summary(host, item),
                "class": f"{item.cls.__module__}.{item.cls.__qualname__}",
                "plugin": item.plugin,
                "hooks": list(hooks),
                # Of a modality: whether it encodes each event by itself, or all of a set as one.
                **({"per": item.cls.per} if item.kind == "modality" else {}),
                "config": model.model_json_schema(),
            }
        )
    if as_json:
        print(json.dumps(shown, indent=2))
        return 0
    for entry in shown:
        schema = entry.pop("config")
        for key, value in entry.items():
            print(f"{key + ':':<14}{', '.join(value) if isinstance(value, list) else value}")
        print("config:" if schema.get("properties") else "config:       takes no keys")
        required = schema.get("required", ())
        print_table(
            [
                (f"  {key}", _type(field), _default(field, key in required), _line(field))
                for key, field in schema.get("properties", {}).items()
            ]
        )
        print()
    return 0


def unknown(host: PluginHost, name: str) -> str:
    """What to say of a name that no plugin has."""
    import difflib

    names = sorted({known for registry in host.registries.values() for known in registry})
    near = difflib.get_close_matches(name, names, n=1)
    message = f"no plugin brings {name!r}"
    message += f"; did you mean {near[0]!r}?" if near else "; `sensorium plugins list` shows them"
    failed = [str(problem) for problem in host.problems]
    return message + (f" These have problems: {'; '.join(failed)}" if failed else "")


def _summary(host: PluginHost, item: Registered[Any]) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": host.registries[item.kind].shortest(item),
        "distribution": item.distribution,
        "version": item.version,
        "description": item.description,
    }


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(choice) for choice in field["anyOf"]))
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    return str(field.get("type") or field.get("$ref", "any").rpartition("/")[2])


def _default(field: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    return f"default {field['default']}" if "default" in field else ""


def _line(field: dict[str, Any]) -> str:
    return str(field.get("description", "")).partition("\n")[0]
