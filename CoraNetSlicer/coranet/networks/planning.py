"""The shape of a network, chosen from the scans it is for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..contract.config import DataConfig, NetworkConfig
from ..contract.errors import ConfigError
from .architecture import Architecture, Size, product

# An axis whose spacing is this many times the finest one carries too little to be convolved or halved with the others.
_THICK = 2.0
_SMALLEST_FEATURE_MAP = 4
# Mean and deviation of a feature map need as many.
_FEWEST_VOXELS = 2
# The paper's patch in 3D, 96 x 96 x 96.
MOST_PATCH_VOXELS = 884_736
# What should be seen around a structure, on each side. A network that sees one slice at a time has nothing but these
# surroundings to tell the left ventricle from the right one.
SURROUNDINGS_MM, SURROUNDINGS_IN_SLICES_MM = 15.0, 30.0
# Scans with finer voxels are of small animals, of specimens, or of small parts of people.
_FINE_MM = 0.3
# Slices this much thicker than their pixels, and no more of them than this, are looked at one by one.
_SLICES_APART = 3.0
_FEW_SLICES = 32
# Spacings nearer to each other than this count as equal.
_ALIKE = 1.01

_BACKBONE_NAMES = {"unet": "2D U-Net", "vnet": "3D V-Net", "resnet18": "3D ResNet-18"}


def plan_architecture(
    network: NetworkConfig,
    data: DataConfig,
    median_size: Sequence[float],
    spacing_dhw: Sequence[float],
    classes: int,
    most_voxels: int | None = None,
) -> Architecture:
    """Choose backbone, patch, strides and kernels.

    The patch covers the median scan where it may, else thin axes are kept whole and long ones are cut. An axis is
    halved on the way down while enough of it is left and its voxels are not much thicker than the others'. The patch
    of a 2D network is one slice, whatever `data.patch_size_kji` says of that axis.

    Args:
        network: backbone, filters, levels, normalization, decoders, dropout.
        data: patch size, or the largest number of voxels of an automatic one.
        median_size: median (D, H, W) of the prepared labeled scans, voxels.
        spacing_dhw: spacing of the prepared scans along D, H, W, mm.
        classes: number of classes with background.
        most_voxels: what the memory allows for an automatic patch; None: no limit.

    Raises:
        ConfigError: `data.patch_size_kji` is a single voxel.
    """
    backbone = _backbone(network.backbone, median_size, spacing_dhw)
    slice_axis = slice_axis_of(network, median_size, spacing_dhw)
    limits = [limit for limit in (data.patch_voxels or MOST_PATCH_VOXELS, most_voxels) if limit is not None]
    exact = data.patch_size_kji is not None
    size, spacing = list(data.patch_size_kji or median_size), list(spacing_dhw)
    if slice_axis is not None:
        # A slice infinitely far from the next is neither convolved nor halved along that axis.
        size[slice_axis], spacing[slice_axis] = 1, float("inf")
    if exact and math.prod(size) < _FEWEST_VOXELS:
        raise ConfigError(
            "a patch of a single voxel has nothing to normalize over, expected at least 2 voxels (of a slice, where "
            "scans are looked at slice by slice); raise data.patch_size_kji."
        )
    target = tuple(size) if exact else _patch_within(size, min(limits))
    strides, kernels = _levels(target, spacing, network.levels, exact)
    factors = [product(stride[axis] for stride in strides) for axis in range(3)]
    return Architecture(
        backbone, classes, network.base_filters or (8 if slice_axis is None else 16), network.normalization,
        _multiples(target, factors, None if exact else min(limits)), strides, kernels,
        network.decoders, network.dropout, slice_axis, stem=network.stem,
    )  # fmt: skip


def length_scale(spacing_mm: Sequence[float]) -> float:
    """By how much lengths that were chosen for people shrink in a scan: 1, or less where its voxels are very fine.

    Args:
        spacing_mm: of the scans along their three axes.
    """
    return min(1.0, min(spacing_mm) / _FINE_MM)


def backbone_reason(network: NetworkConfig, median_size: Sequence[float], spacing_dhw: Sequence[float]) -> str:
    """The backbone that `plan_architecture` takes and why, in words for the log.

    Args:
        network: the backbone asked for.
        median_size: median (D, H, W) of the prepared labeled scans, voxels.
        spacing_dhw: spacing of the prepared scans along D, H, W, mm.
    """
    name = _BACKBONE_NAMES[_backbone(network.backbone, median_size, spacing_dhw)]
    if network.backbone != "auto":
        return f"{name}: as requested"
    axis = _slice_axis(spacing_dhw)
    thick, fine = spacing_dhw[axis], min(spacing_dhw)
    if thick <= _ALIKE * fine:
        return f"{name}: the spacing is {fine:.3g} mm along each axis"
    apart = f"slices are {thick:.3g} mm apart, {thick / fine:.2g} times the {fine:.3g} mm within them"
    if thick >= _SLICES_APART * fine:
        return f"{name}: {apart}, and there are {round(median_size[axis])} of them"
    return f"{name}: {apart}"


def slice_axis_of(network: NetworkConfig, median_size: Sequence[float], spacing_dhw: Sequence[float]) -> int | None:
    """The axis along which scans are looked at slice by slice, 0, 1 or 2 of (D, H, W); None: as volumes.

    Args:
        network: the backbone asked for.
        median_size: median (D, H, W) of the prepared labeled scans, voxels.
        spacing_dhw: spacing of the prepared scans along D, H, W, mm.
    """
    return _slice_axis(spacing_dhw) if _backbone(network.backbone, median_size, spacing_dhw) == "unet" else None


def _backbone(setting: str, median_size: Sequence[float], spacing: Sequence[float]) -> str:
    if setting != "auto":
        return setting
    axis = _slice_axis(spacing)
    is_thin_stack = spacing[axis] >= _SLICES_APART * min(spacing) and median_size[axis] <= _FEW_SLICES
    return "unet" if is_thin_stack else "vnet"


def _slice_axis(spacing: Sequence[float]) -> int:
    """The axis with the coarsest spacing; D, the patient's long axis, where none stands out."""
    coarsest = max(range(3), key=lambda axis: spacing[axis])
    return coarsest if spacing[coarsest] > _ALIKE * spacing[0] else 0


