"""What a result and a model say of errors: what is promised of the uncertain region, and how good a result will be."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from .codec import from_json

# Whose doubt orders the voxels: that of the conservative and the radical head, or the error model's.
HEADS, ERROR_MODEL = "heads", "error_model"
# The default share that the uncertain region is expected to hold.
DEFAULT_SHARE = 0.8
# With fewer cases an error model is no better than CoraNet's own map.
FEWEST_CASES = 2
# Flagged volumes are compared with what lies within this distance of a structure.
NEAR_MM = 20.0
_KEYS = ("doubt", "tolerance_mm", "promises", "quality")


def uncertainty_threshold(caution: float) -> float:
    """The uncertainty from which on a voxel is uncertain at a caution: 1 / (1 + exp(caution)), a float32."""
    # Rounded as the map is, so that a comparison with it does not depend on who makes it.
    (rounded,) = struct.unpack("f", struct.pack("f", 1 / (1 + math.exp(caution))))
    return float(rounded)


@dataclass(frozen=True)
class Promise:
    """A share of the deep errors that is expected in the uncertain region, and the region that is expected to hold it.

    Attributes:
        share: of the deep errors, in the mean over cases.
        cases: on so many it was measured; neither network nor error model had seen them.
        relative_size: of the region, in units of what is usual in a case (`error_model.nested.usual_voxels`): so many
            voxels, those in which an error is most probable; None: no region held the share.
    """

    share: float
    cases: int = 0
    relative_size: Optional[float] = None

    @property
    def promised(self) -> Optional[float]:
        """The share that conformal risk control promises of the next case in this region; None without a case.

        The region is the smallest in which n cases miss R <= (1 - share)(1 - 1 / n) of their deep errors on the mean.
        With a = (1 + (1 - share)(n - 1)) / (n + 1) that is where (n R + 1) / (n + 1) <= a: at most a is missed.
        """
        return None if self.cases < 1 else 1 - (1 + (1 - self.share) * (self.cases - 1)) / (self.cases + 1)


@dataclass(frozen=True)
class ErrorModelCard:
    """The error model on the card of a model.

    Attributes:
        tolerance_mm: a wrong voxel farther than this from the true boundary is a deep error.
        cases: from so many it has learned.
        promises: by rising share.
    """

    tolerance_mm: float
    cases: int = 0
    promises: tuple[Promise, ...] = ()

    def promise(self, share: float = DEFAULT_SHARE) -> Optional[Promise]:
        """The promise of a share; None where no region was found to hold it."""
        known = [promise for promise in self.promises if promise.relative_size is not None]
        return next((promise for promise in known if abs(promise.share - share) < 1e-6), None)

    def sentence(self) -> str:
        """What is expected and promised of the default share, or why nothing is."""
        first = self.promise()
        return _sentence(None if first is None else (first.share, first.promised, first.cases), self.tolerance_mm)


@dataclass(frozen=True)
class CasePromise:
    """What a promise comes to in a case.

    Attributes:
        share, cases: as in `Promise`.
        threshold: of the error model's probability, in this case.
        caution: where the dial stands at this threshold (`coranet regions --caution`).
        flagged_ml: volume of the uncertain region there, in mL.
        flagged_share: the same as a share of what lies within 20 mm of the structures.
        volume_bounds_ml: by name of the label the lowest and the highest volume in mL, for the same share of cases.
        promised: the share that is promised; None: nothing is.
    """

    share: float
    threshold: float
    caution: float
    cases: int
    flagged_ml: float
    flagged_share: float
    volume_bounds_ml: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    promised: Optional[float] = None


@dataclass(frozen=True)
class CaseQuality:
    """How good the result of a case is expected to be.

    Attributes:
        dice: estimated, mean over the labels; None: it cannot be estimated.
        verdict: "good", "look" or "poor".
        reasons: why it is not good, in sentences.
        confidence: mean Dice that the network itself expects, which is too high but ranks results; None: unknown.
    """

    dice: Optional[float]
    verdict: str
    reasons: tuple[str, ...] = ()
    confidence: Optional[float] = None

    @property
    def expected_dice(self) -> Optional[float]:
        """By the error model, else by the network itself, which is too sure; None: unknown."""
        return self.confidence if self.dice is None else self.dice

    def sentence(self) -> str:
        """The verdict with its reasons, such as "look: The scan is far noisier than those of the training"."""
        return f"{self.verdict}: {' '.join(self.reasons)}".rstrip(".")


@dataclass(frozen=True)
class CaseDoubt:
    """The expected errors of a result.

    Attributes:
        doubt: whose doubt the uncertainty map is, "heads" or "error_model".
        tolerance_mm: of deep errors; None where there is no error model.
        promises: by rising share; () where there are none.
        quality: None where it is unknown.
    """

    doubt: str = HEADS
    tolerance_mm: Optional[float] = None
    promises: tuple[CasePromise, ...] = ()
    quality: Optional[CaseQuality] = None

    @staticmethod
    def of_result(result: Mapping[str, Any]) -> CaseDoubt:
        """From the content of result.json; that of earlier versions knows the doubt of the heads alone.

        Raises:
            CodecError: a key has a value of another type.
        """
        return from_json(CaseDoubt, {key: result[key] for key in _KEYS if key in result})

    def sentence(self) -> str:
        """What is expected and promised of the first share; "" where the doubt is that of the heads."""
        if self.tolerance_mm is None:
            return ""
        first = self.promises[0] if self.promises else None
        return _sentence(None if first is None else (first.share, first.promised, first.cases), self.tolerance_mm)


def _sentence(first: Optional[tuple[float, Optional[float], int]], tolerance_mm: float) -> str:
    """What is expected of the deep errors, or why nothing is.

    Args:
        first: the share that is expected, the one that is promised, and on how many cases they were measured.
        tolerance_mm: of deep errors.
    """
    if first is None:
        return "How many errors the uncertain region holds is unknown: the measured cases differ too much."
    share, promised, cases = first
    measured = (
        "nothing is promised, because no case with a complete label was available to measure it"
        if promised is None
        else f"at least {100 * promised:.0f} % is promised, in the mean over cases; measured on {cases} cases"
    )
    return (
        f"About {100 * share:.0f} % of the errors deeper than {tolerance_mm:.3g} mm are expected inside the "
        f"uncertain region; {measured}."
    )
