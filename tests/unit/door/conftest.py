"""The shipped watch pipeline behind a door, and somebody who knocks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import sensorium.demo
from sensorium.door import Door
from sensorium.host import DoorConfig, Pipeline, load_pipeline
from sensorium.plugin import Payload
from sensorium.runtime import Models, load_models
from sensorium.runtime._door import local_predict
from sensorium.wire import Envelope, write_envelope

WATCH = Path(sensorium.demo.__file__).parent / "data" / "watch.yaml"
START = 1_700_000_000_000_000_000


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def knock(address: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
    """Ask; `body` makes it a POST. Underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address + path, body, named)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Reply(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())


def reading(stream: str, at: float = 0.0, key: str = "wrist", scale: float = 1.0) -> bytes:
    """Half a second of a sensor, as a record holds it."""
    values = scale * np.random.default_rng(int(at * 1000)).normal(size=(25, 3))
    time = START + int(at * 1e9)
    return write_envelope(Envelope(stream, key, time, Payload(values.astype(np.float32))))


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    return SimpleNamespace(START=START, knock=knock, reading=reading)


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return load_pipeline(WATCH)


@pytest.fixture(scope="session")
def models(pipeline: Pipeline) -> Models:
    return load_models(pipeline)


@pytest.fixture
def open_door(pipeline: Pipeline) -> Iterator[Callable[..., Door]]:
    """Open a door on any free port; it has no models yet."""
    doors = []

    def make(**config: Any) -> Door:
        doors.append(Door(pipeline, DoorConfig(port=0, **config)))
        return doors[-1]

    yield make
    for door in doors:
        door.close()


@pytest.fixture(scope="session")
def answering(pipeline: Pipeline, models: Models) -> Iterator[Door]:
    """A door with the models behind it."""
    with closing(Door(pipeline, DoorConfig(port=0))) as door:
        door.attach(local_predict(pipeline, models), lambda: models.digest)
        yield door


@pytest.fixture
def ask(answering: Door) -> Callable[..., Reply]:
    """Ask for the inference of inputs in JSON."""

    def infer(*inputs: Mapping[str, Any], **more: Any) -> Reply:
        body = json.dumps({"inputs": inputs, **more}).encode()
        return knock(answering.address, "/v2/models/watch/infer", body)

    return infer
