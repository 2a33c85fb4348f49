"""Whether there is a coarse stage, and what its network looks like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..contract.config import DataConfig, NetworkConfig, TrainConfig
from ..contract.errors import ConfigError
from ..data.preprocessing import ScanStatistics, fit_preprocessing, median_prepared_size
from ..methods import METHODS
from ..networks import plan_architecture
from ..networks.planning import MOST_PATCH_VOXELS, SURROUNDINGS_IN_SLICES_MM, length_scale, slice_axis_of
from .part import CoarsePart
from .scans import (
    LabeledScan,
    Millimetres,
    least_labeled_mm3,
    median_share,
    median_voxels,
    smallest_structure_mm3,
)

# The stage pays where the boxes leave less than this of a scan, and the scan has far more voxels than the coarse
# network's window: smaller ones are looked at whole at little cost.
_MOST_SHARE, _FEWEST_VOXELS = 0.35, 150_000
# The whole scan is one window of at most so many voxels, and so many along an axis.
_MOST_VOXELS, _MOST_SIDE = 16_384, 96
_FILTERS, _LEVELS, _BATCH = 8, 4, 2
_LEAST_MARGIN_MM, _MOST_MARGIN_MM, _MARGIN_VOXELS = 10.0, 40.0, 2
# What is found is left out where it is this much smaller than the smallest labeled structure.
_SPECK = 0.1
# The radical head finds more than there is. Where all of it is less than this share of what the smallest labeled case
# has, it is something else: 0.34 and 0.52 in the two of ten scans of sunnybrook where it was, 1.5 in the others.
_PLAUSIBLE = 0.6
# The dial of the radical head, chosen on the development parts of acdc and sunnybrook (docs/explanation/trials.md).
_CAUTION = 1.0
# Cost of the coarse stage against that of the fine one, and how many steps it has at least and at most.
COARSE_SHARE, _FEWEST_STEPS, _MOST_STEPS = 0.05, 150, 2000
# What is not found is lost: of sunnybrook's 26 development cases two were after 300 steps, none after 1,500.
_ENOUGH_STEPS, _MOST_SHARE_OF_TIME = 800, 0.1
_PRETRAINING = 0.5


def pays(config: TrainConfig, scans: Sequence[LabeledScan]) -> bool:
    """Whether a training has a coarse stage.

    Args:
        config: of the training; `data.coarse_stage` is "on", "off" or "auto".
        scans: the labeled scans.

    Raises:
        ConfigError: it is to be on where every scan is brought to a fixed size, whatever of it is looked at.
    """
    if config.data.size_kji is not None:
        if config.data.coarse_stage == "on":
            raise ConfigError(
                "data.coarse_stage is 'on' and data.size_kji is set, but the size of a box differs from scan to scan; "
                "leave one of them out."
            )
        return False
    if config.data.coarse_stage != "auto":
        return config.data.coarse_stage == "on"
    margin = least_margin_mm(config, [scan.statistics for scan in scans])
    return median_voxels(scans) > _FEWEST_VOXELS and median_share(scans, margin) < _MOST_SHARE


def new_part(config: TrainConfig, scans: Sequence[LabeledScan]) -> CoarsePart | None:
    """The coarse network of a training, with the least margin; None where it has none."""
    return plan_part(config, scans) if pays(config, scans) else None


def decision(part: CoarsePart, scans: Sequence[LabeledScan]) -> str:
    """That there is a coarse stage, and why, in a sentence."""
    along_l, along_p, along_s = part.preprocessing.spacing_mm
    return (
        f"the labeled structures with {in_millimetres(part.margin_mm)} around them fill "
        f"{100 * median_share(scans, part.margin_mm):.0f} % of a scan, so a coarse network ({along_l:.3g} x "
        f"{along_p:.3g} x {along_s:.3g} mm) finds them, and the fine one works there."
    )


def in_millimetres(margin_mm: Millimetres) -> str:
    """A margin in words: "10 mm", or "10 to 16 mm" where it differs along the axes."""
    least, most = (f"{bound:.0f}" if bound >= 1 else f"{bound:.2g}" for bound in (min(margin_mm), max(margin_mm)))
    return f"{least} mm" if least == most else f"{least} to {most} mm"


def plan_part(config: TrainConfig, scans: Sequence[LabeledScan]) -> CoarsePart:
    """The coarse network for the labeled scans, with the least margin; `measured_margin_mm` may widen it.

    Args:
        config: of the training.
        scans: the labeled scans, at least one.
    """
    statistics = [scan.statistics for scan in scans]
    spacing = coarse_spacing_mm(statistics)
    preprocessing = fit_preprocessing(replace(config.data, spacing_mm=spacing, size_kji=None), statistics)
    network = NetworkConfig(
        backbone="vnet", base_filters=_FILTERS, levels=_LEVELS, normalization=config.network.normalization,
        decoders="branches",
    )  # fmt: skip
    size = median_prepared_size(preprocessing, statistics)
    architecture = plan_architecture(
        network, DataConfig(), size, spacing[::-1], classes=2, most_voxels=2 * _MOST_VOXELS
    )
    architecture = replace(architecture, in_channels=len(preprocessing.normalizations))
    margin = least_margin_mm(config, statistics)
    least, least_total = _SPECK * smallest_structure_mm3(scans), _PLAUSIBLE * least_labeled_mm3(scans)
    return CoarsePart(architecture, preprocessing, margin, least, _CAUTION, least_total)


def coarse_config(config: TrainConfig, steps: int, has_unlabeled: bool) -> TrainConfig:
    """The configuration of the coarse training: that of the whole, with few steps, small batches and no validation.

    Args:
        config: of the whole training.
        steps: of both of its stages.
        has_unlabeled: whether there are unlabeled cases to learn from.
    """
    # The heads are CoraNet's, however the fine network learns; without unlabeled cases they are trained alike.
    uses_unlabeled = has_unlabeled and METHODS[config.training.method].uses_unlabeled
    pretraining = round(_PRETRAINING * steps)
    training = replace(
        config.training, method="coranet" if uses_unlabeled else "supervised", initial_model="",
        pretraining_steps=pretraining, self_training_steps=steps - pretraining,
        labeled_batch_size=_BATCH, unlabeled_batch_size=_BATCH, validation_interval=max(1, steps),
        checkpoint_interval=min(50, config.training.checkpoint_interval or 50), snapshot_interval=0, averaged_share=0.0,
        deep_supervision=0.0, student_views="one",
    )  # fmt: skip
    return replace(config, time="", training=training)


def steps_for_cost(config: TrainConfig, part: CoarsePart, fine_voxels: float) -> int:
    """Steps of the coarse stage that cost a twentieth of the fine stage's, estimated from voxels.

    Args:
        config: of the training, with the steps of the fine stage.
        part: of the coarse network.
        fine_voxels: of a patch of the fine network.
    """
    fine_steps = config.training.pretraining_steps + config.training.self_training_steps
    steps = round(COARSE_SHARE * fine_steps * fine_voxels / math.prod(part.architecture.patch_size_kji))
    return min(max(steps, _FEWEST_STEPS), _MOST_STEPS, max(fine_steps, 1))


def steps_in_share(seconds: float, pretraining_s: float, self_training_s: float) -> int:
    """Steps of the coarse stage in its share of a time: a twentieth, or up to a tenth where that would be too few.

    Args:
        seconds: that the whole training may take.
        pretraining_s: of a step of the first stage.
        self_training_s: of a step of the second stage.
    """
    mean = max(_PRETRAINING * pretraining_s + (1 - _PRETRAINING) * self_training_s, 1e-6)
    usual, most = int(COARSE_SHARE * seconds / mean), int(_MOST_SHARE_OF_TIME * seconds / mean)
    return max(1, min(max(usual, min(_ENOUGH_STEPS, most)), _MOST_STEPS))


def fine_patch_voxels(data: DataConfig, scans: Sequence[LabeledScan], margin_mm: Millimetres) -> float:
    """About how many voxels a patch of the fine network will have: those of the region, as far as settings allow."""
    if data.patch_size_kji is not None:
        return math.prod(data.patch_size_kji)
    statistics = [scan.looked_at(margin_mm) for scan in scans if scan.parts] or [scan.statistics for scan in scans]
    region = math.prod(median_prepared_size(fit_preprocessing(data, statistics), statistics))
    return min(region, data.patch_voxels or MOST_PATCH_VOXELS)


def coarse_spacing_mm(scans: Sequence[ScanStatistics]) -> Millimetres:
    """The finest spacing along L, P, S, no finer than the scans', at which the median scan fits the coarse window.

    It is the same along all axes, but for slices that are thicker already.
    """
    extent = np.median([scan.extent_mm for scan in scans], axis=0)
    own = np.median([scan.spacing_mm for scan in scans], axis=0)
    step = float(own.min())
    while True:
        spacing = np.maximum(own, step)
        size = np.maximum(1, np.round(extent / spacing))
        if size.prod() <= _MOST_VOXELS and size.max() <= _MOST_SIDE:
            along_l, along_p, along_s = (float(part) for part in spacing)
            return along_l, along_p, along_s
        step *= 1.02


def fine_slice_axis(config: TrainConfig, scans: Sequence[ScanStatistics]) -> int | None:
    """The axis, of (D, H, W), along which the fine network looks at the scans slice by slice; None: as volumes."""
    fine = fit_preprocessing(config.data, scans)
    return slice_axis_of(config.network, median_prepared_size(fine, scans), fine.spacing_mm[::-1])


def least_margin_mm(config: TrainConfig, scans: Sequence[ScanStatistics]) -> Millimetres:
    """The margin along L, P, S that was asked for, or what the fine network needs and two coarse voxels.

    Args:
        config: of the training; `data.coarse_margin_mm`, and the backbone of the network.
        scans: statistics of the labeled scans.

    Returns:
        At least 10 mm along each axis, and 30 mm within slices that are looked at one by one; less where voxels are
        very fine (`length_scale`).
    """
    if config.data.coarse_margin_mm is not None:
        return (config.data.coarse_margin_mm,) * 3
    across = fine_slice_axis(config, scans)
    scale = length_scale(np.median([scan.spacing_mm for scan in scans], axis=0).tolist())
    usual = [_LEAST_MARGIN_MM if across in (None, axis) else SURROUNDINGS_IN_SLICES_MM for axis in (2, 1, 0)]
    needed = [scale * length for length in usual]
    along_l, along_p, along_s = (
        max(least, _MARGIN_VOXELS * float(step)) for least, step in zip(needed, coarse_spacing_mm(scans), strict=True)
    )
    return along_l, along_p, along_s


def measured_margin_mm(config: DataConfig, least: Millimetres, missed_dhw: Sequence[Sequence[float]]) -> Millimetres:
    """The margin along L, P, S that holds half as much again as was missed at worst; at most 40 mm are added.

    Args:
        config: a margin that is set there stays as it is.
        least: of `least_margin_mm`.
        missed_dhw: of each labeled case what was missed along D, H, W without a margin, mm.
    """
    if config.coarse_margin_mm is not None or not missed_dhw:
        return least
    worst = np.max(np.asarray(missed_dhw, dtype=float), axis=0)[::-1]
    along_l, along_p, along_s = (
        float(max(floor, min(1.5 * missed, _MOST_MARGIN_MM))) for floor, missed in zip(least, worst, strict=True)
    )
    return along_l, along_p, along_s
