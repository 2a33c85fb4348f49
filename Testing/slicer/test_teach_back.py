"""The loop closes, with the real engine: train, segment, review, improve; and the model tells of it."""

from __future__ import annotations

import pytest
from patience import PATIENCE_S

from coranet.contract import JobStatus, ModelCard, Role
from coranet.contract.doubt import ERROR_MODEL
from coranet.contract.files import read_json
from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.jobs.runner import JobRunner
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.self_test import SETTINGS


@pytest.mark.slow
def test_reviewed_regions_improve_a_model(context, awkward_path):
    logic = CoraNetLogic(context, JobRunner(Interpreter.of_this_process()), awkward_path)
    labeled, unlabeled = logic.loadPhantom(labeled=3, unlabeled=2)
    settings = {**SETTINGS, "training.pretraining_steps": 40, "training.self_training_steps": 5}
    training = logic.train(labeled[:2], unlabeled, settings, validation=labeled[2:])
    assert training.wait(PATIENCE_S) is JobStatus.FINISHED, training.message
    segmentation = logic.segment(unlabeled[:1], training)
    assert segmentation.wait(PATIENCE_S) is JobStatus.FINISHED, segmentation.message

    (case,) = logic.loadResults(segmentation, show=False)
    (ranked,) = logic.rankCases(segmentation)
    assert ranked.regions and ranked.reviewed == 0
    for number, choice in zip((1, 2, 3), ("conservative", "keep", "radical"), strict=False):
        logic.resolveRegion(case, min(number, ranked.regions), choice, author="Ada")
    reviewed = len(logic.regions(case).review.decisions)
    improved = logic.improve(training, [case], {"training.self_training_steps": 5, "training.pretraining_steps": 5})
    assert improved.wait(PATIENCE_S) is JobStatus.FINISHED, improved.message

    cases = {case.role: case for case in improved.job.read_datalist().cases if case.role is not Role.TRAINING}
    partial = [case for case in improved.job.read_datalist().cases if case.is_partial]
    assert [case.id for case in partial] == [unlabeled[0].GetName().replace(" ", "_")]
    assert cases[Role.UNLABELED].id == unlabeled[1].GetName().replace(" ", "_")
    card = ModelCard.read(improved.folder)
    assert card.reviewed_regions == reviewed and len(card.history) == 1
    assert card.before and set(card.before) == set(card.validation_dice)
    assert logic.rankCases(segmentation)[0].reviewed == reviewed
    logic.close()


@pytest.mark.slow
def test_four_cases_reviewed_to_the_end_teach_where_the_model_errs(context, awkward_path):
    logic = CoraNetLogic(context, JobRunner(Interpreter.of_this_process()), awkward_path)
    labeled, unlabeled = logic.loadPhantom(labeled=2, unlabeled=5)
    settings = {**SETTINGS, "training.pretraining_steps": 40, "training.self_training_steps": 5}
    training = logic.train(labeled, unlabeled, settings)
    assert training.wait(PATIENCE_S) is JobStatus.FINISHED, training.message
    segmentation = logic.segment(unlabeled[:4], training)
    assert segmentation.wait(PATIENCE_S) is JobStatus.FINISHED, segmentation.message
    assert ModelCard.read(training.folder).error_model is None

    cases = logic.loadResults(segmentation, show=False)
    for case in cases:
        for region in logic.regions(case).regions.regions:
            logic.resolveRegion(case, region.number, "keep", author="Ada")
    improved = logic.improve(training, cases, {"training.self_training_steps": 200})
    assert improved.wait(PATIENCE_S) is JobStatus.FINISHED, improved.message
    assert ModelCard.read(improved.folder).error_model.cases == 4

    again = logic.segment(unlabeled[4], improved)
    assert again.wait(PATIENCE_S) is JobStatus.FINISHED, again.message
    (loaded,) = logic.loadResults(again, show=False)
    files = logic.regions(loaded).files
    assert files.doubt(read_json(files.result)).doubt == ERROR_MODEL
    logic.close()
