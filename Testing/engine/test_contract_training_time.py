from __future__ import annotations

import pytest

from coranet.contract.config import TrainConfig
from coranet.contract.events import PaceMeasured
from coranet.contract.training_time import TrainingAmounts, training_seconds, training_time_text

PACE = PaceMeasured("a card", case=2.0, pretraining=0.5, self_training=1.0, whole_scan=2.5)


@pytest.mark.parametrize(
    ("validation", "has_unlabeled", "settings", "whole_scans"),
    [
        (0, True, {}, 9),
        (2, True, {}, 9 + 2 * 9),
        (3, True, {"training.validation_interval": 350}, 9 + 3 * 3),
        (0, False, {}, 0),
        (1, True, {"training.snapshot_interval": 0}, 9),
    ],
)
def test_what_is_to_be_done_is_counted(validation, has_unlabeled, settings, whole_scans):
    # quick: 300 + 600 steps, validation every 100 steps; snapshots where they are asked for.
    config = TrainConfig.from_preset("quick", {"time": "", "training.snapshot_interval": 100, **settings})
    amounts = TrainingAmounts.of(config, 7, validation, has_unlabeled)
    assert amounts == TrainingAmounts(7, 300, 600, whole_scans)


def test_the_whole_is_the_sum_of_its_parts():
    assert training_seconds(PACE, TrainingAmounts(7, 300, 600, 4)) == (14 + 150 + 600 + 10, 10)


@pytest.mark.parametrize(
    ("amounts", "text"),
    [
        ((7, 2000, 6000, 100), "About 2 h 1 min on a card: 0.5 s a step of pretraining, 1 s of self-training."),
        ((7, 300, 0, 0), "About 3 min on a card: 0.5 s a step."),
        (
            (7, 0, 100, 400),
            "About 19 min on a card: 1 s a step. Validation and snapshots take 90 % of it; longer intervals make it "
            "faster.",
        ),
    ],
)
def test_the_sentence(amounts, text):
    assert training_time_text(PACE, TrainingAmounts(*amounts)) == text
