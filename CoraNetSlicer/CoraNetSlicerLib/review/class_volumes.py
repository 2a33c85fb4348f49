"""Volumes of the classes, counted from the segments: they are those of what is seen, also after corrections."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract import Label

from ..core.protocols import Scheduler
from ..core.results import LoadedPrediction
from ..core.stepwise import Deferred
from ..core.translation import _
from .overlays import CONSERVATIVE, RADICAL, RESULT, Appearance

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
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
    counted = []
    for kind in (RESULT, CONSERVATIVE, RADICAL):
        appearance = Appearance(loaded, kind)
        identifier = appearance.id_of(label)
        there = identifier in appearance.segment_ids
        counted.append(_segment_ml(appearance.node.GetSegmentation().GetSegment(identifier)) if there else None)
    return ClassVolume(label.name, *counted, label.value)


def _segment_ml(segment: Any) -> Optional[float]:
    labelmap = segment.GetRepresentation(_BINARY_LABELMAP)
    if labelmap is None:
        return None
    scalars = labelmap.GetPointData().GetScalars()
    # A segment without any voxel may have lost its image when it was saved.
    count = np.count_nonzero(vtk_to_numpy(scalars) == segment.GetLabelValue()) if scalars is not None else 0
    return float(count * math.prod(labelmap.GetSpacing()) / 1000.0)


def narrowed_volumes(
    volumes: Mapping[int, ClassVolume],
    labels: Sequence[Label],
    decided: Sequence[tuple[Mapping[str, np.ndarray], np.ndarray]],
    volume_node: Any,
) -> list[ClassVolume]:
    """The volume of each class with its bounds, decided regions counting as what they are now.

    Args:
        volumes: by label value, of the classes before the first decision.
        labels: the classes.
        decided: of each decided region, the label values of its voxels: by choice, and as they are now; flat.
        volume_node: gives the size of a voxel.
    """
    voxel_ml = math.prod(volume_node.GetSpacing()) / 1000.0
    return [_narrowed(volumes[label.value], label, decided, voxel_ml) for label in labels if label.value in volumes]


def _narrowed(
    volume: ClassVolume, label: Label, decided: Sequence[tuple[Mapping[str, np.ndarray], np.ndarray]], voxel_ml: float
) -> ClassVolume:
    def after(ml: Optional[float], head: str) -> Optional[float]:
        if ml is None:
            return None
        counts = ((_count(now, label), _count(labels[head], label)) for labels, now in decided)
        more = sum(after - before for after, before in counts)
        return ml + more * voxel_ml

    return ClassVolume(
        label.name, after(volume.ml, "keep"), after(volume.conservative_ml, "conservative"),
        after(volume.radical_ml, "radical"), label.value,
    )  # fmt: skip


def _count(values: np.ndarray, label: Label) -> int:
    return int(np.count_nonzero(values == label.value))


def narrowed(volume: ClassVolume, bounds: Mapping[int, ClassVolume]) -> ClassVolume:
    """A volume as it was counted, with the bounds that a review has left of it.

    Args:
        volume: of a class.
        bounds: by label value of the class; a class that is not there has the bounds that were counted.
    """
    narrower = bounds.get(volume.value)
    if narrower is None or volume.ml is None:
        return volume
    return replace(volume, conservative_ml=narrower.conservative_ml, radical_ml=narrower.radical_ml)


def volumes_table(volumes: Iterable[ClassVolume]) -> str:
    """Volumes as a table with a header, for a spreadsheet: columns between tabs, mL with three decimals."""
    rows = [(_("Structure"), _("Result (mL)"), _("Conservative (mL)"), _("Radical (mL)"))]
    for volume in volumes:
        numbers = (volume.ml, volume.conservative_ml, volume.radical_ml)
        rows.append((volume.name, *("" if ml is None else f"{ml:.3f}" for ml in numbers)))
    return "".join("\t".join(row) + "\n" for row in rows)


class VolumeCounting:
    """Counts between other things; a class that is not counted yet has no numbers."""

    def __init__(self, application: Scheduler, on_change: Callable[[], None]) -> None:
        """Have nothing to count.

        Args:
            application: does things later.
            on_change: called when all is counted.
        """
        self._on_change = on_change
        self._loaded: Optional[LoadedPrediction] = None
        self._counted: list[ClassVolume] = []
        self._before: list[ClassVolume] = []
        self._count = Deferred(application, self._count_next)

    def attach(self, loaded: Optional[LoadedPrediction]) -> None:
        """Count a result, from the beginning; until then, the same result has the numbers that it had."""
        is_same = self._loaded is not None and loaded is not None and loaded.segmentation is self._loaded.segmentation
        self._before = [*self._counted, *self._before[len(self._counted) :]] if is_same else []
        self._loaded = loaded
        self._counted = []
        self._count.request()

    @property
    def is_complete(self) -> bool:
        """Whether all classes are counted."""
        return self._loaded is not None and len(self._counted) == len(self._loaded.labels)

    @property
    def volumes(self) -> list[ClassVolume]:
        """All classes in order."""
        labels = self._loaded.labels if self._loaded is not None else ()
        known = {volume.value: volume for volume in [*self._before, *self._counted]}
        return [known.get(label.value, ClassVolume(label.name, None, None, None, label.value)) for label in labels]

    def close(self) -> None:
        """Count no more."""
        self._count.close()

    def _count_next(self) -> None:
        if self._loaded is None or self.is_complete:
            return
        label = self._loaded.labels[len(self._counted)]
        try:
            self._counted.append(count_class_volume(self._loaded, label))
        except Exception:  # noqa: BLE001 - one that cannot be counted must not be waited for
            _LOG.exception("the volume of '%s' could not be counted", label.name)
            self._counted.append(ClassVolume(label.name, None, None, None, label.value))
        if self.is_complete:
            self._on_change()
        else:
            self._count.request()
