"""What the text modalities share: how text is decoded, split into words and numbered."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from sensorium.errors import PayloadError
from sensorium.plugin import Arrays, FeatureSpec, Payload, PluginConfig, Samples
from sensorium_plugins.modalities._sequence_config import SequenceConfig
from sensorium_plugins.modalities._torch_modality import TorchModality

__all__ = ["TextConfig", "TokenConfig", "TokenModality", "decode_text", "words_of"]

_WORD = re.compile(r"\w+|[^\w\s]+")


class TextConfig(PluginConfig):
    """What text is taken.

    Parameters
    ----------
    lowercase
        Whether case is ignored.
    max_length
        Texts of more characters are refused, so that one record's cost is bounded.
    """

    lowercase: bool = True
    max_length: int = Field(default=100_000, ge=1)


class TokenConfig(TextConfig, SequenceConfig):
    """What text is taken, how words are numbered, and the size of the network.

    Parameters
    ----------
    vocabulary
        How many numbers words are hashed to.
    embedding
        The length of a word's vector.
    max_tokens
        Of a set's words, the last so many are read.
    """

    vocabulary: int = Field(default=8192, ge=16, le=1 << 22)
    embedding: int = Field(default=64, ge=1, le=4096)
    max_tokens: int = Field(default=128, ge=1, le=8192)


def decode_text(payload: Payload, max_length: int) -> str:
    """Take text, or bytes of UTF-8.

    Raises
    ------
    PayloadError
        If it is neither, or longer than `max_length`.
    """
    data = payload.data
    if isinstance(data, bytes | bytearray | memoryview):
        try:
            data = str(data, "utf-8")
        except UnicodeDecodeError as error:
            raise PayloadError(f"the text is not UTF-8: byte {error.start} is wrong") from None
    if not isinstance(data, str):
        raise PayloadError(f"expected text or bytes of UTF-8, not {type(data).__name__}")
    if len(data) > max_length:
        raise PayloadError(
            f"the text has {len(data)} characters; the stream's `max_length` is {max_length}"
        )
    return data


def words_of(text: str, lowercase: bool) -> list[str]:
    """Runs of letters and digits, and runs of marks, in their order."""
    found: list[str] = _WORD.findall(text.lower() if lowercase else text)
    return found


class TokenModality(TorchModality):
    """Words as numbers: the CRC-32 of a word, the same in every process and version.

    All texts of a set are one document. No vocabulary is learned, so none can be missing in
    serving; words that share a number share a vector.
    """

    per: ClassVar[Literal["event", "set"]] = "set"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    config: Any

    def decode(self, payload: Payload) -> str:
        """Take text, or bytes of UTF-8.

        Raises
        ------
        PayloadError
            If it is neither, or longer than `max_length`.
        """
        return decode_text(payload, self.config.max_length)

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Number the words.

        Returns
        -------
        dict
            ``tokens``: int32 of shape (items, max_tokens), 0 after the last word.
        """
        tokens = np.zeros((len(items), self.config.max_tokens), dtype=np.int32)
        for row, item in zip(tokens, items, strict=True):
            words = [w for text in item.values for w in words_of(text, self.config.lowercase)]
            kept = words[-len(row) :]
            row[: len(kept)] = [
                1 + zlib.crc32(word.encode("utf-8", "replace")) % self.config.vocabulary
                for word in kept
            ]
        return {"tokens": tokens}

    @property
    def feature(self) -> FeatureSpec:
        """A vector of `dim` numbers, or as many as there are words."""
        spec: FeatureSpec = self.config.feature
        return spec
