"""The reference implementation of the Compose Specification: `docker compose` reads with it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from go_programs import GoProgram

COMPOSE = GoProgram(
    "compose-spec",
    "github.com/compose-spec/compose-go/v2/cmd",
    "github.com/compose-spec/compose-go/v2",
    "v2.16.2",
)


class ComposeError(Exception):
    """The file is no Compose file; the text is what was said."""


def load_compose(path: Path) -> dict[str, Any]:
    """A file as Compose understands it, with paths resolved.

    Raises
    ------
    NoProgramError
        If the program has not been built.
    ComposeError
        If it refuses the file.
    """
    done = subprocess.run(
        [str(COMPOSE.found()), "-format", "json", path.name],
        cwd=path.parent, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ComposeError(done.stderr)
    model: dict[str, Any] = json.loads(done.stdout)
    return model
