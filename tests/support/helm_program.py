"""The real `helm` for the tests, and what it makes of the chart.

`SENSORIUM_TEST_HELM=/path/to/helm` names one; without it, the one that `make test` builds is
taken. For trials by hand::

    PYTHONPATH=tests/support python -m helm_program template demo helm/sensorium -f values.yaml
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from go_programs import GoProgram

CHART = Path(__file__).parents[2] / "helm" / "sensorium"
HELM = GoProgram("helm", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3", "v3.19.5")
#: The version of Kubernetes that is rendered for: built with plain Go, helm believes in 1.20.
KUBERNETES = "1.34.0"

Manifest: TypeAlias = dict[str, Any]


class HelmError(Exception):
    """Helm refused; the text is what it said."""


def helm_path() -> Path:
    """The program.

    Raises
    ------
    NoProgramError
        If none is named and none is built.
    """
    named = os.environ.get("SENSORIUM_TEST_HELM")
    return Path(named) if named else HELM.found()


@dataclass(frozen=True)
class Helm:
    """Calls of the program at this path."""

    program: Path

    def run(self, *arguments: str) -> str:
        """What it prints.

        Raises
        ------
        HelmError
            If it exits with an error.
        """
        done = subprocess.run(
            [str(self.program), *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise HelmError(done.stderr + done.stdout)
        return done.stdout

    def render(self, values: Path, release: str = "demo") -> list[Manifest]:
        """The manifests of a release with these values, in the namespace ``sensing``."""
        text = self.run(
            "template", release, str(CHART), "--namespace", "sensing", "--values", str(values),
            "--kube-version", KUBERNETES,
        )  # fmt: skip
        return [found for found in yaml.safe_load_all(text) if found is not None]


def of_kind(kind: str, manifests: list[Manifest]) -> list[Manifest]:
    """Those of a kind, without hooks."""
    return [
        it
        for it in manifests
        if it["kind"] == kind and "helm.sh/hook" not in it["metadata"].get("annotations", {})
    ]


if __name__ == "__main__":
    sys.exit(subprocess.run([str(helm_path()), *sys.argv[1:]], check=False).returncode)
