from __future__ import annotations

import math

import hypothesis.extra.numpy as hnp
import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import WireError
from sensorium.wire import ARRAY_EXTENSION, decode_value, encode_value
from sensorium.wire._flat import flat_map
from sensorium.wire._msgpack import _compiled, _ExtensionMetError
from sensorium.wire._walk import walk

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=300)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=9), inner, max_size=20)
    ),
    max_leaves=60,
)
DTYPES = st.sampled_from("?bBhHiIqQefd").map(np.dtype)
ARRAYS = hnp.arrays(
    DTYPES.flatmap(lambda dtype: st.sampled_from([dtype, dtype.newbyteorder(">")])),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_again(value):
    assert decode_value(encode_value(value)) == value


@given(ARRAYS)
@settings(max_examples=200, deadline=None)
def test_an_array_comes_back_native_and_read_only_with_the_same_bits(array):
    back = decode_value(encode_value({"data": array}))["data"]
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.dtype.isnative
    assert not back.flags.writeable
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("shift", range(9))
def test_an_array_is_a_view_over_the_input_at_any_alignment(shift):
    array = np.arange(6, dtype=np.float64).reshape(2, 3)
    data = encode_value({"pad": "x" * shift, "data": array})
    back = decode_value(data)["data"]
    assert np.shares_memory(back, np.frombuffer(data, np.uint8))
    assert back.sum() == 15
    np.testing.assert_array_equal(back @ back.T, array @ array.T)


def test_an_array_is_a_view_also_beside_a_long_list():
    data = encode_value({"long": list(range(1000)), "data": np.ones(4, np.float32)})
    back = decode_value(data)
    assert back["long"] == list(range(1000))
    assert np.shares_memory(back["data"], np.frombuffer(data, np.uint8))


def test_a_sliced_array_is_written_in_its_own_order():
    array = np.arange(24).reshape(4, 6)[::2, ::-3]
    np.testing.assert_array_equal(decode_value(encode_value(array)), array)


def test_big_endian_elements_of_another_writer_are_read():
    content = b"f\x04>\x01" + (2).to_bytes(4, "little") + np.array([1.5, -2], ">f4").tobytes()
    back = decode_value(msgpack.packb(msgpack.ExtType(ARRAY_EXTENSION, content)))
    assert back.tolist() == [1.5, -2.0]
    assert not back.flags.writeable


def test_numpy_numbers_are_written_as_numbers():
    value = decode_value(encode_value([np.float32(0.5), np.int64(3), np.bool_(True)]))
    assert value == [0.5, 3, True]
    assert [type(item) for item in value] == [float, int, bool]


def test_infinities_pass():
    assert decode_value(encode_value(math.inf)) == math.inf


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "A `object` cannot be written as msgpack"),
        (np.array([object()]), "An array of dtype object cannot be written"),
        (np.array(["x"]), "An array of dtype <U1 cannot be written"),
        (np.array([1j]), "An array of dtype complex128 cannot be written"),
        (np.array(["2020"], "M8[s]"), "An array of dtype datetime64"),
        ({1: 2}, "Expected `str` as a map's key, got `int`"),
        (2**64, "cannot be written as msgpack"),
        ("\ud800", "cannot be written as msgpack"),
    ],
)
def test_a_value_that_the_wire_does_not_hold_is_refused(value, message):
    with pytest.raises(WireError, match=message.replace("(", r"\(")):
        encode_value(value)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_is_taken_to_the_limit_and_refused_beyond():
    assert decode_value(encode_value(nested(32))) == nested(32)
    with pytest.raises(WireError, match="Nested deeper than 32 levels"):
        encode_value(nested(33))
    with pytest.raises(WireError, match="Nested deeper than 32 levels"):
        decode_value(b"\x91" * 33 + b"\xc0")
    with pytest.raises(WireError, match="Nested deeper than 3 levels"):
        decode_value(encode_value(nested(4)), max_depth=3)


def test_a_limit_on_depth_beyond_the_interpreters_is_no_crash():
    with pytest.raises(WireError, match="Nested too deeply"):
        decode_value(b"\x91" * 100_000 + b"\xc0", max_depth=200_000)


LONG = b"\xdc\x00\x14"  # the head of a list of 20: long enough for the compiled reader


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The msgpack data ends early"),
        (b"\xc1", "Malformed msgpack data at byte 0"),
        (b"\xc0\xc0", "1 bytes follow the value"),
        (b"\xa2\xff\xff", "Expected text in UTF-8"),
        (b"\x81\x01\x02", "Expected `str` as a map's key, got `int`"),
        (b"\x81\xc4\x01a\x02", "Expected `str` as a map's key, got `bytes`"),
        (b"\x82\xa1a\x01\xa1a\x02", "The key 'a' occurs twice in one map"),
        (b"\xd4\x05\x00", "Extension type 5 is not known; arrays are 1"),
        (b"\xd6\xff\x00\x00\x00\x00", "Extension type -1 is not known"),
        (b"\xdd\xff\xff\xff\xff", "The msgpack data ends early"),
        (b"\xdf\xff\xff\xff\xff" * 200, "The msgpack data ends early"),
        (b"\xdb\xff\xff\xff\xffabc", "The msgpack data ends early"),
        (LONG + b"\x91" * 2000 + b"\xc0" * 20, "[Nn]ested"),
        (LONG + b"\x91" * 100 + b"\xc0" * 20, "Nested deeper than 32 levels"),
        (LONG + b"\xc0" * 21, "1 bytes follow the value"),
        (LONG + b"\xc0" * 19, "The msgpack data ends early"),
        (LONG + b"\xa1\xff" * 20, "Expected text in UTF-8"),
        (LONG + b"\x81\x01\x02" * 20, "Expected `str` as a map's key, got `int`"),
        (LONG + b"\xd6\xff\x00\x00\x00\x00" * 20, "Extension type -1 is not known"),
        (LONG + b"\xd4\x05\x00" * 20, "Extension type 5 is not known"),
    ],
)
def test_malformed_data_is_refused_with_the_reason(data, message):
    with pytest.raises(WireError, match=message):
        decode_value(data)


