"""What holds for every method, on the real network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from stub_networks import TINY, VoxelHeads, batches_of
from torch import distributed, nn

from coranet.contract.config import TrainingConfig
from coranet.contract.config.schema import METHODS as NAMES
from coranet.data.mixing import Mixing
from coranet.methods import METHODS, Method, Networks, StepLosses
from coranet.networks import Architecture, CoraNet

CONFIG = TrainingConfig(consistency_weight=1.0)
SLICES = replace(
    TINY,
    backbone="unet",
    patch_size_kji=(1, 12, 16),
    strides=((1, 2, 2),),
    kernels=((1, 3, 3), (1, 3, 3)),
    slice_axis=0,
)
# A labeled and an unlabeled patch, counted from the first labeled one.
MIXING = Mixing(((1, 2, (slice(0, 1), slice(2, 9), slice(3, 12))),))
TWO_CLASSES = replace(TINY, classes=2, normalization="batch", dropout=0.3)


def each(names: Iterable[str] = NAMES) -> list[Any]:
    """Methods as parameters: in `make quick` CoraNet alone; the others have files of their own there."""
    return [name if name == "coranet" else pytest.param(name, marks=pytest.mark.slow) for name in sorted(names)]


def prepared(name: str, architecture: Architecture = TINY) -> tuple[Method, Networks]:
    torch.manual_seed(3)
    student = CoraNet(architecture)
    method = METHODS[name](architecture, CONFIG)
    # Not the student's twin, or nothing would be left to learn from it.
    teacher = CoraNet(architecture).eval().requires_grad_(False)
    return method, Networks(student, teacher, teacher)


def stepped(method: Method, networks: Networks, ramp_up: float = 1.0, mixing: Mixing | None = MIXING) -> StepLosses:
    architecture = method.architecture
    labeled, unlabeled = batches_of(classes=architecture.classes, shape=architecture.patch_size_kji)
    torch.manual_seed(4)
    return method.self_train(networks, labeled, unlabeled._replace(mixing=mixing), ramp_up)


def gradients(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in network.named_parameters()}


def test_there_is_a_method_for_each_name_of_the_setting():
    assert set(METHODS) == set(NAMES)


@pytest.mark.parametrize("architecture", [TINY, SLICES, TWO_CLASSES], ids=["volumes", "slices", "two classes"])
@pytest.mark.parametrize("name", each())
def test_a_step_teaches_every_trained_network_and_changes_no_teacher(name, architecture):
    method, networks = prepared(name, architecture)
    before = deepcopy(networks.teacher.state_dict())
    losses = stepped(method, networks)
    losses.total.backward()
    for parameter, gradient in {**gradients(networks.student), **gradients(method.auxiliary)}.items():
        assert gradient is not None and gradient.isfinite().all(), parameter
    assert all(torch.equal(value, before[key]) for key, value in networks.teacher.state_dict().items())
    assert not any(module.training for module in networks.teacher.modules())
    parts = (losses.supervised, losses.certain, losses.uncertain, losses.uncertain_share)
    assert all(part is None or (part.ndim == 0 and not part.requires_grad and part >= 0) for part in parts)
    shape = (2, *architecture.patch_size_kji)
    for labels in (losses.labels, losses.pseudo_labels):
        assert labels is None or (labels.shape == shape and labels.dtype is torch.int64)


@pytest.mark.parametrize("name", each())
def test_running_statistics_count_one_pass_a_step(name):
    method, networks = prepared(name, TWO_CLASSES)
    stepped(method, networks)
    counts = {int(value) for key, value in networks.student.state_dict().items() if "num_batches" in key}
    assert counts == {1}


@pytest.mark.parametrize("name", each())
def test_unlabeled_patches_teach_as_far_as_the_ramp_allows(name):
    results = []
    for ramp_up in (None, 0.0, 1.0):
        method, networks = prepared(name)
        labeled, _ = batches_of(shape=TINY.patch_size_kji)
        losses = method.pretrain(networks, labeled) if ramp_up is None else stepped(method, networks, ramp_up, None)
        losses.total.backward()
        results.append(gradients(networks.student))
    pretrained, at_the_foot, at_the_top = results
    torch.testing.assert_close(at_the_foot, pretrained, atol=1e-6, rtol=1e-4)
    is_alike = all(torch.allclose(at_the_top[key], pretrained[key], atol=1e-6) for key in pretrained)
    assert is_alike != method.uses_unlabeled


@pytest.mark.parametrize("name", each())
def test_exchanged_boxes_change_nothing_for_networks_that_look_at_single_voxels(name):
    method, _ = prepared(name)
    if name == "umct":
        method.auxiliary["partner"] = VoxelHeads(3, seed=4)
    student, teacher, pseudo_labeler = (VoxelHeads(3, seed) for seed in range(3))
    networks = Networks(student, teacher, pseudo_labeler)
    exchanged, plain = (stepped(method, networks, mixing=mixing) for mixing in (MIXING, None))
    torch.testing.assert_close(exchanged.total, plain.total)
    assert torch.equal(exchanged.labels, plain.labels)


@pytest.mark.parametrize("name", each())
def test_in_half_precision_the_losses_stay_in_float32_and_near(name):
    method, networks = prepared(name)
    exact = stepped(method, networks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = stepped(method, networks)
    mixed.total.backward()
    assert mixed.total.dtype is mixed.supervised.dtype is torch.float32
    assert mixed.total.item() == pytest.approx(exact.total.item(), rel=0.03)


@pytest.fixture
def a_process_group() -> Iterator[None]:
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("this build of torch cannot train in several processes")
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


class Step(nn.Module):
    """A method's step as a forward pass, which is what is distributed over processes."""

    def __init__(self, method: Method, networks: Networks) -> None:
        super().__init__()
        self.student, self.auxiliary = networks.student, method.auxiliary
        self._rest = (method, networks)

    def forward(self) -> torch.Tensor:
        return stepped(*self._rest).total


