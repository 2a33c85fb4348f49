"""From logits of a prepared scan to results on the scan's own grid, voxel for voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from .data.orientation import Orientation
from .data.resampling import resample
from .job import Label
from .networks import HeadLogits
from .uncertainty import moved_labels, named_classes, uncertainty_map, uncertainty_threshold
from .volume import Grid, Volume

# Voxels of the output grid that are finished at once; bounds the memory for logits at full resolution.
_SLAB_VOXELS = 2_000_000

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """Results on the scan's own grid, each (k, j, i).

    Attributes:
        segmentation: label values of the segmentation head.
        conservative, radical: label values of these heads at the caution that was asked for.
        uncertain: uint8, 1 where the heads are uncertain at that caution: with two classes where they name different
            labels, with more also where a third class comes close.
        uncertainty: float32 in [0, 1], whatever the caution; at least `uncertainty_threshold(caution)` exactly where
            `uncertain` is 1.
    """

    segmentation: Array
    conservative: Array
    radical: Array
    uncertain: Array
    uncertainty: Array


def on_own_grid(logits: HeadLogits, volume: Volume, labels: tuple[Label, ...], caution: float = 0.0) -> Prediction:
    """Bring logits back to a scan's grid and decide there.

    Args:
        logits: of the prepared scan, each (K, D, H, W).
        volume: the scan.
        labels: of classes 1, 2, ...
        caution: where the dial stands: 0 is how the heads were trained, more flags more as uncertain.
    """
    orientation = Orientation.of(volume.grid.direction)
    size = orientation.to_canonical(volume.channels[0]).shape
    values = np.array([0, *(label.value for label in labels)])
    values = values.astype(np.uint8 if values.max() < 256 else np.uint16)
    heads = [np.empty(size, dtype=values.dtype) for _ in logits]
    uncertainty = np.empty(size, dtype=np.float32)
    threshold = uncertainty_threshold(caution)
    for slab in _slabs(size):
        here = HeadLogits(*(resample(head, size, slab)[None] for head in logits))
        doubt = uncertainty_map(here.conservative, here.radical)
        moved = moved_labels(here.conservative, here.radical, doubt, threshold)
        for result, classes in zip(heads, (named_classes(here.segmentation), *moved), strict=True):
            result[slab.start : slab.stop] = values[classes[0].numpy()]
        uncertainty[slab.start : slab.stop] = doubt[0].numpy()
    uncertain = (uncertainty >= np.float32(threshold)).astype(np.uint8)
    return Prediction(
        *(np.ascontiguousarray(orientation.from_canonical(one)) for one in (*heads, uncertain, uncertainty))
    )


def channels_on_own_grid(channels: Tensor, grid: Grid) -> Array:
    """Bring what a prepared scan has in each voxel back to the scan's grid, linearly.

    Args:
        channels: (C, D, H, W), float.
        grid: of the scan.

    Returns:
        (C, k, j, i), float32.
    """
    orientation = Orientation.of(grid.direction)
    result = np.empty((len(channels), *grid.size_ijk[::-1]), dtype=np.float32)
    for channel, target in zip(channels, result, strict=True):
        # A view: what is written in canonical order lands where it belongs.
        canonical = orientation.to_canonical(target)
        for slab in _slabs(canonical.shape):
            canonical[slab.start : slab.stop] = resample(channel[None], canonical.shape, slab)[0].numpy()
    return result


def arrays_of(prediction: Prediction) -> dict[str, Array]:
    """The arrays by name, without copying them."""
    return {name: getattr(prediction, name) for name in Prediction.__dataclass_fields__}


def _slabs(size: tuple[int, int, int]) -> list[range]:
    """The rows of a grid in portions."""
    rows = max(1, _SLAB_VOXELS // (size[1] * size[2]))
    return [range(start, min(start + rows, size[0])) for start in range(0, size[0], rows)]
