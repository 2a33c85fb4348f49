"""The uncertain regions of a case: found, described, and ranked by what a decision there is expected to change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..contract import Region, RegionList
from ..contract.errors import ConfigError, DataError
from ..data.components import Array, SparseVoxels
from ..inference.prediction import Prediction
from ..volume import Grid
from .division import Limits, divide
from .statistics import DividedCase, describe, flat

# Fewer voxels are noise to a person, whatever their volume.
FEWEST_VOXELS = 10
# More cost minutes and gigabytes, and no person would look at them: the model has not learned this kind of scan.
MOST_VOXELS = 30_000_000


@dataclass(frozen=True)
class RegionRule:
    """How small and how large regions may be; both go with the uncertain volume, so that they suit any structure.

    Attributes:
        smallest_share: a region of less than this share of the uncertain volume, or of less than 10 voxels, is joined
            to the one with which it shares most faces, or left out where it shares none. So there are at most 1 / share
            regions.
        largest_share: a region of more than this share is cut into compact pieces, so that no decision concerns more:
            the disagreement often is one shell around a structure, and no answer is right all around it. 1: none is.
        smallest_ml: in mL, in place of `smallest_share` and the 10 voxels; None: as those say.
    """

    smallest_share: float = 0.0002
    largest_share: float = 0.05
    smallest_ml: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.smallest_share <= self.largest_share <= 1:
            raise ConfigError(
                "the shares of the smallest and the largest region must lie from 0 to 1 and not be the wrong way "
                f"round, got {self.smallest_share} and {self.largest_share}; correct them."
            )
        if self.smallest_ml is not None and not self.smallest_ml >= 0:
            raise ConfigError(f"the smallest region must have at least 0 mL, got {self.smallest_ml}; correct it.")

    def limits(self, voxels: int, voxel_ml: float) -> Limits:
        """The limits in voxels, where so many are uncertain."""
        fewest = max(self.smallest_share * voxels, FEWEST_VOXELS)
        if self.smallest_ml is not None:
            # Of as many mL as asked for, rounding aside.
            fewest = self.smallest_ml / voxel_ml * (1 - 1e-9)
        whole = self.largest_share == 1
        return Limits(fewest, float(voxels) if whole else max(self.largest_share * voxels, 2 * fewest))


@dataclass(frozen=True)
class FoundRegions:
    """The regions of a case.

    Attributes:
        list: what is known of them.
        region_map: (k, j, i), uint16 (uint32 for more than 65535 regions): number of each voxel's region, else 0.
    """

    list: RegionList
    region_map: Array


def expected_effect_ml(region: Region) -> float:
    """What regions are ranked by: the volume in mL times the fourth power of its mean uncertainty.

    The power is read as the chance that a decision changes a voxel, so this is the volume that a decision is expected
    to change. A simulated reviewer chose it (docs/explanation/trials.md): the first power asks for the
    most certain of the large regions too early, and promises two to three times as much change as there is.
    """
    return region.volume_ml * region.mean_uncertainty**4


def find_regions(
    case: str,
    prediction: Prediction,
    grid: Grid,
    caution: float,
    rule: RegionRule | None = None,
    effect: Callable[[Region], float] = expected_effect_ml,
) -> FoundRegions:
    """Find the regions in which the conservative and the radical label map of a case name different labels.

    Args:
        case: its name.
        prediction: its results.
        grid: on which they lie.
        caution: where the dial stood when they were made.
        rule: how small and how large regions may be; None: the default.
        effect: what they are ranked by, the largest first.

    Raises:
        DataError: the heads differ in too many voxels for a review.
    """
    rule = rule or RegionRule()
    conservative, radical = flat(prediction.conservative), flat(prediction.radical)
    voxels = SparseVoxels(np.flatnonzero(conservative != radical), prediction.segmentation.shape)
    count = len(voxels.places)
    require_reviewable(case, count, conservative.size)
    limits = rule.limits(count, grid.voxel_ml)
    pairs = conservative[voxels.places].astype(np.int32) << 16 | radical[voxels.places]
    region = divide(voxels, pairs, grid.spacing_mm[::-1], limits)
    is_in_one = region >= 0
    inside = SparseVoxels(voxels.places[is_in_one], voxels.shape)
    region = region[is_in_one]
    divided = DividedCase(prediction, grid, inside, region, int(region.max(initial=-1)) + 1)
    ranked, numbers = _ranked(describe(divided), effect)
    listed = RegionList(
        case=case,
        caution=caution,
        smallest_ml=float(limits.fewest * grid.voxel_ml),
        uncertain_ml=float(count * grid.voxel_ml),
        left_out_ml=float((count - len(region)) * grid.voxel_ml),
        created=time.time(),
        regions=tuple(ranked),
        largest_ml=0.0 if rule.largest_share == 1 else float(limits.most * grid.voxel_ml),
    )
    return FoundRegions(listed, _region_map(divided, numbers))


def require_reviewable(case: str, count: int, size: int) -> None:
    """Look whether the heads differ in few enough voxels.

    Args:
        case: its name.
        count: in how many they differ.
        size: of how many.

    Raises:
        DataError: there are too many for a review.
    """
    if count > MOST_VOXELS:
        raise DataError(
            f"the heads name different labels in {100 * count / size:.0f} % of '{case}', too much to be "
            "reviewed in regions; lower the caution, or train longer and on cases that are like this one."
        )


def _ranked(regions: list[Region], effect: Callable[[Region], float]) -> tuple[list[Region], Array]:
    """The regions with their numbers, and the number of each in the order in which they came."""
    effects = [effect(region) for region in regions]
    order = sorted(range(len(regions)), key=lambda index: -effects[index])
    numbers = np.zeros(len(regions), np.int64)
    numbers[order] = np.arange(1, len(regions) + 1)
    ranked = [
        replace(regions[index], number=number, expected_effect_ml=float(effects[index]))
        for number, index in enumerate(order, start=1)
    ]
    return ranked, numbers


def _region_map(divided: DividedCase, numbers: Array) -> Array:
    region_map = np.zeros(divided.prediction.segmentation.shape, np.uint16 if divided.count < 1 << 16 else np.uint32)
    flat(region_map)[divided.voxels.places] = numbers[divided.region]
    return region_map
