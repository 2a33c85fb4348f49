"""What is done to a scan before the network sees it, recorded so that it can be undone.

A scan is turned to canonical axes (left, posterior, superior), resampled to the model's spacing and normalized.
Prepared arrays are (S, P, L), called (D, H, W) by the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..config import DataConfig
from ..errors import DataError, ModelError
from ..volume import Volume
from .orientation import Orientation
from .resampling import resample, resampled_size, smooth_for

# Air in CT is about -1000 HU; no other modality stores values like that in every scan.
_HOUNSFIELD_AIR = -800.0
_FOREGROUND_SAMPLE = 20_000

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Preprocessing:
    """The recipe that belongs to a model.

    Attributes:
        spacing_mm: spacing along L, P, S that scans are resampled to.
        intensity: "zscore" or "window".
        window: lower and upper limit for "window", mapped to [-1, 1]; None for "zscore".
    """

    spacing_mm: tuple[float, float, float]
    intensity: str
    window: tuple[float, float] | None = None

    def prepare_image(self, volume: Volume) -> Array:
        """A scan as the network sees it: float32, (D, H, W)."""
        orientation = Orientation.of(volume.grid.direction)
        voxels = orientation.to_canonical(volume.voxels)
        spacing_dhw = orientation.spacing_to_canonical(volume.grid.spacing_mm)[::-1]
        target_dhw = self.spacing_mm[::-1]
        size = resampled_size(voxels.shape, spacing_dhw, target_dhw)
        voxels = self._normalized(np.ascontiguousarray(voxels, dtype=np.float32))
        if size == voxels.shape:
            return voxels
        factors = tuple(there / here for here, there in zip(spacing_dhw, target_dhw, strict=True))
        smooth = torch.from_numpy(np.ascontiguousarray(smooth_for(voxels, factors)))
        return resample(smooth[None], size)[0].numpy()  # type: ignore[arg-type]

    def prepare_labels(self, labels: Volume, values: Sequence[int]) -> Array:
        """A label map as the network sees it: uint8 class indices, (D, H, W); 0 is background.

        Args:
            labels: the label map.
            values: label value of class 1, 2, ...; other values count as background.
        """
        orientation = Orientation.of(labels.grid.direction)
        voxels = orientation.to_canonical(labels.voxels)
        spacing_dhw = orientation.spacing_to_canonical(labels.grid.spacing_mm)[::-1]
        size = resampled_size(voxels.shape, spacing_dhw, self.spacing_mm[::-1])
        # Each class is resampled by itself: interpolating label values would invent classes in between.
        best = np.zeros(size, dtype=np.float32)
        background = np.ones(size, dtype=np.float32)
        classes = np.zeros(size, dtype=np.uint8)
        for index, value in enumerate(values, start=1):
            share = resample(torch.from_numpy((voxels == value).astype(np.float32))[None], size)[0].numpy()  # type: ignore[arg-type]
            background -= share
            wins = share > best
            classes[wins] = index
            best[wins] = share[wins]
        classes[background > best] = 0
        return classes

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`.

        Raises:
            ModelError: a key is missing or unknown.
        """
        try:
            window = tuple(content["window"]) if content["window"] else None
            return Preprocessing(tuple(content["spacing_mm"]), content["intensity"], window)
        except (KeyError, TypeError) as error:
            raise ModelError(f"the model's preprocessing cannot be read ({error}); train the model anew.") from error

    def _normalized(self, voxels: Array) -> Array:
        if self.window is not None:
            lower, upper = self.window
            normalized = np.clip((voxels - lower) / (upper - lower), 0, 1) * 2 - 1
        else:
            clipped = np.clip(voxels, *np.percentile(voxels, [0.5, 99.5]))
            normalized = (clipped - clipped.mean()) / max(float(clipped.std()), 1e-6)
        return np.asarray(normalized, dtype=np.float32)


@dataclass(frozen=True)
class ScanStatistics:
    """What of a labeled scan decides on the preprocessing.

    Attributes:
        spacing_mm: along L, P, S.
        extent_mm: along L, P, S.
        minimum: lowest intensity.
        foreground: intensities of some labeled voxels.
    """

    spacing_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    minimum: float
    foreground: Array

    @staticmethod
    def of(image: Volume, labels: Volume) -> ScanStatistics:
        """Measure one labeled scan; both volumes lie on the same grid."""
        orientation = Orientation.of(image.grid.direction)
        spacing = orientation.spacing_to_canonical(image.grid.spacing_mm)
        extent = np.multiply(spacing, orientation.to_canonical(image.voxels).shape[::-1])
        foreground = image.voxels[labels.voxels > 0]
        step = max(1, foreground.size // _FOREGROUND_SAMPLE)
        return ScanStatistics(
            spacing, tuple(float(length) for length in extent), float(image.voxels.min()), foreground[::step]  # type: ignore[arg-type]
        )  # fmt: skip


def fit_preprocessing(config: DataConfig, scans: Sequence[ScanStatistics]) -> Preprocessing:
    """Choose the recipe from the labeled scans.

    Args:
        config: what the user has fixed; the rest is chosen.
        scans: statistics of the labeled scans, at least one.

    Returns:
        The recipe: median spacing; a window where every scan has the intensities of CT, z-score otherwise.

    Raises:
        DataError: the limits of the window are not in order.
    """
    spacing = config.spacing_mm or tuple(
        float(value) for value in np.median([scan.spacing_mm for scan in scans], axis=0)
    )
    intensity = config.intensity
    if intensity == "auto":
        is_ct = config.intensity_window is not None or all(scan.minimum < _HOUNSFIELD_AIR for scan in scans)
        intensity = "window" if is_ct else "zscore"
    if intensity == "zscore":
        return Preprocessing(spacing, "zscore")  # type: ignore[arg-type]
    window = config.intensity_window or _foreground_window(scans)
    if not window[0] < window[1]:
        raise DataError(
            f"the intensity window needs its lower limit below its upper limit, got {window[0]:g} to {window[1]:g}; "
            "set data.intensity_window."
        )
    return Preprocessing(spacing, "window", window)  # type: ignore[arg-type]


def median_prepared_size(preprocessing: Preprocessing, scans: Sequence[ScanStatistics]) -> tuple[float, ...]:
    """Median size of the prepared scans, (D, H, W), voxels."""
    sizes = [np.divide(scan.extent_mm, preprocessing.spacing_mm)[::-1] for scan in scans]
    return tuple(float(size) for size in np.median(sizes, axis=0))


def _foreground_window(scans: Sequence[ScanStatistics]) -> tuple[float, float]:
    lower, upper = np.percentile(np.concatenate([scan.foreground for scan in scans]), [0.5, 99.5])
    return float(lower), float(upper)
