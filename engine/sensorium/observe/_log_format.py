"""Log records as lines: for people, or as JSON."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Final

__all__ = ["HumanFormatter", "JsonFormatter"]

#: What every record has; the rest is what our own calls have added.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class HumanFormatter(logging.Formatter):
    """``2026-11-25T02:21:15.123Z WARNING ingest accel[0]@17 a dead letter: ...``, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback below it if there is one."""
        origin = getattr(record, "origin", "")
        name = record.name.removeprefix("sensorium.")
        words = [_time(record), record.levelname, name, origin, record.getMessage()]
        line = " ".join(word for word in words if word).replace("\n", "\\n")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``logger``, ``message`` and what else the
    record carries."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of ASCII."""
        said: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # A name with an underscore is another library's own: Ray stamps every record.
        said |= {
            name: value
            for name, value in vars(record).items()
            if name not in _USUAL and not name.startswith("_")
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03}Z"
