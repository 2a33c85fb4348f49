"""What all methods have in common: the supervised loss, the first stage, one pass for both batches."""

from __future__ import annotations

import pytest
import torch
from stub_networks import SHAPE, TINY, FixedHeads, VoxelHeads, batches_of
from torch.nn import functional

from coranet.contract.config import TrainingConfig
from coranet.data.mixing import Mixing
from coranet.losses import conservative_costs, cost_weighted_cross_entropy, dice_loss, radical_costs
from coranet.methods import METHODS, Networks
from coranet.methods.method import heads_loss, student_logits
from coranet.networks import HeadLogits

ALPHA = 5.0
CONFIG = TrainingConfig(misclassification_cost=ALPHA)


def test_the_supervised_loss_is_the_mean_of_its_four_parts():
    network, (labeled, _) = FixedHeads(3, 2, seed=0), batches_of()
    logits = network(labeled.images)
    expected = (
        cost_weighted_cross_entropy(logits.segmentation, labeled.targets)
        + dice_loss(logits.segmentation, labeled.targets)
        + cost_weighted_cross_entropy(logits.conservative, labeled.targets, conservative_costs(ALPHA, 3))
        + cost_weighted_cross_entropy(logits.radical, labeled.targets, radical_costs(ALPHA, 3))
    ) / 4
    method = METHODS["supervised"](TINY, CONFIG)
    losses = method.pretrain(Networks(network, network, network), labeled)
    torch.testing.assert_close(losses.total, expected)
    torch.testing.assert_close(losses.supervised, expected.detach())
    assert losses.certain is losses.uncertain is losses.uncertain_share is losses.pseudo_labels is None
    assert torch.equal(losses.labels, logits.segmentation.argmax(1))


def test_the_mask_of_all_heads_may_be_empty():
    logits = HeadLogits(*FixedHeads(3, 2, 0).heads)
    nowhere = torch.zeros(2, *SHAPE, dtype=torch.bool)
    assert heads_loss(logits, torch.zeros(2, *SHAPE, dtype=torch.int64), ALPHA, nowhere).item() == 0


def test_labeled_and_unlabeled_patches_go_through_the_student_in_one_pass():
    labeled, unlabeled = batches_of()
    inputs = []

    class Watching(VoxelHeads):
        def forward(self, images: torch.Tensor) -> HeadLogits:
            inputs.append(images)
            return super().forward(images)

    network = Watching(3, seed=0)
    on_labeled, on_unlabeled = student_logits(network, labeled, unlabeled)
    assert len(inputs) == 1
    for own, alone in ((on_labeled, network(labeled.images)), (on_unlabeled, network(unlabeled.student_images))):
        for head, expected in zip(own, alone, strict=True):
            torch.testing.assert_close(head, expected)


def test_the_student_sees_exchanged_boxes_and_its_answers_come_back_to_their_voxels():
    labeled, unlabeled = batches_of()
    box = (slice(0, 1), slice(1, 3), slice(0, 4))
    inputs = []

    class Watching(VoxelHeads):
        def forward(self, images: torch.Tensor) -> HeadLogits:
            inputs.append(images)
            return super().forward(images)

    network = Watching(3, seed=0)
    exchanged = student_logits(network, labeled, unlabeled._replace(mixing=Mixing(((0, 3, box),))))
    plain = student_logits(network, labeled, unlabeled)
    mixed, unmixed = inputs
    assert torch.equal(mixed[(0, 0, *box)], unlabeled.student_images[(1, 0, *box)])
    assert torch.equal(mixed[(3, 0, *box)], labeled.images[(0, 0, *box)])
    assert torch.equal(mixed[1:3], unmixed[1:3]) and (mixed != unmixed).sum() == 2 * 8
    for first, second in zip((*exchanged[0], *exchanged[1]), (*plain[0], *plain[1]), strict=True):
        assert torch.equal(first, second)


class LeftNeighbours(VoxelHeads):
    """Looks as far as the next voxel on the left."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        return super().forward(images + functional.pad(images[..., :-1], (1, 0)))


@pytest.mark.parametrize("pair", [(0, 3), (2, 3)], ids=["labeled", "unlabeled"])
def test_a_network_with_context_answers_differently_at_the_edges_of_the_box_alone(pair):
    labeled, unlabeled = batches_of()
    mixing = Mixing(((*pair, (slice(0, 1), slice(1, 3), slice(1, 3))),))
    network = LeftNeighbours(3, seed=0)
    exchanged, plain = (student_logits(network, labeled, unlabeled._replace(mixing=first)) for first in (mixing, None))
    is_edge = torch.zeros(4, *SHAPE, dtype=torch.bool)
    # The first voxels of the box, and those that follow on it.
    is_edge[list(pair), 0, 1:3, 1::2] = True
    for head in range(3):
        first, second = (
            torch.cat([on_labeled[head], on_unlabeled[head]]) for on_labeled, on_unlabeled in (exchanged, plain)
        )
        assert torch.equal((first != second).any(1), is_edge)


def test_patches_exchanged_as_a_whole_change_nothing_for_any_network():
    labeled, unlabeled = batches_of()
    everything = Mixing(((0, 3, (slice(0, 2), slice(0, 3), slice(0, 4))),))
    network = LeftNeighbours(3, seed=0)
    exchanged, plain = (
        student_logits(network, labeled, unlabeled._replace(mixing=exchanges)) for exchanges in (everything, None)
    )
    for first, second in zip((*exchanged[0], *exchanged[1]), (*plain[0], *plain[1]), strict=True):
        assert torch.equal(first, second)


def test_gradients_flow_through_the_exchange_to_the_network_and_to_the_voxels():
    results = []
    for mixing in (Mixing(((1, 2, (slice(0, 2), slice(1, 3), slice(2, 4))),)), None):
        labeled, unlabeled = batches_of()
        images = [labeled.images.requires_grad_(), unlabeled.student_images.requires_grad_()]
        network = VoxelHeads(3, seed=0)
        on_labeled, on_unlabeled = student_logits(network, labeled, unlabeled._replace(mixing=mixing))
        loss = heads_loss(on_labeled, labeled.targets, ALPHA) + on_unlabeled.radical.square().mean()
        results.append(torch.autograd.grad(loss, [*network.parameters(), *images]))
    assert all(gradient.any() for gradient in results[0])
    torch.testing.assert_close(results[0], results[1])


def test_supervised_learning_does_not_look_at_unlabeled_patches():
    labeled, unlabeled = batches_of()
    unlabeled.student_images.fill_(float("nan"))
    unlabeled.teacher_images.fill_(float("nan"))
    network = VoxelHeads(3, seed=0)
    method = METHODS["supervised"](TINY, CONFIG)
    networks = Networks(network, network, network)
    losses = method.self_train(networks, labeled, unlabeled, ramp_up=1.0)
    torch.testing.assert_close(losses.total, method.pretrain(networks, labeled).total)
    assert not method.uses_unlabeled


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"supervised"}))
def test_all_other_methods_look_at_unlabeled_patches(name):
    assert METHODS[name].uses_unlabeled
