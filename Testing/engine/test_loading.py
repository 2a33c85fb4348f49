from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from prepared import a_prepared_case
from scans import nested_ellipsoids

from coranet.contract.config import AugmentationConfig
from coranet.contract.errors import DataError
from coranet.data.augmentation import Augmentation
from coranet.data.loading import Loader, Shard
from coranet.data.patches import PatchSampler

SPACING_DHW = (2.0, 1.25, 1.0)
PATCH = (6, 8, 10)
LIVELY = AugmentationConfig(flip_axes=("L", "P", "S"))
NO_INTENSITY = {"gamma": 0, "brightness": 0, "noise": 0, "blur_voxels": 0, "low_resolution": 1}
SAME_FOR_BOTH = AugmentationConfig(flip_axes=("L", "P", "S"), **NO_INTENSITY)
NOISE = np.random.default_rng(0).normal(size=(12, 16, 20)).astype(np.float16)


def a_sampler(config=LIVELY, patch=PATCH, seed=0, teacher_noise=0.05, mixing=("labeled", 0.5)) -> PatchSampler:
    return PatchSampler(Augmentation(config, patch, SPACING_DHW), seed, 0.5, teacher_noise, mixing)


@pytest.fixture
def a_loader(a_cpu):
    """Makes loaders of two labeled and two unlabeled scans, and closes them."""
    loaders = []

    def make(sampler=None, sizes=(2, 3), shard=Shard(), image=NOISE) -> Loader:  # noqa: B008
        labeled, unlabeled = (
            [a_prepared_case(image.shape, name, is_labeled, image) for name in "ab"] for is_labeled in (True, False)
        )
        loaders.append(Loader(sampler or a_sampler(), labeled, unlabeled, sizes, a_cpu, shard))
        return loaders[-1]

    yield make
    for loader in loaders:
        loader.close()


class BrokenImage(np.ndarray):
    """Voxels that cannot be read."""

    def __getitem__(self, place):
        raise DataError("the disk is gone.")


def threads() -> int:
    return sum(thread.name.startswith("patches") for thread in threading.enumerate())


@pytest.mark.parametrize("patch", [PATCH, (1, 8, 10)], ids=str)
def test_batches_have_the_shapes_and_types_of_the_contract(a_loader, patch):
    loader = a_loader(a_sampler(patch=patch))
    images, targets, known = loader.labeled(0)
    assert known is None
    assert images.shape == (2, 1, *patch) and images.dtype == torch.float32
    assert targets.shape == (2, *patch) and targets.dtype == torch.int64
    assert set(targets.unique().tolist()) <= {0, 1, 2}
    student, teacher, *truth = loader.unlabeled(0)
    assert truth == [None, None, None, None]
    assert student.shape == teacher.shape == (3, 1, *patch)
    assert student.dtype == teacher.dtype == torch.float32
    assert not any(batch.requires_grad for batch in (images, student, teacher))


def test_a_second_view_is_changed_in_another_way_and_leaves_the_rest_as_it_is(a_loader):
    single, double, again = (a_loader(a_sampler()).unlabeled(3, views) for views in (1, 2, 2))
    assert single.second_images is None and torch.equal(double.second_images, again.second_images)
    assert torch.equal(single.student_images, double.student_images)
    assert torch.equal(single.teacher_images, double.teacher_images)
    assert double.second_images.shape == double.student_images.shape
    assert not torch.allclose(double.second_images, double.student_images)


@pytest.mark.parametrize("kind", ["labeled", "unlabeled"])
def test_a_batch_is_the_same_whatever_was_asked_for_before(a_loader, kind):
    def batch(step, before=(), seed=1):
        loader = a_loader(a_sampler(seed=seed))
        for earlier in before:
            loader.labeled(earlier), loader.unlabeled(earlier)
            torch.rand(3), np.random.random()
        return [part for part in getattr(loader, kind)(step) if isinstance(part, torch.Tensor)]

    def alike(first, second):
        return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))

    assert alike(batch(5), batch(5, before=(3, 4)))
    assert alike(batch(5), batch(5, before=(9, 5)))
    assert not alike(batch(5), batch(6)) and not alike(batch(5), batch(5, seed=2))


def test_two_processes_together_give_the_batch_of_one(a_loader):
    whole = a_loader(sizes=(4, 4))
    parts = [a_loader(sizes=(2, 2), shard=Shard(rank, 2)) for rank in range(2)]
    for step in range(6):
        for kind in ("labeled", "unlabeled"):
            expected = getattr(whole, kind)(step)[:2]
            found = zip(*(getattr(part, kind)(step)[:2] for part in parts), strict=True)
            for alone, both in zip(expected, found, strict=True):
                torch.testing.assert_close(torch.cat(both), alone, atol=1e-6, rtol=1e-6)


