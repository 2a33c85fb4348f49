"""Which runs there are, and that they differ in nothing but the method."""

from __future__ import annotations

from dataclasses import replace

import pytest
from experiment_jobs import question_of, scans_in

from coranet.contract import JobKind, Role
from coranet.contract.errors import ConfigError, DataError
from coranet_experiments.plan import VARIANTS, plan_runs, read_variants


@pytest.fixture(scope="module")
def datalist(tmp_path_factory):
    return scans_in(tmp_path_factory.mktemp("plan") / "scans ü")


def ids(run, *roles: Role) -> list[str]:
    return sorted(case.id for case in run.train_cases.with_role(*roles))


def test_a_run_for_each_method_number_of_labels_and_seed(datalist, tmp_path):
    runs = plan_runs(question_of(datalist, tmp_path, "supervised,coranet", seeds=[0, 3], labeled=[2, None]))
    assert [run.name for run in runs] == [
        "supervised, 2 labeled, seed 0", "coranet, 2 labeled, seed 0", "supervised, seed 0", "coranet, seed 0",
        "supervised, 2 labeled, seed 3", "coranet, 2 labeled, seed 3", "supervised, seed 3", "coranet, seed 3",
    ]  # fmt: skip
    assert [run.folder.name for run in runs[:3]] == [
        "supervised-labeled2-seed0", "coranet-labeled2-seed0", "supervised-seed0",
    ]  # fmt: skip
    assert len({run.folder for run in runs}) == len(runs)


def test_methods_differ_in_nothing_but_the_method(datalist, tmp_path):
    overrides = {"training.pretraining_steps": "7", "data.validation_cases": "2"}
    runs = plan_runs(question_of(datalist, tmp_path, "supervised,ua_mt,coranet", seeds=[4], overrides=overrides))
    first = runs[0]
    assert [run.train_config.training.method for run in runs] == ["supervised", "ua_mt", "coranet"]
    for run in runs:
        same = replace(run.train_config, training=first.train_config.training)
        assert same == first.train_config
        assert replace(run.train_config.training, method="supervised") == first.train_config.training
        assert run.train_cases == first.train_cases and run.test_cases == first.test_cases
    assert (first.train_config.seed, first.train_config.training.pretraining_steps) == (4, 7)
    assert len(ids(first, Role.VALIDATION)) == 2


def test_with_a_time_all_take_over_the_plan_of_the_first_coranet(datalist, tmp_path):
    methods = "supervised,coranet[training.certain_weight=1],coranet"
    question = question_of(datalist, tmp_path, methods, seeds=[0, 1], overrides={"time": "20 min"})
    runs = plan_runs(question)
    planner = runs[1]
    assert planner.variant.base == "coranet" and planner.train_config.plan_of == "" and planner.planned_by is None
    others = [run for run in runs if run is not planner]
    assert {run.train_config.plan_of for run in others} == {str(planner.train_folder)}
    assert {run.train_config.time for run in runs} == {"20 min"}
    planner.training()
    assert others[0].planned_by.folder == planner.train_folder


def test_with_steps_nobody_takes_over_a_plan(datalist, tmp_path):
    runs = plan_runs(question_of(datalist, tmp_path, overrides={"training.pretraining_steps": "7"}))
    assert all(run.train_config.plan_of == "" and run.planned_by is None for run in runs)


def test_test_cases_are_in_no_training(datalist, tmp_path):
    (run,) = plan_runs(question_of(datalist, tmp_path, "coranet"))
    tested = {case.id for case in run.test_cases.cases}
    assert len(tested) == 4 and not tested & {case.id for case in run.train_cases.cases}


def test_all_runs_share_a_cache_that_may_be_put_elsewhere(datalist, tmp_path):
    (run,) = plan_runs(question_of(datalist, tmp_path / "out", "coranet"))
    assert run.train_config.data.cache_folder == str(tmp_path / "out" / "cache")
    chosen = {"data.cache_folder": str(tmp_path / "fast")}
    (run,) = plan_runs(question_of(datalist, tmp_path / "out", "coranet", overrides=chosen))
    assert run.train_config.data.cache_folder == str(tmp_path / "fast")


def test_fewer_labeled_cases_are_a_part_of_more_and_the_others_are_left_out(datalist, tmp_path):
    question = question_of(datalist, tmp_path, "coranet", seeds=[0, 1], labeled=[2, 4, None])
    two, four, every, *other_seed = plan_runs(question)
    labeled = (Role.TRAINING, Role.VALIDATION)
    assert set(ids(two, *labeled)) < set(ids(four, *labeled)) < set(ids(every, *labeled))
    assert [len(ids(run, *labeled)) for run in (two, four, every)] == [2, 4, 5]
    assert [run.label_count for run in (two, four, every)] == [2, 4, 5]
    assert ids(two, Role.UNLABELED) == ids(every, Role.UNLABELED)
    assert ids(four, *labeled) != ids(other_seed[1], *labeled)


@pytest.mark.parametrize(("overrides", "set_aside"), [({}, 0), ({"data.validation_cases": "1"}, 1)])
def test_a_training_sets_no_further_cases_aside(datalist, tmp_path, overrides, set_aside):
    runs = plan_runs(question_of(datalist, tmp_path, "coranet", labeled=[4, None], overrides=overrides))
    assert [len(ids(run, Role.VALIDATION)) for run in runs] == [set_aside, set_aside]
    assert [run.train_config.data.validation_cases for run in runs] == [set_aside, set_aside]


