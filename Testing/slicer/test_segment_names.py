"""Segments of the scene are matched by name as the engine does it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import LIVER_MASK, TUMOR_MASK

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.case_images import LabelFile
from CoraNetSlicerLib.core.segment_classes import classes_of, paint_labels
from CoraNetSlicerLib.core.stepwise import run_to_end
from CoraNetSlicerLib.data.case_report import name_differences
from CoraNetSlicerLib.data.case_rows import CaseRole, CaseRow

SAME = [
    ("Liver", "Tumor"), ("liver", "TUMOR"), (" Liver ", "Tumor"), ("Liver", "tumor\t"), ("LIVER", "Tumor "),
]  # fmt: skip


@pytest.mark.parametrize(("liver", "tumor"), SAME)
def test_capitals_and_white_space_do_not_make_another_segment(context, a_labeled_case, make_labeled_case, liver, tumor):
    volume, other = make_labeled_case("Patient 2", {tumor: TUMOR_MASK, liver: LIVER_MASK})
    labels = classes_of([a_labeled_case[1], other])
    assert [label.name for label in labels] == ["Liver", "Tumor"]
    np.testing.assert_array_equal(
        run_to_end(paint_labels(context, other, volume, labels)), LIVER_MASK * 1 + TUMOR_MASK * 2
    )
    rows = [CaseRow("1", CaseRole.LABELED, a_labeled_case[0], a_labeled_case[1])]
    rows.append(CaseRow("2", CaseRole.LABELED, volume, other))
    assert list(name_differences(rows, ["Liver", "Tumor"])) == []


@pytest.mark.parametrize("liver", ["M\u00fcller", "mu\u0308ller", "MU\u0308LLER"])
def test_the_form_of_an_accent_does_not_count(context, make_labeled_case, liver):
    _, first = make_labeled_case("Patient 1", {"M\u00fcller": LIVER_MASK})
    volume, other = make_labeled_case("Patient 2", {liver: LIVER_MASK})
    labels = classes_of([first, other])
    np.testing.assert_array_equal(run_to_end(paint_labels(context, other, volume, labels)), LIVER_MASK * 1)


@pytest.mark.parametrize("liver", ["Livers", "Liver_", "Leber", "Liver 2", "L iver"])
def test_another_name_is_another_segment(a_labeled_case, make_labeled_case, liver):
    _, other = make_labeled_case("Patient 2", {liver: LIVER_MASK, "Tumor": TUMOR_MASK})
    with pytest.raises(DataError, match="'Patient 2 truth' lacks the segment 'Liver'"):
        classes_of([a_labeled_case[1], other])


def test_a_name_that_can_be_two_segments_is_refused(a_labeled_case, make_labeled_case):
    _, other = make_labeled_case("Patient 2", {"liver": LIVER_MASK, "LIVER": TUMOR_MASK, "Tumor": TUMOR_MASK})
    with pytest.raises(DataError, match="'Liver' can be 'liver' or 'LIVER'"):
        classes_of([a_labeled_case[1], other])


def label_file(path, voxels, segments, names):
    image = sitk.GetImageFromArray(voxels)
    for index, (value, name) in enumerate(segments):
        image.SetMetaData(f"Segment{index}_Name", name)
        image.SetMetaData(f"Segment{index}_LabelValue", str(value))
    sitk.WriteImage(image, str(path))
    return LabelFile(str(path), names)


VOXELS = np.random.default_rng(0).integers(0, 3, (3, 4, 5)).astype(np.uint8)
DECLARED, EXCHANGED = {1: "organ", 2: "lesion"}, {1: "lesion", 2: "organ"}
IN_FILES = {
    "as declared": ([(1, "organ"), (2, "lesion")], DECLARED),
    "exchanged": ([(1, "lesion"), (2, "organ")], EXCHANGED),
    "other writing": ([(1, " Lesion"), (2, "ORGAN")], EXCHANGED),
    "no names": ([], DECLARED),
    "names that say nothing": ([(1, "Segment_1"), (2, "Segment_2")], DECLARED),
}


@pytest.mark.parametrize(("segments", "expected"), IN_FILES.values(), ids=IN_FILES)
def test_a_label_file_is_read_by_the_names_in_it(tmp_path, segments, expected):
    assert label_file(tmp_path / "l.seg.nrrd", VOXELS, segments, DECLARED).names_in_file() == expected


CONTRADICTIONS = ([(1, "aorta"), (2, "lesion")], [(2, "aorta")], [(1, "organ"), (2, "organ")])


@pytest.mark.parametrize("segments", CONTRADICTIONS, ids=str)
def test_a_label_file_whose_names_contradict_the_list_is_refused(tmp_path, segments):
    file = label_file(tmp_path / "l.seg.nrrd", VOXELS, segments, DECLARED)
    with pytest.raises(DataError, match=r"l\.seg\.nrrd'"):
        file.names_in_file()
