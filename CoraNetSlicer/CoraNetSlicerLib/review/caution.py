"""What is uncertain in a result: as its caution says, without what is decided; and the dial that sets the caution."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Optional

import numpy as np

from coranet.contract import CaseDoubt
from coranet.contract.codec import CodecError, from_json, to_json
from coranet.contract.doubt import HEADS, CasePromise, CaseQuality, uncertainty_threshold
from coranet.contract.errors import DataError

from ..core.images import voxels_of
from ..core.protocols import Scheduler
from ..core.results import BOUNDS_ATTRIBUTE, UNCERTAIN_SEGMENT, LoadedPrediction, segment_id, verdict_name
from ..core.stepwise import Deferred
from ..core.translation import _
from .overlays import CONSERVATIVE, RADICAL, UNCERTAIN, Appearance, reason_gone, reason_no_map
from .review_record import ReviewStep
from .segment_layers import MaskedBox, SegmentLayers

# On the overlays node, so that they are saved with the scene; result.json stays where the job was.
MODEL_CAUTION_ATTRIBUTE = "CoraNetSlicer.ModelCaution"
DRAWN_CAUTION_ATTRIBUTE = "CoraNetSlicer.DrawnCaution"
# A factor of the costs of 10^43; the map holds 0 or 1 long before.
LARGEST_CAUTION = 100
_LOWEST, _HIGHEST = -3.0, 6.0
# Half of what the slider can show.
_SAME = 0.005
# Rounded to one digit after the point, it would be 1.0.
_EVEN = 1.05
# On the result, so that it is saved with the scene.
DOUBT_ATTRIBUTE = "CoraNetSlicer.Doubt"


class FlaggedRegion(NamedTuple):
    """How much a caution flags: as a share of all voxels, in [0, 1], and in mL."""

    share: float
    ml: float


def note_caution(loaded: LoadedPrediction) -> None:
    """Keep in the scene at which caution a result that was just loaded was computed, and so is drawn."""
    caution = repr(float(loaded.result.get("caution") or 0.0))
    loaded.overlays.SetAttribute(MODEL_CAUTION_ATTRIBUTE, caution)
    loaded.overlays.SetAttribute(DRAWN_CAUTION_ATTRIBUTE, caution)


def model_caution(loaded: LoadedPrediction) -> float:
    """The caution at which a result was computed; 0, as the heads were trained, if unknown."""
    return _noted(loaded, MODEL_CAUTION_ATTRIBUTE, 0.0)


def drawn_caution(loaded: LoadedPrediction) -> float:
    """The caution at which the uncertain region is drawn now."""
    return _noted(loaded, DRAWN_CAUTION_ATTRIBUTE, model_caution(loaded))


def draw_uncertain_region(
    loaded: LoadedPrediction, caution: float, reviewed: Iterable[MaskedBox] = (), keep_surface: bool = False
) -> FlaggedRegion:
    """Draw the uncertain region for another caution; its surface, which is of the one before, goes.

    Args:
        loaded: the result; it has its overlays and its uncertainty map.
        caution: natural logarithm of a cost ratio; more flags more.
        reviewed: decided voxels, which are uncertain no more.
        keep_surface: draw the surface of before until another one is made, which the caller sees to.

    Raises:
        DataError: the caution is out of range, or not a number.
    """
    if not abs(caution) <= LARGEST_CAUTION:
        raise DataError(
            f"the caution must lie from {-LARGEST_CAUTION} to {LARGEST_CAUTION}, got {caution}; choose another."
        )
    flagged = _flagged(loaded, caution, reviewed)
    layers = SegmentLayers(loaded.overlays, loaded.uncertainty)
    layers.keeps_surfaces = keep_surface
    layers.write_whole(UNCERTAIN_SEGMENT, flagged)
    loaded.overlays.SetAttribute(DRAWN_CAUTION_ATTRIBUTE, repr(float(caution)))
    return _flagged_region(flagged, loaded.uncertainty)


def flagged_region(loaded: LoadedPrediction, reviewed: Iterable[MaskedBox] = ()) -> FlaggedRegion:
    """What is flagged at the caution that is drawn, without decided voxels."""
    return _flagged_region(_flagged(loaded, drawn_caution(loaded), reviewed), loaded.uncertainty)


def _flagged(loaded: LoadedPrediction, caution: float, reviewed: Iterable[MaskedBox]) -> np.ndarray:
    """(k, j, i), bool."""
    flagged = np.asarray(voxels_of(loaded.uncertainty.GetImageData()) >= np.float32(uncertainty_threshold(caution)))
    for box in reviewed:
        flagged[box.slices][box.mask] = False
    return flagged


def _flagged_region(flagged: np.ndarray, volume_node: Any) -> FlaggedRegion:
    count = int(np.count_nonzero(flagged))
    voxel_ml = math.prod(volume_node.GetSpacing()) / 1000.0
    return FlaggedRegion(share=count / flagged.size, ml=count * voxel_ml)


def draw_decided_bounds(loaded: LoadedPrediction, decided: Sequence[MaskedBox]) -> None:
    """Let both bounds be the result where a reviewer has decided, and what the heads named elsewhere.

    There nothing is uncertain any more. What the heads named is kept at the overlays' node, and saved with the scene,
    so that undo brings it back. Bounds that were deleted, or lie on another grid, stay as they are.
    """
    if loaded.overlays is None or loaded.volume is None:
        return
    bounds = SegmentLayers(loaded.overlays, loaded.volume)
    # The presenter of the overlays makes surfaces anew once the reviewer rests.
    bounds.keeps_surfaces = True
    try:
        steps = _restored(bounds, _kept(loaded), decided)
        ids = {segment_id(label, head) for label in loaded.labels for head in (CONSERVATIVE, RADICAL)}
        for box in decided[len(steps) :]:
            before = {identifier: mask for identifier, mask in bounds.read(box).items() if identifier in ids}
            steps.append(ReviewStep.of(0, (None, None), (before, {}), box))
        _follow(loaded, bounds, decided)
    except DataError:
        # They were drawn anew on another grid.
        return
    if steps:
        loaded.overlays.SetAttribute(BOUNDS_ATTRIBUTE, f"[{', '.join(step.text for step in steps)}]")
    else:
        loaded.overlays.RemoveAttribute(BOUNDS_ATTRIBUTE)


def _kept(loaded: LoadedPrediction) -> list[tuple[ReviewStep, MaskedBox]]:
    """What the heads named where the bounds follow the result now, in the order in which it was kept."""
    with suppress(ValueError, zlib.error):
        steps = from_json(list[ReviewStep], json.loads(loaded.overlays.GetAttribute(BOUNDS_ATTRIBUTE) or "[]"))
        return [(step, step.box.unpacked()) for step in steps if step.box is not None]
    return []


def _restored(
    bounds: SegmentLayers, kept: list[tuple[ReviewStep, MaskedBox]], decided: Sequence[MaskedBox]
) -> list[ReviewStep]:
    """Bring back what the heads named, up to the first box that is decided no more; returns what is still kept."""
    same = 0
    for (_step, box), other in zip(kept, decided, strict=False):
        if box.first_kji != other.first_kji or not np.array_equal(box.mask, other.mask):
            break
        same += 1
    for step, box in reversed(kept[same:]):
        bounds.write(box, step.members(back=True))
    return [step for step, _box in kept[:same]]


def _follow(loaded: LoadedPrediction, bounds: SegmentLayers, decided: Sequence[MaskedBox]) -> None:
    result = SegmentLayers(loaded.segmentation, loaded.volume)
    for box in decided:
        now = result.read(box)
        members = {
            segment_id(label, head): now[segment_id(label)]
            for label in loaded.labels
            for head in (CONSERVATIVE, RADICAL)
            if segment_id(label) in now
        }
        bounds.write(box, members)


def _noted(loaded: LoadedPrediction, attribute: str, default: float) -> float:
    text = loaded.overlays.GetAttribute(attribute) if loaded.overlays is not None else None
    with suppress(ValueError):
        return float(text or default)
    return default


class CautionDial:
    """Draws once for many moves of the slider, and explains the region.

    Attributes:
        is_drawing: whether voxels are being changed by it, which are those of no class.
    """

    def __init__(self, application: Scheduler, on_change: Callable[[], None]) -> None:
        """`on_change` is called after each change of what is shown."""
        self.is_drawing = False
        self._on_change = on_change
        self._loaded: Optional[LoadedPrediction] = None
        self._wanted = 0.0
        self._region: Optional[FlaggedRegion] = None
        self._reviewed: Sequence[MaskedBox] = ()
        self._draw = Deferred(application, self._draw_now)
        self._measure = Deferred(application, self._measure_now)

    def attach(self, loaded: Optional[LoadedPrediction]) -> None:
        """Take a result, or none."""
        self._loaded = loaded
        self._region = None
        self._reviewed = ()
        if loaded is not None and not self.reason:
            self._wanted = drawn_caution(loaded)
            self._measure.request()

    @property
    def reason(self) -> str:
        """Why the slider cannot be moved; "" if it can."""
        no_map, loaded = reason_no_map(self._loaded), self._loaded
        return no_map or ("" if loaded and Appearance(loaded, UNCERTAIN).segment_ids else reason_gone())

    @property
    def _drawable(self) -> Optional[LoadedPrediction]:
        """The result, if its region can be drawn."""
        return None if self.reason else self._loaded

    @property
    def reason_not_resettable(self) -> str:
        """Why there is nothing to reset; "" if there is."""
        return self.reason or ("" if self.is_moved else _("The region is shown as it was computed."))

    @property
    def value(self) -> float:
        """The caution that is drawn, or will be in a moment: natural logarithm of a cost ratio."""
        return 0.0 if self.reason else self._wanted

    @property
    def model_value(self) -> float:
        """The caution at which the result was computed."""
        loaded = self._drawable
        return 0.0 if loaded is None else model_caution(loaded)

    @property
    def range(self) -> tuple[float, float]:
        """From where to where the slider goes; the model's own caution is always on it."""
        points = (self.model_value, self.value)
        return min(_LOWEST, *map(math.floor, points)), max(_HIGHEST, *map(math.ceil, points))

    @property
    def region(self) -> Optional[FlaggedRegion]:
        """What is flagged; None until it is counted."""
        return None if self.reason else self._region

    @property
    def offers(self) -> list[str]:
        """Cautions in words, by what they hold of the errors; [] where the result promises nothing."""
        return [promise_title(promise) for promise in self._promises]

    @property
    def offer(self) -> int:
        """Which of the offers is drawn; -1: none of them."""
        near = [abs(promise.caution - self.value) <= _SAME for promise in self._promises]
        return near.index(True) if True in near else -1

    def choose(self, offer: int) -> None:
        """Draw the region of an offer."""
        self.set(self._promises[offer].caution)

    @property
    def _promises(self) -> tuple[CasePromise, ...]:
        loaded = self._drawable
        return () if loaded is None else case_doubt(loaded.segmentation).promises

    @property
    def text(self) -> str:
        """What the caution means, and what it flags."""
        loaded = self._drawable
        if loaded is None or self.region is None:
            return ""
        flags = _("Flags {share:.1f} % of the volume, {ml} mL.").format(
            share=100.0 * self.region.share, ml=ml_text(self.region.ml)
        )
        texts = [self._meaning(loaded), flags]
        if self.is_moved:
            note = _("The outlines stay as computed, at caution {caution:.2f}.")
            texts.append(note.format(caution=self.model_value))
        return " ".join(text for text in texts if text)

    def _meaning(self, loaded: LoadedPrediction) -> str:
        doubt = case_doubt(loaded.segmentation)
        if self.offer < 0:
            # Of an error model the costs of the heads say nothing.
            return _cost_text(self._wanted) if doubt.doubt == HEADS else ""
        names = [label.name for label in loaded.labels]
        return promise_text(doubt.promises[self.offer], doubt.tolerance_mm or 0.0, names)

    @property
    def is_moved(self) -> bool:
        """Whether the region is drawn for another caution than the result was computed at."""
        return not self.reason and abs(self._wanted - self.model_value) > _SAME

    def set(self, caution: float) -> None:
        """Draw the region for another caution, soon."""
        if self.reason or caution == self._wanted:
            return
        self._wanted = caution
        self._draw.request()

    def reset(self) -> None:
        """Draw the region as it was computed."""
        self.set(self.model_value)

    def set_reviewed(self, boxes: Sequence[MaskedBox]) -> None:
        """Draw the region without decided voxels, soon."""
        if not self.reason and (boxes or self._reviewed):
            self._reviewed = boxes
            self._draw.request()

    def close(self) -> None:
        """Draw no more."""
        for deferred in (self._draw, self._measure):
            deferred.close()

    def _draw_now(self) -> None:
        loaded = self._drawable
        if loaded is None:
            return
        # Without a region that was decided it is nearly the same: drawn until its surface is made anew, if it is seen.
        is_same = self._wanted == drawn_caution(loaded) and Appearance(loaded, UNCERTAIN).is_visible_3d
        self.is_drawing = True
        try:
            self._region = draw_uncertain_region(loaded, self._wanted, self._reviewed, keep_surface=is_same)
        finally:
            self.is_drawing = False
        self._on_change()

    def _measure_now(self) -> None:
        loaded = self._drawable
        if loaded is not None and self._region is None:
            self._region = flagged_region(loaded, self._reviewed)
            self._on_change()


