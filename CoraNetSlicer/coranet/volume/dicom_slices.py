"""What DICOM files say of their slices: read with pydicom, headers alone.

pydicom comes with Slicer (docs/explanation/adr/0003-dependencies.md). ITK, which decodes the voxels, does not hand out
what is needed to see that slices are missing, double or of several kinds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract.errors import CoraNetError, DataError, PackageError
from .dicom_frames import read_frames
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


_PLAIN = "MONOCHROME2"
_BITS = (8, 16, 32)


class PictureError(DataError):
    """A file that holds a picture rather than a slice: in colour, or with neither spacing nor position.

    Attributes:
        series: as `Slice.series`.
    """

    def __init__(self, message: str, series: str) -> None:
        """Say what is wrong with a file of a series."""
        super().__init__(message)
        self.series = series


def read_slices(path: Path) -> list[Slice]:
    """The slices of a file; [] where it holds no image, such as a report or a directory.

    Raises:
        PictureError: it is in colour, or has neither spacing nor position.
        DataError: it is damaged, or does not say how large its voxels are.
        PackageError: pydicom is missing.
    """
    try:
        with warnings.catch_warnings():
            # Of values that are not as the standard wants them; what is needed is looked at below.
            warnings.simplefilter("ignore")
            return _slices(path)
    except CoraNetError:
        raise
    except Exception as error:  # pydicom raises whatever a damaged file makes it raise, at each element anew
        raise DataError(
            f"'{path}' cannot be read as DICOM ({error}); copy or export the file again, or take it out of the folder."
        ) from error


def _slices(path: Path) -> list[Slice]:
    header = _header(path)
    if not header.get("Rows") or not header.get("Columns"):
        _require_other_kind(path, header)
        return []
    _require_plain_values(path, header)
    if "PerFrameFunctionalGroupsSequence" in header or int(header.get("NumberOfFrames") or 1) > 1:
        return read_frames(path, header)
    return [_slice(path, header)]


def _require_grey(path: Path, header: Dataset) -> None:
    samples = int(header.get("SamplesPerPixel") or 1)
    if samples != 1:
        what = f"has {samples} values in each voxel (colour), expected 1"
    elif header.get("PhotometricInterpretation") == "PALETTE COLOR":
        what = "is a colour image with a palette"
    else:
        return
    raise PictureError(
        f"'{path}' {what}; convert it to a grey-value volume, or take it out of the folder.", series_of(header)
    )


def _require_plain_values(path: Path, header: Dataset) -> None:
    """Look whether what is stored is an intensity for each voxel, but for a slope and an intercept."""
    _require_grey(path, header)
    kind = str(header.get("PhotometricInterpretation") or _PLAIN)
    if kind != _PLAIN:
        # ITK would turn the intensities round, those of a CT, too.
        raise DataError(
            f"'{path}' stores its intensities as {kind}, expected {_PLAIN}: programs disagree on whether they are "
            "inverted; convert it, and look at its values."
        )
    bits = int(header.get("BitsAllocated") or 16)
    if bits not in _BITS:
        raise DataError(
            f"'{path}' stores {bits} bits a voxel, expected {', '.join(map(str, _BITS))}, and ITK and Slicer read "
            "others wrongly; convert it."
        )
    stored, high = int(header.get("BitsStored") or bits), header.get("HighBit")
    if high is not None and int(high) != stored - 1:
        raise DataError(
            f"'{path}' has its {stored} bits a voxel below bit {int(high)} (HighBit), expected {stored - 1}, and ITK "
            "and Slicer read the lowest ones; convert it."
        )
    if "ModalityLUTSequence" in header:
        raise DataError(
            f"'{path}' has a table from stored values to intensities (ModalityLUTSequence), which ITK and Slicer pass "
            "over; apply it (pydicom.pixels.apply_modality_lut), and save the volume as NRRD."
        )
    if "MOSAIC" in values_of(header.get("ImageType")):
        raise DataError(
            f"'{path}' is a mosaic of Siemens, all slices side by side in one picture; convert it (dcm2niix does)."
        )


def _header(path: Path) -> Dataset:
    try:
        import pydicom
    except ImportError as error:
        raise PackageError(
            "reading DICOM needs the package pydicom, which is missing; install it with 'pip install pydicom'."
        ) from error
    with open(path, "rb") as file:
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        _require_voxels(path, header, file.tell())
    return header


def _require_other_kind(path: Path, header: Dataset) -> None:
    """Look whether a file without rows and columns is one of another kind, such as a report, and not a damaged one."""
    kind = getattr(header, "file_meta", {}).get("MediaStorageSOPClassUID") or header.get("SOPClassUID")
    if kind is None or "Image Storage" in kind.name:
        raise DataError(
            f"'{path}' cannot be read as DICOM: its header ends too early; copy or export the file again, or take it "
            "out of the folder."
        )


def _require_voxels(path: Path, header: Dataset, begin: int) -> None:
    """Look whether the voxels of a file that is not compressed are all there."""
    syntax = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    if (
        syntax is None
        or syntax.is_compressed
        or syntax.is_deflated
        or not header.get("Rows")
        or not header.get("Columns")
    ):
        return
    bits = int(header.Rows) * int(header.Columns) * int(header.get("BitsAllocated") or 0)
    bits *= int(header.get("SamplesPerPixel") or 1) * int(header.get("NumberOfFrames") or 1)
    size = path.stat().st_size - begin
    if size < bits // 8:
        raise DataError(
            f"'{path}' cannot be read: voxels are missing at its end (it has {max(0, size)} bytes of voxels, expected "
            f"{bits // 8}); copy or download the file again."
        )


def _slice(path: Path, header: Dataset) -> Slice:
    return Slice(
        path=path,
        frame=None,
        series=series_of(header),
        study=study_of(header),
        title=title_of(header),
        size=(int(header.Columns), int(header.Rows)),
        spacing_mm=_spacing(path, header),
        position_mm=position_of(path, header.get("ImagePositionPatient")),
        axes=axes_of(path, header.get("ImageOrientationPatient")),
        features=dict(_features(header)),
        is_localizer="LOCALIZER" in values_of(header.get("ImageType")),
        rescale=scale_of(path, header.get("RescaleSlope"), header.get("RescaleIntercept")),
        compression=compression_of(header),
    )


def _spacing(path: Path, header: Dataset) -> tuple[float, float]:
    try:
        return spacing_of(path, header.get("PixelSpacing"))
    except DataError as error:
        if header.get("PixelSpacing") or header.get("ImagePositionPatient"):
            raise
        raise PictureError(str(error), series_of(header)) from error


# Features that distinguish the parts of a series, in order of priority; those after the first four may also differ
# between slices of one and the same part.
FEATURES = {
    "EchoTime": "echo time",
    "DiffusionBValue": "b-value",
    "TemporalPositionIdentifier": "temporal position",
    "KVP": "tube voltage",
    "EchoNumbers": "echo",
    "ImageType": "kind of image",
    "NominalPercentageOfCardiacPhase": "cardiac phase",
    "InversionTime": "inversion time",
    "FlipAngle": "flip angle",
    "DiffusionGradientOrientation": "diffusion direction",
    "AcquisitionNumber": "acquisition",
    "TriggerTime": "trigger time",
    "ContrastBolusAgent": "contrast agent",
    "ConvolutionKernel": "kernel",
    "SeriesTime": "time of the series",
    "AcquisitionTime": "time of acquisition",
    "AcquisitionDateTime": "time of acquisition",
}
DISTINGUISHING = ("echo time", "b-value", "temporal position", "tube voltage")


def _features(header: Dataset) -> Iterator[tuple[str, Any]]:
    for keyword, name in FEATURES.items():
        value = header.get(keyword)
        if value is None or value == "":
            continue
        yield name, feature(value)
