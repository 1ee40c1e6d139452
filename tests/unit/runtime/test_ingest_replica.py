"""The ingest replica takes up other settings, and fails its health check where it cannot."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

import sensorium.demo
from sensorium.errors import RunError, SensoriumError
from sensorium.host import load_pipeline

pytest.importorskip("ray", reason="needs pip install 'sensorium'")
from sensorium.runtime.serve._ingest import IngestReplica, Order
from sensorium.runtime.serve._settings import settings_of, topology_of

WATCH = Path(sensorium.demo.__file__).parent / "data" / "watch.yaml"


def failing(replica: IngestReplica) -> Exception | None:
    try:
        replica.check_health()
    except SensoriumError as error:
        return error
    return None


def test_a_line_that_cannot_be_begun_again_is_told_by_its_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data.jsonl"
    chunk = np.zeros((25, 3)).tolist()
    record = {"stream": "accel", "key": "k", "time": 1_700_000_000_000_000_000, "data": chunk}
    data.write_text(json.dumps(record) + "\n")
    pipeline = load_pipeline(WATCH)
    settings = settings_of(pipeline, "")
    del settings["digest"]  # any will do
    replica = IngestReplica(topology_of(pipeline), {}, None, 2, Order(data=str(data), sink=True))
    with replica._logging:  # as it ends with the process elsewhere
        replica.reconfigure(settings)
        assert failing(replica) is None

        def taken(self: IngestReplica, order: Order) -> object:
            raise RunError("the port of the metrics is taken")

        monkeypatch.setattr(IngestReplica, "_begin", taken)
        replica.reconfigure({**settings, "runtime.retries": 5})
        end = time.monotonic() + 60
        while failing(replica) is None:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert "the port of the metrics is taken" in str(failing(replica))
