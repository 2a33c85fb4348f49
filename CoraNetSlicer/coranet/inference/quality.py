"""Will this result be good? What the error model expects, where there is one, and how like the training the case is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..contract import CaseDoubt, CaseQuality, ErrorModelCard, Label
from ..contract.events import Warned
from ..data.class_indices import value_counts
from ..error_model import Quality
from ..error_model.quality import GOOD, LOOK, POOR
from ..plausibility.reference import Reference
from ..plausibility.traits import CaseTraits, Measurement
from ..volume import Grid
from .doubt import Segmented
from .prediction import Prediction

# Of warnings of results that cannot be trusted.
QUALITY_CODES = UNLIKE_TRAINING, POOR_RESULT = "unlike_training", "poor_result"
# Networks are overconfident: of 628 results of trained models the lowest confidence was 0.65, at a Dice of 0.51.
_LEAST_CONFIDENCE = 0.7
_LESS_SURE = "The network is less sure of it than of four in five scans of its training."


@dataclass(frozen=True)
class ExpectedQuality:
    """The expected quality of a result before anyone looks at it.

    Attributes:
        quality: for `result.json`.
        unlike: in what it is unlike the training, in sentences; they are among the reasons of `quality`.
    """

    quality: CaseQuality
    unlike: tuple[str, ...] = ()

    def warning(self, case_id: str) -> Warned | None:
        """Warnings for a result that is expected to be poor, or a scan that is unlike those of the training.

        A result that is worth a look, as a fifth of all are, is ranked before the others, not warned of.
        """
        reasons = " ".join(self.quality.reasons)
        if self.unlike:
            return Warned(UNLIKE_TRAINING, f"'{case_id}' is unlike the scans of the training: {reasons}")
        if self.quality.verdict == POOR:
            return Warned(POOR_RESULT, f"the result of '{case_id}' is probably poor: {reasons}")
        return None


def case_doubt(
    segmented: Segmented,
    grid: Grid,
    labels: Sequence[Label],
    card: ErrorModelCard | None,
    reference: Reference | None,
    with_quality: bool = True,
) -> tuple[CaseDoubt, ExpectedQuality | None]:
    """The doubt of a result: what is promised of the uncertain region, and how good it is expected to be.

    Args:
        segmented: the result.
        grid: of the scan.
        labels: of the classes.
        card: of the error model, where there is one.
        reference: as for `expected_quality`.
        with_quality: whether to estimate the latter.
    """  # fmt: skip
    doubt = CaseDoubt()
    if segmented.doubt is not None and card is not None:
        doubt = segmented.doubt.of_case(segmented.prediction, grid, labels, card)
    expected = expected_quality(segmented, grid, labels, reference) if with_quality else None
    return (doubt if expected is None else replace(doubt, quality=expected.quality)), expected


def expected_quality(
    segmented: Segmented, grid: Grid, labels: Sequence[Label], reference: Reference | None
) -> ExpectedQuality | None:
    """How good a result is expected to be.

    Args:
        segmented: the result.
        grid: of the scan.
        labels: of the classes.
        reference: what the scans of the training were like; None: the model is of an earlier version.

    Returns:
        None where the model has neither a reference nor an error model, or the latter found nothing.
    """
    if reference is None or segmented.measurement is None:
        by_errors = None if segmented.doubt is None else segmented.doubt.quality()
        return None if by_errors is None else _by_errors(by_errors)
    traits = measured_traits(segmented.measurement, segmented.prediction, grid, labels)
    by_reference = quality_by_reference(traits, reference)
    by_errors = None if segmented.doubt is None else segmented.doubt.quality(by_reference.unlike)
    return by_reference if by_errors is None else _by_errors(by_errors, by_reference.quality)


def quality_by_reference(traits: CaseTraits, reference: Reference) -> ExpectedQuality:
    """How good a result is expected to be without an error model.

    Args:
        traits: of the case.
        reference: what the scans of the training were like.
    """
    implausible = reference.implausible(traits)
    reasons = implausible.sentences
    if not implausible.of_result and reference.is_less_sure(traits.confidence):
        reasons = (_LESS_SURE, *reasons)
    # A model that has learned too little is as unsure of the scans of its training.
    is_unsure = traits.confidence is not None and traits.confidence < _LEAST_CONFIDENCE
    if is_unsure and not implausible.of_result:
        reasons = (f"The network itself expects a Dice of no more than {traits.confidence:.2f}.", *reasons)
    verdict = POOR if implausible.of_result or is_unsure else LOOK if reasons else GOOD
    return ExpectedQuality(CaseQuality(None, verdict, reasons, traits.confidence), implausible.sentences)


def _by_errors(quality: Quality, by_reference: CaseQuality | None = None) -> ExpectedQuality:
    """The quality by the error model, and by the reference if there is one."""
    if by_reference is None:
        return ExpectedQuality(CaseQuality(quality.mean_dice, quality.verdict, quality.reasons), quality.unlike)
    verdict = POOR if by_reference.verdict == POOR else quality.verdict
    reasons = quality.reasons or (by_reference.reasons if verdict == POOR else ())
    return ExpectedQuality(CaseQuality(quality.mean_dice, verdict, reasons, by_reference.confidence), quality.unlike)


def measured_traits(
    measurement: Measurement, prediction: Prediction, grid: Grid, labels: Sequence[Label]
) -> CaseTraits:
    """What was measured of a scan, with the volumes of the result."""
    counts, values = value_counts(prediction.segmentation), [label.value for label in labels]
    volumes = [float(counts[value] * grid.voxel_ml) if value < len(counts) else 0.0 for value in values]
    return measurement.traits(volumes)
