"""Volumes of the classes, counted from the segments: they are those of what is seen, also after corrections."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract import Label

from ..core.protocols import Scheduler
from ..core.results import LoadedPrediction
from ..core.segment_classes import BINARY_LABELMAP
from ..core.stepwise import Steps, StepwiseWork
from ..core.translation import _
from .overlays import CONSERVATIVE, RADICAL, RESULT, Appearance

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassVolume:
    """Volume of a class with its bounds, each in mL; None where there is no segment to count.

    Attributes:
        name: of the class.
        ml: in the result.
        conservative_ml, radical_ml: in the overlays.
        value: label value of the class, by which it is known whatever it is called; 0: it is none.
    """

    name: str
    ml: Optional[float]
    conservative_ml: Optional[float]
    radical_ml: Optional[float]
    value: int = 0


def count_class_volume(loaded: LoadedPrediction, label: Label) -> ClassVolume:
    """Count the voxels of a class: some milliseconds for a large volume."""
    result, conservative, radical = (
        _ml_of(Appearance(loaded, kind), label) for kind in (RESULT, CONSERVATIVE, RADICAL)
    )
    return ClassVolume(label.name, result, conservative, radical, label.value)


def _ml_of(appearance: Appearance, label: Label) -> Optional[float]:
    identifier = appearance.id_of(label)
    is_there = identifier in appearance.segment_ids
    return _segment_ml(appearance.node.GetSegmentation().GetSegment(identifier)) if is_there else None


def _segment_ml(segment: Any) -> Optional[float]:
    labelmap = segment.GetRepresentation(BINARY_LABELMAP)
    if labelmap is None:
        return None
    scalars = labelmap.GetPointData().GetScalars()
    # A segment without any voxel may have lost its image when it was saved.
    count = np.count_nonzero(vtk_to_numpy(scalars) == segment.GetLabelValue()) if scalars is not None else 0
    return float(count * math.prod(labelmap.GetSpacing()) / 1000.0)


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
        """Have nothing to count.

        Args:
            application: does things later.
            on_change: called when all is counted.
        """
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
        return [self._known.get(label.value, _unknown(label)) for label in labels]

    def close(self) -> None:
        """Count no more."""
        self._work.stop()

    def _steps(self, loaded: LoadedPrediction) -> Steps:
        for label in loaded.labels:
            try:
                self._known[label.value] = count_class_volume(loaded, label)
            except Exception:  # noqa: BLE001 - one that cannot be counted must not be waited for
                _LOG.exception("the volume of '%s' could not be counted", label.name)
                self._known[label.value] = _unknown(label)
            yield


def _unknown(label: Label) -> ClassVolume:
    return ClassVolume(label.name, None, None, None, label.value)
