from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from coranet.contract.doubt import uncertainty_threshold
from coranet.uncertainty import (
    caution_at,
    caution_shift,
    certain_region,
    moved_labels,
    named_classes,
    rounded_down,
    second_class,
    threshold_of_rounded,
    uncertainty_map,
)

CLASSES = [2, 3, 4]


def random_heads(classes: int, voxels: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the conservative and the radical head, (1, K, voxels, 1, 1), alike but not the same."""
    generator = torch.Generator().manual_seed(seed)
    common = 1.5 * torch.randn(1, classes, voxels, 1, 1, generator=generator)
    conservative, radical = (common + 0.8 * torch.randn(common.shape, generator=generator) for _ in range(2))
    return conservative, radical


def heads_of(conservative: list[float], radical: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """One voxel."""
    first, second = (torch.tensor(values).reshape(1, -1, 1, 1, 1) for values in (conservative, radical))
    return first, second


def names(logits: np.ndarray, index: int, shift: float) -> bool:
    """Whether a head names a class once the logit of that class is shifted."""
    moved = logits.copy()
    moved[index] += shift
    return int(moved.argmax()) == index


def shift_oracle(conservative: np.ndarray, radical: np.ndarray, step: float = 0.01, most: float = 12.0) -> float:
    """Scan shifts, one class at a time, until the heads differ about it; backwards where they differ already."""
    smallest = math.inf
    for index in range(1, len(conservative)):

        def differ(shift: float, index: int = index) -> bool:
            return names(conservative, index, -shift) != names(radical, index, shift)

        shifts = np.arange(0, most, step)
        if differ(0.0):
            found = -next(shift for shift in shifts if not (differ(shift) and differ(-shift)))
        else:
            found = next(shift for shift in shifts if differ(shift))
        smallest = min(smallest, found)
    return smallest


@pytest.mark.parametrize(
    ("conservative", "radical", "expected"),
    [
        ([2.0, 0.0], [3.0, 0.0], 3.0),  # background both; the radical head is the harder one to turn
        ([0.0, 2.0], [0.0, 5.0], 2.0),  # foreground both; the conservative head doubts at 2
        ([1.0, 0.0], [0.0, 1.5], -1.0),  # they differ; they agree again after 1 backwards
        ([0.0, 2.0], [3.0, 0.0], -2.0),  # the wrong way round
        ([0.0, 1.0, 4.0], [0.0, 1.0, 5.0], 3.0),  # class 2 both; class 1 joins when the radical head raises it by 4
        ([5.0, 0.0, 0.0], [5.0, 0.0, 4.5], 0.5),  # the radical head is about to name class 2
    ],
)
def test_shift_of_one_voxel_computed_by_hand(conservative, radical, expected):
    assert caution_shift(*heads_of(conservative, radical)).item() == pytest.approx(expected)


@pytest.mark.parametrize("classes", CLASSES)
def test_shift_is_the_smallest_that_a_scan_over_all_shifts_finds(classes):
    conservative, radical = random_heads(classes, voxels=60)
    shift = caution_shift(conservative, radical)[0, :, 0, 0].numpy()
    pairs = zip(conservative[0, :, :, 0, 0].T.double().numpy(), radical[0, :, :, 0, 0].T.double().numpy(), strict=True)
    expected = [shift_oracle(cautious, eager) for cautious, eager in pairs]
    np.testing.assert_allclose(shift, expected, atol=0.0101)
    assert (shift < 0).any() and (shift > 0).any()


@pytest.mark.parametrize("classes", CLASSES)
def test_certain_is_where_both_heads_name_the_same_class(classes):
    conservative, radical = random_heads(classes)
    expected = conservative.numpy().argmax(1) == radical.numpy().argmax(1)
    np.testing.assert_array_equal(certain_region(conservative, radical).numpy(), expected)


def test_for_two_classes_uncertain_is_the_exclusive_or_of_the_foregrounds():
    conservative, radical = random_heads(2)
    exclusive = (conservative[:, 1] > conservative[:, 0]) ^ (radical[:, 1] > radical[:, 0])
    assert torch.equal(~certain_region(conservative, radical), exclusive)


@pytest.mark.parametrize("classes", CLASSES)
def test_uncertainty_is_at_least_one_half_exactly_where_the_labels_differ(classes):
    conservative, radical = random_heads(classes, voxels=5000)
    differ = conservative.argmax(1) != radical.argmax(1)
    assert 0 < differ.sum() < differ.numel()
    assert torch.equal(uncertainty_map(conservative, radical) >= 0.5, differ)


@pytest.mark.parametrize("classes", CLASSES)
def test_the_same_holds_where_logits_are_tied(classes):
    generator = torch.Generator().manual_seed(3)
    conservative, radical = (torch.randint(-1, 2, (2, classes, 6, 7, 8), generator=generator).float() for _ in range(2))
    differ = conservative.argmax(1) != radical.argmax(1)
    assert torch.equal(uncertainty_map(conservative, radical) >= 0.5, differ)


@pytest.mark.parametrize("classes", CLASSES)
def test_uncertainty_is_a_float32_in_zero_to_one_even_for_extreme_logits(classes):
    conservative, radical = random_heads(classes)
    for scale in (1.0, 1e4):
        uncertainty = uncertainty_map(scale * conservative, scale * radical)
        assert uncertainty.dtype == torch.float32
        assert uncertainty.min() >= 0 and uncertainty.max() <= 1


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.4])
def test_a_threshold_of_the_map_is_the_region_of_heads_with_other_costs(threshold):
    conservative, radical = random_heads(2, voxels=4000)
    shift = math.log((1 - threshold) / threshold)
    cautious, eager = conservative.clone(), radical.clone()
    cautious[:, 1] -= shift
    eager[:, 1] += shift
    nested = ~((conservative.argmax(1) == 1) & (radical.argmax(1) == 0))
    moved = ~certain_region(cautious, eager)
    flagged = uncertainty_map(conservative, radical) > threshold
    assert torch.equal(flagged[nested], moved[nested])
    assert flagged[~nested].all()


@pytest.mark.parametrize("classes", CLASSES)
def test_adding_a_constant_to_all_logits_of_a_voxel_changes_nothing(classes):
    conservative, radical = random_heads(classes)
    moved = caution_shift(conservative + torch.randn(1, 1, 300, 1, 1), radical - 2)
    torch.testing.assert_close(moved, caution_shift(conservative, radical), atol=1e-5, rtol=1e-5)


def test_heads_that_are_equal_and_sure_are_certain():
    conservative, _ = random_heads(3)
    sure = 50 * conservative
    assert certain_region(sure, sure).all()
    assert (uncertainty_map(sure, sure) < 0.5).all()


def moved(conservative: torch.Tensor, radical: torch.Tensor, caution: float) -> tuple[torch.Tensor, ...]:
    """The region and the labels of the conservative and the radical head at a caution."""
    uncertainty, threshold = uncertainty_map(conservative, radical), uncertainty_threshold(caution)
    return uncertainty >= threshold, *moved_labels(conservative, radical, uncertainty, threshold)


def labels_oracle(conservative: np.ndarray, radical: np.ndarray, caution: float) -> tuple[int, int]:
    """The labels of one voxel at a caution of at least 0, with loops over its classes."""
    margins = [
        [float(logits[k] - max(np.delete(logits, k))) for k in range(len(logits))] for logits in (conservative, radical)
    ]
    kept = [k for k in range(1, len(conservative)) if margins[0][k] > caution]
    best = max(range(1, len(radical)), key=lambda k: margins[1][k])
    cautious, eager = kept[0] if kept else 0, best if margins[1][best] > -caution else 0
    wrong_way_round = conservative.argmax() > 0 and radical.argmax() == 0
    if wrong_way_round and (cautious, eager) != (conservative.argmax(), 0):
        return 0, best
    return cautious, eager


CAUTIONS = [-9.0, -1.0, -0.2, 0.0, 1e-9, 0.1, 0.7, 2.0, 9.0]


@pytest.mark.parametrize("caution", [caution for caution in CAUTIONS if caution >= 0])
@pytest.mark.parametrize("classes", CLASSES)
def test_moved_labels_are_those_of_a_loop_over_classes(classes, caution):
    conservative, radical = random_heads(classes)
    _, cautious, eager = moved(conservative, radical, caution)
    pairs = zip(conservative[0, :, :, 0, 0].T.numpy(), radical[0, :, :, 0, 0].T.numpy(), strict=True)
    expected = np.array([labels_oracle(first, second, caution) for first, second in pairs])
    np.testing.assert_array_equal(cautious[0, :, 0, 0].numpy(), expected[:, 0])
    np.testing.assert_array_equal(eager[0, :, 0, 0].numpy(), expected[:, 1])


def tied_heads(classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are halves: many margins are the same, many are exactly a caution."""
    generator = torch.Generator().manual_seed(3)
    shape = (2, classes, 9, 7, 8)
    first, second = (torch.randint(-4, 5, shape, generator=generator) / 2 for _ in range(2))
    return first, second


@pytest.mark.parametrize("caution", [*CAUTIONS, 0.5, -0.5, 1.0, 1.5])
@pytest.mark.parametrize("heads", [random_heads, tied_heads])
def test_with_two_classes_uncertain_is_where_the_moved_labels_differ(heads, caution):
    uncertain, cautious, eager = moved(*heads(2), caution)
    assert torch.equal(uncertain, cautious != eager)


@pytest.mark.parametrize("heads", [random_heads, tied_heads])
@pytest.mark.parametrize("classes", CLASSES)
def test_where_the_heads_are_certain_their_moved_labels_are_the_same(classes, heads):
    for caution in (*CAUTIONS, 0.5, -0.5, 1.0, 1.5):
        uncertain, cautious, eager = moved(*heads(classes), caution)
        assert torch.equal(cautious[~uncertain], eager[~uncertain]), caution


@pytest.mark.parametrize("classes", CLASSES)
def test_at_zero_caution_the_labels_are_those_that_were_trained(classes):
    conservative, radical = tied_heads(classes)
    uncertain, cautious, eager = moved(conservative, radical, 0.0)
    assert torch.equal(cautious, conservative.argmax(1)) and torch.equal(eager, radical.argmax(1))
    assert torch.equal(uncertain, cautious != eager)


@pytest.mark.parametrize("heads", [random_heads, tied_heads])
@pytest.mark.parametrize("classes", CLASSES)
def test_more_caution_flags_more_keeps_less_and_may_join_more(classes, heads):
    results = [moved(*heads(classes), caution) for caution in CAUTIONS if caution >= 0]
    for less, more in zip(results, results[1:], strict=False):
        assert not (less[0] & ~more[0]).any()
        assert not ((less[1] == 0) & (more[1] > 0)).any()
        assert not ((less[2] > 0) & (more[2] == 0)).any()


@pytest.mark.parametrize("classes", CLASSES)
def test_much_caution_leaves_all_to_the_person(classes):
    uncertain, cautious, eager = moved(*random_heads(classes), 20.0)
    assert uncertain.all() and not cautious.any() and eager.all()


@pytest.mark.parametrize("caution", CAUTIONS)
def test_a_caution_and_its_threshold_belong_together(caution):
    threshold = uncertainty_threshold(caution)
    assert threshold == np.float32(1 / (1 + math.exp(caution)))
    assert caution_at(threshold) == pytest.approx(caution, abs=1e-3)
    assert uncertainty_threshold(caution_at(threshold)) == threshold


def test_the_ends_of_the_map_are_the_ends_of_the_dial():
    assert caution_at(0.0) == 20 and caution_at(1.0) == -20, "what is infinite cannot be written"
    assert uncertainty_threshold(caution_at(1.0)) == 1 and 0 < uncertainty_threshold(caution_at(0.0)) < 2.0**-15


@pytest.mark.parametrize("heads", [random_heads, tied_heads])
@pytest.mark.parametrize("classes", CLASSES)
def test_the_named_class_is_that_of_the_largest_logit_and_of_equal_ones_the_first(classes, heads):
    for logits in heads(classes):
        assert np.array_equal(named_classes(logits).numpy(), logits.numpy().argmax(1))


def test_with_caution_the_certain_region_is_where_the_heads_are_that_far_from_differing():
    generator = torch.Generator().manual_seed(5)
    conservative, radical = (3 * torch.randn(2, 3, 5, 6, 7, generator=generator) for _ in range(2))
    shift = caution_shift(conservative, radical)
    regions = [certain_region(conservative, radical, caution) for caution in (0.0, 0.5, 2.0)]
    assert torch.equal(regions[0], certain_region(conservative, radical))
    for wider, narrower, caution in zip(regions, regions[1:], (0.5, 2.0), strict=False):
        assert torch.equal(narrower, wider & (shift >= caution)) and narrower.sum() < wider.sum()


@pytest.mark.parametrize("classes", CLASSES)
def test_the_second_class_is_the_best_of_the_others(classes):
    logits, _ = random_heads(classes)
    margin, second = second_class(logits)
    two = logits.topk(2, dim=1)
    assert torch.equal(second, two.indices[:, 1])
    torch.testing.assert_close(margin, two.values[:, 0] - two.values[:, 1])


def test_of_two_equal_logits_the_second_is_the_other_one():
    logits = torch.zeros(1, 2, 1, 1, 1)
    assert second_class(logits)[1].item() == 1 - named_classes(logits).item()


def test_rounding_down_is_small_keeps_one_half_and_leaves_out_the_far_tail():
    values = torch.cat([torch.rand(1000, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0.5, 1, 1e-5])])
    stored = rounded_down(values)
    assert ((stored <= values) & (stored >= values * (1 - 2**-10))).logical_or(values < 2**-15).all()
    assert stored[-4:].tolist() == [0, 0.5, 1, 0]
    just_below = torch.nextafter(torch.tensor([0.5]), torch.tensor(0.0))
    assert rounded_down(just_below).item() < 0.5
    assert torch.equal(rounded_down(stored), stored)


@pytest.mark.parametrize("caution", [-3.0, -0.7, 0.0, 0.3, 1.9, 6.0, 10.0])
def test_a_threshold_of_rounded_values_is_one_of_exact_ones(caution):
    threshold = uncertainty_threshold(caution)
    generator = torch.Generator().manual_seed(1)
    values = torch.cat([threshold * (1 + 0.004 * (torch.rand(2000, generator=generator) - 0.5)), torch.rand(100)])
    assert torch.equal(rounded_down(values) >= threshold, values >= threshold_of_rounded(threshold))
