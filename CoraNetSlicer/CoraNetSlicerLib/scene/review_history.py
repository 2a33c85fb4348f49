"""The steps of a review, to be taken back and done again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

import numpy as np

from coranet.job import Decision


@dataclass(frozen=True)
class ReviewStep:
    """A decision on a region, with its voxels before and after, packed to bits.

    Attributes:
        number: of the region.
        before, after: the decision; None: none.
        voxels: how many the region has.
        packed_before, packed_after: which of them each segment had, by id.
    """

    number: int
    before: Optional[Decision]
    after: Optional[Decision]
    voxels: int
    packed_before: Mapping[str, np.ndarray]
    packed_after: Mapping[str, np.ndarray]

    @staticmethod
    def of(
        number: int, decisions: tuple[Optional[Decision], Optional[Decision]],
        before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray],
    ) -> ReviewStep:  # fmt: skip
        """Make a step.

        Args:
            number: of the region.
            decisions: before and after.
            before: which voxels of the region each segment had, by id: bool, flat.
            after: which it has.
        """
        voxels = len(next(iter(before.values()), ()))
        packed = [{one: np.packbits(mask) for one, mask in members.items()} for members in (before, after)]
        return ReviewStep(number, *decisions, voxels, *packed)

    def decision(self, back: bool) -> Optional[Decision]:
        """What holds once the step is taken back, or done again."""
        return self.before if back else self.after

    def members(self, back: bool) -> dict[str, np.ndarray]:
        """Which voxels each segment then has, by id: bool, flat."""
        packed = self.packed_before if back else self.packed_after
        return {one: np.unpackbits(bits, count=self.voxels).astype(bool) for one, bits in packed.items()}


class ReviewHistory:
    """Steps that were done, and those that were taken back since."""

    def __init__(self) -> None:
        self._done: list[ReviewStep] = []
        self._undone: list[ReviewStep] = []

    def add(self, step: ReviewStep) -> None:
        """A step was done; what was taken back cannot be done again after it."""
        self._done.append(step)
        self._undone.clear()

    def peek(self, back: bool) -> Optional[ReviewStep]:
        """The step that would be taken back, or done again; None if there is none."""
        steps = self._done if back else self._undone
        return steps[-1] if steps else None

    def move(self, back: bool) -> None:
        """That step was taken back, or done again."""
        source, target = (self._done, self._undone) if back else (self._undone, self._done)
        target.append(source.pop())
