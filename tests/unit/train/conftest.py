"""Small plugins of every kind that can be trained, and data that they can learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from sensorium.align import Exact
from sensorium.errors import PayloadError
from sensorium.events import Absence, AlignedSet, Event, TaskResult
from sensorium.hookspecs import hookimpl
from sensorium.host import Pipeline, PluginHost, load_pipeline
from sensorium.plugin import (
    Arrays,
    Batch,
    Features,
    FeatureSpec,
    Fusion,
    Modality,
    Payload,
    PluginConfig,
    Record,
    Samples,
    Source,
    Task,
    TaskOutput,
    Weights,
)
from sensorium.train import Dataset
from sensorium.wire import Envelope, read_record, write_envelope


class Numbers(Modality):
    """A row of numbers per event; its feature is the mean of a set's events."""

    name = "numbers"

    class Config(PluginConfig):
        dim: int = 2

    def decode(self, payload: Payload) -> Any:
        if len(payload.data) != self.config.dim:
            raise PayloadError(f"expected {self.config.dim} numbers")
        return np.array(payload.data, dtype=np.float32)

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        if any(not np.isfinite(value).all() for item in items for value in item.values):
            raise PayloadError("a value is not finite")
        return {"x": np.stack([np.mean(item.values, axis=0) for item in items])}

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(self.config.dim)

    def encode(self, arrays: Arrays) -> Features:
        return Features(arrays["x"])


class Centred(Numbers):
    """Learns the mean of what it is trained on, and takes it away."""

    name = "centred"
    centre: Any = 0.0

    def fit(self, arrays: Arrays) -> Weights:
        return {"centre": arrays["x"].mean(axis=0)}

    def load(self, device: str, weights: Weights | None) -> None:
        self.centre = np.float32(0) if weights is None else weights["centre"]

    def encode(self, arrays: Arrays) -> Features:
        return Features(arrays["x"] - self.centre)


class Each(Numbers):
    """Encoded once an event."""

    name = "each"
    per = "event"


class _Net:
    """A torch module that is made by `load`, and its state as weights."""

    net: Any = None

    def module(self) -> Any:
        return self.net

    def build(self) -> Any:
        raise NotImplementedError

    def load(self, device: str, weights: Weights | None) -> None:
        import torch

        self.net = self.build().to(device).eval()
        if weights is not None:
            self.net.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})


class Net(_Net, Numbers):
    """A linear layer, trained end to end."""

    name = "net"

    def build(self) -> Any:
        import torch

        class Layer(torch.nn.Module):
            def __init__(self, dim: int) -> None:
                super().__init__()
                self.linear = torch.nn.Linear(dim, dim)

            def forward(self, x: Any) -> Any:
                return torch.tanh(self.linear(x))

        return Layer(self.config.dim)

    def encode(self, arrays: Arrays) -> Features:
        import torch

        with torch.inference_mode():
            return Features(self.net(torch.tensor(arrays["x"])).numpy())


class NetEach(Net):
    """The same, per event."""

    name = "net-each"
    per = "event"


def _outputs(tasks: Mapping[str, Task], logits: Mapping[str, Any]) -> dict[str, TaskOutput]:
    out = {}
    for name, task in tasks.items():
        given = task.activate(logits[name])
        is_value = isinstance(task, Amount)
        out[name] = TaskOutput(values=given) if is_value else TaskOutput(scores=given)
    return out


class ByItself(Fusion):
    """Scikit-learn on features and presence."""

    name = "by-itself"
    weights: Weights = MappingProxyType({})

    def load(self, device: str, weights: Weights | None) -> None:
        self.weights = weights or {}

    def inputs(self, present: Any, features: Any) -> Any:
        return np.concatenate(
            [part for s in self.features for part in (features[s].data, present[s][:, None])],
            axis=1,
        ).astype(np.float64)

    def fit(
        self, present: Any, features: Any, targets: Any, *, seed: int, progress: Any
    ) -> Weights:
        from sklearn.linear_model import LogisticRegression, Ridge

        weights: dict[str, Any] = {}
        x = self.inputs(present, features)
        for i, (name, rows) in enumerate(targets.items()):
            known = ~np.isnan(rows).any(axis=1)
            if isinstance(self.tasks[name], Amount):
                model = Ridge(1e-3).fit(x[known], rows[known, 0])
                slope, intercept = model.coef_[None], np.array([model.intercept_])
            else:
                model = LogisticRegression(random_state=seed, max_iter=300)
                model.fit(x[known], rows[known].argmax(axis=1))
                slope, intercept = model.coef_, model.intercept_
                if len(slope) == 1:
                    slope, intercept = (
                        np.concatenate([-slope, slope]) / 2,
                        np.r_[-intercept / 2, intercept / 2],
                    )
            weights[f"{name}.slope"], weights[f"{name}.intercept"] = slope, intercept
            progress(i + 1, len(targets), name)
        return weights

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        x = self.inputs(present, features)
        return _outputs(
            self.tasks,
            {
                name: x @ self.weights[f"{name}.slope"].T + self.weights[f"{name}.intercept"]
                for name in self.tasks
            },
        )


