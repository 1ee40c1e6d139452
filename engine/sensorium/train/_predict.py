"""Task outputs of many sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.errors import RunError
from sensorium.events import AlignedSet
from sensorium.plugin import Fusion, Modality
from sensorium.stages import EncodedBatch, Fuser
from sensorium.train._features import Encoded, encode_sets
from sensorium.train._prepare import CHUNK

__all__ = ["predict", "predict_encoded"]


def predict(
    modalities: Mapping[str, Modality], fusion: Fusion, sets: Sequence[AlignedSet]
) -> dict[str, npt.NDArray[Any]]:
    """Run loaded plugins on sets.

    Parameters
    ----------
    modalities, fusion
        What a checkpoint was loaded into.
    sets
        The sets.

    Returns
    -------
    dict
        Per task, scores or values of shape (sets, task.size).

    Raises
    ------
    RunError
        If the fusion fails.
    """
    return predict_encoded(fusion, encode_sets(modalities, sets))


def predict_encoded(fusion: Fusion, encoded: Encoded) -> dict[str, npt.NDArray[Any]]:
    """Run a loaded fusion on features, by the stage that runs it in serving.

    Parameters
    ----------
    fusion
        The fusion.
    encoded
        The features.

    Returns
    -------
    dict
        Per task, scores or values of shape (sets, task.size).

    Raises
    ------
    RunError
        If the fusion fails.
    """
    if len(encoded) == 0:
        return {name: np.zeros((0, task.size)) for name, task in fusion.tasks.items()}
    # The places of the rows matter only to a padded call, which this is not.
    hashes = np.zeros(len(encoded), np.uint32)
    batch = EncodedBatch(encoded.present, encoded.features, hashes)
    fused = Fuser(fusion, fusion.tasks, size=CHUNK).fuse(batch)
    if fused.failures:
        raise RunError(
            f"{len(fused.failures)} of {len(encoded)} sets could not be fused; the first: "
            f"{fused.failures[0].message}"
        )
    outputs = {}
    for name, output in fused.outputs.items():
        given = output.scores if output.scores is not None else output.values
        assert given is not None
        outputs[name] = given
    return outputs
