"""Features of many sets: what a fusion is trained on and tested with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sensorium.events import AlignedSet
from sensorium.plugin import Features, Modality
from sensorium.stages import Encoder
from sensorium.train._prepare import CHUNK

__all__ = ["Encoded", "encode_sets"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Features of many sets and what is there.

    Parameters
    ----------
    present
        Per stream, bool of shape (sets,).
    features
        Per stream, one row a set; zeros where the stream is absent.
    """

    present: Mapping[str, npt.NDArray[np.bool_]]
    features: Mapping[str, Features]

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    def take(
        self,
        rows: npt.NDArray[np.intp],
        present: Mapping[str, npt.NDArray[np.bool_]] | None = None,
    ) -> Encoded:
        """Some of the rows, possibly with streams taken away.

        Parameters
        ----------
        rows
            int, shape (rows,); a row may be taken more than once.
        present
            Per stream, bool of shape (rows,): what is left. The default is what was there.
        """
        left = {
            name: there[rows] if present is None else there[rows] & present[name]
            for name, there in self.present.items()
        }
        features = {}
        for name, feature in self.features.items():
            data, gone = feature.data[rows], ~left[name]
            data[gone] = 0
            mask = None if feature.mask is None else feature.mask[rows]
            if mask is not None:
                mask[gone] = False
            features[name] = Features(data, mask)
        return Encoded(left, features)


def encode_sets(modalities: Mapping[str, Modality], sets: Sequence[AlignedSet]) -> Encoded:
    """Encode sets with loaded modalities, by the stage that encodes them in serving.

    Parameters
    ----------
    modalities
        Per stream, its modality.
    sets
        The sets; a stream whose events cannot be prepared or encoded is absent from its set.
    """
    batch = Encoder(modalities, batch_size=CHUNK).encode(sets)
    return Encoded(batch.present, batch.features)
