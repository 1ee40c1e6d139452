"""Small plugins of every kind that can be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import Field

from sensorium.align import Exact
from sensorium.errors import PayloadError
from sensorium.events import TaskResult
from sensorium.hookspecs import hookimpl
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
from sensorium.wire import read_record


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


class Labels(Task):
    class Config(PluginConfig):
        labels: list[str] = Field(min_length=1)

    @property
    def size(self) -> int:
        return len(self.config.labels)

    def index(self, value: Any) -> int:
        if value not in self.config.labels:
            raise PayloadError("the target is none of the labels")
        return int(self.config.labels.index(value))


class OneOf(Labels):
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


class AnyOf(Labels):
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


class ToyPlugins:
    """All of them, as a module of plugins."""

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