class EndToEnd(_Net, Fusion):
    """A linear head on features and presence, in torch."""

    name = "end-to-end"

    def build(self) -> Any:
        import torch

        streams, tasks = list(self.features), self.tasks
        width = sum(spec.dim + 1 for spec in self.features.values())

        class Heads(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.heads = torch.nn.ModuleDict(
                    {name: torch.nn.Linear(width, task.size) for name, task in tasks.items()}
                )

            def forward(self, present: Any, features: Any) -> Any:
                parts = [p for s in streams for p in (features[s], present[s].float()[:, None])]
                x = torch.cat(parts, dim=1)
                return {name: head(x) for name, head in self.heads.items()}

        return Heads()

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        import torch

        with torch.inference_mode():
            logits = self.net(
                {s: torch.tensor(there) for s, there in present.items()},
                {s: torch.tensor(it.data) for s, it in features.items()},
            )
        return _outputs(self.tasks, {name: it.numpy() for name, it in logits.items()})


class Fixed(Fusion):
    """Learns nothing."""

    name = "fixed"

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        rows = len(next(iter(present.values())))
        return _outputs(self.tasks, {n: np.zeros((rows, t.size)) for n, t in self.tasks.items()})


class _Labels(Task):
    class Config(PluginConfig):
        labels: list[str] = Field(min_length=1)

    @property
    def size(self) -> int:
        return len(self.config.labels)

    def index(self, value: Any) -> int:
        if value not in self.config.labels:
            raise PayloadError("the target is none of the labels")
        return int(self.config.labels.index(value))


class OneOf(_Labels):
    """One label."""

    name = "one-of"

    def activate(self, logits: Any) -> Any:
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def result(self, activated: Any) -> TaskResult:
        scores = dict(zip(self.config.labels, map(float, activated), strict=True))
        label = max(scores, key=scores.__getitem__)
        return TaskResult(label=label, score=scores[label], scores=scores)

    def target(self, value: Any) -> Any:
        return np.eye(self.size)[self.index(value)]

    def loss(self, logits: Any, targets: Any) -> Any:
        import torch

        return torch.nn.functional.cross_entropy(logits, targets)


class AnyOf(_Labels):
    """Any number of labels, each above 0.5."""

    name = "any-of"

    def activate(self, logits: Any) -> Any:
        return 1 / (1 + np.exp(-logits))

    def result(self, activated: Any) -> TaskResult:
        scores = dict(zip(self.config.labels, map(float, activated), strict=True))
        return TaskResult(labels=tuple(n for n, s in scores.items() if s >= 0.5), scores=scores)

    def target(self, value: Any) -> Any:
        row = np.zeros(self.size)
        row[[self.index(label) for label in value]] = 1
        return row

    def loss(self, logits: Any, targets: Any) -> Any:
        import torch

        return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)


class Amount(Task):
    """One number."""

    name = "amount"
    size = 1

    def activate(self, logits: Any) -> Any:
        return logits

    def result(self, activated: Any) -> TaskResult:
        return TaskResult(values=tuple(map(float, activated)))

    def target(self, value: Any) -> Any:
        return np.array([float(value)])

    def loss(self, logits: Any, targets: Any) -> Any:
        return ((logits - targets) ** 2).mean()


class Lines(Source):
    """A recording: one envelope a line, in hexadecimal, logged at its event time."""

    name = "jsonl"

    class Config(PluginConfig):
        path: str

    def __init__(self, config: Any, topics: Sequence[str]) -> None:
        super().__init__(config, topics)
        with open(config.path, "rb") as file:
            self.lines = file.read().splitlines()

    def partitions(self) -> Sequence[int]:
        return [0]

    def poll(self, limit: int, timeout: float) -> Batch:
        records = [
            Record(
                topic="all",
                partition=0,
                offset=i,
                data=bytes.fromhex(line.decode()),
                arrived=read_record(Record("all", 0, i, bytes.fromhex(line.decode()))).time,
            )
            for i, line in enumerate(self.lines)
        ]
        self.lines = []
        return Batch(records, ended=True)

    def close(self) -> None:
        pass


