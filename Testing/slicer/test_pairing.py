"""Each segmentation finds its volume: by what it was drawn on, by name, and by grid."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scene_builders import add_segmentation, add_volume, box, rotated_ijk_to_ras

from CoraNetSlicerLib.core.case_nodes import pair_with_segmentations, shares_grid
from CoraNetSlicerLib.core.case_nodes import segmentations as offered_segmentations
from CoraNetSlicerLib.review.hiding import hide_other_segmentations

SIZES = {"a": (6, 8, 10), "b": (6, 8, 11), "c": (7, 8, 10)}


def grid(kind: str) -> np.ndarray:
    """Grids that share no voxel centres: each is moved by another part of a voxel."""
    moved = np.eye(4)
    moved[:3, 3] = 0.3 * "abc".index(kind)
    return rotated_ijk_to_ras() @ moved


@pytest.fixture
def scene(context):
    """Adds volumes and segmentations: `scene(volumes={name: grid}, segmentations={name: (grid, memory)})`.

    What a segmentation remembers: "volume" (its reference; the name of a volume is then its grid), "grid" (the grid
    alone, as a file has it), or "" (nothing but its voxels, as an imported label map).
    """

    def add(volumes, segmentations):
        nodes = [
            add_volume(context, name, np.zeros(SIZES[kind], np.int16), grid(kind)) for name, kind in volumes.items()
        ]
        return nodes, [draw(nodes, name, *how) for name, how in segmentations.items()]

    def draw(nodes, name, where, memory):
        volume = next((node for node in nodes if node.GetName() == where), None)
        if volume is None:
            volume = add_volume(context, "model", np.zeros(SIZES[where], np.int16), grid(where))
        mask = box(tuple(reversed(volume.GetImageData().GetDimensions())), slice(2, 4), slice(2, 5), slice(3, 6))
        node = add_segmentation(context, name, volume, {"Liver": mask})
        if memory != "volume":
            node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), None)
        if not memory:
            key = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
            node.GetSegmentation().SetConversionParameter(key, "")
        if volume not in nodes:
            context.scene.RemoveNode(volume)
        return node

    return add


def pairs(volumes, segmentations):
    names = {volume.GetID(): volume.GetName() for volume in volumes}
    pairs = pair_with_segmentations(volumes, segmentations)
    return {segmentation.GetName(): names[identifier] for identifier, segmentation in pairs.items()}


# Volumes with their grids, segmentations with theirs and what they remember, and the pairs.
CASES = {
    "by-reference": ({"A": "a", "B": "a"}, {"A truth": ("B", "volume")}, {"A truth": "B"}),
    "by-grid-of-a-file": ({"A": "a", "B": "b"}, {"x": ("b", "grid"), "y": ("a", "grid")}, {"x": "B", "y": "A"}),
    "by-voxels-of-a-label-map": ({"A": "a", "B": "b"}, {"x": ("b", ""), "y": ("a", "")}, {"x": "B", "y": "A"}),
    "size-alone-differs": ({"image1": "a", "image2": "a"}, {"label2": ("a", "grid")}, {"label2": "image2"}),
    "names-on-one-grid": (
        {"image001": "a", "image002": "a", "image003": "a"},
        {"label003": ("a", ""), "label001": ("a", "")},
        {"label001": "image001", "label003": "image003"},
    ),
    "names-among-those-of-one-grid": (
        {"CT 1": "a", "CT 2": "a", "CT 3": "b"}, {"x 2": ("a", "grid"), "x 1": ("a", "grid")},
        {"x 1": "CT 1", "x 2": "CT 2"},
    ),
    "nobody-knows": ({"T1": "a", "FLAIR": "a"}, {"Segmentation": ("a", "grid")}, {}),
    "no-grid-and-no-name": ({"A": "a", "B": "b"}, {"x": ("c", "grid")}, {}),
    "a-name-on-no-grid": ({"A": "a", "B": "b"}, {"A truth": ("c", "grid")}, {"A truth": "A"}),
    "a-name-against-a-grid": ({"A": "a", "B": "b"}, {"A truth": ("b", "grid")}, {"A truth": "A"}),
    "two-drawn-on-one": ({"A": "a", "B": "b"}, {"B": ("A", "volume"), "x": ("A", "volume")}, {"B": "A"}),
    "two-on-one-grid": ({"A": "a"}, {"x": ("a", "grid"), "y": ("a", "grid")}, {"x": "A"}),
    "default-names": (
        {"MR_1": "a", "MR_2": "b"}, {"Segmentation": ("a", "grid"), "Segmentation_1": ("b", "grid")},
        {"Segmentation": "MR_1", "Segmentation_1": "MR_2"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("volumes", "segmentations", "expected"), CASES.values(), ids=CASES)
def test_a_segmentation_finds_its_volume(scene, volumes, segmentations, expected):
    assert pairs(*scene(volumes, segmentations)) == expected


def test_a_segmentation_without_segments_belongs_to_nobody(scene, context):
    volumes, _ = scene({"A": "a"}, {})
    assert pairs(volumes, [add_segmentation(context, "A truth", volumes[0], {})]) == {}


def test_a_volume_that_has_one_gets_no_other(scene):
    (first, second), (other, named) = scene({"A": "a", "B": "a"}, {"x": ("a", "grid"), "A truth": ("A", "volume")})
    assert pair_with_segmentations([first, second], [other, named], labeled=[first]) == {second.GetID(): other}


def test_an_imported_label_map_finds_its_volume(scene, context):
    volumes, _ = scene({"A": "a", "B": "b"}, {})
    mask = box(SIZES["b"], slice(2, 4), slice(2, 5), slice(3, 6)).astype(np.uint8)
    labelmap = add_volume(context, "labels", mask, grid("b"), label=True)
    node = context.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "imported")
    context.segmentations_logic.ImportLabelmapToSegmentationNode(labelmap, node)
    assert pairs(volumes, [node]) == {"imported": "B"}


def test_a_transform_moves_a_grid_away(scene, context):
    (volume,), (drawn,) = scene({"A": "a"}, {"x": ("a", "grid")})
    assert shares_grid(drawn, volume)
    transform = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    assert not shares_grid(drawn, volume)
    drawn.SetAndObserveTransformNodeID(transform.GetID())
    assert shares_grid(drawn, volume)


def test_the_size_of_a_grid_counts_where_it_is_remembered(scene, context):
    _, (drawn,) = scene({}, {"x": ("a", "grid")})
    larger = add_volume(context, "larger", np.zeros((6, 8, 12), np.int16), grid("a"))
    assert not shares_grid(drawn, larger)


def test_a_segmentation_that_gave_way_to_a_result_is_offered_and_found(context, scene):
    volumes, segmentations = scene({"a": "a"}, {"a truth": ("a", "volume")})
    hide_other_segmentations(context)
    assert not segmentations[0].GetDisplayNode().GetVisibility()
    assert offered_segmentations(context.scene) == segmentations
    assert pairs(volumes, offered_segmentations(context.scene)) == {"a truth": "a"}
