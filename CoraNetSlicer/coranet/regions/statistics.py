"""Statistics of each region: where it lies, how uncertain it is, what a decision there would change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..contract import Region
from ..data.components import Array, SparseVoxels
from ..inference.prediction import Prediction
from ..volume import Grid

HEADS = ("conservative", "radical")

# Label values are numbers of 16 bits.
_VALUE_BITS = 16
_LARGEST_VALUE = (1 << _VALUE_BITS) - 1


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
    shares = _surface_shares(case, classes.pairs)
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
            changes_ml=classes.changes_ml(index, case.grid.voxel_ml),
            expected_effect_ml=0.0,
        )
        for index, pair in enumerate(classes.pairs)
    ]


@dataclass(frozen=True)
class _Classes:
    """Which labels the heads name in each region; what grows with the pairs of region and label that occur, no more.

    Attributes:
        pairs: of each region the labels of the conservative and the radical head in most of its voxels.
        changes: by "conservative", "radical": (region and value in one number, ascending; voxels that the head names
            so less those that the result names so).
    """

    pairs: list[tuple[int, int]]
    changes: dict[str, tuple[Array, Array]]

    @staticmethod
    def of(case: DividedCase) -> _Classes:
        maps = {name: case.there(name).astype(np.int64) for name in ("segmentation", *HEADS)}
        region = case.region.astype(np.int64) << _VALUE_BITS
        before, voxels_before = np.unique(region | maps["segmentation"], return_counts=True)
        changes = {}
        for head in HEADS:
            after, voxels_after = np.unique(region | maps[head], return_counts=True)
            keys, place = np.unique(np.concatenate([after, before]), return_inverse=True)
            changes[head] = keys, np.bincount(place, weights=np.concatenate([voxels_after, -voxels_before]))
        both, voxels = np.unique((region | maps[HEADS[0]]) << _VALUE_BITS | maps[HEADS[1]], return_counts=True)
        order = np.lexsort((both, -voxels, both >> 2 * _VALUE_BITS))
        _, firsts = np.unique(both[order] >> 2 * _VALUE_BITS, return_index=True)
        best = both[order][firsts]
        pairs = zip((best >> _VALUE_BITS & _LARGEST_VALUE).tolist(), (best & _LARGEST_VALUE).tolist(), strict=True)
        return _Classes(list(pairs), changes)

    def changes_ml(self, region: int, voxel_ml: float) -> dict[str, dict[int, float]]:
        """How each head would change the volumes; of the labels in question, and of all others that would change."""
        result = {}
        for head, (keys, voxels) in self.changes.items():
            first, last = np.searchsorted(keys, [region << _VALUE_BITS, (region + 1) << _VALUE_BITS])
            changes = dict(zip((keys[first:last] & _LARGEST_VALUE).tolist(), voxels[first:last].tolist(), strict=True))
            values = {value for value, change in changes.items() if change} | set(self.pairs[region])
            result[head] = {value: float(changes.get(value, 0.0) * voxel_ml) for value in sorted(values - {0})}
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
    # A region counts the faces of two labels; of one alone where both are the same, or one of them background.
    in_question = np.array([_in_question(pair) for pair in pairs]).reshape(-1, 2)
    between = np.unique(_face_key(in_question[:, 0], in_question[:, 1]))
    of_label, of_pair = np.zeros(_LARGEST_VALUE + 1), np.zeros(len(between))
    touched = np.zeros(case.count)
    for lower, upper, area_mm2 in _faces(case):
        labels = result[lower].astype(np.int64), result[upper].astype(np.int64)
        for label in labels:
            of_label += area_mm2 * np.bincount(label, minlength=len(of_label))
        keys = _face_key(*labels)
        place = np.minimum(np.searchsorted(between, keys), len(between) - 1)
        of_pair += area_mm2 * np.bincount(place[between[place] == keys], minlength=len(between))
        near, far = region_at[lower], region_at[upper]
        # A face inside of a region, or between two, counts once for each.
        for here, counts in ((near, near >= 0), (far, (far >= 0) & (far != near))):
            region, sides = here[counts], np.stack([label[counts] for label in labels])
            matters = (sides[:, :, None] == in_question[region]).any(axis=(0, 2))
            touched += area_mm2 * np.bincount(region[matters], minlength=case.count)
    # Those between two labels that are both in question are faces of both.
    total = np.where(in_question > 0, of_label[np.maximum(in_question, 0)], 0).sum(1)
    total -= of_pair[np.searchsorted(between, _face_key(in_question[:, 0], in_question[:, 1]))]
    shares: Array = np.divide(touched, total, out=np.zeros(case.count), where=total > 0)
    return shares


def _in_question(pair: tuple[int, int]) -> tuple[int, int]:
    """The labels of a pair, without background; -1 stands where there is no second one."""
    labels = sorted(set(pair) - {0})
    return (labels[0], labels[1]) if len(labels) == 2 else (labels[0] if labels else -1, -1)


def _face_key(first: Array, second: Array) -> Array:
    """One number for the faces between two labels, whichever is first."""
    key: Array = (np.minimum(first, second) << _VALUE_BITS) | np.maximum(first, second)
    return key


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
