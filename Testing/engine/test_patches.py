from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scans import nested_ellipsoids

from coranet.config import AugmentationConfig
from coranet.data.augmentation import Augmentation
from coranet.data.cache import PreparedCase
from coranet.data.patches import PatchSampler
from coranet.job import Case, Role

SPACING_DHW = (2.0, 1.25, 1.0)
STILL = AugmentationConfig(
    rotation_degrees=0, scaling=0, flip_axes=(), gamma=0, brightness=0, noise=0, blur_voxels=0
)  # fmt: skip
LIVELY = AugmentationConfig(flip_axes=("L", "P", "S"))
PADDING = -9.0


def a_prepared_case(shape=(12, 16, 20), name="a", labeled=True, image=None) -> PreparedCase:
    """Two nested classes; every voxel of the image has a value of its own unless another image is given."""
    labels = nested_ellipsoids(shape, (1, 2)).astype(np.uint8)
    if image is None:
        image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    foreground = tuple(np.argwhere(labels == index) for index in (1, 2)) if labeled else ()
    role = Role.TRAINING if labeled else Role.UNLABELED
    case = Case(name, role, f"{name}.nrrd", "label.nrrd" if labeled else None)
    return PreparedCase(case, image, labels if labeled else None, foreground, PADDING)


def sampler(patch=(6, 8, 10), config=STILL, seed=0, foreground_share=0.5, teacher_noise=0.0) -> PatchSampler:
    return PatchSampler(Augmentation(config, patch, SPACING_DHW), seed, foreground_share, teacher_noise)


@pytest.mark.parametrize("config", [STILL, LIVELY], ids=["still", "lively"])
def test_batches_have_the_shapes_and_types_of_the_contract(config):
    labeled = sampler(config=config).labeled([a_prepared_case()], step=0, size=3)
    assert labeled.images.shape == (3, 1, 6, 8, 10) and labeled.images.dtype == torch.float32
    assert labeled.targets.shape == (3, 6, 8, 10) and labeled.targets.dtype == torch.int64
    assert set(labeled.targets.unique().tolist()) <= {0, 1, 2}
    unlabeled = sampler(config=config).unlabeled([a_prepared_case(labeled=False)], step=0, size=3)
    assert [images.shape for images in unlabeled] == [(3, 1, 6, 8, 10)] * 2


@pytest.mark.parametrize("kind", ["labeled", "unlabeled"])
def test_the_same_seed_and_step_give_the_same_batch_whatever_was_drawn_before(kind):
    cases = [a_prepared_case(name=name, labeled=kind == "labeled") for name in "ab"]

    def batch(seed, step, before=()):
        patches = sampler(config=LIVELY, seed=seed, teacher_noise=0.1)
        for earlier in before:
            getattr(patches, kind)(cases, earlier, 2)
            torch.rand(3), np.random.random()
        return torch.cat([part.float().flatten() for part in getattr(patches, kind)(cases, step, 2)])

    assert torch.equal(batch(1, 5), batch(1, 5, before=(3, 4)))
    assert not torch.equal(batch(1, 5), batch(1, 6))
    assert not torch.equal(batch(1, 5), batch(2, 5))


def test_labeled_and_unlabeled_patches_of_a_step_come_from_different_places():
    case = replace(a_prepared_case(), foreground=())
    patches = sampler()
    labeled = [patches.labeled([case], step, 1).images[0, 0, 0, 0, 0].item() for step in range(20)]
    unlabeled = [patches.unlabeled([case], step, 1).student_images[0, 0, 0, 0, 0].item() for step in range(20)]
    assert sum(first == second for first, second in zip(labeled, unlabeled, strict=True)) < 10


def test_without_augmentation_a_patch_is_a_piece_of_the_scan_and_its_labels():
    case = a_prepared_case()
    batch = sampler().labeled([case], step=0, size=8)
    for image, target in zip(batch.images, batch.targets, strict=True):
        start = np.unravel_index(round(image[0, 0, 0, 0].item()), case.image.shape)
        box = tuple(slice(low, low + size) for low, size in zip(start, (6, 8, 10), strict=True))
        np.testing.assert_allclose(image[0].numpy(), case.image[box], atol=1e-2)
        np.testing.assert_array_equal(target.numpy(), case.labels[box])


def test_patches_lie_inside_of_a_scan_that_is_large_enough_and_reach_all_of_it():
    case = a_prepared_case()
    images = sampler(foreground_share=0).labeled([case], 0, 80).images
    assert images.min().item() == pytest.approx(0, abs=1e-3)
    assert images.max().item() == pytest.approx(case.image.max())


