"""JSON, strictly: no NaN, no repeated keys, bounded nesting."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

from sensorium.errors import WireError
from sensorium.wire._checks import check_nesting
from sensorium.wire._walk import MAX_CONTAINERS, unique_map

__all__ = ["parse_json"]

#: A string; one that does not end takes the rest, so that no input is gone through twice.
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)


def parse_json(data: bytes, max_depth: int, *, exact: bool = False) -> Any:
    """Read a JSON document in UTF-8.

    Parameters
    ----------
    data
        The document.
    max_depth
        The deepest nesting of arrays and objects.
    exact
        Numbers with a fraction or an exponent as ``Decimal``, just as they are written.

    Raises
    ------
    WireError
        If it is not JSON, repeats a key within an object, is nested too deeply, or holds too many
        arrays and objects.
    """
    try:
        text = data.decode()
        containers = _containers(text)
        value = json.loads(
            text,
            object_pairs_hook=unique_map,
            parse_constant=_refuse,
            parse_float=Decimal if exact else None,
        )
    except WireError:
        raise
    except UnicodeDecodeError as error:
        raise WireError(f"Expected JSON in UTF-8, got another byte at {error.start}") from None
    except json.JSONDecodeError as error:
        raise WireError(f"Malformed JSON at character {error.pos}: {error.msg}") from None
    except (ValueError, ArithmeticError):  # the interpreter's limit on digits; decimal's exponents
        raise WireError("Malformed JSON: a number has too many digits") from None
    except RecursionError:
        raise WireError(f"Nested deeper than {max_depth} levels") from None
    if containers > max_depth:
        check_nesting(value, max_depth)
    return value


def _containers(text: str) -> int:
    """At most how many arrays and objects there are; refused before they take time and memory."""
    count = text.count("[") + text.count("{")
    if count > MAX_CONTAINERS:
        bare = _STRING.sub("", text)
        count = bare.count("[") + bare.count("{")
    if count > MAX_CONTAINERS:
        raise WireError(f"More than {MAX_CONTAINERS} lists and maps")
    return count


def _refuse(token: str) -> NoReturn:
    raise WireError(f"Malformed JSON: {token} is not a JSON number")
