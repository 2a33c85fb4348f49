"""The rows of both tables of the overlays: how each one is drawn, and the volume of each class.

Volumes are counted from the segments: they are those of what is seen, also after corrections.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, Optional

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract import Label
from coranet.contract.errors import DataError

from ..core.images import size_kji
from ..core.protocols import Scheduler
from ..core.results import LoadedPrediction
from ..core.segment_classes import BINARY_LABELMAP
from ..core.stepwise import Steps, StepwiseWork
from ..core.translation import _
from .overlays import (
    CONSERVATIVE,
    RADICAL,
    RESULT,
    SEGMENT_OVERLAYS,
    UNCERTAIN,
    Appearance,
    Color,
    reason_gone,
    reason_no_result,
)
from .segment_layers import MaskedBox, SegmentLayers
from .uncertainty_map import UncertaintyMap

_LOG = logging.getLogger(__name__)
UNCERTAINTY = "uncertainty"
KINDS = (*SEGMENT_OVERLAYS, UNCERTAINTY)
_SLICES_AT_ONCE = 8


class OverlayColor(NamedTuple):
    """A colour that can be chosen: of which segment, what that is called, and red, green, blue in [0, 1]."""

    key: str
    name: str
    color: Color


@dataclass(frozen=True)
class OverlayRow:
    """One overlay as it is drawn now.

    Attributes:
        kind: one of KINDS.
        text: what a person calls it.
        tool_tip: what it is.
        reason: why nothing of it can be changed; "" if it can.
        visible_2d: drawn in slices.
        visible_3d: drawn in 3D; None where it cannot be.
        opacity: in slices, in [0, 1].
        colors: of its segments; none for the uncertainty map.
    """

    kind: str
    text: str
    tool_tip: str
    reason: str
    visible_2d: bool
    visible_3d: Optional[bool]
    opacity: float
    colors: tuple[OverlayColor, ...] = ()


def overlay_rows(loaded: Optional[LoadedPrediction], shown: UncertaintyMap) -> list[OverlayRow]:
    """How each overlay of a result, and its map, are drawn now, in the order of KINDS."""
    text, tool_tip = _texts()[UNCERTAINTY]
    of_map = OverlayRow(UNCERTAINTY, text, tool_tip, shown.reason, shown.is_visible, None, shown.opacity)
    return [*(_segment_row(loaded, kind) for kind in SEGMENT_OVERLAYS), of_map]


def _segment_row(loaded: Optional[LoadedPrediction], kind: str) -> OverlayRow:
    text, tool_tip = _texts()[kind]
    if loaded is None:
        return OverlayRow(kind, text, tool_tip, reason_no_result(), False, False, 0.0)
    appearance = Appearance(loaded, kind)
    names = {appearance.id_of(label): label.name for label in loaded.labels}
    colors = [OverlayColor(key, names.get(key, text), color) for key, color in appearance.colors.items()]
    reason = "" if appearance.segment_ids else reason_gone()
    drawn = (appearance.is_visible_2d, appearance.is_visible_3d, appearance.opacity)
    return OverlayRow(kind, text, tool_tip, reason, *drawn, tuple(colors))


def _texts() -> dict[str, tuple[str, str]]:
    return {
        RESULT: (_("Result"), _("What the model found.")),
        CONSERVATIVE: (_("Conservative"), _("Surely part of the structure: the lower bound of its volume.")),
        RADICAL: (_("Radical"), _("Possibly part of the structure: the upper bound of its volume.")),
        UNCERTAIN: (_("Uncertain"), _("Where the model is uncertain. Caution makes this region wider or narrower.")),
        UNCERTAINTY: (_("Uncertainty"), _("How uncertain the model is of each voxel, from 0 to 1.")),
    }


@dataclass(frozen=True)
class ClassVolume:
    """Volume of a class with its bounds, each in mL; None where there is no segment to count.

    Attributes:
        name: of the class.
        ml: in the result.
        conservative_ml: of what is this class in the result and in both overlays.
        radical_ml: of what is this class in at least one of them.
        value: label value of the class, by which it is known whatever it is called; 0: it is none.
    """

    name: str
    ml: Optional[float] = None
    conservative_ml: Optional[float] = None
    radical_ml: Optional[float] = None
    value: int = 0


def count_class_volume(loaded: LoadedPrediction, label: Label) -> ClassVolume:
    """Count the voxels of a class: some milliseconds for a large volume.

    An overlay of a class may lie beside its result, where a head gives a voxel to another class: a lesion in an organ.
    So the bounds are counted from all three segments, as in `coranet.inference.result.class_volumes`.
    """
    segments = {kind: found for kind in (RESULT, CONSERVATIVE, RADICAL) if (found := _segment_of(loaded, kind, label))}
    lowest, highest = _bounds_ml(loaded, segments)
    return ClassVolume(
        label.name,
        _ml_of(segments[RESULT]) if RESULT in segments else None,
        lowest if CONSERVATIVE in segments else None,
        highest if RADICAL in segments else None,
        label.value,
    )


def _segment_of(loaded: LoadedPrediction, kind: str, label: Label) -> Optional[Any]:
    appearance = Appearance(loaded, kind)
    identifier = appearance.id_of(label)
    if identifier not in appearance.segment_ids:
        return None
    segment = appearance.node.GetSegmentation().GetSegment(identifier)
    return segment if segment.GetRepresentation(BINARY_LABELMAP) is not None else None


def _ml_of(segment: Any) -> float:
    labelmap = segment.GetRepresentation(BINARY_LABELMAP)
    scalars = labelmap.GetPointData().GetScalars()
    # A segment without any voxel may have lost its image when it was saved.
    count = np.count_nonzero(vtk_to_numpy(scalars) == segment.GetLabelValue()) if scalars is not None else 0
    return float(count * math.prod(labelmap.GetSpacing()) / 1000.0)


def _bounds_ml(loaded: LoadedPrediction, segments: Mapping[str, Any]) -> tuple[float, float]:
    """The volume in mL that all segments have, and that at least one has; else the smallest and largest."""
    if len(segments) < 2 or loaded.volume is None:
        return _smallest_and_largest_ml(segments)
    layers = {kind: SegmentLayers(Appearance(loaded, kind).node, loaded.volume) for kind in segments}
    in_all = in_any = 0
    try:
        depth, *plane = size_kji(loaded.volume)
        # Few slices stay in the cache of the processor.
        for first in range(0, depth, _SLICES_AT_ONCE):
            box = MaskedBox((first, 0, 0), np.broadcast_to(True, (min(_SLICES_AT_ONCE, depth - first), *plane)))
            members = [
                layers[kind].in_box(segment.GetRepresentation(BINARY_LABELMAP), box) == segment.GetLabelValue()
                for kind, segment in segments.items()
            ]
            in_all += int(np.count_nonzero(reduce(np.logical_and, members)))
            in_any += int(np.count_nonzero(reduce(np.logical_or, members)))
    except DataError:
        return _smallest_and_largest_ml(segments)
    voxel_ml = math.prod(loaded.volume.GetSpacing()) / 1000.0
    return in_all * voxel_ml, in_any * voxel_ml


def _smallest_and_largest_ml(segments: Mapping[str, Any]) -> tuple[float, float]:
    volumes = [_ml_of(segment) for segment in segments.values()]
    return min(volumes, default=0.0), max(volumes, default=0.0)


def volumes_table(volumes: Iterable[ClassVolume]) -> str:
    """Volumes as a table with a header, for a spreadsheet: columns between tabs, mL with three decimals."""
    rows = [[_("Structure"), _("Result (mL)"), _("Conservative (mL)"), _("Radical (mL)")]]
    for volume in volumes:
        numbers = (volume.ml, volume.conservative_ml, volume.radical_ml)
        rows.append([volume.name, *("" if ml is None else f"{ml:.3f}" for ml in numbers)])
    return "".join("\t".join(row) + "\n" for row in rows)


class VolumeCounting:
    """Counts between other things; a class that is not counted yet has no numbers."""

    def __init__(self, application: Scheduler, on_change: Callable[[], None]) -> None:
        """`on_change` is called when all is counted."""
        self._loaded: Optional[LoadedPrediction] = None
        self._known: dict[int, ClassVolume] = {}
        self._work = StepwiseWork(application, lambda _problem: on_change())

    def attach(self, loaded: Optional[LoadedPrediction]) -> None:
        """Count a result, from the beginning; until then, the same result has the numbers that it had."""
        if loaded is None or self._loaded is None or loaded.segmentation is not self._loaded.segmentation:
            self._known = {}
        self._loaded = loaded
        self._work.stop()
        if loaded is not None:
            self._work.begin(self._steps(loaded))

    @property
    def is_complete(self) -> bool:
        """Whether all classes are counted."""
        return self._loaded is not None and not self._work.is_busy

    @property
    def volumes(self) -> list[ClassVolume]:
        """All classes in order."""
        labels = self._loaded.labels if self._loaded is not None else ()
        return [self._known.get(label.value, ClassVolume(label.name, value=label.value)) for label in labels]

    def close(self) -> None:
        """Count no more."""
        self._work.stop()

    def _steps(self, loaded: LoadedPrediction) -> Steps:
        for label in loaded.labels:
            try:
                self._known[label.value] = count_class_volume(loaded, label)
            except Exception:  # noqa: BLE001 - one that cannot be counted must not be waited for
                _LOG.exception("the volume of '%s' could not be counted", label.name)
                self._known.pop(label.value, None)
            yield