def _cost_text(caution: float) -> str:
    """A caution in words: it is the logarithm of how much more a missed error costs than a false alarm."""
    times = math.exp(abs(caution))
    if times < _EVEN:
        return _("A missed error weighs as much as a false alarm.")
    number = f"{times:.1f}" if times < 10 else f"{times:.0f}"
    if caution > 0:
        return _("A missed error weighs as much as {times} false alarms.").format(times=number)
    return _("A false alarm weighs as much as {times} missed errors.").format(times=number)


def ml_text(ml: float) -> str:
    """A volume as a person reads it, with three digits."""
    return f"{ml:.2f}" if ml < 10 else f"{ml:.1f}" if ml < 100 else f"{ml:.0f}"


def note_doubt(loaded: LoadedPrediction) -> None:
    """Keep in the scene the expected errors from result.json of a result that was just loaded."""
    try:
        doubt = CaseDoubt.of_result(loaded.result)
    except CodecError:
        # Damaged expected errors are dropped; all else of the result is good.
        doubt = CaseDoubt()
    text = json.dumps(to_json(doubt)) if doubt != CaseDoubt() else None
    loaded.segmentation.SetAttribute(DOUBT_ATTRIBUTE, text)


def case_doubt(segmentation_node: Any) -> CaseDoubt:
    """The expected errors of a result in the scene; none where it was made without an error model."""
    text = segmentation_node.GetAttribute(DOUBT_ATTRIBUTE)
    try:
        return CaseDoubt.of_result(json.loads(text)) if text else CaseDoubt()
    except (CodecError, TypeError, ValueError):
        return CaseDoubt()


