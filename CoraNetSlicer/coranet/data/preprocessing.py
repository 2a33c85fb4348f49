"""What is done to a scan before the network sees it, recorded so that it can be undone.

A scan is turned to canonical axes (left, posterior, superior), resampled to the model's spacing and normalized.
Prepared arrays are (S, P, L), called (D, H, W) by the network. Where a box of the scan is prepared alone, intensities
are normalized as in the whole scan: a voxel is the same to the network whatever box it is seen in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..contract.codec import from_json, to_json
from ..contract.config import DataConfig
from ..contract.errors import DataError, ModelError
from ..machine.main_memory import too_few_bytes
from ..volume import Volume
from ..volume.grid import by
from .box import Box
from .class_indices import class_indices, value_counts
from .normalization import IntensityMapping, IntensityNormalization, without_border
from .orientation import Orientation
from .reduction import reduced
from .resampling import mask_at_centres, resample, resampled_size

# Air in CT is about -1000 HU; no other modality stores values like that in every scan.
_HOUNSFIELD_AIR = -800.0
_FOREGROUND_SAMPLE = 20_000
# No scan has a spacing or a size like that.
_MOST_MM, _MOST_VOXELS = 1e4, 1 << 16

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Preprocessing:
    """The recipe that belongs to a model.

    Attributes:
        spacing_mm: spacing along L, P, S that scans are resampled to; where `size_dhw` or `slice_axis` say otherwise,
            the spacing that the median labeled scan comes to.
        intensity: of the first channel, "zscore" or "window".
        window: of the first channel, lower and upper limit for "window", mapped to [-1, 1]; None for "zscore".
        size_dhw: voxels along D, H, W that every scan is resampled to; 0: by the spacing.
        slice_axis: 0, 1 or 2 of (D, H, W), along which each scan keeps its own slices; None: no axis.
        more_channels: how the intensities of the second channel and those after it are normalized.
        without_border: whether outer planes of one intensity, such as padding, count for nothing in "zscore"; models of
            earlier versions count them.
        lowest: for each channel the lowest intensity of the median labeled scan, by which another kind of scan is
            known; (): unknown. It is not part of the recipe.
    """

    spacing_mm: tuple[float, float, float]
    intensity: str
    window: tuple[float, float] | None = None
    size_dhw: tuple[int, int, int] = (0, 0, 0)
    slice_axis: int | None = None
    more_channels: tuple[IntensityNormalization, ...] = ()
    without_border: bool = False
    lowest: tuple[float, ...] = field(default=(), compare=False)

    @property
    def normalizations(self) -> tuple[IntensityNormalization, ...]:
        """How the intensities of each channel are normalized."""
        return (IntensityNormalization(self.intensity, self.window), *self.more_channels)

    def keeping_slices(self, axis: int | None) -> Preprocessing:
        """The recipe for a network that sees one slice at a time along an axis of (D, H, W); None: a 3D network."""
        return replace(self, slice_axis=axis)

    def prepare_image(self, volume: Volume, box: Box | None = None) -> Array:
        """A scan as the network sees it: float32, (C, D, H, W).

        Args:
            volume: the scan.
            box: what of it; None: all.

        Raises:
            DataError: it has another number of channels than the recipe, or memory cannot hold it at this spacing.
        """
        if len(volume.channels) != len(self.normalizations):
            raise DataError(
                f"the scan has {len(volume.channels)} channels, the model works with {len(self.normalizations)}; give "
                "each channel of the model one image."
            )
        orientation = Orientation.of(volume.grid.direction)
        channels = [orientation.to_canonical(voxels) for voxels in volume.channels]
        spacing_dhw = orientation.spacing_to_canonical(volume.grid.spacing_mm)[::-1]
        box = box or Box.whole(channels[0].shape)
        size = self.prepared_size(box, channels[0].shape, spacing_dhw)
        _require_room((len(channels), *size), spacing_dhw)
        prepared = np.empty((len(channels), *size), dtype=np.float32)
        for number, (normalization, canonical) in enumerate(zip(self.normalizations, channels, strict=True)):
            # Measured on the whole scan, so that a voxel is the same to the network whatever box it is seen in.
            measured = without_border(canonical) if self.without_border else canonical
            mapping, voxels = normalization.fit(measured), canonical[box.slices]
            prepared[number] = reduced(partial(_normalized_rows, mapping, voxels), box.size, size)
        return prepared

    def prepare_labels(
        self, labels: Volume, values: Sequence[int], known: Volume | None = None, box: Box | None = None
    ) -> Array:
        """A label map as the network sees it: class indices (`index_type`), (D, H, W); 0 is background.

        Args:
            labels: the label map.
            values: label value of class 1, 2, ...; other values count as background.
            known: 1 where the label map is truth, on its grid; elsewhere the map is 0, which counts for nothing. None:
                it is truth everywhere.
            box: what of the scan; None: all.
        """
        voxels, size = self._in_box(labels, box)
        indices = class_indices(voxels, values)
        if size == indices.shape:
            return indices
        # Each class is resampled by itself: interpolating label values would invent classes in between.
        best = np.zeros(size, dtype=np.float32)
        background = np.ones(size, dtype=np.float32)
        if known is not None:
            is_known = self._in_box(known, box)[0].astype(np.float32)
            background = resample(torch.from_numpy(is_known)[None], size)[0].numpy()
        classes = np.zeros(size, dtype=indices.dtype)
        for index in (int(value) for value in np.flatnonzero(value_counts(indices)) if value):
            share = resample(torch.from_numpy((indices == index).astype(np.float32))[None], size)[0].numpy()
            background -= share
            wins = share > best
            classes[wins] = index
            best[wins] = share[wins]
        classes[background > best] = 0
        return classes

    def prepare_known(self, known: Volume, box: Box | None = None) -> Array:
        """Where a label map is truth, as the network sees it: uint8, (D, H, W).

        That is so where the voxel at its centre is known: regions as thin as a voxel keep their size.

        Args:
            known: on the label map's grid; 0 where the label is unknown.
            box: what of the scan; None: all.
        """
        voxels, size = self._in_box(known, box)
        return mask_at_centres(voxels > 0, size).astype(np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(to_json(self))

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`.

        Raises:
            ModelError: a key is missing or unknown.
        """
        try:
            # A step that this version does not know would be left out without a word.
            unknown = sorted(set(content) - {field.name for field in fields(Preprocessing)})
            if unknown:
                raise ModelError(
                    f"the model prepares scans by '{unknown[0]}', which this version cannot; use a newer one."
                )
            preprocessing = from_json(Preprocessing, content, needed=("window", "size_dhw", "slice_axis"))
            preprocessing._require_usable()
            return preprocessing
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's preprocessing cannot be read ({error}); train the model again.") from error

    def _require_usable(self) -> None:
        """Raise ValueError or TypeError where a file has values that no scan can be prepared with."""
        if len(self.spacing_mm) != 3 or not all(0 < spacing < _MOST_MM for spacing in self.spacing_mm):
            raise ValueError(f"spacing {self.spacing_mm}")
        if len(self.size_dhw) != 3 or not all(type(size) is int and 0 <= size < _MOST_VOXELS for size in self.size_dhw):
            raise ValueError(f"size {self.size_dhw}")
        if self.slice_axis is not None and (type(self.slice_axis) is not int or self.slice_axis not in range(3)):
            raise ValueError(f"slice axis {self.slice_axis!r}")
        for channel in self.normalizations:
            if channel.intensity not in ("zscore", "window") or (channel.intensity == "window") != (
                channel.window is not None
            ):
                raise ValueError(f"intensity {channel.intensity!r}")
            lower, upper = channel.window or (0.0, 1.0)
            if not -math.inf < lower < upper < math.inf:
                raise ValueError(f"window {channel.window}")
        if not all(isinstance(value, (int, float)) for value in self.lowest):
            raise TypeError(f"lowest intensities {self.lowest}")

    def prepared_size(self, box: Box, shape: Sequence[int], spacing_dhw: Sequence[float]) -> tuple[int, int, int]:
        """Voxels along D, H, W that a box of a scan is resampled to.

        Args:
            box: in canonical voxels.
            shape: (D, H, W) of the whole scan.
            spacing_dhw: of the scan along D, H, W, mm.
        """
        by_spacing = resampled_size(box.size, tuple(spacing_dhw), self.spacing_mm[::-1])
        depth, height, width = (
            # A fixed size is that of the whole scan.
            max(1, round(self.size_dhw[axis] * box.size[axis] / shape[axis]))
            if self.size_dhw[axis]
            else (box.size[axis] if axis == self.slice_axis else by_spacing[axis])
            for axis in range(3)
        )
        return depth, height, width

    def _in_box(self, volume: Volume, box: Box | None) -> tuple[Array, tuple[int, int, int]]:
        """Canonical voxels of a box of a label map or mask, a view, and the size that they are resampled to."""
        orientation = Orientation.of(volume.grid.direction)
        canonical = orientation.to_canonical(volume.voxels)
        spacing_dhw = orientation.spacing_to_canonical(volume.grid.spacing_mm)[::-1]
        box = box or Box.whole(canonical.shape)
        return canonical[box.slices], self.prepared_size(box, canonical.shape, spacing_dhw)


