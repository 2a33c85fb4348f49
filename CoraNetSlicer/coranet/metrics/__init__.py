"""Measures of a segmentation against the truth. Arrays are class indices of any shape, class 0 is background."""

from .calibration import expected_calibration_error
from .error_detection import (
    FLAGGED_SHARES,
    KnownErrors,
    coverage_curve,
    covered,
    detection,
    detection_at,
    error_coverage,
)
from .overlap import OVERLAPS, dice_per_class, mean_or_none, outside_share, overlap_per_class
from .surface import SURFACE_DISTANCES, surface_distances_per_class

__all__ = [
    "FLAGGED_SHARES",
    "OVERLAPS",
    "SURFACE_DISTANCES",
    "KnownErrors",
    "coverage_curve",
    "covered",
    "detection",
    "detection_at",
    "dice_per_class",
    "error_coverage",
    "expected_calibration_error",
    "mean_or_none",
    "outside_share",
    "overlap_per_class",
    "surface_distances_per_class",
]
