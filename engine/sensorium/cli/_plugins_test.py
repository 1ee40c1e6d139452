"""``sensorium plugins test``: the conformance kit on an installed plugin, as a report."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensorium.errors import ConfigError, PluginError

if TYPE_CHECKING:
    from sensorium.host import PluginHost, Registered
    from sensorium.testing.conformance import Conformance, Report

__all__ = ["CONFORMANCE_GROUP", "add_parser", "run"]

#: The entry-point group of the modules that adopt the kit.
CONFORMANCE_GROUP: Final = "sensorium.conformance"

#: What a file is to a modality, by its suffix; any other is bytes.
_MEDIA: Final = {
    ".flac": "audio/flac",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".wav": "audio/wav",
}


def add_parser(actions: Any) -> argparse.ArgumentParser:
    """Add the parser of this action."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "test", help="run the conformance kit on one, and report what it promises and keeps"
    )
    parser.add_argument(
        "name", metavar="NAME", help="its name, distribution:name, or a distribution for all of it"
    )
    parser.add_argument(
        "--config", metavar="JSON", help="its configuration, instead of what it brings for this"
    )
    parser.add_argument(
        "--payload",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="for a modality: a payload, as .json, .txt or .npy, or as bytes; at least two of them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    """Test it; 1 if a promise is not kept."""
    from sensorium.host import default_host

    config = None if args.config is None else _config(args.config)
    cases = list(_cases(default_host(), args.name, config, args.payload))
    reports = []
    for case in cases:
        report = _report(case)
        reports.append(report)
        if not args.json:
            print(report, end="\n\n", flush=True)
    if args.json:
        print(json.dumps([_plain(report) for report in reports], indent=2))
    return 0 if all(report.ok for report in reports) else 1


def _report(case: type[Conformance]) -> Report:
    # What a plugin logs of the kit's own events is no news.
    logging.disable()
    try:
        return case.report()
    except (TypeError, ValueError) as error:  # what it is tried with does not do
        raise ConfigError(f"{case.__name__}: {error}") from error
    finally:
        logging.disable(logging.NOTSET)


def _cases(
    host: PluginHost, name: str, config: Mapping[str, Any] | None, payloads: list[Path]
) -> Iterator[type[Conformance]]:
    """What is to be reported on: one class of the kit each."""
    items = [
        registry.lookup(name) for registry in host.registries.values() if name in registry
    ] or [item for item in host.registered() if item.distribution == name]
    modules = [it for it in host.plugins if name in (it.name, it.distribution)]
    if config is not None or payloads:
        if len(items) != 1:
            raise ConfigError(
                f"--config and --payload are for one plugin; {name!r} is {len(items)} of them"
            )
        yield _by_hand(items[0], config or {}, payloads)
        return
    if not items and not modules:
        from sensorium.cli._plugins import unknown

        raise PluginError(unknown(host, name))
    wanted = [item.cls for item in items] + [it.manager.get_plugin(it.name) for it in modules]
    distributions = {it.distribution for it in items} | {it.distribution for it in modules}
    found = [it for it in _adopted(distributions) if any(it.plugin is one for one in wanted)]
    if not found:
        raise ConfigError(
            f"{name!r} does not say what to test it with: give --config and, for a modality, "
            f"--payload twice; or let its distribution name a module with classes of "
            f"sensorium.testing.conformance in the entry-point group {CONFORMANCE_GROUP!r}"
        )
    yield from found


def _adopted(distributions: set[str]) -> Iterator[type[Conformance]]:
    """The classes of the kit that some distributions bring."""
    from sensorium.testing.conformance import Conformance

    for entry_point in importlib.metadata.entry_points(group=CONFORMANCE_GROUP):
        owner = entry_point.dist
        if owner is None or re.sub(r"[-_.]+", "-", owner.name).lower() not in distributions:
            continue
        try:
            module = entry_point.load()
        except Exception as error:
            raise PluginError(
                f"{entry_point.value} of {owner.name}, which says what its plugins are tested "
                f"with, cannot be imported: {type(error).__name__}: {error}"
            ) from error
        for value in vars(module).values():
            adopts = isinstance(value, type) and issubclass(value, Conformance)
            if adopts and value.plugin is not None:
                yield value


def _by_hand(
    item: Registered[Any], config: Mapping[str, Any], payloads: list[Path]
) -> type[Conformance]:
    from sensorium.testing import conformance

    kits = {
        "modality": conformance.ModalityConformance,
        "fusion": conformance.FusionConformance,
        "policy": conformance.PolicyConformance,
        "source": conformance.SourceConformance,
        "sink": conformance.SinkConformance,
    }
    kit = kits.get(item.kind)
    if kit is None:
        raise ConfigError(
            f"a {item.kind} cannot be tested by --config alone: write a class of "
            "sensorium.testing.conformance"
        )
    settings: dict[str, Any] = {"plugin": item.cls, "config": config, "__doc__": "By hand."}
    if payloads:
        if item.kind != "modality":
            raise ConfigError(f"--payload is for a modality; {item.name!r} is a {item.kind}")
        settings["payloads"] = [_payload(path) for path in payloads]
    return type(item.name, (kit,), settings)


def _config(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--config is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError("--config must be a JSON object, as '{\"rate\": 50}'")
    return config


def _payload(path: Path) -> Any:
    import numpy as np

    from sensorium.plugin import Payload

    try:
        if path.suffix == ".json":
            return Payload(json.loads(path.read_text(encoding="utf-8")))
        if path.suffix == ".txt":
            return Payload(path.read_text(encoding="utf-8"))
        if path.suffix == ".npy":
            return Payload(np.load(path, allow_pickle=False))
        return Payload(path.read_bytes(), _MEDIA.get(path.suffix))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--payload {path}: {error}") from error


def _plain(report: Report) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "plugin": report.plugin,
        "ok": report.ok,
        "checks": [
            {"check": it.check, "state": it.state, "message": it.message, "promise": it.promise}
            for it in report.outcomes
        ],
        "microseconds_per_item": dict(report.figures),
    }
