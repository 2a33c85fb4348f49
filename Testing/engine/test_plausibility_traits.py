"""How sure a network is of a result, and how noisy a scan is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from coranet.inference.network_pass import JoinedRows
from coranet.networks import HeadLogits
from coranet.plausibility import traits
from coranet.plausibility.traits import Confidence, Measurement, fine_detail


def heads(segmentation: torch.Tensor) -> HeadLogits:
    return HeadLogits(segmentation, segmentation, segmentation)


def of_shares(*shares) -> HeadLogits:
    """Logits whose softmax are rows of shares, one row a class, one voxel a column."""
    return heads(torch.tensor(shares).log().view(len(shares), -1, 1, 1))


def confidence_of(logits: HeadLogits) -> Confidence:
    confidence = Confidence(len(logits.segmentation))
    list(confidence.gathered([JoinedRows(0, logits)]))
    return confidence


def test_confidence_is_the_dice_that_the_softmax_expects():
    confidence = confidence_of(of_shares([0.1, 0.2, 0.7, 0.9], [0.9, 0.8, 0.3, 0.1]))
    assert confidence.named == (2,)
    assert confidence.mean == pytest.approx(2 * (0.9 + 0.8) / (2.1 + 2))


def test_of_several_classes_it_is_the_mean_of_those_that_are_named():
    confidence = confidence_of(of_shares([0.1, 0.1, 0.6], [0.9, 0.2, 0.1], [0.0001, 0.7, 0.1], [0.0001, 0.0001, 0.2]))
    assert confidence.named == (1, 1, 0)
    assert confidence.mean == pytest.approx((2 * 0.9 / (1.2 + 1) + 2 * 0.7 / (0.8 + 1)) / 2, abs=1e-3)


def test_a_network_that_is_sure_is_right_in_its_own_eyes_and_one_that_names_nothing_is_not():
    assert confidence_of(of_shares([1e-9, 1.0], [1.0, 1e-9])).mean == pytest.approx(1.0)
    assert confidence_of(of_shares([0.9, 0.6], [0.1, 0.4])).mean == 0


@pytest.mark.parametrize("portion", [1, 60, 1 << 23])
def test_rows_that_come_twice_count_once_in_whatever_portions(monkeypatch, portion):
    monkeypatch.setattr(traits, "_PORTION_NUMBERS", portion)
    torch.manual_seed(0)
    whole = 3 * torch.randn(3, 9, 4, 5)
    in_parts = Confidence(3)
    parts = [JoinedRows(first, heads(whole[:, first:end])) for first, end in ((0, 4), (3, 7), (6, 9))]
    assert [part.first for part in in_parts.gathered(parts)] == [0, 3, 6]
    expected = confidence_of(heads(whole))
    assert in_parts.named == expected.named
    assert in_parts.mean == pytest.approx(expected.mean)


def noise(size=(6, 40, 40), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, *size)).astype(np.float32)


def test_white_noise_has_a_detail_of_half_the_logarithm_of_three():
    # Differences of two and of four weights 1, -2, 1 deviate by the roots of 2 and of 6.
    assert fine_detail(noise())[0] == pytest.approx(math.log(3) / 2, abs=0.02)


@pytest.mark.parametrize(("factor", "offset"), [(0.1, 0.0), (30.0, -2.0), (-1.0, 5.0)])
def test_detail_does_not_depend_on_the_scale_of_intensities(factor, offset):
    assert fine_detail(factor * noise() + offset) == pytest.approx(fine_detail(noise()), abs=1e-3)


def test_a_smooth_scan_has_less_detail_a_ramp_next_to_none_and_a_constant_one_says_nothing():
    image = noise()
    smooth = (image + np.roll(image, 1, 2) + np.roll(image, 1, 3) + np.roll(image, (1, 1), (2, 3))) / 4
    ramp = np.broadcast_to(np.arange(40.0), (1, 6, 40, 40))
    assert fine_detail(ramp)[0] < -5 < fine_detail(smooth)[0] < fine_detail(image)[0] - 0.2
    assert fine_detail(np.ones((1, 6, 9, 9))) == (0.0,)


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 2, 1), (1, 9, 1)])
def test_detail_of_a_thin_scan_is_finite(size):
    assert math.isfinite(fine_detail(noise(size))[0])


def test_boxes_of_a_scan_count_by_their_voxels():
    measurement = Measurement(2)
    logits = of_shares([0.1, 0.9], [0.9, 0.1])
    images = noise((2, 30, 30)), np.cumsum(noise((4, 30, 30), 1), 3)
    for image in images:
        list(measurement.gathered([JoinedRows(0, logits)], image))
    traits = measurement.traits([3.5])
    expected = (fine_detail(images[0])[0] + 2 * fine_detail(images[1])[0]) / 3
    assert traits.detail == (pytest.approx(expected),)
    assert traits.volume_ml == (3.5,) and measurement.named == (2,)
    assert traits.confidence == pytest.approx(confidence_of(logits).mean)
