"""Programs that the tests need and that are built once, with Go, from modules of its proxy.

They are kept in the user's cache, as the broker of `kafka_broker` is. Building takes minutes, which
no test has: `make` does it, and a test that does not find its program is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_BUILD_SECONDS = 3600


class NoProgramError(Exception):
    """There is no such program to be had here, for the reason that it says."""


@dataclass(frozen=True)
class GoProgram:
    """What to build.

    Parameters
    ----------
    name
        What the program is called.
    package
        The path of its main package.
    module, version
        The module that has the package.
    replaced
        Versions of other modules that the module itself takes from its own source tree, which the
        proxy's archive of it has not.
    variables
        Of its packages, set by the linker, as a release of the program has them.
    """

    name: str
    package: str
    module: str
    version: str
    replaced: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def cached(self) -> Path:
        """Where it is kept."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "sensorium" / f"{self.name}-{self.version.removeprefix('v')}" / self.name

    def found(self) -> Path:
        """The program, if it has been built.

        Raises
        ------
        NoProgramError
            If not.
        """
        if not self.cached.is_file():
            raise NoProgramError(f"{self.name} {self.version} is not built: run `make apiserver`")
        return self.cached

    def build(self) -> None:
        """Build the program, if it is not there yet.

        Raises
        ------
        NoProgramError
            If there is no Go, or the build fails.
        """
        if self.cached.is_file():
            return
        go = shutil.which("go")
        if go is None:
            raise NoProgramError(f"no Go on the PATH to build {self.name} {self.version} with")
        self.cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cached.parent) as name:
            folder = Path(name)
            self._write_module(folder)
            self._call([go, "mod", "tidy"], folder)
            set_to = " ".join(f"-X {name}={value}" for name, value in self.variables.items())
            build = [go, "build", "-ldflags", set_to, "-o", self.name, self.package]
            self._call(build, folder)
            (folder / self.name).replace(self.cached)

    def _write_module(self, folder: Path) -> None:
        """A module of our own that needs the program's.

        `go install` refuses modules that replace others.
        """
        lines = ["module local", "go 1.24.0", f"require {self.module} {self.version}"]
        lines += [f"replace {name} => {name} {version}" for name, version in self.replaced.items()]
        (folder / "go.mod").write_text("\n".join(lines) + "\n", encoding="utf-8")
        # A main package cannot be imported; `go mod tidy` follows this all the same.
        (folder / "tools.go").write_text(
            f'//go:build tools\n\npackage main\n\nimport _ "{self.package}"\n', encoding="utf-8"
        )

    def _call(self, command: list[str], folder: Path) -> None:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
        )
        if done.returncode:
            last = " ".join(done.stderr.strip().splitlines()[-2:])
            raise NoProgramError(f"Go could not build {self.name} {self.version}: {last}")
