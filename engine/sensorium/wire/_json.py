"""JSON, strictly: no NaN, no repeated keys, bounded nesting."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

from sensorium.errors import WireError
from sensorium.wire._checks import check_nesting
from sensorium.wire._walk import unique_map

__all__ = ["parse_json"]


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
        If it is not JSON, repeats a key within an object, or is nested too deeply.
    """
    try:
        text = data.decode()
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
    if text.count("[") + text.count("{") > max_depth:
        check_nesting(value, max_depth)
    return value


def _refuse(token: str) -> NoReturn:
    raise WireError(f"Malformed JSON: {token} is not a JSON number")