def test_a_scan_smaller_than_the_patch_is_padded_with_its_lowest_intensity_and_background():
    case = a_prepared_case(shape=(4, 16, 5))
    batch = sampler().labeled([case], step=0, size=4)
    for image, target in zip(batch.images, batch.targets, strict=True):
        inside = image[0] > PADDING + 0.5
        assert inside.sum() == 4 * 8 * 5
        assert (target[~inside] == 0).all()
        # The scan lies in the middle, as far as whole voxels allow.
        assert torch.equal(inside.any(2).any(1), torch.tensor([0, 1, 1, 1, 1, 0], dtype=torch.bool))
        assert torch.equal(inside.any(0).any(0), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 0, 0], dtype=torch.bool))
        voxel = image[0][inside].round().long().numpy()
        np.testing.assert_array_equal(target[inside].numpy(), case.labels.ravel()[voxel])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_patches_with_foreground_in_the_middle(share):
    # A scan with one labeled voxel: chance hardly finds it.
    shape = (24, 26, 28)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[12, 13, 14] = 1
    case = PreparedCase(
        Case("a", Role.TRAINING, "a", "b"), np.zeros(shape, dtype=np.float32), labels,
        (np.argwhere(labels == 1), np.empty((0, 3), dtype=int)), 0.0,
    )  # fmt: skip
    patches = sampler((4, 4, 4), foreground_share=share)
    targets = torch.cat([patches.labeled([case], step, 20).targets for step in range(6)])
    found = (targets[:, 2, 2, 2] == 1).float().mean().item()
    assert found == pytest.approx(share, abs=0.12)


def test_each_class_is_centred_as_often_as_the_others_however_small_it_is():
    labels = np.ones((12, 16, 20), dtype=np.uint8)
    labels[6, 8, 10] = 2
    foreground = tuple(np.argwhere(labels == index) for index in (1, 2))
    case = PreparedCase(Case("a", Role.TRAINING, "a", "b"), np.zeros(labels.shape, np.float32), labels, foreground, 0.0)
    patches = sampler((2, 2, 2), foreground_share=1.0)
    targets = torch.cat([patches.labeled([case], step, 20).targets for step in range(6)])
    assert (targets == 2).flatten(1).any(1).float().mean().item() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("patch", [(6, 8, 10), (7, 9, 11), (16, 20, 24)], ids=str)
def test_labels_stay_with_the_image_however_it_is_turned(patch):
    # The image is the organ itself, as 0 and 1: after any turn, at least half means foreground.
    labels = (nested_ellipsoids((18, 22, 26), (1,)) > 0).astype(np.float32)
    case = a_prepared_case(shape=labels.shape, image=labels)
    turning = AugmentationConfig(
        rotation_degrees=40, scaling=0.3, flip_axes=("L", "P", "S"), gamma=0, brightness=0, noise=0, blur_voxels=0
    )  # fmt: skip
    wrong, edge = 0, 0
    for step in range(10):
        batch = sampler(patch, turning, foreground_share=1.0).labeled([case], step, 2)
        truth, seen = batch.targets > 0, batch.images[:, 0] >= 0.5
        wrong += (truth != seen).sum().item()
        edge += ((batch.images[:, 0] > 0.02) & (batch.images[:, 0] < 0.98)).sum().item()
        clear = (batch.images[:, 0] < 0.02) | (batch.images[:, 0] > 0.98)
        assert torch.equal(truth[clear], seen[clear])
    assert edge > 0
    assert wrong < 0.25 * edge


def test_student_and_teacher_see_the_same_place_with_different_noise():
    case = a_prepared_case(labeled=False, image=np.random.default_rng(0).normal(size=(12, 16, 20)).astype(np.float32))
    turning = AugmentationConfig(flip_axes=("L", "P", "S"), gamma=0, brightness=0, noise=0, blur_voxels=0)
    exact = sampler(config=turning).unlabeled([case], 0, 4)
    assert torch.equal(exact.student_images, exact.teacher_images)
    noisy = sampler(config=turning, teacher_noise=0.05).unlabeled([case], 0, 4)
    difference = noisy.teacher_images - noisy.student_images
    assert difference.std().item() == pytest.approx(0.05, rel=0.1)
    assert difference.mean().item() == pytest.approx(0, abs=0.01)


def test_the_students_view_is_changed_more_than_the_teachers():
    case = a_prepared_case(labeled=False, image=np.random.default_rng(0).normal(size=(12, 16, 20)).astype(np.float32))
    still = sampler(config=AugmentationConfig(), teacher_noise=0.0).unlabeled([case], 0, 8)
    assert not torch.equal(still.student_images, still.teacher_images)
