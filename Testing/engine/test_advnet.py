from __future__ import annotations

import math

import pytest
import torch
from stub_networks import SHAPE, TINY, FixedHeads, batches_of
from torch import nn

from coranet.contract.config import TrainingConfig
from coranet.methods import Networks
from coranet.methods.advnet import ADVERSARIAL_WEIGHT_LABELED, ADVERSARIAL_WEIGHT_UNLABELED, TRUSTED, AdversarialMethod
from coranet.methods.pseudo_label import pseudo_label_loss

CONFIG = TrainingConfig(certain_weight=0.7)


class Linear(nn.Module):
    """A discriminator that looks at the probability of class 1 of single voxels."""

    def __init__(self, slope: float, offset: float) -> None:
        super().__init__()
        self.slope, self.offset = nn.Parameter(torch.tensor(slope)), nn.Parameter(torch.tensor(offset))

    def forward(self, probability: torch.Tensor) -> torch.Tensor:
        return self.slope * probability[:, 1] + self.offset


def a_method(slope: float = 6.0, offset: float = -3.0) -> AdversarialMethod:
    method = AdversarialMethod(TINY, CONFIG)
    method.auxiliary["discriminator"] = Linear(slope, offset)
    return method


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("classes", [2, 3])
def test_all_parts_are_those_of_a_loop_over_voxels(classes):
    student, teacher = FixedHeads(classes, 4, 0), FixedHeads(classes, 2, 1)
    labeled, unlabeled = batches_of(classes=classes)
    losses = a_method().self_train(Networks(student, teacher, teacher), labeled, unlabeled, 0.25)
    adversarial, fooled, trusted = [0.0, 0.0], 0.0, torch.zeros(2, *SHAPE)
    for batch, *where in torch.cartesian_prod(*(torch.arange(size) for size in (2, *SHAPE))).tolist():
        for half in (0, 1):
            predicted = student.heads[(0, 2 * half + batch, slice(None), *where)].softmax(0)[1].item()
            adversarial[half] -= math.log(logistic(6 * predicted - 3)) / 48
        predicted = student.heads[(0, batch, slice(None), *where)].softmax(0)[1].item()
        is_one = float(labeled.targets[(batch, *where)] == 1)
        fooled -= (math.log(logistic(6 * is_one - 3)) + math.log(1 - logistic(6 * predicted - 3))) / 48
        taught = teacher.heads[(0, batch, slice(None), *where)].softmax(0)[1].item()
        trusted[(batch, *where)] = logistic(6 * taught - 3) > TRUSTED
    pseudo_labels = teacher.heads[0].argmax(1)
    pseudo = pseudo_label_loss(student.heads[0, 2:], pseudo_labels, trusted).item()
    assert 0 < trusted.mean() < 1
    assert losses.certain.item() == pytest.approx(pseudo, rel=1e-5)
    assert losses.uncertain_share.item() == pytest.approx(1 - trusted.mean().item())
    assert torch.equal(losses.pseudo_labels, pseudo_labels * trusted.long())
    expected = losses.supervised.item() + ADVERSARIAL_WEIGHT_LABELED * adversarial[0] + fooled
    expected += 0.25 * (0.7 * pseudo + ADVERSARIAL_WEIGHT_UNLABELED * adversarial[1])
    assert losses.total.item() == pytest.approx(expected, rel=1e-5)


def gradients_of(loss: torch.Tensor, *tensors: torch.Tensor) -> list[torch.Tensor | None]:
    return list(torch.autograd.grad(loss, tensors, allow_unused=True))


def test_the_students_term_leaves_the_discriminator_alone_and_the_other_way_round():
    method, logits = a_method(), FixedHeads(3, 2, 0).heads[0].detach().requires_grad_()
    slope = method.auxiliary["discriminator"].slope
    of_logits, of_slope = gradients_of(method._adversarial_loss(logits), logits, slope)
    assert of_logits.any() and of_slope is None
    labeled, _ = batches_of()
    of_logits, of_slope = gradients_of(method._discriminator_loss(logits, labeled), logits, slope)
    assert of_logits is None and of_slope.any()


def test_the_student_is_pulled_to_what_looks_like_labels():
    method, logits = a_method(), FixedHeads(3, 2, 0).heads[0].detach().requires_grad_()
    (gradient,) = gradients_of(method._adversarial_loss(logits), logits)
    assert (gradient[:, 1] < 0).all()


def test_where_nothing_is_trusted_there_are_no_pseudo_labels():
    student, teacher = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1)
    losses = a_method(0.0, -9.0).self_train(Networks(student, teacher, teacher), *batches_of(), 1.0)
    assert losses.certain == 0 and losses.uncertain_share == 1 and not losses.pseudo_labels.any()


def test_no_gradient_reaches_the_labeller():
    student, teacher, pseudo_labeler = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), FixedHeads(3, 2, 2)
    method = a_method()
    losses = method.self_train(Networks(student, teacher, pseudo_labeler), *batches_of(), 1.0)
    losses.total.backward()
    taught = losses.pseudo_labels != 0
    assert torch.equal(losses.pseudo_labels[taught], pseudo_labeler.heads[0].argmax(1)[taught])
    assert student.heads.grad.any() and teacher.heads.grad is None and pseudo_labeler.heads.grad is None


def test_pretraining_teaches_student_and_discriminator():
    method, student = a_method(), FixedHeads(3, 2, 0)
    losses = method.pretrain(Networks(student, student, student), batches_of()[0])
    losses.total.backward()
    assert student.heads.grad.any() and method.auxiliary["discriminator"].slope.grad.any()
    assert losses.total > losses.supervised


def test_the_discriminator_is_asked_where_labels_are_known_and_sees_nothing_elsewhere():
    student, (labeled, _) = FixedHeads(3, 4, 0), batches_of()
    known = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(2)) < 0.4
    found = a_method()._discriminator_loss(student.heads[0, :2], labeled._replace(known=known)).item()
    expected = 0.0
    for batch, *where in known.nonzero().tolist():
        predicted = student.heads[(0, batch, slice(None), *where)].softmax(0)[1].item()
        is_one = float(labeled.targets[(batch, *where)] == 1)
        expected -= (
            math.log(logistic(6 * is_one - 3)) + math.log(1 - logistic(6 * predicted - 3))
        ) / known.sum().item()
    assert found == pytest.approx(expected, rel=1e-5)
