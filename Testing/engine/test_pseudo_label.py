from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from stub_networks import SHAPE, TINY, FixedHeads, batches_of

from coranet.contract.config import TrainingConfig
from coranet.losses import cost_weighted_cross_entropy, dice_loss
from coranet.methods import Networks
from coranet.methods.pseudo_label import PseudoLabelMethod, pseudo_label_loss

CONFIG = TrainingConfig(certain_weight=0.5)


def step_of(networks, ramp_up=1.0, config=CONFIG, batches=None):
    return PseudoLabelMethod(TINY, config).self_train(networks, *(batches or batches_of()), ramp_up)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_loss_is_that_of_a_loop_over_all_voxels(classes):
    student, teacher = FixedHeads(classes, 4, seed=0), FixedHeads(classes, 2, seed=1)
    losses = step_of(Networks(student, teacher, teacher), batches=batches_of(classes=classes))
    learned, labels = student.heads[0, 2:].softmax(1), teacher.heads[0].argmax(1)
    cross, overlap, total = 0.0, torch.zeros(classes), torch.zeros(classes)
    for batch, *where in torch.cartesian_prod(*(torch.arange(size) for size in (2, *SHAPE))).tolist():
        probability, label = learned[(batch, slice(None), *where)], labels[(batch, *where)]
        cross -= probability[label].log().item() / labels.numel()
        overlap[label] += probability[label].item()
        total += probability.detach()
        total[label] += 1
    dice = 1 - (2 * overlap / total)[1:].mean().item()
    assert losses.certain.item() == pytest.approx((cross + dice) / 4, abs=1e-5)
    assert torch.equal(losses.pseudo_labels, labels)


def test_the_total_is_the_weighted_sum_of_its_parts():
    networks = Networks(FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), FixedHeads(3, 2, 2))
    losses = step_of(networks, ramp_up=0.25, config=replace(CONFIG, certain_weight=0.7))
    torch.testing.assert_close(losses.total.detach(), losses.supervised + 0.25 * 0.7 * losses.certain)


def test_the_labeller_labels_and_no_gradient_reaches_it():
    student, teacher, pseudo_labeler = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), FixedHeads(3, 2, 2)
    losses = step_of(Networks(student, teacher, pseudo_labeler))
    losses.total.backward()
    assert torch.equal(losses.pseudo_labels, pseudo_labeler.heads[0].argmax(1))
    assert student.heads.grad.any() and teacher.heads.grad is None and pseudo_labeler.heads.grad is None


def test_unlabeled_patches_teach_the_segmentation_head_alone():
    student, teacher = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1)
    step_of(Networks(student, teacher, teacher)).total.backward()
    assert student.heads.grad[0, 2:].any()
    assert not student.heads.grad[1:, 2:].any()


def test_weights_of_one_are_none_and_weights_of_zero_leave_nothing():
    logits, labels = FixedHeads(3, 2, 0).heads[0].detach(), FixedHeads(3, 2, 1).heads[0].argmax(1)
    plain = pseudo_label_loss(logits, labels)
    torch.testing.assert_close(plain, (cost_weighted_cross_entropy(logits, labels) + dice_loss(logits, labels)) / 4)
    torch.testing.assert_close(pseudo_label_loss(logits, labels, torch.ones(2, *SHAPE)), plain)
    assert pseudo_label_loss(logits, labels, torch.zeros(2, *SHAPE)) == 0