def test_fully_supervised_knows_the_labels_of_the_unlabeled_and_validates_on_the_same(datalist, tmp_path):
    truth = str(datalist.parent / "truth")
    own, bound = plan_runs(question_of(datalist, tmp_path, "coranet,fully_supervised", truth=truth))
    assert bound.train_config.training.method == "supervised"
    assert ids(bound, Role.VALIDATION) == ids(own, Role.VALIDATION)
    assert ids(bound, Role.TRAINING) == sorted(ids(own, Role.TRAINING) + ids(own, Role.UNLABELED))
    assert bound.label_count == own.label_count == 5
    label = next(case.label for case in bound.train_cases.cases if case.id == "image006")
    assert label == str(datalist.parent / "truth" / "label006.nrrd")


def test_fully_supervised_without_truth_is_an_error(datalist, tmp_path):
    with pytest.raises(ConfigError, match="--truth"):
        plan_runs(question_of(datalist, tmp_path, "fully_supervised"))


def test_settings_in_brackets_come_last(datalist, tmp_path):
    overrides = {"training.certain_weight": "2"}
    methods = "coranet[training.certain_weight=1; network.decoders=branches],coranet,coranet-uncertain"
    first, second, third = plan_runs(question_of(datalist, tmp_path, methods, overrides=overrides))
    assert (first.train_config.training.certain_weight, first.train_config.network.decoders) == (1, "branches")
    assert second.train_config.training.certain_weight == 2
    assert third.train_config.training.certain_weight == 0
    assert first.variant.name == methods.split(",")[0]
    assert len(first.folder.name) < 40 and first.folder.name.startswith("coranet-")


@pytest.mark.parametrize(
    ("name", "certain", "uncertain", "mask"),
    [
        ("coranet-no-mask", 0.5, 0, "none"),
        ("coranet-certain", 0.5, 0, "certain"),
        ("coranet-uncertain", 0, 0.5, "certain"),
        ("coranet", 0.5, 0.5, "certain"),
    ],
)
def test_the_ablations_are_those_of_the_paper(datalist, tmp_path, name, certain, uncertain, mask):
    (run,) = plan_runs(question_of(datalist, tmp_path, name))
    training = run.train_config.training
    assert (training.certain_weight, training.uncertain_weight, training.certain_mask) == (certain, uncertain, mask)


def test_commas_inside_brackets_are_no_ends():
    variants = read_variants("coranet[data.patch_size_kji=[8,12,12]], supervised,")
    assert [variant.base for variant in variants] == ["coranet", "supervised"]
    assert variants[0].settings["data.patch_size_kji"] == "[8,12,12]"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("corannet", "there is no method 'corannet'; did you mean 'coranet'"),
        ("coranet,coranet", "twice"),
        ("coranet[", "expects names such as"),
        ("coranet[alpha]", "setting=value"),
        ("coranet[seed=3]", "setting=value"),
        ("coranet,,vat", "expects names such as"),
    ],
)
def test_methods_that_are_none(args, message):
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        read_variants(args)


@pytest.mark.parametrize("name", ["seed", "training.method", "plan_of"])
def test_what_the_plan_decides_is_no_setting(datalist, tmp_path, name):
    with pytest.raises(ConfigError, match=name):
        plan_runs(question_of(datalist, tmp_path, overrides={name: "1"}))


def test_nothing_to_test_on_or_to_learn_from(datalist, tmp_path):
    question = question_of(datalist, tmp_path)
    for role, message in ((Role.TEST, "no 'test' case"), (Role.TRAINING, "no labeled case")):
        cases = tuple(case for case in question.datalist.cases if case.role is not role)
        with pytest.raises(DataError, match=message):
            plan_runs(replace(question, datalist=replace(question.datalist, cases=cases)))


def test_jobs_are_made_once_and_found_again(datalist, tmp_path):
    question = question_of(datalist, tmp_path, "coranet", threads=1)
    (run,) = plan_runs(question)
    job, test = run.training(), run.test()
    assert (job.kind, test.kind) == (JobKind.TRAIN, JobKind.SEGMENT)
    assert job.read_config() == run.train_config and job.read_datalist() == run.train_cases
    assert test.read_config().model == str(run.train_folder)
    (again,) = plan_runs(replace(question, threads=8))
    assert again.training().folder == job.folder and again.test().folder == test.folder


def test_a_job_with_other_settings_or_cases_is_not_taken_for_this_one(datalist, tmp_path):
    question = question_of(datalist, tmp_path, "coranet")
    plan_runs(question)[0].training()
    (other,) = plan_runs(replace(question, overrides={"training.learning_rate": "0.1"}))
    with pytest.raises(ConfigError, match="other settings"):
        other.training()
    fewer = tuple(case for case in question.datalist.cases if case.id != "image008")
    (other,) = plan_runs(replace(question, datalist=replace(question.datalist, cases=fewer)))
    with pytest.raises(ConfigError, match="other cases"):
        other.training()


def test_every_variant_is_a_configuration_that_can_be_used(datalist, tmp_path):
    truth = str(datalist.parent / "truth")
    assert len(plan_runs(question_of(datalist, tmp_path, ",".join(VARIANTS), truth=truth))) == len(VARIANTS)
