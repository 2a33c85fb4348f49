"""What is wrong with the images of a case of several channels."""

from __future__ import annotations

import numpy as np
import pytest
from scene_builders import (
    SHAPE_KJI,
    add_volume,
    rotated_ijk_to_ras,
)

from CoraNetSlicerLib.data.case_checks import CaseChecks
from CoraNetSlicerLib.data.case_facts import KnownFiles, NodeFacts
from CoraNetSlicerLib.data.case_rows import CaseRole, CaseRow, Severity


class TestChannels:
    def of(self, context, images, names=("T1", "FLAIR")):
        row = CaseRow("1", CaseRole.UNLABELED, images[0], more=tuple(images[1:]))
        return [
            (finding.severity, finding.short, finding.text)
            for finding in CaseChecks(NodeFacts(), KnownFiles(), names).findings(row, (), {})
        ]

    @pytest.fixture
    def a_scan(self, context):
        def add(name, size=SHAPE_KJI, matrix=None):
            array = np.random.default_rng(len(name)).normal(100, 20, size).astype(np.int16)
            return add_volume(context, name, array, rotated_ijk_to_ras() if matrix is None else matrix)

        return add

    def test_images_that_fit_are_worth_no_word(self, context, a_scan):
        assert self.of(context, [a_scan("T1"), a_scan("FLAIR")]) == []
        assert self.of(context, [a_scan("T1")], ()) == []

    def test_a_missing_image_is_an_error(self, context, a_scan):
        ((severity, short, text),) = self.of(context, [a_scan("P"), None])
        assert severity is Severity.ERROR and short == "no FLAIR" and text.startswith("'P' has no FLAIR. Choose")

    def test_names_that_say_the_other_channel_are_told(self, context, a_scan):
        ((severity, short, text),) = self.of(context, [a_scan("P FLAIR"), a_scan("P T1")])
        assert severity is Severity.WARNING and short == "channels swapped?" and "as its T1, but the name" in text

    def test_another_grid_is_told_since_it_is_resampled(self, context, a_scan):
        small = a_scan("FLAIR", tuple(size // 2 for size in SHAPE_KJI))
        ((severity, short, text),) = self.of(context, [a_scan("T1"), small])
        assert severity is Severity.WARNING and short == "resampled" and "It is resampled to 'T1'" in text

    def test_an_image_of_another_place_is_an_error(self, context, a_scan):
        far = rotated_ijk_to_ras()
        far[:3, 3] += 900
        ((severity, short, text),) = self.of(context, [a_scan("T1"), a_scan("FLAIR", matrix=far)])
        assert severity is Severity.ERROR and short == "no overlap" and "'FLAIR' does not overlap 'T1'" in text

    def test_different_transforms_are_an_error(self, context, a_scan):
        first, second = a_scan("T1"), a_scan("FLAIR")
        transform = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        second.SetAndObserveTransformNodeID(transform.GetID())
        assert self.of(context, [first, second])[0][:2] == (Severity.ERROR, "different transforms")
        first.SetAndObserveTransformNodeID(transform.GetID())
        assert self.of(context, [first, second]) == []

    def test_what_cannot_be_used_is_an_error(self, context, a_scan):
        empty = context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "FLAIR")
        assert self.of(context, [a_scan("T1"), empty])[0][:2] == (Severity.ERROR, "not usable")
