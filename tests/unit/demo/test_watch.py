import importlib.machinery
from pathlib import Path

import pytest

from sensorium.demo import _watch
from sensorium.errors import MissingExtraError, RunError


def test_without_seglearn_the_command_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_watch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        _watch.load_trials()
    assert str(caught.value) == (
        "sensorium demo needs seglearn, which is not installed: pip install 'sensorium[demo]'"
    )


def test_other_data_than_the_known_are_not_unpickled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = importlib.machinery.ModuleSpec("seglearn", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(_watch.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(RunError, match=r"watch_dataset\.npy cannot be read \(No such file"):
        _watch.load_trials()
    (tmp_path / "data").mkdir()
    # A pickle that would leave a trace.
    trace = tmp_path / "trace"
    evil = b"cpathlib\nPath.touch\n(cpathlib\nPath\n(S'" + str(trace).encode() + b"'\ntRtR."
    (tmp_path / "data" / "watch_dataset.npy").write_bytes(evil)
    with pytest.raises(RunError, match=r"its SHA-256 differs\), and it is not read"):
        _watch.load_trials()
    assert not trace.exists()
