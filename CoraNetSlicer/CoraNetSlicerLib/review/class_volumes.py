"""Volumes of the classes, counted from the segments: they are those of what is seen, also after corrections."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract import Label

from ..core.results import LoadedPrediction
from .appearance import CONSERVATIVE, RADICAL, RESULT, Appearance

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()


@dataclass(frozen=True)
class ClassVolume:
    """Volume of a class with its bracket, each in mL; None where there is no segment to count.

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
