"""The places of a case that are worth a visit: points on its surface with a ball around them, and whole objects.

A person visits places in their order. Each next one is where most is expected to be wrong for the seconds that a visit
takes, without what the places before it hold.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from ..contract import Region, RegionList
from ..contract.errors import ConfigError
from ..contract.slide import steps_mm, thick_slice_axis
from ..data.components import Array, SparseVoxels, components
from ..inference.prediction import Prediction
from ..volume import Grid
from .chances import chance_of_errors
from .finding import FEWEST_VOXELS, FoundRegions, require_reviewable
from .position import where_in
from .statistics import DividedCase, describe, flat
from .structures import Structure, structures_of

# Less probable errors are too many to be looked at one by one, and add up to nothing.
_LEAST_CHANCE = 1e-3
# A ball's radius has so many cells, in which errors are gathered, and so many points of the surface.
_CELLS_A_RADIUS, _POINTS_A_RADIUS = 4, 2
# Points of one surface that are compared: of the tree of a vessel there are more.
_MOST_POINTS = 20_000


@dataclass(frozen=True)
class PlaceRule:
    """Which places a case has.

    Attributes:
        most: how many places at most.
        radius_share: of the structure's own radius (`Structure.radius_mm`) that the ball of a place has.
        disc_share: the same of a place that is a disc, since slices are thick (`contract.slide.thick_slice_axis`).
        least_ml: a place holds at least so much of the uncertain region; None: 10 voxels.
        visit_seconds: what a visit takes: to go there, look at three slices, and move the boundary; by the
            keystroke-level model (Card, Moran, Newell 1980) four mental acts of 1.35 s and seven keys of 0.2 s.
        seconds_per_mm: what it takes longer for each mm of the ball's radius, since there is more to look at; assumed.
    """

    most: int = 20
    radius_share: float = 0.7
    disc_share: float = 1.5
    least_ml: float | None = None
    visit_seconds: float = 6.8
    seconds_per_mm: float = 0.1

    def __post_init__(self) -> None:
        shares = (self.radius_share, self.disc_share)
        if self.most < 1 or not min(shares) > 0:
            raise ConfigError(
                f"there must be at least one place, of radii above 0, got {self.most} and {shares}; correct them."
            )
        if self.least_ml is not None and not self.least_ml >= 0:
            raise ConfigError(f"the smallest region must have at least 0 mL, got {self.least_ml}; correct it.")

    def fewest(self, grid: Grid) -> float:
        """How many uncertain voxels a place has at least."""
        # Of as many mL as asked for, rounding aside.
        return FEWEST_VOXELS if self.least_ml is None else max(1.0, self.least_ml / grid.voxel_ml * (1 - 1e-9))

    def seconds(self, radius_mm: float) -> float:
        """What a visit takes."""
        return self.visit_seconds + self.seconds_per_mm * radius_mm

    def shape_of(self, structure: Structure, grid: Grid) -> tuple[float, int | None]:
        """Radius of the places of a structure, mm; and across which axis they are discs, None: they are balls."""
        radius_mm = structure.place_radius_mm(self.radius_share, grid)
        axis = thick_slice_axis(grid.spacing_mm, radius_mm)
        return (radius_mm if axis is None else structure.place_radius_mm(self.disc_share, grid)), axis


@dataclass(frozen=True)
class Place:
    """Where to look.

    Attributes:
        kind: "place" or "object", as `Region.kind`.
        center_ijk: a voxel.
        radius_mm: of the ball around it.
        slice_axis: across which axis it is a disc in place of a ball; None: across none.
        wrong: how many voxels are expected to be wrong there, without those of earlier places.
        voxels: (N,), places in the flattened grid of its uncertain voxels, ascending.
        structure: label value of the structure on whose surface it lies.
    """

    kind: str
    center_ijk: tuple[int, int, int]
    radius_mm: float
    wrong: float
    voxels: Array
    structure: int
    slice_axis: int | None = None


def find_places(
    case: str,
    prediction: Prediction,
    grid: Grid,
    caution: float,
    rule: PlaceRule | None = None,
    chance: Array | None = None,
) -> FoundRegions:
    """Find the places of a case.

    Args:
        case: its name.
        prediction: its results.
        grid: on which they lie.
        caution: where the dial stood when they were made.
        rule: how many, and how large; None: the default.
        chance: (k, j, i), float32, how probably each voxel is wrong; None: as the heads' map alone has it.

    Raises:
        DataError: the heads differ in too many voxels for a review.
    """
    rule = rule or PlaceRule()
    differ = flat(prediction.conservative) != flat(prediction.radical)
    count = int(np.count_nonzero(differ))
    require_reviewable(case, count, differ.size)
    errors = _Errors.of(chance_of_errors(prediction, grid) if chance is None else chance, differ)
    structures = structures_of(prediction.segmentation, grid)
    places = _objects(prediction, grid, errors, rule)
    for place in places:
        errors.take(place.voxels)
    places += _balls(grid, errors, structures, rule)
    places = sorted(places, key=lambda place: -place.wrong / rule.seconds(place.radius_mm))[: rule.most]
    described = _described(prediction, grid, places, structures)
    inside = sum(len(place.voxels) for place in places)
    listed = RegionList(
        case=case,
        caution=caution,
        smallest_ml=float(rule.fewest(grid) * grid.voxel_ml),
        uncertain_ml=float(count * grid.voxel_ml),
        left_out_ml=float((count - inside) * grid.voxel_ml),
        created=time.time(),
        regions=tuple(described),
        left_ml=float(max(0.0, errors.total - sum(place.wrong for place in places)) * grid.voxel_ml),
    )
    return FoundRegions(listed, _place_map(prediction.segmentation.shape, places))


class _Errors:
    """What is expected to be wrong, voxel by voxel.

    Attributes:
        voxels: those that may be wrong, or in which the heads differ.
        chance: (N,), float32, of each; 0 once a place has taken it.
        differs: (N,), bool, whether the heads differ there, and no place has taken it.
        total: of the whole case, in voxels.
        ijk: i, j and k of each, each (N,).
    """

    def __init__(self, voxels: SparseVoxels, chance: Array, differs: Array) -> None:
        self.voxels, self.chance, self.differs = voxels, chance, differs
        self.ijk = voxels.indices()[::-1]
        self.total = float(chance.sum(dtype=np.float64))

    @staticmethod
    def of(chance: Array, differs: Array) -> _Errors:
        """Of a case; `differs` is flat and true where the heads differ."""
        probable = flat(chance)
        places = np.flatnonzero((probable >= _LEAST_CHANCE) | differs)
        return _Errors(SparseVoxels(places, chance.shape), probable[places], differs[places])

    def take(self, places: Array) -> None:
        """Some voxels, ascending, belong to a place from now on."""
        at = np.searchsorted(self.voxels.places, places)
        self.chance[at], self.differs[at] = 0, False

    def near(self, structure: Structure, reach_mm: float, grid: Grid) -> Array:
        """Indices, ascending, of the voxels in the box around a structure with so much around it."""
        inside = np.ones(len(self.chance), bool)
        for index, (first, last), spacing in zip(self.ijk, structure.bounds_ijk, grid.spacing_mm, strict=True):
            reach = reach_mm / spacing
            inside &= (index >= first - reach) & (index <= last + reach)
        return np.flatnonzero(inside)

    def in_ball(self, center_ijk: tuple[int, int, int], radius_mm: float, steps_ijk_mm: Sequence[float]) -> Array:
        """Indices, ascending, of the voxels in a ball, a voxel's step along i, j, k counting so many mm."""
        slab = self.voxels.shape[1] * self.voxels.shape[2]
        reach = int(radius_mm / steps_ijk_mm[2])
        # Voxels are in the order of their slices.
        ends = [(center_ijk[2] - reach) * slab, (center_ijk[2] + reach + 1) * slab]
        first, last = np.searchsorted(self.voxels.places, ends)
        squared_mm = sum(
            ((index[first:last] - at) * step) ** 2
            for index, at, step in zip(self.ijk, center_ijk, steps_ijk_mm, strict=True)
        )
        inside: Array = first + np.flatnonzero(squared_mm <= radius_mm**2)
        return inside


