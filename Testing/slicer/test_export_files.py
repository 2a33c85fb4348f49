"""A training learns from files beside nodes: they are used where they lie, and their values mean what names say."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import LIVER_MASK, SHAPE_KJI, TUMOR_MASK

from coranet.contract import Job, Label, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError
from coranet.data.cache import read_labeled_pair
from CoraNetSlicerLib.core.case_images import LabelFile
from CoraNetSlicerLib.core.export import TrainingExport, TrainingNodes, export_training_job

LABELS = LIVER_MASK * 2 + TUMOR_MASK * 5
NAMES = {2: "Liver", 5: "Tumor"}


@pytest.fixture
def write(awkward_path):
    """Writes an array (k, j, i) on an anisotropic grid with an origin; gives the path."""

    def image_file(name: str, array: np.ndarray) -> str:
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.9, 1.3, 2.4))
        image.SetOrigin((10.0, -20.0, 30.0))
        sitk.WriteImage(image, str(awkward_path / name))
        return str(awkward_path / name)

    return image_file


@pytest.fixture
def a_file_case(write):
    """Makes a labeled case on disk: `a_file_case("a")`."""

    def make(name: str, labels=LABELS, names=NAMES):
        voxels = np.random.default_rng(5).normal(100, 20, SHAPE_KJI).astype(np.int16)
        image, label = write(f"{name}.nii.gz", voxels), write(f"{name}-label.nii.gz", labels.astype(np.uint8))
        return image, LabelFile(label, names)

    return make


@pytest.fixture
def export(context, tmp_path):
    def run(labeled, **more):
        nodes = TrainingNodes(labeled, **more)
        return export_training_job(context, tmp_path / "job", nodes, TrainConfig.from_preset("quick"))

    return run


def written(job):
    return sorted(path.name for path in job.folder.rglob("*.nrrd"))


def test_files_are_used_where_they_lie(export, a_file_case, write):
    image, label = a_file_case("a")
    other = write("u.nrrd", np.zeros(SHAPE_KJI, np.int16))
    job = export([(image, label)], unlabeled=[other], validation=[a_file_case("v")])
    cases = job.read_datalist().cases
    assert [(case.id, case.role) for case in cases] == [
        ("a", Role.TRAINING), ("v", Role.VALIDATION), ("u", Role.UNLABELED)
    ]  # fmt: skip
    assert (cases[0].image, cases[0].label, cases[2].image) == (image, label.path, other)
    assert job.read_datalist().labels == (Label(2, "Liver"), Label(5, "Tumor"))
    assert written(job) == []
    read_labeled_pair(cases[0], [2, 5])


def test_segments_of_the_scene_get_the_values_of_the_files(export, a_file_case, a_labeled_case):
    job = export([a_labeled_case, a_file_case("a")])
    datalist = job.read_datalist()
    assert [(label.value, label.name) for label in datalist.labels] == [(2, "Liver"), (5, "Tumor")]
    assert datalist.labels[0].color == pytest.approx((0.875, 0.5, 0.25))
    for case in datalist.cases:
        _, labels = read_labeled_pair(case, [2, 5])
        np.testing.assert_array_equal(labels.voxels, LABELS)
    assert written(job) == ["Patient_1.nrrd", "Patient_1.nrrd"]


def test_a_label_file_with_more_than_is_learned_stays_where_it_is(export, a_file_case):
    image, label = a_file_case("a")
    job = export([(image, label)], segment_names=["Tumor"])
    datalist = job.read_datalist()
    assert [(label.value, label.name) for label in datalist.labels] == [(5, "Tumor")]
    _, labels = read_labeled_pair(datalist.cases[0], [5])  # on the image's grid, and with no other value
    np.testing.assert_array_equal(labels.voxels, TUMOR_MASK * 5)
    assert (datalist.cases[0].image, datalist.cases[0].label) == (image, label.path) and written(job) == []


def test_label_files_that_count_otherwise_are_brought_together(export, a_file_case):
    turned = a_file_case("b", LIVER_MASK * 1 + TUMOR_MASK * 2, {1: "Liver", 2: "Tumor"})
    job = export([a_file_case("a"), turned])
    for case in job.read_datalist().cases:
        np.testing.assert_array_equal(read_labeled_pair(case, [2, 5])[1].voxels, LABELS)
    assert written(job) == []


def test_values_above_a_byte_are_kept(context, tmp_path, write, a_labeled_case, a_file_case):
    label = LabelFile(
        write("wide.nrrd", (LIVER_MASK * 300 + TUMOR_MASK * 2).astype(np.uint16)), {300: "Liver", 2: "Tumor"}
    )
    nodes = TrainingNodes([a_labeled_case, (a_file_case("a")[0], label)])
    job = export_training_job(context, tmp_path / "job", nodes, TrainConfig.from_preset("quick"))
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(job.read_datalist().cases[0].label))
    np.testing.assert_array_equal(voxels, LIVER_MASK * 300 + TUMOR_MASK * 2)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda image, label: [(image, label.path)], "does not say what its values mean; give LabelFile"),
        (lambda image, label: [(image, None)], "'a' has no segmentation"),
        (lambda image, label: [(image + "x", label)], "does not exist; correct the path"),
        (lambda image, label: [(image, LabelFile(label.path + "x", NAMES))], "does not exist; correct the path"),
        (lambda image, label: [(image, label), (image, label)], "is given twice"),
    ],
)
def test_what_cannot_be_used_is_refused(export, a_file_case, tmp_path, change, sentence):
    with pytest.raises(DataError, match=sentence):
        export(change(*a_file_case("a")))
    assert not (tmp_path / "job").exists()


def test_a_value_without_a_name_is_refused_by_who_reads_the_file(export, a_file_case):
    first = a_file_case("a", LIVER_MASK * 1, {1: "Liver"})
    second = a_file_case("b", LABELS, {2: "Liver"})
    cases = export([first, second]).read_datalist().cases
    read_labeled_pair(cases[0], [1])
    with pytest.raises(DataError, match="has the label value 5, which neither it nor the datalist names"):
        read_labeled_pair(cases[1], [1])


def test_names_that_do_not_match_are_told(export, a_file_case, a_labeled_case):
    with pytest.raises(DataError, match=r"'a-label\.nii\.gz' lacks the segment 'Liver'"):
        export([a_labeled_case, a_file_case("a", LABELS, {2: "hepar", 5: "Tumor"})])


def test_an_image_on_disk_with_a_segmentation_of_the_scene_is_refused(export, a_file_case, a_labeled_case):
    with pytest.raises(DataError, match="is on disk and its segmentation 'Patient 1 truth' in the scene"):
        export([(a_file_case("a")[0], a_labeled_case[1])])


class TestSteps:
    @pytest.fixture
    def an_export(self, context, tmp_path, a_labeled_case, make_labeled_case):
        more = make_labeled_case("Patient 2", {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK})
        nodes = TrainingNodes([a_labeled_case, more])
        return TrainingExport(context, tmp_path / "job", nodes, TrainConfig.from_preset("quick"))

    def test_each_step_says_what_comes(self, an_export, tmp_path):
        texts = list(an_export.steps())
        assert [text for text in texts if text] == ["Writing case 1 of 2", "Writing case 2 of 2"]
        assert len(texts) >= 2 * 3  # it may be interrupted after each class
        job = Job.open(tmp_path / "job")
        assert [case.id for case in job.read_datalist().cases] == ["Patient_1", "Patient_2"]

    def test_nothing_is_written_before_the_first_step(self, an_export, tmp_path):
        assert not (tmp_path / "job").exists()

    def test_one_that_is_given_up_leaves_nothing(self, an_export, tmp_path):
        steps = an_export.steps()
        for _ in range(6):
            next(steps)
        assert list((tmp_path / "job").rglob("*.nrrd"))
        steps.close()
        assert not [path for path in (tmp_path / "job").rglob("*") if path.is_file()]