class _Plugin:
    __name__ = "toys"

    @hookimpl
    def sensorium_modalities(self) -> Any:
        return [Numbers, Centred, Each, Net, NetEach]

    @hookimpl
    def sensorium_fusions(self) -> Any:
        return [ByItself, EndToEnd, Fixed]

    @hookimpl
    def sensorium_tasks(self) -> Any:
        return [OneOf, AnyOf, Amount]

    @hookimpl
    def sensorium_policies(self) -> Any:
        return [Exact]

    @hookimpl
    def sensorium_sources(self) -> Any:
        return [Lines]


@pytest.fixture(scope="session")
def host() -> PluginHost:
    found = PluginHost(entry_points=(), modules=[_Plugin()])
    assert not found.problems
    return found


MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def make_pipeline(host: PluginHost) -> MakePipeline:
    def make(
        modality: str = "numbers",
        fusion: str = "by-itself",
        *,
        second: str | None = None,
        tasks: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Pipeline:
        wanted = {"kind": {"type": "one-of", "labels": ["a", "b"]}} if tasks is None else tasks
        return load_pipeline(
            {
                "pipeline": "toy",
                "streams": {
                    "left": {"modality": modality},
                    "right": {"modality": second or modality},
                },
                "align": {"policy": "exact", "require": "any"},
                "fusion": {"plugin": fusion},
                "tasks": {
                    name: {"target": {"stream": "truth", "field": name}, **task}
                    for name, task in wanted.items()
                },
                **more,
            },
            plugins=host,
        )

    return make


@pytest.fixture
def make_task() -> Callable[..., Task]:
    kinds: dict[str, type[Task]] = {"one-of": OneOf, "any-of": AnyOf}

    def make(kind: str, *labels: str) -> Task:
        if kind == "amount":
            return Amount(PluginConfig())
        return kinds[kind](_Labels.Config(labels=list(labels)))

    return make


Row = tuple[str, str, int, Any]


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Write rows of (stream, key, time, payload) as a recording."""

    def write(rows: Sequence[Row], name: str = "data.jsonl") -> Path:
        path = tmp_path / name
        envelopes = [
            Envelope(stream=stream, key=key, time=time, payload=Payload(data))
            for stream, key, time, data in rows
        ]
        path.write_text("".join(write_envelope(one).hex() + "\n" for one in envelopes))
        return path

    return write


def _set(key: str, time: int, members: Mapping[str, Any], streams: Sequence[str]) -> AlignedSet:
    events = {
        name: (Event(stream=name, key=key, time=time, value=np.array(value, dtype=np.float32)),)
        for name, value in members.items()
    }
    absent = {name: Absence.PROVEN for name in streams if name not in members}
    return AlignedSet(key, time, events, absent, id=f"{key}/{time}", start=time, end=time)


@pytest.fixture
def make_set() -> Callable[..., AlignedSet]:
    def make(key: str, time: int, **members: Any) -> AlignedSet:
        return _set(key, time, members, ("left", "right"))

    return make


@pytest.fixture
def make_data() -> Callable[..., Dataset]:
    """Keys of two kinds; ``left`` tells them apart well, ``right`` less well; some are silent."""

    def make(
        keys: int = 10, sets: int = 20, silent: float = 0.1, seed: int = 0, shift: float = 0
    ) -> Dataset:
        rng = np.random.default_rng(seed)
        made, kinds, sizes = [], [], []
        for k in range(keys):
            for i in range(sets):
                kind = int(rng.integers(2))
                members = {
                    "left": [shift + 4 * kind - 2 + rng.normal(), rng.normal()],
                    "right": [2 * kind - 1 + rng.normal(), rng.normal()],
                }
                if rng.random() < silent:
                    del members["left" if rng.random() < 0.5 else "right"]
                made.append(_set(f"key{k}", i, members, ("left", "right")))
                kinds.append("ab"[kind])
                sizes.append(3.0 * kind)
        return Dataset(made, {"kind": kinds, "size": sizes})

    return make
