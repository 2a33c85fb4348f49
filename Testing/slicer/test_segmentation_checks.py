"""What is wrong with the segmentations of cases: names, geometry, content."""

from __future__ import annotations

import numpy as np
import pytest
from checked_cases import SEGMENTS, found, grid, node, presenter_of_good_cases, text, truth
from scene_builders import (
    LIVER_MASK,
    LIVER_TERMINOLOGY,
    SHAPE_KJI,
    TUMOR_MASK,
    add_segmentation,
    add_volume,
    vtk_matrix,
)
from vtkmodules.util.numpy_support import vtk_to_numpy

from CoraNetSlicerLib.data.case_facts import NodeFacts
from CoraNetSlicerLib.data.case_rows import CaseRole


@pytest.fixture
def cases(context):
    """Four labeled cases and three unlabeled ones of one kind."""
    yield from presenter_of_good_cases(context)


class TestSegmentations:
    def test_no_segmentation(self, cases):
        cases.set_role("5", CaseRole.LABELED)
        assert found(cases) == [("U0", "error", "no segmentation")]
        assert cases.rows[4].findings == cases.report.findings

    def test_no_segment(self, cases, context):
        cases.set_segmentation("5", add_segmentation(context, "bare", node(cases, "U0"), {}))
        assert ("U0", "error", "no segments") in found(cases)

    def test_the_case_with_another_name_is_told_not_all_others(self, cases):
        truth(cases, "L2").GetSegmentation().GetNthSegment(0).SetName("Leber")
        assert found(cases) == [("L2", "error", "segment names")]
        assert text(cases).startswith("'L2 truth' lacks 'Liver'. It has 'Leber', 'Tumor'. Give a structure")
        cases.set_learned("Leber", False)
        cases.set_learned("Liver", False)
        assert found(cases) == []

    @pytest.mark.parametrize("name", ["liver", " Liver", "LIVER "])
    def test_a_name_that_differs_in_its_writing_alone_is_the_same(self, cases, name):
        truth(cases, "L2").GetSegmentation().GetNthSegment(0).SetName(name)
        assert found(cases) == []

    def test_a_segment_that_hardly_any_case_has(self, cases):
        truth(cases, "L2").GetSegmentation().AddEmptySegment("vessel", "Vessel")
        errors = [finding for finding in found(cases) if finding[1] == "error"]
        assert errors == [("L2", "error", "segment names")]
        assert "'L2 truth' has the segment 'Vessel', which most of the 4 cases do not" in cases.reason_not_trainable
        cases.set_learned("Vessel", False)
        assert found(cases) == []

    def test_a_segment_that_half_of_the_cases_have_is_missing_in_the_others(self, cases):
        for name in ("L0", "L1"):
            segmentation = truth(cases, name).GetSegmentation()
            segmentation.RemoveSegment(segmentation.GetNthSegmentID(1))
        assert found(cases) == [("L0", "error", "segment names"), ("L1", "error", "segment names")]

    def test_a_name_twice(self, cases):
        truth(cases, "L2").GetSegmentation().GetNthSegment(1).SetName("Liver")
        assert ("L2", "error", "name twice") in found(cases)

    def test_meanings_that_differ(self, cases):
        for name, terminology in (
            ("L0", LIVER_TERMINOLOGY),
            ("L1", LIVER_TERMINOLOGY.replace("10200004^Liver", "64033007^Kidney")),
        ):
            truth(cases, name).GetSegmentation().GetNthSegment(0).SetTerminology(terminology)
        assert found(cases) == [("", "error", "terminology")]
        assert "another terminology in 'L1 truth'" in text(cases)

    def test_an_empty_label(self, cases):
        for index in range(2):
            labelmap = truth(cases, "L1").GetSegmentation().GetNthSegment(index).GetRepresentation("Binary labelmap")
            vtk_to_numpy(labelmap.GetPointData().GetScalars())[:] = 0
            labelmap.Modified()
        assert found(cases) == [("L1", "warning", "empty")]
        assert text(cases) == (
            "'L1 truth' is empty. It teaches that there is nothing in 'L1'. If there is something, paint it, or "
            "make the case unlabeled."
        )
        assert cases.reason_not_trainable == ""
        cases.set_role("2", CaseRole.VALIDATION)
        assert text(cases).startswith("'L1 truth' is empty. Whatever is found in 'L1' counts as a Dice of 0.")

    @pytest.mark.parametrize("how", ["emptied", "never painted"])
    def test_nothing_but_empty_labels(self, cases, how):
        for number in range(4):
            segmentation = truth(cases, f"L{number}").GetSegmentation()
            for index in range(2):
                if how == "emptied":
                    labelmap = segmentation.GetNthSegment(index).GetRepresentation("Binary labelmap")
                    vtk_to_numpy(labelmap.GetPointData().GetScalars())[:] = 0
                    labelmap.Modified()
                else:
                    segmentation.RemoveSegment(segmentation.GetNthSegmentID(0))
                    segmentation.AddEmptySegment(f"new{index}", list(SEGMENTS)[index])
        assert ("", "error", "all empty") in found(cases)
        assert cases.reason_not_trainable.startswith("The segmentations of all labeled cases are empty")

    def test_a_segment_that_was_never_painted(self, cases):
        segmentation = truth(cases, "L1").GetSegmentation()
        segmentation.RemoveSegment(segmentation.GetNthSegmentID(1))
        segmentation.AddEmptySegment("new", "Tumor")
        assert found(cases) == [("L1", "warning", "partly empty")]
        assert "'Tumor' is empty in 'L1 truth'. It teaches that 'L1' has none of it." in text(cases)

    def test_one_voxel_is_not_empty(self, cases, context):
        volume = node(cases, "U0")
        for spot in (0, 4321, -1):
            mask = np.zeros(SHAPE_KJI, bool)
            mask.flat[spot] = True
            drawn = add_segmentation(context, "dot", volume, {"Liver": mask, "Tumor": TUMOR_MASK})
            assert NodeFacts().of_segmentation(drawn).empty == ()

    def test_segments_of_one_layer_are_told_apart(self, context, cases):
        drawn = add_segmentation(context, "layer", node(cases, "U0"), {"Liver": LIVER_MASK})
        segmentation = drawn.GetSegmentation()
        shared = segmentation.GetNthSegment(0).GetRepresentation("Binary labelmap")
        other = type(segmentation.GetNthSegment(0))()
        other.SetName("Tumor")
        other.SetLabelValue(2)
        other.AddRepresentation("Binary labelmap", shared)
        segmentation.AddSegment(other)
        assert NodeFacts().of_segmentation(drawn).empty == ("Tumor",)

    def test_surfaces_alone_are_not_empty(self, cases):
        segmentation = truth(cases, "L0").GetSegmentation()
        segmentation.CreateRepresentation("Closed surface", True)
        segmentation.SetSourceRepresentationName("Closed surface")
        segmentation.RemoveRepresentation("Binary labelmap")
        assert found(cases) == []

    def test_a_segmentation_that_lies_elsewhere(self, cases, context):
        far = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = np.eye(4)
        matrix[:3, 3] = (0, 0, 500)
        far.SetMatrixTransformToParent(vtk_matrix(matrix))
        truth(cases, "L3").SetAndObserveTransformNodeID(far.GetID())
        assert found(cases) == [("L3", "error", "no overlap")]
        assert text(cases) == "'L3 truth' does not overlap 'L3'. Choose the segmentation that was drawn on it."
        node(cases, "L3").SetAndObserveTransformNodeID(far.GetID())
        assert found(cases) == []

    def test_a_segmentation_drawn_on_coarser_voxels(self, cases, context):
        coarse = add_volume(context, "coarse", np.zeros((7, 10, 13), np.uint8), grid(2.0))
        mask = np.ones((7, 10, 13), bool)
        cases.set_segmentation("1", add_segmentation(context, "rough", coarse, {"Liver": mask, "Tumor": mask}))
        # The tumor is as large as the liver there, too.
        assert found(cases) == [("L0", "warning", "different geometry"), ("L0", "warning", "unusual size")]
        assert "drawn on voxels of 1.8 x 2.6 x 4.8 mm, 'L0' has 0.9 x 1.3 x 2.4 mm" in cases.report.findings_text
