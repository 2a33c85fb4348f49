from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_iou

from coranet.metrics import OVERLAPS, dice_per_class, mean_or_none, outside_share, overlap_per_class

SHAPE = (5, 6, 7)


def random_segmentation(seed: int, classes: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, SHAPE).astype(np.uint8)


def dice_oracle(predicted, truth, index) -> float:
    first = {tuple(voxel) for voxel in np.argwhere(predicted == index)}
    second = {tuple(voxel) for voxel in np.argwhere(truth == index)}
    return 2 * len(first & second) / (len(first) + len(second))


def test_dice_is_that_of_the_sets_of_voxels():
    predicted, truth = random_segmentation(0), random_segmentation(1)
    expected = [dice_oracle(predicted, truth, index) for index in (1, 2, 3)]
    assert dice_per_class(predicted, truth, 4) == pytest.approx(expected)


def test_dice_does_not_care_which_is_the_truth_nor_how_the_axes_lie():
    predicted, truth = random_segmentation(0), random_segmentation(1)
    expected = dice_per_class(predicted, truth, 4)
    assert dice_per_class(truth, predicted, 4) == pytest.approx(expected)
    assert dice_per_class(predicted.T[::-1], truth.T[::-1], 4) == pytest.approx(expected)


def test_dice_is_one_at_equality():
    truth = random_segmentation(0)
    assert dice_per_class(truth, truth, 4) == [1, 1, 1]


def test_a_class_that_is_nowhere_has_no_dice_and_one_that_is_made_up_has_zero():
    truth = np.zeros(SHAPE, dtype=np.uint8)
    truth[0] = 1
    predicted = truth.copy()
    predicted[1] = 2
    made_up_and_found = dice_per_class(predicted, truth, 4)
    assert made_up_and_found[:2] == [1, 0]
    assert math.isnan(made_up_and_found[2])


def test_a_missed_class_has_dice_zero():
    truth = np.zeros(SHAPE, dtype=np.uint8)
    truth[0] = 1
    assert dice_per_class(np.zeros_like(truth), truth, 2) == [0]


def overlap_oracle(predicted, truth, index) -> dict[str, float]:
    first = {tuple(voxel) for voxel in np.argwhere(predicted == index)}
    second = {tuple(voxel) for voxel in np.argwhere(truth == index)}
    both = len(first & second)
    return {
        "dice": 2 * both / (len(first) + len(second)),
        "jaccard": both / len(first | second),
        "precision": both / len(first),
        "recall": both / len(second),
    }


def test_each_overlap_is_that_of_the_sets_of_voxels():
    predicted, truth = random_segmentation(0), random_segmentation(1)
    overlap = overlap_per_class(predicted, truth, 4)
    assert set(overlap) == set(OVERLAPS)
    for index in (1, 2, 3):
        expected = overlap_oracle(predicted, truth, index)
        assert {name: values[index - 1] for name, values in overlap.items()} == pytest.approx(expected)


def test_dice_and_jaccard_are_those_of_monai_from_the_voxels():
    predicted, truth = random_segmentation(0), random_segmentation(1)
    one_hot = [
        torch.nn.functional.one_hot(torch.from_numpy(labels.astype(np.int64)), 4).movedim(-1, 0)[None]
        for labels in (predicted, truth)
    ]
    overlap = overlap_per_class(predicted, truth, 4)
    assert overlap["dice"] == pytest.approx(compute_dice(*one_hot, include_background=False)[0].tolist())
    assert overlap["jaccard"] == pytest.approx(compute_iou(*one_hot, include_background=False)[0].tolist())


@pytest.mark.parametrize(
    ("in_prediction", "in_truth", "expected"),
    [
        (False, False, {"dice": None, "jaccard": None, "precision": None, "recall": None}),
        (True, False, {"dice": 0, "jaccard": 0, "precision": 0, "recall": None}),
        (False, True, {"dice": 0, "jaccard": 0, "precision": None, "recall": 0}),
    ],
)
def test_overlap_with_nothing(in_prediction, in_truth, expected):
    predicted, truth = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.uint8)
    predicted[0], truth[0] = in_prediction, in_truth
    overlap = overlap_per_class(predicted, truth, 2)
    assert {name: None if math.isnan(value) else value for name, (value,) in overlap.items()} == expected


def test_precision_and_recall_change_places_with_prediction_and_truth():
    predicted, truth = random_segmentation(0), random_segmentation(1)
    overlap, swapped = overlap_per_class(predicted, truth, 4), overlap_per_class(truth, predicted, 4)
    assert overlap["precision"] == swapped["recall"] != overlap["recall"]


def test_outside_share_is_the_part_of_the_conservative_foreground_that_the_radical_head_lacks():
    conservative, radical = np.zeros(10, dtype=int), np.zeros(10, dtype=int)
    conservative[2:6], radical[3:9] = 1, 2
    assert outside_share(conservative, radical) == 0.25
    assert outside_share(radical, radical) == 0
    assert outside_share(np.zeros(10), radical) == 0


def test_the_mean_leaves_out_what_is_not_known():
    assert mean_or_none([0.5, float("nan"), 1.0]) == 0.75
    assert mean_or_none([float("nan")]) is None
    assert mean_or_none([]) is None
    assert mean_or_none([0.5, None]) == 0.5


def test_many_classes_cost_no_table_of_pairs():
    """A table of all pairs would need 34 GB."""
    classes = 65536
    truth = np.random.default_rng(0).integers(0, classes, (20, 50, 50)).astype(np.uint16)
    predicted = np.where(np.random.default_rng(1).random(truth.shape) < 0.7, truth, 0)
    dice = overlap_per_class(predicted, truth, classes)["dice"]
    assert len(dice) == classes - 1
    for index in (1, 255, 256, 65535):
        if (truth == index).any():
            assert dice[index - 1] == pytest.approx(dice_oracle(predicted, truth, index))
