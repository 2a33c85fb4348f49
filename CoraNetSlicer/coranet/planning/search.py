"""Working spacing, patch, filters, batch and steps chosen together for the time there is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..contract.config import TrainConfig
from ..data.preprocessing import ScanStatistics, fit_preprocessing, median_prepared_size
from ..networks import Architecture, plan_architecture
from ..networks.architecture import product
from ..networks.planning import SURROUNDINGS_IN_SLICES_MM, SURROUNDINGS_MM, length_scale
from ..training_set.structures import Structures, Triple, kept_dice, largest_extent
from .expectations import coverage, coverage_deficit, filters_deficit, spacing_deficit, steps_deficit
from .memory import SLICES_A_STEP, VOLUMES_A_STEP, BatchSizes
from .speed import Speed

# Each spacing is so many times the one before, up to so many times the finest.
_SPACING_FACTOR, _COARSEST = 1.15, 5.0
# Labels that keep less are not looked at any more, unless there is nothing else.
_LEAST_KEPT = 0.6
# Cases whose labels go to a spacing and back.
_KEPT_CASES = 3
_FILTERS = (8, 16, 32)
_PATCH_SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08)
_FEWEST_VOXELS, _FEWEST_PIXELS = 8_192, 2_048


@dataclass(frozen=True)
class Candidate:
    """One possible training.

    Attributes:
        spacing_dhw: of the prepared scans, mm.
        architecture: of the network, with its patch.
        sizes: patches a step.
        steps: that fit into the time.
        kept_dice: Dice that the labels keep at this spacing.
        covered: how much of the structures and their surroundings a patch covers along an axis.
    """

    spacing_dhw: Triple
    architecture: Architecture
    sizes: BatchSizes
    steps: float
    kept_dice: float
    covered: float

    @property
    def deficit(self) -> float:
        """Of Dice, that is to be expected: less is better."""
        usual = VOLUMES_A_STEP if self.architecture.slice_axis is None else SLICES_A_STEP
        return (
            spacing_deficit(self.kept_dice)
            + steps_deficit(self.steps, self.sizes.labeled / usual)
            + coverage_deficit(self.covered)
            + filters_deficit(self.architecture.base_filters)
        )

    @property
    def patch_mm(self) -> Triple:
        """Extent of a patch along D, H, W."""
        depth, height, width = (
            count * step for count, step in zip(self.architecture.patch_size_kji, self.spacing_dhw, strict=True)
        )
        return depth, height, width


@dataclass
class Search:
    """All trainings that could be done in a time, of one data set.

    Attributes:
        config: what is set there stays as it is.
        scans: statistics of the labeled scans.
        structures: of the labeled cases.
        classes: number of foreground classes.
        uses_unlabeled: whether there are unlabeled cases and a method that looks at them.
        speed: of the machine.
        seconds: for steps.
        channels: images of a scan.
    """

    config: TrainConfig
    scans: Sequence[ScanStatistics]
    structures: Sequence[Structures]
    classes: int
    uses_unlabeled: bool
    speed: Speed
    seconds: float
    channels: int = 1
    _kept: dict[Triple, float] = field(default_factory=dict)

    @property
    def own_spacing(self) -> Triple:
        """The typical spacing of the scans along D, H, W, or the one that is set, mm."""
        along_l, along_p, along_s = fit_preprocessing(self.config.data, self.scans).spacing_mm
        return along_s, along_p, along_l

    @property
    def surroundings_mm(self) -> float:
        """What should be seen around a structure, on each side."""
        usual = SURROUNDINGS_MM if self._own_architecture.slice_axis is None else SURROUNDINGS_IN_SLICES_MM
        return usual * length_scale(np.median([scan.spacing_mm for scan in self.scans], axis=0).tolist())

    @property
    def region_mm(self) -> Triple:
        """What a patch should cover along D, H, W: the structures and what surrounds them, within the scan."""
        extents = [extent + 2 * self.surroundings_mm for extent in largest_extent(self.structures)]
        depth, height, width = (min(extent, most) for extent, most in zip(extents, self.scan_mm, strict=True))
        return depth, height, width

    @property
    def scan_mm(self) -> Triple:
        """Median extent of the scans along D, H, W."""
        depth, height, width = np.median([scan.extent_mm[::-1] for scan in self.scans], axis=0)
        return float(depth), float(height), float(width)

    def candidates(self) -> list[Candidate]:
        """All of them, the most promising first."""
        own = self._own_architecture
        candidates: list[Candidate] = []
        # From the coarsest on: what is timed first is timed for certain.
        for spacing in reversed(self._spacings(own.slice_axis)):
            for architecture in self._architectures(own, spacing):
                candidates.extend(self._with_batches(architecture, spacing))
        return sorted(candidates, key=lambda candidate: candidate.deficit)

    @cached_property
    def _own_architecture(self) -> Architecture:
        """The network at the scans' own spacing, which decides between slices and volumes."""
        data, spacing = self.config.data, self.own_spacing
        size = median_prepared_size(fit_preprocessing(data, self.scans), self.scans)
        return plan_architecture(self.config.network, data, size, spacing, self.classes + 1)

    def _spacings(self, slice_axis: int | None) -> list[Triple]:
        """From the scans' own to coarse ones, the finest axes first, so that voxels tend to be cubes."""
        own = self.own_spacing
        if self.config.data.spacing_mm is not None or self.config.data.size_kji is not None:
            return [own]
        finest = min(own)
        spacings = [own]
        count = int(math.log(_COARSEST) / math.log(_SPACING_FACTOR))
        for power in range(1, count + 1):
            side = _rounded(finest * _SPACING_FACTOR**power)
            depth, height, width = (
                step if axis == slice_axis else max(step, side) for axis, step in enumerate(own)
            )  # fmt: skip
            spacing = (depth, height, width)
            if self._kept_dice(spacing) < _LEAST_KEPT:
                break
            if spacing != spacings[-1]:
                spacings.append(spacing)
        return spacings

    def _architectures(self, own: Architecture, spacing: Triple) -> Iterator[Architecture]:
        """The network at a spacing, with patches of several sizes, and with more or fewer filters."""
        data = self.config.data
        network = replace(self.config.network, backbone=own.backbone)
        region = [extent / step for extent, step in zip(self.region_mm, spacing, strict=True)]
        pixels = [count for axis, count in enumerate(region) if axis != own.slice_axis]
        fewest = _FEWEST_VOXELS if own.slice_axis is None else _FEWEST_PIXELS
        is_set = data.patch_size_kji is not None or data.patch_voxels is not None
        limits = {max(fewest, round(share * math.prod(pixels))) for share in _PATCH_SHARES}
        sizes = set()
        for limit in [None] if is_set else sorted(limits):
            # Limits are for patches that can be halved: a little more lets them cover the whole region.
            most = None if limit is None else round(1.15 * limit)
            architecture = plan_architecture(network, data, region, spacing, self.classes + 1, most)
            if architecture.patch_size_kji in sizes:
                continue
            sizes.add(architecture.patch_size_kji)
            for filters in [network.base_filters] if network.base_filters else _FILTERS:
                yield replace(architecture, base_filters=filters, in_channels=self.channels)

    def _with_batches(self, architecture: Architecture, spacing: Triple) -> Iterator[Candidate]:
        training = self.config.training
        # Fewer volumes than two could exchange no boxes, and are too few for batch normalization.
        usual = [VOLUMES_A_STEP, 2 * VOLUMES_A_STEP]
        if architecture.slice_axis is not None:
            usual = [SLICES_A_STEP // 2, SLICES_A_STEP, 2 * SLICES_A_STEP]
        labeled_sizes = [training.labeled_batch_size] if training.labeled_batch_size else usual
        axes = [axis for axis in range(3) if axis != architecture.slice_axis]
        for labeled in labeled_sizes:
            unlabeled = (training.unlabeled_batch_size or labeled) if self.uses_unlabeled else 0
            sizes = BatchSizes(labeled, unlabeled)
            steps = self.seconds / max(self.speed.step(architecture, sizes).mean(training), 1e-6)
            candidate = Candidate(spacing, architecture, sizes, steps, self._kept_dice(spacing), 1.0)
            patch, region = candidate.patch_mm, self.region_mm
            yield replace(candidate, covered=coverage([patch[axis] for axis in axes], [region[axis] for axis in axes]))

    def _kept_dice(self, spacing: Triple) -> float:
        if spacing not in self._kept:
            labeled = [structure for structure in self.structures if structure.crop.size]
            self._kept[spacing] = kept_dice(labeled[:_KEPT_CASES], spacing, self.classes)
        return self._kept[spacing]


def voxels_a_step(candidate: Candidate) -> int:
    """Voxels of all patches of a step of self-training."""
    return sum(candidate.sizes) * product(candidate.architecture.patch_size_kji)


def _rounded(spacing: float) -> float:
    """Two digits are enough for a spacing that is chosen."""
    return float(f"{spacing:.2g}")