def test_two_processes_exchange_the_boxes_that_one_would(a_loader):
    whole, *parts = (
        a_loader(a_sampler(mixing=("labeled", 1.0)), sizes, shard).unlabeled(3).mixing
        for sizes, shard in (((4, 4), Shard()), ((2, 2), Shard(0, 2)), ((2, 2), Shard(1, 2)))
    )
    assert [box for part in parts for *_, box in part.exchanges] == [box for *_, box in whole.exchanges]


def test_mixed_labeled_patches_exchange_boxes_with_each_other_image_and_labels_alike(a_loader):
    plain, mixed = (a_loader(sizes=(5, 1)).labeled(3, mixed) for mixed in (False, True))
    exchange = a_sampler().labeled_mixing(3, range(5))
    assert [pair[:2] for pair in exchange.exchanges] == [(0, 1), (2, 3)]
    assert torch.equal(mixed.images, exchange.apply(plain.images)) and not torch.equal(mixed.images, plain.images)
    assert torch.equal(mixed.targets, exchange.apply(plain.targets))


def test_two_processes_mix_labeled_patches_as_one_would():
    whole = a_sampler().labeled_mixing(2, range(4)).exchanges
    parts = [a_sampler().labeled_mixing(2, numbers).exchanges for numbers in (range(2), range(2, 4))]
    assert [box for part in parts for *_, box in part] == [box for *_, box in whole]
    assert whole != a_sampler().labeled_mixing(3, range(4)).exchanges
    assert a_sampler().labeled_mixing(2, range(1)).exchanges == ()


@pytest.mark.parametrize("patch", [(6, 8, 10), (7, 9, 11), (16, 20, 24), (1, 12, 14)], ids=str)
def test_labels_stay_with_the_image_however_it_is_turned(a_loader, patch):
    # The image is the organ itself, as 0 and 1: after any turn, at least half means foreground.
    organ = (nested_ellipsoids((18, 22, 26), (1,)) > 0).astype(np.float32)
    turning = replace(SAME_FOR_BOTH, rotation_degrees=40, scaling=0.3)
    loader = a_loader(a_sampler(turning, patch), image=organ)
    wrong, edge = 0, 0
    for step in range(10):
        images, targets, _ = loader.labeled(step)
        truth, seen = targets > 0, images[:, 0] >= 0.5
        wrong += (truth != seen).sum().item()
        clear = (images[:, 0] < 0.02) | (images[:, 0] > 0.98)
        edge += (~clear).sum().item()
        assert torch.equal(truth[clear], seen[clear])
    assert edge > 0
    assert wrong < 0.25 * edge


def test_student_and_teacher_see_the_same_place_with_different_noise(a_loader):
    exact = a_loader(a_sampler(SAME_FOR_BOTH, teacher_noise=0.0)).unlabeled(0)
    assert torch.equal(exact.student_images, exact.teacher_images)
    noisy = a_loader(a_sampler(SAME_FOR_BOTH, teacher_noise=0.05)).unlabeled(0)
    assert torch.equal(noisy.student_images, exact.student_images)
    difference = noisy.teacher_images - noisy.student_images
    assert difference.std().item() == pytest.approx(0.05, rel=0.1)
    assert difference.mean().item() == pytest.approx(0, abs=0.01)


def test_the_students_view_is_changed_more_than_the_teachers(a_loader):
    batch = a_loader(a_sampler(teacher_noise=0.0), sizes=(1, 8)).unlabeled(0)
    assert not torch.equal(batch.student_images, batch.teacher_images)


@pytest.mark.parametrize(("kind", "pairs"), [("labeled", [(0, 2), (1, 3)]), ("unlabeled", [(2, 3)])])
def test_boxes_are_drawn_for_the_student_and_exchanged_by_nobody_yet(a_loader, kind, pairs):
    mixed, plain = (a_loader(a_sampler(mixing=(kind, share))).unlabeled(0) for share in (1.0, 0.0))
    assert [(first, second) for first, second, _ in mixed.mixing.exchanges] == pairs
    assert plain.mixing is None
    assert torch.equal(mixed.student_images, plain.student_images)
    assert torch.equal(mixed.teacher_images, plain.teacher_images)


