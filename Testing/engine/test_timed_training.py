"""A training in a time: its steps are fixed once, and a resumed one keeps them."""

from __future__ import annotations

import pytest
from small_jobs import TINY, differing, weights_of

from coranet.contract import Job, JobKind, ModelCard, read_datalist
from coranet.contract.config import TrainConfig
from coranet.contract.events import CheckpointSaved, Noted, Started
from coranet.contract.files import read_json
from coranet.data.datalist import with_validation_cases
from coranet.job_process.worker import work_on
from coranet.planning.plan import Plan
from coranet.planning.steps import Durations, StepSeconds
from coranet.planning.workplace import Workplace
from coranet.training import job as training_job

pytestmark = pytest.mark.slow


@pytest.fixture
def a_timed_job(a_phantom_set, tmp_path, monkeypatch):
    """Jobs on a machine with a step in 2 s, whose clock stands still: 57 s are left of a minute."""
    monkeypatch.setattr(training_job, "measure_network", lambda *what: StepSeconds(2.0, 2.0))
    monkeypatch.setattr(training_job, "measure_training", lambda *what: Durations(StepSeconds(2.0, 2.0)))
    monkeypatch.setattr(Workplace, "left_s", lambda self, budget: 60.0)

    def make(name: str) -> Job:
        tiny = {key: value for key, value in TINY.items() if not key.endswith("_steps")}
        config = TrainConfig.from_preset("quick", {**tiny, "time": "1 min"})
        cases = with_validation_cases(read_datalist(a_phantom_set), config.data.validation_cases, config.seed)
        return Job.create(tmp_path / name, JobKind.TRAIN, config, cases)

    return make


def test_the_steps_are_told_kept_and_done(a_timed_job):
    job = a_timed_job("job")
    assert work_on(job, resume=False) == 0
    events = job.read_events()
    plan = Plan.from_dict(read_json(job.plan_path))
    assert plan.steps.total == 27 and plan.steps.pretraining == 9
    assert [event.total_steps for event in events if isinstance(event, Started)][-1] == 27
    messages = [event.message for event in events if isinstance(event, Noted) and event.code == "plan"]
    assert tuple(messages[:2]) == plan.sentences[:2] and messages[-1] == plan.sentences[-1] and len(messages) == 4
    card = ModelCard.read(job.folder)
    assert (card.steps, card.time, card.plan) == (27, "1 min", plan.sentences)


def test_a_resumed_training_keeps_its_steps_and_ends_in_the_same_model(a_timed_job, monkeypatch):
    whole, stopped = a_timed_job("whole"), a_timed_job("stopped")
    assert work_on(whole, resume=False) == 0

    def stop_at_a_checkpoint(event) -> None:
        if isinstance(event, CheckpointSaved) and event.step == 15:
            stopped.request_cancel()

    assert work_on(stopped, False, stop_at_a_checkpoint) == 130
    monkeypatch.setattr(training_job, "measure_training", None)
    assert work_on(stopped, resume=True) == 0
    assert read_json(stopped.plan_path)["steps"] == read_json(whole.plan_path)["steps"]
    assert not list(differing(weights_of(whole), weights_of(stopped)))
