"""Records of named fields: numbers and categories, any of which may be missing; no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from sensorium.errors import PayloadError
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
from sensorium_plugins.modalities._torch_modality import scaling

__all__ = ["Tabular", "TabularConfig"]

_LARGEST = 1e18
_CUT = 10.0


class TabularConfig(PluginConfig):
    """The fields of a record; others are not looked at.

    Parameters
    ----------
    numbers
        The fields that hold numbers.
    categories
        Per field that holds one of several values, these values as text, as
        ``{ward: [surgery, medicine]}``. A value that is not named counts as missing.
    required
        Fields without which a record is refused.
    """

    numbers: list[str] = Field(default_factory=list)
    categories: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default_factory=dict)
    required: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fields(self) -> TabularConfig:
        fields = [*self.numbers, *self.categories]
        if not fields:
            raise ValueError("name at least one field, in numbers or categories")
        twice = sorted({name for name in fields if fields.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} named twice; name each field once")
        unknown = sorted(set(self.required) - set(fields))
        if unknown:
            raise ValueError(f"required names {', '.join(unknown)}, not among the fields")
        for name, values in self.categories.items():
            if len(set(values)) < len(values):
                raise ValueError(f"categories.{name} names a value twice")
        return self


class Tabular(Modality):
    """A record of numbers and categories, as of laboratory values or weather stations.

    Of several records in a set, the newest value of each field counts. A number becomes two
    columns: its standardised value, 0 if missing, and whether it is missing; a category becomes a
    column per value, all 0 if missing. The scale is learned from the training split.
    """

    name: ClassVar[str] = "tabular"
    Config: ClassVar[type[PluginConfig]] = TabularConfig
    per: ClassVar[Literal["event", "set"]] = "set"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    requires: ClassVar[tuple[str, ...]] = ()
    config: TabularConfig

    def __init__(self, config: TabularConfig) -> None:
        super().__init__(config)
        self._location = np.zeros(len(config.numbers), dtype=np.float32)
        self._scale = np.ones(len(config.numbers), dtype=np.float32)

    def decode(self, payload: Payload) -> dict[str, float | str]:
        """Take a mapping; what is null, or absent, is missing.

        Raises
        ------
        PayloadError
            If it is no mapping, a number is not one or not finite, a category is not text, a
            number or a truth value, or a required field is missing.
        """
        data = payload.data
        if not isinstance(data, Mapping):
            raise PayloadError(f"a record is a mapping of fields, not {type(data).__name__}")
        record: dict[str, float | str] = {}
        for name in self.config.numbers:
            if data.get(name) is not None:
                record[name] = _number(name, data[name])
        for name in self.config.categories:
            value = data.get(name)
            if value is not None:
                if not isinstance(value, str | int | float):
                    raise PayloadError(f"{name} is {type(value).__name__}, not a category")
                record[name] = str(value)
        missing = [name for name in self.config.required if name not in record]
        if missing:
            raise PayloadError(f"the record lacks {', '.join(missing)}, which the stream requires")
        return record

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Lay the newest values out in columns.

        Returns
        -------
        dict
            ``numbers``: float64 of shape (items, numbers), NaN where missing;
            ``categories``: float32 of shape (items, values of all categories).
        """
        width = sum(len(values) for values in self.config.categories.values())
        numbers = np.full((len(items), len(self.config.numbers)), np.nan)
        categories = np.zeros((len(items), width), dtype=np.float32)
        for row, item in enumerate(items):
            newest: dict[str, Any] = {}
            for record in item.values:
                newest |= record
            for column, name in enumerate(self.config.numbers):
                numbers[row, column] = newest.get(name, np.nan)
            start = 0
            for name, values in self.config.categories.items():
                if newest.get(name) in values:
                    categories[row, start + values.index(newest[name])] = 1
                start += len(values)
        return {"numbers": numbers, "categories": categories}

    @property
    def feature(self) -> FeatureSpec:
        """A vector with two columns a number and one a value of a category."""
        values = sum(len(values) for values in self.config.categories.values())
        return FeatureSpec(dim=2 * len(self.config.numbers) + values)

    def load(self, device: str, weights: Weights | None) -> None:
        """Take the scale of the numbers, or leave them as they are.

        Raises
        ------
        PluginError
            If the weights are not those of a `tabular` of as many numbers.
        """
        if weights is None:
            weights = scaling(np.empty((0, len(self.config.numbers))))
        shape = (len(self.config.numbers),)
        check_weights("modality 'tabular'", weights, {"location": shape, "scale": shape})
        self._location, self._scale = weights["location"], weights["scale"]

    def fit(self, arrays: Arrays) -> Weights:
        """Learn the mean and deviation of each number, of the items that have it."""
        columns = [column[~np.isnan(column)] for column in arrays["numbers"].T]
        learned = [scaling(column[:, None]) for column in columns]
        shape = (len(columns),)
        return {
            part: np.array([one[part][0] for one in learned], dtype=np.float32).reshape(shape)
            for part in ("location", "scale")
        }

    def encode(self, arrays: Arrays) -> Features:
        """Standardise the numbers, and tell which are missing."""
        numbers: npt.NDArray[Any] = arrays["numbers"]
        missing = np.isnan(numbers)
        centred = np.clip(
            (np.where(missing, 0, numbers) - self._location) / self._scale, -_CUT, _CUT
        )
        columns = [np.where(missing, 0, centred), missing, arrays["categories"]]
        return Features(np.concatenate(columns, axis=1).astype(np.float32))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float | np.integer | np.floating):
        raise PayloadError(f"{name} is {type(value).__name__}, not a number")
    # Comparing is False for NaN; and an int may be greater than any float.
    if not -_LARGEST <= value <= _LARGEST or math.isnan(value):
        raise PayloadError(f"{name} is NaN, infinite or beyond 1e18")
    return float(value)
