from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from coranet.methods import StepLosses
from coranet.training.early_warnings import EarlyWarnings, absent_in_validation

SHAPE = (2, 3, 4, 5)
NAMES = ("pancreas", "tumour")


def labels(*present: int) -> torch.Tensor:
    """A batch that is background but for one voxel of each class."""
    batch = torch.zeros(SHAPE, dtype=torch.int64)
    for number, index in enumerate(present):
        batch[0, 0, 0, number] = index
    return batch


def losses(present=(1, 2), taught=(1,), uncertain: float | None = 0.1, supervised: float = 1.0) -> StepLosses:
    """Of a step; `taught` None: the method has no pseudo-labels."""
    total = torch.tensor(supervised, requires_grad=True)
    return StepLosses(
        total, total.detach(), labels=labels(*present),
        uncertain_share=None if uncertain is None else torch.tensor(uncertain),
        pseudo_labels=None if taught is None else labels(*taught),
    )  # fmt: skip


def warned(watch: EarlyWarnings, steps: range, **changes) -> list[tuple[int, str, str]]:
    """Steps, codes and messages of the warnings; the loss falls, as it should."""
    found = []
    for step in steps:
        step_losses = losses(**{"supervised": 1.0 / step, **changes})
        found += [(step, warning.code, warning.message) for warning in watch.observe(step, step_losses)]
    return found


def test_nothing_is_told_where_all_is_well():
    assert warned(EarlyWarnings(NAMES, 4000), range(1, 1501)) == []


def test_a_class_that_is_never_predicted_is_named_once():
    warnings = warned(EarlyWarnings(NAMES, 4000), range(1, 1501), present=(2,))
    assert [(step, code) for step, code, _ in warnings] == [(500, "class_never_predicted")]
    assert warnings[0][2].startswith("class 'pancreas' was never predicted in 500 steps")


def test_one_prediction_in_any_step_is_enough():
    watch = EarlyWarnings(NAMES, 4000)
    for first in range(1, 1501, 50):
        assert warned(watch, range(first, first + 1)) == []
        assert warned(watch, range(first + 1, first + 50), present=()) == []


def test_it_is_told_again_after_it_had_recovered():
    watch = EarlyWarnings(NAMES, 4000)
    steps = [
        warned(watch, range(1, 601), present=(1,)),
        warned(watch, range(601, 626)),
        warned(watch, range(626, 1201), present=(1,)),
    ]
    assert [[step for step, *_ in found] for found in steps] == [[500], [], [1125]]


def test_short_trainings_are_warned_of_sooner():
    assert warned(EarlyWarnings(NAMES, 400), range(1, 401), present=(1,))[0][0] == 100
    assert warned(EarlyWarnings(NAMES, 120), range(1, 121), present=(1,))[0][0] == 50
    assert warned(EarlyWarnings(NAMES), range(1, 601), present=(1,))[0][0] == 500


def test_a_continued_training_is_watched_from_where_it_goes_on():
    assert [step for step, *_ in warned(EarlyWarnings(NAMES, 4000), range(1014, 1600), present=(1,))] == [1525]


def test_pseudo_labels_without_foreground_have_collapsed():
    watch = EarlyWarnings(NAMES, 4000)
    assert warned(watch, range(1, 501), taught=None) == []
    ((step, code, message),) = warned(watch, range(501, 901), taught=())
    assert (step, code) == (600, "pseudo_labels_collapsed")
    assert message.startswith("pseudo-labels collapsed: the certain region has had no foreground for 100 steps")


def test_a_region_that_stays_large_is_told():
    warnings = warned(EarlyWarnings(NAMES, 4000), range(1, 401), uncertain=0.6)
    assert [(step, code) for step, code, _ in warnings] == [(200, "mostly_uncertain")]
    assert warned(EarlyWarnings(NAMES, 4000), range(1, 401), uncertain=0.5) == []
    assert warned(EarlyWarnings(NAMES, 4000), range(1, 401), uncertain=None) == []


def test_a_loss_that_does_not_fall_is_told_once():
    warnings = warned(EarlyWarnings(NAMES, 4000), range(1, 1501), supervised=1.1)
    assert [(step, code) for step, code, _ in warnings] == [(500, "loss_not_falling")]
    assert "(1.100 at first, 1.100 now)" in warnings[0][2]


def test_a_loss_that_fell_may_be_level_later():
    watch = EarlyWarnings(NAMES, 4000)
    assert warned(watch, range(1, 26), supervised=1.1) == []
    assert warned(watch, range(26, 1501), supervised=0.9) == []


def test_a_continued_training_is_not_measured_by_its_low_first_loss():
    assert warned(EarlyWarnings(NAMES, 4000), range(601, 1501), supervised=0.3) == []


def test_losses_that_are_no_numbers_are_left_to_the_loop():
    assert warned(EarlyWarnings(NAMES, 4000), range(1, 1501), supervised=float("nan")) == []


def test_tensors_are_read_every_25_steps_only(monkeypatch):
    watch = EarlyWarnings(NAMES, 4000)
    reads = []
    for name in ("item", "tolist"):
        original = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda self, original=original: reads.append(1) or original(self))
    warned(watch, range(1, 25))
    assert not reads
    warned(watch, range(25, 26))
    assert 0 < len(reads) <= 5


def prepared(*voxels: int):
    """A validation case with so many voxels of each class."""
    return SimpleNamespace(foreground=tuple(torch.zeros(count, 3) for count in voxels))


def test_classes_that_validation_lacks_are_named():
    warnings = absent_in_validation([prepared(4, 0), prepared(0, 0)], NAMES)
    assert [warning.code for warning in warnings] == ["validation_label_absent"]
    assert warnings[0].message.startswith("validation has no label 2 ('tumour')")


@pytest.mark.parametrize("cases", [[], [prepared(0, 1), prepared(1, 0)]])
def test_validation_with_all_classes_or_none_at_all_is_no_reason_to_warn(cases):
    assert absent_in_validation(cases, NAMES) == []


def test_a_model_that_goes_on_is_not_expected_to_fall():
    assert warned(EarlyWarnings(NAMES, 4000, expects_fall=False), range(1, 1001), supervised=0.3) == []
