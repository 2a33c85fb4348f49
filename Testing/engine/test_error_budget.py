"""Whether there is an error model: enough cases that a network has not seen, and time enough to learn from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_contract_region_list import a_region

from coranet.contract import Case, Choice, Datalist, Label, PredictionFiles, RegionList, Review, Role
from coranet.contract.config import TrainConfig
from coranet.contract.config.time_budget import seconds_of
from coranet.contract.files import write_json_atomic
from coranet.planning.error_budget import (
    ENOUGH_FOR_AUTO,
    ENOUGH_SET_ASIDE,
    error_model_note,
    error_model_share,
    is_reviewed_to_the_end,
    left_out_cases,
    reserved_s,
    set_aside,
    why_none,
)


def datalist(labeled: int, validation: int = 0, reviewed: tuple[Path, ...] = ()) -> Datalist:
    cases = [Case(f"l{number}", Role.TRAINING, "image", "label") for number in range(labeled)]
    cases += [Case(f"v{number}", Role.VALIDATION, "image", "label") for number in range(validation)]
    for number, folder in enumerate(reviewed):
        files = PredictionFiles(folder)
        cases.append(Case(f"r{number}", Role.TRAINING, "image", str(files.reviewed), str(files.known)))
    return Datalist(tuple(cases), (Label(1, "organ"),))


def config(time: str = "1h", **training: object) -> TrainConfig:
    return TrainConfig.from_preset("quick", {"time": time, "training.error_model": "on"}).with_overrides(
        {f"training.{name}": value for name, value in training.items()}
    )


def a_review(folder: Path, regions: int, decided: int) -> Path:
    listed = RegionList("a", 0.0, 0.1, 1.0, 0.0, 5.0, tuple(a_region(number + 1) for number in range(regions)))
    review = Review.of(listed)
    for number in range(decided):
        review = review.with_decision(number + 1, Choice.KEEP)
    files = PredictionFiles(folder)
    folder.mkdir()
    write_json_atomic(files.regions, listed.to_dict())
    review.write(files.review)
    return folder


@pytest.mark.parametrize(
    ("labeled", "validation", "aside", "left_out"),
    [(1, 0, 0, 0), (2, 0, 0, 2), (4, 1, 1, 4), (1, 3, 3, 0), (20, ENOUGH_SET_ASIDE, ENOUGH_SET_ASIDE, 0)],
)
def test_which_cases_a_network_has_not_seen(labeled, validation, aside, left_out):
    listed = datalist(labeled, validation)
    assert (len(set_aside(listed)), len(left_out_cases(config(), listed))) == (aside, left_out)
    assert not left_out_cases(config(error_model="auto"), listed), "only 'on' asks for short trainings"


@pytest.mark.parametrize(("decided", "expected"), [(0, False), (2, False), (3, True)])
def test_a_reviewed_case_counts_once_all_is_decided(tmp_path, decided, expected):
    listed = datalist(2, 0, (a_review(tmp_path / "a", 3, decided),))
    assert is_reviewed_to_the_end(listed.cases[-1]) is expected
    assert len(set_aside(listed)) == int(expected)
    # Known in part, it is not left out by a training: none learns from it alone.
    assert len(left_out_cases(config(), listed)) == 2


def test_a_mask_without_a_review_and_a_damaged_one_do_not_count(tmp_path):
    assert not set_aside(datalist(2, 0, (tmp_path / "none",)))
    folder = a_review(tmp_path / "a", 1, 1)
    PredictionFiles(folder).review.write_text("{", encoding="utf-8")
    assert not set_aside(datalist(2, 0, (folder,)))


@pytest.mark.parametrize(
    ("settings", "cases", "message"),
    [
        (config(error_model="off"), datalist(9), ""),
        (config(), datalist(1), "there is none; label one more"),
        (config(), datalist(1, 1), "there is 1; label one more"),
        (config(error_model="auto"), datalist(9), ""),
        (config(error_model="auto"), datalist(9, ENOUGH_FOR_AUTO - 1), ""),
        (config("1 min", error_model="auto"), datalist(9, ENOUGH_FOR_AUTO), ""),
        (config("", pretraining_steps=100, self_training_steps=99, error_model="auto"), datalist(9, 4), ""),
    ],
)
def test_why_there_is_none(settings, cases, message):
    reason = why_none(settings, cases)
    assert reason is not None and (message in reason if message else reason == "")
    assert error_model_share(settings, cases) == reserved_s(settings, cases) == 0
    note = error_model_note(settings, cases)
    assert (note and (note.code, note.message)) == (("no_error_model", reason) if reason else None)


@pytest.mark.parametrize("settings", [config(), config("2 min")])
def test_its_share_of_the_time_is_kept(settings):
    cases = datalist(4, 1)
    seconds = seconds_of(settings.time)
    assert why_none(settings, cases) is None
    assert error_model_share(settings, cases) == 0.25 and reserved_s(settings, cases) == pytest.approx(0.25 * seconds)
    assert "1 set aside or reviewed and 4 that short trainings leave out" in error_model_note(settings, cases).message


@pytest.mark.parametrize(
    ("time", "share"), [("2 min", 0.1), ("20 min", 0.1), ("1 h", 120 / 3600), ("", 0.1)]
)  # fmt: skip
def test_without_short_trainings_it_takes_little(time, share):
    steps = {} if time else {"pretraining_steps": 100, "self_training_steps": 100}
    settings, cases = config(time, error_model="auto", **steps), datalist(9, ENOUGH_FOR_AUTO)
    assert why_none(settings, cases) is None and error_model_share(settings, cases) == pytest.approx(share)
    assert "4 set aside or reviewed where" in error_model_note(settings, cases).message
    smaller = settings.with_overrides({"training.error_model_share": 0.02})
    assert error_model_share(smaller, cases) == (0 if time == "2 min" else 0.02), "of 2 min it is too little"


def test_reviewed_cases_are_enough(tmp_path):
    reviews = tuple(a_review(tmp_path / str(number), 2, 2) for number in range(ENOUGH_FOR_AUTO))
    settings = config(error_model="auto")
    assert why_none(settings, datalist(3, 0, reviews)) is None
    assert why_none(settings, datalist(3, 0, reviews[1:])) == ""


def test_it_is_the_default():
    assert TrainConfig.from_preset("default").training.error_model == "auto"


def test_where_steps_are_set_no_time_is_kept():
    settings = config("", pretraining_steps=100, self_training_steps=100)
    assert error_model_share(settings, datalist(2)) == 0.25 and reserved_s(settings, datalist(2)) == 0
    assert "25 % of the training" in error_model_note(settings, datalist(2)).message
