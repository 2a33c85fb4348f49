from __future__ import annotations

import pytest
import torch
from stub_networks import SHAPE, TINY, FixedHeads, VoxelHeads, batches_of, one_view

from coranet.contract.config import TrainingConfig
from coranet.methods import Networks
from coranet.methods.mean_teacher import CONSISTENCY_SCALE, MeanTeacherMethod


def step_of(student, teacher, ramp_up=1.0, batches=None, pseudo_labeler=None):
    method = MeanTeacherMethod(TINY, TrainingConfig(consistency_weight=0.3))
    return method.self_train(Networks(student, teacher, pseudo_labeler or teacher), *(batches or batches_of()), ramp_up)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_loss_is_the_mean_square_over_all_voxels_and_classes(classes):
    student, teacher = FixedHeads(classes, 4, 0), FixedHeads(classes, 2, 1)
    losses = step_of(student, teacher, batches=batches_of(classes=classes))
    squares = []
    for batch, *where in torch.cartesian_prod(*(torch.arange(size) for size in (2, *SHAPE))).tolist():
        learned = student.heads[(0, 2 + batch, slice(None), *where)].softmax(0)
        taught = teacher.heads[(0, batch, slice(None), *where)].softmax(0)
        squares += [(first - second).item() ** 2 for first, second in zip(learned, taught, strict=True)]
    assert losses.uncertain.item() == pytest.approx(sum(squares) / len(squares), rel=1e-5)


def test_the_total_is_the_weighted_sum_of_its_parts():
    losses = step_of(FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), ramp_up=0.25)
    expected = losses.supervised + 0.25 * CONSISTENCY_SCALE * 0.3 * losses.uncertain
    torch.testing.assert_close(losses.total.detach(), expected)


def test_the_teacher_teaches_whoever_labels_and_receives_no_gradient():
    student, teacher, pseudo_labeler = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), FixedHeads(3, 2, 2)
    losses = step_of(student, teacher, pseudo_labeler=pseudo_labeler)
    losses.total.backward()
    assert losses.uncertain == step_of(student, teacher).uncertain
    assert student.heads.grad[0, 2:].any() and not student.heads.grad[1:, 2:].any()
    assert teacher.heads.grad is None


def test_a_student_that_equals_its_teacher_has_nothing_to_learn():
    network = VoxelHeads(3, seed=2)
    assert step_of(network, network, batches=one_view()).uncertain.item() == pytest.approx(0, abs=1e-12)
