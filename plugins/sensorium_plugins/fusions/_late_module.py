"""The network of `late`. Imports torch: import it only where one is trained or run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from sensorium.plugin import FeatureSpec, Task
from sensorium_plugins.fusions._modules import FusionModule, HeadModule, Tensors
from sensorium_plugins.tasks import Classification, MultiLabel

__all__ = ["LateModule"]


class LateModule(FusionModule):
    """A head per stream and task.

    ``task_<name>`` only holds what a task has where nothing is present, and its units.
    """

    def __init__(
        self,
        features: Mapping[str, FeatureSpec],
        tasks: Mapping[str, Task],
        hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__(features, tasks)
        self.kinds = dict(tasks)
        for name, task in tasks.items():
            self.add_module(f"task_{name}", HeadModule(task, [1]))
            for stream, spec in features.items():
                head = HeadModule(task, [spec.dim, *hidden], dropout)
                self.add_module(f"own_{stream}_{name}", head)

    def with_shares(
        self, present: Tensors, features: Tensors, masks: Tensors | None = None
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Raw outputs per task, and per task each stream's share."""
        blocks, there = self.inputs(present, features, masks)
        logits, shares = {}, {}
        for name, task in self.kinds.items():
            common = getattr(self, f"task_{name}")
            decisions = torch.stack(
                [
                    getattr(self, f"own_{stream}_{name}").raw(block)
                    for stream, block in zip(self.stream_names, blocks, strict=True)
                ],
                dim=1,
            )
            joined = _average(task, decisions, there)
            logits[name] = common.finish(joined, there.any(dim=1))
            shares[name] = _shares(task, decisions - common.prior, there)
        return logits, shares


def _average(task: Task, decisions: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """The raw outputs whose activation is the mean of the activated (batch, streams, size)."""
    count = there.sum(dim=1).clamp(min=1)[:, None].to(decisions.dtype)
    absent = ~there[..., None]
    if isinstance(task, Classification):
        return _log_mean(torch.log_softmax(decisions, dim=2), absent, count)
    if isinstance(task, MultiLabel):
        log_sigmoid = torch.nn.functional.logsigmoid
        taken = _log_mean(log_sigmoid(decisions), absent, count)
        return taken - _log_mean(log_sigmoid(-decisions), absent, count)
    return decisions.masked_fill(absent, 0.0).sum(dim=1) / count


def _log_mean(logarithms: torch.Tensor, absent: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    # A finite fill: gradients of -inf are NaN where nothing is present.
    return torch.logsumexp(logarithms.masked_fill(absent, -1e9), dim=1) - count.log()


def _shares(task: Task, moved: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    if isinstance(task, Classification):
        moved = moved - moved.mean(dim=2, keepdim=True)
    # The least is counted, so that streams of which none says anything count alike.
    sizes = (moved.abs().sum(dim=2) + 1e-9) * there
    return sizes / sizes.sum(dim=1, keepdim=True).clamp(min=1e-12)
