"""Optional packages: not imported until they are needed, and named where they are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sensorium.errors import MissingExtraError, PluginError
from sensorium.plugin import FeatureSpec
from sensorium_plugins.fusions import Concat, Gated
from sensorium_plugins.modalities import SensorCnn
from sensorium_plugins.tasks import Classification


@pytest.fixture
def task():
    return Classification(Classification.Config(labels=["a", "b"]))


def test_the_plugins_import_no_heavy_package():
    program = (
        "import sys, sensorium_plugins.tasks, sensorium_plugins.modalities, "
        "sensorium_plugins.fusions\n"
        "heavy = {'torch', 'sklearn', 'scipy', 'ray', 'PIL', 'librosa', 'soundfile', 'soxr', "
        "'av', 'onnxruntime', 'tokenizers', 'tritonclient'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_without_torch_a_plugin_names_the_command_that_installs_it(monkeypatch, task):
    monkeypatch.setitem(sys.modules, "torch", None)
    features = {"left": FeatureSpec(dim=2)}
    cnn = SensorCnn(SensorCnn.Config(channels=1, rate=50.0))
    concat = Concat(Concat.Config(), features, {"kind": task})
    for needed_by, call in (
        ("modality 'sensor-cnn'", lambda: cnn.load("cpu", None)),
        ("fusion 'gated'", lambda: Gated(Gated.Config(), features, {}).load("cpu", None)),
        ("training fusion 'concat'", concat.module),
        ("training task type 'classification'", lambda: task.loss(None, None)),
    ):
        with pytest.raises(MissingExtraError) as caught:
            call()
        assert str(caught.value) == (
            f"{needed_by} needs torch, which is not installed: pip install 'sensorium[torch]'"
        )


def test_without_scikit_learn_concat_names_the_command_that_installs_it(
    monkeypatch, problem, streams, tasks
):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.linear_model", raising=False)
    data = problem()
    concat = Concat(Concat.Config(), streams, tasks)
    with pytest.raises(MissingExtraError, match=r"scikit-learn.*pip install 'sensorium\[train\]'"):
        concat.fit(data.present(), data.features, data.targets, seed=0, progress=lambda *_: None)


@pytest.mark.torch
def test_a_device_that_is_not_there_is_refused(task):
    pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    gated = Gated(Gated.Config(), {"left": FeatureSpec(dim=2)}, {"kind": task})
    with pytest.raises(PluginError, match=r"cannot use the device 'nonsense'.*set `device: auto`"):
        gated.load("nonsense", None)
