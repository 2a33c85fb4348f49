"""A slice of a scan as pixels: across its thick axis, in grey, with pixels of equal size in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

UNCERTAIN_COLOR = (255, 196, 0)
CLASS_COLORS = ((64, 156, 255), (64, 214, 140), (226, 102, 200), (255, 128, 96), (150, 120, 255))
_LONGEST_SIDE_PIXELS = 256


def axis_across(spacing_spl: Sequence[float]) -> int:
    """Where the spacing is longest; of equal ones the first, from foot to head."""
    longest = max(spacing_spl)
    return next(axis for axis, spacing in enumerate(spacing_spl) if spacing > 0.95 * longest)


def gray_levels(scan: npt.NDArray[Any], part: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Part of a scan in grey, (rows, columns, 3) from 0 to 255, between the 1st and the 99th percentile of `scan`."""
    low, high = np.percentile(scan, (1, 99))
    share = np.clip((part - low) / (float(high - low) or 1.0), 0, 1)
    return np.repeat((255 * share)[..., None], 3, axis=2).astype(np.float32)


def enlarged(pixels: npt.NDArray[Any], spacing_mm: Sequence[float]) -> npt.NDArray[Any]:
    """Square pixels of equal size in millimetres, repeated where they are few; (rows, columns) or with colours."""
    size_mm = [count * spacing for count, spacing in zip(pixels.shape[:2], spacing_mm, strict=True)]
    scale = _LONGEST_SIDE_PIXELS / max(size_mm)
    counts = [max(1, round(size * scale)) for size in size_mm]
    rows, columns = (
        ((np.arange(count) + 0.5) * before / count).astype(int)
        for count, before in zip(counts, pixels.shape[:2], strict=True)
    )
    repeated: npt.NDArray[Any] = pixels[np.ix_(rows, columns)]
    return repeated
