"""``sensorium plugins new``: writes the distribution of a plugin that passes the kit at once."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import re
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final

from sensorium import __version__
from sensorium.errors import ConfigError

__all__ = ["add_parser", "run"]

_KINDS: Final = {
    "modality": "A modality: numbers, described by what they do in a set.",
    "fusion": "A fusion: a linear head on the features of all streams.",
    "source": "A source: the files of a folder.",
    "sink": "A sink: predictions as a table.",
    "policy": "An alignment policy: what falls into the same slice of time.",
    "observer": "An observer: a line in the log for what is absent.",
}
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_PREFIX: Final = "sensorium-"
#: Template, and where it goes; the rest of a template's name is its place in the kind's folder.
_COMMON: Final = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    "gitignore": ".gitignore",
    "ci.yml": ".github/workflows/ci.yml",
    "test_conformance.py": "tests/test_conformance.py",
}
_OWN: Final = {
    "__init__.py": "src/{module}/__init__.py",
    "conformance.py": "src/{module}/conformance.py",
    "test_plugin.py": "tests/test_{bare}.py",
}


def add_parser(actions: Any) -> argparse.ArgumentParser:
    """Add the parser of this action."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "new", help="write a new plugin: a distribution that installs and passes its tests"
    )
    parser.add_argument("name", metavar="NAME", help="its name in a pipeline file, as heart-rate")
    parser.add_argument("--kind", required=True, choices=list(_KINDS), help="what it brings")
    parser.add_argument(
        "--into", type=Path, default=Path(), metavar="FOLDER", help="where its folder goes; here"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Write it.

    Raises
    ------
    ConfigError
        If the name is no proper one or taken, or the folder is there already.
    """
    names = _names(args.name, args.kind)
    folder = args.into / args.name
    _refuse_taken(args.kind, names, folder)
    fields = {
        **names,
        "description": _KINDS[args.kind],
        "version": ".".join(__version__.split(".")[:2]),
    }
    fields["usage"] = _rendered(args.kind, "usage.md", fields)
    places = {
        **{place: ("common", template) for template, place in _COMMON.items()},
        **{place.format(**names): (args.kind, it) for it, place in _OWN.items()},
    }
    for place, (group, template) in places.items():
        _write(folder / place, _rendered(group, template, fields))
    _write(folder / f"src/{names['module']}/py.typed", "")
    print(
        f"{folder} is a distribution with the {args.kind} {names['name']}. Next:\n"
        f"  cd {folder}\n"
        "  python -m pip install -e . --group dev\n"
        "  python -m pytest\n"
        f"  sensorium plugins test {names['name']}\n"
        "It has no licence yet: its README says how to choose one."
    )
    return 0


def _names(given: str, kind: str) -> dict[str, str]:
    """What the plugin, its distribution, its module and its class are called."""
    if _NAME.fullmatch(given) is None:
        raise ConfigError(
            f"{given!r} is no name for a plugin: use small letters, digits and single '-', "
            "as in heart-rate"
        )
    name = given.removeprefix(_PREFIX)
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"{given!r} leaves no name after {_PREFIX!r}")
    cls = "".join(part.capitalize() for part in name.split("-"))
    # A class must not hide a name that the module uses.
    if keyword.iskeyword(cls) or re.search(rf"\b{cls}\b", _template(kind, "__init__.py")):
        cls += kind.capitalize()
    distribution_name = _PREFIX + name
    module = distribution_name.replace("-", "_")
    bare = name.replace("-", "_")
    return {
        "name": name,
        "distribution": distribution_name,
        "module": module,
        "class": cls,
        "bare": bare,
    }


def _refuse_taken(kind: str, names: dict[str, str], folder: Path) -> None:
    if folder.exists():
        raise ConfigError(f"{folder} is there already: choose another name, or another --into")
    try:
        distribution(names["distribution"])
    except PackageNotFoundError:
        pass
    else:
        raise ConfigError(f"the distribution {names['distribution']} is installed: choose another")
    if importlib.util.find_spec(names["module"]) is not None:
        raise ConfigError(f"there is a module {names['module']} already: choose another name")
    from sensorium.host import default_host

    registry = default_host().registries.get(kind)
    if registry is not None and names["name"] in registry:
        owner = registry.lookup(names["name"]).distribution
        raise ConfigError(
            f"there is a {kind} {names['name']!r} already, of {owner}: choose another name"
        )


def _rendered(group: str, name: str, fields: dict[str, str]) -> str:
    return Template(_template(group, name)).substitute(fields)


def _template(group: str, name: str) -> str:
    folder = files("sensorium.cli") / "templates" / group
    return (folder / f"{name}.tmpl").read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
