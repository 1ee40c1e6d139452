"""Build the programs that the tests need: ``make programs``. It takes minutes, once."""

from __future__ import annotations

import os
import sys

from go_programs import NoProgramError
from helm_program import HELM


def main() -> int:
    """Build what is not there; the exit code says whether all is there."""
    wanted = [] if os.environ.get("SENSORIUM_TEST_HELM") else [HELM]
    failed = False
    for program in wanted:
        if not program.cached.is_file():
            print(f"Building {program.name} {program.version}", flush=True)
        try:
            program.build()
        except NoProgramError as error:
            print(f"{error}; the tests that need it are skipped", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