@pytest.mark.parametrize("name", each())
def test_distributed_the_gradients_are_the_same(name, a_process_group):
    results = []
    for wrap in (lambda step: step, nn.parallel.DistributedDataParallel):
        step = Step(*prepared(name, TWO_CLASSES))
        wrap(step)().backward()
        results.append(gradients(step))
    torch.testing.assert_close(results[1], results[0])


# -- labels that are known in part --

KNOWN = torch.rand(2, *TINY.patch_size_kji, generator=torch.Generator().manual_seed(8)) < 0.3


def losses_and_gradients(
    name: str,
    student: nn.Module | None = None,
    pretrain: bool = False,
    truth: tuple[torch.Tensor, torch.Tensor] | None = None,
    **changed,
):
    """Of a step with another labeled batch; the gradients of every trained network."""
    method, networks = prepared(name)
    if student is not None:
        networks = networks._replace(student=student)
    labeled, unlabeled = batches_of(shape=TINY.patch_size_kji)
    torch.manual_seed(4)
    if pretrain:
        losses = method.pretrain(networks, labeled._replace(**changed))
    else:
        targets, known = truth or (None, None)
        unlabeled = unlabeled._replace(mixing=MIXING, targets=targets, known=known)
        losses = method.self_train(networks, labeled._replace(**changed), unlabeled, 1.0)
    losses.total.backward()
    return losses, [*gradients(networks.student).values(), *gradients(method.auxiliary).values()]


def same(first, second) -> bool:
    pairs = zip([first[0].total, *first[1]], [second[0].total, *second[1]], strict=True)
    return all(first is second is None or torch.equal(first, second) for first, second in pairs)


@pytest.mark.parametrize("pretrain", [True, False], ids=["pretraining", "self-training"])
@pytest.mark.parametrize("name", each())
def test_labels_that_nobody_has_decided_teach_nothing(name, pretrain):
    targets = batches_of(shape=TINY.patch_size_kji)[0].targets
    others = torch.where(KNOWN, targets, (targets + 1) % 3)
    masked, changed = (
        losses_and_gradients(name, pretrain=pretrain, targets=some, known=KNOWN) for some in (targets, others)
    )
    assert same(masked, changed)
    assert torch.equal(masked[0].supervised, changed[0].supervised)
    assert not same(masked, losses_and_gradients(name, pretrain=pretrain))


