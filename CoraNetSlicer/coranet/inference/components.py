"""The largest connected component of each structure: where labeled cases show one, and what a result keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.class_indices import places_by_class
from ..data.components import SparseVoxels, components, contacts_of

Array = npt.NDArray[Any]

# Where slices are thick, the tip of a structure may hang on by less than a corner; it is no second structure.
_WHOLE = 0.95
# A sure part of more than this share of the kept one is reported.
_LARGE = 0.25


def single_component_classes(label_maps: Iterable[Array], classes: Sequence[int]) -> tuple[int, ...]:
    """The classes that are one connected component (95 % of their voxels) in each label map where they occur.

    Args:
        label_maps: (k, j, i), integers.
        classes: which to look at.

    Returns:
        Those of `classes` that occur at least once and are never in several pieces.
    """
    present: set[int] = set()
    divided: set[int] = set()
    for labels in label_maps:
        depth, height, width = labels.shape
        places = places_by_class(labels, max(classes, default=0))
        for value in classes:
            voxels = SparseVoxels(places[value - 1], (depth, height, width))
            if value not in divided and len(voxels.places):
                present.add(value)
                if _largest(voxels).mean() < _WHOLE:
                    divided.add(value)
    return tuple(value for value in classes if value in present - divided)


def hang_together(label_maps: Iterable[Array]) -> bool:
    """Whether all classes together are one connected component (95 % of their voxels) in each map where there are any.

    Args:
        label_maps: (k, j, i), integers.

    Returns:
        False also where no map has a structure.
    """
    maps = [voxels for voxels in map(_all_voxels, label_maps) if len(voxels.places)]
    return bool(maps) and all(_largest(voxels).mean() >= _WHOLE for voxels in maps)


def keep_largest_components(
    segmentation: Array, conservative: Array, radical: Array, classes: Sequence[int], together: bool = False
) -> None:
    """Keep of each class its largest component; everything else of it becomes background, in place.

    Of the other two heads those components stay that touch or share voxels with the one that is kept. So
    conservative foreground that lies inside of the radical one still does, and islands far from a structure are
    neither found nor uncertain. A class that the segmentation has not found is left as it is in the other two.
    Largest is the component with most voxels in which the conservative head agrees, which is not sure of islands.
    Voxels touch by a face, an edge or a corner; of components of one size the first is kept. Where structures hang
    together, such voxels count as often as faces of the component lie at other structures: an island that has grown
    to a corner of them, in another organ, may be larger than what belongs there.

    Args:
        segmentation: (k, j, i), uint8 label map, writable.
        conservative: of that head, on the same grid, writable.
        radical: of that head, on the same grid, writable.
        classes: label values to which this is done.
        together: before that, keep of all structures the component that is most like all of them. Where they hang
            together, an island far from them must not be taken for the largest component of its class.
    """
    heads = conservative, radical
    if together:
        voxels = _all_voxels(segmentation)
        _keep(segmentation, heads, _most_complete(voxels, segmentation, conservative), _all_voxels)
    for value in classes:
        voxels = _voxels(segmentation, value)
        is_sure = conservative.reshape(-1)[voxels.places] == value
        is_kept = _largest(voxels, is_sure, segmentation if together else None)
        _keep(segmentation, heads, is_kept, partial(_voxels, value=value))


def sure_voxels(segmentation: Array, conservative: Array) -> Array:
    """Number of voxels of each label value in which the conservative head agrees, int64; index is the value."""
    places = np.flatnonzero(segmentation)
    values = segmentation.reshape(-1)[places]
    return np.bincount(values[conservative.reshape(-1)[places] == values])


def large_removed_parts(before: Array, after: Array) -> dict[int, int]:
    """Label values of which a large part was removed though the network is sure of it: a second one, not an island.

    Args:
        before: `sure_voxels` with all components.
        after: the same with those that were kept.

    Returns:
        By value the number of voxels that were removed.
    """
    kept = np.pad(after, (0, len(before) - len(after)))
    removed = before - kept
    return {int(value): int(removed[value]) for value in np.flatnonzero(removed > _LARGE * kept)}


def _keep(segmentation: Array, heads: Sequence[Array], is_kept: Array, of: Callable[[Array], SparseVoxels]) -> None:
    voxels = of(segmentation)
    if not len(voxels.places):
        return
    places = voxels.places[is_kept]
    segmentation.reshape(-1)[voxels.places[~is_kept]] = 0
    for head in heads:
        head.reshape(-1)[_apart_from(places, of(head))] = 0


def _all_voxels(labels: Array) -> SparseVoxels:
    depth, height, width = labels.shape
    return SparseVoxels(np.flatnonzero(labels), (depth, height, width))


def _voxels(labels: Array, value: int) -> SparseVoxels:
    depth, height, width = labels.shape
    return SparseVoxels(np.flatnonzero(labels == value), (depth, height, width))


def _most_complete(voxels: SparseVoxels, segmentation: Array, conservative: Array) -> Array:
    """Which of the voxels are in the component that holds most of that class of which it holds least, (N,), bool.

    Voxels count where the conservative head names the same class. An island may be larger than the structures, but it
    does not have all of them, or is unsure of it. Where no component has something of each class, it is the one
    with most of such voxels, then the largest.
    """
    parts, values = _parts(voxels), segmentation.reshape(-1)[voxels.places]
    is_sure = conservative.reshape(-1)[voxels.places] == values
    present, classes = np.unique(values, return_inverse=True)
    counts = np.zeros((int(parts.max(initial=0)) + 1, len(present)))
    np.add.at(counts, (parts[is_sure], classes[is_sure]), 1)
    least = (counts / np.maximum(counts.sum(0), 1)).min(1, initial=1.0)
    is_most_complete: Array = parts == np.lexsort((np.bincount(parts, minlength=len(counts)), counts.sum(1), least))[-1]
    return is_most_complete


def _largest(voxels: SparseVoxels, is_sure: Array | None = None, among: Array | None = None) -> Array:
    """Which of the voxels are in the largest component, (N,), bool.

    Args:
        voxels: of one class.
        is_sure: (N,), bool, those that count; None: all do.
        among: label map of all classes, with whose others it has faces in common; None: that does not matter.
    """
    parts = _parts(voxels)
    if not parts.any():
        return np.ones(len(parts), dtype=bool)
    sizes = np.bincount(parts)
    sure = sizes if is_sure is None else np.bincount(parts, is_sure)
    if among is not None:
        sure = sure * (1 + _faces_at_others(voxels, parts, among))
    # Of components that are alike the first is kept.
    is_largest: Array = parts == np.lexsort((-np.arange(len(sizes)), sizes, sure))[-1]
    return is_largest


def _faces_at_others(voxels: SparseVoxels, parts: Array, segmentation: Array) -> Array:
    """How many faces of voxels each part has in common with other classes."""
    everything, count = _all_voxels(segmentation), int(parts.max()) + 1
    numbers = np.full(len(everything.places), count)
    numbers[np.searchsorted(everything.places, voxels.places)] = parts
    contacts = contacts_of(everything, numbers)
    is_at_others = contacts.second == count
    return np.bincount(contacts.first[is_at_others], contacts.faces[is_at_others], count)[:count]


def _apart_from(places: Array, voxels: SparseVoxels) -> Array:
    """Places of those voxels that are in no component with a kept one, once both are taken together."""
    together = SparseVoxels(np.union1d(places, voxels.places), voxels.shape)
    parts = _parts(together)
    is_beside = np.isin(parts, parts[np.searchsorted(together.places, places)])
    return np.setdiff1d(voxels.places, together.places[is_beside], assume_unique=True)


def _parts(voxels: SparseVoxels) -> Array:
    return components(voxels, np.zeros(len(voxels.places), np.int8))
