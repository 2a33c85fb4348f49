from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from prepared import PADDING, a_prepared_case

from coranet.contract import Case, Role
from coranet.contract.config import AugmentationConfig
from coranet.data.augmentation import Augmentation
from coranet.data.cache import PreparedCase
from coranet.data.patches import PatchSampler, RawPatches

SPACING_DHW = (2.0, 1.25, 1.0)
STILL = AugmentationConfig(rotation_degrees=0, scaling=0)
LIVELY = AugmentationConfig(flip_axes=("L", "P", "S"))


def sampler(
    patch=(6, 8, 10), config=STILL, seed=0, foreground_share=0.5, mixing=("none", 0.0), reviewed_share=0.5
) -> PatchSampler:
    return PatchSampler(Augmentation(config, patch, SPACING_DHW), seed, foreground_share, 0.0, mixing, reviewed_share)


def same(first: RawPatches, second: RawPatches) -> bool:
    labels = first.labels is second.labels is None or torch.equal(first.labels, second.labels)
    changes = all(
        np.array_equal(change.spatial, other.spatial) and change.intensity == other.intensity
        and change.teacher_noise_seed == other.teacher_noise_seed
        for change, other in zip(first.changes, second.changes, strict=True)
    )  # fmt: skip
    return torch.equal(first.images, second.images) and labels and changes


@pytest.mark.parametrize(("config", "size"), [(STILL, (6, 8, 10)), (LIVELY, (9, 11, 14))], ids=["still", "lively"])
def test_cuts_have_the_shapes_and_types_of_the_contract(config, size):
    labeled = sampler(config=config).labeled([a_prepared_case()], 0, range(3))
    assert labeled.images.shape == labeled.labels.shape == (3, 1, *size)
    assert labeled.images.dtype == torch.float32 and labeled.labels.dtype == torch.uint8
    assert set(labeled.labels.unique().tolist()) <= {0, 1, 2} and len(labeled.changes) == 3
    unlabeled = sampler(config=config).unlabeled([a_prepared_case(labeled=False)], 0, range(3))
    assert unlabeled.images.shape == (3, 1, *size) and unlabeled.labels is None and len(unlabeled.changes) == 3


def test_scans_prepared_in_half_precision_stay_so_until_they_are_on_the_device():
    half = np.zeros((12, 16, 20), dtype=np.float16)
    assert sampler().labeled([a_prepared_case(image=half)], 0, range(2)).images.dtype == torch.float16


@pytest.mark.parametrize("kind", ["labeled", "unlabeled"])
def test_seed_step_and_number_alone_decide_on_a_patch(kind):
    cases = [a_prepared_case(name=name, labeled=kind == "labeled") for name in "ab"]

    def cuts(seed, step, numbers, before=()):
        patches = sampler(config=LIVELY, seed=seed)
        for earlier in before:
            getattr(patches, kind)(cases, earlier, range(2))
            torch.rand(3), np.random.random()
        return getattr(patches, kind)(cases, step, numbers)

    assert same(cuts(1, 5, range(4)), cuts(1, 5, range(4), before=(3, 4)))
    assert not torch.equal(cuts(1, 5, range(4)).images, cuts(1, 6, range(4)).images)
    assert not torch.equal(cuts(1, 5, range(4)).images, cuts(2, 5, range(4)).images)
    assert torch.equal(cuts(1, 5, range(4)).images[2:], cuts(1, 5, range(2, 4)).images)


def test_labeled_and_unlabeled_patches_of_a_step_come_from_different_places():
    case = replace(a_prepared_case(), foreground=())
    patches = sampler()
    labeled = patches.labeled([case], 0, range(20)).images[:, 0, 0, 0, 0]
    unlabeled = patches.unlabeled([case], 0, range(20)).images[:, 0, 0, 0, 0]
    assert (labeled == unlabeled).sum() < 10


def test_without_a_margin_a_patch_is_a_piece_of_the_scan_and_its_labels():
    case = a_prepared_case()
    cuts = sampler().labeled([case], 0, range(8))
    for image, labels in zip(cuts.images[:, 0], cuts.labels[:, 0], strict=True):
        start = np.unravel_index(round(image[0, 0, 0].item()), case.image.shape[1:])
        box = tuple(slice(low, low + size) for low, size in zip(start, (6, 8, 10), strict=True))
        np.testing.assert_array_equal(image.numpy(), case.image[0][box])
        np.testing.assert_array_equal(labels.numpy(), case.labels[box])


