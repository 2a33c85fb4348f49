"""A result lies on the scan that it was computed on, whatever folders, files and nodes are called; or on none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import (
    add_volume,
    array_of,
    crop_in_place,
    labels_of,
    numpy_matrix,
    rotated_ijk_to_ras,
    vtk_matrix,
)
from scene_bundles import saved_and_reloaded
from synthetic_predictions import identity_of_file, synthetic_heads, write_image
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import VTK_FLOAT
from vtkmodules.vtkCommonDataModel import vtkImageData

from coranet.contract import Case, Datalist, Job, JobKind, Role
from coranet.contract.config import SegmentConfig
from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.case_volume import CaseVolume, find_or_load_volume
from CoraNetSlicerLib.core.export import export_segment_job
from CoraNetSlicerLib.core.results import (
    case_key,
    find_prediction_files,
    mark_as_case,
    nodes_of_class,
    result_texts,
    results_in_scene,
)
from CoraNetSlicerLib.core.stepwise import run_to_end
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.review.result_loading import load_case, load_prediction

SHAPE = synthetic_heads()["segmentation"].shape
LABELS = [{"value": 2, "name": "Pancreas", "color": None, "terminology": ""}]


def scan(seed):
    return np.random.default_rng(seed).normal(80, 12, SHAPE).astype(np.float32)


def segmented(folder, image, case_id="T1", seed=1, with_scan=True):
    """A finished segmentation of an image file, whose result is one box."""
    job = Job.create(folder, JobKind.SEGMENT, SegmentConfig("m"), Datalist((Case(case_id, Role.INPUT, str(image)),)))
    write_result(job, case_id, image, seed, with_scan)
    return job


def write_result(job, case_id, image, seed=1, with_scan=True):
    files = job.prediction(case_id)
    like = sitk.ReadImage(str(image))
    box = np.zeros(SHAPE, np.uint8)
    box[1:4, 2 : 4 + seed, 3:9] = 2
    files.folder.mkdir(parents=True, exist_ok=True)
    for name in ("segmentation", "conservative", "radical", "uncertain", "uncertainty"):
        made = sitk.GetImageFromArray(box if name in ("segmentation", "conservative", "radical") else box * 0)
        made.CopyInformation(like)
        sitk.WriteImage(sitk.Cast(made, sitk.sitkFloat32) if name == "uncertainty" else made, str(getattr(files, name)))
    content = {"schema_version": 1, "case": case_id, "image": str(image), "labels": LABELS}
    if with_scan:
        content["scan"] = identity_of_file(image).to_dict()
    files.result.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def logic(context, tmp_path):
    return CoraNetLogic(context, jobsFolder=tmp_path / "jobs")


def patient(tmp_path, name, seed, file="T1.nrrd"):
    """P1/T1.nrrd with its result in P1/results."""
    image = tmp_path / name / file
    write_image(scan(seed), image)
    return segmented(tmp_path / name / "results", image, seed=seed)


def load(logic, job):
    return logic.loadResults(job.folder, show=False)[0]


def volumes(context):
    return [node for node in nodes_of_class(context.scene, "vtkMRMLScalarVolumeNode")
            if not node.GetAttribute("CoraNetSlicer.PredictionPart")]  # fmt: skip


class TestTwoJobsOfOneName:
    def test_each_result_lies_on_its_own_scan(self, context, logic, tmp_path):
        first, second = patient(tmp_path, "P1", 1), patient(tmp_path, "P2", 2)
        loaded = load(logic, first)
        before = labels_of(loaded).copy()
        two = load(logic, second)
        np.testing.assert_array_equal(array_of(loaded.volume), scan(1))
        np.testing.assert_array_equal(array_of(two.volume), scan(2))
        np.testing.assert_array_equal(labels_of(loaded), before)
        assert len(results_in_scene(context.scene)) == 2

    def test_that_holds_in_either_order_and_for_many(self, context, logic, tmp_path):
        jobs = [patient(tmp_path, f"P{number}", number) for number in (5, 3, 4)]
        for job, seed in zip(reversed(jobs), (4, 3, 5), strict=True):
            np.testing.assert_array_equal(array_of(load(logic, job).volume), scan(seed))

    def test_loaded_twice_each_result_is_replaced_by_itself(self, context, logic, tmp_path):
        jobs = [patient(tmp_path, f"P{number}", number) for number in (1, 2)]
        results = [load(logic, job) for job in jobs]
        again = [load(logic, job) for job in jobs]
        assert [loaded.segmentation for loaded in again] == [result.segmentation for result in results]
        assert len(volumes(context)) == 2

    def test_what_is_reviewed_are_the_files_of_the_own_job(self, context, logic, tmp_path):
        jobs = [patient(tmp_path, f"P{number}", number) for number in (1, 2)]
        for job in jobs:
            assert find_prediction_files(load(logic, job).segmentation).folder == job.prediction_folder("T1")

    def test_after_saving_and_loading_the_scene(self, context, logic, tmp_path):
        jobs = [patient(tmp_path, f"P{number}", number) for number in (1, 2)]
        for job in jobs:
            load(logic, job)
        other = saved_and_reloaded(context, tmp_path)
        again = CoraNetLogic(other, jobsFolder=tmp_path / "jobs")
        for job, seed in zip(jobs, (1, 2), strict=True):
            np.testing.assert_array_equal(array_of(load(again, job).volume), scan(seed))
        assert len(volumes(other)) == 2


class TestFoldersAndNames:
    """A job is known whatever becomes of its folder, and a scan whatever it is called."""

    @pytest.mark.parametrize("how", ["moved", "renamed", "copied"])
    def test_the_folder_of_a_job(self, context, logic, tmp_path, how):
        job = patient(tmp_path, "P1", 1)
        first = load(logic, job)
        target = {"moved": tmp_path / "archive" / "results", "renamed": tmp_path / "P1" / "x",
                  "copied": tmp_path / "P3" / "results"}[how]  # fmt: skip
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if how == "copied" else shutil.move)(job.folder, target)
        again = load(logic, Job.open(target))
        assert again.segmentation is first.segmentation and again.volume is first.volume

    @pytest.mark.parametrize("name", ["Patient 2", "", "T1", "P1/results/T1", "CoraNet"])
    def test_a_volume_node_that_is_renamed(self, context, logic, tmp_path, name):
        job = patient(tmp_path, "P1", 1)
        first = load(logic, job)
        first.volume.SetName(name)
        again = load(logic, job)
        assert again.volume is first.volume and len(volumes(context)) == 1

    def test_two_volumes_of_one_name(self, context, logic, tmp_path):
        matrix = None
        for seed in (2, 1):
            job = patient(tmp_path, f"P{seed}", seed)
            loaded_file = find_or_load_volume(context, job, job.read_datalist().cases[0])
            matrix = numpy_matrix(loaded_file)
            loaded_file.RemoveAttribute("CoraNetSlicer.Case")
            loaded_file.SetName("T1")
        assert matrix is not None
        for seed in (1, 2):
            job = Job.open(tmp_path / f"P{seed}" / "results")
            np.testing.assert_array_equal(array_of(load(logic, job).volume), scan(seed))
        assert len(volumes(context)) == 2

    def test_a_scan_that_somebody_has_loaded_already_is_not_loaded_again(self, context, logic, tmp_path):
        job = patient(tmp_path, "P1", 1)
        own = find_or_load_volume(context, job, job.read_datalist().cases[0])
        own.RemoveAttribute("CoraNetSlicer.Case")
        own.SetName("what I call it")
        assert load(logic, job).volume is own

    def test_a_result_whose_file_is_gone_finds_the_scan_in_the_scene(self, context, logic, tmp_path):
        job = patient(tmp_path, "P1", 1)
        own = find_or_load_volume(context, job, job.read_datalist().cases[0])
        own.RemoveAttribute("CoraNetSlicer.Case")
        Path(job.read_datalist().cases[0].image).unlink()
        assert load(logic, job).volume is own

    def test_equal_voxels_on_another_grid_are_another_scan(self, context, logic, tmp_path):
        job = patient(tmp_path, "P1", 1)
        other = np.eye(4)
        other[:3, 3] = 100.0
        decoy = add_volume(context, "T1", scan(1), other)
        assert load(logic, job).volume is not decoy

    def test_a_label_map_and_a_result_are_no_scan(self, context, logic, tmp_path):
        job = patient(tmp_path, "P1", 1)
        matrix = numpy_matrix(find_or_load_volume(context, job, job.read_datalist().cases[0]))
        context.scene.RemoveNode(volumes(context)[0])
        decoys = [
            add_volume(context, "label", scan(1), matrix, label=True),
            add_volume(context, "map", scan(1), matrix),
        ]
        decoys[1].SetAttribute("CoraNetSlicer.PredictionPart", "uncertainty")
        assert load(logic, job).volume not in decoys

    @pytest.mark.parametrize(
        ("kind", "components"),
        [("VectorVolume", 3), ("ScalarVolume", 3), ("ScalarVolume", 0), ("DiffusionWeightedVolume", 2)],
    )
    def test_volumes_of_other_kinds_of_the_same_size_are_no_scan(self, context, logic, tmp_path, kind, components):
        node = context.scene.AddNewNodeByClass(f"vtkMRML{kind}Node", "colours")
        image = vtkImageData()
        image.SetDimensions(*reversed(SHAPE))
        if components:
            image.AllocateScalars(VTK_FLOAT, components)
        node.SetAndObserveImageData(image)
        loaded = load(logic, patient(tmp_path, "P1", 1))
        assert loaded.volume is not node
        np.testing.assert_array_equal(array_of(loaded.volume), scan(1))

    def test_what_people_read_is_the_name_of_the_volume(self, context, logic, tmp_path):
        (text,) = result_texts([load(logic, patient(tmp_path, "P1", 1))]).values()
        assert text == "T1"

    def test_a_result_can_be_asked_for_by_job_and_case(self, context, logic, tmp_path):
        loaded = load(logic, patient(tmp_path, "P1", 1))
        assert logic._result("results/T1").segmentation is loaded.segmentation
        load(logic, patient(tmp_path, "P2", 2))
        with pytest.raises(DataError, match="there are 2 results 'results/T1'"):
            logic._result("results/T1")


REPLACED = {
    "another patient": lambda voxels: scan(9),
    "one voxel": lambda voxels: voxels + (np.arange(voxels.size).reshape(voxels.shape) == 5),
    "turned round": lambda voxels: voxels[:, ::-1],
    "smoothed": lambda voxels: (voxels + np.roll(voxels, 1, 0)) / 2,
    "another unit": lambda voxels: voxels * 10,
    "flat": lambda voxels: np.zeros_like(voxels),
}


class TestAnotherScanInItsPlace:
    @pytest.mark.parametrize("change", REPLACED.values(), ids=REPLACED)
    def test_a_file_that_was_replaced_is_refused_by_name(self, context, logic, tmp_path, change):
        job = patient(tmp_path, "P1", 1)
        image = tmp_path / "P1" / "T1.nrrd"
        write_image(change(scan(1)).astype(np.float32), image)
        with pytest.raises(DataError, match=r"T1\.nrrd' is no longer the scan that .*'T1' was computed on \(18 x"):
            load(logic, job)
        assert context.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0

    @pytest.mark.parametrize("change", REPLACED.values(), ids=REPLACED)
    def test_a_volume_that_was_changed_does_not_get_the_result(self, context, logic, tmp_path, change):
        job = patient(tmp_path, "P1", 1)
        node = find_or_load_volume(context, job, job.read_datalist().cases[0])
        changed = add_volume(context, "changed", change(scan(1)).astype(np.float32), numpy_matrix(node))
        node.SetAndObserveImageData(changed.GetImageData())
        context.scene.RemoveNode(changed)
        node.SetName("mine")
        loaded = load(logic, job)
        assert loaded.volume is not node
        np.testing.assert_array_equal(array_of(loaded.volume), scan(1))
        assert any("'mine' was changed after it was segmented" in text for text in loaded.warnings)

    @pytest.mark.parametrize("change", REPLACED.values(), ids=REPLACED)
    def test_a_volume_that_is_given_by_hand_is_refused_with_the_scan_that_was_meant(
        self, context, logic, tmp_path, change
    ):
        job = patient(tmp_path, "P1", 1)
        right = find_or_load_volume(context, job, job.read_datalist().cases[0])
        wrong = add_volume(context, "wrong", change(scan(1)).astype(np.float32), numpy_matrix(right))
        nodes = context.scene.GetNumberOfNodes()
        with pytest.raises(DataError, match=r"result of a different scan than 'wrong'.*P1.*T1\.nrrd' \(18 x 24 x 14"):
            load_prediction(context, job.prediction("T1"), wrong)
        assert context.scene.GetNumberOfNodes() == nodes

    def test_a_volume_that_was_exported_and_then_changed(self, context, logic, tmp_path):
        matrix = np.diag((0.9, 0.7, 2.5, 1.0))
        node = add_volume(context, "Patient", scan(1), matrix)
        job = export_segment_job(tmp_path / "jobs" / "s", [node], SegmentConfig("m"))
        (case,) = job.read_datalist().cases
        write_result(job, case.id, case.image)
        assert load(logic, job).volume is node
        vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())[7] += 1
        node.Modified()
        assert load(logic, job).volume is not node

    @pytest.mark.parametrize("how", ["a hardened transform", "a centered volume", "another spacing", "cropped"])
    def test_a_volume_that_was_moved_meanwhile_does_not_keep_its_result_out(self, context, tmp_path, how):
        node = add_volume(context, "Patient", scan(1), np.diag((0.9, 0.7, 2.5, 1.0)))
        job = export_segment_job(tmp_path / "jobs" / "s", [node], SegmentConfig("m"))
        (case,) = job.read_datalist().cases
        write_result(job, case.id, case.image)
        if how == "a hardened transform":
            transform = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
            transform.SetMatrixTransformToParent(
                vtk_matrix(rotated_ijk_to_ras() @ np.diag((-1 / 0.9, 1 / 1.3, 1 / 2.4, 1)))
            )
            node.SetAndObserveTransformNodeID(transform.GetID())
            node.HardenTransform()
        elif how == "cropped":
            crop_in_place(node, (1, 2, 3), (12, 20, 14))
        else:
            (node.SetOrigin if how == "a centered volume" else node.SetSpacing)(1.0, 0.7, 2.5)
        loaded = run_to_end(load_case(context, job, case))
        assert loaded.volume is not node
        np.testing.assert_array_equal(numpy_matrix(loaded.volume), np.diag((0.9, 0.7, 2.5, 1.0)))
        np.testing.assert_array_equal(array_of(loaded.volume), scan(1))
        assert any("'Patient' was changed after it was segmented" in text for text in loaded.warnings)
        assert run_to_end(load_case(context, job, case)).volume is loaded.volume

    def test_a_volume_that_was_changed_and_whose_file_is_gone_is_named(self, context, logic, tmp_path):
        job = patient(tmp_path, "P1", 1)
        node = find_or_load_volume(context, job, job.read_datalist().cases[0])
        vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())[7] += 1
        (tmp_path / "P1" / "T1.nrrd").unlink()
        with pytest.raises(DataError, match=r"'T1' was changed after it was segmented, and .* \('.*T1\.nrrd'"):
            load(logic, job)

    def test_a_case_of_a_job_that_was_given_another_scan(self, context, logic, tmp_path):
        job = patient(tmp_path, "P1", 1)
        write_image(scan(2), tmp_path / "P2.nrrd")
        job.write_datalist(Datalist((Case("T1", Role.INPUT, str(tmp_path / "P2.nrrd")),)))
        with pytest.raises(DataError, match=r"P2\.nrrd' is no longer the scan"):
            load(logic, job)

    def test_the_folder_of_a_result_under_the_name_of_another_case(self, context, logic, tmp_path):
        job = patient(tmp_path, "P1", 1)
        write_image(scan(2), tmp_path / "T2.nrrd")
        (case,) = job.read_datalist().cases
        job.write_datalist(Datalist((case, Case("T2", Role.INPUT, str(tmp_path / "T2.nrrd")))))
        shutil.copytree(job.prediction_folder("T1"), job.prediction_folder("T2"))
        _, copied = logic.loadResults(job.folder, show=False)
        np.testing.assert_array_equal(array_of(copied.volume), scan(1))
        context.scene.Clear(0)
        job.write_datalist(Datalist((Case("T2", Role.INPUT, str(tmp_path / "T2.nrrd")),)))
        with pytest.raises(DataError, match=r"T2\.nrrd' is no longer the scan"):
            logic.loadResults(job.folder, show=False)


class TestEarlierVersions:
    def of_earlier_version(self, job):
        path = job.folder / "job.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        del content["id"]
        path.write_text(json.dumps(content), encoding="utf-8")
        return Job.open(job.folder)

    def test_a_result_without_a_scan_is_loaded_by_its_grid_which_is_said(self, context, logic, tmp_path):
        write_image(scan(1), tmp_path / "T1.nrrd")
        job = self.of_earlier_version(segmented(tmp_path / "s", tmp_path / "T1.nrrd", with_scan=False))
        loaded = load(logic, job)
        assert any("only its grid was compared" in text for text in loaded.warnings)
        assert load(logic, job).volume is loaded.volume

    def test_two_of_them_of_one_name_are_told_apart(self, context, logic, tmp_path):
        for seed in (1, 2):
            write_image(scan(seed), tmp_path / f"P{seed}" / "T1.nrrd")
            folder = tmp_path / f"P{seed}" / "s"
            self.of_earlier_version(segmented(folder, tmp_path / f"P{seed}" / "T1.nrrd", with_scan=False))
        for seed in (1, 2):
            loaded = load(logic, Job.open(tmp_path / f"P{seed}" / "s"))
            np.testing.assert_array_equal(array_of(loaded.volume), scan(seed))

    def test_a_job_of_today_does_not_answer_to_the_name_of_its_folder(self, context, logic, tmp_path):
        job = patient(tmp_path, "P1", 1)
        decoy = add_volume(context, "decoy", scan(2), np.eye(4))
        mark_as_case(decoy, "results/T1")
        loaded = load(logic, job)
        assert loaded.volume is not decoy
        loaded.segmentation.SetAttribute("CoraNetSlicer.Prediction", "results/T1")
        assert find_prediction_files(loaded.segmentation) is None


class TestSteps:
    def test_looking_takes_a_plane_at_a_time(self, context, tmp_path):
        job = patient(tmp_path, "P1", 1)
        case_volume = CaseVolume(context, job, job.read_datalist().cases[0])
        steps = list(case_volume.steps())
        assert steps == ["image", *[None] * SHAPE[0]]
        assert case_volume.node.GetAttribute("CoraNetSlicer.Case") == case_key(job, "T1")
        again = CaseVolume(context, job, job.read_datalist().cases[0])
        assert list(again.steps()) == [None] * SHAPE[0] and again.node is case_volume.node

    def test_a_case_that_has_no_result_yet_is_known_by_its_mark(self, context, tmp_path):
        node = add_volume(context, "Patient", scan(1), np.eye(4))
        job = export_segment_job(tmp_path / "s", [node], SegmentConfig("m"))
        case_volume = CaseVolume(context, job, job.read_datalist().cases[0])
        assert list(case_volume.steps()) == [] and case_volume.node is node


def test_a_missing_file_leaves_no_node(context, tmp_path):
    job = patient(tmp_path, "P1", 1)
    (tmp_path / "P1" / "T1.nrrd").unlink()
    with pytest.raises(DataError, match=r"T1\.nrrd' is missing"):
        find_or_load_volume(context, job, job.read_datalist().cases[0])
    assert not volumes(context)
