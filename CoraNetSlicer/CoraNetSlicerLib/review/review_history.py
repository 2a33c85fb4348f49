"""The steps of a review, to be taken back and done again; as a text, so that the scene can keep them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Optional

import numpy as np

from coranet.contract import Decision

# Characters of the text; the oldest steps are left out of it.
_LONGEST_TEXT = 1_000_000


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

    @cached_property
    def text(self) -> str:
        """All of it as JSON."""
        packed = [
            {one: _packed(bits) for one, bits in voxels.items()} for voxels in (self.packed_before, self.packed_after)
        ]
        decisions = [asdict(one) if one is not None else None for one in (self.before, self.after)]
        return json.dumps({"number": self.number, "decisions": decisions, "voxels": self.voxels, "packed": packed})

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> ReviewStep:
        """The step that a text tells of; raises KeyError, TypeError, ValueError or zlib.error where it is damaged."""
        before, after = (Decision(**one) if one is not None else None for one in content["decisions"])
        packed = [{one: _unpacked(text) for one, text in voxels.items()} for voxels in content["packed"]]
        return ReviewStep(int(content["number"]), before, after, int(content["voxels"]), *packed)

    def decision(self, back: bool) -> Optional[Decision]:
        """What holds once the step is taken back, or done again."""
        return self.before if back else self.after

    def members(self, back: bool) -> dict[str, np.ndarray]:
        """Which voxels each segment then has, by id: bool, flat."""
        packed = self.packed_before if back else self.packed_after
        return {one: np.unpackbits(bits, count=self.voxels).astype(bool) for one, bits in packed.items()}


class ReviewHistory:
    """Steps that were done, and those that were taken back since."""

    def __init__(self, text: str = "") -> None:
        """Begin with none, or with those of a text; one that is damaged has none."""
        self._done: list[ReviewStep] = []
        self._undone: list[ReviewStep] = []
        try:
            content = json.loads(text or "{}")
            self._done, self._undone = (_steps(content.get(name, ())) for name in ("done", "undone"))
        except (AttributeError, KeyError, TypeError, ValueError, zlib.error):
            self._done, self._undone = [], []

    @property
    def text(self) -> str:
        """The steps, the latest ones if there are many."""
        done, undone, left = [], [], _LONGEST_TEXT
        for steps, texts in ((self._done, done), (self._undone, undone)):
            for step in reversed(steps):
                left -= len(step.text)
                if left < 0:
                    break
                texts.insert(0, step.text)
        return f'{{"done": [{", ".join(done)}], "undone": [{", ".join(undone)}]}}'

    def add(self, step: ReviewStep) -> None:
        """A step was done; what was taken back cannot be done again after it."""
        self._done.append(step)
        self._undone.clear()

    def add_first(self, step: ReviewStep) -> None:
        """A step was done before all others that are known; what was taken back can still be done again."""
        self._done.insert(0, step)

    def peek(self, back: bool) -> Optional[ReviewStep]:
        """The step that would be taken back, or done again; None if there is none."""
        steps = self._done if back else self._undone
        return steps[-1] if steps else None

    def move(self, back: bool) -> None:
        """That step was taken back, or done again."""
        source, target = (self._done, self._undone) if back else (self._undone, self._done)
        target.append(source.pop())


def _steps(contents: Iterable[Mapping[str, Any]]) -> list[ReviewStep]:
    return [ReviewStep.from_dict(one) for one in contents]


def _packed(bits: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(bits.tobytes())).decode("ascii")


def _unpacked(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
