"""How good a result is, estimated from its error model and the cases of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..plausibility.likeness import is_plausible
from .evidence import HEAD_CHANNELS, Evidence

Array = npt.NDArray[Any]

GOOD, LOOK, POOR = "good", "look", "poor"
# A result below this share of the training cases' median Dice is poor.
_POOR_SHARE = 0.8
# The share of results that is worth a look, as the training cases would be divided.
_LOOK_SHARE = 0.2
# So many of the training cases' kind lie in the range that is called plausible.
_PLAUSIBLE_SHARE = 0.995
# How much volumes (in logarithms) and traits of one kind of scan differ, where there are few cases.
_USUAL_VOLUME_SPREAD, _USUAL_TRAIT_SPREAD = 0.35, 0.25
_ML = 1000.0


@dataclass(frozen=True)
class ClassVoxels:
    """What the error model expects of each class, background first; each (K,), in voxels.

    Attributes:
        named: that the result names.
        too_many: of these, expected to be wrong.
        missed: expected to be of the class and named otherwise.
    """

    named: Array
    too_many: Array
    missed: Array

    @staticmethod
    def of(wrong: Array, segmentation: Array, evidence: Evidence, classes: int) -> ClassVoxels:
        """Count.

        Args:
            wrong: (D, H, W), the probability that a voxel is wrong.
            segmentation: (D, H, W), class indices of the result.
            evidence: of the scan; a wrong voxel is of the class that the network names second.
            classes: number of classes with background.
        """
        named, second = evidence.classes.numpy(), evidence.runner_up.numpy()
        # Where a small component was removed, the class that the network names is the other one.
        other = np.where(segmentation == named, second, named)
        flat, weights = segmentation.ravel(), wrong.ravel()
        return ClassVoxels(
            np.bincount(flat, minlength=classes).astype(np.float64),
            np.bincount(flat, weights, classes),
            np.bincount(other.ravel(), weights, classes),
        )

    @property
    def dice(self) -> Array:
        """Expected Dice of the classes but background, (K - 1,); 1 of a class that is neither named nor expected."""
        both = 2 * self.named - self.too_many + self.missed
        agreeing = 2 * (self.named - self.too_many)
        return np.where(both > 0, agreeing / np.maximum(both, 1e-9), 1.0)[1:]

    @property
    def expected(self) -> Array:
        """Expected voxels of the classes but background, (K - 1,)."""
        return (self.named - self.too_many + self.missed)[1:]

    @property
    def doubtful(self) -> Array:
        """Expected wrong voxels of the classes but background, (K - 1,)."""
        return (self.too_many + self.missed)[1:]


@dataclass(frozen=True)
class VolumeBounds:
    """The volume of a class.

    Attributes:
        ml: of the result.
        lower_ml, upper_ml: between these lies the true volume, as promised.
        share: of the cases for which that is so.
        promised: whether it is; there may be too few cases.
    """

    ml: float
    lower_ml: float
    upper_ml: float
    share: float
    promised: bool


@dataclass(frozen=True)
class Quality:
    """What to expect of a result.

    Attributes:
        dice: estimated, of each class but background.
        mean_dice: their mean.
        verdict: "good", "look" or "poor".
        reasons: why it is not "good", a sentence each.
        unlike: of these the ones that say in what the scan is unlike those of the training.
    """

    dice: tuple[float, ...]
    mean_dice: float
    verdict: str
    reasons: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseFigures:
    """What of one case calibrates the estimates, and what is estimated from for another one; the truth where known.

    Attributes:
        expected_dice: of each class but background, by the error model.
        volume_ml: of each class, of the result.
        doubtful_ml: of each class, expected to be wrong.
        traits: `TRAITS` of the scan.
        dice: of each class, true, None where it is neither there nor named; () if unknown.
        true_ml: of each class; () if unknown.
    """

    expected_dice: tuple[float, ...]
    volume_ml: tuple[float, ...]
    doubtful_ml: tuple[float, ...]
    traits: tuple[float, ...] = ()
    dice: tuple[float | None, ...] = ()
    true_ml: tuple[float, ...] = ()

    @property
    def mean_dice(self) -> float | None:
        """Mean of the true Dice over the classes; None if unknown."""
        known = [value for value in self.dice if value is not None]
        return float(np.mean(known)) if known else None

    @staticmethod
    def of(voxels: ClassVoxels, evidence: Evidence, segmentation: Array, spacing_dhw: Sequence[float]) -> CaseFigures:
        """Of a result whose truth is unknown."""
        voxel_ml = float(np.prod(spacing_dhw)) / _ML
        return CaseFigures(
            _floats(voxels.dice),
            _floats(voxels.named[1:] * voxel_ml),
            _floats(voxels.doubtful * voxel_ml),
            traits_of(evidence, segmentation),
        )


# What of a scan shows whether it is like those of the training.
TRAITS = (
    "the intensity of the structures", "the contrast within the structures", "the intensity around the structures",
    "the contrast around the structures", "how sure the network is",
)  # fmt: skip


def traits_of(evidence: Evidence, segmentation: Array) -> tuple[float, ...]:
    """`TRAITS` of a scan; () where nothing was found.

    Args:
        evidence: of the scan.
        segmentation: (D, H, W), class indices of the result.
    """
    image = evidence.channels[len(HEAD_CHANNELS)].numpy()
    entropy = evidence.channels[HEAD_CHANNELS.index("entropy")].numpy()
    radical = evidence.channels[HEAD_CHANNELS.index("radical_foreground")].numpy()
    inside, around = segmentation > 0, (segmentation == 0) & (radical > -6)
    if not inside.any():
        return ()
    near = image[around] if around.any() else image[inside]
    within = image[inside].astype(np.float32)
    unsure = float(entropy.sum(dtype=np.float64) / np.count_nonzero(inside) ** (2 / 3))
    near = near.astype(np.float32)
    return _floats(np.array([within.mean(), _spread(within), near.mean(), _spread(near), np.log(unsure + 1e-6)]))


@dataclass(frozen=True)
class QualityModel:
    """The cases of the training, from which quality is estimated.

    Attributes:
        names: of the classes but background.
        cases: cross-fitted figures of the cases whose truth is known.
    """

    names: tuple[str, ...]
    cases: tuple[CaseFigures, ...]

    def estimate(self, figures: CaseFigures, unlike: Sequence[str] | None = None) -> Quality:
        """How good a result is.

        Args:
            figures: of the result.
            unlike: in what it is unlike the training, in sentences; None: by the cases of the error model.
        """
        dice = tuple(self._calibrated(number, value) for number, value in enumerate(figures.expected_dice))
        mean = float(np.mean(dice))
        unlike = tuple(self._unlike(figures) if unlike is None else unlike)
        reasons = [*unlike]
        verdict = LOOK if reasons else GOOD
        known = [case.mean_dice for case in self.cases if case.mean_dice is not None]
        if known:
            median = float(np.median(known))
            if mean < _POOR_SHARE * median:
                verdict = POOR
                reasons.insert(0, f"A Dice of about {mean:.2f} is expected; the training cases had {median:.2f}.")
            elif mean < float(np.quantile(known, _LOOK_SHARE)):
                verdict = LOOK
                reasons.insert(0, f"A Dice of about {mean:.2f} is expected; most training cases were better.")
        return Quality(dice, mean, verdict, tuple(reasons), unlike)

    def bounds(self, figures: CaseFigures, share: float) -> tuple[VolumeBounds, ...]:
        """Volumes of the classes with bounds, by conformal prediction of the error in units of the expected one.

        Args:
            figures: of the result.
            share: of the cases whose true volume is to lie within the bounds.
        """
        bounds = []
        for number, ml in enumerate(figures.volume_ml):
            scores = sorted(
                abs(case.true_ml[number] - case.volume_ml[number])
                / max(case.doubtful_ml[number], _smallest(case, number))
                for case in self.cases
                if case.true_ml
            )
            rank = int(np.ceil((len(scores) + 1) * share - 1e-9))
            promised = 0 < rank <= len(scores)
            factor = scores[rank - 1] if promised else max(scores, default=1.0)
            reach = factor * max(figures.doubtful_ml[number], _smallest(figures, number))
            bounds.append(VolumeBounds(ml, max(0.0, ml - reach), ml + reach, share, promised))
        return tuple(bounds)

    def _calibrated(self, number: int, expected: float) -> float:
        """The Dice of a class, from what the error model expects, by the median difference of the known cases."""
        # A line through few cases estimated worse than what it was to correct (docs/explanation/trials.md).
        pairs = [(case.expected_dice[number], case.dice[number]) for case in self.cases if case.dice]
        differences = [true - expected_dice for expected_dice, true in pairs if true is not None]
        return float(np.clip(expected + np.median(differences), 0.0, 1.0)) if differences else expected

    def _unlike(self, figures: CaseFigures) -> list[str]:
        """Sentences about what no training case was like."""
        sentences = []
        for number, (name, ml) in enumerate(zip(self.names, figures.volume_ml, strict=True)):
            known = np.array([case.true_ml[number] for case in self.cases if case.true_ml and case.true_ml[number] > 0])
            if not _is_plausible(np.log(known), float(np.log(max(ml, 1e-6))), _USUAL_VOLUME_SPREAD):
                sentences.append(
                    f"'{name}' has {ml:.3g} mL; the training cases had {known.min():.3g} to {known.max():.3g}."
                )
        traits = np.array([case.traits for case in self.cases if case.traits]).reshape(-1, len(TRAITS))
        for number, (trait, value) in enumerate(zip(TRAITS, figures.traits, strict=False)):
            if not _is_plausible(traits[:, number], value, _USUAL_TRAIT_SPREAD):
                sentences.append(f"{trait} is not as in the training cases.")
        return sentences


def _is_plausible(known: Array, value: float, usual_spread: float) -> bool:
    return is_plausible(known, value, usual_spread, _PLAUSIBLE_SHARE)


def _smallest(case: CaseFigures, number: int) -> float:
    """The least volume that is held to be in doubt: a thousandth of the class, and of all classes."""
    return 1e-3 * max(case.volume_ml[number], 1e-2 * sum(case.volume_ml), 1e-6)


def _spread(values: Array) -> float:
    lower, upper = np.percentile(values, [10, 90])
    return float(upper - lower)


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