def test_patches_lie_inside_of_a_scan_that_is_large_enough_and_reach_all_of_it():
    case = a_prepared_case()
    images = sampler(foreground_share=0).labeled([case], 0, range(500)).images
    assert images.min().item() == 0
    assert images.max().item() == case.image.max()


def test_a_scan_smaller_than_the_patch_is_padded_with_its_lowest_intensity_and_background():
    case = a_prepared_case(shape=(4, 16, 5))
    cuts = sampler().labeled([case], 0, range(4))
    for image, labels in zip(cuts.images[:, 0], cuts.labels[:, 0], strict=True):
        inside = image > PADDING
        assert inside.sum() == 4 * 8 * 5 and (image[~inside] == PADDING).all()
        assert (labels[~inside] == 0).all()
        # The scan lies in the middle, as far as whole voxels allow.
        assert torch.equal(inside.any(2).any(1), torch.tensor([0, 1, 1, 1, 1, 0], dtype=torch.bool))
        assert torch.equal(inside.any(0).any(0), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 0, 0], dtype=torch.bool))
        np.testing.assert_array_equal(labels[inside].numpy(), case.labels.ravel()[image[inside].long().numpy()])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_patches_with_foreground_in_the_middle(share):
    # A scan with one labeled voxel: chance hardly finds it.
    shape = (24, 26, 28)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[12, 13, 14] = 1
    case = PreparedCase(
        Case("a", Role.TRAINING, "a", "b"), np.zeros((1, *shape), dtype=np.float32), labels,
        (np.argwhere(labels == 1), np.empty((0, 3), dtype=int)), (0.0,),
    )  # fmt: skip
    found = sampler((4, 4, 4), foreground_share=share).labeled([case], 0, range(120)).labels[:, 0, 2, 2, 2] == 1
    assert found.float().mean().item() == pytest.approx(share, abs=0.12)


@pytest.mark.parametrize("negative", [1, 4, 20], ids=lambda count: f"{count} without a structure")
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_cases_without_a_structure_do_not_lower_the_share_of_foreground(negative, share):
    whole = a_prepared_case(labeled=True)
    nothing = replace(whole, labels=0 * whole.labels, foreground=(np.empty((0, 3), int), np.empty((0, 3), int)))
    cut = sampler((4, 4, 4), foreground_share=share).labeled([whole] + negative * [nothing], 0, range(150))
    found = (cut.labels[:, 0, 2, 2, 2] > 0).float().mean().item()
    by_chance = (1 - share) * float((whole.labels > 0).mean()) / (1 + negative)
    assert found == pytest.approx(share + by_chance, abs=0.12)


def test_each_class_is_centred_as_often_as_the_others_however_small_it_is():
    labels = np.ones((12, 16, 20), dtype=np.uint8)
    labels[6, 8, 10] = 2
    foreground = tuple(np.argwhere(labels == index) for index in (1, 2))
    image = np.zeros((1, *labels.shape), np.float32)
    case = PreparedCase(Case("a", Role.TRAINING, "a", "b"), image, labels, foreground, (0.0,))
    cut = sampler((2, 2, 2), foreground_share=1.0).labeled([case], 0, range(120)).labels
    assert (cut == 2).flatten(1).any(1).float().mean().item() == pytest.approx(0.5, abs=0.15)