def test_boxes_fit_the_batches_also_after_they_have_become_smaller(a_loader):
    loader = a_loader(a_sampler(mixing=("labeled", 1.0)), sizes=(4, 4))
    for size in (4, 2, 1):
        assert [exchange[:2] for exchange in loader.unlabeled(0).mixing.exchanges] == [
            (i, size + i) for i in range(size)
        ]
        loader.batch_sizes = (size // 2, size // 2)


def test_autocast_around_it_does_not_round_the_patches(a_loader):
    loader = a_loader()
    exact = [part for step in range(4) for part in (*loader.labeled(step)[:2], *loader.unlabeled(step)[:2])]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = [part for step in range(4) for part in (*loader.labeled(step)[:2], *loader.unlabeled(step)[:2])]
    assert all(torch.equal(first, second) for first, second in zip(exact, inside, strict=True))


def test_smaller_batches_from_the_next_step_on(a_loader):
    loader = a_loader(sizes=(2, 3))
    first = loader.labeled(0).images
    loader.batch_sizes = (1, 1)
    assert torch.equal(loader.labeled(0).images, a_loader(sizes=(1, 1)).labeled(0).images)
    assert len(first) == 2 and len(loader.labeled(1).images) == 1 and len(loader.unlabeled(1).student_images) == 1


def test_one_step_is_cut_ahead_and_no_more(a_loader):
    sampler = a_sampler()
    requests = []
    cut = sampler.labeled
    sampler.labeled = lambda cases, step, *rest: (requests.append(step), cut(cases, step, *rest))[1]
    loader = a_loader(sampler)
    for step in (3, 4, 5):
        loader.labeled(step)
    loader.close()
    assert requests in ([3, 4, 5], [3, 4, 5, 6])


@pytest.mark.parametrize("kind", ["labeled", "unlabeled"])
def test_what_goes_wrong_in_the_thread_is_raised_in_the_caller(a_cpu, kind):
    case = replace(a_prepared_case(labeled=kind == "labeled"), image=NOISE[None].view(BrokenImage))
    with (
        pytest.raises(DataError, match="the disk is gone"),
        Loader(a_sampler(), [case], [case], (1, 1), a_cpu) as loader,
    ):
        getattr(loader, kind)(0)


def test_the_thread_ends_with_the_training_even_after_an_error(a_loader):
    before = threads()
    with a_loader() as loader:
        loader.labeled(0), loader.unlabeled(0)
        assert threads() == before + 1
    assert threads() == before
    with pytest.raises(ZeroDivisionError), a_loader() as loader:
        loader.labeled(0)
        raise ZeroDivisionError
    assert threads() == before


def test_shards_are_side_by_side():
    assert [list(Shard(rank, 3).numbers(2)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("patch", [(6, 8, 10), (7, 9, 11), (1, 12, 14)], ids=str)
def test_what_is_known_is_turned_with_the_labels(a_cpu, patch):
    case = a_prepared_case((18, 22, 26))
    # The background is what is known: it goes on outside of the scan, as does what is known.
    known = (case.labels == 0).astype(np.uint8)
    partial = replace(case, known=known, known_voxels=np.argwhere(known))
    with (
        Loader(a_sampler(patch=patch), [partial], [partial], (2, 2), a_cpu) as loader,
        Loader(a_sampler(patch=patch), [case], [case], (2, 2), a_cpu) as plain,
    ):
        received = {"labeled": [], "unlabeled": []}
        for step in range(10):
            batches = {"labeled": loader.labeled(step), "unlabeled": loader.unlabeled(step)}
            for kind, batch in batches.items():
                assert batch.known.dtype == torch.bool and batch.targets.dtype == torch.int64
                assert batch.known.shape == batch.targets.shape == (2, *patch)
                received[kind].append(batch.known.float().mean().item())
            assert torch.equal(batches["labeled"].known, batches["labeled"].targets == 0)
            # Outside of a scan nobody knows anything of an unlabeled patch.
            assert (batches["unlabeled"].targets[batches["unlabeled"].known] == 0).all()
            assert plain.labeled(step).known is plain.unlabeled(step).targets is plain.unlabeled(step).known is None
    assert all(0 < sum(shares) < 10 for shares in received.values())


@pytest.mark.parametrize("patch", [(6, 8, 10), (1, 12, 14)], ids=str)
def test_the_truth_of_unlabeled_patches_is_turned_with_the_image(a_cpu, patch):
    # The image is what is known, all of it class 1: after any turn, at least half means that it is known.
    known = (nested_ellipsoids((18, 22, 26), (1,)) > 0).astype(np.uint8)
    case = a_prepared_case(known.shape, image=known.astype(np.float32))
    partial = replace(case, labels=known, known=known, known_voxels=np.argwhere(known), padding=(0.0,))
    with Loader(a_sampler(SAME_FOR_BOTH, patch, teacher_noise=0.0), [partial], [partial], (1, 4), a_cpu) as loader:
        for step in range(10):
            batch = loader.unlabeled(step)
            seen = batch.teacher_images[:, 0]
            clear = (seen < 0.02) | (seen > 0.98)
            assert torch.equal(batch.known[clear], seen[clear] > 0.5)
            assert torch.equal(batch.targets, batch.known.long())