@pytest.mark.parametrize("name", each())
def test_a_mask_of_ones_is_no_mask(name):
    assert same(losses_and_gradients(name), losses_and_gradients(name, known=torch.ones_like(KNOWN)))


@pytest.mark.parametrize("name", each())
def test_where_nothing_is_known_the_supervised_loss_is_zero_and_all_stays_finite(name):
    losses, found = losses_and_gradients(name, known=torch.zeros_like(KNOWN))
    assert losses.supervised == 0 and losses.total.isfinite()
    assert all(gradient is None or gradient.isfinite().all() for gradient in found)


@pytest.mark.parametrize("name", each())
def test_the_supervised_loss_is_that_of_a_loop_over_the_known_voxels(name):
    student, alpha = VoxelHeads(3, seed=6), CONFIG.misclassification_cost
    losses, _ = losses_and_gradients(name, student, known=KNOWN)
    labeled, _ = batches_of(shape=TINY.patch_size_kji)
    segmentation, *others = (head.detach().double().log_softmax(1) for head in student(labeled.images))
    sums, weights, overlap, size = [0.0] * 3, [0.0] * 3, [0.0] * 3, [0.0] * 3
    for batch, *where in KNOWN.nonzero().tolist():
        truth = labeled.targets[(batch, *where)].item()
        costs = (1.0, alpha if truth == 0 else 1.0, 1.0 if truth == 0 else alpha)
        for head, (cost, log_p) in enumerate(zip(costs, (segmentation, *others), strict=True)):
            sums[head] -= cost * log_p[(batch, truth, *where)].item()
            weights[head] += cost
        for kind in (1, 2):
            probability = segmentation[(batch, kind, *where)].exp().item()
            overlap[kind] += probability * (truth == kind)
            size[kind] += probability + (truth == kind)
    dice = 1 - sum(2 * overlap[kind] / size[kind] for kind in (1, 2)) / 2
    expected = (sum(total / weight for total, weight in zip(sums, weights, strict=True)) + dice) / 4
    assert losses.supervised.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", each())
def test_unlabeled_patches_of_which_nothing_is_known_are_unlabeled_as_ever(name):
    nowhere = torch.zeros_like(KNOWN)
    plain, masked = losses_and_gradients(name), losses_and_gradients(name, truth=(nowhere.long(), nowhere))
    torch.testing.assert_close(masked[0].total, plain[0].total)
    for first, second in zip(masked[1], plain[1], strict=True):
        torch.testing.assert_close(first, second, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", each())
def test_known_labels_of_unlabeled_patches_teach_and_those_that_nobody_knows_do_not(name):
    truth = batches_of(shape=TINY.patch_size_kji)[0].targets
    other_where_known, other_elsewhere = (torch.where(where, (truth + 1) % 3, truth) for where in (KNOWN, ~KNOWN))
    taught = losses_and_gradients(name, truth=(truth, KNOWN))
    assert same(taught, losses_and_gradients(name, truth=(other_elsewhere, KNOWN)))
    changed = losses_and_gradients(name, truth=(other_where_known, KNOWN))
    assert same(taught, changed) != METHODS[name].uses_unlabeled
    assert all(gradient is None or gradient.isfinite().all() for gradient in taught[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name].uses_unlabeled])