def _patch_within(size: Sequence[float], voxels: int) -> tuple[float, ...]:
    patch = [0.0] * len(size)
    remaining = float(voxels)
    for number, axis in enumerate(sorted(range(len(size)), key=lambda axis: size[axis])):
        patch[axis] = min(float(size[axis]), remaining ** (1.0 / (len(size) - number)))
        remaining /= patch[axis]
    return tuple(patch)


def _multiples(target: Sequence[float], factors: Sequence[int], voxels: int | None) -> Size:
    """Sizes near the target that can be halved as often as planned, with at most `voxels` voxels in all."""
    patch = [max(1, round(size / factor)) * factor for size, factor in zip(target, factors, strict=True)]
    while voxels is not None and product(patch) > voxels:
        # What was rounded up furthest is rounded down.
        axis = max(
            (axis for axis in range(3) if patch[axis] > factors[axis]), key=lambda axis: patch[axis] / target[axis]
        )
        patch[axis] -= factors[axis]
    depth, height, width = patch
    return depth, height, width


def _levels(
    patch: Sequence[float], spacing: Sequence[float], levels: int, exact: bool
) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    size, here = list(patch), list(spacing)
    strides: list[Size] = []
    kernels: list[Size] = []
    for level in range(levels):
        fine = [step <= _THICK * min(here) for step in here]
        kernels.append(tuple(3 if axis else 1 for axis in fine))  # type: ignore[arg-type]
        stride = tuple(
            2 if fine[axis] and size[axis] / 2 >= _SMALLEST_FEATURE_MAP and (not exact or size[axis] % 2 == 0) else 1
            for axis in range(3)
        )
        if level == levels - 1 or max(stride) == 1:
            break
        strides.append(stride)  # type: ignore[arg-type]
        size = [count / step for count, step in zip(size, stride, strict=True)]
        here = [space * step for space, step in zip(here, stride, strict=True)]
    return tuple(strides), tuple(kernels)
