from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from stub_networks import SHAPE, TINY, FixedHeads, batches_of

from coranet.contract.config import TrainingConfig
from coranet.losses import conservative_costs, radical_costs
from coranet.methods import Networks
from coranet.methods.coranet import CoraNetMethod, teacher_loss
from coranet.methods.method import heads_loss
from coranet.networks import CoraNet, HeadLogits

ALPHA = 5.0
CONFIG = TrainingConfig(misclassification_cost=ALPHA)


def step_of(student, teacher, ramp_up=1.0, config=CONFIG, pseudo_labeler=None, batches=None):
    networks = Networks(student, teacher, pseudo_labeler or teacher)
    return CoraNetMethod(TINY, config).self_train(networks, *(batches or batches_of()), ramp_up)


@pytest.mark.parametrize("is_reviewed", [False, True], ids=["unlabeled", "known in part"])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_certain_and_uncertain_parts_are_those_of_a_loop_over_voxels(classes, is_reviewed):
    labeled, unlabeled = batches_of(classes=classes)
    truth, known = labeled.targets.flip(0), torch.zeros(2, *SHAPE, dtype=torch.bool)
    if is_reviewed:
        known = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(5)) < 0.3
        unlabeled = unlabeled._replace(targets=truth, known=known)
    student, teacher = FixedHeads(classes, 4, seed=0), FixedHeads(classes, 2, seed=1)
    losses = step_of(student, teacher, batches=(labeled, unlabeled))
    on_unlabeled, of_teacher = student.heads.detach()[:, 2:], teacher.heads.detach()
    cross, weights = torch.zeros(3), torch.zeros(3)
    overlap, total = torch.zeros(classes), torch.zeros(classes)
    squares, certain_count = [], 0
    costs = (torch.ones(classes), conservative_costs(ALPHA, classes), radical_costs(ALPHA, classes))
    for batch, *where in torch.cartesian_prod(*(torch.arange(size) for size in (2, *SHAPE))).tolist():
        voxel, place = (slice(None), batch, slice(None), *where), (batch, *where)
        learned, taught = on_unlabeled[voxel].softmax(-1), of_teacher[voxel]
        if known[place]:
            label, counts = int(truth[place]), CONFIG.reviewed_weight
            assert losses.pseudo_labels[place] == 0
        elif taught[1].argmax() != taught[2].argmax():
            squares.append((learned - taught.softmax(-1)).square().mean())
            assert losses.pseudo_labels[place] == 0
            continue
        else:
            certain_count += 1
            label, counts = int(taught[0].argmax()), 1.0
            assert losses.pseudo_labels[place] == label
        for head in range(3):
            cross[head] -= counts * costs[head][label] * learned[head, label].log()
            weights[head] += counts * costs[head][label]
        overlap[label] += counts * learned[0, label]
        total += counts * learned[0]
        total[label] += counts
    dice = 1 - (2 * overlap / total)[1:].mean()
    assert 0 < certain_count < (~known).sum()
    assert losses.certain.item() == pytest.approx(((cross / weights).sum() + dice).item() / 4, abs=1e-5)
    assert losses.uncertain.item() == pytest.approx(torch.stack(squares).mean().item(), rel=1e-4)
    assert losses.uncertain_share.item() == pytest.approx(1 - certain_count / (~known).sum().item())


def test_the_total_is_the_weighted_sum_of_its_parts():
    config = replace(CONFIG, certain_weight=0.7, uncertain_weight=3.0, consistency_weight=0.4)
    losses = step_of(FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), ramp_up=0.25, config=config)
    expected = losses.supervised + 0.25 * (0.7 * losses.certain + 3.0 * 0.4 * losses.uncertain)
    torch.testing.assert_close(losses.total.detach(), expected)


