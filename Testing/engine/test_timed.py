"""A plan for the time there is, from a machine that is made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_jobs import call, the_only_error

from coranet.contract import read_datalist
from coranet.contract.config import TrainConfig
from coranet.contract.errors import ConfigError
from coranet.contract.events import Noted, Warned
from coranet.contract.files import read_json, write_json_atomic
from coranet.networks.architecture import product
from coranet.planning.plan import Plan, PlanInput, plan_training
from coranet.planning.steps import Durations, StepPlan, StepSeconds
from coranet.planning.workplace import Workplace
from coranet.reporting import Reporter
from coranet.training import dry_run
from coranet.training_set.survey import survey_cases

quiet = Reporter(lambda event: None, lambda: False)


def a_machine(microseconds: float = 2.0):
    def measure(architecture, sizes):
        each = 1e-6 * microseconds * product(architecture.patch_size_kji) * architecture.base_filters / 8
        return StepSeconds(each * sizes.labeled, each * sum(sizes))

    return measure


@pytest.fixture
def a_plan(a_phantom_set, a_cpu, a_reporter):
    """Plans a training on tiny phantoms: `a_plan("20 min", **settings)`."""

    def make(time: str, microseconds: float = 2.0, **settings) -> Plan:
        chosen = {"time": time, **{name.replace("__", "."): value for name, value in settings.items()}}
        config = TrainConfig.from_preset("default", chosen)
        workplace = Workplace(a_cpu, 1, a_machine(microseconds))
        datalist = read_datalist(a_phantom_set)
        return plan_training(config, datalist, workplace, a_reporter, PlanInput(survey_cases(datalist, quiet)))

    return make


def test_a_plan_says_what_and_why_in_three_sentences(a_plan, a_reporter):
    plan = a_plan("20 min")
    spacing, patch, steps = plan.sentences
    assert spacing.startswith("Works at") and spacing.endswith(".")
    assert patch.startswith("Patches of ") and "mm" in patch
    assert "fit into 20 min on this CPU" in steps and f"{plan.steps.total:,} steps" in steps
    assert {event.code for event in a_reporter.events if isinstance(event, Noted)} == {"backbone", "patch"}


def test_the_plan_is_that_of_preprocessing_and_network(a_plan):
    plan = a_plan("20 min")
    assert plan.preprocessing.spacing_mm == plan.spacing_dhw[::-1]
    assert plan.architecture.classes == 3 and plan.batch_sizes.unlabeled > 0
    assert a_plan("20 min", training__method="supervised").batch_sizes.unlabeled == 0


@pytest.mark.slow
def test_steps_have_the_ratio_of_the_settings_and_take_the_time(a_plan):
    short, long = a_plan("5 min"), a_plan("50 min")
    assert long.steps.total > short.steps.total
    for made in (short, long):
        assert made.steps.pretraining / made.steps.total == pytest.approx(1 / 3, abs=0.02)


def test_a_plan_with_its_steps_is_kept_as_it_is(a_plan, tmp_path):
    plan = a_plan("20 min")
    write_json_atomic(tmp_path / "plan.json", plan.to_dict())
    assert Plan.from_dict(read_json(tmp_path / "plan.json")) == plan
    older = {key: value for key, value in plan.to_dict().items() if key not in ("steps", "sentences")}
    assert Plan.from_dict(older).applied_to(TrainConfig()).training.pretraining_steps == 500


def test_the_final_steps_take_the_place_of_the_expected_ones(a_plan, a_cpu):
    plan, config = a_plan("20 min"), TrainConfig.from_preset("quick")
    final = plan.with_steps(Durations(StepSeconds(1.0, 1.0)), config, (1003.0, "20 min"), a_cpu)
    assert final.steps.total == 950 and final.architecture == plan.architecture
    assert final.sentences[:2] == plan.sentences[:2] and final.sentences[2].startswith("950 steps (317 on labeled")
    assert StepPlan.as_set(final.applied_to(config).training) == final.steps


def test_a_training_that_is_ready_is_done_even_if_its_time_is_over(a_plan, a_cpu):
    durations = Durations(StepSeconds(1.0, 1.0), validation=3.0)
    final = a_plan("20 min").with_steps(durations, TrainConfig.from_preset("quick"), (-5.0, "20 min"), a_cpu)
    assert 20 <= final.steps.total <= 60


def test_a_time_for_few_steps_is_warned_of(a_plan, a_reporter, monkeypatch):
    monkeypatch.setattr("coranet.planning.plan.FEW_STEPS", 1_000_000)
    plan = a_plan("30 s")
    (warning,) = (event for event in a_reporter.events if isinstance(event, Warned))
    assert warning.code == "few_steps" and f"only {plan.steps.total} steps fit into 30 s" in warning.message


@pytest.mark.parametrize("time", ["1 s", "10 s"])
def test_a_time_in_which_nothing_can_be_learned_is_answered_with_one_that_suffices(a_plan, time):
    with pytest.raises(ConfigError, match=rf"time of {time} is too short for 20 steps: .* give at least \d+ "):
        a_plan(time, microseconds=2000.0)


def test_a_plan_needs_a_machine_to_measure(a_phantom_set, a_cpu, a_reporter):
    config, datalist = TrainConfig.from_preset("quick"), read_datalist(a_phantom_set)
    inputs = PlanInput(survey_cases(datalist, quiet))
    with pytest.raises(ConfigError, match="needs to measure steps"):
        plan_training(config, datalist, Workplace(a_cpu), a_reporter, inputs)


def test_what_is_set_stays(a_plan):
    plan = a_plan("20 min", data__spacing_mm="[3, 3, 3]", network__base_filters="4", training__validation_interval="7")
    assert plan.spacing_dhw == (3.0, 3.0, 3.0) and plan.architecture.base_filters == 4
    assert plan.steps.validation_interval == 7 and plan.sentences[0] == "Works at 3 mm, as it is set."


def test_little_memory_is_planned_for(a_plan, monkeypatch):
    monkeypatch.setattr("coranet.planning.workplace.free_memory_bytes", lambda device: 20_000_000)
    monkeypatch.setattr("coranet.planning.timed.activation_bytes_per_voxel", lambda architecture, device: 1000.0)
    plan = a_plan("8 h")
    assert sum(plan.batch_sizes) * product(plan.architecture.patch_size_kji) * 1600 <= 16_000_000


# -- the command line --


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_and_leaves_nothing_behind(a_phantom_set, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dry_run, "measure_network", lambda config, device, *what: a_machine()(*what))
    assert call("train", a_phantom_set, "--time", "20min", "--dry-run", "--set", "machine.device=cpu") == 0
    printed = capsys.readouterr().out.splitlines()
    assert any("fit into 20 min" in line for line in printed) and any(line.startswith("Works at") for line in printed)
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.slow
def test_a_dry_run_of_steps_says_that_they_are_set(a_phantom_set, capsys):
    args = ("--set", "training.pretraining_steps=5", "--set", "training.self_training_steps=7")
    assert call("train", a_phantom_set, "--dry-run", *args, "--set", "machine.device=cpu") == 0
    printed = capsys.readouterr().out
    assert "12 steps, as they are set (5 on labeled cases)." in printed and "a checkpoint every" in printed


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1])
def test_a_dry_run_tells_of_validation_where_there_is_some(a_phantom_set, tmp_path, capsys, count):
    content = json.loads(Path(a_phantom_set).read_text(encoding="utf-8"))
    content["training"] += content.pop("validation", [])
    path = Path(a_phantom_set).with_name("no validation.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    args = ("--set", "training.pretraining_steps=5", "--set", f"data.validation_cases={count}")
    assert call("train", path, "--dry-run", *args, "--set", "machine.device=cpu") == 0
    assert ("validation every" in capsys.readouterr().out) is bool(count)


def test_a_time_that_is_none_is_one_sentence(a_phantom_set, tmp_path, capsys):
    assert call("train", a_phantom_set, "--output", tmp_path / "job", "--time", "20") != 0
    assert "write '20 min'" in the_only_error(capsys)
    assert not (tmp_path / "job").exists()
