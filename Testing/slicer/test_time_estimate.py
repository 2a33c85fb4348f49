from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from job_fixtures import fake_runner, wait_until
from patience import PATIENCE_S
from scene_builders import SHAPE_KJI, add_volume, box, rotated_ijk_to_ras

from coranet.contract import Job, JobKind
from coranet.contract.config import TrainConfig
from coranet.contract.events import Losses, Noted, Progress, SnapshotSaved, Started, Warned
from CoraNetSlicerLib.core.export import TrainingNodes
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.train.time_estimate import Amounts, Pace, TimeEstimate, in_words, seconds_of

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
    made = []

    def make(behaviour: str = "", **settings: str) -> TimeEstimate:
        logic = CoraNetLogic(context, fake_runner(behaviour, **settings), jobsFolder=tmp_path / "jobs")
        made.append(TimeEstimate(logic, application))
        return made[-1]

    yield make
    for one in made:
        one.close()


def at(time: float, event):
    object.__setattr__(event, "time", time)
    return event


def a_short_training():
    """Half a second a step and the first one slower; one second a step in the second stage; four cases in 8 s."""
    events = [at(10, Started(0, 12, "a card", "0"))]
    events += [at(14, Progress("preparing", 2, 4)), at(18, Progress("preparing", 4, 4))]
    times = [25.0, 25.5, 26.0, 26.5, 27.0, 27.5]
    events += [at(time, Losses(step, "pretraining", 1, 1)) for step, time in enumerate(times, 1)]
    times = [33.0, 34.0, 35.0, 35.9, 37.0, 38.0]
    events += [at(time, Losses(step, "self-training", 1, 1)) for step, time in enumerate(times, 7)]
    return [*events, at(40.5, SnapshotSaved(12, "b", "s", 0.1))]


def test_the_pace_is_read_from_the_times_of_the_events():
    pace = Pace.of(a_short_training(), launched=4.0)
    assert pace == Pace(startup=6.0, case=2.0, pretraining=0.5, self_training=1.0, whole_scan=2.5)


def test_of_nothing_there_is_no_pace():
    assert Pace.of([], 0.0) == Pace()
    assert Pace.of(a_short_training()[:1], 10.0) == Pace()


def test_what_is_to_be_done_is_counted_as_the_engine_does_it(nodes, config):
    # quick: 300 + 600 steps, validation every 100 steps, here also snapshots; four labeled cases: none is set aside.
    assert Amounts.of(nodes, config) == Amounts(7, 300, 600, whole_scans=9)
    many = replace(nodes, labeled=nodes.labeled * 3)
    assert Amounts.of(many, config).whole_scans == 9 + 2 * 9
    some = replace(nodes, validation=nodes.labeled[:3])
    assert Amounts.of(some, config).whole_scans == 9 + 3 * 9
    set_aside = config.with_overrides({"data.validation_cases": 1, "training.validation_interval": 350})
    assert Amounts.of(nodes, set_aside).whole_scans == 9 + 3
    assert Amounts.of(replace(nodes, unlabeled=()), config).whole_scans == 0


def test_the_whole_is_the_sum_of_its_parts():
    pace = Pace(startup=6, case=2, pretraining=0.5, self_training=1, whole_scan=2.5)
    assert seconds_of(pace, Amounts(7, 300, 600, 4)) == (6 + 14 + 150 + 600 + 10, 10)


def test_a_few_steps_of_a_few_cases_are_done_and_removed(estimate_with, application, nodes, config, tmp_path):
    estimate = estimate_with(FAKE_STEPS="4")
    told = []
    estimate.changed.connect(lambda: told.append(estimate.text))
    estimate.begin(nodes, config)
    assert estimate.is_running and told[-1].endswith("...")
    application.do()
    (folder,) = (tmp_path / "jobs" / ".estimate").iterdir()
    job = Job.open(folder)
    short = job.read_config().training
    assert [case.role.value for case in job.read_datalist().cases] == ["training"] * 3 + ["unlabeled"] * 2
    assert (short.pretraining_steps, short.self_training_steps, short.log_interval) == (6, 6, 1)
    assert short.learning_rate == config.training.learning_rate
    handle = estimate._handle
    wait_until(lambda: handle.poll().is_over)
    assert estimate.text.startswith("About ") and " on cpu: " in estimate.text
    assert not estimate.is_running and not (tmp_path / "jobs" / ".estimate").exists()
    assert any("Writing case 3 of 5" in text for text in told)
    estimate.forget()
    assert told[-1] == estimate.text == ""


