"""A folder of DICOM files, or one of its files, as one image: which of its slices make it up."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..contract.errors import DataError
from ..contract.image_files import is_dicom_file
from .dicom_header import Slice
from .dicom_parts import Part, listed_parts, parts_of_series
from .dicom_slices import PictureError, read_slices
from .notes import note

_LISTED = 4


def parts_of(path: str | Path) -> list[Part]:
    """The images that a folder of one DICOM series holds: one, or one for each of its phases, echoes or orientations.

    Args:
        path: the folder, or one of its files: then of that file's part alone.

    Raises:
        DataError: it holds no series or several, or slices that cannot be put in order.
        PackageError: pydicom is missing.
    """
    steps = parts_in_steps(path)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return list(end.value)


def parts_in_steps(path: str | Path) -> Generator[None, None, list[Part]]:
    """What `parts_of` does, in steps of a file each; returns the parts at the end."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    slices: list[Slice] = []
    pictures: dict[str, PictureError] = {}
    for file in _files(folder):
        try:
            slices += _read(file, path) if is_dicom_file(file) else []
        except PictureError as error:
            pictures[file.name] = error
        yield
    _leave_out_pictures(path, pictures, slices)
    if path != folder:
        groups = [group for group in _by_series(slices) if any(dicom_slice.path == path for dicom_slice in group)]
        slices = [dicom_slice for group in groups for dicom_slice in group]
    slices = _of_one_series(path, slices)
    parts = parts_of_series(path, _each_once(path, _without_scouts(path, slices)))
    if path != folder:
        return [part for part in parts if any(dicom_slice.path == path for dicom_slice in part.slices)]
    return _without_single_slices(path, parts)


def chosen_part(path: Path, channel: int | None, name: str = "") -> Part:
    """The one image that is meant.

    Args:
        path: folder, or a file in it.
        channel: the number of the part; None: there must be one.
        name: of the part; "": any. A file that is in one part alone stands for it, whatever that is called now.
    """
    parts = parts_of(path)
    if name and (len(parts) > 1 or path.is_dir()):
        named = [part for part in parts if part.name == name]
        if not named:
            raise DataError(
                f"'{path}' no longer has the image '{name}', but {listed_parts(parts)}; put its files back, or "
                "start again."
            )
        return named[0]
    if channel is not None and channel < len(parts):
        return parts[channel]
    if channel is not None:
        raise DataError(
            f"'{path}' holds {len(parts)} {'image' if len(parts) == 1 else 'images'}, expected at least {channel + 1}, "
            "one a channel; add the others, or correct 'channels'."
        )
    if len(parts) > 1:
        raise DataError(
            f"'{path}' is one DICOM series of {len(parts)} images: {listed_parts(parts)}; give a file of the one "
            f"that is meant (such as '{parts[0].slices[0].path.name}'), or a folder to each."
        )
    return parts[0]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _read(file: Path, path: Path) -> list[Slice]:
    """The slices of a file; other series in the folder of a file that was asked for may be as they are."""
    try:
        return read_slices(file)
    except DataError:
        if path.is_dir() or path == file:
            raise
        return []


def _leave_out_pictures(path: Path, pictures: Mapping[str, PictureError], slices: Sequence[Slice]) -> None:
    """Say that pictures are left out, such as a photograph of the screen or a report on the dose.

    Raises:
        PictureError: there are no slices beside them, or they are of the same series.
    """
    own = {dicom_slice.series for dicom_slice in slices}
    for error in pictures.values():
        if path.is_file() or not slices or error.series in own:
            raise error
    if pictures:
        names = ", ".join(f"'{name}'" for name in list(pictures)[:_LISTED])
        note(f"'{path}' has {len(pictures)} pictures of other series ({names}), which are left out.")


