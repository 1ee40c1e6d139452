"""A request for one inference, in the form of the Open Inference Protocol, version 2.

https://github.com/kserve/open-inference-protocol, with its extension for binary data: the tensors
that say so (``binary_data_size``) follow the JSON, whose length is in a header.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sensorium.door._refused import RefusedError

__all__ = ["Payloads", "Request", "read_request"]

#: The most payloads of one request: a set is small, and each becomes an event.
_MOST_PAYLOADS: Final = 4096


def _unicode(text: str) -> str:
    """JSON can hold halves of characters, which cannot be written again."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is no Unicode text") from None
    return text


Nanoseconds = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Text = Annotated[str, AfterValidator(_unicode)]


class _Part(BaseModel):
    # What later versions and other servers' clients add is passed over.
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _InputParameters(_Part):
    content_type: Literal["str", "base64"] = "str"
    binary_data_size: int | None = Field(default=None, ge=0)
    media_type: Text | None = None
    key: Text | None = None
    time: Nanoseconds | None = None


class _Input(_Part):
    name: Text
    shape: list[int] = Field(min_length=1, max_length=1)
    datatype: Literal["BYTES"]
    data: list[str] | None = None
    parameters: _InputParameters = _InputParameters()


class _OutputParameters(_Part):
    binary_data: bool | None = None


class _Output(_Part):
    name: str
    parameters: _OutputParameters = _OutputParameters()


class _Parameters(_Part):
    key: Text | None = None
    time: Nanoseconds | None = None
    start: Nanoseconds | None = None
    end: Nanoseconds | None = None
    binary_data_output: bool = False


class _Body(_Part):
    id: Text = ""
    inputs: list[_Input] = Field(min_length=1)
    outputs: list[_Output] | None = None
    parameters: _Parameters = _Parameters()


@dataclass(frozen=True, slots=True)
class Payloads:
    """The records of one stream.

    Parameters
    ----------
    records
        Their bytes, as on the wire.
    media_type, key, time
        What a broker would say of each: its content type, its key, and its time in ns.
    """

    records: Sequence[bytes]
    media_type: str | None = None
    key: str | None = None
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Parameters
    ----------
    id
        The caller's name for it; empty if there is none.
    inputs
        Per stream that is there, its records.
    start, end
        The span of event time that the set covers, in ns, where it is given.
    outputs
        Which outputs are wanted, and for each whether in binary form; None for all there are.
    binary
        Whether outputs are given in binary form where `outputs` does not say.
    """

    id: str
    inputs: Mapping[str, Payloads]
    start: int | None = None
    end: int | None = None
    outputs: Mapping[str, bool] | None = field(default=None)
    binary: bool = False


def read_request(body: bytes, header_length: int | None) -> Request:
    """Read a request.

    Parameters
    ----------
    body
        All of it.
    header_length
        The length of the JSON in bytes, where tensors follow it; None if it is all JSON.

    Raises
    ------
    RefusedError
        Naming the input or the field at fault.
    """
    head, rest = body, b""
    if header_length is not None:
        if not 0 <= header_length <= len(body):
            raise _bad(f"the JSON is said to have {header_length} bytes; there are {len(body)}")
        head, rest = body[:header_length], body[header_length:]
    parsed = _parse(head)
    inputs: dict[str, Payloads] = {}
    total = 0
    for one in parsed.inputs:
        if one.name in inputs:
            raise _bad(f"input {one.name!r}: it is there twice")
        records, rest = _records(one, rest)
        if one.shape != [len(records)]:
            raise _bad(f"input {one.name!r}: the shape is {one.shape}, the data {[len(records)]}")
        total += len(records)
        if total > _MOST_PAYLOADS:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"input {one.name!r}: there are more than {_MOST_PAYLOADS} payloads in the request",
            )
        more = one.parameters
        inputs[one.name] = Payloads(
            records,
            more.media_type,
            parsed.parameters.key if more.key is None else more.key,
            parsed.parameters.time if more.time is None else more.time,
        )
    if rest:
        raise _bad(f"{len(rest)} bytes follow the binary data of the inputs")
    binary = parsed.parameters.binary_data_output
    outputs = None
    if parsed.outputs is not None:
        outputs = {
            it.name: binary if it.parameters.binary_data is None else it.parameters.binary_data
            for it in parsed.outputs
        }
    start, end = parsed.parameters.start, parsed.parameters.end
    return Request(parsed.id, inputs, start, end, outputs, binary)


def _parse(head: bytes) -> _Body:
    try:
        document = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the request is not JSON: {type(error).__name__}") from None
    try:
        return _Body.model_validate(document)
    except ValidationError as error:
        # The cause quotes the payload: it is left out on purpose.
        first = error.errors(include_input=False, include_url=False)[0]
        raise _bad(f"{_place(first['loc'], document)}: {first['msg']}") from None


def _place(loc: tuple[int | str, ...], document: Any) -> str:
    """Where in the request, an input by its name."""
    if len(loc) > 1 and loc[0] == "inputs" and isinstance(loc[1], int):
        one = document["inputs"][loc[1]]
        name = one.get("name") if isinstance(one, dict) else None
        where = f"input {name[:80]!r}" if isinstance(name, str) else f"inputs[{loc[1]}]"
        return ".".join([where, *map(str, loc[2:])])
    return ".".join(map(str, loc)) or "the request"


def _records(one: _Input, rest: bytes) -> tuple[list[bytes], bytes]:
    """The records of an input, and what is left of the binary data."""
    size = one.parameters.binary_data_size
    if size is None:
        if one.data is None:
            raise _bad(f"input {one.name!r}: it has no data")
        return _texts(one), rest
    if one.data is not None:
        raise _bad(f"input {one.name!r}: it has data and binary_data_size; one of them is wrong")
    if size > len(rest):
        raise _bad(f"input {one.name!r}: binary_data_size is {size}, and {len(rest)} bytes follow")
    return _lengths(one.name, rest[:size]), rest[size:]


def _texts(one: _Input) -> list[bytes]:
    texts = one.data or []
    try:
        if one.parameters.content_type == "base64":
            return [base64.b64decode(text, validate=True) for text in texts]
        return [text.encode() for text in texts]
    except (binascii.Error, ValueError):
        wrong = "malformed base64" if one.parameters.content_type == "base64" else "no Unicode text"
        raise _bad(f"input {one.name!r}: there is {wrong} in its data") from None


def _lengths(name: str, data: bytes) -> list[bytes]:
    """The elements of a tensor of bytes: each after its length in 4 bytes, the lowest first."""
    elements: list[bytes] = []
    at = 0
    while at < len(data):
        if len(elements) > _MOST_PAYLOADS:
            break  # too many are refused by the caller
        if at + 4 > len(data):
            raise _bad(f"input {name!r}: its binary data end within a length")
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if at + length > len(data):
            raise _bad(f"input {name!r}: its binary data end within an element of {length} bytes")
        elements.append(data[at : at + length])
        at += length
    return elements


def _bad(message: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, message)
