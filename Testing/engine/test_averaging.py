from __future__ import annotations

import pytest
import torch
from small_jobs import differing, training_job, weights_of
from torch import nn

from coranet.contract import Job
from coranet.contract.events import Event, Losses, Noted, Validation
from coranet.job_process.worker import work_on
from coranet.model_package import ModelPackage
from coranet.training import job as training
from coranet.training.averaging import WeightAverage, move_towards
from coranet.training.validation import Score

AVERAGED = {"training__averaged_share": "0.4", "augmentation__flip_axes": '["L", "S"]'}


def a_network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2))
    network(torch.randn(2, 1, 3, 4, 5))
    return network


def test_the_average_is_the_mean_of_what_was_added():
    networks = [a_network(seed) for seed in range(3)]
    networks[2](torch.randn(2, 1, 3, 4, 5))
    average = WeightAverage(a_network(9))
    for network in networks:
        average.add(network)
    assert average.count == 3 and not average.network.training
    for name, value in average.network.state_dict().items():
        added = [network.state_dict()[name] for network in networks]
        if value.is_floating_point():
            torch.testing.assert_close(value, torch.stack(added).mean(0))
        else:
            assert torch.equal(value, added[-1]), "a counter is the last one's"


def test_what_is_kept_goes_on_as_if_it_had_not_stopped():
    whole, resumed = WeightAverage(a_network(0)), WeightAverage(a_network(1))
    whole.add(a_network(2))
    resumed.load_state_dict(whole.state_dict())
    for average in (whole, resumed):
        average.add(a_network(3))
    assert resumed.count == 2
    for first, second in zip(whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(first, second)


def test_moving_towards_another_network_leaves_that_one_alone():
    network, other = a_network(0), a_network(1)
    old, new = network[0].weight.detach().clone(), other[0].weight.detach().clone()
    move_towards(network, other, 0.75)
    torch.testing.assert_close(network[0].weight, 0.75 * old + 0.25 * new)
    assert torch.equal(other[0].weight, new)


@pytest.fixture
def averaged_job(tmp_path, a_phantom_set, monkeypatch):
    """A training that averages; `averaged_job(dice)`: the mean has this Dice on the validation cases."""

    def run(dice: float) -> Job:
        monkeypatch.setattr(training, "score", lambda *_: Score({"organ": dice}, dice))
        job = training_job(tmp_path / "job", a_phantom_set, **AVERAGED)
        assert work_on(job, resume=False) == 0
        return job

    return run


@pytest.mark.slow
def test_a_training_with_every_option_that_was_stopped_ends_as_if_it_had_not(tmp_path, a_phantom_set):
    options = {
        **AVERAGED, "training__deep_supervision": "0.5", "training__student_views": "three", "network__stem": "full",
        "network__levels": "3", "data__patch_size_kji": "[16, 16, 16]",
    }  # fmt: skip
    whole, stopped = (training_job(tmp_path / name, a_phantom_set, **options) for name in ("whole", "stopped"))
    assert work_on(whole, resume=False) == 0

    def stop(event: Event) -> None:
        if isinstance(event, Losses) and event.step == 8:
            stopped.request_cancel()

    assert work_on(stopped, False, stop) != 0
    assert work_on(stopped, resume=True) == 0
    assert list(differing(weights_of(whole), weights_of(stopped))) == []
    states = [torch.load(job.last_checkpoint_path, weights_only=True) for job in (whole, stopped)]
    assert "deep_supervision.levels.0.segmentation.channels.weight" in states[0]["auxiliary"]
    for key in ("auxiliary", "student"):
        assert list(differing(states[0][key], states[1][key])) == []
    assert list(differing(states[0]["average"]["network"], states[1]["average"]["network"])) == []


def note_of(job: Job) -> str:
    (note,) = [event.message for event in job.read_events() if isinstance(event, Noted) and event.code == "average"]
    return note


@pytest.mark.slow
def test_a_mean_that_is_better_on_the_validation_cases_becomes_the_model(averaged_job):
    job = averaged_job(1.0)
    last = torch.load(job.last_checkpoint_path, weights_only=True)
    assert last["average"]["count"] == 4
    for name, value in weights_of(job).items():
        assert torch.equal(value, last["average"]["network"][name])
    card = ModelPackage.read(job.folder).card
    assert (card["averaged_steps"], card["best_step"], card["validation_dice"]) == (4, 10, {"organ": 1.0})
    assert card["mirrored_axes"] == ["L", "S"]
    assert "the model is the mean of the weights over the last 4 steps, which has 1.000" in note_of(job)


@pytest.mark.slow
def test_a_mean_that_is_worse_does_not(averaged_job):
    job = averaged_job(-1.0)
    best = torch.load(job.best_checkpoint_path, weights_only=True)
    for name, value in weights_of(job).items():
        assert torch.equal(value, best["teacher"][name])
    assert "averaged_steps" not in ModelPackage.read(job.folder).card
    assert "the model is not the mean" in note_of(job)


def test_without_it_nothing_is_averaged(a_trained_job):
    assert "average" not in torch.load(a_trained_job.last_checkpoint_path, weights_only=True)
    assert not {"averaged_steps", "mirrored_axes"} & ModelPackage.read(a_trained_job.folder).card.keys()
    assert [event for event in a_trained_job.read_events() if isinstance(event, Validation)]
