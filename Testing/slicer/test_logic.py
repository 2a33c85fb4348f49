"""The console API from nodes to results, with real MRML and real processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from job_fixtures import a_training_job, fake_runner
from patience import PATIENCE_S, wait_until
from scene_builders import SHAPE_KJI, add_volume
from segmentation_parts import write_model
from synthetic_predictions import CASE_ID, write_segmented_job

from coranet.contract import JobKind, JobStatus, Role
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.errors import ConfigError, DataError, JobError, ModelError
from coranet.contract.events import Losses
from CoraNetSlicerLib.jobs.arguments import segment_config, train_config
from CoraNetSlicerLib.jobs.handle import JobHandle
from CoraNetSlicerLib.logic import CoraNetLogic


@pytest.fixture
def logic(context, awkward_path):
    return CoraNetLogic(context, runner=fake_runner(), jobsFolder=awkward_path / "jobs")


@pytest.fixture
def a_model(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


def unlabeled_volumes(context, count=2):
    return [add_volume(context, f"U{index}", np.zeros(SHAPE_KJI, np.int16), np.eye(4)) for index in range(count)]


def test_training_starts_in_the_background_and_ends(logic, context, a_labeled_case):
    logic.runner = fake_runner(FAKE_STEPS="100000")
    job = logic.train(labeled=[a_labeled_case], unlabeled=unlabeled_volumes(context), settings="quick")
    assert isinstance(job, JobHandle) and job.status is JobStatus.RUNNING, "nobody has waited for its end"
    job.cancel()
    assert job.wait(PATIENCE_S) is JobStatus.CANCELLED
    logic.runner = fake_runner()
    # A handle keeps the runner that it was made with.
    job = logic.attach(job.folder)
    job.resume()
    assert job.wait(PATIENCE_S) is JobStatus.FINISHED
    assert [case.role for case in job.job.read_datalist().cases] == [Role.TRAINING, Role.UNLABELED, Role.UNLABELED]


def test_new_jobs_get_folders_of_their_own(logic, a_labeled_case):
    first = logic.train([a_labeled_case], settings="quick")
    second = logic.train([a_labeled_case], settings="quick")
    assert first.folder.name == "Training"
    assert second.folder.name == "Training 2"
    assert logic.jobs() == [first.folder, second.folder]
    first.wait(PATIENCE_S), second.wait(PATIENCE_S)


def test_without_jobs_there_is_an_empty_list(logic):
    assert logic.jobs() == []


def test_jobs_lie_in_the_home_folder_unless_told_otherwise(context):
    assert CoraNetLogic(context).jobsFolder == Path.home() / "CoraNetSlicer" / "jobs"


def test_a_refused_training_leaves_no_folder_that_looks_like_a_job(logic, a_volume_node):
    with pytest.raises(DataError):
        logic.train([(a_volume_node, None)])
    assert logic.jobs() == []


class TestSettings:
    def test_nothing_means_the_default_preset(self):
        assert train_config(None) == TrainConfig.from_preset("default")

    def test_a_name_means_a_preset(self):
        assert train_config("quick") == TrainConfig.from_preset("quick")

    def test_a_dictionary_changes_single_settings_of_a_preset(self):
        config = train_config({"preset": "quick", "training.self_training_steps": 7, "data.patch_size_kji": (8, 8, 8)})
        assert config.training.self_training_steps == 7
        assert config.data.patch_size_kji == (8, 8, 8)
        assert config.network == TrainConfig.from_preset("quick").network

    def test_a_configuration_is_taken_as_it_is(self):
        config = TrainConfig(seed=5)
        assert train_config(config) is config

    def test_a_misspelt_setting_gets_a_suggestion(self):
        with pytest.raises(ConfigError, match=r"did you mean 'training\.learning_rate'"):
            train_config({"training.learning_rat": 1e-3})

    def test_what_is_no_setting_is_refused(self):
        with pytest.raises(ConfigError, match="a preset's name or a dictionary, got int"):
            train_config(5)

    def test_segmentation_settings_join_the_model(self, a_model):
        assert segment_config(a_model, {"inference.overlap": 0.25}).inference.overlap == 0.25
        given = SegmentConfig(model=str(a_model)).with_overrides({"machine.device": "cpu"})
        assert segment_config(a_model, given) == SegmentConfig(model=str(a_model)).with_overrides(
            {"machine.device": "cpu"}
        )

    def test_settings_that_name_another_model_are_an_error(self, a_model):
        with pytest.raises(ConfigError, match="name the model 'other'.*name one of them"):
            segment_config(a_model, SegmentConfig(model="other"))


class TestModels:
    def test_a_finished_training_is_a_model(self, tmp_path):
        job = a_training_job(tmp_path / "t")
        job.model_folder.mkdir()
        for model in (JobHandle(job, fake_runner()), job, job.folder, str(job.folder)):
            assert segment_config(model).model == str(job.folder)

    def test_an_unfinished_training_is_not(self, tmp_path):
        with pytest.raises(ModelError, match="has made no model yet"):
            segment_config(a_training_job(tmp_path / "t"))

    def test_a_segmentation_is_not(self, tmp_path):
        with pytest.raises(ModelError, match="expected a training"):
            segment_config(write_segmented_job(tmp_path / "s").folder)

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(ModelError, match="there is no model folder"):
            segment_config(tmp_path / "nowhere")


class TestArguments:
    """What a person at the console may write instead is understood, or refused in a sentence."""

    @pytest.mark.parametrize(
        ("labeled", "message"),
        [
            (lambda volume, truth: (volume, truth), "'labeled' must be a list of pairs, .* got 'Patient 1'; put each"),
            (lambda volume, truth: volume, "'labeled' must be a list of pairs, .* got 'Patient 1'"),
            (lambda volume, truth: {volume: truth}, "'labeled' must be a list of pairs, .* of type dict"),
            (lambda volume, truth: 3, "expected a list of volumes, got an object of type int"),
            (lambda volume, truth: [(np.zeros((3, 3, 3)), truth)], "type ndarray; make a node of an array with"),
            (lambda volume, truth: [((volume, np.zeros(3)), truth)], "type ndarray; make a node of an array with"),
            (lambda volume, truth: [(volume, np.zeros((3, 3, 3)))], "'Patient 1' is paired with .* type ndarray"),
            (lambda volume, truth: None, "needs at least one labeled volume, got none"),
        ],
    )
    def test_what_cannot_be_trained_on_is_named(self, logic, a_labeled_case, labeled, message):
        with pytest.raises(DataError, match=message):
            logic.train(labeled(*a_labeled_case))
        with pytest.raises(DataError):
            logic.train([a_labeled_case], validation=labeled(*a_labeled_case) or 3)

    def test_one_of_what_could_be_several(self, logic, context, a_labeled_case, a_scan):
        job = logic.train([a_labeled_case], a_scan("other"), segmentNames="Liver", validation=None)
        datalist = job.job.read_datalist()
        assert [case.id for case in datalist.cases] == ["Patient_1", "other"]
        assert [label.name for label in datalist.labels] == ["Liver"]

    def test_volumes_of_any_collection_are_segmented(self, logic, a_model, a_scan):
        volumes = {"a": a_scan("a"), "b": a_scan("b")}
        for given in (volumes.values(), (volume for volume in volumes.values())):
            assert len(logic.segment(given, model=a_model).job.read_datalist().cases) == 2

    def test_a_thread_is_refused_before_it_touches_the_scene(self, logic, context, a_labeled_case, a_model, a_result):
        calls = (
            lambda: logic.train([a_labeled_case]),
            lambda: logic.segment(a_labeled_case[0], a_model),
            lambda: logic.loadResults("job"),
            lambda: logic.resolveRegion(a_result, 1, "keep"),
            lambda: logic.improve(a_model, [a_result]),
        )
        count = context.scene.GetNumberOfNodes()
        with ThreadPoolExecutor(1) as thread:
            for call in calls:
                with pytest.raises(JobError, match="was called from a thread, which can crash Slicer; call it from"):
                    thread.submit(call).result()
        assert context.scene.GetNumberOfNodes() == count and logic.jobs() == []

    @pytest.mark.parametrize("wrong", [None, 3, ["folder"], ""])
    def test_what_is_no_path_is_named(self, logic, a_volume_node, a_model, wrong):
        for call in (logic.attach, logic.loadResults, logic.rankCases, logic.deleteJob, logic.trainingPlot):
            with pytest.raises(JobError, match="expected a job, got"):
                call(wrong)
        with pytest.raises(ModelError, match="expected a training or the folder of a model, got"):
            logic.segment([a_volume_node], model=wrong)
        with pytest.raises(DataError, match="expected a folder of images, got"):
            logic.segmentFolder(wrong, None, model=a_model)


def test_one_volume_or_several_can_be_segmented(logic, context, a_model):
    first, second = unlabeled_volumes(context)
    alone, both = logic.segment(first, a_model), logic.segment([first, second], a_model)
    assert [case.id for case in alone.job.read_datalist().cases] == ["U0"]
    assert [case.id for case in both.job.read_datalist().cases] == ["U0", "U1"]
    assert alone.kind is JobKind.SEGMENT
    assert alone.wait(PATIENCE_S) is both.wait(PATIENCE_S) is JobStatus.FINISHED


def test_a_folder_of_images_is_segmented_without_the_scene(logic, context, a_model, awkward_path):
    images = awkward_path / "images"
    images.mkdir()
    for name in ("b.nii.gz", "a.nrrd", "notes.txt"):
        (images / name).write_bytes(b"x")
    before = context.scene.GetNumberOfNodes()
    job = logic.segmentFolder(images, awkward_path / "out", a_model)
    assert job.folder == awkward_path / "out"
    cases = job.job.read_datalist().cases
    assert [(case.id, Path(case.image).name) for case in cases] == [("a", "a.nrrd"), ("b", "b.nii.gz")]
    assert job.wait(PATIENCE_S) is JobStatus.FINISHED
    assert context.scene.GetNumberOfNodes() == before


def test_results_come_back_to_their_job(logic, context, tmp_path):
    job = write_segmented_job(tmp_path / "segment 1")
    (loaded,) = logic.loadResults(job.folder)
    assert loaded.volume.GetAttribute("CoraNetSlicer.Case") == f"{job.identifier}/{CASE_ID}"
    assert loaded.segmentation.GetSegmentation().GetNumberOfSegments() > 0
    assert loaded.segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


def test_results_can_be_loaded_without_their_look(logic, tmp_path):
    (loaded,) = logic.loadResults(write_segmented_job(tmp_path / "segment 1"), show=False)
    assert not loaded.segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


def test_a_training_has_no_results_to_load(logic, tmp_path):
    with pytest.raises(JobError, match="is a training"):
        logic.loadResults(a_training_job(tmp_path / "t"))


def test_a_segmentation_without_results_says_so(logic, context, a_model):
    job = logic.segment(unlabeled_volumes(context), a_model)
    job.wait(PATIENCE_S)
    with pytest.raises(JobError, match="has no result yet"):
        logic.loadResults(job)


def test_curves_follow_a_running_job(logic, a_labeled_case):
    job = logic.train([a_labeled_case], settings="quick")
    plot = logic.trainingPlot(job)
    job.wait(PATIENCE_S)
    series = plot.losses_chart.GetNthPlotSeriesNode(0)
    steps = [event for event in job.events if isinstance(event, Losses)]
    assert series.GetTableNode().GetNumberOfRows() == len(steps) == 5


def test_a_ticker_of_its_own_watches_each_job(context, awkward_path, a_labeled_case):
    class Ticker:
        running: list = []

        def start(self, callback):
            self.running.append(callback)

        def stop(self):
            self.running.clear()

    logic = CoraNetLogic(context, fake_runner(), awkward_path, makeTicker=Ticker)
    ended = []
    logic.train([a_labeled_case], settings="quick").onFinished(ended.append)  # nobody keeps the handle
    wait_until(lambda: [tick() for tick in list(Ticker.running)] and bool(ended) or bool(ended))
    assert ended[0].status is JobStatus.FINISHED
    assert Ticker.running == []


def test_closing_leaves_jobs_alone(context, awkward_path, a_labeled_case):
    logic = CoraNetLogic(context, fake_runner(FAKE_STEPS="10000"), awkward_path)
    job = logic.train([a_labeled_case], settings="quick")
    wait_until(lambda: job.poll() and job.progress > 0)
    logic.close()
    assert job.status is JobStatus.RUNNING
    job.cancel()
    job.wait(PATIENCE_S)


def test_volumes_know_of_which_training_they_are_cases(logic, context, a_labeled_case):
    (other,) = unlabeled_volumes(context, 1)
    job = logic.train([a_labeled_case], [other], settings="quick")
    marks = [node.GetAttribute("CoraNetSlicer.Case") for node in (a_labeled_case[0], other)]
    assert marks == [f"{job.job.identifier}/Patient_1", f"{job.job.identifier}/U0"]
    job.wait(PATIENCE_S)


class TestChannels:
    @pytest.fixture
    def a_model_of_two(self, tmp_path):
        return write_model(tmp_path / "two", channels=["T1", "FLAIR"])

    def test_a_folder_is_grouped_by_the_numbers_of_the_channels(self, logic, awkward_path, a_model_of_two):
        images = awkward_path / "images"
        images.mkdir()
        for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
            (images / f"{name}.nrrd").write_bytes(b"x")
        datalist = logic.segmentFolder(images, awkward_path / "out", a_model_of_two).job.read_datalist()
        assert [(case.id, len(case.images)) for case in datalist.cases] == [("a", 2), ("b", 2)]
        (images / "b_0001.nrrd").unlink()
        with pytest.raises(DataError, match=r"case 'b' has no FLAIR \('b_0001.nrrd'\)"):
            logic.segmentFolder(images, awkward_path / "other", a_model_of_two)

    @pytest.mark.slow
    def test_volumes_are_given_together_or_by_name(self, logic, context, a_model_of_two):
        t1, flair, other = unlabeled_volumes(context, 3)
        for images in ((t1, flair), {"FLAIR": flair, "T1": t1}):
            job = logic.segment([images], a_model_of_two)
            case = job.job.read_datalist().cases[0]
            assert case.id == "U0" and len(case.images) == 2
            job.wait(PATIENCE_S)
        with pytest.raises(DataError, match="case 'U2' has no FLAIR"):
            logic.segment([(t1, flair), other], a_model_of_two)