def test_a_patch_of_one_slice_is_cut_from_a_single_slice():
    case = a_prepared_case()
    cuts = sampler((1, 8, 10), LIVELY).labeled([case], 0, range(8))
    assert cuts.images.shape == (8, 1, 1, 11, 14)
    for image in cuts.images[:, 0]:
        slices = (image[image > PADDING] // (16 * 20)).unique()
        assert len(slices) == 1


def pairs(kind: str, labeled: int, unlabeled: int) -> list[tuple[int, int]]:
    drawn = sampler(mixing=(kind, 1.0)).mixing(0, range(labeled), range(unlabeled))
    return [(first, second) for first, second, _ in drawn.exchanges]


@pytest.mark.parametrize(
    ("labeled", "unlabeled", "expected"),
    [(2, 2, [(0, 2), (1, 3)]), (3, 2, [(0, 3), (1, 4)]), (1, 4, [(0, 1)]), (1, 1, [(0, 1)])],
)
def test_labeled_patches_exchange_with_the_unlabeled_ones_of_their_number(labeled, unlabeled, expected):
    assert pairs("labeled", labeled, unlabeled) == expected


@pytest.mark.parametrize(
    ("labeled", "unlabeled", "expected"),
    [(2, 4, [(2, 3), (4, 5)]), (1, 3, [(1, 2)]), (3, 2, [(3, 4)]), (2, 1, [])],
)
def test_unlabeled_patches_exchange_with_their_neighbours_and_an_odd_last_one_with_none(labeled, unlabeled, expected):
    assert pairs("unlabeled", labeled, unlabeled) == expected


@pytest.mark.parametrize("kind", ["labeled", "unlabeled"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_boxes_are_exchanged_in_the_share_of_steps_that_is_asked_for(kind, share):
    patches = sampler(mixing=(kind, share))
    is_mixed = [patches.mixing(step, range(2), range(2)) is not None for step in range(200)]
    assert sum(is_mixed) / 200 == pytest.approx(share, abs=0.1 * (0 < share < 1))


def test_nothing_is_exchanged_unless_asked_for():
    assert sampler(mixing=("none", 1.0)).mixing(0, range(2), range(2)) is None


def test_seed_step_and_number_alone_decide_on_a_box():
    def drawn(seed=1, step=5, before=()):
        patches = sampler((20, 24, 28), seed=seed, mixing=("labeled", 1.0))
        for earlier in before:
            patches.mixing(earlier, range(2), range(2))
        return patches.mixing(step, range(2), range(2))

    assert drawn() == drawn(before=(3, 9))
    boxes = [box for _, _, box in (*drawn().exchanges, *drawn(step=6).exchanges, *drawn(seed=2).exchanges)]
    assert all(box != other for index, box in enumerate(boxes) for other in boxes[:index])


@pytest.mark.parametrize(("kind", "size"), [("labeled", 3), ("unlabeled", 4)])
def test_the_processes_of_a_team_exchange_the_boxes_that_one_process_would(kind, size):
    patches = sampler(mixing=(kind, 0.5))

    def exchanged(step: int, labeled: range, unlabeled: range) -> list:
        """With numbers that count over all processes: labeled patches are positive, unlabeled ones negative."""
        drawn = patches.mixing(step, labeled, unlabeled)
        numbers = [*(1 + number for number in labeled), *(-1 - number for number in unlabeled)]
        return [(numbers[first], numbers[second], box) for first, second, box in drawn.exchanges] if drawn else []

    whole = [exchanged(step, range(2 * size), range(2 * size)) for step in range(20)]
    shares = [range(size), range(size, 2 * size)]
    assert [[box for share in shares for box in exchanged(step, share, share)] for step in range(20)] == whole
    assert 0 < sum(not exchanges for exchanges in whole) < 20


# -- labels that are known in part --


def a_partial_case(name="p", box=(slice(1, 4), slice(2, 7), slice(3, 9)), **options) -> PreparedCase:
    case = a_prepared_case(name=name, **options)
    known = np.zeros(case.labels.shape, dtype=np.uint8)
    known[box] = 1
    foreground = tuple(np.argwhere((case.labels == index) & (known > 0)) for index in (1, 2))
    return replace(case, known=known, known_voxels=np.argwhere(known), foreground=foreground)


def test_what_is_known_is_cut_with_the_labels_and_outside_of_the_scan_all_is():
    case = a_partial_case(shape=(4, 16, 5))
    cuts = sampler().labeled([case], 0, range(6))
    assert cuts.labels.shape == (6, 2, 6, 8, 10)
    for image, (labels, known) in zip(cuts.images[:, 0], cuts.labels, strict=True):
        inside = image > PADDING
        assert (known[~inside] == 1).all() and (labels[~inside] == 0).all()
        at = image[inside].long().numpy()
        np.testing.assert_array_equal(known[inside].numpy(), case.known.ravel()[at])
        np.testing.assert_array_equal(labels[inside].numpy(), case.labels.ravel()[at])


def test_beside_partial_cases_whole_ones_are_known_everywhere():
    whole = replace(a_prepared_case(), image=np.full((1, 12, 16, 20), 1e6, dtype=np.float32))
    cuts = sampler().labeled([whole, a_partial_case()], 0, range(20))
    is_whole = cuts.images[:, 0, 0, 0, 0] == 1e6
    assert 0 < is_whole.sum() < 20
    assert (cuts.labels[is_whole, 1] == 1).all()
    assert (cuts.labels[~is_whole, 1] == 0).flatten(1).any(1).all()


def test_patches_of_a_partial_case_are_centred_on_what_is_known():
    box = (slice(1, 3), slice(12, 15), slice(16, 19))  # in a corner, background
    case = a_partial_case(box=box)
    assert not any(len(voxels) for voxels in case.foreground)
    for share in (0.0, 1.0):
        known = sampler((4, 4, 4), foreground_share=share).labeled([case], 0, range(30)).labels[:, 1]
        assert known.flatten(1).any(1).all()


def test_whole_cases_are_cut_as_if_the_mask_had_never_been_thought_of():
    cases = [a_prepared_case(name=name) for name in "ab"]
    plain = sampler(config=LIVELY).labeled(cases, 3, range(6))
    assert plain.labels.shape[1] == 1
    ones = [replace(case, known=np.ones(case.labels.shape, np.uint8)) for case in cases]
    # Centres on foreground alone: where it does not matter that known voxels are listed.
    plain, masked = (sampler(config=LIVELY, foreground_share=1.0).labeled(some, 3, range(6)) for some in (cases, ones))
    assert torch.equal(masked.labels[:, :1], plain.labels) and (masked.labels[:, 1] == 1).all()
    assert torch.equal(masked.images, plain.images)


def test_of_unlabeled_patches_what_is_known_comes_along_and_nothing_else_changes():
    cases = [a_partial_case(shape=(4, 16, 5)), a_prepared_case(name="u", labeled=False)]
    plain = [replace(case, known=None, known_voxels=np.empty((0, 3), np.int32)) for case in cases]
    without = sampler().unlabeled(plain, 2, range(12))
    assert without.labels is None
    cuts = sampler(reviewed_share=0.0).unlabeled(cases, 2, range(12))
    assert cuts.labels.shape == (12, 2, 6, 8, 10)
    for image, (labels, known) in zip(cuts.images[:, 0], cuts.labels, strict=True):
        inside = image > PADDING
        assert not known[~inside].any() and not labels[~inside].any()
        if not inside.all():  # the partial case is the small one
            at = image[inside].long().numpy()
            np.testing.assert_array_equal(known[inside].numpy(), cases[0].known.ravel()[at])
            np.testing.assert_array_equal(labels[inside].numpy(), cases[0].labels.ravel()[at])
        else:
            assert not known.any() and not labels.any()


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 25), (0.5, 35, 65), (1.0, 100, 100)])
def test_a_share_of_the_unlabeled_patches_is_centred_on_what_was_decided(share, least, most):
    decided = a_partial_case(box=(slice(1, 3), slice(12, 15), slice(16, 19)))
    others = [a_prepared_case(name=f"u{number}", labeled=False) for number in range(9)]
    known = sampler((4, 4, 4), reviewed_share=share).unlabeled([decided, *others], 0, range(100)).labels[:, 1]
    assert least <= known.flatten(1).any(1).sum() <= most


