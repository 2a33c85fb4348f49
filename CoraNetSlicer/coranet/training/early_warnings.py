"""Warnings of what goes wrong in a training, while there is still time to stop it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contract.events import Warned
from ..data.cache import PreparedCase
from ..methods.method import StepLosses

# Each reading makes the processor wait for the graphics card.
_READ_INTERVAL = 25
_PATIENCE_STEPS = {"class_never_predicted": 500, "pseudo_labels_collapsed": 100, "mostly_uncertain": 200}
_FALL_STEPS, _LEAST_FALL = 500, 0.02


@dataclass
class _Observed:
    """Sums of the steps since the last reading, on the device.

    Attributes:
        present: bool, (classes,), which were predicted on labeled patches.
        has_pseudo_labels: bool scalar, whether a pseudo-label was foreground.
        uncertain: float scalar, sum of the uncertain shares.
        supervised: float scalar, sum of the supervised losses.
        steps: how many.
        pseudo_label_steps, region_steps: those of them that had pseudo-labels, and regions.
    """

    present: Tensor
    has_pseudo_labels: Tensor
    uncertain: Tensor
    supervised: Tensor
    steps: int = 0
    pseudo_label_steps: int = 0
    region_steps: int = 0


class EarlyWarnings:
    """Watches the losses of each step. A warning comes once, and again only after things had been well between."""

    def __init__(
        self, class_names: Sequence[str], total_steps: int | None = None, expects_fall: bool = True
    ) -> None:  # fmt: skip
        """Begin to watch, at the start of a training or of its continuation.

        Args:
            class_names: of classes 1, 2, ...
            total_steps: of the training; short ones are warned of sooner: after a quarter, but not before 50 steps.
            expects_fall: whether the supervised loss should fall; not where a trained model goes on.
        """
        self._names = tuple(class_names)
        self._expects_fall = expects_fall
        self._longest = math.inf if total_steps is None else max(50, total_steps // 4)
        self._observed: _Observed | None = None
        # By (code, class): steps in a row in which it went wrong, and whether there was a warning.
        self._wrong_steps: dict[tuple[str, str], int] = {}
        self._warned: set[tuple[str, str]] = set()
        self._first_loss: float | None = None

    def observe(self, step: int, losses: StepLosses) -> list[Warned]:
        """Take in one step; its tensors stay on the device, and are read every 25 steps.

        Args:
            step: number of steps done, with this one.
            losses: of this step.

        Returns:
            The warnings to report now; mostly none.
        """
        self._add(losses)
        if step % _READ_INTERVAL or self._observed is None:
            return []
        observed, self._observed = self._observed, None
        return self._judged(step, observed)

    @torch.no_grad()
    def _add(self, losses: StepLosses) -> None:
        if self._observed is None:
            zero = torch.zeros((), device=losses.total.device)
            present = torch.zeros(len(self._names) + 1, dtype=torch.bool, device=zero.device)
            self._observed = _Observed(present, zero.bool(), zero, zero)
        observed = self._observed
        observed.steps += 1
        observed.supervised = observed.supervised + losses.supervised.detach()
        if losses.labels is not None:
            observed.present.scatter_(0, losses.labels.reshape(-1), True)
        if losses.pseudo_labels is not None:
            observed.has_pseudo_labels = observed.has_pseudo_labels | losses.pseudo_labels.any()
            observed.pseudo_label_steps += 1
        if losses.uncertain_share is not None:
            observed.uncertain = observed.uncertain + losses.uncertain_share.detach()
            observed.region_steps += 1

    def _judged(self, step: int, observed: _Observed) -> list[Warned]:
        warnings: list[Warned | None] = []
        for name, is_present in zip(self._names, observed.present.tolist()[1:], strict=True):
            warnings.append(self._count("class_never_predicted", name, not is_present, observed.steps))
        if observed.pseudo_label_steps:
            is_empty = not observed.has_pseudo_labels.item()
            warnings.append(self._count("pseudo_labels_collapsed", "", is_empty, observed.pseudo_label_steps))
        if observed.region_steps:
            is_most = observed.uncertain.item() / observed.region_steps > 0.5
            warnings.append(self._count("mostly_uncertain", "", is_most, observed.region_steps))
        warnings.append(self._judged_loss(step, observed))
        return [warning for warning in warnings if warning is not None]

    def _count(self, code: str, name: str, is_wrong: bool, steps: int) -> Warned | None:
        key = (code, name)
        if not is_wrong:
            self._wrong_steps[key] = 0
            self._warned.discard(key)
            return None
        self._wrong_steps[key] = self._wrong_steps.get(key, 0) + steps
        if self._wrong_steps[key] < min(_PATIENCE_STEPS[code], self._longest) or key in self._warned:
            return None
        self._warned.add(key)
        return Warned(code, _MESSAGES[code].format(name=name, steps=self._wrong_steps[key]))

    def _judged_loss(self, step: int, observed: _Observed) -> Warned | None:
        """Whether the supervised loss is still where it began, after as many steps as always suffice to see it fall."""
        mean = observed.supervised.item() / observed.steps
        if not (self._expects_fall and math.isfinite(mean)):
            return None
        if step <= _READ_INTERVAL:
            self._first_loss = mean
        key = ("loss_not_falling", "")
        if self._first_loss is None or step < _FALL_STEPS or key in self._warned:
            return None
        # Told once at most: later the loss may well be level.
        self._warned.add(key)
        if mean < (1 - _LEAST_FALL) * self._first_loss:
            return None
        return Warned(
            "loss_not_falling",
            f"the supervised loss has not fallen in {step} steps ({self._first_loss:.3f} at first, {mean:.3f} now); "
            "check the labels, or lower training.learning_rate.",
        )


def absent_in_validation(validation: Sequence[PreparedCase], class_names: Sequence[str]) -> list[Warned]:
    """One warning for each class that no validation case has; none where there are no validation cases.

    Args:
        validation: prepared, with labels.
        class_names: of classes 1, 2, ...
    """
    return [
        Warned(
            "validation_label_absent",
            f"validation has no label {index} ('{name}'), so the best model is chosen without it; "
            "set a case that has it aside for validation.",
        )
        for index, name in enumerate(class_names, start=1)
        if validation and not any(len(case.foreground[index - 1]) for case in validation)
    ]


_MESSAGES = {
    "class_never_predicted": "class '{name}' was never predicted in {steps} steps; check its labels, or give it more "
    "patches by data.foreground_patches.",
    "pseudo_labels_collapsed": "pseudo-labels collapsed: the certain region has had no foreground for {steps} steps; "
    "train longer on labeled cases first (training.pretraining_steps).",
    "mostly_uncertain": "more than half of the unlabeled patches has been uncertain for {steps} steps; train longer on "
    "labeled cases first (training.pretraining_steps), or lower training.misclassification_cost.",
}