def extension(content: bytes) -> bytes:
    return msgpack.packb(msgpack.ExtType(ARRAY_EXTENSION, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"f\x04<", "The array's header is cut off"),
        (b"f\x04<\x02\x01\x00\x00\x00", "The array's shape is cut off"),
        (b"O\x08<\x00" + bytes(8), "got another dtype"),
        (b"c\x08<\x00" + bytes(8), "got another dtype"),
        (b"f\x10<\x00" + bytes(16), "got another dtype"),
        (b"f\x04|\x00" + bytes(4), "got another dtype"),
        (b"f\x04<\x21" + bytes(200), "An array of 33 dimensions has more than 32"),
        (
            b"f\x04<\x01\x02\x00\x00\x00" + bytes(7),
            "Expected 8 bytes for an array of shape \\[2\\]",
        ),
        (b"f\x04<\x02" + b"\xff" * 8, "Expected 73786976260467556356 bytes|Expected \\d+ bytes"),
        (b"f\x08<\x04" + bytes(4) + b"\xff" * 12, "An array of shape .* cannot be read"),
        (b"b\x01<\x01\x02\x00\x00\x00\x01\x02", "Expected bools of 0 or 1"),
    ],
)
def test_a_malformed_array_is_refused_with_the_reason(content, message):
    with pytest.raises(WireError, match=message):
        decode_value(extension(content))


def test_size_and_number_of_containers_are_limited():
    with pytest.raises(WireError, match="101 bytes exceed the limit of 100"):
        decode_value(bytes(101), max_bytes=100)
    crowd = b"\xdd" + (100_001).to_bytes(4) + b"\x80" * 100_001
    with pytest.raises(WireError, match="More than 100000 lists and maps"):
        decode_value(crowd)


@given(
    st.one_of(
        VALUES.map(encode_value),
        ARRAYS.map(encode_value),
        st.binary(max_size=60),
        st.lists(st.sampled_from(range(0xC0, 0xE0)), max_size=12).map(bytes),
    ),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_both_readers_agree(data, draw):
    for _ in range(draw.draw(st.integers(0, 2))):
        at = draw.draw(st.integers(0, max(0, len(data) - 1)))
        data = data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :]
    if b"\xd6\xff" in data or b"\xd7\xff" in data or b"\xc7\x0c\xff" in data:
        return
    view = memoryview(data)
    try:
        compiled = repr(_compiled(view, 32))
    except _ExtensionMetError:
        return
    except WireError:
        with pytest.raises(WireError):
            walk(view, 32)
        return
    assert repr(walk(view, 32)) == compiled


FLAT = st.tuples(
    st.dictionaries(st.text(max_size=9), SCALARS, max_size=14), st.none() | ARRAYS | SCALARS
).map(lambda it: encode_value({**it[0], "data": it[1]}))


def outcome(read):
    try:
        return repr(read())
    except WireError as error:
        return f"refused: {error}"


@given(FLAT | VALUES.map(encode_value), st.data())
@settings(max_examples=300, deadline=None)
def test_the_reader_of_flat_maps_gives_what_the_other_gives_or_nothing(data, draw):
    for _ in range(draw.draw(st.integers(0, 2))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data = data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :]
    fields = flat_map(data)
    if fields is not None:
        assert repr(fields) == outcome(lambda: walk(memoryview(data), 32))


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\xa1a\x01\xa1a\x02",  # a key twice
        b"\x81\x01\x02",  # a key that is not text
        b"\x81\xa1a\xd6\xff\x00\x00\x00\x01",  # a timestamp
        b"\x81\xa1a\xd4\x02\x00",  # an extension that is not known
        b"\x81\xa1a\x01\x00",  # something follows
        b"\x81\xa1a",  # cut off
        b"\x81\xa1a\xdd\xff\xff\xff\xff",  # a count that is not there
        b"",
    ],
)
def test_the_reader_of_flat_maps_leaves_what_is_wrong_to_the_other(data):
    assert flat_map(data) is None
    with pytest.raises(WireError):
        decode_value(data)


def test_the_reader_of_flat_maps_takes_an_event_with_its_array():
    array = np.arange(6, dtype="f4").reshape(3, 2)
    data = encode_value({"v": 1, "key": "k", "data": array})
    fields = flat_map(data)
    assert fields is not None
    np.testing.assert_array_equal(fields["data"], array)
    assert np.shares_memory(fields["data"], np.frombuffer(data, np.uint8))
    assert flat_map(encode_value({"data": array, "v": 1})) is None  # the array is not the last
