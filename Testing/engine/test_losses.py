from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from coranet.losses import (
    conservative_costs,
    consistency_loss,
    cost_weighted_cross_entropy,
    dice_loss,
    radical_costs,
)

SHAPE = (3, 4, 5)


def random_case(classes: int, seed: int = 0):
    """Logits (2, K, D, H, W), targets and a mask."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, classes, *SHAPE, generator=generator)
    target = torch.randint(classes, (2, *SHAPE), generator=generator)
    mask = torch.rand(2, *SHAPE, generator=generator) > 0.4
    return logits, target, mask


def certain_of(target: torch.Tensor, classes: int) -> torch.Tensor:
    """Logits that name the target without a doubt."""
    return 40.0 * torch.nn.functional.one_hot(target, classes).movedim(-1, 1).float()


def weights_in(mask):
    """Where a mask is 1, numbers between 0 and 1."""
    return mask * torch.rand(mask.shape, generator=torch.Generator().manual_seed(7))


def softmax_oracle(values: np.ndarray) -> np.ndarray:
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()


def voxels_of(logits, *others):
    """Voxel by voxel: the K logits, and the value of each other tensor."""
    array = logits.double().numpy()
    for batch, *index in np.ndindex(array.shape[0], *array.shape[2:]):
        yield array[(batch, slice(None), *index)], *(other.numpy()[(batch, *index)] for other in others)


def cross_entropy_oracle(logits, target, costs, mask) -> float:
    over = under = 0.0
    for values, truth, counts in voxels_of(logits, target, mask):
        weight = costs[truth] * float(counts)
        over += -weight * math.log(softmax_oracle(values)[truth])
        under += weight
    return over / under


def dice_oracle(logits, target, mask) -> float:
    classes = logits.shape[1]
    overlap, total = np.zeros(classes), np.zeros(classes)
    for values, truth, counts in voxels_of(logits, target, mask):
        probability = softmax_oracle(values)
        overlap[truth] += counts * probability[truth]
        total += counts * probability
        total[truth] += counts
    return 1 - float(np.mean((2 * overlap / total)[1:]))


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        (None, (math.log(4) + math.log(4 / 3)) / 2),
        (conservative_costs(5, 2), (5 * math.log(4) + math.log(4 / 3)) / 6),
        (radical_costs(5, 2), (math.log(4) + 5 * math.log(4 / 3)) / 6),
    ],
    ids=["plain", "conservative", "radical"],
)
def test_cross_entropy_of_two_voxels_computed_by_hand(costs, expected):
    # Both voxels are foreground with probability 3/4; the first is background, the second foreground.
    logits = torch.tensor([0.0, math.log(3)]).reshape(1, 2, 1, 1, 1).expand(1, 2, 1, 1, 2)
    target = torch.tensor([0, 1]).reshape(1, 1, 1, 2)
    assert cost_weighted_cross_entropy(logits, target, costs).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("costs_of", [conservative_costs, radical_costs])
def test_cross_entropy_is_that_of_the_equation(classes, costs_of, is_weighted):
    logits, target, mask = random_case(classes)
    mask = weights_in(mask) if is_weighted else mask
    costs = costs_of(5, classes)
    expected = cross_entropy_oracle(logits, target, costs, mask)
    assert cost_weighted_cross_entropy(logits, target, costs, mask).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_dice_is_that_of_the_equation(classes, is_weighted):
    logits, target, mask = random_case(classes)
    mask = weights_in(mask) if is_weighted else mask
    assert dice_loss(logits, target, mask).item() == pytest.approx(dice_oracle(logits, target, mask), abs=1e-5)


def test_conservative_costs_weigh_background_and_radical_costs_foreground():
    assert conservative_costs(5, 4) == (5, 1, 1, 1)
    assert radical_costs(5, 4) == (1, 5, 5, 5)


def test_false_foreground_costs_the_conservative_head_more_and_missed_foreground_the_radical():
    # A voxel of each class that the network cannot tell apart: which way does the gradient push?
    target = torch.tensor([0, 1]).reshape(1, 1, 1, 2)
    pushes = {}
    for costs_of in (conservative_costs, radical_costs):
        logits = torch.zeros(1, 2, 1, 1, 2, requires_grad=True)
        cost_weighted_cross_entropy(logits, target, costs_of(5, 2)).backward()
        pushes[costs_of] = -logits.grad[0, 1].sum().item()
    assert pushes[conservative_costs] < 0 < pushes[radical_costs]
    assert pushes[radical_costs] == pytest.approx(-pushes[conservative_costs])


@pytest.mark.parametrize("costs_of", [conservative_costs, radical_costs])
def test_alpha_of_one_is_plain_cross_entropy(costs_of):
    logits, target, _ = random_case(3)
    plain = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(cost_weighted_cross_entropy(logits, target, costs_of(1, 3)), plain)
    torch.testing.assert_close(cost_weighted_cross_entropy(logits, target), plain)


@pytest.mark.parametrize("alpha", [2, 5, 10])
@pytest.mark.parametrize("costs_of", [conservative_costs, radical_costs])
def test_bayes_decision_moves_by_the_logarithm_of_the_cost(costs_of, alpha):
    # Minimized over the logit, a voxel that is foreground in 30 % of cases gives odds scaled by the cost.
    share = 0.3
    logit = torch.zeros((), dtype=torch.float64, requires_grad=True)
    background, foreground = costs_of(alpha, 2)
    optimizer = torch.optim.LBFGS([logit], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        odds = torch.stack([torch.zeros_like(logit), logit]).log_softmax(0)
        loss = -(1 - share) * background * odds[0] - share * foreground * odds[1]
        loss.backward()
        return loss

    optimizer.step(closure)
    expected = math.log(share / (1 - share)) + math.log(foreground / background)
    # The loss of the engine has its minimum there as well: its gradient vanishes.
    target = torch.tensor([0] * 7 + [1] * 3).reshape(1, 1, 1, 10)
    values = torch.full((10,), logit.item(), requires_grad=True)
    logits = torch.stack([torch.zeros(10), values]).reshape(1, 2, 1, 1, 10)
    cost_weighted_cross_entropy(logits, target, costs_of(alpha, 2)).backward()
    assert logit.item() == pytest.approx(expected, abs=1e-4)
    assert values.grad.sum().item() == pytest.approx(0, abs=1e-5)


def all_losses(logits, target, mask):
    teacher = torch.full_like(logits, 1 / logits.shape[1])
    return {
        "cross-entropy": cost_weighted_cross_entropy(logits, target, conservative_costs(5, logits.shape[1]), mask),
        "dice": dice_loss(logits, target, mask),
        "consistency": consistency_loss(logits, teacher, torch.ones_like(target) if mask is None else mask),
    }


@pytest.mark.parametrize("name", ["cross-entropy", "dice", "consistency"])
class TestMasks:
    def test_a_mask_of_ones_is_no_mask(self, name):
        logits, target, _ = random_case(3)
        masked = all_losses(logits, target, torch.ones_like(target))[name]
        torch.testing.assert_close(masked, all_losses(logits, target, None)[name])

    def test_an_empty_mask_gives_exactly_zero_and_no_gradient(self, name):
        logits, target, _ = random_case(3)
        logits.requires_grad_(True)
        loss = all_losses(logits, target, torch.zeros_like(target))[name]
        loss.backward()
        assert loss.item() == 0
        assert not logits.grad.any()

    def test_what_lies_outside_of_the_mask_does_not_matter(self, name):
        logits, target, mask = random_case(3)
        other_logits, other_target, _ = random_case(3, seed=1)
        mixed_logits = torch.where(mask.unsqueeze(1), logits, other_logits)
        mixed_target = torch.where(mask, target, other_target)
        mixed = all_losses(mixed_logits, mixed_target, mask)[name]
        torch.testing.assert_close(mixed, all_losses(logits, target, mask)[name])
        assert not torch.isclose(mixed, all_losses(mixed_logits, mixed_target, None)[name])

    def test_bool_and_float_masks_mean_the_same(self, name):
        logits, target, mask = random_case(3)
        torch.testing.assert_close(
            all_losses(logits, target, mask)[name], all_losses(logits, target, mask.float())[name]
        )

    def test_the_order_of_voxels_does_not_matter(self, name):
        logits, target, mask = random_case(3)
        turned = all_losses(
            logits.flip(2).transpose(3, 4), target.flip(1).transpose(2, 3), mask.flip(1).transpose(2, 3)
        )
        torch.testing.assert_close(turned[name], all_losses(logits, target, mask)[name])


@pytest.mark.parametrize("classes", [2, 4])
def test_a_perfect_prediction_costs_nothing(classes):
    _, target, mask = random_case(classes)
    logits = certain_of(target, classes)
    assert cost_weighted_cross_entropy(logits, target, radical_costs(5, classes), mask).item() == pytest.approx(
        0, abs=1e-6
    )
    assert dice_loss(logits, target, mask).item() == pytest.approx(0, abs=1e-6)


def test_dice_loss_is_one_where_nothing_overlaps():
    _, target, _ = random_case(2)
    assert dice_loss(certain_of(1 - target, 2), target).item() == pytest.approx(1, abs=1e-5)


def test_a_class_that_is_nowhere_and_not_predicted_counts_as_found():
    target = torch.ones(1, *SHAPE, dtype=torch.int64)
    without = torch.zeros(1, 3, *SHAPE)
    without[:, 2] = -200  # so unlikely that its probability is 0
    assert dice_loss(without, target).item() == pytest.approx((1 - 2 * 0.5 / 1.5) / 2, abs=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_consistency_is_the_mean_square_over_region_and_classes(classes):
    logits, _, mask = random_case(classes)
    teacher = torch.rand(2, classes, *SHAPE)
    squares = []
    for index in np.argwhere(mask.numpy()):
        batch, *where = index
        student = softmax_oracle(logits.double().numpy()[(batch, slice(None), *where)])
        squares.append(np.mean((student - teacher.numpy()[(batch, slice(None), *where)]) ** 2))
    assert consistency_loss(logits, teacher, mask).item() == pytest.approx(np.mean(squares), rel=1e-5)


def test_consistency_is_zero_where_student_and_teacher_agree_and_teaches_the_student_only():
    logits, _, mask = random_case(3)
    logits.requires_grad_(True)
    assert consistency_loss(logits, logits.softmax(1), mask).item() == 0
    teacher = torch.rand_like(logits).requires_grad_(True)
    consistency_loss(logits, teacher, mask).backward()
    assert logits.grad.any()
    assert teacher.grad is None


@pytest.mark.parametrize("scale", [1e3, 1e4])
def test_losses_of_extreme_logits_are_finite_in_half_precision_too(scale):
    logits, target, mask = random_case(3)
    for dtype in (torch.float32, torch.bfloat16):
        extreme = (scale * logits).to(dtype).requires_grad_(True)
        losses = all_losses(extreme, target, mask)
        sum(loss.float() for loss in losses.values()).backward()
        assert all(math.isfinite(loss.item()) for loss in losses.values())
        assert torch.isfinite(extreme.grad).all()
