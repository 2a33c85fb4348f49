"""A training that goes on from an earlier model: what it takes, what it measures, and what its own model tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_jobs import (
    TINY,
    call,
    differing,
    mask_labels,
    one_half,
    the_only_error,
    tiny_phantoms,
    training_job,
    weights_of,
)

from coranet.contract import (
    Case,
    Datalist,
    Job,
    Label,
    ModelCard,
    PredictionFiles,
    Region,
    RegionList,
    Review,
    Role,
    read_datalist,
)
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError, ModelError
from coranet.contract.events import CheckpointSaved, Finished, Losses, Noted, Validation, Warned
from coranet.contract.events import to_dict as event_to_dict
from coranet.contract.review import Choice
from coranet.job_process import launch
from coranet.job_process.worker import work_on
from coranet.model_package import ModelPackage
from coranet.planning import plan as planning
from coranet.planning import workplace
from coranet.planning.warm_start import history_after, initial_model, reviewed_regions, with_labels_of
from coranet.planning.workplace import Workplace
from coranet.reporting import Reporter
from coranet.training import validation
from coranet.training_set.survey import survey_cases

EXACT = {"machine__precision": "float32"}


def events_of(job: Job, kind: type) -> list:
    return [event for event in job.read_events() if isinstance(event, kind)]


def measured_events(job: Job) -> list[dict]:
    return [
        {key: value for key, value in event_to_dict(event).items() if key != "time"}
        for kind in (Losses, Validation) for event in events_of(job, kind)
    ]  # fmt: skip


# -- what is taken from the model --


def test_without_the_setting_there_is_no_initial_model(a_random_model):
    assert initial_model(TrainConfig()) is None
    model = a_random_model()
    config = TrainConfig().with_overrides({"training.initial_model": str(model.folder)})
    assert initial_model(config) == ModelPackage.read(model.folder)


def test_labels_and_colours_are_those_of_the_model(a_random_model):
    coloured = replace(a_random_model(), labels=(Label(1, "organ", (1.0, 0.0, 0.0)), Label(7, "lesion")))
    cases = (Case("a", Role.UNLABELED, "a.nrrd"),)
    datalist = with_labels_of(coloured, Datalist(cases, (Label(7, "lesion"), Label(1, "organ", (0.0, 0.0, 1.0)))))
    assert datalist == Datalist(cases, coloured.labels)


def test_labels_of_other_values_are_those_of_the_model_by_their_names(a_random_model):
    cases = (Case("a", Role.TRAINING, "a.nrrd", "l.nrrd"),)
    datalist = with_labels_of(a_random_model(), Datalist(cases, (Label(1, "Lesion"), Label(2, "organ "))))
    assert [(label.value, label.name) for label in datalist.labels] == [(1, "organ"), (7, "lesion")]
    assert datalist.cases[0].label_names == ((1, "Lesion"), (2, "organ "))


@pytest.mark.parametrize("labels", [(), (Label(1, "organ"),), (Label(1, "organ"), Label(2, "spleen"))], ids=len)
def test_other_labels_are_an_error_that_names_both(a_random_model, labels):
    with pytest.raises(DataError, match=r"has the labels 1 'organ', 7 'lesion', the datalist names"):
        with_labels_of(a_random_model(), Datalist((), labels))


def test_the_history_grows_by_the_model_and_ends_with_it(a_random_model):
    assert history_after(None) == ()
    first = replace(a_random_model(), card={"created": 1.0, "steps": 5, "validation_dice": {"organ": 0.5}, "seed": 3})
    (entry,) = history_after(first)
    assert entry == {
        "created": 1.0, "steps": 5, "validation_dice": {"organ": 0.5}, "trained_on": None, "reviewed_regions": None,
    }  # fmt: skip
    second = replace(first, card={"created": 2.0, "history": [entry], "reviewed_regions": 12})
    assert [(model["created"], model["reviewed_regions"]) for model in history_after(second)] == [
        (1.0, None),
        (2.0, 12),
    ]


@pytest.fixture
def a_plan(a_phantom_set, a_cpu, a_reporter, a_random_model, monkeypatch):
    """Plans a training that goes on from a random model: `a_plan(free_bytes, **settings)`."""
    monkeypatch.setattr(planning, "activation_bytes_per_voxel", lambda architecture, device: 1000.0)

    def make(free_bytes: int | None = None, labels=None, **changes):
        monkeypatch.setattr(workplace, "free_memory_bytes", lambda device: free_bytes)
        chosen = {"time": "", **{name.replace("__", "."): value for name, value in changes.items()}}
        config = TrainConfig.from_preset("quick", chosen)
        model, datalist = a_random_model(), read_datalist(a_phantom_set)
        datalist = replace(datalist, labels=(*datalist.labels, *(labels or ())))
        inputs = planning.PlanInput(survey_cases(datalist, Reporter(lambda event: None, lambda: False)), model)
        return model, planning.plan_training(config, datalist, Workplace(a_cpu), a_reporter, inputs)

    return make


def test_network_patch_and_preprocessing_are_those_of_the_model_whatever_the_settings_say(a_plan, a_reporter):
    model, plan = a_plan(network__base_filters="16", data__spacing_mm="[3, 3, 3]", data__patch_size_kji="[4, 4, 4]")
    assert (plan.architecture, plan.preprocessing) == (model.architecture, model.preprocessing)
    assert plan.spacing_dhw == model.preprocessing.spacing_mm[::-1]
    assert len(plan.history) == 1
    notes = {event.code: event.message for event in a_reporter.events if isinstance(event, Noted)}
    assert set(notes) == {"initial_model", "patch"} and str(model.folder) in notes["initial_model"]


def test_where_memory_is_short_batches_become_smaller_and_the_patch_stays(a_plan, a_reporter):
    model, plan = a_plan(5_000_000)
    assert plan.architecture == model.architecture
    assert sum(plan.batch_sizes) == 2
    assert "memory" in {event.code for event in a_reporter.events if isinstance(event, Noted)}


def test_a_class_that_no_case_has_may_be_forgotten(a_plan, a_reporter):
    a_plan(labels=[Label(9, "unicorn")])
    (warning,) = (event for event in a_reporter.events if isinstance(event, Warned))
    assert warning.message == "no labeled case has 'unicorn', so it may be forgotten."


# -- regions that were reviewed --


def a_review(folder: Path, decided: int) -> str:
    """A case with 9 regions of which some are decided; returns where its mask would lie."""
    regions = tuple(
        Region(
            number, 0, 1, 5, 0.1, ((0, 1), (0, 1), (0, 1)), (1, 1, 1), (0, 0, 0), (0, 0, 0), 0.5, 0.5, 0.1,
            {"radical": {1: 0.1}}, 0.1,
        )
        for number in range(1, 10)
    )  # fmt: skip
    region_list = RegionList(folder.name, 0.0, 0.1, 1.0, 0.0, 5.0, regions)
    review = Review.of(region_list)
    for number in range(1, decided + 1):
        review = review.with_decision(number, Choice.RADICAL, "me", 6.0)
    files = PredictionFiles(folder)
    region_list.write(files.regions)
    review.write(files.review)
    return str(files.known)


def test_decisions_are_counted_beside_the_masks(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    masks = [a_review(folder, count) for folder, count in zip(folders, (3, 0, 4), strict=True)]
    cases = [Case(Path(mask).parent.name, Role.TRAINING, "i", "l", mask) for mask in (*masks, str(tmp_path / "k.nrrd"))]
    assert reviewed_regions(Datalist(tuple(cases))) == 7
    assert reviewed_regions(Datalist(tuple(cases[-1:]))) is None
    assert reviewed_regions(Datalist((Case("x", Role.UNLABELED, "i"),))) is None


# -- whole trainings --


@pytest.fixture(scope="module")
def a_first_job(tmp_path_factory, a_phantom_set) -> Job:
    """A finished training in single precision; to be read only."""
    job = training_job(tmp_path_factory.mktemp("first") / "first", a_phantom_set, **EXACT)
    assert work_on(job, resume=False) == 0
    return job


@pytest.fixture
def a_second_job(tmp_path, a_first_job):
    """A training that goes on from the first, with one label known in part: `a_second_job(name, **settings)`."""
    dataset = tiny_phantoms(tmp_path / "scans")
    mask_labels(dataset, one_half, 1)

    def make(name: str = "second", **changes: str) -> Job:
        chosen = {"training__initial_model": str(a_first_job.folder), **EXACT, **changes}
        return training_job(tmp_path / name, dataset, **chosen)

    return make


@pytest.mark.slow
def test_the_model_is_measured_before_the_first_step_and_told_in_the_card(a_first_job, a_second_job):
    job = a_second_job(training__learning_rate="1e-8")
    assert work_on(job, resume=False) == 0
    validations = events_of(job, Validation)
    assert [event.step for event in validations] == [0, 5, 10]
    assert validations[0].is_best
    first, second = ModelCard.read(a_first_job.folder), ModelCard.read(job.folder)
    assert second.before == validations[0].dice == pytest.approx(first.validation_dice)
    (earlier,) = second.history
    assert (earlier.created, earlier.steps, earlier.trained_on) == (first.created, 10, first.trained_on)
    assert earlier.validation_dice == first.validation_dice
    assert second.trained_on == {"training": 2, "unlabeled": 2, "validation": 1, "partial": 1}
    assert " before)" in events_of(job, Finished)[0].message


@pytest.mark.slow
def test_its_weights_stay_until_validation_is_better(a_first_job, a_second_job, monkeypatch):
    scores = iter([0.5, 0.5, 0.4, 0.5, 0.4, 0.6])
    monkeypatch.setattr(validation, "validate", lambda *_: [next(scores)] * 2)
    worse, better = a_second_job("worse"), a_second_job("better")
    assert work_on(worse, resume=False) == 0
    assert [event.is_best for event in events_of(worse, Validation)] == [True, False, False]
    assert list(differing(weights_of(worse), weights_of(a_first_job))) == []
    assert ModelPackage.read(worse.folder).card["best_step"] == 0
    assert [event.code for event in events_of(worse, Warned)] == ["not_improved"]
    assert work_on(better, resume=False) == 0
    assert [event.is_best for event in events_of(better, Validation)] == [True, False, True]
    assert list(differing(weights_of(better), weights_of(a_first_job))) != []
    assert not events_of(better, Warned)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["coranet", "umct"])
@pytest.mark.parametrize("at", [0, 6])
def test_stopped_and_resumed_it_ends_as_if_it_never_was(a_second_job, a_first_job, method, at, monkeypatch):
    options = {"training__method": method, "training__pseudo_label_source": "refreshed"}
    whole, stopped = a_second_job("whole", **options), a_second_job("stopped", **options)
    assert work_on(whole, resume=False) == 0

    def stop(event) -> None:
        is_reached = isinstance(event, CheckpointSaved) if at else isinstance(event, Validation)
        if is_reached and event.step == at:
            stopped.request_cancel()

    assert work_on(stopped, False, stop) == 130
    assert stopped.read_events()[-1].step == at
    # Once begun, it needs the first model no more.
    monkeypatch.setattr("coranet.training.job.initial_model", lambda config: 1 / 0)
    assert work_on(stopped, resume=True) == 0
    assert list(differing(weights_of(whole), weights_of(stopped))) == []
    assert measured_events(whole) == measured_events(stopped)
    for key in ("history", "before", "best_step", "validation_dice", "trained_on", "caution"):
        assert ModelPackage.read(whole.folder).card[key] == ModelPackage.read(stopped.folder).card[key]


@pytest.mark.slow
def test_the_history_of_three_models_and_no_validation(a_second_job, tmp_path):
    second = a_second_job("second")
    assert work_on(second, resume=False) == 0
    dataset = tiny_phantoms(tmp_path / "others", validation=0)
    third = training_job(tmp_path / "third", dataset, training__initial_model=str(second.model_folder), **EXACT)
    assert work_on(third, resume=False) == 0
    card = ModelCard.read(third.folder)
    assert [model.trained_on.get("partial") for model in card.history] == [None, 1]
    assert card.before == {} and not events_of(third, Validation)
    assert card.history[0].created < card.history[1].created < card.created


@pytest.mark.slow
def test_the_card_counts_the_reviewed_regions(a_second_job, tmp_path):
    a_review(tmp_path / "scans" / "partly" / "0", 4)
    job = a_second_job()
    assert work_on(job, resume=False) == 0
    assert ModelCard.read(job.folder).reviewed_regions == 4


@pytest.mark.slow
def test_a_team_goes_on_from_a_model(a_second_job):
    job = a_second_job(machine__devices="2")
    assert launch.worker_for(job)(job, False, print) == 0, job.log_path.read_text(encoding="utf-8")
    assert [event.step for event in events_of(job, Validation)] == [0, 5, 10]
    assert len(ModelCard.read(job.folder).history) == 1


@pytest.mark.slow
def test_other_labels_end_the_training_before_anything_is_made(a_second_job, a_first_job):
    job = a_second_job()
    datalist = job.read_datalist()
    job.write_datalist(replace(datalist, labels=(Label(1, "liver"), *datalist.labels[1:])))
    assert work_on(job, resume=False) == 3
    assert not job.last_checkpoint_path.exists() and not job.best_checkpoint_path.exists()


def test_a_model_that_is_not_there_is_named(tmp_path):
    config = TrainConfig().with_overrides({"training.initial_model": str(tmp_path)})
    with pytest.raises(ModelError, match="is neither a model nor a training job"):
        initial_model(config)


@pytest.mark.slow
def test_from_the_command_line(a_first_job, a_phantom_set, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(a_first_job.folder.parent)
    model = f"training.initial_model={a_first_job.folder.name}"
    kept = [name for name in TINY if not name.startswith(("network.", "data."))]
    chosen = [
        "--preset",
        "quick",
        *(word for name in kept for word in ("--set", f"{name}={TINY[name]}")),
        "--set",
        model,
    ]
    assert call("train", a_phantom_set, "--output", tmp_path / "no", *chosen, "--set", "network.base_filters=8") == 2
    assert "brings the network" in the_only_error(capsys) and not (tmp_path / "no").exists()
    assert call("train", a_phantom_set, "--output", tmp_path / "job", *chosen) == 0
    assert len(ModelCard.read(tmp_path / "job").history) == 1
    assert ModelPackage.read(tmp_path / "job").architecture.base_filters == int(TINY["network.base_filters"])
    capsys.readouterr()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.json").write_bytes((a_first_job.model_folder / "model.json").read_bytes())
    torch.save({}, broken / "weights.pt")
    chosen[-1] = f"training.initial_model={broken}"
    assert call("train", a_phantom_set, "--output", tmp_path / "other", *chosen) == 4
    assert "cannot be used" in the_only_error(capsys)
