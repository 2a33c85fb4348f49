"""What the voxels of a label map may be: one rule for everybody who reads one.

Arrays come in by argument and are used by their methods alone, so that this needs no library.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Union

from .datalist import LARGEST_LABEL_VALUE
from .errors import DataError
from .image_headers import read_image_header

_AXES = 3
_WHOLE_TYPES = "bui"
_TYPES = _WHOLE_TYPES + "f"
# Of the wrong values the lowest and the highest are named; sorting all of them would take long.
_LOOKED_AT = 100_000


def require_label_volume(path: Union[str, Path]) -> None:
    """Raise DataError where the header of a file rules out a label map, before its voxels are read.

    A reader may take the first volume of several without a word.
    """
    header = read_image_header(path)
    if header is None:
        return
    values = header.volumes * math.prod(header.size_ijk[_AXES:])
    if values > 1:
        raise DataError(
            f"'{path}' has {values} values in each voxel, expected a label map, which has one; segments that overlap "
            "are saved in layers: export them as a label map (in Slicer: Segmentations, Export), each voxel in one "
            "segment."
        )
    if len(header.size_ijk) < _AXES or min(header.size_ijk[:_AXES]) < 2:
        size = " x ".join(map(str, header.size_ijk[:_AXES]))
        raise DataError(
            f"'{path}' is a single slice ({size}), expected a label map of several; give the one of the whole scan."
        )


def whole_label_values(voxels: Any, path: Union[str, Path]) -> Any:
    """The voxels of a label map as whole numbers.

    Args:
        voxels: numpy array of any shape and type, as it is in the file.
        path: of the file, for the message.

    Returns:
        The same, int32.

    Raises:
        DataError: a voxel is not a whole number from 0 to 65535, such as 1.5, NaN or -1. Nothing is rounded: what lies
            between two labels belongs to neither.
    """
    if voxels.dtype.kind not in _TYPES:
        raise DataError(f"'{path}' is not a label map: its voxels are of the type {voxels.dtype}; {_REMEDY}.")
    if voxels.dtype.kind in _WHOLE_TYPES and voxels.size and _is_inside(voxels.min(), voxels.max()):
        return voxels.astype("int32", copy=False)
    # Written this way round so that NaN is wrong, and is never cast.
    wrong = ~((voxels >= 0) & (voxels <= LARGEST_LABEL_VALUE))
    if not wrong.any():
        whole = voxels.astype("int32")
        wrong = whole != voxels
        if not wrong.any():
            return whole
    raise DataError(
        f"'{path}' is not a label map: its voxels must be whole numbers from 0 to {LARGEST_LABEL_VALUE}, got "
        f"{_values_in_words(voxels[wrong])}; {_REMEDY}."
    )


_REMEDY = (
    "give the segmentation, not an image; where it is one, save it in whole numbers, resampled with the nearest "
    "neighbor"
)


def _is_inside(lowest: Any, highest: Any) -> bool:
    return bool(lowest >= 0 and highest <= LARGEST_LABEL_VALUE)


def _values_in_words(wrong: Any) -> str:
    """The wrong values in words: NaN, one value, or from which to which."""
    count = f"{wrong.size} voxel" if wrong.size == 1 else f"{wrong.size} voxels"
    numbers = wrong[wrong == wrong][:_LOOKED_AT]
    if not numbers.size:
        return f"NaN in {count}"
    lowest, highest = numbers.min(), numbers.max()
    values = f"{lowest:.9g}" if lowest == highest else f"values from {lowest:.9g} to {highest:.9g}"
    return f"{values}{' and NaN' if (wrong != wrong).any() else ''} in {count}"
