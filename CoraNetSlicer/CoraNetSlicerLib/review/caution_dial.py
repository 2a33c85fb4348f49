"""The caution slider: how wide the uncertain region of a result is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Optional

from ..core.deferred import Deferred
from ..core.results import LoadedPrediction
from ..core.translation import _
from .appearance import UNCERTAIN, Appearance
from .caution import FlaggedRegion, draw_uncertain_region, drawn_caution, flagged_region, model_caution
from .overlay_rows import reason_no_map, segment_row
from .segment_layers import MaskedBox

_LOWEST, _HIGHEST = -3.0, 6.0
# Half of what the slider can show.
_SAME = 0.005


class CautionDial:
    """Draws once for many moves of the slider, and says what the region means.

    Attributes:
        is_drawing: whether voxels are being changed by it, which are those of no class.
    """

    def __init__(self, application: Any, on_change: Callable[[], None]) -> None:
        """Have no result yet.

        Args:
            application: as panel.application.Application.
            on_change: called after each change of what is shown.
        """
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
        if not self.reason:
            self._wanted = drawn_caution(loaded)
            self._measure.request()

    @property
    def reason(self) -> str:
        """Why the slider cannot be moved; "" if it can."""
        return reason_no_map(self._loaded) or segment_row(self._loaded, UNCERTAIN).reason

    @property
    def reason_not_resettable(self) -> str:
        """Why there is nothing to reset; "" if there is."""
        return self.reason or ("" if self.is_moved else _("The region is drawn as it was computed."))

    @property
    def value(self) -> float:
        """The caution that is drawn, or will be in a moment: natural logarithm of a cost ratio."""
        return 0.0 if self.reason else self._wanted

    @property
    def model_value(self) -> float:
        """The caution at which the result was computed."""
        return 0.0 if self.reason else model_caution(self._loaded)

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
    def text(self) -> str:
        """What the region that is drawn means."""
        if self.region is None:
            return ""
        flagged = _("Flags {share:.1f} % of the volume, {ml} mL.").format(
            share=100.0 * self.region.share, ml=ml_text(self.region.ml)
        )
        if not self.is_moved:
            return flagged
        kept = _("The outlines stay as they were computed, at {caution:.2f}.").format(caution=self.model_value)
        return f"{flagged} {kept}"

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
        """Draw the region without what somebody has decided about, soon."""
        if not self.reason and (boxes or self._reviewed):
            self._reviewed = boxes
            self._draw.request()

    def close(self) -> None:
        """Draw no more."""
        for deferred in (self._draw, self._measure):
            deferred.close()

    def _draw_now(self) -> None:
        if self.reason:
            return
        # Without a region that was decided it is nearly the same: drawn until its surface is made anew, if it is seen.
        is_same = self._wanted == drawn_caution(self._loaded) and Appearance(self._loaded, UNCERTAIN).is_visible_3d
        self.is_drawing = True
        try:
            self._region = draw_uncertain_region(self._loaded, self._wanted, self._reviewed, keep_surface=is_same)
        finally:
            self.is_drawing = False
        self._on_change()

    def _measure_now(self) -> None:
        if not self.reason and self._region is None:
            self._region = flagged_region(self._loaded, self._reviewed)
            self._on_change()


def ml_text(ml: float) -> str:
    """A volume as a person reads it, with three digits."""
    return f"{ml:.2f}" if ml < 10 else f"{ml:.1f}" if ml < 100 else f"{ml:.0f}"
