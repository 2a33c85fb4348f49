"""Label maps are read by the names of their structures."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from coranet.contract import Case, Datalist, Label, Role
from coranet.contract.errors import DataError
from coranet.data.case_labels import read_case_labels, with_classes_of, with_same_classes

ORGAN_LESION = (Label(1, "organ"), Label(2, "lesion"))
VOXELS = np.random.default_rng(1).integers(0, 3, (3, 4, 5)).astype(np.uint16)


def written(path, voxels, segments=()):
    image = sitk.GetImageFromArray(voxels)
    for index, (value, name) in enumerate(segments):
        for key, text in (("Name", name), ("LabelValue", str(value)), ("Layer", "0")):
            image.SetMetaData(f"Segment{index}_{key}", text)
    sitk.WriteImage(image, str(path))
    return str(path)


def a_list(path, labels=ORGAN_LESION, role=Role.TRAINING):
    return Datalist((Case("a", role, "a.nrrd", path), Case("u", Role.UNLABELED, "u.nrrd")), labels)


def read(datalist):
    return read_case_labels(datalist.cases[0]).voxels


@pytest.mark.parametrize("values", [(1, 2), (2, 1), (7, 2), (300, 9), (65535, 65534)], ids=str)
def test_a_segmentation_of_slicer_teaches_what_its_names_say(tmp_path, values):
    voxels = np.choose(VOXELS, [0, *values]).astype(np.uint16)
    segments = [(values[0], "organ"), (values[1], "Lesion")]
    path = written(tmp_path / "a.seg.nrrd", voxels, segments)
    np.testing.assert_array_equal(read(a_list(path)), VOXELS)


def test_a_file_without_names_is_read_as_it_is(tmp_path):
    np.testing.assert_array_equal(read(a_list(written(tmp_path / "a.nrrd", VOXELS))), VOXELS)


def test_a_value_that_nobody_names_is_refused(tmp_path):
    voxels = VOXELS.copy()
    voxels[0, 0, 0] = 9
    path = written(tmp_path / "a.seg.nrrd", voxels, [(2, "organ"), (1, "lesion")])
    with pytest.raises(
        DataError, match=r"has the label value 9, which neither it nor the datalist names \(organ, lesion"
    ):
        read(a_list(path))


def test_a_structure_that_is_not_in_the_datalist_is_refused_where_it_occurs(tmp_path):
    segments = [(2, "organ"), (1, "lesion"), (9, "spleen")]
    np.testing.assert_array_equal(
        read(a_list(written(tmp_path / "a.seg.nrrd", VOXELS, segments))), np.choose(VOXELS, [0, 2, 1])
    )
    voxels = VOXELS.copy()
    voxels[0, 0, 0] = 9
    with pytest.raises(DataError, match="has the label value 9"):
        read(a_list(written(tmp_path / "b.seg.nrrd", voxels, segments)))


TEST_SETS = {
    "as the model": ({1: "organ", 2: "lesion"}, [0, 1, 2]),
    "other order": ({1: "lesion", 2: "organ"}, [0, 2, 1]),
    "other writing": ({1: "Organ ", 2: "LESION"}, [0, 1, 2]),
    "with a structure more": ({1: "organ", 2: "lesion", 3: "spleen"}, [0, 1, 2]),
    "with a structure more in between": ({1: "spleen", 2: "organ", 3: "lesion"}, [0, 0, 1]),
}


@pytest.mark.parametrize(("names", "expected"), TEST_SETS.values(), ids=TEST_SETS)
def test_a_test_set_is_measured_by_names(tmp_path, names, expected):
    path = written(tmp_path / "a.nrrd", VOXELS)
    listed = a_list(path, tuple(Label(value, name) for value, name in names.items()), Role.TEST)
    datalist = with_classes_of(listed, ORGAN_LESION, "the model 'm'")
    assert datalist.labels == ORGAN_LESION
    np.testing.assert_array_equal(read(datalist), np.choose(VOXELS, expected))
    again = Datalist.from_dict(datalist.to_dict())
    np.testing.assert_array_equal(read(again), np.choose(VOXELS, expected))
    is_reported = any("'spleen' of the datalist is unknown to the model" in text for text in datalist.left_out)
    assert is_reported == (len(names) > 2)


WITHOUT = {
    "other names": {1: "aorta", 2: "vein"},
    "one of two": {1: "organ"},
    "one misspelt": {1: "organ", 2: "lesoin"},
    "numbers": {1: "1", 2: "2"},
}  # fmt: skip


@pytest.mark.parametrize("names", WITHOUT.values(), ids=WITHOUT)
def test_a_test_set_that_lacks_a_class_is_refused_with_both_lists(tmp_path, names):
    listed = a_list("a.nrrd", tuple(Label(value, name) for value, name in names.items()), Role.TEST)
    with pytest.raises(DataError, match=r"the model 'm' has the labels 1 'organ', 2 'lesion', the datalist names 1 "):
        with_classes_of(listed, ORGAN_LESION, "the model 'm'")


def test_going_on_from_a_model_takes_its_values(tmp_path):
    path = written(tmp_path / "a.nrrd", np.choose(VOXELS, [0, 4, 1]).astype(np.uint8))
    datalist = with_same_classes(a_list(path, (Label(4, "Organ"), Label(1, "lesion"))), ORGAN_LESION)
    np.testing.assert_array_equal(read(datalist), VOXELS)
    assert datalist.cases[1].label_names == ()
    assert with_same_classes(a_list(path), (Label(1, "organ"),)) is None


def test_a_second_change_of_classes_keeps_the_first_description(tmp_path):
    path = written(tmp_path / "a.nrrd", np.choose(VOXELS, [0, 4, 1]).astype(np.uint8))
    first = with_same_classes(
        a_list(path, (Label(4, "organ"), Label(1, "lesion"))), (Label(7, "lesion"), Label(8, "organ"))
    )
    np.testing.assert_array_equal(read(with_same_classes(first, ORGAN_LESION)), VOXELS)
