"""The shape of a network, chosen from the scans it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..config import DataConfig, NetworkConfig
from ..errors import ModelError

# An axis whose spacing is this many times the finest one carries too little to be convolved or halved with the others.
_THICK = 2.0
_SMALLEST_FEATURE_MAP = 4

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build a network; stored in the model.

    Attributes:
        backbone: family of networks.
        classes: number of classes with background.
        base_filters: channels at full resolution.
        normalization: "batch" or "instance".
        patch_size_kji: patch the network is trained and applied on; divisible by the product of the strides.
        strides: for each step down, how much each axis (k, j, i) shrinks: 1 or 2.
        kernels: for each level, size of the convolutions: 1 or 3 along each axis.
    """

    backbone: str
    classes: int
    base_filters: int
    normalization: str
    patch_size_kji: Size
    strides: tuple[Size, ...]
    kernels: tuple[Size, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Architecture:
        """The inverse of `to_dict`.

        Raises:
            ModelError: a key is missing or unknown.
        """
        try:
            lists = {key: tuple(tuple(size) for size in content[key]) for key in ("strides", "kernels")}
            values = {**content, **lists, "patch_size_kji": tuple(content["patch_size_kji"])}
            return Architecture(**values)
        except (KeyError, TypeError) as error:
            raise ModelError(f"the model's architecture cannot be read ({error}); train the model anew.") from error


def plan_architecture(
    network: NetworkConfig, data: DataConfig, median_size: Sequence[float], spacing_dhw: Sequence[float], classes: int
) -> Architecture:
    """Choose patch, strides and kernels.

    The patch covers the median scan where it may, else thin axes are kept whole and long ones are cut. An axis is
    halved on the way down while enough of it is left and its voxels are not much thicker than the others'.

    Args:
        network: filters, levels, normalization.
        data: patch size, or the largest number of voxels of an automatic one.
        median_size: median (D, H, W) of the prepared labeled scans, voxels.
        spacing_dhw: spacing of the prepared scans along D, H, W, mm.
        classes: number of classes with background.
    """
    wanted = data.patch_size_kji or _patch_within(median_size, data.patch_voxels)
    strides, kernels = _levels(wanted, spacing_dhw, network.levels, exact=data.patch_size_kji is not None)
    factors = [_product(stride[axis] for stride in strides) for axis in range(3)]
    patch = _multiples(wanted, factors, None if data.patch_size_kji else data.patch_voxels)
    return Architecture(
        network.backbone, classes, network.base_filters, network.normalization, patch, strides, kernels
    )  # fmt: skip


def _patch_within(size: Sequence[float], voxels: int) -> tuple[float, ...]:
    patch = [0.0] * len(size)
    left = float(voxels)
    for done, axis in enumerate(sorted(range(len(size)), key=lambda axis: size[axis])):
        patch[axis] = min(float(size[axis]), left ** (1.0 / (len(size) - done)))
        left /= patch[axis]
    return tuple(patch)


def _multiples(wanted: Sequence[float], factors: Sequence[int], voxels: int | None) -> Size:
    """Sizes near the wanted ones that can be halved as often as planned, with at most `voxels` voxels in all."""
    patch = [max(1, round(size / factor)) * factor for size, factor in zip(wanted, factors, strict=True)]
    while voxels is not None and _product(patch) > voxels:
        # What was rounded up furthest is rounded down.
        axis = max(
            (axis for axis in range(3) if patch[axis] > factors[axis]), key=lambda axis: patch[axis] / wanted[axis]
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


def _product(values: Any) -> int:
    result = 1
    for value in values:
        result *= value
    return result
