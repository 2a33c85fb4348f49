"""A case's scan, of one or several images, as one volume on the grid of its first image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import Case
from ..contract.errors import DataError
from ..contract.label_maps import are_of_label_map
from ..volume import Grid, Volume, on_grid, read_grid, read_image
from ..volume.grid import by
from .axes import is_reordered, on_axes_of

Array = npt.NDArray[Any]

# Lowest intensities of CT, in HU, and of anything else.
_AIR, _NO_AIR = -800.0, -200.0
_SOME_VOXELS = 200_000
# No scan that a model is for has voxels this many times smaller, or larger, along all axes.
_OTHER_UNIT = 30.0


def read_scan(case: Case) -> Volume:
    """Read the images of a case: `read_channels`, then `on_one_grid`, which say what is raised."""
    return on_one_grid(case, read_channels(case))


def read_channels(case: Case) -> list[Volume]:
    """Read the images of a case, each as it lies in its file, float32.

    Raises:
        DataError: an image cannot be read.
    """
    if not case.more_images:
        return [read_image(case.image, part=case.part)]
    return [read_image(path, channel) for path, channel in _places(case.images)]


def on_one_grid(case: Case, images: Sequence[Volume]) -> Volume:
    """The images of a case as one volume.

    Args:
        case: whose images they are, for messages.
        images: one a channel.

    Returns:
        (k, j, i) of one image, (C, k, j, i) of several, float32. Those on another grid than the first one's are
        resampled to it.

    Raises:
        DataError: an image lies beside the first one.
    """
    first, *others = images
    if not others:
        return first
    channels = [first.voxels]
    for path, other in zip(case.more_images, others, strict=True):
        try:
            ordered = on_axes_of(other, first.grid)
            is_other = bool(first.grid.difference(ordered.grid))
            channels.append((on_grid(other, first.grid) if is_other else ordered).voxels)
        except DataError as error:
            raise DataError(f"'{path}' cannot be brought to the grid of '{case.image}': {error}") from None
    return Volume(np.stack(channels), first.grid)


def scan_grid(case: Case) -> Grid:
    """The grid of a case's scan; reads a header only, where the format allows it."""
    path, channel = _places(case.images)[0]
    return read_grid(path, channel, case.part)


def images_on_other_grids(case: Case) -> tuple[str, ...]:
    """Paths of a case's images that do not lie on the grid of its first one, and are resampled to it."""
    if not case.more_images:
        return ()
    grid, *others = (read_grid(path, channel) for path, channel in _places(case.images))
    pairs = zip(case.more_images, others, strict=True)
    return tuple(path for path, other in pairs if grid.difference(other) and not is_reordered(other, grid))


def unlike_training(case: Case, scan: Volume, lowest: Sequence[float], names: Sequence[str]) -> list[str]:
    """What of a scan does not look like the scans that a model has learned from, a sentence each.

    CT has air of about -1000 HU, other images have not: where one was expected and the other came, channels are swapped
    or it is another kind of scan.

    Args:
        case: of the scan.
        scan: as read.
        lowest: for each channel the lowest intensity of the training; (): unknown.
        names: of the channels.
    """
    several = len(names) > 1
    cause = "whether the channels are in their order" if several else "whether the model is for such scans"
    sentences = []
    if not several and looks_like_label_map(scan.voxels):
        sentences.append(
            f"'{case.id}' looks like a label map: its voxels are few whole numbers, mostly 0; give the scan itself."
        )
    for name, expected, voxels in zip(names, lowest, scan.channels, strict=False):
        own = float(voxels.min())
        if (expected < _AIR and own > _NO_AIR) or (expected > _NO_AIR and own < _AIR):
            image = f"the {name} of '{case.id}'" if several else f"'{case.id}'"
            sentences.append(
                f"{image} has intensities from {own:g}, those of the training began at {expected:g}: one of both is "
                f"CT and the other is not; check {cause}."
            )
    return sentences


def looks_like_label_map(voxels: Array) -> bool:
    """Whether some voxels that lie everywhere in a scan are those of a label map (`contract.label_maps`)."""
    values, counts = np.unique(voxels.ravel()[:: max(1, voxels.size // _SOME_VOXELS) | 1], return_counts=True)
    return not (values % 1).any() and are_of_label_map(values.tolist(), int(counts[0]), int(counts.sum()))


def require_same_unit(case: Case, grid: Grid, spacing_mm: Sequence[float]) -> None:
    """Raise DataError where voxels are so small or so large, along all axes, that their unit must be wrong.

    Such a scan would be a single voxel to the network, or more than memory holds.

    Args:
        case: of the scan.
        grid: of the scan.
        spacing_mm: at which the model works.
    """
    times = [own / usual for own, usual in zip(sorted(grid.spacing_mm), sorted(spacing_mm), strict=True)]
    if max(times) <= 1 / _OTHER_UNIT or min(times) >= _OTHER_UNIT:
        raise DataError(
            f"'{case.id}' has voxels of {by(grid.spacing_mm)} mm, the model works at {by(tuple(spacing_mm))} mm; "
            "correct the unit of the spacing in its header."
        )


def _places(images: Sequence[str]) -> list[tuple[str, int | None]]:
    """Each image with its number within its file: a file of four dimensions is named once for each of its volumes."""
    several = {path for path in images if images.count(path) > 1}
    return [(path, images[:number].count(path) if path in several else None) for number, path in enumerate(images)]
