"""The two bounds where a reviewer has decided: there they follow the result, since nothing is uncertain any more.

What the heads named there is kept at the overlays' node, and saved with the scene, so that undo brings it back.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence

from coranet.contract.errors import DataError

from ..core.results import BOUNDS_ATTRIBUTE, LoadedPrediction, segment_id
from .overlays import CONSERVATIVE, RADICAL
from .review_record import ReviewStep
from .segment_layers import MaskedBox, SegmentLayers


def draw_decided_bounds(loaded: LoadedPrediction, decided: Sequence[MaskedBox]) -> None:
    """Let both bounds be the result where a reviewer has decided, and what the heads named elsewhere.

    Args:
        loaded: the result; bounds that were deleted, or lie on another grid, stay as they are.
        decided: the voxels; they may overlap.
    """
    if loaded.overlays is None or loaded.volume is None:
        return
    bounds = SegmentLayers(loaded.overlays, loaded.volume)
    # The presenter of the overlays makes surfaces anew once the reviewer rests.
    bounds.keeps_surfaces = True
    steps = _kept(loaded)
    try:
        steps = _restored(bounds, steps, decided)
        ids = {segment_id(label, head) for label in loaded.labels for head in (CONSERVATIVE, RADICAL)}
        for box in decided[len(steps) :]:
            before = {identifier: mask for identifier, mask in bounds.read(box).items() if identifier in ids}
            steps.append(ReviewStep.of(0, (None, None), before, {}, box))
        _follow(loaded, bounds, decided)
    except DataError:
        # They were drawn anew on another grid.
        return
    if steps:
        loaded.overlays.SetAttribute(BOUNDS_ATTRIBUTE, f"[{', '.join(step.text for step in steps)}]")
    else:
        loaded.overlays.RemoveAttribute(BOUNDS_ATTRIBUTE)


def _kept(loaded: LoadedPrediction) -> list[ReviewStep]:
    """What the heads named where the bounds follow the result now, in the order in which it was kept."""
    try:
        steps = json.loads(loaded.overlays.GetAttribute(BOUNDS_ATTRIBUTE) or "[]")
        return [ReviewStep.from_dict(step) for step in steps]
    except (AttributeError, KeyError, TypeError, ValueError, zlib.error):
        return []


def _restored(bounds: SegmentLayers, steps: list[ReviewStep], decided: Sequence[MaskedBox]) -> list[ReviewStep]:
    """Bring back what the heads named, up to the first box that is decided no more; returns what is still kept."""
    same = 0
    for step, box in zip(steps, decided, strict=False):
        if step.box is None or not step.box.is_same(box):
            break
        same += 1
    for step in reversed(steps[same:]):
        if step.box is not None:
            bounds.write(step.box, step.members(back=True))
    return steps[:same]


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
