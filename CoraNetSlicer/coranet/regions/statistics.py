"""What is told of each region: where it lies, how uncertain it is, what a decision there would change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..job import Region
from ..prediction import Prediction
from ..volume import Grid
from .components import Array, SparseVoxels

HEADS = ("conservative", "radical")


@dataclass(frozen=True)
class DividedCase:
    """The regions of a case as voxels; only voxels that are in a region.

    Attributes:
        prediction: the label maps and the uncertainty of the case, each (k, j, i).
        grid: on which they lie.
        voxels: all voxels that are in a region.
        region: (N,), number of each voxel's region from 0.
        count: number of regions.
    """

    prediction: Prediction
    grid: Grid
    voxels: SparseVoxels
    region: Array
    count: int

    def there(self, name: str) -> Array:
        """(N,), what an array of the prediction holds in these voxels."""
        return flat(getattr(self.prediction, name))[self.voxels.places]


def flat(voxels: Array) -> Array:
    """The voxels in a row; a view where they lie so."""
    return voxels.reshape(-1)


def describe(case: DividedCase) -> list[Region]:
    """The regions in the order of `DividedCase.region`; their number and expected effect are still 0."""
    if not case.count:
        return []
    uncertainty = case.there("uncertainty")
    peak = np.zeros(case.count, np.float32)
    np.maximum.at(peak, case.region, uncertainty)
    counts = np.bincount(case.region, minlength=case.count)
    mean = np.bincount(case.region, weights=uncertainty, minlength=case.count) / counts
    classes = _Classes.of(case)
    pairs = classes.most_frequent_pairs()
    shares = _surface_shares(case, pairs)
    places = _Places.of(case)
    return [
        Region(
            number=0,
            conservative=pair[0],
            radical=pair[1],
            voxels=int(counts[index]),
            volume_ml=float(counts[index] * case.grid.voxel_ml),
            bounds_ijk=places.bounds_ijk(index),
            extent_mm=places.extent_mm(index, case.grid),
            center_ijk=places.center_ijk(index),
            center_lps_mm=case.grid.position_mm(places.center_ijk(index)),
            mean_uncertainty=min(1.0, float(mean[index])),
            peak_uncertainty=float(peak[index]),
            surface_share=float(shares[index]),
            changes_ml=classes.changes_ml(index, pair, case.grid.voxel_ml),
            expected_effect_ml=0.0,
        )
        for index, pair in enumerate(pairs)
    ]


@dataclass(frozen=True)
class _Classes:
    """How many voxels of each label each head names in each region.

    Attributes:
        values: (V,), label values that occur there, ascending.
        counts: by "segmentation", "conservative", "radical": (regions, V).
        pairs: (regions, V, V), voxels that conservative (first) and radical head name so.
    """

    values: Array
    counts: dict[str, Array]
    pairs: Array

    @staticmethod
    def of(case: DividedCase) -> _Classes:
        maps = {name: case.there(name) for name in ("segmentation", *HEADS)}
        occurs = [np.bincount(one, minlength=1 << 16) > 0 for one in maps.values()]
        values = np.flatnonzero(np.logical_or.reduce(occurs))
        index_of = np.zeros(values[-1] + 1, np.int64)
        index_of[values] = np.arange(len(values))
        classes = {name: index_of[one] for name, one in maps.items()}
        size = len(values)
        counts = {
            name: np.bincount(case.region * size + one, minlength=case.count * size).reshape(case.count, size)
            for name, one in classes.items()
        }
        both = (case.region * size + classes["conservative"]) * size + classes["radical"]
        pairs = np.bincount(both, minlength=case.count * size * size).reshape(case.count, size, size)
        return _Classes(values, counts, pairs)

    def most_frequent_pairs(self) -> list[tuple[int, int]]:
        """The labels of the conservative and the radical head in most voxels of each region."""
        size = len(self.values)
        best = self.pairs.reshape(len(self.pairs), -1).argmax(axis=1)
        return [(int(self.values[one // size]), int(self.values[one % size])) for one in best]

    def changes_ml(self, region: int, pair: tuple[int, int], voxel_ml: float) -> dict[str, dict[int, float]]:
        """How each head would change the volumes; of the labels in question, and of all others that would change."""
        result = {}
        for head in HEADS:
            change = (self.counts[head][region] - self.counts["segmentation"][region]) * voxel_ml
            result[head] = {
                int(value): float(ml)
                for value, ml in zip(self.values, change, strict=True)
                if value and (ml or value in pair)
            }
        return result


@dataclass(frozen=True)
class _Places:
    """Where regions lie; each array (regions, 3), along i, j, k.

    Attributes:
        first, last: the box around each, both ends inside.
        center: the voxel of each that is nearest to its centre of mass.
    """

    first: Array
    last: Array
    center: Array

    @staticmethod
    def of(case: DividedCase) -> _Places:
        ijk = case.voxels.indices()[::-1]
        region, count = case.region, case.count
        first = np.full((3, count), np.iinfo(np.int32).max, np.int32)
        last = np.zeros((3, count), np.int32)
        distance = np.zeros(len(region), np.float32)
        counts = np.bincount(region, minlength=count)
        for axis, (index, spacing) in enumerate(zip(ijk, case.grid.spacing_mm, strict=True)):
            np.minimum.at(first[axis], region, index)
            np.maximum.at(last[axis], region, index)
            middle = np.bincount(region, weights=index, minlength=count) / counts
            distance += ((index - middle[region]) * spacing).astype(np.float32) ** 2
        nearest = np.full(count, np.inf, np.float32)
        np.minimum.at(nearest, region, distance)
        candidates = np.flatnonzero(distance == nearest[region])
        _, firsts = np.unique(region[candidates], return_index=True)
        center = np.stack([index[candidates[firsts]] for index in ijk], axis=1)
        return _Places(first.T, last.T, center)

    def bounds_ijk(self, region: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        i, j, k = zip(self.first[region].tolist(), self.last[region].tolist(), strict=True)
        return i, j, k

    def extent_mm(self, region: int, grid: Grid) -> tuple[float, float, float]:
        i, j, k = ((self.last[region] - self.first[region] + 1) * np.array(grid.spacing_mm)).tolist()
        return i, j, k

    def center_ijk(self, region: int) -> tuple[int, int, int]:
        i, j, k = self.center[region].tolist()
        return i, j, k


def _surface_shares(case: DividedCase, pairs: list[tuple[int, int]]) -> Array:
    """(regions,), share of the surface of the labels in question that touches each region; 0 where they have none."""
    result, region_at = flat(case.prediction.segmentation), _region_at(case)
    size = max(int(result.max()), *(label for pair in pairs for label in pair)) + 1
    in_question = np.zeros((case.count, size), bool)
    for row, pair in zip(in_question, pairs, strict=True):
        row[list(set(pair) - {0})] = True
    between, touched = np.zeros((size, size)), np.zeros(case.count)
    for lower, upper, area_mm2 in _faces(case):
        labels = result[lower].astype(np.int64), result[upper].astype(np.int64)
        between += area_mm2 * np.bincount(labels[0] * size + labels[1], minlength=size * size).reshape(size, size)
        near, far = region_at[lower], region_at[upper]
        # A face inside of a region, or between two, counts once for each.
        for here, counts in ((near, near >= 0), (far, (far >= 0) & (far != near))):
            region, one, other = here[counts], labels[0][counts], labels[1][counts]
            matters = in_question[region, one] | in_question[region, other]
            touched += area_mm2 * np.bincount(region[matters], minlength=case.count)
    all_faces = between + between.T
    # Those between two labels that are both in question are in both rows.
    total = np.array([all_faces[row].sum() - all_faces[np.ix_(row, row)].sum() / 2 for row in in_question])
    shares: Array = np.divide(touched, total, out=np.zeros(case.count), where=total > 0)
    return shares


def _region_at(case: DividedCase) -> Array:
    """Region of each voxel of the grid, flattened; -1 where there is none."""
    region_at = np.full(case.prediction.segmentation.size, -1, np.int16 if case.count < 1 << 15 else np.int32)
    region_at[case.voxels.places] = case.region
    return region_at


def _faces(case: DividedCase) -> Iterator[tuple[Array, Array, float]]:
    """Axis by axis, the places of neighbours with different labels in the result, and the area between two of them."""
    labels = flat(case.prediction.segmentation)
    spacing = case.grid.spacing_mm
    step = 1
    for axis, size in enumerate(case.grid.size_ijk):
        lower: Array = np.flatnonzero(labels[step:] != labels[:-step])
        # The end of a row is no neighbour of the begin of the next one.
        lower = lower[(lower // step) % size != size - 1]
        area_mm2 = float(np.prod([other for index, other in enumerate(spacing) if index != axis]))
        yield lower, lower + step, area_mm2
        step *= size
