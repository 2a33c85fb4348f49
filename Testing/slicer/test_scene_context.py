"""SceneContext.standalone wires a scene that behaves like the application's."""

from __future__ import annotations

import numpy as np
from scene_builders import LIVER_TERMINOLOGY, SHAPE_KJI, array_of, numpy_matrix, rotated_ijk_to_ras


def test_a_standalone_scene_has_colour_tables_and_a_subject_hierarchy(context):
    assert context.scene.GetFirstNodeByName("Grey") is not None
    assert context.subject_hierarchy.GetScene() is context.scene


def test_two_standalone_scenes_do_not_share_nodes(context, a_volume_node):
    other = type(context).standalone()
    assert other.scene.GetFirstNodeByName(a_volume_node.GetName()) is None


def test_the_fixture_volume_is_rotated_anisotropic_and_not_cubic(a_volume_node):
    assert array_of(a_volume_node).shape == SHAPE_KJI
    np.testing.assert_allclose(numpy_matrix(a_volume_node), rotated_ijk_to_ras())
    assert np.linalg.det(rotated_ijk_to_ras()[:3, :3]) < 0


def test_making_a_hierarchy_item_twice_gives_the_same_item(context, a_volume_node):
    hierarchy = context.subject_hierarchy
    first = hierarchy.CreateItem(hierarchy.GetSceneItemID(), a_volume_node)
    assert hierarchy.CreateItem(hierarchy.GetSceneItemID(), a_volume_node) == first
    assert hierarchy.GetItemDataNode(first) is a_volume_node


def test_the_fixture_segmentation_keeps_its_terminology(a_segmentation_node):
    segment = a_segmentation_node.GetSegmentation().GetNthSegment(0)
    assert segment.GetName() == "Liver"
    assert segment.GetTerminology() == LIVER_TERMINOLOGY