def test_without_reviewed_cases_no_share_is_asked_for():
    cases = [a_prepared_case(name=name, labeled=False) for name in "ab"]
    first, second = (sampler(reviewed_share=share).unlabeled(cases, 1, range(5)) for share in (0.0, 1.0))
    assert torch.equal(first.images, second.images)


def test_all_channels_of_a_patch_come_from_the_same_place():
    case = a_prepared_case(shape=(4, 16, 20))
    both = replace(case, image=np.concatenate([case.image, -case.image]), padding=(PADDING, 5.0))
    two = PatchSampler(Augmentation(LIVELY, (6, 8, 10), SPACING_DHW, 2), 0, 0.5, 0.0)
    cuts = two.labeled([both], 0, range(8))
    assert cuts.images.shape == (8, 2, 9, 11, 14)
    inside = cuts.images[:, 0] != PADDING
    assert torch.equal(cuts.images[:, 0][inside], -cuts.images[:, 1][inside])
    assert (cuts.images[:, 1][~inside] == 5.0).all() and not inside.all()
    assert all(len(change.intensity) == 2 for change in cuts.changes)
    # The first channel's change and place are those of a scan that has no other.
    assert torch.equal(cuts.images[:, 0], sampler(config=LIVELY).labeled([case], 0, range(8)).images[:, 0])