def test_the_student_goes_towards_the_known_labels(name):
    """After some steps more of the known voxels are named rightly than without them; one patch, learned by heart."""
    hits = []
    for is_taught in (True, False):
        method, networks = prepared(name)
        labeled, unlabeled = batches_of(shape=TINY.patch_size_kji)
        truth = (unlabeled.student_images[:, 0] > 0).long()
        if is_taught:
            unlabeled = unlabeled._replace(targets=truth, known=KNOWN)
        optimizer = torch.optim.Adam([*networks.student.parameters(), *method.auxiliary.parameters()], lr=0.02)
        for step in range(5):
            torch.manual_seed(step)
            optimizer.zero_grad()
            method.self_train(networks, labeled, unlabeled, 1.0).total.backward()
            optimizer.step()
        predicted = networks.student(unlabeled.student_images).segmentation.argmax(1)
        hits.append((predicted == truth)[KNOWN].float().mean().item())
    assert hits[0] > hits[1] + 0.02


# The discriminator judges what the student says of whole patches.
@pytest.mark.parametrize("name", each(set(NAMES) - {"advnet"}))
def test_where_all_labels_are_known_no_teacher_is_heard(name):
    results = []
    for seed in (1, 2):
        method, _ = prepared(name)
        student, teacher, pseudo_labeler = VoxelHeads(3, 0), VoxelHeads(3, seed), VoxelHeads(3, seed + 5)
        if name == "umct":
            method.auxiliary["partner"] = VoxelHeads(3, seed=4)
        labeled, unlabeled = batches_of(shape=TINY.patch_size_kji)
        unlabeled = unlabeled._replace(targets=labeled.targets, known=torch.ones_like(KNOWN))
        torch.manual_seed(4)
        losses = method.self_train(Networks(student, teacher, pseudo_labeler), labeled, unlabeled, 1.0)
        losses.total.backward()
        assert losses.pseudo_labels is None or not losses.pseudo_labels.any()
        assert not losses.uncertain_share
        results.append((losses.total, student.slope.grad))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("name", each(set(NAMES) - {"advnet", "vat", "supervised"}))
def test_what_a_teacher_sees_where_labels_are_known_has_no_influence(name):
    totals = []
    for change in (0.0, 3.0):
        method, _ = prepared(name)
        if name == "umct":
            method.auxiliary["partner"] = VoxelHeads(3, seed=4)
        student, teacher, pseudo_labeler = (VoxelHeads(3, seed) for seed in range(3))
        labeled, unlabeled = batches_of(shape=TINY.patch_size_kji)
        seen = unlabeled.teacher_images + change * KNOWN.unsqueeze(1)
        torch.manual_seed(4)
        losses = method.self_train(
            Networks(student, teacher, pseudo_labeler),
            labeled,
            unlabeled._replace(teacher_images=seen, targets=labeled.targets, known=KNOWN),
            1.0,
        )
        totals.append((losses.total, losses.certain, losses.uncertain, losses.uncertain_share))
    for first, second in zip(*totals, strict=True):
        assert first is second is None or first.item() == pytest.approx(second.item(), rel=1e-5)


# Virtual adversarial training has no teacher; the others do not hear its part of the loss.
@pytest.mark.parametrize("name", each(set(NAMES) - {"supervised", "vat"}))
def test_the_more_known_labels_count_the_less_a_teacher_is_heard(name):
    differences = []
    for weight in (0.01, 5.0, 1000.0):
        values = []
        for seed in (1, 2):
            method = METHODS[name](TINY, replace(CONFIG, reviewed_weight=weight))
            if name == "umct":
                method.auxiliary["partner"] = VoxelHeads(3, seed)
            if name == "advnet":
                torch.manual_seed(0)
                method.auxiliary["discriminator"] = nn.Sequential(nn.Conv3d(3, 1, 1), nn.Flatten(1, 2))
            student, teacher = VoxelHeads(3, 0), VoxelHeads(3, seed)
            labeled, unlabeled = batches_of(shape=TINY.patch_size_kji)
            unlabeled = unlabeled._replace(targets=labeled.targets, known=KNOWN)
            torch.manual_seed(4)
            losses = method.self_train(Networks(student, teacher, teacher), labeled, unlabeled, 1.0)
            values.append((losses.certain if losses.certain is not None else losses.uncertain).item())
        differences.append(abs(values[0] - values[1]))
    assert differences[0] > 2 * differences[1] > 2 * differences[2]
    assert differences[2] < 0.05 * differences[0]
