"""Which nodes of the scene can be cases, which segmentation belongs to which volume, and when that changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable
from typing import Any, Optional

import numpy as np
from vtkmodules.util.misc import calldata_type
from vtkmodules.util.vtkConstants import VTK_OBJECT
from vtkmodules.vtkCommonCore import vtkIdList
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.contract.errors import DataError
from coranet.contract.name_pairs import pair_names

from .case_images import require_usable_volume
from .context import SceneContext
from .images import elements, has_remembered_grid, remembered_placement
from .notification import Observation
from .results import CASE_ATTRIBUTE, HIDDEN_ATTRIBUTE, copies, nodes_of_class
from .segment_classes import first_labelmap

_OWN_PREFIX = "CoraNetSlicer."
# Marks of what a person has loaded or drawn: a volume that was segmented, a segmentation that gives way to a result.
_OF_A_PERSON = {CASE_ATTRIBUTE, HIDDEN_ATTRIBUTE}
# Rounding of matrices in files; more is another grid.
_OFF_VOXELS = 0.05
# A segmentation may have a margin of background; in a region of the volume that was cropped later, more.
_BEYOND_VOXELS = 2.0


def image_volumes(scene: Any) -> list[Any]:
    """The volumes that can be cases: no label maps, no results of ours, nothing hidden, nothing without voxels."""
    return [node for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode") if _is_offered(node) and _is_usable(node)]


def segmentations(scene: Any) -> list[Any]:
    """The segmentations that can be labels: no results of ours but for a person's copies, nothing hidden."""
    of_a_person = copies(scene)
    nodes = nodes_of_class(scene, "vtkMRMLSegmentationNode")
    return [node for node in nodes if (node in of_a_person and not node.GetHideFromEditors()) or _is_offered(node)]


def nodes_of_items(context: SceneContext, items: Iterable[int]) -> list[Any]:
    """The nodes of items of the subject hierarchy, and of all items below them."""
    hierarchy = context.subject_hierarchy
    nodes = []
    for item in items:
        below = vtkIdList()
        hierarchy.GetItemChildren(item, below, True)
        family = [item, *(below.GetId(index) for index in range(below.GetNumberOfIds()))]
        nodes += [hierarchy.GetItemDataNode(member) for member in family]
    return [node for node in nodes if node is not None]


def is_in_scene(scene: Any, node: Any) -> bool:
    """Whether a node is still in the scene."""
    return node.GetID() is not None and scene.GetNodeByID(node.GetID()) is node


class NodeWatch:
    """Signals that a node that is followed changed, or that a volume or segmentation came or went, until `close`.

    Of a scene that is loaded or closed it says nothing; the panel restores what is shown then.
    """

    def __init__(self, scene: Any, on_change: Callable[[], None]) -> None:
        self._scene = scene
        self._on_change = on_change
        self._followed: list[Any] = []
        self._nodes = Observation()
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent)
        self._tags = [scene.AddObserver(event, self._node_came_or_went) for event in events]

    def follow(self, nodes: Iterable[Any]) -> None:
        """Listen to these nodes, and no longer to others."""
        followed = list(nodes)
        if followed == self._followed:
            return
        self._followed = followed
        self._nodes.end()
        for node in dict.fromkeys(followed):
            self._nodes.of_content(node, self._on_change)

    def close(self) -> None:
        """Listen no longer; closing twice is no error."""
        self.follow([])
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags.clear()

    @calldata_type(VTK_OBJECT)
    def _node_came_or_went(self, scene: Any, event: str, node: Any) -> None:
        # While a scene is loaded or closed there would be hundreds.
        if scene.IsClosing() or scene.IsImporting():
            return
        is_image = node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLSegmentationNode")
        # What is hidden is offered nowhere: a review draws and removes such nodes all the time.
        if is_image and (not node.GetHideFromEditors() or node in self._followed):
            self._on_change()


def _is_offered(node: Any) -> bool:
    marks = [name for name in node.GetAttributeNames() if name.startswith(_OWN_PREFIX) and name not in _OF_A_PERSON]
    return not marks and not node.GetHideFromEditors()


def _is_usable(volume: Any) -> bool:
    try:
        require_usable_volume(volume)
    except DataError:
        return False
    return True


def pair_with_segmentations(
    volumes: Iterable[Any], candidates: Iterable[Any], labeled: Collection[Any] = ()
) -> dict[str, Any]:
    """Find the segmentation of each volume: by reference, by name, and by grid.

    A segmentation belongs to the volume that it was drawn on. Where none of the volumes is remembered, it belongs to
    the one that its name names, or to the one on whose grid it lies; of several volumes on one grid, names decide. A
    name that names a volume on another grid counts all the same, so that the checks can show the contradiction.
    Segmentations without a segment are left out; `labeled` volumes have a segmentation already, and get no other.

    Returns:
        Volume's ID -> segmentation node, for those that have one; no segmentation occurs twice.
    """
    pairing = _Pairing(volumes, [node for node in candidates if node.GetSegmentation().GetNumberOfSegments() > 0])
    pairing.by_reference(labeled)
    pairing.by_name()
    pairing.by_grid()
    return pairing.found


