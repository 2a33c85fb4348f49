"""One segmented case in a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..contract import (
    CaseDoubt,
    CaseUncertainty,
    Choice,
    PredictionFiles,
    Region,
    RegionList,
    Review,
    ScanIdentity,
    rank_cases,
)
from ..contract.errors import CoraNetError, DataError
from ..data.axes import on_axes_of
from ..data.components import Array
from ..data.identity import identity_of
from ..inference.result import class_volumes
from ..regions.decisions import reviewed_maps
from ..regions.files import WrittenCase, read_map, read_regions
from ..volume import read_image
from .thumbnails import HEADS, Picture, region_picture

# A decision that was painted is known from the file of the review alone.
_FROM_MAPS = (Choice.CONSERVATIVE, Choice.RADICAL, Choice.KEEP)


@dataclass(frozen=True)
class ClassVolume:
    """Volume of a class in mL: of the result, with its lower and upper bounds."""

    name: str
    segmentation: float
    conservative: float
    radical: float


@dataclass(frozen=True)
class ReportedCase:
    """One case of a report.

    Attributes:
        uncertainty: how uncertain it is, and why.
        volumes: of each class, as they were found.
        reviewed_volumes: the same after the decisions of a review, which narrow the bounds; empty without decisions.
        regions: None where none were made.
        review: None where there are no regions.
        pictures: of the undecided regions of largest expected effect.
        has_scan: whether the scan was there to be drawn.
        names: of the labels, by their values.
        warnings: from segmenting the case, in sentences.
        doubt: what is promised of the uncertain region, and how good the result is expected to be.
    """

    uncertainty: CaseUncertainty
    volumes: tuple[ClassVolume, ...]
    reviewed_volumes: tuple[ClassVolume, ...]
    regions: RegionList | None
    review: Review | None
    pictures: tuple[Picture, ...]
    has_scan: bool
    names: dict[int, str]
    warnings: tuple[str, ...] = ()
    doubt: CaseDoubt = CaseDoubt()


@dataclass(frozen=True)
class PictureCounts:
    """How many pictures there are: so many regions of each of so many cases, the most uncertain ones."""

    regions: int = 3
    cases: int = 25


class ReportedCases(NamedTuple):
    """What a report shows.

    Attributes:
        cases: the case that needs a look most first.
        unreadable: by name, cases whose files are damaged, with the reason in a sentence.
    """

    cases: tuple[ReportedCase, ...]
    unreadable: dict[str, str]


def reported_cases(predictions: Sequence[PredictionFiles], counts: PictureCounts) -> ReportedCases:
    """What the report shows; a damaged case does not hide the others.

    Args:
        predictions: files of complete cases.
        counts: how many pictures.

    Raises:
        JobError, DataError: a file is damaged, in each of the cases.
    """
    files = {prediction.folder: prediction for prediction in predictions}
    errors: dict[str, CoraNetError] = {}
    cases: list[ReportedCase] = []
    for ranked in rank_cases(predictions, lambda damaged, error: errors.update({damaged.folder.name: error})):
        try:
            cases.append(_reported(files[ranked.folder], ranked, counts.regions if len(cases) < counts.cases else 0))
        except CoraNetError as error:
            errors[ranked.case] = error
    if errors and not cases:
        raise next(iter(errors.values()))
    return ReportedCases(tuple(cases), {name: str(error) for name, error in errors.items()})


def _reported(files: PredictionFiles, ranked: CaseUncertainty, picture_count: int) -> ReportedCase:
    result = files.read_result()
    names = {int(label["value"]): str(label["name"]) for label in result["labels"]}
    in_ml, doubt = result["volumes_ml"], files.doubt(result)
    volumes = tuple(ClassVolume(name, **{head: in_ml[name][head] for head in HEADS}) for name in names.values())
    if not files.regions.is_file():
        return ReportedCase(ranked, volumes, (), None, None, (), True, names, files.warnings(result), doubt)
    regions = RegionList.read(files.regions)
    review = Review.read(files.review, regions)
    shown = [region for region in regions.regions if region.number not in review.decisions][:picture_count]
    reviewed: tuple[ClassVolume, ...] = ()
    pictures: tuple[Picture, ...] = ()
    has_scan = True
    if shown or review.decisions or review.slides:
        case = WrittenCase.read(files)
        region_map = read_regions(files).region_map
        is_reviewed = review.decisions or review.slides
        reviewed = _reviewed_volumes(case, regions, region_map, review) if is_reviewed else ()
        pictures, has_scan = _pictures(case, shown, region_map)
    return ReportedCase(
        ranked, volumes, reviewed, regions, review, pictures, has_scan, names, files.warnings(result), doubt
    )


def _pictures(case: WrittenCase, regions: Sequence[Region], region_map: Array) -> tuple[tuple[Picture, ...], bool]:
    image = _scan(case) if regions else None
    voxels = np.zeros(region_map.shape, np.float32) if image is None else image
    return tuple(
        region_picture(case.prediction, case.grid, voxels, region_map, region) for region in regions
    ), image is not None


def _scan(case: WrittenCase) -> Array | None:
    """The scan's voxels; None where it has gone or is another one now: the rest of a report does without it."""
    try:
        part = str(case.result.get("part") or "")
        image = on_axes_of(read_image(case.result["image"], 0, part), case.grid)
    except (DataError, KeyError):
        return None
    scan = ScanIdentity.from_dict(case.result.get("scan"), case.files.result)
    is_other = scan is not None and identity_of(image).voxels != scan.voxels
    return None if is_other or image.grid.difference(case.grid) else image.voxels


def _reviewed_volumes(
    case: WrittenCase, regions: RegionList, region_map: Array, review: Review
) -> tuple[ClassVolume, ...]:
    margins = case.margins() if review.slides else None
    # What is certain narrows no bounds.
    review = replace(review, trusts_certain=False)
    labels, decided = reviewed_maps(case.prediction, regions, region_map, review, _painted(case, review), margins)
    maps = {"segmentation": labels}
    for head in ("conservative", "radical"):
        maps[head] = np.where(decided > 0, labels, getattr(case.prediction, head))
    volumes = class_volumes(maps, case.labels, case.grid)
    return tuple(ClassVolume(label.name, **volumes[label.name]) for label in case.labels)


def _painted(case: WrittenCase, review: Review) -> Array | None:
    is_painted = any(decision.choice not in _FROM_MAPS for decision in review.decisions.values())
    if not is_painted or not case.files.reviewed.is_file():
        return None
    return read_map(case.files.reviewed, case.grid, max((label.value for label in case.labels), default=1))
