from __future__ import annotations

import math

import pytest
import torch

from coranet.error_model.evidence import HEAD_CHANNELS, Evidence
from coranet.networks import HeadLogits
from coranet.uncertainty import caution_shift


def random_scan(classes: int, size=(5, 4, 3), channels: int = 1) -> tuple[HeadLogits, torch.Tensor]:
    generator = torch.Generator().manual_seed(classes)
    heads = (3 * torch.randn(classes, *size, generator=generator) for _ in range(3))
    return HeadLogits(*heads), torch.randn(channels, *size, generator=generator)


def channel(evidence: Evidence, name: str) -> torch.Tensor:
    return evidence.channels[HEAD_CHANNELS.index(name)].float()


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_evidence_has_one_form_for_any_number_of_classes(classes):
    logits, image = random_scan(classes, channels=2)
    evidence = Evidence.of_rows(logits, image)
    assert evidence.channels.shape == (len(HEAD_CHANNELS) + 2, 5, 4, 3)
    assert evidence.channels.dtype == torch.float16
    torch.testing.assert_close(evidence.channels[-2:].float(), image, rtol=1e-3, atol=1e-3)


def test_a_voxel_by_hand():
    heads = ([0.0, 2.0, 1.0], [3.0, 1.0, 2.0], [0.0, 0.5, 4.0])
    logits = HeadLogits(*(torch.tensor(values).reshape(3, 1, 1, 1) for values in heads))
    evidence = Evidence.of_rows(logits, torch.zeros(1, 1, 1, 1))
    expected = {
        "segmentation_margin": 1.0, "segmentation_foreground": 2.0, "conservative_margin": 1.0,
        "conservative_foreground": -1.0, "radical_margin": 3.5, "radical_foreground": 4.0,
    }  # fmt: skip
    for name, value in expected.items():
        assert channel(evidence, name).item() == value, name
    shares = [math.exp(value) / (1 + math.exp(2) + math.exp(1)) for value in heads[0]]
    assert channel(evidence, "entropy").item() == pytest.approx(-sum(p * math.log(p) for p in shares), abs=1e-3)
    assert (evidence.classes.item(), evidence.runner_up.item()) == (1, 2)


def test_the_caution_shift_is_that_of_the_heads():
    logits, image = random_scan(3)
    shift = caution_shift(logits.conservative[None], logits.radical[None])[0]
    torch.testing.assert_close(
        channel(Evidence.of_rows(logits, image), "caution_shift"), shift.clamp(-14, 14), rtol=1e-3, atol=1e-3
    )


def test_large_logits_stay_finite():
    logits, image = random_scan(2)
    evidence = Evidence.of_rows(HeadLogits(*(1e6 * head for head in logits)), image)
    assert torch.isfinite(evidence.channels).all()


def test_rows_that_are_gathered_are_those_of_the_whole_scan():
    logits, image = random_scan(3)
    gathered = Evidence.allocated(image, classes=3)
    # As a sliding window yields them: each part begins with the last row of the one before.
    parts = [(first, HeadLogits(*(head[:, first:end] for head in logits))) for first, end in ((0, 2), (1, 5))]
    assert list(gathered.gathered(parts, image)) == parts
    whole = Evidence.of_rows(logits, image)
    for first, second in zip(vars(gathered).values(), vars(whole).values(), strict=True):
        assert torch.equal(first, second)


def test_many_classes_have_indices_of_16_bits():
    logits, image = random_scan(300, size=(1, 1, 2))
    assert Evidence.of_rows(logits, image).classes.dtype == torch.int16


def test_a_position_is_relative_to_what_is_named():
    classes = torch.zeros(4, 30, 1, dtype=torch.uint8)
    classes[1:3, 10:21] = 1
    # An island moves nothing.
    classes[0, 29] = 1
    along_d, along_h, along_w = Evidence(torch.zeros(9, 4, 30, 1), classes, classes).position
    assert along_h[[15, 19, 11]].tolist() == pytest.approx([0, 4 / 4.5, -4 / 4.5])
    assert along_h[0].item() == pytest.approx(-15 / 4.5)
    assert along_w.tolist() == [0]
    assert along_d.diff().min() > 0


def test_where_nothing_is_named_there_is_no_position():
    classes = torch.zeros(2, 3, 4, dtype=torch.uint8)
    assert not any(axis.any() for axis in Evidence(torch.zeros(9, 2, 3, 4), classes, classes).position)


def test_ends_are_those_of_the_slices_with_structures():
    classes = torch.zeros(6, 10, 10, dtype=torch.uint8)
    classes[1:4, :5], classes[2] = 1, 1
    # An island is no end.
    classes[5, 0, 0] = 1
    ends = Evidence(torch.zeros(9, 6, 10, 10), classes, classes).ends(0, 8.0)
    expected = [
        [-1, 0, 1, 2, 3, 3], [3, 2, 1, 0, -1, -2],
        [-0.8, 0, 0.8, 1.6, 2.4, 3], [2.4, 1.6, 0.8, 0, -0.8, -1.6],
        [0, 1, 2, 3, 3, 3], [3, 3, 3, 2, 1, 0], [0, 0.5, 1, 0.5, 0, 0.01],
    ]  # fmt: skip
    torch.testing.assert_close(ends, torch.tensor(expected))


def test_where_nothing_is_named_the_ends_are_those_of_the_scan():
    classes = torch.zeros(3, 2, 2, dtype=torch.uint8)
    ends = Evidence(torch.zeros(9, 3, 2, 2), classes, classes).ends(0, 10.0)
    assert ends.tolist() == [[0, 1, 2], [2, 1, 0]] * 3 + [[0, 0, 0]]