def _objects(prediction: Prediction, grid: Grid, errors: _Errors, rule: PlaceRule) -> list[Place]:
    """Parts that the radical head alone names: what hangs together there, with no voxel of the conservative head's.

    Of a structure of which the conservative head names nothing at all, none is an object.
    """
    radical, conservative = flat(prediction.radical), flat(prediction.conservative)
    named = SparseVoxels(np.flatnonzero(radical), prediction.radical.shape)
    if not len(named.places):
        return []
    values = radical[named.places]
    parts = components(named, values)
    sizes = np.bincount(parts)
    agreed = np.bincount(parts, weights=conservative[named.places] == values) > 0
    of_part = np.empty(len(sizes), values.dtype)
    of_part[parts] = values
    is_object = ~agreed & np.isin(of_part, of_part[agreed]) & (sizes >= rule.fewest(grid))
    members = np.flatnonzero(is_object[parts])
    at = np.searchsorted(errors.voxels.places, named.places[members])
    wrong = np.bincount(parts[members], weights=errors.chance[at], minlength=len(sizes))
    # Of thousands of specks no more than can be listed are looked at.
    likeliest = np.argsort(-wrong, kind="stable")[: rule.most]
    return [
        _object(SparseVoxels(named.places[parts == part], named.shape), grid, float(wrong[part]), int(of_part[part]))
        for part in likeliest.tolist()
        if is_object[part]
    ]


