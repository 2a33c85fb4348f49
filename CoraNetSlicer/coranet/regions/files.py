"""The regions of a case as files; a case as it was written, read again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..boundary_slide import BoundaryMargins
from ..contract import Job, Label, PredictionFiles, RegionList, Review, write_json_atomic
from ..contract.errors import DataError, JobError
from ..data.axes import on_axes_of
from ..data.components import Array
from ..inference.caution import at_caution
from ..inference.prediction import Prediction
from ..inference.result import volumes_at
from ..volume import Grid, read_image, read_label_map, write_volume
from .chances import chance_of_errors
from .finding import FoundRegions
from .places import PlaceRule, find_places

_LABEL_MAPS = ("segmentation", "conservative", "radical", "uncertain")


@dataclass(frozen=True)
class WrittenCase:
    """A segmented case as it lies on the disk.

    Attributes:
        files: say where.
        prediction: its arrays, (k, j, i).
        grid: of the scan.
        result: content of result.json.
    """

    files: PredictionFiles
    prediction: Prediction
    grid: Grid
    result: dict[str, Any]

    @property
    def name(self) -> str:
        """The case's name."""
        return str(self.result["case"])

    @property
    def labels(self) -> tuple[Label, ...]:
        """Its classes."""
        return tuple(Label(label["value"], label["name"]) for label in self.result["labels"])

    @property
    def caution(self) -> float:
        """Where the dial stands; results of earlier versions do not say, and stood at 0."""
        return float(self.result.get("caution") or 0.0)

    def margins(self) -> BoundaryMargins | None:
        """How far the boundary is from each voxel near it; None: a result of an earlier version has none.

        Raises:
            DataError: a file is damaged, or lies on another grid.
        """
        if not (self.files.margin.is_file() and self.files.second.is_file()):
            return None
        largest = max((label.value for label in self.labels), default=1)
        margin, second = (read_map(path, self.grid, largest) for path in (self.files.margin, self.files.second))
        return BoundaryMargins(margin, second, self.grid.spacing_mm)

    @staticmethod
    def read(files: PredictionFiles) -> WrittenCase:
        """Read a complete case.

        Raises:
            JobError: result.json is missing or damaged.
            DataError: an image is missing, damaged, or lies on another grid than the others.
        """
        result = files.read_result()
        if not {"case", "labels"} <= result.keys():
            raise JobError(f"'{files.result}' names no case or no labels; it was not written by this program.")
        largest = _largest_value(result, files.result)
        volume = read_image(files.uncertainty)
        segmentation, conservative, radical, uncertain = (
            read_map(getattr(files, name), volume.grid, largest) for name in _LABEL_MAPS
        )
        prediction = Prediction(segmentation, conservative, radical, uncertain, volume.voxels)
        return WrittenCase(files, prediction, volume.grid, result)


def _largest_value(result: dict[str, Any], source: Path) -> int:
    """The largest label value of a case; also makes sure that what else is used of result.json can be."""
    try:
        labels = [Label(label["value"], label["name"]) for label in result["labels"]]
        float(result.get("caution") or 0.0)
    except (KeyError, TypeError, ValueError) as error:
        raise JobError(f"'{source}' does not describe its labels ({error!r}); segment the case again.") from error
    return max((label.value for label in labels), default=1)


def read_map(path: Path, grid: Grid, largest: int) -> Array:
    """A label map that lies on a grid, in the smallest unsigned type that holds its values and the largest one asked.

    Raises:
        DataError: it is missing, damaged, or lies on another grid.
    """
    labels = on_axes_of(read_label_map(path), grid)
    difference = labels.grid.difference(grid)
    if difference:
        raise DataError(
            f"'{path}' has a different grid than the other files of its case ({difference}); segment again."
        )
    return labels.voxels.astype(np.min_scalar_type(max(largest, int(labels.voxels.max(initial=0)))))