def test_no_gradient_reaches_the_teachers():
    student, teacher, pseudo_labeler = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), FixedHeads(3, 2, 2)
    step_of(student, teacher, pseudo_labeler=pseudo_labeler).total.backward()
    assert student.heads.grad.any()
    assert teacher.heads.grad is None and pseudo_labeler.heads.grad is None


def test_regions_and_pseudo_labels_come_from_the_labeller_and_targets_of_consistency_from_the_teacher():
    student, teacher, pseudo_labeler = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), FixedHeads(3, 2, 2)
    own = step_of(student, pseudo_labeler)
    mixed = step_of(student, teacher, pseudo_labeler=pseudo_labeler)
    assert mixed.certain == own.certain and mixed.uncertain_share == own.uncertain_share
    assert mixed.uncertain != own.uncertain


def test_where_the_teacher_is_sure_everywhere_nothing_is_uncertain():
    student, teacher = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1)
    with torch.no_grad():
        teacher.heads[2] = teacher.heads[1]
    losses = step_of(student, teacher)
    assert losses.uncertain == 0 and losses.uncertain_share == 0 and losses.certain > 0


def test_where_the_teacher_doubts_everywhere_there_are_no_pseudo_labels():
    student, teacher = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1)
    with torch.no_grad():
        teacher.heads[1, :, 0], teacher.heads[2, :, 1] = 50, 50
    losses = step_of(student, teacher)
    assert losses.certain == 0 and losses.uncertain_share == 1 and losses.uncertain > 0
    assert not losses.pseudo_labels.any()


def test_without_the_mask_pseudo_labels_teach_everywhere():
    student, teacher = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1)
    losses = step_of(student, teacher, config=replace(CONFIG, certain_mask="none"))
    on_unlabeled = HeadLogits(*student.heads[:, 2:])
    everywhere = heads_loss(on_unlabeled, teacher.heads[0].argmax(1), ALPHA)
    torch.testing.assert_close(losses.certain, everywhere.detach())
    assert 0 < losses.uncertain_share < 1


def test_a_student_that_equals_its_teacher_has_nothing_to_learn_from_the_uncertain_region():
    logits = HeadLogits(*FixedHeads(3, 2, 0).heads)
    everywhere = torch.ones(2, *SHAPE)
    assert teacher_loss(logits, logits, everywhere).item() == 0


def test_each_view_goes_to_its_network_in_one_pass():
    inputs = {}

    class Watching(CoraNet):
        def forward(self, image: torch.Tensor) -> HeadLogits:
            inputs.setdefault(self.name, []).append(image)
            return super().forward(image)

    labeled, unlabeled = batches_of(shape=TINY.patch_size_kji)
    student, teacher = Watching(TINY), Watching(TINY)
    student.name, teacher.name = "student", "teacher"
    step_of(student, teacher, batches=(labeled, unlabeled))
    assert torch.equal(torch.cat(inputs["student"]), torch.cat([labeled.images, unlabeled.student_images]))
    assert torch.equal(torch.cat(inputs["teacher"]), unlabeled.teacher_images)
    assert len(inputs["student"]) == len(inputs["teacher"]) == 1


@pytest.mark.parametrize("mask", ["certain", "none"])
def test_with_confidence_each_pseudo_label_counts_with_the_largest_softmax_of_the_teacher(mask):
    student, teacher = FixedHeads(3, 4, seed=0), FixedHeads(3, 2, seed=1)
    config = replace(CONFIG, certain_mask=mask, pseudo_label_weight="confidence")
    losses = step_of(student, teacher, config=config, batches=batches_of(classes=3))
    segmentation, conservative, radical = teacher.heads.detach()
    weight = segmentation.softmax(1).amax(1)
    if mask == "certain":
        weight = weight * (conservative.argmax(1) == radical.argmax(1))
    on_unlabeled = HeadLogits(*student.heads.detach()[:, 2:])
    torch.testing.assert_close(losses.certain, heads_loss(on_unlabeled, segmentation.argmax(1), ALPHA, weight))
