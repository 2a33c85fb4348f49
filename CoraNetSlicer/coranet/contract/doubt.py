"""What a result and a model say of errors: what is promised of the uncertain region, and how good a result will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from .codec import from_json

# Whose doubt orders the voxels: that of the conservative and the radical head, or the error model's.
HEADS, ERROR_MODEL = "heads", "error_model"
# Promised where nobody asks for another share.
DEFAULT_SHARE = 0.8
FEWEST_FOR_PROMISE = 4
# With fewer cases an error model is no better than CoraNet's own map.
FEWEST_CASES = 2
# Flagged volumes are compared with what lies within this distance of a structure.
NEAR_MM = 20.0
_KEYS = ("doubt", "tolerance_mm", "promises", "quality")


@dataclass(frozen=True)
class Promise:
    """A share of the deep errors that is to lie where the error model's probability is at least a threshold.

    Attributes:
        share: of the deep errors, at least, in the mean over cases.
        threshold: of the probability, 0 to 1; None: the share cannot be promised, from so few cases.
        cases: on so many it was measured; neither network nor error model had seen them.
        expected: the threshold that held the share in the mean of these cases, which is no promise for the next one;
            None: none did.
    """

    share: float
    threshold: Optional[float]
    cases: int
    expected: Optional[float] = None

    @property
    def used(self) -> Optional[float]:
        """The threshold that is promised, else the one that is expected."""
        return self.expected if self.threshold is None else self.threshold


@dataclass(frozen=True)
class ErrorModelCard:
    """What the card of a model says of its error model.

    Attributes:
        tolerance_mm: a wrong voxel farther than this from the true boundary is a deep error.
        cases: from so many it has learned.
        promises: by rising share.
    """

    tolerance_mm: float
    cases: int = 0
    promises: tuple[Promise, ...] = ()

    def promise(self, share: float = DEFAULT_SHARE) -> Optional[Promise]:
        """The promise of a share, else that of the largest share that can be promised, else what is expected of it.

        Returns:
            None where not even that is known.
        """
        asked = [promise for promise in self.promises if abs(promise.share - share) < 1e-6 and promise.used is not None]
        promised = [promise for promise in self.promises if promise.threshold is not None]
        first = [promise for promise in asked if promise.threshold is not None] or promised[-1:] or asked
        return first[0] if first else None

    def sentence(self) -> str:
        """What is promised, or why nothing is."""
        shares = [promise.share for promise in self.promises if promise.threshold is not None]
        measured = max((promise.cases for promise in self.promises), default=self.cases)
        return _sentence(shares, self.tolerance_mm, measured)


@dataclass(frozen=True)
class CasePromise:
    """What a promise comes to in a case.

    Attributes:
        share, cases: as in `Promise`.
        threshold: of the error model's probability, the promised promise, else the expected promise.
        caution: where the dial stands at this threshold (`coranet regions --caution`).
        flagged_ml: volume of the uncertain region there, in mL.
        flagged_share: the same as a share of what lies within 20 mm of the structures.
        volume_bounds_ml: by name of the label the lowest and the highest volume in mL, for the same share of cases.
        is_promised: False: it was so in the mean of too few cases to promise it for the next promise.
    """

    share: float
    threshold: float
    caution: float
    cases: int
    flagged_ml: float
    flagged_share: float
    volume_bounds_ml: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    is_promised: bool = True


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

    def sentence(self) -> str:
        """What is promised, or why nothing is; "" where the doubt is that of the heads."""
        if self.tolerance_mm is None:
            return ""
        shares = [promise.share for promise in self.promises if promise.is_promised]
        return _sentence(shares, self.tolerance_mm, max((promise.cases for promise in self.promises), default=0))


def _sentence(shares: Sequence[float], tolerance_mm: float, cases: int) -> str:
    """What is promised of the deep errors, or why nothing is.

    Args:
        shares: that are promised, rising.
        tolerance_mm: of deep errors.
        cases: on so many it was measured.
    """
    if not shares and cases < FEWEST_FOR_PROMISE:
        return (
            f"Nothing can be promised of the uncertain region: it was measured on {cases} cases with a whole label, "
            f"and 80 % needs {FEWEST_FOR_PROMISE}."
        )
    if not shares:
        return f"Nothing can be promised of the uncertain region: the {cases} cases of the measurement differ too much."
    first, *more = (f"{100 * share:.0f} %" for share in shares)
    return (
        f"At least {first}{f' ({more[0]})' if more else ''} of what is wrong by more than {tolerance_mm:.3g} mm lies "
        f"inside the uncertain region, in the mean over cases; measured on {cases} cases."
    )
