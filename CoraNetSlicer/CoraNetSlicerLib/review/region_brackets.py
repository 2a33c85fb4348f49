"""Volumes of the classes while a review goes on: what is decided is no longer in doubt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from coranet.contract import Label

from .class_volumes import ClassVolume
from .region_voxels import RegionVoxels


def narrowed_volumes(
    volumes: Mapping[int, ClassVolume],
    labels: Sequence[Label],
    decided: Sequence[tuple[RegionVoxels, np.ndarray]],
    volume_node: Any,
) -> list[ClassVolume]:
    """The volume of each class with its bracket, decided regions counting as what they are now.

    Args:
        volumes: by label value, of the classes before the first decision.
        labels: the classes.
        decided: the decided regions, each with the label values that its voxels have now, flat.
        volume_node: gives the size of a voxel.
    """
    voxel_ml = math.prod(volume_node.GetSpacing()) / 1000.0
    return [_narrowed(volumes[one.value], one, decided, voxel_ml) for one in labels if one.value in volumes]


def _narrowed(
    volume: ClassVolume, label: Label, decided: Sequence[tuple[RegionVoxels, np.ndarray]], voxel_ml: float
) -> ClassVolume:
    def after(ml: Optional[float], head: str) -> Optional[float]:
        if ml is None:
            return None
        counts = ((_count(now, label), _count(voxels.labels[head], label)) for voxels, now in decided)
        more = sum(after - before for after, before in counts)
        return ml + more * voxel_ml

    return ClassVolume(
        label.name, after(volume.ml, "keep"), after(volume.conservative_ml, "conservative"),
        after(volume.radical_ml, "radical"), label.value,
    )  # fmt: skip


def _count(values: np.ndarray, label: Label) -> int:
    return int(np.count_nonzero(values == label.value))
