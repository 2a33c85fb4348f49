"""The section Segment without widgets, with a real background process that thresholds."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from patience import PATIENCE_S
from scene_builders import SHAPE_KJI, add_volume, rotated_ijk_to_ras
from segmentation_parts import ReadyEnvironment, SettingsApplication, a_logic, a_runner, a_training
from synthetic_predictions import CASE_ID, write_image, write_segmented_job

from coranet.contract import JobStatus, ProcessIdentity
from coranet.contract.errors import CoraNetError, JobError
from coranet.contract.events import CaseDone, Started
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.core.results import PART_ATTRIBUTE, find_prediction_files, nodes_of_class
from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.review.segment_layers import SegmentLayers
from CoraNetSlicerLib.segment.presenter import SegmentationPresenter
from CoraNetSlicerLib.segment.segmentation_source import SourceKind


@pytest.fixture
def application(context):
    return SettingsApplication(context.scene)


@pytest.fixture
def held(tmp_path):
    """While this file exists, no segmentation ends."""
    return tmp_path / "held"


@pytest.fixture
def logic(context, tmp_path, held):
    logic = a_logic(context, tmp_path / "jobs ü", FAKE_SECONDS_A_CASE="0.05", FAKE_HELD_BY=str(held))
    a_training(logic.jobsFolder / "training")
    yield logic
    logic.close()


@pytest.fixture
def slow_logic(context, tmp_path, held):
    logic = a_logic(context, tmp_path / "jobs ü", FAKE_SECONDS_A_CASE="600", FAKE_HELD_BY=str(held))
    a_training(logic.jobsFolder / "training")
    yield logic
    for job in logic.runningJobs():
        job.cancel(graceSeconds=0)
        job.wait(PATIENCE_S)
    logic.close()


@pytest.fixture
def make_presenter(context, application):
    created = []

    def make(logic):
        presenter = SegmentationPresenter(logic, ReadyEnvironment(), Parameters(context.scene), application)
        presenter.results = []
        presenter.loaded.connect(presenter.results.append)
        created.append(presenter)
        return presenter

    yield make
    for presenter in created:
        presenter.close()


@pytest.fixture
def presenter(make_presenter, logic):
    return make_presenter(logic)


def a_scan(context, name="Patient 1", seed=3):
    array = np.random.default_rng(seed).normal(100, 20, SHAPE_KJI).astype(np.float32)
    return add_volume(context, name, array, rotated_ijk_to_ras())


def start(presenter, application) -> None:
    """Until its process runs."""
    presenter.start()
    while presenter._writing.is_busy:
        application.run(0)


def finish(presenter, application) -> None:
    """Until the job is over and its results are loaded."""
    assert presenter.handle.wait(PATIENCE_S).is_over
    application.run()


def _raise(error: Exception) -> None:
    raise error


def states(presenter) -> list[str]:
    """The first word of what becomes of each case."""
    return [re.match(r"\w+", row.text)[0] for row in presenter.rows]


def result_nodes(context) -> int:
    return len([node for node in nodes_of_class(context.scene, "vtkMRMLNode") if node.GetAttribute(PART_ATTRIBUTE)])


class TestReasons:
    def test_without_a_volume_it_asks_for_one(self, presenter):
        assert presenter.reason_not_startable == "Choose a volume."

    def test_without_a_model_it_asks_for_that_first(self, make_presenter, context, tmp_path):
        presenter = make_presenter(a_logic(context, tmp_path / "empty"))
        assert "There is no model yet" in presenter.reason_not_startable

    def test_an_environment_that_is_not_ready_comes_before_all(self, presenter):
        presenter._environment.reason_not_ready = "PyTorch is missing."
        assert presenter.reason_not_startable == "PyTorch is missing."

    def test_several_volumes_need_a_tick(self, presenter, context):
        volume = a_scan(context)
        presenter.source.set_kind("volumes")
        assert presenter.reason_not_startable == "Tick the volumes to segment."
        presenter.source.set_ticked(volume, True)
        assert presenter.reason_not_startable == "" and presenter.source.volumes == [volume]
        presenter.source.set_ticked(volume, False)
        assert presenter.source.volumes == []

    @pytest.mark.parametrize("kind", list(SourceKind))
    def test_starting_without_reason_is_an_error_with_that_reason(self, presenter, kind):
        presenter.source.set_kind(kind.value)
        with pytest.raises(JobError) as raised:
            presenter.start()
        assert str(raised.value) == presenter.reason_not_startable != ""

    def test_nothing_runs_so_nothing_is_cancelled(self, presenter):
        assert presenter.reason_not_stoppable == "No segmentation is running."


def test_volumes_that_come_and_go_are_told_and_many_at_once(presenter, context, application):
    received = []
    presenter.changed.connect(lambda: received.append([tick.name for tick in presenter.source.ticks]))
    first, second = a_scan(context, "first"), a_scan(context, "second")
    application.run()
    assert received == [["first", "second"]]
    context.scene.RemoveNode(first)
    second.SetName("renamed")
    application.run()
    assert received[-1] == ["renamed"] and len(received) == 2
    presenter.close()
    a_scan(context, "later")
    application.run()
    assert len(received) == 2


class TestOneVolume:
    def test_is_segmented_and_its_result_shown(self, presenter, context, application, held):
        held.touch()
        volume = a_scan(context)
        received = {"started": [], "ended": []}
        presenter.started.connect(received["started"].append)
        presenter.ended.connect(received["ended"].append)
        presenter.source.set_volume(volume)
        start(presenter, application)
        assert presenter.is_active and 0 <= presenter.progress < 1
        assert "A segmentation is running" in presenter.reason_not_startable
        held.unlink()
        finish(presenter, application)
        (loaded,) = presenter.results
        assert loaded.volume is volume and loaded.segmentation.GetSegmentation().GetNumberOfSegments() == 1
        assert loaded.segmentation.GetDisplayNode().GetSegmentVisibility3D("segmentation-1")
        assert received == {"started": [presenter.handle], "ended": [presenter.handle]}
        assert states(presenter) == ["done"] and presenter.rows[0].action == "show"
        assert (presenter.rows[0].case, presenter.rows[0].name) == ("Patient_1", volume.GetName())
        chosen = []
        presenter.chosen.connect(chosen.append)
        for case in ("Patient_1", "no such case"):
            presenter.show(case)
        assert chosen == [loaded.segmentation]
        assert presenter.progress == 1.0 and "1 cases are segmented." in presenter.status
        assert presenter.handle.job.read_config().surfaces

    def test_loading_it_again_replaces_it(self, presenter, context, application):
        presenter.source.set_volume(a_scan(context))
        start(presenter, application)
        finish(presenter, application)
        count = result_nodes(context)
        presenter.load("Patient_1")
        assert states(presenter) == ["loading"]
        application.run()
        assert result_nodes(context) == count == 3 and len(presenter.results) == 2

    def test_it_is_loaded_in_steps_of_which_none_blocks(self, presenter, context, application):
        presenter.source.set_volume(a_scan(context))
        start(presenter, application)
        presenter.handle.wait(PATIENCE_S)
        assert application.run() >= 15

    def test_a_damaged_result_is_told_in_its_row(self, presenter, context, application):
        presenter.source.set_volume(a_scan(context))
        start(presenter, application)
        presenter.handle.wait(PATIENCE_S)
        files = presenter.handle.job.prediction("Patient_1")
        files.radical.write_bytes(files.radical.read_bytes()[:-30])
        application.run()
        assert "done, not loaded: " in presenter.rows[0].text and "radical.nrrd" in presenter.rows[0].text
        assert presenter.rows[0].action == "load" and presenter.results == [] and result_nodes(context) == 0

    def test_a_volume_that_is_deleted_meanwhile_is_told(self, presenter, context, application):
        volume = a_scan(context)
        presenter.source.set_volume(volume)
        start(presenter, application)
        presenter.handle.wait(PATIENCE_S)
        application.run(milliseconds=-1)
        next(presenter._loading._steps)
        context.scene.RemoveNode(volume)
        application.run()
        assert "no longer in the scene" in presenter.rows[0].text


class TestWriting:
    def test_the_images_are_written_one_by_one_and_it_says_so(self, presenter, context, application):
        received = []
        presenter.changed.connect(lambda: received.append(presenter.status))
        presenter.source.set_kind("volumes")
        for name in ("A", "B"):
            presenter.source.set_ticked(a_scan(context, name), True)
        presenter.start()
        assert presenter.is_active and presenter.handle is None and presenter.reason_not_startable
        start_of_it = len(received)
        while presenter._writing.is_busy:
            application.run(0)
        assert [text for text in received[start_of_it:] if "case " in text] == [
            "Writing case 1 of 2 ...", "Writing case 2 of 2 ...",
        ]  # fmt: skip
        finish(presenter, application)

    def test_it_is_cancelled_without_a_trace(self, presenter, context, application, logic):
        presenter.source.set_volume(a_scan(context))
        presenter.start()
        assert presenter.reason_not_stoppable == ""
        presenter.stop()
        application.run()
        assert not presenter.is_active and presenter.handle is None
        assert presenter.status.startswith("Stopped before the segmentation began") and presenter.error == ""
        assert [path.name for path in logic.jobsFolder.iterdir()] == ["training"]

    def test_what_goes_wrong_on_the_way_is_told(self, presenter, context, application, logic, monkeypatch):
        presenter.source.set_volume(a_scan(context))
        logic.useInterpreter(Interpreter("/no/such/python", {}))
        presenter.start()
        application.run()
        assert "/no/such/python" in presenter.error and not presenter.is_active

    @pytest.mark.parametrize("error", [OSError(28, "No space"), MemoryError(), TypeError("None"), KeyError("a")])
    def test_what_nobody_foresaw_is_told_and_one_can_try_again(
        self, presenter, context, application, monkeypatch, error
    ):
        presenter.source.set_volume(a_scan(context))
        presenter.start()
        with monkeypatch.context() as broken:
            broken.setattr("CoraNetSlicerLib.core.export.CaseFiles.write_image", lambda *_: _raise(error))
            application.run()
        assert not presenter.is_active and "unexpected error" in presenter.error and presenter.status == ""
        assert presenter.reason_not_startable == ""
        start(presenter, application)
        assert presenter.error == "" and presenter.is_active
        finish(presenter, application)


class TestResuming:
    def test_without_a_segmentation_there_is_nothing_to_resume(self, presenter):
        assert presenter.reason_not_resumable == "There is no segmentation yet."
        with pytest.raises(JobError, match="There is no segmentation yet"):
            presenter.resume()

    @pytest.mark.slow
    def test_one_that_was_stopped_goes_on_with_the_cases_that_are_left(
        self, make_presenter, context, application, tmp_path
    ):
        logic = a_logic(context, tmp_path / "jobs", FAKE_SECONDS_A_CASE="600")
        a_training(logic.jobsFolder / "training")
        presenter = make_presenter(logic)
        presenter.source.set_kind("volumes")
        for name in ("A", "B"):
            presenter.source.set_ticked(a_scan(context, name), True)
        start(presenter, application)
        assert presenter.reason_not_resumable == "The segmentation is running."
        presenter.stop()
        presenter.handle.wait(PATIENCE_S)
        assert "it can be resumed" in presenter.status and presenter.reason_not_resumable == ""
        presenter._environment.reason_not_ready = "PyTorch is missing."
        assert presenter.reason_not_resumable == "PyTorch is missing."
        presenter._environment.reason_not_ready = ""
        started = []
        presenter.started.connect(started.append)
        logic.runner = a_runner()
        presenter.resume()
        assert presenter.is_active and started == [presenter.handle]
        finish(presenter, application)
        assert states(presenter) == ["done", "done"] and len(presenter.results) == 2
        assert presenter.reason_not_resumable == "The segmentation is finished."
        logic.close()


class TestSeveral:
    @pytest.fixture
    def three(self, context):
        return [a_scan(context, name, seed) for seed, name in enumerate(("A", "bad", "C"))]

    def tick(self, presenter, volumes):
        presenter.source.set_kind("volumes")
        for volume in volumes:
            presenter.source.set_ticked(volume, True)

    def test_each_case_has_a_state_of_its_own(self, presenter, application, three):
        self.tick(presenter, three)
        start(presenter, application)
        finish(presenter, application)
        assert states(presenter) == ["done", "failed", "done"]
        assert presenter.rows[1].text == "failed: the image is flat; check the file."
        assert [loaded.volume.GetName() for loaded in presenter.results] == ["A", "C"]

    def test_a_case_is_skipped_and_the_others_go_on(self, make_presenter, slow_logic, application, three):
        presenter = make_presenter(slow_logic)
        self.tick(presenter, three)
        start(presenter, application)
        assert {row.action for row in presenter.rows} == {"skip"}
        for row in presenter.rows:
            presenter.skip(row.case)
        assert states(presenter) == ["skipping"] * 3
        finish(presenter, application)
        assert states(presenter) == ["skipped"] * 3 and presenter.results == []

    def test_progress_and_time_left_are_told_within_a_case(self, make_presenter, slow_logic, application, three):
        presenter = make_presenter(slow_logic)
        self.tick(presenter, three)
        start(presenter, application)
        end = time.monotonic() + PATIENCE_S
        while not presenter.progress and time.monotonic() < end:
            presenter.handle.poll()
            time.sleep(0.05)
        assert 0 < presenter.progress < 1 / 3
        assert presenter.rows[0].text.startswith("running, ") and presenter.rows[0].text.endswith(" left")
        assert presenter.rows[1].text == "waiting"
        assert presenter.status.startswith("Segmenting 1 of 3; about ") and presenter.status.endswith(" left.")

    def test_it_is_cancelled(self, make_presenter, slow_logic, application, three, held):
        held.touch()
        presenter = make_presenter(slow_logic)
        self.tick(presenter, three)
        start(presenter, application)
        end = time.monotonic() + PATIENCE_S
        while "running" not in states(presenter) and time.monotonic() < end:
            presenter.handle.poll()
            time.sleep(0.05)
        assert states(presenter) == ["running", "waiting", "waiting"]
        presenter.stop()
        assert presenter.reason_not_stoppable == "It is stopping already." and presenter.status == "Stopping..."
        held.unlink()
        finish(presenter, application)
        assert presenter.handle.status is JobStatus.CANCELLED
        assert states(presenter) == ["not"] * 3 and {row.action for row in presenter.rows} == {""}

    def test_another_panel_takes_a_running_segmentation_up_again(self, make_presenter, slow_logic, application, three):
        first = make_presenter(slow_logic)
        self.tick(first, three)
        start(first, application)
        first.skip("bad")
        first.close()
        second = make_presenter(slow_logic)
        assert second.is_active and second.handle.folder.name == "Segmentation of 3 volumes"
        assert states(second)[1] == "skipping"


class TestFolder:
    def test_files_in_files_out_and_single_cases_are_loaded_on_request(self, presenter, context, application, tmp_path):
        rng = np.random.default_rng(1)
        for name in ("a", "b"):
            write_image(rng.normal(100, 20, SHAPE_KJI).astype(np.float32), tmp_path / "in" / f"{name}.nrrd")
        presenter.source.set_kind("folder")
        presenter.source.set_input_folder(str(tmp_path / "in"))
        presenter.source.set_output_folder(str(tmp_path / "out"))
        start(presenter, application)
        assert presenter.handle.folder == tmp_path / "out"
        finish(presenter, application)
        assert presenter.results == [] and context.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
        presenter.load("b")
        application.run()
        assert [loaded.volume.GetName() for loaded in presenter.results] == ["b"]
        # It comes into view when it has its final look, which is for who hears `loaded`.
        assert application.shown == []

    def test_without_an_output_folder_it_becomes_a_job_like_others(self, presenter, application, tmp_path, logic):
        write_image(np.ones(SHAPE_KJI, np.float32), tmp_path / "in" / "bad.nrrd")
        presenter.source.set_kind("folder")
        presenter.source.set_input_folder(str(tmp_path / "in"))
        start(presenter, application)
        assert presenter.handle.folder.parent == logic.jobsFolder
        finish(presenter, application)


class TestAttaching:
    @pytest.fixture
    def a_finished_job(self, logic):
        job = write_segmented_job(logic.jobsFolder / "segment 7")
        events = job.open_events()
        events.write(Started(0, 1, "cpu", "1"))
        events.write(CaseDone(CASE_ID, 1, 1, 12.0))
        events.close()
        me = ProcessIdentity.of_this_process()
        job.beat(ProcessIdentity(999_999, me.host, time.time() - 60))
        return job

    def test_the_only_case_is_loaded_with_its_volume(self, presenter, logic, application, a_finished_job):
        presenter.attach(logic.attach(a_finished_job.folder))
        application.run()
        assert len(presenter.results) == 1 and presenter.rows[0].text == "done in 12 s"

    def test_what_a_person_has_corrected_stays_when_the_job_is_shown_again(
        self, presenter, logic, context, application, a_finished_job
    ):
        presenter.attach(logic.attach(a_finished_job.folder))
        application.run()
        (loaded,) = presenter.results
        layers = SegmentLayers(loaded.segmentation, loaded.volume)
        corrected = np.zeros(layers.whole.mask.shape, bool)
        corrected[2:5, 2:5, 2:5] = True
        layers.write_whole("segmentation-2", corrected)
        moved = a_finished_job.folder.rename(a_finished_job.folder.with_name("moved"))
        chosen = []
        presenter.chosen.connect(chosen.append)
        presenter.attach(logic.attach(moved))
        application.run()
        assert chosen == [loaded.segmentation] and len(presenter.results) == 1
        np.testing.assert_array_equal(layers.in_box(layers.layers()[0][0], layers.whole), corrected)
        assert find_prediction_files(loaded.segmentation).folder.parent.parent == moved
        context.scene.RemoveNode(loaded.segmentation)
        presenter.attach(logic.attach(moved))
        application.run()
        assert len(presenter.results) == 2

    def test_a_scene_that_is_opened_again_does_not_load_it_twice(
        self, presenter, make_presenter, logic, application, a_finished_job
    ):
        presenter.attach(logic.attach(a_finished_job.folder))
        application.run()
        again = make_presenter(logic)
        application.run()
        assert again.handle.folder == a_finished_job.folder and again.results == []

    def test_a_job_that_is_gone_is_forgotten(self, presenter, make_presenter, logic, context, tmp_path):
        Parameters(context.scene).set_text("SegmentationFolder", str(tmp_path / "gone"))
        assert make_presenter(logic).handle is None

    def test_a_training_is_refused(self, presenter, logic):
        with pytest.raises(CoraNetError, match="is a training, expected a segmentation"):
            presenter.attach(logic.attach(logic.jobsFolder / "training"))

    def test_a_scene_that_is_closed_forgets_all(self, presenter, logic, context, application, a_finished_job):
        presenter.attach(logic.attach(a_finished_job.folder))
        context.scene.Clear(0)
        presenter.restore()
        application.run()
        assert presenter.handle is None and presenter.rows == [] and presenter.results == []