def test_what_was_measured_stays_true_for_other_steps_and_cases(estimate_with, application, nodes, config):
    estimate = estimate_with(FAKE_STEPS="4")
    estimate.begin(nodes, config)
    application.do()
    handle = estimate._handle
    wait_until(lambda: handle.poll().is_over)
    before = estimate.text
    assert estimate.is_measured
    pace = estimate._measured.pace
    longer = config.with_overrides({"training.pretraining_steps": 1_000_000, "training.validation_interval": 50})
    for other in (nodes, replace(nodes, unlabeled=())):
        estimate.update(other, longer)
        assert estimate.text == in_words(handle.events, pace, Amounts.of(other, longer)) != before
    # A step of another network takes another time.
    estimate.update(nodes, config.with_overrides({"network.base_filters": 8}))
    assert estimate.text == ""
    estimate.update(nodes, config.with_overrides({"time": "1 h"}))
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


@pytest.mark.parametrize(("behaviour", "words"), [("fails", "has no voxel"), ("dies at once", "named 'torch'")])
def test_why_it_failed_is_said(estimate_with, application, nodes, config, behaviour, words):
    estimate = estimate_with(behaviour)
    estimate.begin(nodes, config)
    application.do()
    handle = estimate._handle
    wait_until(lambda: handle.poll().is_over)
    assert estimate.text.startswith("No estimate: ") and words in estimate.text
    assert not estimate.is_running and not handle.folder.exists()


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


def test_the_sentence_has_time_device_pace_patch_and_memory():
    events = [
        *a_short_training(),
        Noted("patch", "patches of 96 x 96 x 96 voxels (up-down, front-back, left-right), 2 + 2 a step."),
        Noted("backbone", "3D V-Net: it was asked for."),
        Warned("no_validation", "no labeled case is set aside."),
        Noted("memory_used", "at most 5.1 GiB of the graphics card's memory were used."),
    ]
    pace = Pace.of(events, 4.0)
    assert in_words(events, pace, Amounts(7, 2000, 6000, 100)) == (
        "About 2 h 1 min on a card: 0.5 s a step of pretraining, 1 s of self-training. Patches of 96 x 96 x 96 voxels "
        "(up-down, front-back, left-right), 2 + 2 a step. At most 5.1 GiB of the graphics card's memory were used."
    )
    looking = in_words(events[:-4], pace, Amounts(7, 0, 100, 400))
    assert looking == (
        "About 19 min on a card: 1 s a step. 89 % of it goes into validation and snapshots; longer intervals make it "
        "faster."
    )


def test_of_a_training_with_a_time_the_plan_is_shown_and_nothing_kept(
    estimate_with, application, nodes, config, tmp_path
):
    estimate = estimate_with(FAKE_STEPS="100000")
    estimate.begin(nodes, config.with_overrides({"time": "1 h"}))
    assert estimate.text == "Planning ..."
    application.do()
    handle = estimate._handle
    assert [case.role.value for case in handle.job.read_datalist().cases] == ["training"] * 4 + ["unlabeled"] * 2
    assert estimate.text == "Checking the data, and measuring how fast this computer is ..."
    wait_until(lambda: handle.poll() and not estimate.is_running)
    assert estimate.text == "Works at 1.4 mm; finer would leave only 300 steps.\n100000 steps fit into 1 h on this CPU."
    wait_until(lambda: handle.poll().is_over)
    assert not (tmp_path / "jobs" / ".estimate").exists() and "100000 steps" in estimate.text


def test_why_nothing_can_be_planned_is_said(estimate_with, application, nodes, config):
    estimate = estimate_with("dies at once")
    estimate.begin(nodes, config.with_overrides({"time": "1 h"}))
    application.do()
    handle = estimate._handle
    wait_until(lambda: handle.poll().is_over)
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
    assert "on CPU (1 threads)" in estimate.text and "GiB of main memory were used." in estimate.text
    assert "Patches of 8 x 12 x 12 voxels" in estimate.text
    pace = Pace.of(handle.events, estimate._launched)
    assert all(value > 0 for value in (pace.startup, pace.pretraining, pace.self_training, pace.whole_scan))
    assert JobKind.TRAIN is handle.kind and not handle.folder.exists()
