from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from stub_networks import SHAPE, TINY, FixedHeads, batches_of

from coranet.contract.config import TrainingConfig
from coranet.methods import Networks
from coranet.methods.method import heads_loss
from coranet.methods.pseudo_label import pseudo_label_loss
from coranet.methods.umct import CoTrainingMethod, labels_and_confidence
from coranet.networks import HeadLogits

CONFIG = TrainingConfig(certain_weight=0.7)


def a_method(partner: torch.nn.Module) -> CoTrainingMethod:
    method = CoTrainingMethod(TINY, CONFIG)
    method.auxiliary["partner"] = partner
    return method


def step_of(student, partner, ramp_up=1.0, batches=None):
    # There is nothing that the teacher is asked for.
    networks = Networks(student, torch.nn.Identity(), torch.nn.Identity())
    return a_method(partner).self_train(networks, *(batches or batches_of()), ramp_up)


@pytest.mark.parametrize("classes", [2, 3])
def test_labels_and_confidence_are_those_of_a_loop_over_voxels(classes):
    logits = FixedHeads(classes, 2, 0).heads[0]
    labels, confidence = labels_and_confidence(logits)
    for batch, *where in torch.cartesian_prod(*(torch.arange(size) for size in (2, *SHAPE))).tolist():
        probability = logits[(batch, slice(None), *where)].softmax(0).tolist()
        assert labels[(batch, *where)] == probability.index(max(probability))
        expected = 1 + sum(share * math.log(share) for share in probability) / math.log(classes)
        assert confidence[(batch, *where)].item() == pytest.approx(expected, abs=1e-5)
    assert not confidence.requires_grad


def test_the_total_is_the_sum_over_both_networks():
    student, partner = FixedHeads(3, 4, 0), FixedHeads(3, 4, 1)
    labeled, unlabeled = batches_of()
    losses = step_of(student, partner, ramp_up=0.25)
    own, other = (HeadLogits(*network.heads) for network in (student, partner))
    supervised = [
        heads_loss(HeadLogits(*(head[:2] for head in logits)), labeled.targets, CONFIG.misclassification_cost)
        for logits in (own, other)
    ]
    learned = pseudo_label_loss(own.segmentation[2:], *labels_and_confidence(other.segmentation[2:]))
    taught = pseudo_label_loss(other.segmentation[2:], *labels_and_confidence(own.segmentation[2:]))
    torch.testing.assert_close(losses.total, sum(supervised) + 0.25 * 0.7 * (learned + taught))
    torch.testing.assert_close(losses.supervised, supervised[0].detach())
    torch.testing.assert_close(losses.certain, learned.detach())
    assert torch.equal(losses.pseudo_labels, other.segmentation[2:].argmax(1))


def test_each_learns_and_no_gradient_flows_through_what_it_says_to_the_other():
    student, partner = FixedHeads(3, 4, 0), FixedHeads(3, 4, 1)
    step_of(student, partner).total.backward()
    for learner, other in ((student, partner), (partner, student)):
        logits = learner.heads[0, 2:].detach().requires_grad_()
        (0.7 * pseudo_label_loss(logits, *labels_and_confidence(other.heads[0, 2:]))).backward()
        assert logits.grad.any()
        torch.testing.assert_close(learner.heads.grad[0, 2:], logits.grad)


def test_a_partner_that_knows_nothing_teaches_nothing():
    student, partner = FixedHeads(3, 4, 0), FixedHeads(3, 4, 1)
    with torch.no_grad():
        partner.heads.zero_()
    losses = step_of(student, partner)
    losses.total.backward()
    assert losses.certain.item() == pytest.approx(0, abs=1e-3)
    assert losses.uncertain_share.item() == pytest.approx(1)


def test_pretraining_teaches_both():
    student, partner = FixedHeads(3, 2, 0), FixedHeads(3, 2, 1)
    labeled, _ = batches_of()
    losses = a_method(partner).pretrain(Networks(student, student, student), labeled)
    losses.total.backward()
    assert student.heads.grad.any() and partner.heads.grad.any()
    expected = [
        heads_loss(HeadLogits(*network.heads), labeled.targets, CONFIG.misclassification_cost)
        for network in (student, partner)
    ]
    torch.testing.assert_close(losses.total, sum(expected))
    torch.testing.assert_close(losses.supervised, expected[0].detach())


@pytest.mark.slow
def test_the_partner_begins_elsewhere_but_is_built_alike():
    torch.manual_seed(0)
    methods = [CoTrainingMethod(replace(TINY, base_filters=3), CONFIG) for _ in range(2)]
    first, second = (list(method.auxiliary.parameters()) for method in methods)
    assert [weights.shape for weights in first] == [others.shape for others in second]
    assert not torch.equal(first[0], second[0])
