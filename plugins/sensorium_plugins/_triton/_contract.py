"""What the server says of a model's inputs and outputs, held against what the pipeline has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

__all__ = ["FLOATS", "Contract", "Tensor"]

#: What is taken where numbers are wanted; they become float32.
FLOATS: Final = ("FP32", "FP16", "FP64")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output.

    Parameters
    ----------
    dtypes
        Triton's words for the types that it may have, as ``("FP32",)``.
    shape
        Its axes, the first the item; None for one of any length.
    """

    dtypes: tuple[str, ...]
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> Tensor:
        """The tensor that takes an array, with any number of items."""
        from tritonclient.utils import np_to_triton_dtype

        return cls((np_to_triton_dtype(array.dtype) or str(array.dtype),), (None, *array.shape[1:]))

    def fits(self, other: Tensor) -> bool:
        """Whether one can stand for the other; the first axis is not compared."""
        return (
            bool(set(self.dtypes) & set(other.dtypes))
            and len(self.shape) == len(other.shape)
            and all(
                None in (mine, its) or mine == its
                for mine, its in zip(self.shape[1:], other.shape[1:], strict=True)
            )
        )

    def __str__(self) -> str:
        axes = ", ".join("any" if axis is None else str(axis) for axis in self.shape[1:])
        return f"{' or '.join(self.dtypes)} of shape ({', '.join(filter(None, ('items', axes)))})"


@dataclass(frozen=True, slots=True)
class Contract:
    """A model as the server describes it.

    Parameters
    ----------
    inputs, outputs
        By name.
    most
        The most items of one call; None for any number.
    """

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    most: int | None

    @classmethod
    def read(cls, metadata: Any, config: Any) -> Contract:
        """From the answers to ModelMetadata and ModelConfig.

        A model that the server does not batch takes any number of items if the first axis of all
        its inputs is open, else one.
        """
        inputs = {it.name: _tensor(it) for it in metadata.inputs}
        outputs = {it.name: _tensor(it) for it in metadata.outputs}
        most: int | None = config.max_batch_size or None
        if most is None and any(it.shape[:1] != (None,) for it in inputs.values()):
            most = 1
        return cls(inputs, outputs, most)

    def input_faults(self, given: Mapping[str, Tensor], giver: str) -> list[str]:
        """What of the inputs does not fit.

        Parameters
        ----------
        given
            Per input, what the pipeline has for it.
        giver
            Who in the pipeline gives it.
        """
        faults = _unknown(given, self.inputs, f"{giver} gives", "input")
        for name, wanted in self.inputs.items():
            if wanted.shape[:1] not in ((None,), (1,)):
                faults.append(
                    f"the model's input {name!r} has the shape {wanted.shape}: its first axis must "
                    "be the item, open or 1"
                )
            elif name not in given:
                faults.append(
                    f"the model's input {name!r} ({wanted}) is not among what {giver} gives "
                    f"({_names(given)})"
                )
            elif not wanted.fits(given[name]):
                faults.append(
                    f"the model's input {name!r} is {wanted}, and {giver} gives {given[name]}"
                )
        return faults

    def output_faults(self, wanted: Mapping[str, Tensor], taker: str) -> list[str]:
        """What of the outputs does not fit; those that are not `wanted` are not asked for.

        Parameters
        ----------
        wanted
            Per output, what the pipeline takes.
        taker
            What in the pipeline takes it.
        """
        faults = _unknown(wanted, self.outputs, f"{taker} wants", "output")
        faults += [
            f"the model's output {name!r} is {self.outputs[name]}, and {taker} wants {it}"
            for name, it in wanted.items()
            if name in self.outputs and not it.fits(self.outputs[name])
        ]
        return faults


def _tensor(it: Any) -> Tensor:
    return Tensor((it.datatype,), tuple(None if axis < 0 else int(axis) for axis in it.shape))


def _unknown(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], who: str, kind: str
) -> list[str]:
    return [
        f"{who} {name!r} ({it}), and the model has no such {kind} (it has {_names(theirs)})"
        for name, it in ours.items()
        if name not in theirs
    ]


def _names(them: Iterable[str]) -> str:
    return ", ".join(map(repr, them)) or "none"
