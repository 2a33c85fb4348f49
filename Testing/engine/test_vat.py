from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from stub_networks import TINY, VoxelHeads, batches_of
from torch import nn

from coranet.contract.config import TrainingConfig
from coranet.data.patches import UnlabeledBatch
from coranet.methods import Networks
from coranet.methods.vat import (
    EPSILON,
    SMOOTHNESS_SCALE,
    VirtualAdversarialMethod,
    adversarial_perturbation,
    divergence,
    smoothness_loss,
    unit_size,
)
from coranet.networks import CoraNet, HeadLogits


def step_of(network, ramp_up=1.0, batches=None):
    method = VirtualAdversarialMethod(TINY, TrainingConfig(consistency_weight=0.3))
    return method.self_train(Networks(network, network, network), *(batches or batches_of()), ramp_up)


class WeightedSum(nn.Module):
    """One logit follows one weighted sum over the patch: the worst perturbation is known."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, 1, 2, 3, 4, generator=torch.Generator().manual_seed(4)))

    def forward(self, images: torch.Tensor) -> HeadLogits:
        foreground = (images * self.weight).sum((1, 2, 3, 4), keepdim=True).expand(-1, -1, *images.shape[2:])
        logits = torch.cat([torch.zeros_like(foreground), foreground], 1)
        return HeadLogits(logits, logits, logits)


def test_divergence_is_that_of_kullback_and_leibler():
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(2, 3, 2, 3, 4, generator=generator, dtype=torch.float64).softmax(1) for _ in range(2))
    per_voxel = torch.distributions.kl_divergence(
        torch.distributions.Categorical(p.movedim(1, -1)), torch.distributions.Categorical(q.movedim(1, -1))
    )
    torch.testing.assert_close(divergence(p, q.log()), per_voxel.mean())
    assert divergence(p, p.log()).item() == pytest.approx(0, abs=1e-12)
    sure = torch.zeros_like(p).index_fill_(1, torch.tensor([2]), 1.0)
    torch.testing.assert_close(divergence(sure, q.log()), -q[:, 2].log().mean())


def test_the_perturbation_points_where_the_answer_changes_most():
    network, images = WeightedSum(), 0.1 * batches_of()[1].student_images
    torch.manual_seed(0)
    clean = network(images).segmentation.softmax(1).detach()
    perturbation = adversarial_perturbation(network, images, clean)
    for patch in perturbation:
        cosine = torch.cosine_similarity(patch.flatten(), network.weight.flatten(), dim=0)
        assert abs(cosine.item()) == pytest.approx(1, abs=1e-3)
        assert patch.square().mean().sqrt().item() == pytest.approx(EPSILON, rel=1e-5)
    assert not perturbation.requires_grad and network.weight.grad is None


def test_no_random_perturbation_of_the_size_changes_more():
    network, images = WeightedSum(), 0.1 * batches_of()[1].student_images
    torch.manual_seed(0)
    clean = network(images).segmentation.softmax(1).detach()
    worst = smoothness_loss(network, UnlabeledBatch(images, images))
    for _ in range(20):
        other = EPSILON * unit_size(torch.randn_like(images))
        assert divergence(clean, network(images + other).segmentation.log_softmax(1)) < worst


def test_patches_are_scaled_each_by_itself_and_zeros_stay():
    patches = torch.stack([torch.full((1, 2, 3, 4), 1e-25), torch.full((1, 2, 3, 4), -3.0), torch.zeros(1, 2, 3, 4)])
    scaled = unit_size(patches)
    torch.testing.assert_close(scaled[:, 0, 0, 0, 0], torch.tensor([1.0, -1.0, 0.0]))


def test_the_total_is_the_weighted_sum_of_its_parts_and_conservative_and_radical_heads_learn_from_labels_alone():
    network = VoxelHeads(3, seed=0)
    torch.manual_seed(0)
    losses = step_of(network, ramp_up=0.25)
    expected = losses.supervised + 0.25 * SMOOTHNESS_SCALE * 0.3 * losses.uncertain
    torch.testing.assert_close(losses.total.detach(), expected)
    assert losses.uncertain > 0
    gradients = []
    for ramp_up in (1.0, 0.0):
        network.zero_grad()
        step_of(network, ramp_up).total.backward()
        gradients.append(network.slope.grad.clone())
    assert not torch.equal(gradients[0][0], gradients[1][0])
    torch.testing.assert_close(gradients[0][1:], gradients[1][1:])


def test_a_network_that_answers_alike_everywhere_is_smooth():
    network = VoxelHeads(3, seed=0)
    with torch.no_grad():
        network.slope.zero_()
    assert step_of(network).uncertain.item() == pytest.approx(0, abs=1e-6)


def test_batch_statistics_count_one_pass_a_step():
    torch.manual_seed(0)
    network = CoraNet(replace(TINY, normalization="batch", dropout=0.5)).train()
    step_of(network, batches=batches_of(shape=TINY.patch_size_kji))
    counts = {int(module.num_batches_tracked) for module in network.modules() if isinstance(module, nn.BatchNorm3d)}
    assert counts == {1}


def test_the_small_step_is_not_taken_in_half_precision():
    torch.manual_seed(0)
    network, unlabeled = CoraNet(TINY).train(), batches_of(shape=TINY.patch_size_kji)[1]
    torch.manual_seed(0)
    exact = smoothness_loss(network, unlabeled)
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = smoothness_loss(network, unlabeled)
    assert torch.equal(exact, mixed)
