"""End-to-end training by gradient, of every trainable encoder and the fusion together."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from sensorium.errors import ConfigError, RunError
from sensorium.plugin import Features, FeatureSpec, Progress, Task
from sensorium.train._dropout import drop_streams
from sensorium.train._optional import optional
from sensorium.train._prepare import Prepared

if TYPE_CHECKING:
    import torch

__all__ = ["Examples", "GradientSettings", "Trained", "reproducible", "train_modules", "weights_of"]


@dataclass(frozen=True, slots=True)
class GradientSettings:
    """How `train_modules` trains.

    Parameters
    ----------
    epochs
        The most passes over the training split.
    patience
        It stops after this many passes without a better validation loss.
    batch_size
        Sets a step.
    learning_rate, weight_decay
        Of AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019).
    clip
        The greatest norm of a step's gradient.
    modality_dropout
        The probability with which a stream is taken from a set in training.
    seed
        What makes the training reproducible.
    """

    epochs: int = 60
    patience: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    clip: float = 1.0
    modality_dropout: float = 0.3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """How the training went.

    Parameters
    ----------
    epochs
        How many passes were made.
    best_epoch
        The pass whose weights were kept, counted from 1.
    losses
        Per pass, the mean training loss and the validation loss.
    """

    epochs: int
    best_epoch: int
    losses: tuple[tuple[float, float], ...]


def weights_of(module: torch.nn.Module) -> dict[str, npt.NDArray[Any]]:
    """Parameters and buffers of a module as arrays."""
    return {
        name: np.array(value.detach().cpu().numpy(), order="C")
        for name, value in module.state_dict().items()
    }


@dataclass(frozen=True, slots=True)
class Examples:
    """What modules are trained on.

    Parameters
    ----------
    present
        Per stream, in the order of the pipeline file, bool of shape (sets,).
    specs
        Per stream, what its features are.
    prepared
        Per trainable stream, its arrays.
    fixed
        Per other stream, its features, computed once.
    tasks, weights, targets
        Per task: the task, its weight in the loss, rows of shape (sets, size) with NaN where a set
        has no target.
    """

    present: Mapping[str, npt.NDArray[np.bool_]]
    specs: Mapping[str, FeatureSpec]
    prepared: Mapping[str, Prepared]
    fixed: Mapping[str, Features]
    tasks: Mapping[str, Task]
    weights: Mapping[str, float]
    targets: Mapping[str, npt.NDArray[np.float64]]


def train_modules(
    encoders: Mapping[str, torch.nn.Module],
    fusion: torch.nn.Module,
    examples: Examples,
    train: npt.NDArray[np.intp],
    validation: npt.NDArray[np.intp],
    settings: GradientSettings,
    device: str,
    progress: Progress,
) -> Trained:
    """Train modules in place; they end with the weights of the least validation loss.

    Parameters
    ----------
    encoders
        Per trainable stream, its module.
    fusion
        The fusion's module.
    examples
        All sets of both splits.
    train, validation
        The sets of either split.
    settings
        How.
    device
        Where the modules are.
    progress
        Called after every pass.

    Raises
    ------
    RunError
        If the loss is not finite.
    """
    joint = _Joint(encoders, fusion, examples, device)
    present = examples.present
    torch = joint.torch
    modules = torch.nn.ModuleList([*encoders.values(), fusion])
    parameters = [p for p in modules.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    rng = np.random.default_rng([settings.seed, 1])
    best, best_epoch, losses = np.inf, 0, []
    kept = copy.deepcopy(modules.state_dict())
    for epoch in range(1, settings.epochs + 1):
        modules.train()
        order = rng.permutation(train)
        total = 0.0
        for start in range(0, len(order), settings.batch_size):
            rows = order[start : start + settings.batch_size]
            there = {name: mask[rows] for name, mask in present.items()}
            loss = joint.loss(rows, drop_streams(there, settings.modality_dropout, rng))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        modules.eval()
        held = joint.mean_loss(validation, present, settings.batch_size)
        losses.append((total / len(train), held))
        if not np.isfinite(losses[-1]).all():
            raise RunError(
                f"the loss is not finite after epoch {epoch}: lower the learning rate "
                f"(now {settings.learning_rate:g}), or look for extreme values in the data"
            )
        if held < best:
            best, best_epoch = held, epoch
            kept = copy.deepcopy(modules.state_dict())
        progress(epoch, settings.epochs, f"validation loss {held:.4f}, best {best:.4f}")
        if epoch - best_epoch >= settings.patience:
            break
    modules.load_state_dict(kept)
    modules.eval()
    return Trained(len(losses), best_epoch, tuple(losses))


class _Joint:
    """All modules as one function of rows and presence."""

    def __init__(
        self,
        encoders: Mapping[str, torch.nn.Module],
        fusion: torch.nn.Module,
        examples: Examples,
        device: str,
    ) -> None:
        self.torch: Any = optional("torch", "training by gradient")
        self.encoders = encoders
        self.fusion = fusion
        self.examples = examples
        self.device = device
        #: Per stream, the first link of every set, and one after the last.
        self.starts = {
            name: np.searchsorted(part.owners, np.arange(part.sets + 1))
            for name, part in examples.prepared.items()
        }

    def loss(
        self, rows: npt.NDArray[np.intp], present: Mapping[str, npt.NDArray[np.bool_]]
    ) -> torch.Tensor:
        """Weighted mean loss of the tasks over some sets."""
        features, masks = {}, {}
        for name, there in present.items():
            if name in self.encoders:
                data, mask = self._encode(name, rows, there)
            else:
                data, mask = self._look_up(name, rows, there)
            features[name] = data
            if mask is not None:
                masks[name] = mask
        given = {name: self._tensor(there) for name, there in present.items()}
        more = {"masks": masks} if masks else {}
        outputs = self.fusion(present=given, features=features, **more)
        total = self.torch.zeros((), device=self.device)
        for name, task in self.examples.tasks.items():
            target = self.examples.targets[name][rows]
            known = np.logical_not(np.isnan(target).any(axis=1))
            if known.any():
                wanted = self._tensor(target[known].astype(np.float32))
                loss = task.loss(outputs[name][self._tensor(known)], wanted)
                total = total + self.examples.weights[name] * loss
        return cast("torch.Tensor", total)

    def mean_loss(
        self,
        rows: npt.NDArray[np.intp],
        present: Mapping[str, npt.NDArray[np.bool_]],
        batch_size: int,
    ) -> float:
        """Mean loss over many sets, without a gradient."""
        total = 0.0
        with self.torch.no_grad():
            for start in range(0, len(rows), batch_size):
                part = rows[start : start + batch_size]
                there = {name: mask[part] for name, mask in present.items()}
                total += float(self.loss(part, there)) * len(part)
        return total / len(rows)

    def _tensor(self, array: npt.NDArray[Any]) -> torch.Tensor:
        # A copy: arrays may be read-only, and torch warns of those.
        return cast("torch.Tensor", self.torch.tensor(array, device=self.device))

    def _look_up(
        self, name: str, rows: npt.NDArray[np.intp], there: npt.NDArray[np.bool_]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        feature = self.examples.fixed[name]
        data = feature.data[rows]
        data[~there] = 0
        if feature.mask is None:
            return self._tensor(data), None
        return self._tensor(data), self._tensor(feature.mask[rows] & there[:, None])

    def _encode(
        self, name: str, rows: npt.NDArray[np.intp], there: npt.NDArray[np.bool_]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Encode the items of the sets that are there; the rows of the others are zeros."""
        part, starts = self.examples.prepared[name], self.starts[name]
        links = [
            (row, link)
            for row, owner in enumerate(rows)
            if there[row]
            for link in range(starts[owner], starts[owner + 1])
        ]
        if not links:
            return self._nothing(name, len(rows))
        place = self.torch.tensor([row for row, _ in links], device=self.device)
        items = part.items[[link for _, link in links]]
        arrays = {key: self._tensor(array[items]) for key, array in part.arrays.items()}
        output = self.encoders[name](**arrays)
        data, mask = output if isinstance(output, tuple) else (output, None)
        if data.ndim == 2:
            counts = np.bincount([row for row, _ in links], minlength=len(rows))
            shares = self._tensor((1.0 / np.maximum(counts, 1)).astype(np.float32))
            total = data.new_zeros((len(rows), data.shape[1])).index_add(0, place, data)
            return total * shares[:, None].to(data.dtype), None
        if len({row for row, _ in links}) < len(links):
            raise ConfigError(
                "its modality gives one sequence an event, which cannot be trained end to end "
                "where a set has several events: use a modality that takes a set as one item",
                path=f"streams.{name}",
            )
        whole = data.new_zeros((len(rows), *data.shape[1:])).index_copy(0, place, data)
        steps = self.torch.zeros((len(rows), data.shape[1]), dtype=bool, device=self.device)
        known = self.torch.ones_like(steps[place]) if mask is None else mask.bool()
        return whole, steps.index_copy(0, place, known)

    def _nothing(self, name: str, rows: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        spec = self.examples.specs[name]
        if spec.kind == "vector":
            return self.torch.zeros((rows, spec.dim), device=self.device), None
        return (
            self.torch.zeros((rows, 1, spec.dim), device=self.device),
            self.torch.zeros((rows, 1), dtype=bool, device=self.device),
        )


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed torch for the duration, and ask it for deterministic algorithms."""
    torch = optional("torch", "training by gradient")
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(mode=before, warn_only=warn_only)
