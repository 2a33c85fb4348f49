"""The voxels of segments inside a mask, read and written in whatever layers they lie; none outside is touched.

Work is on the box around the mask only: a decision about a few thousand voxels does not wait for the whole volume.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import VTK_UNSIGNED_CHAR, VTK_UNSIGNED_SHORT
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.contract import Label
from coranet.contract.errors import DataError

from ..core.images import elements, has_remembered_grid, ijk_to_ras, size_kji, voxels_of
from ..core.results import segment_id
from ..core.segment_classes import BINARY_LABELMAP
from .segment_surfaces import drop_surface, outdate_surface

# Which of some voxels each segment has, by id: bool, flat.
Members = Mapping[str, np.ndarray]
# No corner of the volume may lie further than this from a voxel of the segments.
_GRID_TOLERANCE_VOXELS = 0.01


@dataclass(frozen=True)
class MaskedBox:
    """Some voxels of a volume.

    Attributes:
        first_kji: first voxel of the box around them.
        mask: (k, j, i), bool: which voxels of the box.
    """

    first_kji: tuple[int, int, int]
    mask: np.ndarray

    @property
    def slices(self) -> tuple[slice, ...]:
        """The box in an array (k, j, i) of the whole volume."""
        return tuple(slice(first, first + size) for first, size in zip(self.first_kji, self.mask.shape, strict=False))

    @cached_property
    def at(self) -> np.ndarray:
        """Their places in a flat array of the box: quicker than the mask where a box is read again and again."""
        return np.flatnonzero(self.mask)

    @staticmethod
    def tight(mask: np.ndarray, first_kji: Sequence[int] = (0, 0, 0)) -> MaskedBox:
        """The voxels of a mask (k, j, i) that begins at a voxel, in the smallest box around them."""
        at = np.unravel_index(np.flatnonzero(mask), mask.shape)
        sides = [slice(int(index.min()), int(index.max()) + 1) if index.size else slice(0, 0) for index in at]
        k, j, i = (first + side.start for first, side in zip(first_kji, sides, strict=True))
        return MaskedBox((k, j, i), mask[tuple(sides)])

    def of(self, voxels: np.ndarray) -> np.ndarray:
        """Their values in an array (k, j, i) of the whole volume; a copy, flat."""
        return np.asarray(voxels[self.slices][self.mask])


class SegmentLayers:
    """The segments of a node on the grid of a volume. What belongs to a segment is a bool for each voxel of a mask.

    Where the segments lie on another grid than the volume, reading and writing raises a DataError.

    Attributes:
        node: vtkMRMLSegmentationNode.
        volume: the volume that it was made for; both lie under the same transform.
        keeps_surfaces: whether surfaces of segments that change are drawn on until they are made anew.
    """

    def __init__(self, node: Any, volume_node: Any) -> None:
        self.node = node
        self.volume = volume_node
        self.keeps_surfaces = False

    @property
    def whole(self) -> MaskedBox:
        """All voxels of the volume."""
        return MaskedBox((0, 0, 0), np.broadcast_to(True, size_kji(self.volume)))

    @property
    def ids(self) -> list[str]:
        """Ids of all segments."""
        return list(self.node.GetSegmentation().GetSegmentIDs())

    def read(self, box: MaskedBox) -> dict[str, np.ndarray]:
        """Which voxels each segment has, by id, flat."""
        members = {}
        for labelmap, ids in self.layers():
            values = self.values(labelmap, box)
            members.update({identifier: values == self._value(identifier) for identifier in ids})
        return members

    def values(self, labelmap: Any, box: MaskedBox) -> np.ndarray:
        """What a labelmap has in the voxels of a box, flat; 0 where it does not reach, or is None."""
        return np.asarray(self.in_box(labelmap, box).ravel()[box.at])

    def in_box(self, labelmap: Any, box: MaskedBox) -> np.ndarray:
        """What a labelmap has in all of a box, (k, j, i), whatever its mask; 0 where it does not reach, or is None."""
        common = self._common(box, labelmap)
        values = np.zeros(box.mask.shape, np.uint16 if common is None else voxels_of(labelmap).dtype)
        if common is not None:
            values[common[0]] = voxels_of(labelmap)[common[1]]
        return values

    def read_labels(self, box: MaskedBox, labels: Sequence[Label]) -> np.ndarray:
        """Label values by the segments of the result, uint16, flat; 0 where none of them is."""
        members = self.read(box)
        values = np.zeros(box.at.size, np.uint16)
        for label in labels:
            if segment_id(label) in members:
                values[members[segment_id(label)]] = label.value
        return values

    def write(self, box: MaskedBox, members: Members) -> list[str]:
        """Give segments the voxels of a mask, and notify observers; returns the ids of those that have changed.

        A segment without an entry keeps its voxels, but loses what another one of its layer gets.
        """
        changed: list[str] = []
        for labelmap, ids in self.layers():
            changed += self._write_layer(labelmap, ids, box, members)
        if changed:
            self.notify(changed)
        return changed

    def write_whole(self, identifier: str, mask: np.ndarray) -> None:
        """Give a segment some voxels (k, j, i) of the whole volume, as 1 in an image that no other segment has.

        Its image is written over where it can be: another one would be drawn in slices over what lay over it.
        """
        self.require_grid()
        segment = self._segment(identifier)
        labelmap, ids = next(layer for layer in self.layers() if identifier in layer[1])
        if len(ids) > 1 or self._value(identifier) != 1 or not self._is_whole(labelmap):
            labelmap = self._empty_image(VTK_UNSIGNED_CHAR)
            segment.SetLabelValue(1)
            segment.AddRepresentation(BINARY_LABELMAP, labelmap)
        voxels_of(labelmap)[:] = mask
        labelmap.GetPointData().GetScalars().Modified()
        self.notify([identifier])

    def notify(self, changed: Sequence[str]) -> None:
        """Say that the voxels of segments have changed; their surfaces, which are of those before, go, or will."""
        for identifier in changed:
            (outdate_surface if self.keeps_surfaces else drop_surface)(self.node, identifier)
        segmentation = self.node.GetSegmentation()
        # Slicer does so on its own when an image is changed in place, but then drops the surfaces of all segments.
        segmentation.InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)
        # So that closing the scene asks to save it.
        self.node.StorableModified()

    def layers(self) -> list[tuple[Any, list[str]]]:
        """Each labelmap with the ids of the segments in it; (None, [id]) for a segment that has none."""
        layers: dict[Any, tuple[Any, list[str]]] = {}
        for identifier in self.ids:
            labelmap = self._segment(identifier).GetRepresentation(BINARY_LABELMAP)
            key = identifier if labelmap is None else id(labelmap)
            layers.setdefault(key, (labelmap, []))[1].append(identifier)
        return list(layers.values())

    def paint(self, values: Mapping[str, int], dtype: Any) -> np.ndarray:
        """All voxels of the volume, (k, j, i), with a value by id where a segment is, else 0; a later segment wins."""
        painted = np.zeros(size_kji(self.volume), dtype)
        for labelmap, ids in self.layers():
            shown = [identifier for identifier in ids if identifier in values]
            common = self._common(self.whole, labelmap) if shown else None
            if common is not None:
                target, voxels = painted[common[0]], voxels_of(labelmap)[common[1]]
                for identifier in shown:
                    target[voxels == self._value(identifier)] = values[identifier]
        return painted

    def changed(self, pairs: Iterable[tuple[Any, Any]]) -> MaskedBox:
        """The voxels of the volume in which some labelmaps, each of a pair, differ; all, where one has another grid."""
        changed = np.zeros(size_kji(self.volume), bool)
        for now, before in pairs:
            common = self._common(self.whole, now)
            if common is None or common != self._common(self.whole, before):
                changed[:] = True
            else:
                changed[common[0]] |= voxels_of(now)[common[1]] != voxels_of(before)[common[1]]
        return MaskedBox.tight(changed)

    def segment_of(self, box: MaskedBox, name: str, color: Sequence[float]) -> Any:
        """The voxels of a mask as a vtkSegment of its own; its labelmap is their box, 1 inside and 0 outside."""
        first_ijk, size_ijk = box.first_kji[::-1], box.mask.shape[::-1]
        image = slicer.vtkOrientedImageData()
        image.SetExtent(
            *(end for first, size in zip(first_ijk, size_ijk, strict=False) for end in (first, first + size - 1))
        )
        image.SetImageToWorldMatrix(ijk_to_ras(self.volume))
        image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(box.mask).view(np.uint8).ravel(), deep=True))
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.SetColor(*color)
        segment.SetLabelValue(1)
        segment.AddRepresentation(BINARY_LABELMAP, image)
        return segment

    def _write_layer(self, labelmap: Any, ids: Sequence[str], box: MaskedBox, members: Members) -> list[str]:
        to_write = [identifier for identifier in ids if identifier in members]
        if not to_write:
            return []
        before = self.values(labelmap, box)
        after = before.copy()
        for identifier in to_write:
            after[before == self._value(identifier)] = 0
        for identifier in to_write:
            after[members[identifier]] = self._value(identifier)
        is_other = before != after
        if not is_other.any():
            return []
        others = np.unique([before[is_other], after[is_other]])
        image, inside = self._covering(labelmap, box)
        voxels_of(image)[inside][box.mask] = after
        # The voxels alone: were the image marked as modified, Slicer would drop the surfaces of all segments; and were
        # it another image, slice views would draw its segments anew, over those that lay over them.
        image.GetPointData().GetScalars().Modified()
        if image is not labelmap:
            for identifier in ids:
                self._segment(identifier).AddRepresentation(BINARY_LABELMAP, image)
        return [identifier for identifier in ids if self._value(identifier) in others]

    def _covering(self, labelmap: Any, box: MaskedBox) -> tuple[Any, tuple[slice, ...]]:
        """An image with the voxels of a labelmap that covers a box, itself if it can be; where the box is in it."""
        common = self._common(box, labelmap)
        if common is not None and box.mask[common[0]].shape == box.mask.shape:
            return labelmap, common[1]
        whole = self._common(self.whole, labelmap)
        is_small = max(map(self._value, self.ids)) < 256
        kind = VTK_UNSIGNED_CHAR if is_small else VTK_UNSIGNED_SHORT
        image = self._empty_image(kind if whole is None else labelmap.GetScalarType())
        if whole is not None:
            voxels_of(image)[whole[0]] = voxels_of(labelmap)[whole[1]]
        return image, box.slices

    def _is_whole(self, labelmap: Any) -> bool:
        """Whether a labelmap has all voxels of the volume, and no others."""
        try:
            common = self._common(self.whole, labelmap)
        except DataError:
            return False
        sizes = (voxels_of(labelmap).shape, voxels_of(labelmap)[common[1]].shape) if common is not None else ()
        return set(sizes) == {size_kji(self.volume)}

    def _empty_image(self, kind: int) -> Any:
        image = slicer.vtkOrientedImageData()
        image.SetExtent(*(bound for size in reversed(size_kji(self.volume)) for bound in (0, size - 1)))
        image.SetImageToWorldMatrix(ijk_to_ras(self.volume))
        image.AllocateScalars(kind, 1)
        voxels_of(image)[:] = 0
        return image

    def _common(self, box: MaskedBox, labelmap: Any) -> Optional[tuple[tuple[slice, ...], tuple[slice, ...]]]:
        """What a box and a labelmap have in common, in the box and in the labelmap's array; None: it has no voxels."""
        # A segment without any voxel may have lost its image when it was saved.
        if labelmap is None or not labelmap.GetNumberOfPoints() or labelmap.GetPointData().GetScalars() is None:
            return None
        in_box, in_labelmap = [], []
        lengths = voxels_of(labelmap).shape
        for first, size, shift, length in zip(
            box.first_kji, box.mask.shape, self._offset(labelmap), lengths, strict=True
        ):
            begin = max(0, -(first + shift))
            end = max(begin, min(size, length - (first + shift)))
            in_box.append(slice(begin, end))
            in_labelmap.append(slice(begin + first + shift, end + first + shift))
        return tuple(in_box), tuple(in_labelmap)

    def require_grid(self) -> None:
        """Raise DataError where the volume has another grid now: its indices mean other places."""
        if not has_remembered_grid(self.node, self.volume):
            raise DataError(self._other_grid)

    @property
    def _other_grid(self) -> str:
        return (
            f"the segments of '{self.node.GetName()}' have a different grid than '{self.volume.GetName()}'; load "
            "the result again, regions can be reviewed on the volume's own grid only."
        )

    def _offset(self, labelmap: Any) -> tuple[int, int, int]:
        """What to add to a voxel (k, j, i) of the volume to have its place in the labelmap's array."""
        self.require_grid()
        of_labelmap = vtkMatrix4x4()
        labelmap.GetImageToWorldMatrix(of_labelmap)
        of_labelmap.Invert()
        between = vtkMatrix4x4()
        vtkMatrix4x4.Multiply4x4(of_labelmap, ijk_to_ras(self.volume), between)
        matrix = elements(between)[:3]
        shift = np.rint(matrix[:, 3])
        size_ijk = np.array(size_kji(self.volume)[::-1], float)
        off = np.abs(matrix[:, :3] - np.eye(3)) @ size_ijk + np.abs(matrix[:, 3] - shift)
        if off.max() > _GRID_TOLERANCE_VOXELS:
            raise DataError(self._other_grid)
        extent = labelmap.GetExtent()
        return tuple(int(shift[axis]) - extent[2 * axis] for axis in (2, 1, 0))

    def _segment(self, identifier: str) -> Any:
        return self.node.GetSegmentation().GetSegment(identifier)

    def _value(self, identifier: str) -> int:
        return int(self._segment(identifier).GetLabelValue())


def world_to_ijk(volume_node: Any) -> np.ndarray:
    """(4, 4), without transforms above the volume: the segmentation lies below the same ones."""
    matrix = vtkMatrix4x4()
    volume_node.GetRASToIJKMatrix(matrix)
    return elements(matrix)
