"""Computing in fewer bits, where the model runs in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium.demo._demos import DATA
from sensorium.errors import ConfigError
from sensorium.host import Pipeline, check_pipeline, default_host, load_pipeline
from sensorium.plugin import Features
from sensorium.runtime import load_models
from sensorium.runtime._precision import fusion_precision, stream_precision
from sensorium.stages import StreamEncoder


def watch(name: str, *overrides: str) -> Pipeline:
    return load_pipeline(Path(DATA, name), overrides=overrides, plugins=default_host())


@pytest.mark.torch
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_network_computes_in_fewer_bits_and_gives_what_it_declares(precision: str) -> None:
    torch = pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    pipeline = watch(
        "watch-cnn.yaml", f"streams.accel.precision={precision}", f"fusion.precision={precision}"
    )
    models = load_models(pipeline)
    accel = models.modalities["accel"]
    arrays = {
        name: np.random.default_rng(0).normal(size=shape).astype(dtype)
        for name, (shape, dtype) in shapes(accel).items()
    }
    whole = StreamEncoder(accel).encode(arrays).features
    around = stream_precision(pipeline, "accel")
    half = StreamEncoder(accel, around=around).encode(arrays).features
    assert half.data.dtype == np.float32
    assert 0 < np.abs(half.data - whole.data).max() < 0.1 * np.abs(whole.data).max()
    with around():
        assert torch.is_autocast_enabled("cpu")
    assert not torch.is_autocast_enabled("cpu")

    present = {name: np.ones(len(half.data), np.bool_) for name in models.modalities}
    features = {name: Features(half.data) for name in models.modalities}
    with fusion_precision(pipeline)():
        output = models.fusion.fuse(present, **features)["exercise"]
    assert output.scores is not None
    assert np.allclose(output.scores.sum(axis=1), 1, atol=1e-2)


def shapes(modality: object) -> dict[str, tuple[tuple[int, ...], str]]:
    """The arrays that the modality prepares, of four items."""
    from sensorium.plugin import Samples

    item = Samples(
        times=np.zeros(1, np.int64),
        durations=np.full(1, 2 * 10**9, np.int64),
        values=[np.zeros((100, 3), np.float32)],
        start=0,
        end=2 * 10**9,
    )
    prepared = modality.prepare([item] * 4)  # type: ignore[attr-defined]
    return {name: (array.shape, array.dtype.str) for name, array in prepared.items()}


def test_what_does_not_run_in_torch_refuses_it() -> None:
    pipeline = watch("watch.yaml", "streams.gyro.precision=bfloat16")
    with pytest.raises(ConfigError, match=r"streams\.gyro\.precision: sensor-stats does not run"):
        stream_precision(pipeline, "gyro")
    [error] = [it for it in check_pipeline(pipeline) if it.level == "error"]
    assert error.path == "streams.gyro.precision"
    assert error.fix == "leave it out, or choose a model that runs in torch"
