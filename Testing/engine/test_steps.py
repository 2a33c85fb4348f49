from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from coranet.config import TrainingConfig
from coranet.data.patches import LabeledBatch, UnlabeledBatch
from coranet.losses import conservative_costs, cost_weighted_cross_entropy, dice_loss, radical_costs
from coranet.networks import CoraNet, HeadLogits
from coranet.training.steps import heads_loss, pretraining_step, self_training_step, teacher_loss

ALPHA = 5.0
CONFIG = TrainingConfig(misclassification_cost=ALPHA)


class FixedHeads(nn.Module):
    """A network whose logits are its parameters, whatever it sees."""

    def __init__(self, classes: int, size: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.heads = nn.Parameter(2 * torch.randn(3, size, classes, 2, 3, 4, generator=generator))

    def forward(self, images: torch.Tensor) -> HeadLogits:
        return HeadLogits(*(head[: len(images)] for head in self.heads))


def batches_of(size: int = 2, classes: int = 3) -> tuple[LabeledBatch, UnlabeledBatch]:
    generator = torch.Generator().manual_seed(9)
    images = torch.randn(3, size, 1, 2, 3, 4, generator=generator)
    targets = torch.randint(classes, (size, 2, 3, 4), generator=generator)
    return LabeledBatch(images[0], targets), UnlabeledBatch(images[1], images[2])


def step_of(student, teacher, ramp_up=1.0, config=CONFIG, labeller=None, batches=None):
    return self_training_step(student, (labeller or teacher, teacher), batches or batches_of(), config, ramp_up)


def test_the_supervised_loss_is_the_mean_of_its_four_parts():
    network, (labeled, _) = FixedHeads(3, 2, seed=0), batches_of()
    logits = network(labeled.images)
    expected = (
        cost_weighted_cross_entropy(logits.segmentation, labeled.targets)
        + dice_loss(logits.segmentation, labeled.targets)
        + cost_weighted_cross_entropy(logits.conservative, labeled.targets, conservative_costs(ALPHA, 3))
        + cost_weighted_cross_entropy(logits.radical, labeled.targets, radical_costs(ALPHA, 3))
    ) / 4
    losses = pretraining_step(network, labeled, ALPHA)
    torch.testing.assert_close(losses.total, expected)
    assert losses.supervised == pytest.approx(expected.item())
    assert (losses.certain, losses.uncertain, losses.uncertain_share) == (0, 0, 0)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_certain_and_uncertain_parts_are_those_of_a_loop_over_voxels(classes):
    batches = batches_of(classes=classes)
    student, teacher = FixedHeads(classes, 4, seed=0), FixedHeads(classes, 2, seed=1)
    losses = step_of(student, teacher, batches=batches)
    on_unlabeled, of_teacher = student.heads.detach()[:, 2:], teacher.heads.detach()
    cross, weights = torch.zeros(3), torch.zeros(3)
    overlap, total = torch.zeros(classes), torch.zeros(classes)
    squares, certain_count = [], 0
    costs = (torch.ones(classes), conservative_costs(ALPHA, classes), radical_costs(ALPHA, classes))
    for batch, *where in torch.cartesian_prod(*(torch.arange(size) for size in (2, 2, 3, 4))).tolist():
        voxel = (slice(None), batch, slice(None), *where)
        learned, taught = on_unlabeled[voxel].softmax(-1), of_teacher[voxel]
        if taught[1].argmax() != taught[2].argmax():
            squares.append((learned - taught.softmax(-1)).square().mean())
            continue
        certain_count += 1
        pseudo = int(taught[0].argmax())
        for head in range(3):
            cross[head] -= costs[head][pseudo] * learned[head, pseudo].log()
            weights[head] += costs[head][pseudo]
        overlap[pseudo] += learned[0, pseudo]
        total += learned[0]
        total[pseudo] += 1
    dice = 1 - (2 * overlap / total)[1:].mean()
    assert 0 < certain_count < 48
    assert losses.certain == pytest.approx(((cross / weights).sum() + dice).item() / 4, abs=1e-5)
    assert losses.uncertain == pytest.approx(torch.stack(squares).mean().item(), rel=1e-4)
    assert losses.uncertain_share == pytest.approx(1 - certain_count / 48)


def test_the_total_is_the_weighted_sum_of_its_parts():
    config = replace(CONFIG, certain_weight=0.7, uncertain_weight=3.0, consistency_weight=0.4)
    losses = step_of(FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), ramp_up=0.25, config=config)
    expected = losses.supervised + 0.25 * (0.7 * losses.certain + 3.0 * 0.4 * losses.uncertain)
    assert losses.total.item() == pytest.approx(expected, rel=1e-6)


def test_at_the_foot_of_the_ramp_only_the_labels_teach():
    labeled, unlabeled = batches_of()
    gradients = []
    for with_unlabeled in (True, False):
        student = FixedHeads(3, 4, seed=0)
        if with_unlabeled:
            loss = step_of(student, FixedHeads(3, 2, 1), ramp_up=0.0, batches=(labeled, unlabeled)).total
        else:
            loss = pretraining_step(student, labeled, ALPHA).total
        loss.backward()
        gradients.append((loss.detach(), student.heads.grad))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_no_gradient_reaches_the_teachers():
    student, teacher, labeller = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), FixedHeads(3, 2, 2)
    step_of(student, teacher, labeller=labeller).total.backward()
    assert student.heads.grad.any()
    assert teacher.heads.grad is None and labeller.heads.grad is None


def test_regions_and_pseudo_labels_come_from_the_labeller_and_targets_of_consistency_from_the_teacher():
    student, teacher, labeller = FixedHeads(3, 4, 0), FixedHeads(3, 2, 1), FixedHeads(3, 2, 2)
    own = step_of(student, labeller)
    mixed = step_of(student, teacher, labeller=labeller)
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


def test_a_student_that_equals_its_teacher_has_nothing_to_learn_from_the_uncertain_region():
    logits = HeadLogits(*FixedHeads(3, 2, 0).heads)
    everywhere = torch.ones(2, 2, 3, 4)
    assert teacher_loss(logits, logits, everywhere).item() == 0


def test_the_mask_of_all_heads_may_be_empty():
    logits = HeadLogits(*FixedHeads(3, 2, 0).heads)
    nowhere = torch.zeros(2, 2, 3, 4, dtype=torch.bool)
    assert heads_loss(logits, torch.zeros(2, 2, 3, 4, dtype=torch.int64), ALPHA, nowhere).item() == 0


def test_each_view_goes_to_its_network_in_one_pass(a_tiny_architecture):
    seen = {}

    class Watching(CoraNet):
        def forward(self, image: torch.Tensor) -> HeadLogits:
            seen.setdefault(self.name, []).append(image)
            return super().forward(image)

    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 2, 1, *a_tiny_architecture.patch_size_kji, generator=generator)
    targets = torch.randint(3, (2, *a_tiny_architecture.patch_size_kji), generator=generator)
    student, teacher = Watching(a_tiny_architecture), Watching(a_tiny_architecture)
    student.name, teacher.name = "student", "teacher"
    step_of(student, teacher, batches=(LabeledBatch(images[0], targets), UnlabeledBatch(images[1], images[2])))
    assert torch.equal(torch.cat(seen["student"]), torch.cat([images[0], images[1]]))
    assert torch.equal(torch.cat(seen["teacher"]), images[2])
    assert len(seen["student"]) == len(seen["teacher"]) == 1
