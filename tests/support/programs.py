"""Build the programs that the tests need, once: ``python tests/support/programs.py small``."""

from __future__ import annotations

import os
import sys

from compose_program import COMPOSE
from go_programs import NoProgramError
from helm_program import HELM
from kubernetes_server import API_SERVER, ETCD

SETS = {
    "small": [COMPOSE] if os.environ.get("SENSORIUM_TEST_HELM") else [COMPOSE, HELM],
    "apiserver": [ETCD, API_SERVER],
}


def main() -> int:
    """Build what is not there; the exit code says whether all is there."""
    failed = False
    for program in [it for name in sys.argv[1:] for it in SETS[name]]:
        if not program.cached.is_file():
            print(f"Building {program.name} {program.version}: some minutes, once", flush=True)
        try:
            program.build()
        except NoProgramError as error:
            print(f"{error}; the tests that need it are skipped", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
