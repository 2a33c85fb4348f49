"""The cases to segment, from the files and folders that the user names: one rule for command line and Slicer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Union

from .case_names import unique_case_names
from .channels import grouped, require_all_channels, require_same_channels
from .datalist import Case, Datalist, Role
from .dataset_folders import read_input_cases
from .errors import DataError
from .image_files import image_name, require_readable, scans_in
from .prediction_files import PredictionFiles


def input_list(inputs: Iterable[Union[str, Path]], channels: Sequence[str] = ("channel 1",)) -> Datalist:
    """Cases to be segmented, without labels, and what is left out.

    Args:
        inputs: image files, folders of one DICOM series, folders of images, or dataset.json files, whose unlabeled and
            test cases are taken.
        channels: names of the model's channels. Of several, files are grouped as nnU-Net numbers them (p01_0000,
            p01_0001), or have four dimensions. (): unknown, then a case has one image.

    Raises:
        DataError: an input does not exist or holds no image, or a case lacks a channel; it is named.
    """
    channels = tuple(channels) or ("channel 1",)
    scans: list[tuple[str, Path]] = []
    listed_cases: list[Case] = []
    left_out: list[str] = []
    for entry in (Path(path).expanduser() for path in inputs):
        require_readable(entry)
        if entry.suffix.lower() == ".json":
            datalist = read_input_cases(entry)
            require_same_channels(datalist.channels, channels, f"'{entry}'")
            listed_cases += datalist.cases
            left_out += datalist.left_out
        elif PredictionFiles(entry).result.is_file():
            raise DataError(f"'{entry}' holds results of a segmentation; give the scan, or a folder of scans.")
        elif entry.is_dir():
            folder = scans_in(entry)
            scans += folder.scans
            left_out += folder.left_out
        else:
            scans.append((image_name(entry), entry))
    scans, twice = _each_once(scans, channels)
    left_out += twice
    groups = [(case.id, case.images) for case in listed_cases]
    groups += [(name, tuple(str(path.absolute()) for path in paths)) for name, paths in grouped(scans, channels)]
    for name, images in groups:
        require_all_channels(name, images, channels)
    names = unique_case_names(name for name, _ in groups)
    cases = tuple(
        Case(name, Role.INPUT, images[0], more_images=images[1:])
        for name, (_, images) in zip(names, groups, strict=False)
    )
    return Datalist(cases, channels=tuple(channels) if len(channels) > 1 else (), left_out=tuple(left_out))


def _each_once(scans: Sequence[tuple[str, Path]], channels: Sequence[str]) -> tuple[list[tuple[str, Path]], list[str]]:
    """Scans without those that are given again, as by a folder and a file in it; and a sentence on each of these."""
    first: dict[object, Path] = {}
    unique: list[tuple[str, Path]] = []
    left_out: list[str] = []
    for name, path in scans:
        other = first.setdefault(_place(path), path)
        # A file of four dimensions is named once for each of its channels.
        if other is not path and len(channels) == 1:
            is_link = os.path.abspath(path) != os.path.abspath(other)
            what = f"is the same file as '{other}'" if is_link else "is given twice"
            left_out.append(f"'{path}' {what}; it is segmented once.")
            continue
        unique.append((name, path))
    return unique, left_out


def _place(path: Path) -> object:
    """Where a file or folder lies: the same for all links to it."""
    with contextlib.suppress(OSError):
        status = os.stat(path)
        # Some file systems of Windows number no files.
        if status.st_ino:
            return status.st_dev, status.st_ino
    return os.path.normcase(os.path.realpath(path))
