"""Text as hashed word and character n-grams, weighted by how rare they are; no torch."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field

from sensorium.plugin import (
    Arrays,
    Features,
    FeatureSpec,
    Modality,
    Payload,
    PluginConfig,
    Samples,
    Weights,
)
from sensorium_plugins._weights import check_weights
from sensorium_plugins.modalities._text import TextConfig, decode_text, words_of

__all__ = ["TextTfidf", "TextTfidfConfig"]


def _span(lengths: list[int]) -> list[int]:
    if lengths and not (len(lengths) == 2 and 1 <= lengths[0] <= lengths[1] <= 10):
        raise ValueError(f"{lengths} is not [shortest, longest] within 1 to 10, nor [] for none")
    return lengths


_Span = Annotated[list[int], AfterValidator(_span)]


class TextTfidfConfig(TextConfig):
    """What is counted, and in how many columns.

    Parameters
    ----------
    dim
        The number of columns that n-grams are hashed to.
    words
        The shortest and longest run of words that is counted; ``[]`` for none.
    chars
        The shortest and longest run of characters within a word (its edges marked by a space)
        that is counted; ``[]`` for none.
    weighting
        ``tfidf``, or a bag of words: ``counts`` as they are, or ``binary``: 1 for what is there.
    """

    dim: int = Field(default=512, ge=8, le=1 << 20)
    words: _Span = Field(default_factory=lambda: [1, 2])
    chars: _Span = Field(default_factory=lambda: [3, 5])
    weighting: Literal["tfidf", "counts", "binary"] = "tfidf"


class TextTfidf(Modality):
    """Term frequency times inverse document frequency of hashed n-grams, of Euclidean norm 1.

    All texts of a set are one document. The n-grams are hashed with CRC-32, so that every process
    and version gives the same columns. Term frequencies are ``1 + ln(count)``; the inverse
    document frequency is ``ln((1 + documents) / (1 + documents with it)) + 1``, and 1 untrained.
    """

    name: ClassVar[str] = "text-tfidf"
    Config: ClassVar[type[PluginConfig]] = TextTfidfConfig
    per: ClassVar[Literal["event", "set"]] = "set"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    requires: ClassVar[tuple[str, ...]] = ()
    config: TextTfidfConfig

    def __init__(self, config: TextTfidfConfig) -> None:
        super().__init__(config)
        self._idf: npt.NDArray[np.float32] = np.ones(config.dim, dtype=np.float32)

    def decode(self, payload: Payload) -> str:
        """Take text, or bytes of UTF-8.

        Raises
        ------
        PayloadError
            If it is neither, or longer than `max_length`.
        """
        return decode_text(payload, self.config.max_length)

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Count the n-grams.

        Returns
        -------
        dict
            ``counts``: float32 of shape (items, dim).
        """
        counts = np.zeros((len(items), self.config.dim), dtype=np.float32)
        for row, item in zip(counts, items, strict=True):
            for text in item.values:
                for gram, count in Counter(self._grams(text)).items():
                    row[zlib.crc32(gram.encode("utf-8", "replace")) % self.config.dim] += count
        return {"counts": counts}

    def _grams(self, text: str) -> Iterator[str]:
        """The n-grams of a text, words and characters told apart by a prefix."""
        words = words_of(text, self.config.lowercase)
        for length in _lengths(self.config.words):
            for at in range(len(words) - length + 1):
                yield "w" + " ".join(words[at : at + length])
        for word in words:
            edged = f" {word} "
            for length in _lengths(self.config.chars):
                for at in range(len(edged) - length + 1):
                    yield "c" + edged[at : at + length]

    @property
    def feature(self) -> FeatureSpec:
        """A vector of `dim` numbers."""
        return FeatureSpec(dim=self.config.dim)

    def load(self, device: str, weights: Weights | None) -> None:
        """Take the inverse document frequencies, or 1 for all.

        Raises
        ------
        PluginError
            If the weights are not those of a `text-tfidf` of this `dim`.
        """
        if weights is None:
            self._idf = np.ones(self.config.dim, dtype=np.float32)
            return
        check_weights("modality 'text-tfidf'", weights, {"idf": (self.config.dim,)})
        self._idf = np.asarray(weights["idf"], dtype=np.float32)

    def fit(self, arrays: Arrays) -> Weights:
        """Learn the inverse document frequencies from prepared items."""
        counts: npt.NDArray[Any] = arrays["counts"]
        documents = (counts > 0).sum(axis=0)
        idf = np.log((1 + len(counts)) / (1 + documents)) + 1
        return {"idf": idf.astype(np.float32)}

    def encode(self, arrays: Arrays) -> Features:
        """Weigh the counts; with `tfidf`, scale each row to norm 1 (an empty one stays zero)."""
        counts = arrays["counts"]
        if self.config.weighting == "counts":
            return Features(counts)
        if self.config.weighting == "binary":
            return Features((counts > 0).astype(np.float32))
        weighed = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * self._idf
        norm = np.sqrt(np.square(weighed).sum(axis=1, keepdims=True))
        return Features((weighed / np.maximum(norm, 1e-12)).astype(np.float32))


def _lengths(span: list[int]) -> range:
    return range(span[0], span[1] + 1) if span else range(0)
