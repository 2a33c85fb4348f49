"""What a result says of its errors, kept in the scene and in words: what a caution holds, and how good it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from coranet.contract import CaseDoubt
from coranet.contract.codec import CodecError, to_json
from coranet.contract.doubt import CasePromise, CaseQuality

from ..core.results import LoadedPrediction
from ..core.translation import _

# On the result, so that it is saved with the scene.
DOUBT_ATTRIBUTE = "CoraNetSlicer.Doubt"


def note_doubt(loaded: LoadedPrediction) -> None:
    """Keep in the scene what result.json of a result that was just loaded says of its errors."""
    try:
        doubt = CaseDoubt.of_result(loaded.result)
    except CodecError:
        # What it says of its errors is read wrongly by nobody; all else of the result is good.
        doubt = CaseDoubt()
    text = json.dumps(to_json(doubt)) if doubt != CaseDoubt() else None
    loaded.segmentation.SetAttribute(DOUBT_ATTRIBUTE, text)


def case_doubt(segmentation_node: Any) -> CaseDoubt:
    """What a result in the scene says of its errors; nothing where it was made without an error model."""
    text = segmentation_node.GetAttribute(DOUBT_ATTRIBUTE)
    try:
        return CaseDoubt.of_result(json.loads(text)) if text else CaseDoubt()
    except (CodecError, TypeError, ValueError):
        return CaseDoubt()


def promise_title(promise: CasePromise) -> str:
    """What a caution holds, such as "80 % of the errors: 2.1 % of the volume near"."""
    return _("{share:.0f} % of the errors: {flagged:.1f} % of the volume near").format(
        share=100 * promise.share, flagged=100 * promise.flagged_share
    )


def promise_text(promise: CasePromise, tolerance_mm: float, names: Sequence[str]) -> str:
    """What a caution holds, in sentences, and between which volumes the true ones lie.

    Args:
        promise: what the error model promises there.
        tolerance_mm: less than that from the boundary is no error.
        names: of the structures.
    """
    if promise.is_promised:
        text = _(
            "At least {share:.0f} % of what is wrong by more than {mm:.3g} mm is expected inside (from {cases} cases)."
        )
    else:
        text = _(
            "About {share:.0f} % of what is wrong by more than {mm:.3g} mm is expected inside; {cases} cases are too "
            "few to promise it."
        )
    share = 100 * promise.share
    bounds = [
        _("{name}: {low:.3g} to {high:.3g} mL.").format(name=name, low=low, high=high)
        for name in names
        for low, high in [promise.volume_bounds_ml.get(name, (None, None))]
        if low is not None
    ]
    return " ".join([text.format(share=share, mm=tolerance_mm, cases=promise.cases), *bounds])


def verdict_text(quality: CaseQuality) -> str:
    """How good a result is expected to be, such as "look: Dice about 0.78"."""
    verdicts = {"good": _("good"), "look": _("look"), "poor": _("poor")}
    verdict = verdicts.get(quality.verdict, quality.verdict)
    if quality.dice is None:
        return verdict
    return _("{verdict}: Dice about {dice:.2f}").format(verdict=verdict, dice=quality.dice)


def quality_text(segmentation_node: Any) -> str:
    """Why a result should be looked at, in sentences; "" where it is good, or nobody knows."""
    quality = case_doubt(segmentation_node).quality
    if quality is None or quality.verdict == "good":
        return ""
    first = _("This result is expected to be poor.") if quality.verdict == "poor" else _("Look at this result.")
    return " ".join([first, *quality.reasons])


def with_verdict(text: str, segmentation_node: Any) -> str:
    """What people call a result, with how good it is expected to be."""
    quality = case_doubt(segmentation_node).quality
    return text if quality is None else _("{name} - {verdict}").format(name=text, verdict=verdict_text(quality))
