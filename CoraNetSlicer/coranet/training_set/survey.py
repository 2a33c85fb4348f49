"""One look at each case of a training: what cannot be used is found before anything is computed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..coarse.scans import LabeledScan
from ..contract import Case, Datalist, Role
from ..contract.errors import DataError
from ..contract.label_maps import is_label_map
from ..data.cache import read_labeled_pair
from ..data.identity import identity_of, identity_of_channels
from ..data.normalization import IntensityNormalization
from ..data.preprocessing import Preprocessing
from ..data.scans import images_on_other_grids, looks_like_label_map, on_one_grid, read_channels, scan_grid
from ..reporting import Pace, Reporter
from ..volume import Grid, Volume
from .structures import Structures
from .traits import Traits

CHECKING = "checking"
# Roles whose files a training reads.
USED_ROLES = (Role.TRAINING, Role.VALIDATION, Role.UNLABELED)
# To guess how long a scan takes to prepare it is made so much coarser.
_COARSER = 1.5
# Share of a border that a label has at least where it lies around everything.
_AROUND = 0.95


@dataclass(frozen=True)
class MeasuredCase:
    """The result of one look at the files of a case.

    Attributes:
        case: where they lie.
        scan: where its labels lie, and its intensities; None for an unlabeled case.
        structures: size and shape of its labels; None for an unlabeled case.
        present: label values that occur in it.
        has_background: whether its label leaves a voxel of the scan free.
        around: the label value that nearly all of the scan's border has; 0 where it is none, or none alone.
        has_other_grids: whether one of its images is resampled to the grid of the first one.
        scan_hash: by which its scan is known, whatever the file is called (`ScanIdentity.voxels`).
        more_hashes: the same of its images of further channels.
        label_hash: the same of its label map; "" for an unlabeled case.
        size: voxels along the axes of its scan, the fewest first.
        traits: by which it is compared with the others; None for a test case.
        looks_like_labels: whether its one image has few values, all whole numbers, mostly 0.
    """

    case: Case
    scan: LabeledScan | None = None
    structures: Structures | None = None
    present: frozenset[int] = frozenset()
    has_background: bool = True
    around: int = 0
    has_other_grids: bool = False
    scan_hash: str = ""
    label_hash: str = ""
    size: tuple[int, ...] = ()
    traits: Traits | None = None
    more_hashes: tuple[str, ...] = ()
    looks_like_labels: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether its label is known as a whole and holds no structure: it teaches that there is none."""
        return self.scan is not None and not self.present and not self.case.is_partial


@dataclass(frozen=True)
class Survey:
    """What was found in all cases.

    Attributes:
        cases: by name of the case; those that can be used.
        unusable: by name of the case the reason, in a sentence, why it cannot.
        seconds: that reading and preparing one labeled case takes; 0 if not timed.
    """

    cases: Mapping[str, MeasuredCase] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def of(self, cases: Sequence[Case]) -> list[MeasuredCase]:
        """What is known of some cases, in their order; those that cannot be used are left out."""
        return [self.cases[case.id] for case in cases if case.id in self.cases]

    def labeled_scans(self, datalist: Datalist) -> list[LabeledScan]:
        """Where the structures lie in the cases that a training learns from."""
        return [measured.scan for measured in self.of(datalist.with_role(Role.TRAINING)) if measured.scan is not None]

    @property
    def empty(self) -> frozenset[str]:
        """Names of the cases that are labeled as a whole and hold no structure."""
        return frozenset(name for name, measured in self.cases.items() if measured.is_empty)


def survey_cases(datalist: Datalist, reporter: Reporter, is_timed: bool = False) -> Survey:
    """Look at all cases that a training uses.

    Of the test cases, those are read that may be a scan of the training under another name: the header says so.

    Args:
        datalist: the cases.
        reporter: gets the progress, and may stop it.
        is_timed: whether to measure how long a case takes.

    Raises:
        JobCancelled: stopped on request.
    """
    values = [label.value for label in datalist.labels]
    cases = datalist.with_role(*USED_ROLES)
    measured: dict[str, MeasuredCase] = {}
    unusable: dict[str, str] = {}
    seconds = 0.0
    pace = Pace(reporter, {CHECKING: len(cases)})
    for number, case in enumerate(cases, start=1):
        reporter.stop_if_requested()
        start = time.monotonic()
        try:
            measured[case.id], image = _measured(case, values)
        except (DataError, OSError) as error:
            unusable[case.id] = _reason(case, error)
        else:
            if is_timed and not seconds and case.role is not Role.UNLABELED:
                seconds = time.monotonic() - start + _preparing_s(image)
        pace.step(CHECKING, number)
    _add_test_cases(datalist, measured, unusable, reporter)
    for name, reason in list(_labels_as_images(measured.values())):
        del measured[name]
        unusable[name] = reason
    return Survey(measured, unusable, seconds)


