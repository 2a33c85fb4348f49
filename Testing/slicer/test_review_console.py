"""Each step of a review from the Python console, with results known by node or by name, and real processes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from job_fixtures import fake_runner
from patience import PATIENCE_S
from scene_builders import LIVER_MASK, TUMOR_MASK, labels_of
from segmentation_parts import write_model
from synthetic_predictions import CASE_ID, LABELS, synthetic_heads, write_image, write_regions, write_segmented_job

from coranet.contract import Case, Datalist, Job, JobKind, JobStatus, Label, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError, JobError, ModelError
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.review.region_view import sees

HEADS = synthetic_heads()


@pytest.fixture
def logic(context, awkward_path):
    made = CoraNetLogic(context, runner=fake_runner(), jobsFolder=awkward_path / "jobs")
    yield made
    made.close()


@pytest.fixture
def a_training(awkward_path):
    folder = awkward_path / "jobs" / "train 1"
    write_image(HEADS["segmentation"].astype(np.float32), folder / "images" / "a.nrrd")
    write_image(HEADS["segmentation"], folder / "labels" / "a.nrrd")
    cases = (Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd"), Case("v", Role.VALIDATION, "/v", "/l"))
    labels = tuple(Label(**label) for label in LABELS)
    job = Job.create(folder, JobKind.TRAIN, TrainConfig.from_preset("quick"), Datalist(cases, labels))
    write_model(job.model_folder, LABELS, preset="quick")
    return job


class TestArguments:
    """Numbers of the console are numpy's as often as Python's; what is no number is refused before anything changes."""

    def test_numbers_of_numpy_are_numbers(self, logic, a_result, its_files, context):
        logic.resolveRegion(a_result, np.int64(2), "radical", author=None)
        logic.resolvePlace(a_result, np.int32(1), np.float32(0.5), np.float32(6))
        logic.editRegion(a_result, np.int16(3))
        logic.finishEdit(a_result)
        for _ in range(3):
            logic.undoRegion(a_result)
        for _ in range(3):
            logic.redoRegion(a_result)
        decisions = json.loads(its_files.review.read_text())["decisions"]
        assert {number: decision["choice"] for number, decision in decisions.items()} == {
            "1": "slid", "2": "radical", "3": "edited",
        }  # fmt: skip
        assert {decision["author"] for decision in decisions.values()} == {""}

    @pytest.mark.parametrize(
        ("call", "arguments", "message"),
        [
            ("resolveRegion", ("1", "radical"), "has the regions 1 to 11, not '1'"),
            ("resolveRegion", (1.0, "radical"), "has the regions 1 to 11, not 1.0"),
            ("resolveRegion", (None, "radical"), "has the regions 1 to 11, not None"),
            ("editRegion", ("2",), "has the regions 1 to 11, not '2'"),
            ("resolvePlace", (1, None), "the level of a slide must be a number, got None"),
            ("resolvePlace", (1, 0.5, "far"), "the radius_mm of a slide must be a number, got 'far'"),
            ("slideAt", ((1, 2), 0.5), "three finite numbers, got \\(1, 2\\)"),
            ("slideAt", ((1, 2, np.nan), 0.5), "three finite numbers"),
            ("slideAt", (None, 0.5), "three finite numbers, got None"),
        ],
    )
    def test_what_cannot_be_used_is_refused_and_the_review_goes_on(self, logic, a_result, call, arguments, message):
        before = labels_of(a_result)
        with pytest.raises(DataError, match=message):
            getattr(logic, call)(a_result, *arguments)
        np.testing.assert_array_equal(labels_of(a_result), before)
        assert logic.regions(a_result).review.decisions == {} and not logic.regions(a_result).can_undo
        logic.resolveRegion(a_result, 1, "radical")


class TestLooking:
    def test_a_volume_that_no_view_shows_comes_into_view_and_others_stay(self, logic, context, a_result, a_volume_node):
        red, green = (context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode") for _ in range(2))
        red.SetBackgroundVolumeID(a_volume_node.GetID())
        logic.showRegion(a_result, 1)
        assert red.GetBackgroundVolumeID() == green.GetBackgroundVolumeID() == a_result.volume.GetID()
        red.SetBackgroundVolumeID(a_volume_node.GetID())
        logic.showRegion(a_result, 2)
        assert red.GetBackgroundVolumeID() == a_volume_node.GetID()

    def test_a_region_is_outlined_until_it_is_hidden(self, logic, a_result):
        logic.showRegion(a_result, 2)
        assert logic.regions(a_result).outline.node.GetName().endswith("Region 2")
        logic.hideRegion(a_result)
        assert logic.regions(a_result).outline.node is None


class TestTakenUpAtOnce:
    """The panel takes a review up in steps, the console at once: both have the same one, and no decision is lost."""

    @pytest.fixture
    def loaded(self, logic, a_segmented_job):
        # Decisions of before are done again, so that there are steps.
        (first,) = logic.loadResults(a_segmented_job, show=False)
        logic.resolveRegion(first, 1, "radical", author="Ada")
        logic.resolveRegion(first, 2, "conservative", author="Ada")
        (again,) = logic.loadResults(a_segmented_job, show=False)
        return again

    def finish(self, steps):
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    @pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8])
    def test_panel_first_then_console(self, logic, loaded, steps):
        opening = logic.openRegions(loaded)
        for _step in range(steps):
            next(opening, None)
        of_console = logic.resolveRegion(loaded, 1, "conservative", author="Bo")
        logic.resolveRegion(loaded, 3, "radical", author="Bo")
        after = labels_of(loaded)
        assert (self.finish(opening) or logic.regions(loaded)) is of_console
        np.testing.assert_array_equal(labels_of(loaded), after)
        assert [of_console.status(number) for number in (1, 2, 3)] == ["conservative", "conservative", "radical"]
        assert logic.undoRegion(loaded) == 3 and logic.undoRegion(loaded) == 1
        assert logic.regions(loaded).status(1) == "radical"

    def test_two_panels_step_by_step(self, logic, loaded):
        first, second = logic.openRegions(loaded), logic.openRegions(loaded)
        for _step in range(2):
            next(first, None)
            next(second, None)
        assert self.finish(first) is self.finish(second) is logic.regions(loaded)

    def test_one_that_is_given_up_can_be_begun_anew(self, logic, loaded):
        opening = logic.openRegions(loaded)
        next(opening)
        opening.close()
        assert logic.regions(loaded).status(1) == "radical"

    def test_one_that_fails_fails_again_and_is_not_kept(self, logic, loaded, a_segmented_job):
        regions = a_segmented_job.prediction(CASE_ID).regions
        kept = regions.read_bytes()
        regions.write_bytes(b"{")
        for _time in range(2):
            with pytest.raises(JobError):
                logic.regions(loaded)
        regions.write_bytes(kept)
        assert logic.regions(loaded).status(1) == "radical"


class TestCases:
    def test_are_known_by_result_node_or_name(self, logic, a_result):
        review = logic.regions(a_result)
        names = (a_result.segmentation.GetName(), a_result.volume.GetName(), CASE_ID, f"segment 1/{CASE_ID}")
        for case in (a_result.segmentation, *names):
            assert logic.regions(case) is review

    def test_unknown_ones_are_named(self, logic, a_result, a_volume_node):
        for case in ("nobody", a_volume_node):
            with pytest.raises(
                DataError, match=r"there is no result '(nobody|Patient 1)' in the scene; .*'patient 7 CoraNet'"
            ):
                logic.regions(case)

    def test_two_of_one_name_must_be_told_apart(self, logic, a_result, tmp_path):
        other = write_segmented_job(tmp_path / "segment 2")
        write_regions(other.prediction(CASE_ID))
        logic.loadResults(other, show=False)
        with pytest.raises(DataError, match=f"there are 2 results '{CASE_ID}'"):
            logic.regions(CASE_ID)
        assert logic.regions(f"segment 2/{CASE_ID}") is not logic.regions(f"segment 1/{CASE_ID}")

    def test_a_result_that_was_loaded_anew_gets_a_new_review(self, logic, a_segmented_job):
        (first,) = logic.loadResults(a_segmented_job, show=False)
        logic.resolveRegion(first, 1, "radical", author="Ada")
        before, expected = logic.regions(first), labels_of(first)
        (again,) = logic.loadResults(a_segmented_job, show=False)
        assert logic.regions(again) is not before
        assert logic.regions(again).status(1) == "radical"
        np.testing.assert_array_equal(labels_of(again), expected)


class TestReviewing:
    def test_decisions_and_back(self, logic, a_result):
        review = logic.resolveRegion(a_result, 3, "radical", author="Ada")
        assert review.decision(3).author == "Ada"
        assert (logic.undoRegion(a_result), logic.undoRegion(a_result)) == (3, None)
        assert logic.redoRegion(a_result) == 3
        np.testing.assert_array_equal(review.status(3), "radical")

    def test_edits(self, logic, a_result):
        assert logic.editRegion(a_result, 2).GetSegmentationNode() is a_result.segmentation
        assert logic.finishEdit(a_result, accept=True, author="Bo") == 0
        assert logic.regions(a_result).status(2) == "edited"

    def test_looking(self, logic, context, a_result):
        node = context.scene.AddNewNodeByClass("vtkMRMLCameraNode")
        node.SetFocalPoint(500.0, 0.0, 0.0)
        center = logic.regions(a_result).place(2).center_ras_mm
        assert not sees(node, center)
        assert logic.showRegion(a_result, 2).center_ras_mm == center
        assert sees(node, center)


class TestTeachingBack:
    def test_promoting(self, logic, a_result, its_files):
        logic.resolveRegion(a_result, 1, "radical")
        assert logic.promote(a_result, trustCertain=True).regions == 1
        assert sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.known))).mean() > 0.5

    def test_improving_starts_a_training(self, logic, a_result, a_training):
        logic.resolveRegion(a_result, 1, "radical")
        handle = logic.improve(a_training, [a_result], {"training.self_training_steps": 5})
        assert handle.wait(PATIENCE_S) is JobStatus.FINISHED
        job = handle.job
        roles = [(case.id, case.role, case.is_partial) for case in job.read_datalist().cases]
        assert roles == [("a", Role.TRAINING, False), ("v", Role.VALIDATION, False), ("patient_7", Role.TRAINING, True)]
        config = job.read_config()
        assert config.training.initial_model == str(a_training.model_folder)
        assert config.training.self_training_steps == 5 and config.preset == "quick"

    @pytest.mark.slow
    def test_a_further_round_knows_the_case_again(self, logic, context, a_result, a_training, tmp_path):
        logic.resolveRegion(a_result, 1, "radical")
        first = logic.improve(a_training, [a_result])
        first.wait(PATIENCE_S)
        write_model(first.job.model_folder, LABELS, preset="quick")
        logic.resolveRegion(a_result, 2, "radical")
        second = logic.improve(first, [a_result])
        assert second.wait(PATIENCE_S) is JobStatus.FINISHED
        assert [case.id for case in second.job.read_datalist().cases] == ["a", "v", "patient_7"]
        assert f"{second.job.identifier}/patient_7" in a_result.volume.GetAttribute("CoraNetSlicer.Case")

    def test_with_nothing_reviewed_there_is_nothing_to_do(self, logic, a_result, a_training):
        with pytest.raises(DataError, match="nothing to improve the model with"):
            logic.improve(a_training, [])
        with pytest.raises(DataError, match="is decided yet"):
            logic.improve(a_training, [a_result])
        assert logic.jobs() == [a_training.folder]

    def test_a_folder_that_holds_a_job_is_refused(self, logic, a_result, a_training):
        logic.resolveRegion(a_result, 1, "radical")
        with pytest.raises(JobError, match="already holds a job"):
            logic.improve(a_training, [a_result], folder=a_training.folder)

    def test_a_copied_model_needs_labeled_cases(self, logic, a_result, tmp_path, make_labeled_case):
        logic.resolveRegion(a_result, 1, "radical")
        model = write_model(tmp_path / "copied", LABELS, preset="quick")
        with pytest.raises(ModelError, match="give them"):
            logic.improve(model, [a_result])
        labeled = [make_labeled_case("Patient 1", {"Tumor": TUMOR_MASK, "Pancreas": LIVER_MASK})]
        handle = logic.improve(model, [a_result], labeled=labeled)
        assert handle.wait(PATIENCE_S) is JobStatus.FINISHED
        datalist = handle.job.read_datalist()
        assert [(case.id, case.is_partial) for case in datalist.cases] == [("Patient_1", False), ("patient_7", True)]
        assert [(label.value, label.name) for label in datalist.labels] == [(2, "Pancreas"), (5, "Tumor")]
        written = sitk.GetArrayFromImage(sitk.ReadImage(datalist.cases[0].label))
        np.testing.assert_array_equal(written, LIVER_MASK * 2 + TUMOR_MASK * 5)

    def test_other_labels_are_refused_before_anything_is_written(self, logic, a_result, tmp_path, a_labeled_case):
        logic.resolveRegion(a_result, 1, "radical")
        model = write_model(tmp_path / "copied", preset="quick")
        with pytest.raises(DataError, match="segment it with the model that is to be improved"):
            logic.improve(model, [a_result], labeled=[a_labeled_case])
        assert logic.jobs() == []

    def test_cases_are_ranked(self, logic, a_result, a_segmented_job, its_files, a_training):
        content = json.loads(its_files.result.read_text(encoding="utf-8"))
        of_class = {"segmentation": 0.7, "conservative": 0.3, "radical": 1.3}
        content["volumes_ml"] = {label["name"]: of_class for label in LABELS}
        its_files.result.write_text(json.dumps(content), encoding="utf-8")
        (before,) = logic.rankCases(a_segmented_job)
        logic.resolveRegion(a_result, 1, "radical")
        (after,) = logic.rankCases(a_segmented_job.folder)
        assert after.share < before.share and "is uncertain" in after.reason
        with pytest.raises(JobError, match="expected a segmentation"):
            logic.rankCases(a_training)
