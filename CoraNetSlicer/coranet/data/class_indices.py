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


def places_by_class(indices: Array, classes: int) -> list[Array]:
    """Where the voxels of class 1, 2, ... lie, counted through the array, ascending; all found in one pass."""
    flat = indices.reshape(-1)
    places = np.flatnonzero(flat)
    values = flat[places]
    order = np.argsort(values, kind="stable")
    ends = np.searchsorted(values[order], np.arange(1, classes + 2))
    return [places[order[first:last]] for first, last in zip(ends[:-1], ends[1:], strict=True)]