def _object(voxels: SparseVoxels, grid: Grid, wrong: float, structure: int) -> Place:
    ijk = np.stack(voxels.indices()[::-1], axis=1)
    away_mm = np.linalg.norm((ijk - ijk.mean(0)) * grid.spacing_mm, axis=1)
    center = ijk[int(away_mm.argmin())]
    radius = float(np.linalg.norm((ijk - center) * grid.spacing_mm, axis=1).max())
    i, j, k = center.tolist()
    # A ball around it, whose border is behind its last voxels.
    return Place("object", (i, j, k), radius + max(grid.spacing_mm) / 2, wrong, voxels.places, structure)


def _balls(grid: Grid, errors: _Errors, structures: list[Structure], rule: PlaceRule) -> list[Place]:
    """The best balls around points of the surface, one after the other."""
    with_surface = [structure for structure in structures if len(structure.surface.places)]
    # Where nothing can be wrong, nothing is near any of them.
    candidates = (
        [_Candidates.of(structure, grid, errors, rule) for structure in with_surface] if len(errors.chance) else []
    )
    candidates = [group for group in candidates if len(group.members)]
    places: list[Place] = []
    while candidates and len(places) < rule.most:
        (gain, point), best = max(((group.best(), group) for group in candidates), key=lambda pair: pair[0])
        if gain <= _LEAST_CHANCE:
            break
        best.gain[point] = 0
        i, j, k = best.centers_ijk[point].tolist()
        inside = errors.in_ball((i, j, k), best.radius_mm, best.steps_mm)
        chosen = inside[errors.differs[inside]]
        if len(chosen) < rule.fewest(grid):
            continue
        wrong = float(errors.chance[inside].sum(dtype=np.float64))
        voxels = errors.voxels.places[chosen]
        places.append(
            Place("place", (i, j, k), best.radius_mm, wrong, voxels, best.structure, slice_axis=best.slice_axis)
        )
        for group in candidates:
            group.remove(errors, inside)
        errors.take(errors.voxels.places[inside])
    return places


@dataclass
class _Candidates:
    """The points of one structure's surface, and what is expected to be wrong around each.

    Errors are gathered in cells of a quarter of the radius, points in cells of half of it, so that their number goes
    with the surface in units of the radius, whatever the voxels. Each slice has points of its own if places are discs.

    Attributes:
        structure: label value.
        radius_mm: of the ball around each point.
        slice_axis: across which axis it is a disc; None: it is a ball.
        steps_mm: what a voxel's step along i, j, k counts in distances from a point.
        seconds: of a visit.
        centers_ijk: (P, 3), the points.
        around: (P, C), sparse: 1 where a cell lies in the ball around a point.
        members: (M,), ascending: the voxels of the errors, by their index, that are near the structure.
        cell_of: (M,), the cell of each of these.
        wrong: (C,), voxels of each cell that are expected to be wrong.
        gain: (P,), voxels that are expected to be wrong around each point; 0 where it is not to be visited again.
    """

    structure: int
    radius_mm: float
    slice_axis: int | None
    steps_mm: tuple[float, ...]
    seconds: float
    centers_ijk: Array
    around: csr_array
    members: Array
    cell_of: Array
    wrong: Array
    gain: Array

    @staticmethod
    def of(structure: Structure, grid: Grid, errors: _Errors, rule: PlaceRule) -> _Candidates:
        radius_mm, axis = rule.shape_of(structure, grid)
        steps = steps_mm(grid.spacing_mm, radius_mm, axis)
        cells, apart = (
            _Cells([max(1, int(radius_mm / count / step)) for step in steps[::-1]], errors.voxels.shape)
            for count in (_CELLS_A_RADIUS, _POINTS_A_RADIUS)
        )
        members = errors.near(structure, radius_mm, grid)
        near = SparseVoxels(errors.voxels.places[members], errors.voxels.shape)
        used, cell_of = np.unique(cells.of(near), return_inverse=True)
        wrong = np.bincount(cell_of, weights=errors.chance[members], minlength=len(used))
        centers = _points(structure, apart, cells.of(structure.surface), (used, wrong))
        points, middles = (cKDTree(ijk * np.array(steps)) for ijk in (centers, cells.centers_ijk(used)))
        pairs = points.sparse_distance_matrix(middles, radius_mm, output_type="ndarray")
        around = csr_array(
            (np.ones(len(pairs), np.float32), (pairs["i"], pairs["j"])), shape=(len(centers), len(used))
        )  # fmt: skip
        return _Candidates(
            structure.value, radius_mm, axis, steps, rule.seconds(radius_mm),
            centers, around, members, cell_of, wrong, around @ wrong,
        )  # fmt: skip

    def best(self) -> tuple[float, int]:
        """Voxels that are expected to be wrong around the best point, per second of a visit, and which point it is."""
        best = int(self.gain.argmax())
        return float(self.gain[best]) / self.seconds, best

    def remove(self, errors: _Errors, indices: Array) -> None:
        """Some voxels of the errors, by their index, are to count no more."""
        at = np.searchsorted(self.members, indices)
        own = np.flatnonzero(self.members[np.minimum(at, len(self.members) - 1)] == indices)
        if not len(own):
            return
        cells, chance = self.cell_of[at[own]], errors.chance[indices[own]]
        self.wrong -= np.bincount(cells, weights=chance, minlength=len(self.wrong))
        # A point that was visited keeps its 0.
        self.gain = np.where(self.gain > 0, self.around @ self.wrong, 0.0)


