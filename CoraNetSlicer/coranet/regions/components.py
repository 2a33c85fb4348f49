"""Connected components of some voxels of a large grid, whose cost goes with these voxels and not with the grid.

Voxels that follow each other along i are taken together as a run; what touches is then found between runs of
neighbouring rows, by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Array = npt.NDArray[Any]

# The rows behind and below; those before and above find the same neighbours from the other side.
_NEIGHBOUR_ROWS_KJ = ((0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True)
class SparseVoxels:
    """Some voxels of a grid.

    Attributes:
        places: (N,), int64, ascending: index of each voxel in the flattened grid (k, j, i).
        shape: (k, j, i) of the grid.
    """

    places: Array
    shape: tuple[int, int, int]

    def indices(self) -> tuple[Array, Array, Array]:
        """k, j and i of each voxel, each (N,), int32."""
        rows, i = np.divmod(self.places, self.shape[2])
        k, j = np.divmod(rows, self.shape[1])
        return k.astype(np.int32), j.astype(np.int32), i.astype(np.int32)


class Contacts(NamedTuple):
    """Which parts touch each other, and how much; each pair of parts at most once in each order.

    Attributes:
        first, second: (M,), numbers of two different parts.
        strength: (M,), voxels of a row along which they touch, at least 1 for each such place.
    """

    first: Array
    second: Array
    strength: Array


def components(voxels: SparseVoxels, kinds: Array) -> tuple[Array, Contacts]:
    """Split voxels into connected parts; voxels touch by a face, an edge or a corner.

    Args:
        voxels: which.
        kinds: (N,), integers; voxels of different kinds are in different parts.

    Returns:
        (N,), int64, the number of each voxel's part from 0, in the order of their first voxels; and which parts touch.
    """
    if not len(voxels.places):
        nothing = np.zeros(0, np.int64)
        return nothing, Contacts(nothing, nothing, nothing)
    runs = _Runs.of(voxels, kinds)
    first, second, strength = runs.contacts()
    same = runs.kinds[first] == runs.kinds[second]
    count, parts = connected(first[same], second[same], len(runs.kinds))
    other = ~same
    between = summed_contacts(parts[first[other]], parts[second[other]], strength[other], count)
    return np.repeat(parts, runs.lengths), between


def connected(first: Array, second: Array, count: int) -> tuple[int, Array]:
    """Which of `count` nodes hang together, given the edges between them.

    Returns:
        Number of parts, and the part of each node, numbered from 0 in the order of their first nodes.
    """
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    parts, part = connected_components(graph, directed=False)
    _, firsts, inverse = np.unique(part, return_index=True, return_inverse=True)
    rank = np.empty(parts, np.int64)
    rank[np.argsort(firsts)] = np.arange(parts)
    return int(parts), rank[inverse]


def summed_contacts(first: Array, second: Array, strength: Array, count: int) -> Contacts:
    """Contacts of `count` parts: those of the same two parts are added up, those of a part with itself left out."""
    apart = first != second
    ends = np.concatenate([first[apart], second[apart]]), np.concatenate([second[apart], first[apart]])
    pairs, inverse = np.unique(ends[0].astype(np.int64) * count + ends[1], return_inverse=True)
    sums = np.bincount(inverse, weights=np.tile(strength[apart], 2), minlength=len(pairs))
    return Contacts(pairs // max(count, 1), pairs % max(count, 1), sums)


@dataclass(frozen=True)
class _Runs:
    """Voxels of one kind that follow each other along i.

    Attributes:
        begin, end: place of the first and the last voxel of each, on a grid with a margin on all sides of rows and
            slices, so that a step over the border leads to no other row.
        kinds: of each.
        lengths: voxels of each.
        row, slab: from one row, and from one slice, of that grid to the next.
    """

    begin: Array
    end: Array
    kinds: Array
    lengths: Array
    row: int
    slab: int

    @staticmethod
    def of(voxels: SparseVoxels, kinds: Array) -> _Runs:
        places, (_, rows, columns) = voxels.places, voxels.shape
        is_first = np.ones(len(places), bool)
        is_first[1:] = (np.diff(places) != 1) | (kinds[1:] != kinds[:-1]) | (places[1:] % columns == 0)
        starts = np.flatnonzero(is_first)
        lengths = np.diff(np.append(starts, len(places)))
        line, i = np.divmod(places[starts], columns)
        k, j = np.divmod(line, rows)
        row = columns + 2
        slab = row * (rows + 2)
        begin = k * slab + (j + 1) * row + i + 1
        return _Runs(begin, begin + lengths - 1, kinds[starts], lengths, row, slab)

    def contacts(self) -> tuple[Array, Array, Array]:
        """Two runs that touch, and along how many voxels; each contact once."""
        # In a row, only the next run can touch; it is of another kind, or there would be a gap.
        next_in_row = np.flatnonzero(self.begin[1:] == self.end[:-1] + 1)
        found = [(next_in_row, next_in_row + 1, np.ones(len(next_in_row), np.int64))]
        found += [self._contacts_with(k * self.slab + j * self.row) for k, j in _NEIGHBOUR_ROWS_KJ]
        first, second, strength = (np.concatenate(column) for column in zip(*found, strict=True))
        return first, second, strength

    def _contacts_with(self, step: int) -> tuple[Array, Array, Array]:
        begin, end = self.begin + step, self.end + step
        lowest = np.searchsorted(self.end, begin - 1)
        counts = np.searchsorted(self.begin, end + 1, side="right") - lowest
        first = np.repeat(np.arange(len(begin)), counts)
        second = np.arange(len(first)) + np.repeat(lowest - np.cumsum(counts) + counts, counts)
        common = np.minimum(end[first], self.end[second]) - np.maximum(begin[first], self.begin[second]) + 1
        return first, second, np.maximum(common, 1)
