"""The largest connected component of each structure: where labeled cases show one, and what a result keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .data.class_indices import places_by_class
from .regions.components import SparseVoxels, components

Array = npt.NDArray[Any]

# Where slices are thick, the tip of a structure may hang on by less than a corner; it is no second structure.
_WHOLE = 0.95


def single_component_classes(label_maps: Iterable[Array], classes: Sequence[int]) -> tuple[int, ...]:
    """The classes that are one connected component (95 % of their voxels) in each label map where they occur.

    Args:
        label_maps: (k, j, i), integers.
        classes: which to look at.

    Returns:
        Those of `classes` that occur at least once and are never in several pieces.
    """
    seen: set[int] = set()
    divided: set[int] = set()
    for labels in label_maps:
        depth, height, width = labels.shape
        found = places_by_class(labels, max(classes, default=0))
        for value in classes:
            voxels = SparseVoxels(found[value - 1], (depth, height, width))
            if value not in divided and len(voxels.places):
                seen.add(value)
                if _largest(voxels).mean() < _WHOLE:
                    divided.add(value)
    return tuple(value for value in classes if value in seen - divided)


def hang_together(label_maps: Iterable[Array]) -> bool:
    """Whether all classes together are one connected component (95 % of their voxels) in each map where there are any.

    Args:
        label_maps: (k, j, i), integers.

    Returns:
        False also where no map has a structure.
    """
    found = [voxels for voxels in map(_all_voxels, label_maps) if len(voxels.places)]
    return bool(found) and all(_largest(voxels).mean() >= _WHOLE for voxels in found)


def keep_largest_components(
    segmentation: Array, conservative: Array, radical: Array, classes: Sequence[int], together: bool = False
) -> None:
    """Keep of each class its largest component; everything else of it becomes background, in place.

    Of the other two heads those components stay that touch or share voxels with the one that is kept. So
    conservative foreground that lies inside of the radical one still does, and islands far from a structure are
    neither found nor uncertain. A class that the segmentation has not found is left as it is in the other two.
    Voxels touch by a face, an edge or a corner; of components of one size the first is kept.

    Args:
        segmentation: (k, j, i), uint8 label map, writable.
        conservative: of that head, on the same grid, writable.
        radical: of that head, on the same grid, writable.
        classes: label values to which this is done.
        together: do it before that to all structures as one. Where they hang together, an island far from them must
            not be taken for the largest component of its class.
    """
    heads = conservative, radical
    if together:
        _keep_largest(segmentation, heads, _all_voxels)
    for value in classes:
        _keep_largest(segmentation, heads, partial(_voxels, value=value))


def _keep_largest(segmentation: Array, heads: Sequence[Array], of: Callable[[Array], SparseVoxels]) -> None:
    voxels = of(segmentation)
    if not len(voxels.places):
        return
    is_kept = _largest(voxels)
    kept = voxels.places[is_kept]
    segmentation.reshape(-1)[voxels.places[~is_kept]] = 0
    for head in heads:
        head.reshape(-1)[_apart_from(kept, of(head))] = 0


def _all_voxels(labels: Array) -> SparseVoxels:
    depth, height, width = labels.shape
    return SparseVoxels(np.flatnonzero(labels), (depth, height, width))


def _voxels(labels: Array, value: int) -> SparseVoxels:
    depth, height, width = labels.shape
    return SparseVoxels(np.flatnonzero(labels == value), (depth, height, width))


def _largest(voxels: SparseVoxels) -> Array:
    """Which of the voxels are in the component with the most of them, (N,), bool."""
    parts = _parts(voxels)
    is_largest: Array = parts == np.bincount(parts).argmax()
    return is_largest


def _apart_from(kept: Array, voxels: SparseVoxels) -> Array:
    """Places of those voxels that are in no component with a kept one, once both are taken together."""
    together = SparseVoxels(np.union1d(kept, voxels.places), voxels.shape)
    parts = _parts(together)
    is_beside = np.isin(parts, parts[np.searchsorted(together.places, kept)])
    return np.setdiff1d(voxels.places, together.places[is_beside], assume_unique=True)


def _parts(voxels: SparseVoxels) -> Array:
    return components(voxels, np.zeros(len(voxels.places), np.int8))