def _labels_as_images(cases: Collection[MeasuredCase]) -> Iterator[tuple[str, str]]:
    """Names of the cases whose image is the label map of another case, and why they cannot be used."""
    labels = {case.label_hash: case.case.label for case in cases if case.present}
    for case in cases:
        if not case.case.more_images and case.scan_hash in labels:
            yield (
                case.case.id,
                f"'{case.case.image}' has the voxels of the label map '{labels[case.scan_hash]}', so it is no scan; "
                "name the image, or take the case out of the datalist.",
            )


def _add_test_cases(
    datalist: Datalist, measured: dict[str, MeasuredCase], unusable: dict[str, str], reporter: Reporter
) -> None:
    sizes = {case.size for case in measured.values()}
    for case in datalist.with_role(Role.TEST):
        reporter.stop_if_requested()
        try:
            _require_files(case)
            if _sorted_size(scan_grid(case)) in sizes:
                first, *more = identity_of_channels(read_channels(case)).images
                measured[case.id] = MeasuredCase(case, scan_hash=first, more_hashes=tuple(more))
        except (DataError, OSError) as error:
            unusable[case.id] = _reason(case, error)


def _reason(case: Case, error: Exception) -> str:
    """Why a case cannot be used; the system gives the reason for a folder that may not be opened."""
    if isinstance(error, DataError):
        return str(error)
    return f"'{case.described_image}' or its label cannot be read ({error}); check that the files may be opened."


def _sorted_size(grid: Grid) -> tuple[int, ...]:
    """Another format may store the axes in another order."""
    return tuple(sorted(grid.size_ijk))


def _require_files(case: Case) -> None:
    for path in case.files:
        if not Path(path).exists():
            raise DataError(f"'{path}' does not exist; correct the path in the datalist.")


def _require_scan(case: Case) -> None:
    """Raise DataError for a label map among the images; as a channel of several, a mask may be meant."""
    if not case.more_images and is_label_map(case.image):
        raise DataError(
            f"'{case.image}' is a label map, not an image: it has few values, all whole numbers; name the image, or "
            "take the case out of the datalist."
        )


def _require_not_its_label(case: Case, image: Volume, labels: Volume) -> None:
    if not case.more_images and np.array_equal(image.voxels, labels.voxels) and labels.voxels.any():
        raise DataError(
            f"'{case.image}' has the voxels of its label '{case.label}', so there is no scan to learn from; name the "
            "image, or take the case out of the datalist."
        )


def _measured(case: Case, values: Sequence[int]) -> tuple[MeasuredCase, Volume]:
    _require_files(case)
    others = bool(images_on_other_grids(case))
    channels = read_channels(case)
    image, (scan_hash, *more) = on_one_grid(case, channels), identity_of_channels(channels).images
    size = _sorted_size(image.grid)
    measured = MeasuredCase(case, has_other_grids=others, scan_hash=scan_hash, size=size, more_hashes=tuple(more))
    if case.role is Role.UNLABELED:
        _require_scan(case)
        return replace(measured, traits=Traits.of(image)), image
    image, labels = read_labeled_pair(case, values, image)
    _require_not_its_label(case, image, labels)
    _require_scan(case)
    traits = Traits.of(image, labels, values)
    labeled = replace(
        measured,
        scan=LabeledScan.of(case.id, image, labels),
        structures=Structures.of(labels, values),
        present=frozenset(traits.structures),
        has_background=bool((labels.voxels == 0).any()),
        around=_value_around(labels.voxels, values),
        label_hash=identity_of(labels).voxels,
        traits=traits,
        looks_like_labels=not case.more_images and looks_like_label_map(image.voxels),
    )
    return labeled, image


def _value_around(labels: np.ndarray, values: Sequence[int]) -> int:
    """The structure that nearly all of the border of a label map has; of slices, which are few, the border of each."""
    longest = np.argsort(labels.shape)[1:]
    sides = [np.take(labels, side, axis).ravel() for axis in longest for side in (0, -1)]
    border = np.concatenate(sides)
    return next((value for value in values if np.count_nonzero(border == value) >= _AROUND * len(border)), 0)


def _preparing_s(image: Volume) -> float:
    """Seconds that preparing a scan takes, by preparing it in a way that takes about as long as the one to come."""
    along_l, along_p, along_s = (_COARSER * step for step in image.grid.spacing_mm)
    more = (IntensityNormalization("zscore"),) * (len(image.channels) - 1)
    start = time.monotonic()
    Preprocessing((along_l, along_p, along_s), "zscore", more_channels=more).prepare_image(image)
    return time.monotonic() - start
