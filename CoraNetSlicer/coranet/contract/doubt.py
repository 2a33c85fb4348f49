"""What a result and a model say of errors: what is promised of the uncertain region, and how good a result will be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from .codec import from_json

# Whose doubt orders the voxels: that of the conservative and the radical head, or the error model's.
HEADS, ERROR_MODEL = "heads", "error_model"
# Promised where nobody asks for another share.
DEFAULT_SHARE = 0.8
# Flagged volumes are compared with what lies within this distance of a structure.
NEAR_MM = 20.0
_KEYS = ("doubt", "tolerance_mm", "promises", "quality")


@dataclass(frozen=True)
class Promise:
    """A share of the deep errors that is promised to lie where the error model's probability is at least a threshold.

    Attributes:
        share: of the deep errors, at least, in the mean over cases.
        threshold: of the probability, 0 to 1.
        cases: on so many it was measured; neither network nor error model had seen them.
    """

    share: float
    threshold: float
    cases: int


@dataclass(frozen=True)
class ErrorModelCard:
    """What the card of a model says of its error model.

    Attributes:
        tolerance_mm: a wrong voxel farther than this from the true boundary is a deep error.
        cases: from so many it has learned.
        promises: those that can be made, by rising share; () where there are too few cases for any.
        threshold: of the uncertain region where nothing can be promised; None: unknown.
    """

    tolerance_mm: float
    cases: int = 0
    promises: tuple[Promise, ...] = ()
    threshold: Optional[float] = None

    def promise(self, share: float = DEFAULT_SHARE) -> Optional[Promise]:
        """The promise of a share, else that of the largest share that can be promised; None: there is none."""
        of_share = [promise for promise in self.promises if abs(promise.share - share) < 1e-6]
        known = of_share or sorted(self.promises, key=lambda promise: promise.share)
        return known[-1] if known else None


@dataclass(frozen=True)
class CasePromise:
    """What a promise comes to in a case.

    Attributes:
        share, threshold, cases: as in `Promise`.
        caution: where the dial stands at this threshold (`coranet regions --caution`).
        flagged_ml: volume of the uncertain region there, in mL.
        flagged_share: the same as a share of what lies within 20 mm of the structures.
        volume_bounds_ml: by name of the label the lowest and the highest volume in mL, with the same promise.
    """

    share: float
    threshold: float
    caution: float
    cases: int
    flagged_ml: float
    flagged_share: float
    volume_bounds_ml: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class CaseQuality:
    """How good the result of a case is expected to be.

    Attributes:
        dice: estimated, mean over the labels; None: it cannot be estimated.
        verdict: "good", "look" or "poor".
        reasons: why it is not good, in sentences.
    """

    dice: Optional[float]
    verdict: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseDoubt:
    """What a result says of its errors.

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
