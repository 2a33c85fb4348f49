from __future__ import annotations

import math

import pytest
import torch
from stub_networks import SHAPE, TINY, FixedHeads, VoxelHeads, batches_of, one_view
from torch import nn

from coranet.contract.config import TrainingConfig
from coranet.methods import Networks
from coranet.methods.mean_teacher import CONSISTENCY_SCALE, MeanTeacherMethod
from coranet.methods.ua_mt import PASSES, UncertaintyAwareMeanTeacherMethod, entropy_threshold, mean_probability
from coranet.networks import FeatureDropout, HeadLogits

CONFIG = TrainingConfig(consistency_weight=0.3)


def step_of(student, teacher, ramp_up=1.0, batches=None, kind=UncertaintyAwareMeanTeacherMethod):
    networks = Networks(student, teacher, teacher)
    return kind(TINY, CONFIG).self_train(networks, *(batches or batches_of()), ramp_up)


class RepeatedHeads(FixedHeads):
    """Fixed logits for each patch, however many copies of the patches there are."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        copies = len(images) // self.heads.shape[1]
        return HeadLogits(*(torch.cat([head] * copies) for head in self.heads))


@pytest.mark.parametrize(("classes", "ramp_up"), [(2, 0.0), (3, 0.5), (4, 1.0)])
def test_the_loss_is_the_mean_square_over_the_voxels_of_low_entropy(classes, ramp_up):
    student, teacher = FixedHeads(classes, 4, 0), RepeatedHeads(classes, 2, 1)
    with torch.no_grad():
        teacher.heads *= 0.35
    losses = step_of(student, teacher, ramp_up, batches_of(classes=classes))
    threshold = (3 / 4 + ramp_up / 4) * math.log(classes)
    squares, unsure = [], 0
    for batch, *where in torch.cartesian_prod(*(torch.arange(size) for size in (2, *SHAPE))).tolist():
        learned = student.heads[(0, 2 + batch, slice(None), *where)].softmax(0)
        taught = teacher.heads[(0, batch, slice(None), *where)].softmax(0).tolist()
        if -sum(share * math.log(share) for share in taught) < threshold:
            squares += [(first.item() - second) ** 2 for first, second in zip(learned, taught, strict=True)]
        else:
            unsure += 1
    assert (unsure > 0) == (ramp_up < 1)
    assert losses.uncertain.item() == pytest.approx(sum(squares) / len(squares), rel=1e-4)
    assert losses.uncertain_share.item() == pytest.approx(unsure / 48)
    expected = losses.supervised + ramp_up * CONSISTENCY_SCALE * 0.3 * losses.uncertain
    torch.testing.assert_close(losses.total.detach(), expected)


def test_a_teacher_that_is_sure_everywhere_is_a_mean_teacher():
    student, teacher = FixedHeads(3, 4, 0), RepeatedHeads(3, 2, 1)
    with torch.no_grad():
        teacher.heads[0, :, 1] += 30
    own, plain = step_of(student, teacher), step_of(student, teacher, kind=MeanTeacherMethod)
    torch.testing.assert_close(own.total, plain.total)
    assert own.uncertain_share == 0


def test_a_teacher_that_knows_nothing_teaches_nothing():
    student, teacher = FixedHeads(3, 4, 0), RepeatedHeads(3, 2, 1)
    with torch.no_grad():
        teacher.heads.zero_()
    losses = step_of(student, teacher, ramp_up=0.5)
    assert losses.uncertain == 0 and losses.uncertain_share == 1


def test_a_student_that_equals_its_teacher_has_nothing_to_learn():
    network = VoxelHeads(3, seed=2)
    losses = step_of(network, network, ramp_up=0.5, batches=one_view())
    assert losses.uncertain.item() == pytest.approx(0, abs=1e-12) and losses.uncertain_share < 1


def test_no_gradient_reaches_the_teacher():
    student, teacher = FixedHeads(3, 4, 0), RepeatedHeads(3, 2, 1)
    step_of(student, teacher).total.backward()
    assert student.heads.grad.any() and teacher.heads.grad is None


def test_the_mean_is_over_eight_noisy_passes_with_dropout_and_nothing_else_in_training_mode():
    inputs = []

    class Watching(VoxelHeads):
        def __init__(self) -> None:
            super().__init__(3, seed=0)
            self.dropout, self.normalization = FeatureDropout(0.5), nn.BatchNorm3d(1)

        def forward(self, images: torch.Tensor) -> HeadLogits:
            inputs.append(images)
            assert self.dropout.training
            assert not self.normalization.training
            return super().forward(images)

    teacher, images = Watching().eval(), batches_of()[1].teacher_images
    torch.manual_seed(0)
    with torch.no_grad():
        mean = mean_probability(teacher, images)
        assert sum(len(batch) for batch in inputs) == PASSES * len(images)
        assert not teacher.dropout.training
        copies = torch.cat(inputs).unflatten(0, (PASSES, len(images)))
        noise = copies - images
        assert 0.08 < noise.std() < 0.12
        assert len({copy.sum().item() for copy in copies}) == PASSES
        alone = torch.stack([VoxelHeads.forward(teacher, copy).segmentation.softmax(1) for copy in copies]).mean(0)
    torch.testing.assert_close(mean, alone)


def test_the_threshold_rises_from_three_quarters_of_the_largest_entropy_to_all_of_it():
    assert entropy_threshold(2, 0.0) == pytest.approx(0.75 * math.log(2))
    assert entropy_threshold(2, 1.0) == pytest.approx(math.log(2))
    assert entropy_threshold(5, 0.5) == pytest.approx(0.875 * math.log(5))
