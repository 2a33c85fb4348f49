from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from job_fixtures import fake_runner
from patience import PATIENCE_S, wait_until
from scene_builders import SHAPE_KJI, add_volume, box, rotated_ijk_to_ras

from coranet.contract import Job, JobKind
from coranet.contract.config import TrainConfig
from CoraNetSlicerLib.core.export import TrainingNodes
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.train.time_estimate import TimeEstimate

MASK = box(SHAPE_KJI, slice(3, 10), slice(4, 14), slice(5, 16))


class Later:
    """An application that does later what it is told to, when the test says so."""

    def __init__(self):
        self.waiting = []

    def later(self, action, milliseconds=0):
        self.waiting.append(action)

    def do(self):
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def application():
    return Later()


@pytest.fixture
def config():
    return TrainConfig.from_preset("quick", {"time": "", "training.snapshot_interval": 100})


@pytest.fixture
def nodes(context, make_labeled_case):
    """Four labeled volumes, three unlabeled ones."""
    labeled = [make_labeled_case(f"labeled {number}", {"Liver": MASK}, number) for number in range(4)]
    noise = np.zeros(SHAPE_KJI, np.float32)
    unlabeled = [add_volume(context, f"unlabeled {number}", noise, rotated_ijk_to_ras()) for number in range(3)]
    return TrainingNodes(labeled, unlabeled)


@pytest.fixture
def estimate_with(context, tmp_path, application):
    created = []

    def make(behaviour: str = "", **settings: str) -> TimeEstimate:
        logic = CoraNetLogic(context, fake_runner(behaviour, **settings), jobsFolder=tmp_path / "jobs")
        created.append(TimeEstimate(logic, application))
        return created[-1]

    yield make
    for estimate in created:
        estimate.close()


def finish(estimate: TimeEstimate) -> None:
    """Until it is over, which on a busy machine it may be already."""
    wait_until(lambda: not estimate.is_running or estimate._handle.poll().is_over)


def test_the_engine_plans_in_a_folder_that_is_removed(estimate_with, application, nodes, config, tmp_path):
    estimate = estimate_with()
    received = []
    estimate.changed.connect(lambda: received.append(estimate.text))
    estimate.begin(nodes, config)
    assert estimate.is_running and received[-1] == "Planning ..."
    application.do()
    (folder,) = (tmp_path / "jobs" / ".estimate").iterdir()
    job = Job.open(folder)
    # All labels, since the plan is made for them; of the unlabeled cases two say that there are some.
    assert [case.role.value for case in job.read_datalist().cases] == ["training"] * 4 + ["unlabeled"] * 2
    assert job.read_config() == config
    finish(estimate)
    # 7 cases of 2 s, 300 steps of 0.5 s and 600 of 1 s, 9 snapshots of 2.5 s: 786.5 s.
    assert estimate.text == (
        "About 13 min on cpu: 0.5 s a step of pretraining, 1 s of self-training. "
        "Each step takes 2 labeled and 2 unlabeled patches of 96 x 96 x 96 voxels."
    )
    assert not estimate.is_running and not (tmp_path / "jobs" / ".estimate").exists()
    assert any("Writing case 3 of 6" in text for text in received)
    estimate.forget()
    assert received[-1] == estimate.text == ""


def test_what_was_measured_stays_true_for_other_steps(estimate_with, application, nodes, config):
    estimate = estimate_with()
    estimate.begin(nodes, config)
    application.do()
    finish(estimate)
    before = estimate.text
    assert estimate.is_measured
    longer = config.with_overrides({"training.pretraining_steps": 100_000, "training.validation_interval": 50})
    estimate.update(nodes, longer)
    assert estimate.text.startswith("About 14 h")
    estimate.update(replace(nodes, unlabeled=()), config)
    assert estimate.text.startswith("About 13 min") and estimate.text == before
    # A step of another network takes another time, and other labels may have another plan.
    for other_nodes, other in [
        (nodes, config.with_overrides({"network.base_filters": 8})),
        (nodes, config.with_overrides({"time": "1 h"})),
        (replace(nodes, labeled=nodes.labeled[:3]), config),
    ]:
        estimate.update(other_nodes, other)
        assert estimate.text == ""
    estimate.update(nodes, config)
    assert estimate.text == before