def find_predictions(folder: str | Path) -> list[PredictionFiles]:
    """The complete cases in a folder: of one case, of a job, or of the predictions of several cases.

    Raises:
        JobError: there is none.
    """
    folder = Path(folder).absolute()
    predictions = list(_complete(folder))
    if not predictions:
        if not folder.exists():
            raise JobError(f"'{folder}' does not exist; choose the folder of a segmentation job, or of a case.")
        raise JobError(
            f"'{folder}' holds no complete result; choose the folder of a segmentation job, or of one of its cases."
        )
    return predictions


def _complete(folder: Path) -> Iterator[PredictionFiles]:
    # A job's own folder of predictions, whatever its name, is the one that a case without a name would have.
    above = Job.open(folder).prediction_folder("") if Job.exists(folder) else folder
    inside = sorted(entry for entry in above.iterdir() if entry.is_dir()) if above.is_dir() else []
    for candidate in (folder, *inside):
        if PredictionFiles(candidate).result.is_file():
            yield PredictionFiles(candidate)


def make_regions(files: PredictionFiles, caution: float | None = None, rule: PlaceRule | None = None) -> RegionList:
    """Find the places of a case that was written before, and write them beside it; those of a review stay.

    Args:
        files: of the case.
        caution: to which the result is moved first, see `at_caution`; None: where it stands.
        rule: how many places, and how large; None: the default.

    Raises:
        JobError, DataError: the case cannot be read, or was reviewed at other places.
        StorageError: a file could not be written.
    """
    case, reviewed = WrittenCase.read(files), _reviewed_regions(files)
    if caution is not None and caution != case.caution:
        if reviewed is not None:
            raise _lost_review(files)
        case = _moved(case, caution)
    chance = chance_of_errors(case.prediction, case.grid, case.result.get("doubt"), case.margins())
    found = find_places(case.name, case.prediction, case.grid, case.caution, rule, chance)
    if reviewed is not None:
        if replace(found.list, created=reviewed.created) != reviewed:
            raise _lost_review(files)
        return reviewed
    write_regions(files, found, case.grid)
    write_json_atomic(files.result, {**case.result, "regions": len(found.list.regions)})
    return found.list


def _reviewed_regions(files: PredictionFiles) -> RegionList | None:
    """The regions of a case that a review has decided about; None if there are none."""
    # Damaged files are written anew.
    with suppress(JobError):
        if files.regions.is_file() and files.review.is_file():
            regions = RegionList.read(files.regions)
            review = Review.read(files.review, regions)
            return regions if review.decisions or review.slides else None
    return None


def _lost_review(files: PredictionFiles) -> JobError:
    return JobError(
        f"'{files.review}' is a review of the places as they are, and would not fit to others; move that file away "
        "first, or segment into another folder."
    )


def _moved(case: WrittenCase, caution: float) -> WrittenCase:
    """The case at another caution, written in place of what was there."""
    files = case.files
    prediction = at_caution(case.prediction, case.grid, tuple(label.value for label in case.labels), caution)
    result = {**case.result, **volumes_at(prediction, case.labels, case.grid, caution)}
    # While the files are of two cautions, there is no result.
    files.result.unlink(missing_ok=True)
    files.remove_surfaces()
    for name in ("conservative", "radical", "uncertain"):
        write_volume(getattr(files, name), getattr(prediction, name), case.grid)
    write_json_atomic(files.result, result)
    return WrittenCase(files, prediction, case.grid, result)


def read_regions(files: PredictionFiles) -> FoundRegions:
    """The regions of a case.

    Raises:
        JobError, DataError: there are none, or they cannot be read.
    """
    return FoundRegions(RegionList.read(files.regions), read_label_map(files.region_map).voxels)


def write_regions(files: PredictionFiles, found: FoundRegions, grid: Grid) -> None:
    """Write regions.json and regions.nrrd.

    Args:
        files: say where.
        found: the regions.
        grid: of the scan.

    Raises:
        StorageError: a file could not be written.
    """
    # The list shows that there are regions, so it goes before the old map is replaced and comes after the new one.
    remove_regions(files)
    write_volume(files.region_map, found.region_map, grid)
    found.list.write(files.regions)


def remove_regions(files: PredictionFiles) -> None:
    """Remove the regions of an earlier result; a review of them no longer counts, but stays."""
    files.regions.unlink(missing_ok=True)
    files.region_map.unlink(missing_ok=True)
