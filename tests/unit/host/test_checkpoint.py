import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import ConfigError
from sensorium.host import read_checkpoint, write_checkpoint

WEIGHTS = {
    "streams.accel.mean": np.arange(6, dtype=np.float32).reshape(2, 3),
    "streams.accel.net.0.bias": np.ones(2),
    "fusion.gate": np.array([True, False]),
}
CARD = {"pipeline": "watch", "labels": ["NÖ"], "accuracy": 0.5}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    written = write_checkpoint(path, WEIGHTS, CARD)
    read = read_checkpoint(path)
    assert read.card == CARD
    assert read.digest == written.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sorted(read.weights) == sorted(WEIGHTS)
    for name, value in WEIGHTS.items():
        np.testing.assert_array_equal(read.weights[name], value)
        assert read.weights[name].dtype == value.dtype
    assert sorted(read.part("streams.accel.")) == ["mean", "net.0.bias"]
    assert list(read.part("fusion.")) == ["gate"]
    assert read.part("streams.gyro.") == {}
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one = write_checkpoint(tmp_path / "1", WEIGHTS, CARD)
    other = write_checkpoint(
        tmp_path / "2", dict(reversed(WEIGHTS.items())), dict(reversed(CARD.items()))
    )
    assert one.digest == other.digest


def test_a_view_that_is_not_contiguous_is_written_as_it_looks(tmp_path: Path) -> None:
    view = np.arange(6.0).reshape(2, 3).T
    write_checkpoint(tmp_path / "w", {"fusion.w": view}, {})
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "w").weights["fusion.w"], view)


def test_a_missing_file_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"cannot read .*none: No such file.*`sensorium fit` writes it"
    ):
        read_checkpoint(tmp_path / "none")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.binary(max_size=20))
def test_a_damaged_file_is_refused_or_read_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, cut: int, tail: bytes
) -> None:
    path = tmp_path_factory.mktemp("c") / "w"
    write_checkpoint(path, WEIGHTS, CARD)
    data = path.read_bytes()
    damaged = data[:cut] + tail
    path.write_bytes(damaged)
    with pytest.raises(ConfigError, match="is not a sound safetensors file"):
        read_checkpoint(path)


def test_a_weight_that_belongs_to_nothing_is_refused(tmp_path: Path) -> None:
    import safetensors.numpy

    path = tmp_path / "w"
    path.write_bytes(safetensors.numpy.save({"head.weight": np.ones(1)}))
    message = r"the weight 'head.weight' belongs to nothing; a name begins with 'streams.<name>.'"
    with pytest.raises(ConfigError, match=message):
        read_checkpoint(path)
    for name in ("head.weight", "streams.a", "streams..w", "fusion."):
        with pytest.raises(ConfigError, match="belongs to nothing"):
            write_checkpoint(path, {name: np.ones(1)}, {})


def test_a_checkpoint_of_other_streams_is_refused(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "w", WEIGHTS, {})
    checkpoint.require(["gyro", "accel"])
    message = r"has weights for the stream 'accel', which the pipeline does not have \(gyro\)"
    with pytest.raises(ConfigError, match=message):
        checkpoint.require(["gyro"])


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .*: No such file or directory"):
        write_checkpoint(tmp_path / "no" / "w", WEIGHTS, {})