@dataclass(frozen=True)
class ChannelStatistics:
    """What of one channel of a labeled scan decides on its normalization.

    Attributes:
        minimum: lowest intensity.
        foreground: intensities of some labeled voxels.
    """

    minimum: float
    foreground: Array


@dataclass(frozen=True)
class ScanStatistics:
    """What of a labeled scan decides on the preprocessing.

    Attributes:
        spacing_mm: along L, P, S.
        extent_mm: along L, P, S.
        channels: intensities of each channel.
    """

    spacing_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    channels: tuple[ChannelStatistics, ...]

    @staticmethod
    def of(image: Volume, labels: Volume) -> ScanStatistics:
        """Measure one labeled scan; both volumes lie on the same grid, and labels are 0 where they are not known."""
        orientation = Orientation.of(image.grid.direction)
        spacing = orientation.spacing_to_canonical(image.grid.spacing_mm)
        extent = np.multiply(spacing, orientation.to_canonical(labels.voxels).shape[::-1])
        is_foreground = labels.voxels > 0
        channels = []
        for voxels in image.channels:
            foreground = voxels[is_foreground]
            step = max(1, foreground.size // _FOREGROUND_SAMPLE)
            channels.append(ChannelStatistics(float(voxels.min()), foreground[::step]))
        return ScanStatistics(spacing, tuple(float(length) for length in extent), tuple(channels))  # type: ignore[arg-type]


def _require_room(shape: tuple[int, ...], spacing_dhw: Sequence[float]) -> None:
    """Look before a prepared scan (C, D, H, W) is made: a wrong spacing in a header can make it as large as any."""
    needed = 4 * math.prod(shape)
    free = too_few_bytes(needed)
    if free is not None:
        raise DataError(
            f"the scan with voxels of {by(tuple(spacing_dhw[::-1]))} mm has {by(shape[:0:-1])} voxels at the model's "
            f"spacing, which take {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; check the spacing in its "
            "header, or crop the scan."
        )


def fit_preprocessing(config: DataConfig, scans: Sequence[ScanStatistics]) -> Preprocessing:
    """Choose the recipe from the labeled scans.

    It resamples along each axis; for a 2D network, `Preprocessing.keeping_slices` takes one axis out.

    Args:
        config: what the user has fixed; the rest is chosen.
        scans: statistics of the labeled scans, at least one.

    Returns:
        The recipe: median spacing; for each channel a window where every scan has the intensities of CT, z-score
        otherwise.

    Raises:
        DataError: the limits of the window are not in order, or there is no labeled voxel to take them from.
    """
    by_channel = list(zip(*(scan.channels for scan in scans), strict=True))
    first, *more = (_fit_normalization(config, channel, len(by_channel) == 1) for channel in by_channel)
    size = config.size_kji or (0, 0, 0)
    lowest = tuple(float(np.median([scan.minimum for scan in channel])) for channel in by_channel)
    spacing = _typical_spacing(config, scans)
    return Preprocessing(
        spacing, first.intensity, first.window, size, more_channels=tuple(more), without_border=True, lowest=lowest
    )


def _fit_normalization(config: DataConfig, scans: Sequence[ChannelStatistics], is_only: bool) -> IntensityNormalization:
    """How one channel is normalized; `data.intensity_window` is for the only channel, or for those of CT."""
    is_ct = all(scan.minimum < _HOUNSFIELD_AIR for scan in scans)
    fixed = config.intensity_window if is_only or is_ct else None
    intensity = config.intensity
    if intensity == "auto":
        intensity = "window" if is_ct or fixed is not None else "zscore"
    if intensity != "window":
        return IntensityNormalization(intensity)
    window = fixed or _foreground_window(scans)
    if not window[0] < window[1]:
        raise DataError(
            f"the intensity window needs its lower limit below its upper limit, got {window[0]:g} to "
            f"{window[1]:g}; set data.intensity_window."
        )
    return IntensityNormalization(intensity, window)


def median_prepared_size(preprocessing: Preprocessing, scans: Sequence[ScanStatistics]) -> tuple[float, ...]:
    """Median size of the prepared scans, (D, H, W), voxels."""
    sizes = np.divide([scan.extent_mm for scan in scans], preprocessing.spacing_mm)[:, ::-1]
    if preprocessing.slice_axis is not None:
        own = np.divide([scan.extent_mm for scan in scans], [scan.spacing_mm for scan in scans])[:, ::-1]
        sizes[:, preprocessing.slice_axis] = own[:, preprocessing.slice_axis]
    median = np.median(sizes, axis=0)
    return tuple(float(fixed or size) for fixed, size in zip(preprocessing.size_dhw, median, strict=True))


def _typical_spacing(config: DataConfig, scans: Sequence[ScanStatistics]) -> tuple[float, float, float]:
    """Spacing of the prepared scans along L, P, S; where their size is fixed, that of the median scan."""
    spacing = config.spacing_mm or np.median([scan.spacing_mm for scan in scans], axis=0)
    extent = np.median([scan.extent_mm for scan in scans], axis=0)
    counts = (config.size_kji or (0, 0, 0))[::-1]
    along_l, along_p, along_s = (
        float(length / count if count else step) for length, count, step in zip(extent, counts, spacing, strict=True)
    )
    return along_l, along_p, along_s


def _normalized_rows(mapping: IntensityMapping, voxels: Array, rows: slice) -> Array:
    """Rows of one channel (D, H, W), normalized."""
    return mapping.apply(voxels[rows])


def _foreground_window(scans: Sequence[ChannelStatistics]) -> tuple[float, float]:
    foreground = np.concatenate([scan.foreground for scan in scans])
    if not foreground.size:
        raise DataError(
            "no voxel of any label is known, from which the intensity window could be taken; set "
            "data.intensity_window, or decide a region that holds one."
        )
    lower, upper = np.percentile(foreground, [0.5, 99.5])
    return float(lower), float(upper)