class _Pairing:
    """What is paired already, and what is left."""

    def __init__(self, volumes: Iterable[Any], segmentations: Iterable[Any]) -> None:
        self._volumes = list(volumes)
        self._segmentations = list(segmentations)
        self.found: dict[str, Any] = {}

    def by_reference(self, labeled: Collection[Any]) -> None:
        unpaired = []
        for segmentation in self._segmentations:
            reference = drawn_on(segmentation)
            if reference is None or reference not in self._volumes:
                unpaired.append(segmentation)
            elif reference not in labeled:
                # Of several that were drawn on one volume, the first; the others are no other volume's.
                self.found.setdefault(reference.GetID(), segmentation)
        self._segmentations = unpaired
        self._volumes = [node for node in self._volumes if node.GetID() not in self.found and node not in labeled]

    def by_name(self) -> None:
        self._take_named(self._volumes, self._segmentations)

    def by_grid(self) -> None:
        on_grid = [
            (segmentation, [volume for volume in self._volumes if shares_grid(segmentation, volume)])
            for segmentation in self._segmentations
        ]
        for segmentation, volumes in on_grid:
            # Names that say nothing among all volumes may do so among those of one grid.
            same = [other for other, others in on_grid if others == volumes and other in self._segmentations]
            if segmentation in same:
                self._take_named([volume for volume in volumes if volume in self._volumes], same)
        for segmentation, volumes in on_grid:
            if len(volumes) == 1 and volumes[0] in self._volumes and segmentation in self._segmentations:
                self._take(volumes[0], segmentation)

    def _take_named(self, volumes: list[Any], segmentations: list[Any]) -> None:
        names = [[str(node.GetName() or "") for node in nodes] for nodes in (volumes, segmentations)]
        for label, image in pair_names(*names).items():
            self._take(volumes[image], segmentations[label])

    def _take(self, volume: Any, segmentation: Any) -> None:
        self.found[volume.GetID()] = segmentation
        self._volumes = [node for node in self._volumes if node is not volume]
        self._segmentations = [node for node in self._segmentations if node is not segmentation]


def lie_apart(segmentation: Any, volume: Any) -> bool:
    """Whether a segmentation with voxels has none near the volume, in the world."""
    first, second = _bounds_mm(segmentation), _bounds_mm(volume)
    if not first or not second:
        return False
    pairs = [(2 * axis, 2 * axis + 1) for axis in range(3)]
    return any(first[high] < second[low] or second[high] < first[low] for low, high in pairs)


def drawn_on(segmentation: Any) -> Optional[Any]:
    """The volume node on which a segmentation was drawn, as far as it remembers; None: it does not."""
    return segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())


def is_off_grid(segmentation: Any, volume: Any) -> bool:
    """Whether the voxels of a segmentation are not some of those of a volume; both lie under the same transform.

    Not so where the volume has none, as in a scene whose files are gone.
    """
    labelmap = first_labelmap(segmentation)
    if labelmap is None or volume.GetImageData() is None:
        return False
    if segmentation.GetTransformNodeID() != volume.GetTransformNodeID():
        return False
    return not _lies_on(labelmap, volume)


def shares_grid(segmentation: Any, volume: Any) -> bool:
    """Whether a segmentation has the grid of a volume: size, spacing, origin and direction.

    Where it does not remember the size of its grid, its voxels must be some of those of the volume.
    """
    if volume.GetImageData() is None or segmentation.GetTransformNodeID() != volume.GetTransformNodeID():
        return False
    if remembered_placement(segmentation) is not None:
        return has_remembered_grid(segmentation, volume)
    labelmap = first_labelmap(segmentation)
    return labelmap is not None and _lies_on(labelmap, volume)


def _lies_on(image: Any, volume: Any) -> bool:
    """Whether the voxels of a vtkOrientedImageData are some of those of a volume, in the world without transforms."""
    to_world, to_voxels, between = vtkMatrix4x4(), vtkMatrix4x4(), vtkMatrix4x4()
    image.GetImageToWorldMatrix(to_world)
    volume.GetRASToIJKMatrix(to_voxels)
    vtkMatrix4x4.Multiply4x4(to_voxels, to_world, between)
    matrix = elements(between)[:3]
    corners = np.array(list(itertools.product(*np.reshape(image.GetExtent(), (3, 2)))), dtype=float)
    places = corners @ matrix[:, :3].T + matrix[:, 3]
    # On the volume's own voxels all corners are moved by the same whole number of voxels.
    moved = places - corners
    beyond = np.maximum(-places, places - (np.array(volume.GetImageData().GetDimensions()) - 1)).max()
    return bool(np.abs(moved - np.rint(moved[0])).max() <= _OFF_VOXELS and beyond <= _BEYOND_VOXELS)


def _bounds_mm(node: Any) -> tuple[float, ...]:
    """Lowest and highest coordinate of a node along each axis of the world; () if it has nothing."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return tuple(bounds) if bounds[0] <= bounds[1] else ()
