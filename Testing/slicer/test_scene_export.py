"""Nodes become files without moving a voxel, and what cannot be learned from is refused in words."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import (
    LIVER_COLOR,
    LIVER_MASK,
    LIVER_TERMINOLOGY,
    SHAPE_KJI,
    TUMOR_COLOR,
    TUMOR_MASK,
    add_segmentation,
    add_volume,
    array_of,
    crop_in_place,
    image_data,
    rotated_ijk_to_ras,
    vtk_matrix,
)
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonTransforms import vtkGeneralTransform, vtkThinPlateSplineTransform
from vtkmodules.vtkFiltersSources import vtkSphereSource

from coranet.contract import Job, JobKind, JobStatus, Role
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.errors import DataError, JobError, StorageError
from CoraNetSlicerLib.core.export import TrainingExport, TrainingNodes, export_segment_job, export_training_job
from CoraNetSlicerLib.core.stepwise import run_to_end
from CoraNetSlicerLib.review.region_view import world_point


@pytest.fixture
def export(context, awkward_path):
    """Exports labeled cases (and more) to a folder whose name has a space and accents."""

    def run(labeled, **more):
        nodes = TrainingNodes(labeled, **more)
        return export_training_job(context, awkward_path / "job", nodes, TrainConfig.from_preset("quick"))

    return run


def lps_matrix(image: sitk.Image) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def as_lps(ras: np.ndarray) -> np.ndarray:
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ ras


def read_label(job, index=0) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(job.read_datalist().cases[index].label))


def move(context, node, offset_mm):
    transform = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = offset_mm
    transform.SetMatrixTransformToParent(vtk_matrix(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())


def test_an_exported_image_lies_where_the_volume_lies(export, a_labeled_case):
    case = export([a_labeled_case]).read_datalist().cases[0]
    for path in (case.image, case.label):
        image = sitk.ReadImage(path)
        np.testing.assert_allclose(lps_matrix(image), as_lps(rotated_ijk_to_ras()), atol=1e-6)
        assert image.GetSize() == SHAPE_KJI[::-1]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(case.image)), array_of(a_labeled_case[0]))


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64])
def test_voxel_values_and_their_type_are_kept(context, tmp_path, dtype):
    array = np.random.default_rng(1).integers(0, 200, SHAPE_KJI).astype(dtype)
    volume = add_volume(context, "v", array, rotated_ijk_to_ras())
    job = export_segment_job(tmp_path / "job", [volume], SegmentConfig(model="m"))
    written = sitk.GetArrayFromImage(sitk.ReadImage(job.read_datalist().cases[0].image))
    assert written.dtype == dtype
    np.testing.assert_array_equal(written, array)


def test_a_label_map_holds_each_segment_under_its_value(export, a_labeled_case):
    label = read_label(export([a_labeled_case]))
    np.testing.assert_array_equal(label, LIVER_MASK * 1 + TUMOR_MASK * 2)
    assert label.dtype == np.uint8


def test_names_colors_and_terminology_are_kept(export, a_labeled_case):
    liver, tumor = export([a_labeled_case]).read_datalist().labels
    assert (liver.value, liver.name, liver.terminology) == (1, "Liver", LIVER_TERMINOLOGY)
    assert (tumor.value, tumor.name) == (2, "Tumor")
    np.testing.assert_allclose(liver.color, LIVER_COLOR, atol=1e-6)
    np.testing.assert_allclose(tumor.color, TUMOR_COLOR, atol=1e-6)


def test_a_segment_is_known_by_its_name_not_by_its_place(export, a_labeled_case, make_labeled_case):
    other = make_labeled_case("Patient 2", {"Tumor": TUMOR_MASK, "Liver": LIVER_MASK})
    job = export([a_labeled_case, other])
    np.testing.assert_array_equal(read_label(job, 1), LIVER_MASK * 1 + TUMOR_MASK * 2)


def test_names_that_differ_only_in_capitals_are_two_segments(export, make_labeled_case):
    job = export([make_labeled_case("P", {"lesion": TUMOR_MASK, "Lesion": LIVER_MASK})])
    assert [label.name for label in job.read_datalist().labels] == ["lesion", "Lesion"]
    np.testing.assert_array_equal(read_label(job), TUMOR_MASK * 1 + LIVER_MASK * 2)


def test_every_case_has_its_role_and_a_name_of_its_own(context, export, a_labeled_case, make_labeled_case):
    unlabeled = [add_volume(context, "Müller", np.zeros(SHAPE_KJI, np.int16), np.eye(4)) for _ in range(2)]
    validation = make_labeled_case("Patient 1", {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK})
    job = export([a_labeled_case], unlabeled=unlabeled, validation=[validation])
    assert [(case.id, case.role) for case in job.read_datalist().cases] == [
        ("Patient_1", Role.TRAINING),
        ("Patient_1_2", Role.VALIDATION),
        ("Muller", Role.UNLABELED),
        ("Muller_2", Role.UNLABELED),
    ]


def test_the_job_is_ready_to_run_and_movable(export, a_labeled_case):
    job = export([a_labeled_case])
    assert Job.open(job.folder).status() is JobStatus.CREATED
    assert job.kind is JobKind.TRAIN
    assert job.read_config() == TrainConfig.from_preset("quick")
    datalist = next(path for path in job.folder.glob("*.json") if "cases" in path.read_text(encoding="utf-8"))
    assert json.loads(datalist.read_text(encoding="utf-8"))["cases"][0]["image"] == "images/Patient_1.nrrd"


def test_export_leaves_the_scene_as_it_was(context, export, a_labeled_case):
    before = context.scene.GetNumberOfNodes()
    export([a_labeled_case])
    assert context.scene.GetNumberOfNodes() == before
    assert a_labeled_case[0].GetStorageNode() is None


def test_a_common_transform_changes_nothing(context, export, a_labeled_case):
    volume, segmentation = a_labeled_case
    move(context, volume, (30, 0, 0))
    segmentation.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    job = export([a_labeled_case])
    np.testing.assert_array_equal(read_label(job), LIVER_MASK * 1 + TUMOR_MASK * 2)
    image = sitk.ReadImage(job.read_datalist().cases[0].image)
    np.testing.assert_allclose(lps_matrix(image), as_lps(rotated_ijk_to_ras()), atol=1e-6)


@pytest.mark.parametrize(("moved", "voxels"), [("volume", -1), ("segmentation", 1)])
def test_a_transform_on_one_of_the_two_moves_the_label(context, export, a_labeled_case, moved, voxels):
    move(context, a_labeled_case[0 if moved == "volume" else 1], rotated_ijk_to_ras()[:3, 0])
    expected = np.roll(LIVER_MASK * 1 + TUMOR_MASK * 2, voxels, axis=2)
    np.testing.assert_array_equal(read_label(export([a_labeled_case])), expected)


def a_transform(context, kind):
    """A rotation with a shift, or a warp of some millimetres, as a registration leaves it."""
    transform = context.scene.AddNewNodeByClass("vtkMRMLTransformNode")
    if kind == "linear":
        cosine, sine = np.cos(0.2), np.sin(0.2)
        turn, to_middle = np.eye(4), np.eye(4)
        turn[:2, :2] = (cosine, -sine), (sine, cosine)
        to_middle[:3, 3] = (rotated_ijk_to_ras() @ (12, 12, 6, 1))[:3]
        turn[:3, 3] = (1, 2, -1)
        transform.SetMatrixTransformToParent(vtk_matrix(to_middle @ turn @ np.linalg.inv(to_middle)))
        return transform
    warp, points = vtkThinPlateSplineTransform(), (vtkPoints(), vtkPoints())
    for number, corner in enumerate(itertools.product((-50, 50), (-50, 50), (0, 80))):
        points[0].InsertNextPoint(*corner)
        points[1].InsertNextPoint(*(np.array(corner) + np.random.default_rng(number).normal(0, 6, 3)))
    warp.SetBasisToR()
    warp.SetSourceLandmarks(points[0])
    warp.SetTargetLandmarks(points[1])
    transform.SetAndObserveTransformToParent(warp)
    return transform


@pytest.mark.parametrize("of_volume", ["", "linear", "warp"])
@pytest.mark.parametrize("of_segmentation", ["linear", "warp"])
def test_under_transforms_of_their_own_a_label_lies_where_it_is_seen(
    context, export, a_labeled_case, of_volume, of_segmentation
):
    volume, segmentation = a_labeled_case
    segmentation.SetAndObserveTransformNodeID(a_transform(context, of_segmentation).GetID())
    if of_volume:
        volume.SetAndObserveTransformNodeID(a_transform(context, of_volume).GetID())
    from_world, to_ijk = vtkGeneralTransform(), np.linalg.inv(rotated_ijk_to_ras())
    segmentation.GetParentTransformNode().GetTransformFromWorld(from_world)
    expected = np.zeros(SHAPE_KJI, bool)
    for k, j, i in np.ndindex(SHAPE_KJI):
        point = from_world.TransformPoint(*world_point(volume, (i, j, k)))
        at = tuple(np.rint(to_ijk[:3] @ (*point, 1.0)).astype(int)[::-1])
        expected[k, j, i] = all(0 <= index < size for index, size in zip(at, SHAPE_KJI, strict=True)) and LIVER_MASK[at]
    label = read_label(export([a_labeled_case])) == 1
    assert expected.sum() > 200
    assert np.count_nonzero(label != expected) <= 0.01 * expected.sum()


def test_contours_alone_are_not_taken_for_an_empty_segment(context, export, a_volume_node, awkward_path):
    node = add_segmentation(context, "plan", a_volume_node, {"Liver": LIVER_MASK})
    segment = node.GetSegmentation().GetNthSegment(0)
    segment.RemoveAllRepresentations()
    sphere = vtkSphereSource()
    sphere.Update()
    segment.AddRepresentation("Planar contour", sphere.GetOutput())
    with pytest.raises(DataError, match="the segment 'Liver' of 'plan' cannot be brought onto the grid"):
        export([(a_volume_node, node)])


def test_a_segmentation_on_a_smaller_grid_lands_on_the_volume_grid(context, export, a_volume_node):
    part = add_volume(context, "part", np.zeros((5, 6, 7), np.uint8), np.eye(4))
    matrix = rotated_ijk_to_ras()
    matrix[:3, 3] = (matrix @ [8, 4, 3, 1])[:3]
    part.SetIJKToRASMatrix(vtk_matrix(matrix))
    segmentation = add_segmentation(context, "part truth", part, {"Liver": np.ones((5, 6, 7), bool)})
    expected = np.zeros(SHAPE_KJI)
    expected[3:8, 4:10, 8:15] = 1
    np.testing.assert_array_equal(read_label(export([(a_volume_node, segmentation)])), expected)


def test_chosen_segments_may_leave_others_out(export, a_labeled_case, make_labeled_case):
    other = make_labeled_case("Patient 2", {"Vessel": LIVER_MASK, "Tumor": TUMOR_MASK})
    job = export([a_labeled_case, other], segment_names=["Tumor"])
    assert [label.name for label in job.read_datalist().labels] == ["Tumor"]
    np.testing.assert_array_equal(read_label(job, 1), TUMOR_MASK)


def test_an_empty_segment_says_that_a_case_has_none_of_it(export, a_labeled_case, make_labeled_case):
    other = make_labeled_case("Patient 2", {"Liver": LIVER_MASK, "Tumor": np.zeros(SHAPE_KJI, bool)})
    np.testing.assert_array_equal(read_label(export([a_labeled_case, other]), 1), LIVER_MASK)


def test_a_volume_to_be_segmented_is_marked_for_its_result(a_volume_node, awkward_path):
    job = export_segment_job(awkward_path / "segment 1", [a_volume_node], SegmentConfig(model="m"))
    assert a_volume_node.GetAttribute("CoraNetSlicer.Case") == f"{job.identifier}/Patient_1"
    assert job.kind is JobKind.SEGMENT
    assert job.read_datalist().cases[0].role is Role.INPUT


def refusal(export, labeled, folder, **more) -> str:
    """The sentence with which an export is refused; nothing may stay behind."""
    with pytest.raises(DataError) as caught:
        export(labeled, **more)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_a_missing_segment_is_named_with_its_case(export, a_labeled_case, make_labeled_case, awkward_path):
    other = make_labeled_case("Patient 2", {"Liver": LIVER_MASK})
    sentence = refusal(export, [a_labeled_case, other], awkward_path)
    assert "'Patient 2 truth' lacks the segment 'Tumor'" in sentence
    sentence = refusal(export, [other, a_labeled_case], awkward_path)
    assert "'Patient 1 truth' has the segment 'Tumor', which 'Patient 2 truth' lacks" in sentence


def test_overlapping_segments_are_named_and_counted(export, make_labeled_case, awkward_path):
    shifted = np.roll(LIVER_MASK, 3, axis=2)
    case = make_labeled_case("P", {"Liver": LIVER_MASK, "Lesion": shifted})
    overlap = int((LIVER_MASK & shifted).sum())
    sentence = refusal(export, [case], awkward_path)
    assert f"'Liver' and 'Lesion' of 'P truth' overlap in {overlap} voxels" in sentence


def test_a_segmentation_without_voxels_in_the_volume_is_refused(context, export, a_labeled_case, awkward_path):
    move(context, a_labeled_case[1], (1000, 0, 0))
    assert "has a voxel inside 'Patient 1'" in refusal(export, [a_labeled_case], awkward_path)


@pytest.mark.parametrize("how", ["never painted", "emptied"])
def test_a_segmentation_in_which_nothing_is_painted_teaches_that_there_is_nothing(
    export, a_labeled_case, make_labeled_case, how
):
    volume, drawn = make_labeled_case("Healthy", {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK})
    segmentation = drawn.GetSegmentation()
    for name in ("Liver", "Tumor"):
        if how == "emptied":
            labelmap = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName(name))
            scalars = labelmap.GetRepresentation("Binary labelmap").GetPointData().GetScalars()
            vtk_to_numpy(scalars)[:] = 0
        else:
            segmentation.RemoveSegment(segmentation.GetSegmentIdBySegmentName(name))
            segmentation.AddEmptySegment(f"new {name}", name)
    job = export([a_labeled_case, (volume, drawn)])
    labels = [read_label(job, index) for index in range(2)]
    assert labels[0].any() and not labels[1].any() and labels[0].shape == labels[1].shape


def test_a_segmentation_without_segments_is_refused(context, export, a_volume_node, awkward_path):
    empty = add_segmentation(context, "empty", a_volume_node, {})
    assert "'empty' has no segment" in refusal(export, [(a_volume_node, empty)], awkward_path)


def test_the_same_volume_twice_is_refused(export, a_labeled_case, awkward_path):
    assert "'Patient 1' is given twice" in refusal(
        export, [a_labeled_case], awkward_path, unlabeled=[a_labeled_case[0]]
    )


def test_two_segments_of_one_name_are_refused(context, export, a_labeled_case, awkward_path):
    a_labeled_case[1].GetSegmentation().GetNthSegment(1).SetName("Liver")
    assert "more than one segment named 'Liver'" in refusal(export, [a_labeled_case], awkward_path)


def test_one_name_with_two_meanings_is_refused(export, a_labeled_case, make_labeled_case, awkward_path):
    other = make_labeled_case("Patient 2", {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK})
    kidney = LIVER_TERMINOLOGY.replace("10200004^Liver", "64033007^Kidney")
    other[1].GetSegmentation().GetNthSegment(0).SetTerminology(kidney)
    assert "'Liver' has another terminology in 'Patient 2 truth'" in refusal(
        export, [a_labeled_case, other], awkward_path
    )


def test_the_words_of_a_terminology_may_be_translated(export, a_labeled_case, make_labeled_case):
    other = make_labeled_case("Patient 2", {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK})
    other[1].GetSegmentation().GetNthSegment(0).SetTerminology(LIVER_TERMINOLOGY.replace("^Liver", "^Leber"))
    assert export([a_labeled_case, other]).read_datalist().labels[0].terminology == LIVER_TERMINOLOGY


def test_a_color_volume_is_refused(context, export, a_labeled_case, awkward_path):
    color = context.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    image = image_data(np.zeros((4, 5, 6), np.uint8))
    image.AllocateScalars(3, 3)
    color.SetAndObserveImageData(image)
    assert "'photo' has 3 values a voxel" in refusal(export, [a_labeled_case], awkward_path, unlabeled=[color])


def test_a_sheared_volume_is_refused(context, export, a_labeled_case, awkward_path):
    matrix = np.eye(4)
    matrix[0, 1] = 0.4
    sheared = add_volume(context, "gantry tilt", np.zeros((4, 5, 6), np.int16), matrix)
    assert "'gantry tilt' has a sheared grid" in refusal(export, [a_labeled_case], awkward_path, unlabeled=[sheared])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda context: None, "expected a scalar volume, got nothing"),
        (lambda context: context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hollow"), "has no voxels"),
        (
            lambda context: context.scene.AddNewNodeByClass("vtkMRMLModelNode", "bone"),
            "expected a scalar volume, got 'bone'",
        ),
        (
            lambda context: add_volume(context, "seg", np.zeros((4, 5, 6), np.uint8), np.eye(4), label=True),
            "is a label map, expected an image",
        ),
    ],
)
def test_what_is_not_an_image_is_refused(context, export, a_labeled_case, awkward_path, make, expected):
    assert expected in refusal(export, [a_labeled_case], awkward_path, unlabeled=[make(context)])


def test_a_volume_paired_with_a_label_map_is_refused(context, export, a_volume_node, awkward_path):
    label = add_volume(context, "seg", np.zeros((4, 5, 6), np.uint8), np.eye(4), label=True)
    assert "convert a label map to a segmentation" in refusal(export, [(a_volume_node, label)], awkward_path)


def test_no_labeled_case_is_refused(export, awkward_path):
    assert "at least one labeled volume" in refusal(export, [], awkward_path)


def test_a_folder_that_holds_a_job_is_not_written_over(export, a_labeled_case):
    export([a_labeled_case])
    with pytest.raises(JobError, match="already holds a job"):
        export([a_labeled_case])


def test_a_folder_that_cannot_be_made_is_named(context, a_labeled_case, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="file"):
        export_training_job(
            context, tmp_path / "file" / "job", TrainingNodes([a_labeled_case]), TrainConfig.from_preset("quick")
        )


def test_a_closed_surface_alone_can_be_exported(context, export, a_labeled_case):
    segmentation = a_labeled_case[1].GetSegmentation()
    segmentation.CreateRepresentation("Closed surface", True)
    segmentation.SetSourceRepresentationName("Closed surface")
    segmentation.RemoveRepresentation("Binary labelmap")
    label = read_label(export([a_labeled_case]))
    inside = (label == 1) & LIVER_MASK
    assert 2 * inside.sum() / ((label == 1).sum() + LIVER_MASK.sum()) > 0.9


def _play(volume, segmentation):
    volume.SetAndObserveImageData(image_data(array_of(volume) + 1))


CHANGED = {
    "a sequence that plays": (_play, "'Patient 1' was changed while its files were being written"),
    "cropped": (lambda volume, _: crop_in_place(volume, (1, 2, 3), (9, 9, 9)), "'Patient 1' was changed while"),
    "emptied": (lambda volume, _: volume.SetAndObserveImageData(None), "'Patient 1' was changed while"),
    "moved": (lambda volume, _: volume.SetOrigin(1, 2, 3), "'Patient 1' was changed while"),
    "a segment deleted": (
        lambda _, node: node.GetSegmentation().RemoveSegment(node.GetSegmentation().GetNthSegmentID(1)),
        "'Patient 1 truth' has no segment 'Tumor' any more",
    ),
    "deleted": (lambda _, node: node.GetScene().RemoveNode(node), "'Patient 1 truth' is no longer in the scene"),
}


@pytest.mark.parametrize(("change", "message"), CHANGED.values(), ids=CHANGED)
def test_what_changes_while_it_is_written_is_named_and_leaves_no_job(
    context, a_labeled_case, awkward_path, change, message
):
    nodes = TrainingNodes([a_labeled_case])
    steps = TrainingExport(context, awkward_path / "job", nodes, TrainConfig.from_preset("quick")).steps()
    next(steps)
    next(steps)
    change(*a_labeled_case)
    with pytest.raises(DataError, match=message):
        run_to_end(steps)
    assert not (awkward_path / "job").exists()


class TestChannels:
    @pytest.fixture
    def a_flair(self, context):
        """Adds a second image beside a volume: `a_flair(name)`."""

        def add(name, **more):
            array = np.random.default_rng(5).normal(900, 20, SHAPE_KJI).astype(np.float32)
            return add_volume(context, name, array, rotated_ijk_to_ras(), **more)

        return add

    @pytest.mark.parametrize("is_named", [False, True])
    def test_images_that_belong_together_are_one_case(self, context, export, a_labeled_case, a_flair, is_named):
        (t1, segmentation), flair, other = a_labeled_case, a_flair("P1 FLAIR"), (a_flair("P2 T1"), a_flair("P2 FLAIR"))
        first = {"FLAIR": flair, "T1": t1} if is_named else (t1, flair)
        second = {"T1": other[0], "FLAIR": other[1]} if is_named else other
        datalist = export([(first, segmentation)], unlabeled=[second], channels=("T1", "FLAIR")).read_datalist()
        assert datalist.channels == ("T1", "FLAIR")
        assert [case.id for case in datalist.cases] == ["Patient_1", "P2_T1"]
        for case, volumes in zip(datalist.cases, ((t1, flair), other), strict=True):
            for path, volume in zip(case.images, volumes, strict=True):
                np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(path)), array_of(volume))

    def test_names_are_those_of_the_first_case(self, export, a_labeled_case, a_flair):
        first = {"T1": a_labeled_case[0], "FLAIR": a_flair("F")}
        assert export([(first, a_labeled_case[1])]).read_datalist().channels == ("T1", "FLAIR")

    def test_images_on_disk_stay_there(self, export, awkward_path, a_labeled_case, a_flair):
        for name in ("a", "b"):
            sitk.WriteImage(sitk.Image(4, 5, 6, sitk.sitkInt16), str(awkward_path / f"{name}.nrrd"))
        on_disk = (awkward_path / "a.nrrd", awkward_path / "b.nrrd")
        job = export([((a_labeled_case[0], a_flair("F")), a_labeled_case[1])], unlabeled=[on_disk])
        assert job.read_datalist().cases[1].images == tuple(map(str, on_disk))

    @pytest.mark.parametrize(
        ("unlabeled", "sentence"),
        [
            (lambda add: add("U"), "case 'U' has no FLAIR, it has 1 of the 2 images T1 and FLAIR"),
            (lambda add: {"T1": add("U")}, "case 'U' has no FLAIR; give the images T1 and FLAIR"),
            (lambda add: {"T1": add("U"), "FLAIR": add("V"), "T2": add("W")}, "an image 'T2', expected T1 and FLAIR"),
            (lambda add: (add("U"), add("V"), add("W")), "case 'U' has 3 images, expected 2"),
        ],
    )
    def test_a_missing_channel_is_named_and_nothing_is_written(
        self, export, a_labeled_case, a_flair, awkward_path, unlabeled, sentence
    ):
        labeled = ((a_labeled_case[0], a_flair("F")), a_labeled_case[1])
        with pytest.raises(DataError, match=sentence):
            export([labeled], unlabeled=[unlabeled(a_flair)], channels=("T1", "FLAIR"))
        assert not (awkward_path / "job").exists()

    def test_one_volume_is_not_two_channels(self, export, a_labeled_case, a_flair):
        flair = a_flair("F")
        with pytest.raises(DataError, match="'F' is given twice"):
            export([((a_labeled_case[0], flair), a_labeled_case[1])], unlabeled=[(a_flair("U"), flair)])

    def test_images_that_are_moved_against_each_other_are_refused(self, context, export, a_labeled_case, a_flair):
        flair = a_flair("F")
        move(context, flair, (5, 0, 0))
        with pytest.raises(DataError, match="'Patient 1' and 'F' are under different transforms; harden"):
            export([((a_labeled_case[0], flair), a_labeled_case[1])])

    def test_to_be_segmented(self, tmp_path, a_volume_node, a_flair):
        images = {"FLAIR": a_flair("F"), "T1": a_volume_node}
        config = SegmentConfig(model="m")
        datalist = export_segment_job(tmp_path / "job", [images], config, ("T1", "FLAIR")).read_datalist()
        assert datalist.channels == ("T1", "FLAIR") and datalist.cases[0].id == "Patient_1"
        assert len(datalist.cases[0].images) == 2
        with pytest.raises(DataError, match="case 'Patient 1' has no FLAIR"):
            export_segment_job(tmp_path / "other", [a_volume_node], config, ("T1", "FLAIR"))
        with pytest.raises(DataError, match="case 'Patient 1' has 2 images, expected 1"):
            export_segment_job(tmp_path / "other", [(a_volume_node, a_flair("G"))], config, ("channel 1",))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int8", -5),
        ("int64", 70_000),
        ("int64", -3),
        ("uint64", 2**40),
        ("int64", 2**40),
        ("int32", 7),
        ("float64", 0.5),
    ],
)
def test_a_volume_of_any_type_is_written(context, tmp_path, kind, value):
    array = np.zeros(SHAPE_KJI, kind)
    array[1, 2, 3] = value
    volume = add_volume(context, "any", array, rotated_ijk_to_ras())
    job = export_segment_job(tmp_path / "job", [volume], SegmentConfig(model="m"))
    (case,) = job.read_datalist().cases
    written = sitk.ReadImage(case.image)
    assert np.array_equal(sitk.GetArrayFromImage(written), array)
    np.testing.assert_allclose(lps_matrix(written)[:2, :3], -rotated_ijk_to_ras()[:2, :3], atol=1e-6)
    assert array_of(volume).dtype == array.dtype
