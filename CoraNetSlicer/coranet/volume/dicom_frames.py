"""Frames of an enhanced DICOM file, each with a place of its own; they are stored in any order.

Source: DICOM PS3.3, C.7.6.16 (multi-frame functional groups) and C.8.8.3 (frame offsets of a dose).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..contract.errors import DataError
from .dicom_header import (
    Slice,
    axes_of,
    compression_of,
    feature,
    position_of,
    scale_of,
    series_of,
    spacing_of,
    study_of,
    title_of,
    values_of,
)

if TYPE_CHECKING:
    from pydicom import Dataset

# (sequence of the functional groups, element, what it is called by `dicom_slices.FEATURES`).
_FEATURES = (
    ("MREchoSequence", "EffectiveEchoTime", "echo time"),
    ("MRDiffusionSequence", "DiffusionBValue", "b-value"),
    ("FrameContentSequence", "TemporalPositionIndex", "temporal position"),
    ("CTXRayDetailsSequence", "KVP", "tube voltage"),
    ("CTImageFrameTypeSequence", "FrameType", "kind of image"),
    ("MRImageFrameTypeSequence", "FrameType", "kind of image"),
    ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase", "cardiac phase"),
    ("MRModifierSequence", "InversionTimes", "inversion time"),
    ("FrameContentSequence", "StackID", "stack"),
    ("FrameContentSequence", "FrameAcquisitionNumber", "acquisition"),
)


def read_frames(path: Path, header: Dataset) -> list[Slice]:
    """The slices of a file of several frames.

    Args:
        path: the file.
        header: of it.

    Raises:
        DataError: it is a segmentation, or does not say how large its voxels are.
    """
    if int(header.get("BitsAllocated") or 0) == 1 or header.get("Modality") == "SEG":
        raise DataError(
            f"'{path}' is a DICOM segmentation, expected an image; load it in Slicer and save its segmentation as a "
            "label map."
        )
    count = int(header.get("NumberOfFrames") or 1)
    groups = list(header.get("PerFrameFunctionalGroupsSequence") or [])
    if groups and len(groups) != count:
        raise DataError(
            f"'{path}' has {count} frames, but gives the position of {len(groups)}; export the series again."
        )
    frames = [_Frame(header, group) for group in groups] or [_Frame(header, None) for _ in range(count)]
    offsets = [] if groups else values_of(header.get("GridFrameOffsetVector"))
    slices = [_slice(path, number, frame, offsets) for number, frame in enumerate(frames)]
    is_one_scale = len({dicom_slice.rescale for dicom_slice in slices}) == 1
    return slices if is_one_scale else [replace(dicom_slice, has_own_scale=True) for dicom_slice in slices]


class _Frame:
    """The elements of a frame: in its own functional groups, in those of all frames, or in the file itself."""

    def __init__(self, header: Dataset, own: Dataset | None) -> None:
        self.header = header
        shared = header.get("SharedFunctionalGroupsSequence")
        self._groups = [group for group in (own, shared[0] if shared else None) if group is not None]

    def element(self, sequence: str, keyword: str) -> Any:
        """An element of a functional group; None where there is none."""
        for group in self._groups:
            items = group.get(sequence)
            if items and items[0].get(keyword) is not None:
                return items[0].get(keyword)
        return None

    def element_or_own(self, sequence: str, keyword: str) -> Any:
        """The same, or the value for all frames of the file."""
        value = self.element(sequence, keyword)
        return self.header.get(keyword) if value is None else value

    def features(self) -> Iterator[tuple[str, Any]]:
        """The features that distinguish images of the file."""
        for sequence, keyword, name in _FEATURES:
            value = self.element(sequence, keyword)
            if value is not None and value != "":
                yield name, feature(value)


def _slice(path: Path, index: int, frame: _Frame, offsets: list[str]) -> Slice:
    header = frame.header
    axes = axes_of(path, frame.element_or_own("PlaneOrientationSequence", "ImageOrientationPatient"))
    position = position_of(path, frame.element_or_own("PlanePositionSequence", "ImagePositionPatient"))
    if offsets and axes and position is not None:
        shift = np.cross(axes[:3], axes[3:]) * (float(offsets[index]) - float(offsets[0]))
        position = tuple((np.array(position) + shift).tolist())
    slope = frame.element_or_own("PixelValueTransformationSequence", "RescaleSlope")
    intercept = frame.element_or_own("PixelValueTransformationSequence", "RescaleIntercept")
    features = dict(frame.features())
    return Slice(
        path=path,
        frame=index,
        series=series_of(header),
        study=study_of(header),
        title=title_of(header),
        size=(int(header.Columns), int(header.Rows)),
        spacing_mm=spacing_of(path, frame.element_or_own("PixelMeasuresSequence", "PixelSpacing")),
        position_mm=position,
        axes=axes,
        features=features,
        is_localizer="LOCALIZER" in str(features.get("kind of image", header.get("ImageType", ""))),
        rescale=scale_of(path, slope, intercept),
        compression=compression_of(header),
    )
