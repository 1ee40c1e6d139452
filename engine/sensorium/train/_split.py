"""Splits by key: no entity is ever on both sides.

Neighbouring windows of one key overlap or nearly so; a split by window would test a model on what
it was trained on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sensorium.errors import ConfigError

__all__ = ["Group", "Split", "group_of", "split_by_key"]

#: How keys are grouped: a regular expression whose first group (or whole match) names the group,
#: a callable, or None for every key by itself.
Group: TypeAlias = str | Callable[[str], str] | None


@dataclass(frozen=True, slots=True)
class Split:
    """Which keys are trained on and which are held out.

    Parameters
    ----------
    train, validation
        The keys of either side, sorted.
    train_groups, validation_groups
        The groups of either side, sorted; the keys themselves where there is no grouping.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    train_groups: tuple[str, ...]
    validation_groups: tuple[str, ...]


def group_of(key: str, group: Group) -> str:
    """The group of a key.

    Raises
    ------
    ConfigError
        If `group` is not a regular expression, or does not match the key.
    """
    if group is None:
        return key
    if callable(group):
        return group(key)
    try:
        found = re.search(group, key)
    except re.error as error:
        raise ConfigError(f"the grouping {group!r} is not a regular expression: {error}") from error
    if found is None:
        raise ConfigError(
            f"the grouping {group!r} does not match the key {key!r}; every key must have a group"
        )
    return str(found[1] if found.re.groups else found[0])


def split_by_key(
    keys: Iterable[str],
    fraction: float,
    seed: int = 0,
    group: Group = None,
    strata: Mapping[str, str] | None = None,
) -> Split:
    """Hold out about a fraction of the keys, whole groups at a time.

    The same keys (in any order), fraction, seed and grouping give the same split.

    Parameters
    ----------
    keys
        The keys; repetitions do not matter.
    fraction
        The share of the groups that is held out, in (0, 1); at least one group on either side.
    seed
        What makes the draw reproducible.
    group
        What keeps keys together, as ``"^(subject[0-9]+)"``.
    strata
        Per key, what should be spread evenly over both sides, as its most frequent label; of a
        group, that of its first key counts.

    Raises
    ------
    ConfigError
        If the fraction is not in (0, 1), or there are not two groups.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"the validation fraction is {fraction:g}; it must lie between 0 and 1")
    groups: dict[str, list[str]] = {}
    for key in sorted(set(keys)):
        groups.setdefault(group_of(key, group), []).append(key)
    if len(groups) < 2:
        raise ConfigError(
            f"there are {len(groups)} groups of keys, and a split by key needs at least 2: "
            "give recordings of more keys, or a finer grouping"
        )
    names = sorted(groups)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    if strata is not None:
        order.sort(key=lambda name: strata.get(groups[name][0], ""))
    # Equally spaced picks from an order sorted by stratum take from each in proportion.
    count = min(max(1, round(fraction * len(order))), len(order) - 1)
    picked = {order[int((i + 0.5) * len(order) / count)] for i in range(count)}
    held = tuple(name for name in names if name in picked)
    kept = tuple(name for name in names if name not in picked)
    return Split(
        train=tuple(sorted(key for name in kept for key in groups[name])),
        validation=tuple(sorted(key for name in held for key in groups[name])),
        train_groups=kept,
        validation_groups=held,
    )