def test_no_job_is_listed_and_no_node_is_left(estimate_with, application, nodes, config, context, tmp_path):
    before = context.scene.GetNumberOfNodes()
    estimate = estimate_with(FAKE_SECONDS_A_STEP="1")
    estimate.begin(nodes, config)
    application.do()
    assert estimate._logic.jobs() == []
    assert context.scene.GetNumberOfNodes() == before


@pytest.mark.parametrize(("behaviour", "message"), [("fails", "has no voxel"), ("dies at once", "named 'torch'")])
def test_why_it_failed_is_said(estimate_with, application, nodes, config, behaviour, message):
    estimate = estimate_with(behaviour)
    estimate.begin(nodes, config)
    application.do()
    # It may have ended before anybody looked.
    finish(estimate)
    assert estimate.text.startswith("No estimate: ") and message in estimate.text
    assert not estimate.is_running and not (estimate._logic.jobsFolder / ".estimate").exists()


def test_it_is_cancelled_while_files_are_written(estimate_with, application, nodes, config, tmp_path):
    estimate = estimate_with()
    estimate.begin(nodes, config)
    application.waiting.pop(0)()
    application.waiting.pop(0)()
    estimate.cancel()
    application.do()
    assert (estimate.text, estimate.is_running) == ("", False)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_it_is_cancelled_while_it_measures(estimate_with, application, nodes, config):
    estimate = estimate_with(FAKE_STEPS="1000")
    estimate.begin(nodes, config)
    application.do()
    handle = estimate._handle
    wait_until(lambda: handle.poll() and handle.events)
    estimate.cancel()
    assert (estimate.text, estimate.is_running) == ("", False)
    wait_until(lambda: handle.poll().is_over)
    assert estimate.text == "" and not handle.folder.exists()


def test_beginning_twice_is_beginning_once(estimate_with, application, nodes, config, tmp_path):
    estimate = estimate_with(FAKE_SECONDS_A_STEP="1")
    estimate.begin(nodes, config)
    application.do()
    estimate.begin(nodes, config)
    application.do()
    assert len(list((tmp_path / "jobs" / ".estimate").iterdir())) == 1


def test_what_an_earlier_one_left_behind_is_removed(estimate_with, application, nodes, config, tmp_path):
    left = tmp_path / "jobs" / ".estimate" / "1-1"
    left.mkdir(parents=True)
    (left / "half a file").write_text("x", encoding="utf-8")
    estimate = estimate_with(FAKE_SECONDS_A_STEP="1")
    estimate.begin(nodes, config)
    assert not left.exists()


def test_of_a_training_with_a_time_the_plan_is_shown(estimate_with, application, nodes, config, tmp_path):
    held = tmp_path / "held"
    held.touch()
    estimate = estimate_with(FAKE_STEPS="10", FAKE_HELD_BY=str(held))
    estimate.begin(nodes, config.with_overrides({"time": "1 h"}))
    application.do()
    assert estimate.text == "Checking the data, and measuring how fast this computer is ..."
    held.unlink()
    finish(estimate)
    assert estimate.text == "Works at 1.4 mm; finer would leave only 300 steps.\n10 steps fit into 1 h on this CPU."
    assert not estimate.is_running and not (tmp_path / "jobs" / ".estimate").exists()


def test_why_nothing_can_be_planned_is_said(estimate_with, application, nodes, config):
    estimate = estimate_with("dies at once")
    estimate.begin(nodes, config.with_overrides({"time": "1 h"}))
    application.do()
    finish(estimate)
    assert estimate.text.startswith("No plan: ") and "named 'torch'" in estimate.text


@pytest.mark.slow
def test_the_engine_itself_is_measured(context, tmp_path, application, nodes):
    tiny = {
        "network.base_filters": 2, "network.levels": 2, "data.patch_size_kji": [8, 12, 12],
        "training.labeled_batch_size": 1, "training.unlabeled_batch_size": 1, "machine.threads": 1,
        "machine.device": "cpu", "training.snapshot_interval": 100, "time": "",
    }  # fmt: skip
    config = TrainConfig.from_preset("quick", tiny)
    estimate = TimeEstimate(CoraNetLogic(context, jobsFolder=tmp_path / "jobs"), application)
    estimate.begin(nodes, config)
    application.do()
    handle = estimate._handle
    handle.wait(PATIENCE_S)
    assert estimate.text.startswith("About "), estimate.text
    assert "on CPU (1 thread)" in estimate.text and "of 8 x 12 x 12 voxels" in estimate.text
    assert JobKind.TRAIN is handle.kind and not handle.folder.exists()