def _points(structure: Structure, apart: _Cells, cell_of: Array, expected: tuple[Array, Array]) -> Array:
    """(P, 3), ijk: a point of the surface for each coarse cell; of too many, those where most may be wrong.

    Args:
        structure: it lies on.
        apart: the coarse cells.
        cell_of: of each voxel of the surface, the cell of the errors in which it lies.
        expected: numbers of these cells, ascending, and what is expected to be wrong in each.
    """
    used, wrong = expected
    _, firsts = np.unique(apart.of(structure.surface), return_index=True)
    if len(firsts) > _MOST_POINTS:
        numbers = cell_of[firsts]
        at = np.minimum(np.searchsorted(used, numbers), len(used) - 1)
        here = np.where(used[at] == numbers, wrong[at], 0)
        firsts = firsts[np.argsort(-here, kind="stable")[:_MOST_POINTS]]
    points: Array = np.stack([axis[firsts] for axis in structure.surface.indices()[::-1]], axis=1)
    return points


@dataclass(frozen=True)
class _Cells:
    """A coarse grid: so many voxels along k, j, i are one cell."""

    strides: list[int]
    shape: tuple[int, int, int]

    def of(self, voxels: SparseVoxels) -> Array:
        """(N,), number of each voxel's cell."""
        k, j, i = (index // stride for index, stride in zip(voxels.indices(), self.strides, strict=True))
        _, rows, columns = self._counts()
        numbers: Array = (k.astype(np.int64) * rows + j) * columns + i
        return numbers

    def centers_ijk(self, numbers: Array) -> Array:
        """(N, 3), the middles of cells."""
        kji = np.stack(np.unravel_index(numbers, self._counts()), axis=1)
        middles: Array = (kji * self.strides + (np.array(self.strides) - 1) / 2)[:, ::-1]
        return middles

    def _counts(self) -> tuple[int, int, int]:
        k, j, i = (-(-size // stride) for size, stride in zip(self.shape, self.strides, strict=True))
        return k, j, i


def _described(prediction: Prediction, grid: Grid, places: list[Place], structures: list[Structure]) -> list[Region]:
    """The places with their statistics, in their order."""
    if not places:
        return []
    voxels = np.concatenate([place.voxels for place in places])
    number_of = np.repeat(np.arange(len(places)), [len(place.voxels) for place in places])
    order = np.argsort(voxels)
    inside = SparseVoxels(voxels[order], prediction.segmentation.shape)
    described = describe(DividedCase(prediction, grid, inside, number_of[order], len(places)))
    by_value = {structure.value: structure for structure in structures}
    return [
        replace(
            region,
            number=number,
            kind=place.kind,
            center_ijk=place.center_ijk,
            center_lps_mm=grid.position_mm(place.center_ijk),
            radius_mm=place.radius_mm,
            slice_axis=place.slice_axis,
            expected_wrong_ml=place.wrong * grid.voxel_ml,
            expected_effect_ml=place.wrong * grid.voxel_ml,
            where=where_in(by_value[place.structure].bounds_ijk, place.center_ijk, grid)
            if place.structure in by_value
            else "",
        )
        for number, (region, place) in enumerate(zip(described, places, strict=True), start=1)
    ]


def _place_map(shape: tuple[int, ...], places: list[Place]) -> Array:
    region_map = np.zeros(shape, np.uint16)
    for number, place in enumerate(places, start=1):
        flat(region_map)[place.voxels] = number
    return region_map
