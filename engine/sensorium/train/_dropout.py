"""Modality dropout: streams are taken away in training, so that a model learns to do without.

Neverova et al., "ModDrop: adaptive multi-modal gesture recognition", TPAMI 2016.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["drop_streams", "outages", "replicate"]

_Present = Mapping[str, npt.NDArray[np.bool_]]


def outages(
    present: _Present, rate: float, rng: np.random.Generator
) -> dict[str, npt.NDArray[np.bool_]]:
    """Take each stream away from each item with probability `rate`, independently.

    An item may lose all of its streams.
    """
    return {name: there & (rng.random(there.shape[0]) >= rate) for name, there in present.items()}


def drop_streams(
    present: _Present, rate: float, rng: np.random.Generator
) -> dict[str, npt.NDArray[np.bool_]]:
    """Take streams away, but never the last one of an item.

    Parameters
    ----------
    present
        Per stream, bool of shape (items,).
    rate
        The probability with which each stream of each item is dropped.
    rng
        Where the randomness comes from.

    Returns
    -------
    dict
        A new presence; an item that had a stream has at least one still. Where the draw took all,
        one of those that were there stays, each with equal probability.
    """
    before = np.stack([present[name] for name in present])
    after = before & (rng.random(before.shape) >= rate)
    # Drawn for every item, needed or not, so that one item's draw does not depend on another's.
    saved = np.where(before, rng.random(before.shape), -1.0).argmax(axis=0)
    empty = ~after.any(axis=0) & before.any(axis=0)
    after[saved[empty], np.flatnonzero(empty)] = True
    return {name: after[i] for i, name in enumerate(present)}


def replicate(
    present: _Present, rate: float, rng: np.random.Generator, copies: int = 2
) -> tuple[npt.NDArray[np.intp], dict[str, npt.NDArray[np.bool_]]]:
    """Modality dropout for a model that sees all items once: items again, with streams dropped.

    Parameters
    ----------
    present, rate, rng
        As for `drop_streams`.
    copies
        How many draws are made for every item; one in which nothing was dropped is left out.

    Returns
    -------
    rows : int array, shape (more items,)
        Which item each row repeats: every item once as it is, then the copies.
    present : dict
        Per stream, bool of shape (more items,).
    """
    count = next(iter(present.values())).shape[0]
    rows = [np.arange(count)]
    parts = [dict(present)]
    if rate > 0:
        for _ in range(copies):
            dropped = drop_streams(present, rate, rng)
            changed = np.zeros(count, dtype=bool)
            for name, there in present.items():
                changed |= there & ~dropped[name]
            rows.append(np.flatnonzero(changed))
            parts.append({name: there[changed] for name, there in dropped.items()})
    return (
        np.concatenate(rows),
        {name: np.concatenate([part[name] for part in parts]) for name in present},
    )
