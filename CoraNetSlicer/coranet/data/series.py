"""DICOM series of several images: each phase, echo or orientation becomes a case of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..contract import Case, Datalist, Job
from ..contract.case_names import free_case_name
from ..contract.errors import CoraNetError
from ..contract.events import Warned
from ..contract.image_files import is_dicom_file
from ..reporting import Reporter
from ..volume import Grid, noted_by, parts_of, read_grid
from ..volume.dicom_parts import Part, listed_parts, require_stack
from .axes import is_reordered

# Code of the warnings.
SERIES = "series"
_MOST_NAMED = 6


@dataclass(frozen=True)
class DividedSeries:
    """Cases after series of several images were divided.

    Attributes:
        datalist: with a case for each image.
        sentences: what was done, a sentence each.
    """

    datalist: Datalist
    sentences: tuple[str, ...] = ()


def divide_series(job: Job, datalist: Datalist, reporter: Reporter, finished: Collection[str] = ()) -> Datalist:
    """The cases of a job as `divided_series` makes them, which are kept in the job.

    Args:
        job: that the calling process works on.
        datalist: its cases, with absolute paths.
        reporter: gets a warning for each series of several images; may stop it.
        finished: names of cases that are complete, and stay as they are.

    Raises:
        JobCancelled: stopped on request.
        StorageError: the datalist cannot be written.
    """
    divided = divided_series(datalist, reporter, finished)
    if divided.datalist != datalist:
        # Paths that are relative to the job stay so.
        listed, before = job.read_relative_datalist(), set(datalist.cases)
        as_listed = {case.id: case for case in listed.cases}
        cases = [as_listed[case.id] if case in before else case for case in divided.datalist.cases]
        job.write_datalist(replace(listed, cases=tuple(cases)))
    for sentence in divided.sentences:
        reporter.emit(Warned(SERIES, sentence))
    return divided.datalist


def divided_series(datalist: Datalist, reporter: Reporter, finished: Collection[str] = ()) -> DividedSeries:
    """The cases of a datalist with one for each image of a series; reads the headers of DICOM files alone.

    Of a labeled case the image is taken on whose grid the label lies, if that is one; of a channel the one that lies
    on the grid of the label or, without a label, on that of the first channel that is one image. What cannot be read,
    or be decided so, stays as it is: its reader raises.

    Args:
        datalist: with absolute paths.
        reporter: may stop it.
        finished: names of cases that stay as they are.

    Raises:
        JobCancelled: stopped on request.
    """
    used = {case.id.lower() for case in datalist.cases}
    cases: list[Case] = []
    sentences: list[str] = []
    for case in datalist.cases:
        reporter.stop_if_requested()
        if case.more_images and case.id not in finished:
            cases.append(_with_channels_of_one_grid(case, sentences))
            continue
        parts = () if case.id in finished or case.part else _parts(case.image)
        if len(parts) < 2:
            cases.append(case)
        elif case.label:
            cases.append(_with_the_image_of_its_label(case, parts, sentences))
        else:
            used.discard(case.id.lower())
            divided = [_of_part(case, part, free_case_name(f"{case.id}_{part.name}", used)) for part in parts]
            cases += divided
            sentences.append(_each_is_a_case(case, divided, parts))
    return DividedSeries(replace(datalist, cases=tuple(cases)), tuple(sentences))


def _parts(image: str) -> Sequence[Part]:
    path = Path(image)
    if not (path.is_dir() or is_dicom_file(path)):
        return ()
    try:
        # Corrections are reported when the images are read.
        with noted_by(lambda sentence: None):
            return parts_of(path)
    except (CoraNetError, OSError):
        return ()


def _of_part(case: Case, part: Part, name: str) -> Case:
    # A file stands for the image that it belongs to; several images may lie in one file.
    return replace(case, id=name, image=str(part.slices[0].path), part=part.name)


def _each_is_a_case(case: Case, divided: Sequence[Case], parts: Sequence[Part]) -> str:
    pairs = list(zip(divided, parts, strict=True))
    named = [f"'{case.id}' ({part.name}, {len(part.slices)} slices)" for case, part in pairs[:_MOST_NAMED]]
    more = f" and {len(pairs) - _MOST_NAMED} more" if len(pairs) > _MOST_NAMED else ""
    images = f"'{case.image}' is one DICOM series of {len(parts)} images"
    return f"{images}, each of which is a case of its own: {', '.join(named)}{more}."


def _with_the_image_of_its_label(case: Case, parts: Sequence[Part], sentences: list[str]) -> Case:
    part = _part_on_grid(case.image, parts, f"the label '{case.label}'", str(case.label), sentences)
    return case if part is None else _of_part(case, part, case.id)


def _with_channels_of_one_grid(case: Case, sentences: list[str]) -> Case:
    """A case of several channels, those that are series of several images replaced by the one on the others' grid."""
    # A series that is named several times gives one of its images to each channel.
    once = [image for image in case.images if case.images.count(image) == 1]
    divided = {image: parts for image in once if len(parts := _parts(image)) > 1}
    whole = [image for image in case.images if image not in divided]
    kind, reference = ("label", case.label) if case.label else ("channel", next(iter(whole), None))
    if not divided or reference is None:
        return case
    chosen: dict[str, str] = {}
    for image, parts in divided.items():
        part = _part_on_grid(image, parts, f"the {kind} '{reference}'", reference, sentences)
        if part is None or not _is_known_by_file(part, parts):
            return case
        chosen[image] = str(part.slices[0].path)
    first, *others = (chosen.get(image, image) for image in case.images)
    return replace(case, image=first, more_images=tuple(others))


def _is_known_by_file(part: Part, parts: Sequence[Part]) -> bool:
    """Whether a file stands for a part, so that a channel can be that; frames of one file share it."""
    others = {dicom_slice.path for other in parts if other is not part for dicom_slice in other.slices}
    return part.slices[0].path not in others


def _part_on_grid(image: str, parts: Sequence[Part], subject: str, reference: str, sentences: list[str]) -> Part | None:
    """The part of a series that lies on the grid of a file, if it is one alone."""
    images = f"'{image}' is one DICOM series of {len(parts)} images ({listed_parts(parts)})"
    try:
        grid = read_grid(reference)
    except (CoraNetError, OSError):
        return None
    fitting = [part for part in parts if _lies_on(grid, Path(image), part)]
    if len(fitting) == 1:
        sentences.append(f"{images}; {subject} lies on the grid of {fitting[0].name}, which is taken.")
        return fitting[0]
    sentences.append(f"{images}; {subject} lies on the grid of {len(fitting) or 'none'} of them.")
    return None


def _lies_on(label: Grid, path: Path, part: Part) -> bool:
    try:
        grid = require_stack(path, part)
    except CoraNetError:
        return False
    return not grid.difference(label) or is_reordered(label, grid)
