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
_ROWS_WITH_A_FACE_KJ = ((0, 1), (1, 0))


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
    """Which parts have faces of voxels in common; each two parts at most once in each order.

    Attributes:
        first, second: (M,), numbers of two different parts.
        faces: (M,), how many faces they share.
    """

    first: Array
    second: Array
    faces: Array


def components(voxels: SparseVoxels, kinds: Array) -> Array:
    """Split voxels into connected parts; voxels touch by a face, an edge or a corner.

    Args:
        voxels: which.
        kinds: (N,), integers; voxels of different kinds are in different parts.

    Returns:
        (N,), int32, the number of each voxel's part from 0, in the order of their first voxels.
    """
    runs = _Runs.of(voxels, kinds)
    touching = [runs.touching(step, 1) for step in runs.steps(_NEIGHBOUR_ROWS_KJ)]
    edges = [(first[same], second[same]) for first, second, _ in touching for same in [runs.are_alike(first, second)]]
    first, second = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    _, parts = connected(first, second, len(runs.kinds))
    return np.repeat(parts, runs.lengths)


def contacts_of(voxels: SparseVoxels, parts: Array) -> Contacts:
    """Which parts have faces in common.

    Args:
        voxels: all voxels of all parts.
        parts: (N,), number of each voxel's part from 0.
    """
    runs = _Runs.of(voxels, parts)
    # In a row, only the next run can touch.
    next_in_row = np.flatnonzero(runs.begin[1:] == runs.end[:-1] + 1)
    touching = [(next_in_row, next_in_row + 1, np.ones(len(next_in_row), np.int64))]
    touching += [runs.touching(step, 0) for step in runs.steps(_ROWS_WITH_A_FACE_KJ)]
    columns = [
        (runs.kinds[first[other]], runs.kinds[second[other]], faces[other])
        for first, second, faces in touching
        for other in [~runs.are_alike(first, second)]
    ]
    first, second, faces = (np.concatenate(column) for column in zip(*columns, strict=True))
    return summed_contacts(first, second, faces, int(parts.max(initial=-1)) + 1)


def connected(first: Array, second: Array, count: int) -> tuple[int, Array]:
    """Which of `count` nodes hang together, given the edges between them.

    Returns:
        Number of parts, and the part of each node, int32, numbered from 0 in the order of their first nodes.
    """
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    parts, part = connected_components(graph, directed=False)
    return int(parts), part


def summed_contacts(first: Array, second: Array, faces: Array, count: int) -> Contacts:
    """Contacts of `count` parts in both orders: those of the same two are added up, those with itself left out."""
    apart = first != second
    directed = coo_array((faces[apart], (first[apart], second[apart])), shape=(count, count)).tocsr()
    both = (directed + directed.T).tocoo()
    return Contacts(both.row, both.col, both.data)


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

    def steps(self, rows_kj: tuple[tuple[int, int], ...]) -> list[int]:
        """From a voxel to the one with the same i in other rows."""
        return [k * self.slab + j * self.row for k, j in rows_kj]

    def are_alike(self, first: Array, second: Array) -> Array:
        """Whether two runs are of the same kind."""
        alike: Array = self.kinds[first] == self.kinds[second]
        return alike

    def touching(self, step: int, reach: int) -> tuple[Array, Array, Array]:
        """Runs that touch one of another row.

        Args:
            step: from a row to the other one.
            reach: 0: voxels with the same i touch; 1: also those with the next one.

        Returns:
            The runs here and there, and how many i they have in common (0 where they touch at their ends).
        """
        begin, end = self.begin - step, self.end - step
        lowest = np.searchsorted(end, self.begin - reach)
        counts = np.searchsorted(begin, self.end + reach, side="right") - lowest
        here = np.repeat(np.arange(len(begin), dtype=np.int32), counts)
        ahead = lowest - np.cumsum(counts) + counts
        there = (np.arange(len(here)) + np.repeat(ahead, counts)).astype(np.int32)
        common = np.minimum(self.end[here], end[there]) - np.maximum(self.begin[here], begin[there]) + 1
        return here, there, np.maximum(common, 0)