def _of_one_series(path: Path, slices: Sequence[Slice]) -> list[Slice]:
    series = _by_series(slices)
    scouts = [group for group in series if all(member.is_localizer for member in group)]
    if len(series) > 1 and len(series) - len(scouts) == 1:
        note(f"'{path}' has a scout ({_titles(scouts)}), which is left out.")
        series = [group for group in series if group not in scouts]
    if len(series) != 1:
        names = f": {_titles(series)}" if series else ""
        remedy = "put each series in a folder of its own" if series else "name an image, or a folder with one series"
        raise DataError(f"'{path}' holds {len(series)} DICOM series, expected exactly 1{names}; {remedy}.")
    return series[0]


def _by_series(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The slices of each series, of each study that has one of this number.

    Where each slice names another study the number is meaningless: ITK generates one for each file without.
    """
    studies: dict[str, list[str]] = {}
    for dicom_slice in slices:
        studies.setdefault(dicom_slice.series, []).append(dicom_slice.study)
    groups: dict[tuple[str, str], list[Slice]] = {}
    for dicom_slice in slices:
        named = studies[dicom_slice.series]
        study = dicom_slice.study if len(set(named)) < len(named) else ""
        groups.setdefault((dicom_slice.series, study), []).append(dicom_slice)
    return list(groups.values())


def _titles(series: Sequence[Sequence[Slice]]) -> str:
    shown = ", ".join(f"{group[0].title} ({len(group)} slices)" for group in series[:_LISTED])
    return shown + (f" and {len(series) - _LISTED} more" if len(series) > _LISTED else "")


def _without_scouts(path: Path, slices: Sequence[Slice]) -> list[Slice]:
    images = [dicom_slice for dicom_slice in slices if not dicom_slice.is_localizer]
    if images and len(images) < len(slices):
        note(f"'{path}' has {len(slices) - len(images)} slices of a scout, which are left out.")
    return images or list(slices)


def _without_single_slices(path: Path, parts: list[Part]) -> list[Part]:
    """The parts that are volumes, where there are any: a slice that lies across the others is a scout or a picture."""
    volumes = [part for part in parts if len(part.slices) > 1]
    others = [part for part in parts if len(part.slices) == 1]
    if volumes and others:
        names = ", ".join(f"'{part.slices[0].path.name}'" for part in others[:_LISTED])
        note(f"'{path}' has {len(others)} slices of another size or orientation ({names}), which are left out.")
    return volumes or parts


def _each_once(path: Path, slices: Sequence[Slice]) -> list[Slice]:
    """Slices without those that are there twice, with the same place, the same features and the same voxels."""
    unique: list[Slice] = []
    alike: dict[Any, list[Slice]] = {}
    content = cache(_content)
    doubles: list[str] = []
    for dicom_slice in slices:
        place = (
            np.round(dicom_slice.position_mm, 3).tolist()
            if dicom_slice.position_mm
            else [dicom_slice.path, dicom_slice.frame]
        )
        key = (
            *place,
            *np.round(dicom_slice.axes, 3).tolist(),
            dicom_slice.size,
            tuple(sorted(map(str, dicom_slice.features.items()))),
        )
        if any(content(dicom_slice) == content(other) for other in alike.get(key, ())):
            doubles.append(dicom_slice.path.name)
            continue
        alike.setdefault(key, []).append(dicom_slice)
        unique.append(dicom_slice)
    if doubles:
        note(f"'{path}' has {len(doubles)} slices twice (such as '{doubles[0]}'), which are taken once.")
    return unique


def _content(dicom_slice: Slice) -> bytes:
    """A hash of the voxels of a slice as they are stored, and of how they are scaled."""
    import pydicom

    stored = pydicom.dcmread(dicom_slice.path, force=True)
    content = bytes(stored.get("PixelData", b""))
    if dicom_slice.frame is not None:
        length = len(content) // int(stored.get("NumberOfFrames") or 1)
        content = content[dicom_slice.frame * length : (dicom_slice.frame + 1) * length]
    return hashlib.blake2b(content + repr(dicom_slice.rescale).encode()).digest()
