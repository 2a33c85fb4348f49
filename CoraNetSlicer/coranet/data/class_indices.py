"""Label values and class indices, at a cost that grows with voxels and classes alone, whatever the values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def index_type(classes: int) -> npt.DTypeLike:
    """The smallest type that holds the indices of so many foreground classes."""
    return np.uint8 if classes <= np.iinfo(np.uint8).max else np.uint16


def class_indices(labels: Array, values: Sequence[int]) -> Array:
    """Index of each voxel's class, from 1, in the order of `values`; 0 where the label has another value.

    Args:
        labels: (k, j, i), whole numbers of at least 0.
        values: label value of class 1, 2, ...

    Returns:
        The same shape, in `index_type`.
    """
    table = np.zeros(max(values, default=0) + 2, dtype=index_type(len(values)))
    table[list(values)] = np.arange(1, len(values) + 1)
    # The last place of the table stands for all larger values.
    result = np.empty(labels.shape, dtype=table.dtype)
    for row, target in zip(labels, result, strict=True):
        target[...] = table[np.minimum(row, len(table) - 1)]
    return result


def value_counts(labels: Array) -> Array:
    """Number of voxels of each value: index is the value, up to the largest that occurs."""
    counts = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int64)
    for row in labels:
        of_row = np.bincount(row.ravel())
        counts[: len(of_row)] += of_row
    return counts


def bound_counts(maps: Sequence[Array]) -> tuple[Array, Array]:
    """Number of voxels that all of some label maps give to a value, and that at least one of them does.

    Args:
        maps: label maps of one shape, whole numbers of at least 0.

    Returns:
        Lowest and highest counts, int64; index is the value, up to the largest that occurs.
    """
    counts = np.zeros((2, max(int(labels.max(initial=0)) for labels in maps) + 1), dtype=np.int64)
    for rows in zip(*maps, strict=True):
        first, *others = (row.ravel() for row in rows)
        agree = np.logical_and.reduce([other == first for other in others])
        lowest = np.bincount(first[agree])
        counts[:, : len(lowest)] += lowest
        doubtful = np.sort([row.ravel()[~agree] for row in rows], axis=0)
        # In a sorted column each value counts where it stands first.
        is_new = np.vstack([np.ones((1, doubtful.shape[1]), bool), doubtful[1:] != doubtful[:-1]])
        named = np.bincount(doubtful[is_new])
        counts[1, : len(named)] += named
    return counts[0], counts[1]


def places_by_class(indices: Array, classes: int) -> list[Array]:
    """Where the voxels of class 1, 2, ... lie, counted through the array, ascending; all found in one pass."""
    flat = indices.reshape(-1)
    places = np.flatnonzero(flat)
    values = flat[places]
    order = np.argsort(values, kind="stable")
    ends = np.searchsorted(values[order], np.arange(1, classes + 2))
    return [places[order[first:last]] for first, last in zip(ends[:-1], ends[1:], strict=True)]
