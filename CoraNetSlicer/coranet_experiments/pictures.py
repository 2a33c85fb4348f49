"""Pictures of the regions moving through a training: snapshots drawn over a slice of their scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coranet.contract import Case, Job
from coranet.contract.errors import DataError
from coranet.contract.events import SnapshotSaved
from coranet.data.orientation import Orientation
from coranet.html.slices import CLASS_COLORS, UNCERTAIN_COLOR, axis_across, enlarged, gray_levels
from coranet.volume import read_image, read_label_map

from .results import RunResult

_OPACITY = 0.5
_MOST_PICTURES = 6
_MARGIN_VOXELS = 8


@dataclass(frozen=True)
class RegionPicture:
    """One snapshot, drawn.

    Attributes:
        step: of the training.
        uncertain_share: share of the scan's voxels.
        pixels: (rows, columns, 3), uint8.
    """

    step: int
    uncertain_share: float
    pixels: npt.NDArray[np.uint8]


def region_pictures(result: RunResult) -> list[RegionPicture]:
    """At most six snapshots of a run, evenly spaced, on the slice that holds most foreground.

    The slice lies across the longest spacing; it is shown as radiologists do:
    the patient's left on the right, front or head up.

    Args:
        result: a run; without snapshots, or with files that are gone, it has no pictures.
    """
    snapshots = result.training.snapshots
    if not snapshots:
        return []
    job = Job.open(result.run.train_folder)
    cases = {case.id: case for case in result.run.train_cases.cases}
    chosen = [snapshot for snapshot in snapshots if snapshot.case == snapshots[-1].case and snapshot.case in cases]
    files = [(snapshot, job.folder / snapshot.file) for snapshot in _evenly(chosen)]
    files = [(snapshot, path) for snapshot, path in files if path.exists()]
    try:
        drawn = _draw(cases[chosen[-1].case], [path for _, path in files]) if files else []
    except DataError:
        # The scan has gone since: the figures of the report do not need it.
        return []
    return [
        RegionPicture(snapshot.step, snapshot.uncertain_share, pixels)
        for (snapshot, _), pixels in zip(files, drawn, strict=True)
    ]


def _evenly(snapshots: Sequence[Any]) -> list[Any]:
    if len(snapshots) <= _MOST_PICTURES:
        return list(snapshots)
    return [snapshots[round(index)] for index in np.linspace(0, len(snapshots) - 1, _MOST_PICTURES)]


def _draw(case: Case, snapshot_paths: Sequence[Path]) -> list[npt.NDArray[np.uint8]]:
    image = read_image(case.image, 0, case.part)
    orientation = Orientation.of(image.grid.direction)
    spacing = orientation.spacing_to_canonical(image.grid.spacing_mm)[::-1]
    scan = orientation.to_canonical(image.voxels)
    regions = []
    for path in snapshot_paths:
        snapshot = read_label_map(path)
        difference = snapshot.grid.difference(image.grid)
        if difference:
            raise DataError(f"'{path}' has a different grid than '{case.image}' ({difference}); train again.")
        regions.append(orientation.to_canonical(snapshot.voxels))
    axis = axis_across(spacing)
    index = _fullest_slice(np.maximum.reduce(regions), axis)
    flat = [np.take(voxels, index, axis) for voxels in (scan, *regions)]
    if axis != 0:
        flat = [voxels[::-1] for voxels in flat]  # superior is up
    in_plane = [spacing[other] for other in range(3) if other != axis]
    window = _window(np.maximum.reduce(flat[1:]))
    gray = gray_levels(scan, flat[0][window])
    return [enlarged(_overlaid(gray, region[window]), in_plane) for region in flat[1:]]


def _fullest_slice(region: npt.NDArray[Any], axis: int) -> int:
    others = tuple(other for other in range(3) if other != axis)
    counts = (region > 0).sum(axis=others)
    return int(counts.argmax()) if counts.any() else len(counts) // 2


def _window(region: npt.NDArray[Any]) -> tuple[slice, slice]:
    """The part of the slice around the region, with as much again on each side, at least a few voxels."""
    rows, columns = np.nonzero(region)
    if not len(rows):
        return slice(None), slice(None)

    def around(places: npt.NDArray[Any]) -> slice:
        margin = max(_MARGIN_VOXELS, int(places.max() - places.min()) // 2)
        return slice(max(0, int(places.min()) - margin), int(places.max()) + margin + 1)

    return around(rows), around(columns)


def _overlaid(gray: npt.NDArray[np.float32], region: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    pixels = gray.copy()
    for value in np.unique(region[region > 0]):
        color = (
            UNCERTAIN_COLOR if value == SnapshotSaved.UNCERTAIN else CLASS_COLORS[(int(value) - 1) % len(CLASS_COLORS)]
        )
        inside = region == value
        pixels[inside] = (1 - _OPACITY) * pixels[inside] + _OPACITY * np.array(color, np.float32)
    overlaid: npt.NDArray[np.uint8] = pixels.astype(np.uint8)
    return overlaid
