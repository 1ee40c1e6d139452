"""Public means exported: every package says what it offers, and offers all of it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from types import ModuleType

import pytest

import sensorium
import sensorium_plugins

PACKAGES = sorted(
    found.name
    for package in (sensorium, sensorium_plugins)
    for found in [
        pkgutil.ModuleInfo(None, package.__name__, True),  # type: ignore[arg-type]
        *pkgutil.walk_packages(package.__path__, f"{package.__name__}."),
    ]
    if found.ispkg
)


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> ModuleType:
    """Each package in turn."""
    return importlib.import_module(request.param)


def _imported(package: ModuleType) -> set[str]:
    """The public names that a package takes from its own underscored modules."""
    tree = ast.parse(open(package.__file__).read())  # noqa: SIM115 - a test
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(f"{package.__name__}._")
        for alias in node.names
        if not alias.name.startswith("_")
    }


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, each by the alphabet."""
    return 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name


def test_all_is_sorted_and_without_duplicates(package: ModuleType):
    assert package.__all__ == sorted(set(package.__all__), key=_order)


def test_all_is_complete_and_there(package: ModuleType):
    assert _imported(package) <= set(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_what_dir_shows_is_what_is_public():
    assert dir(sensorium) == sorted(sensorium.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sensorium' has no attribute 'Alligner'"):
        sensorium.Alligner  # noqa: B018 - the access is what is tested


def test_every_lazy_name_is_the_one_of_its_home():
    for name, home in sensorium._HOME.items():
        module = importlib.import_module(f"sensorium.{home}")
        assert getattr(sensorium, name) is getattr(module, name)
        assert name in sensorium.__all__
