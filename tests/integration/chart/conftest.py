"""The real helm, and what it makes of values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from go_programs import NoProgramError
from helm_program import Helm, Manifest, helm_path, of_kind

Render = Callable[..., list[Manifest]]
One = Callable[..., Manifest]


@pytest.fixture(scope="session")
def helm() -> Helm:
    try:
        return Helm(helm_path())
    except NoProgramError as error:
        pytest.skip(str(error))


@pytest.fixture
def render(helm: Helm, tmp_path: Path) -> Render:
    """Give the manifests that values make."""

    def run(values: dict[str, Any], release: str = "demo") -> list[Manifest]:
        # JSON, which every reader of YAML reads alike.
        path = tmp_path / "values.json"
        path.write_text(json.dumps(values), encoding="utf-8")
        return helm.render(path, release)

    return run


@pytest.fixture
def one(render: Render) -> One:
    """Give the only manifest of a kind that values make; hooks are left out."""

    def find(kind: str, values: dict[str, Any]) -> Manifest:
        found = of_kind(kind, render(values))
        assert len(found) == 1, [it["metadata"]["name"] for it in found]
        return found[0]

    return find