def promise_title(promise: CasePromise) -> str:
    """What a caution holds, such as "80 % of the errors: 2.1 % nearby"."""
    return _("{share:.0f} % of the errors: {flagged:.1f} % nearby").format(
        share=100 * promise.share, flagged=100 * promise.flagged_share
    )


def promise_text(promise: CasePromise, tolerance_mm: float, names: Sequence[str]) -> str:
    """What a caution holds, in sentences, and between which volumes the true ones of some structures lie."""
    if promise.promised is None:
        text = _("About {share:.0f} % of the errors deeper than {mm:.3g} mm are expected inside; nothing is promised.")
    else:
        text = _(
            "About {share:.0f} % of the errors deeper than {mm:.3g} mm are expected inside; at least "
            "{promised:.0f} % is promised (from {cases} cases)."
        )
    numbers = {"share": 100 * promise.share, "promised": 100 * (promise.promised or 0), "mm": tolerance_mm}
    bounds = [
        _("{name}: {low:.3g} to {high:.3g} mL.").format(name=name, low=low, high=high)
        for name in names
        for low, high in [promise.volume_bounds_ml.get(name, (None, None))]
        if low is not None
    ]
    return " ".join([text.format(**numbers, cases=promise.cases), *bounds])


def verdict_text(quality: CaseQuality) -> str:
    """How good a result is expected to be, such as "look: Dice about 0.78"."""
    verdict = verdict_name(quality.verdict)
    if quality.dice is None:
        return verdict
    return _("{verdict}: Dice about {dice:.2f}").format(verdict=verdict, dice=quality.dice)


def quality_text(segmentation_node: Any) -> str:
    """Why a result should be looked at, in sentences; "" where it is good, or unknown."""
    quality = case_doubt(segmentation_node).quality
    if quality is None or quality.verdict == "good":
        return ""
    first = _("This result is expected to be poor.") if quality.verdict == "poor" else _("Check this result.")
    return " ".join([first, *quality.reasons])


def with_verdict(text: str, segmentation_node: Any) -> str:
    """What people call a result, with how good it is expected to be."""
    quality = case_doubt(segmentation_node).quality
    return text if quality is None else _("{name} - {verdict}").format(name=text, verdict=verdict_text(quality))
