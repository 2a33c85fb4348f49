"""The error model: where a trained network errs, what can be promised about it, and how good a result is."""

from .evidence import Evidence
from .fitting import ErrorCase, default_tolerance_mm, fit
from .nested import NestedRegions, usual_voxels
from .network import ErrorNetwork
from .package import ErrorModel
from .promise import Promise, RiskCurve
from .quality import Quality, VolumeBounds

__all__ = [
    "ErrorCase", "ErrorModel", "ErrorNetwork", "Evidence", "NestedRegions", "Promise", "Quality", "RiskCurve",
    "VolumeBounds", "default_tolerance_mm", "fit", "usual_voxels",
]  # fmt: skip
