"""Small DICOM series, written with pydicom, as well made or as odd as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
)

from coranet.volume import Volume, noted_by, read_grid, read_image

AXES = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SPACING = (1.0, 1.25, 2.0)
SIZE = (6, 5, 4)


def voxels(slices: int = 7, seed: int = 0) -> np.ndarray:
    """(k, j, i), int16."""
    return np.random.default_rng(seed).integers(-1000, 1000, (slices, SIZE[1], SIZE[0])).astype(np.int16)


def positions(slices: int = 7, step_mm: float = SPACING[2], origin: Sequence[float] = (-3.0, 4.0, 10.0)) -> list:
    return [(origin[0], origin[1], origin[2] + step_mm * k) for k in range(slices)]


# Most tests write the same slices: each is made once, and copied under another number of its instance.
_slices: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
_numbers = count(10**30)


def write_slice(path: Path, pixels: np.ndarray, position: Sequence[float] | None, **more: Any) -> None:
    """One file of one slice; `more` are elements by keyword; None removes one."""
    key = (
        pixels.tobytes(),
        pixels.dtype.str,
        pixels.shape,
        repr(position and tuple(position)),
        repr(sorted(more.items())),
    )
    if key not in _slices:
        uid = _write_slice(path, pixels, position, more)
        _slices[key] = path.read_bytes(), uid.encode()
    else:
        content, uid_before = _slices[key]
        path.write_bytes(content.replace(uid_before, _instance_uid().encode()))


def _instance_uid() -> str:
    """One of its own for each file, always of the same length."""
    return f"1.2.3.{next(_numbers)}"


def _write_slice(path: Path, pixels: np.ndarray, position: Sequence[float] | None, more: dict[str, Any]) -> str:
    data = _file(path, MRImageStorage if more.get("Modality") == "MR" else CTImageStorage)
    data.Rows, data.Columns = pixels.shape[:2]
    data.PixelSpacing = [SPACING[1], SPACING[0]]
    data.ImageOrientationPatient = list(AXES)
    if position is not None:
        data.ImagePositionPatient = [f"{value:.6f}"[:16] for value in position]
    data.RescaleSlope, data.RescaleIntercept = "1", "0"
    _pixels(data, pixels)
    _set(data, more)
    data.save_as(str(path), enforce_file_format=True)
    return data.file_meta.MediaStorageSOPInstanceUID


def write_report(path: Path) -> None:
    """A file of the same series that is no image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = _file(path, BasicTextSRStorage)
    data.Modality = "SR"
    data.save_as(str(path), enforce_file_format=True)


def write_series(
    folder: Path, array: np.ndarray, places: Sequence[Sequence[float]], name: str = "im", **more: Any
) -> Path:
    """A file a slice, whose names are in no order; of `more`, lists have a value a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(1).permutation(len(array))
    for k, (pixels, place) in enumerate(zip(array, places, strict=True)):
        own = {key: value[k] if isinstance(value, list) else value for key, value in more.items()}
        write_slice(folder / f"{name}{names[k]:03d}", pixels, place, InstanceNumber=k + 1, **own)
    return folder


def write_frames(
    path: Path, array: np.ndarray, places: Sequence[Sequence[float]], frames: Sequence[dict[str, Any]] = (), **more: Any
) -> Path:
    """One enhanced file; `frames` are further functional groups of each frame: {sequence: {keyword: value}}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = _file(path, EnhancedMRImageStorage)
    data.NumberOfFrames, data.Rows, data.Columns = array.shape
    _pixels(data, array)
    measures = item(PixelSpacing=[SPACING[1], SPACING[0]], SliceThickness=SPACING[2])
    shared = item(PixelMeasuresSequence=Items([measures]))
    shared.PlaneOrientationSequence = Items([item(ImageOrientationPatient=list(AXES))])
    data.SharedFunctionalGroupsSequence = Items([shared])
    groups = []
    for number, place in enumerate(places):
        group = item(PlanePositionSequence=Items([item(ImagePositionPatient=[f"{v:.6f}"[:16] for v in place])]))
        for sequence, values in (frames[number] if frames else {}).items():
            setattr(group, sequence, Items([item(**values)]))
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = Items(groups)
    _set(data, more)
    data.save_as(str(path), enforce_file_format=True)
    return path


def item(**values: Any) -> Dataset:
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def _file(path: Path, kind: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, _instance_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
    data.Modality, data.PatientName, data.PatientID = "CT", "Phantom", "0"
    data.SeriesNumber = 1
    return data


def _pixels(data: Dataset, array: np.ndarray) -> None:
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.PixelData = array.astype("<i2").tobytes()


def _set(data: Dataset, more: dict[str, Any]) -> None:
    for name, value in more.items():
        if value is None and name in data:
            delattr(data, name)
        elif value is not None:
            setattr(data, name, list(value) if isinstance(value, tuple) else value)


def series(folder: Path, **more) -> Path:
    """Write a series of all slices; more: elements of each, or lists of one for each slice."""
    return write_series(folder, voxels(), positions(), **more)


def read(path: Path, channel: int | None = None) -> tuple[Volume, list[str]]:
    """An image and what was told of it; its grid alone is the same."""
    notes: list[str] = []
    with noted_by(notes.append):
        volume = read_image(path, channel)
        assert read_grid(path, channel) == volume.grid
    return volume, notes
