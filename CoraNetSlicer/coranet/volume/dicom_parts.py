"""Slices of a series sorted into stacks: its phases, echoes, orientations; each stack checked for gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import DataError
from .dicom_header import Slice
from .dicom_slices import DISTINGUISHING
from .grid import Grid, by

# Positions are rounded when they are written; a slice farther off than this share of a gap is out of step.
_OUT_OF_STEP = 0.1
# Slices nearer than this share of a voxel lie at the same place.
_SAME_PLACE_MM = 1e-3
_SAME_AXES = 1e-2
# Sideways shift over the whole stack, in voxels, from which slices are those of a tilted gantry.
_SIDEWAYS_VOXELS = 0.5

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Part:
    """Slices of a series that belong together.

    Attributes:
        slices: in the order in which they lie, along `Slice.normal`.
        name: the feature that distinguishes it in its series, such as "echo time 4.6"; "" where there is one part.
    """

    slices: tuple[Slice, ...]
    name: str = ""


def parts_of_series(path: Path, slices: Sequence[Slice]) -> list[Part]:
    """Sort the slices of one series.

    Args:
        path: for messages.
        slices: of one series, no two the same.

    Raises:
        DataError: slices do not say where they lie, or several lie at one place without a feature to distinguish them.
    """
    for dicom_slice in slices:
        if dicom_slice.position_mm is None or not dicom_slice.axes:
            raise DataError(
                f"'{dicom_slice.path}' does not say where its slice lies (no ImagePositionPatient or "
                "ImageOrientationPatient), so slices cannot be put in order; export the series again, or take the file "
                "out of the folder."
            )
    stacks = _stacks(slices)
    parts = [part for stack in stacks for part in _divided(path, stack)]
    if len(stacks) > 1:
        parts = [Part(part.slices, ", ".join(filter(None, (_shape(part), part.name)))) for part in parts]
    return _with_own_names(parts)


def require_stack(path: Path, part: Part) -> Grid:
    """The grid of a part whose slices follow each other evenly.

    Raises:
        DataError: there is one slice, slices are missing, or they are shifted sideways.
    """
    slices = part.slices
    first = slices[0]
    if len(slices) < 2:
        raise DataError(
            f"'{path}' is a single slice ({by((*first.size, 1))}), expected a volume of several slices; give the "
            "whole scan."
        )
    places = np.array([dicom_slice.position_mm for dicom_slice in slices])
    along = (places - places[0]) @ first.normal
    gaps = np.diff(along)
    _require_even(path, slices, along, gaps)
    drift = places - places[0] - along[:, None] * first.normal
    sideways = float(np.linalg.norm(drift, axis=1).max())
    if sideways > _SIDEWAYS_VOXELS * min(first.spacing_mm):
        degrees = np.degrees(np.arctan2(np.linalg.norm(drift[-1]), along[-1]))
        raise DataError(
            f"'{path}' has slices that are shifted sideways, by {sideways:.3g} mm over the stack ({degrees:.1f} "
            "degrees), as a CT with a tilted gantry has; load it in Slicer with the DICOM module, which puts it "
            "upright, and save it as NRRD."
        )
    direction = np.stack([first.axes[:3], first.axes[3:], first.normal], axis=1)
    return Grid(
        (*first.size, len(slices)),
        (*first.spacing_mm, float(along[-1] / (len(slices) - 1))),
        (float(places[0][0]), float(places[0][1]), float(places[0][2])),
        tuple(float(value) for value in direction.ravel()),
    )


def listed_parts(parts: Sequence[Part]) -> str:
    """Parts in a sentence, each with the number of its slices."""
    shown = [f"{part.name or 'a stack'} ({len(part.slices)} slices)" for part in parts[:6]]
    return ", ".join(shown) + (f" and {len(parts) - 6} more" if len(parts) > 6 else "")


def _with_own_names(parts: Sequence[Part]) -> list[Part]:
    """The parts, with a number where two have one name, as oblique stacks may: by its name a case finds its part."""
    counts = Counter(part.name for part in parts)
    numbers: Counter[str] = Counter()
    named = []
    for part in parts:
        numbers[part.name] += 1
        named.append(replace(part, name=f"{part.name} ({numbers[part.name]})") if counts[part.name] > 1 else part)
    return named


def _require_even(path: Path, slices: Sequence[Slice], along: Array, gaps: Array) -> None:
    step = float(gaps.min())
    even = np.arange(len(along)) * (along[-1] / (len(along) - 1))
    if np.abs(along - even).max() <= _OUT_OF_STEP * step:
        return
    missing = np.rint(gaps / step).astype(int) - 1
    # Where most distances are gaps, the others are what is odd.
    is_gap = missing > 0
    if np.abs(gaps - (missing + 1) * step).max() <= _OUT_OF_STEP * step and is_gap.mean() <= 0.5:
        at = int(np.argmax(missing))
        raise DataError(
            f"'{path}' lacks {int(missing.sum())} slices: they are {step:.4g} mm apart, but {gaps[at]:.4g} mm between "
            f"'{slices[at].path.name}' and '{slices[at + 1].path.name}'; get the missing files, or the series again."
        )
    raise DataError(
        f"'{path}' has slices at uneven distances, from {gaps.min():.4g} to {gaps.max():.4g} mm, expected the same "
        "everywhere; put slices of one distance in a folder of its own, or resample the scan (in Slicer, the DICOM "
        "module does when it loads)."
    )


def _stacks(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices of one size, spacing and orientation together."""
    stacks: list[list[Slice]] = []
    for dicom_slice in slices:
        for stack in stacks:
            if stack[0].size == dicom_slice.size and np.allclose(
                [*stack[0].axes, *stack[0].spacing_mm],
                [*dicom_slice.axes, *dicom_slice.spacing_mm],
                rtol=1e-3,
                atol=_SAME_AXES,
            ):
                stack.append(dicom_slice)
                break
        else:
            stacks.append([dicom_slice])
    return [sorted(stack, key=_along) for stack in stacks]


def _divided(path: Path, stack: list[Slice]) -> list[Part]:
    """A stack as one part, or as several: where slices lie at one place, or have features of several images."""
    is_crowded = _at_one_place(stack) is not None
    for name in dict.fromkeys(name for dicom_slice in stack for name in dicom_slice.features):
        if not is_crowded and name not in DISTINGUISHING:
            continue
        groups = _by_feature(stack, name)
        if len(groups) > 1 and min(map(len, groups.values())) > 1 and (not is_crowded or _is_less_crowded(groups)):
            return [
                Part(part.slices, ", ".join(filter(None, (f"{name} {_shown(value)}", part.name))))
                for value, group in groups.items()
                for part in _divided(path, group)
            ]
    pair = _at_one_place(stack)
    if pair is not None:
        raise DataError(
            f"'{path}' has two different slices at one place, '{pair[0].path.name}' and '{pair[1].path.name}', and "
            "nothing in them tells to which image each belongs; put the files of each image in a folder of its own."
        )
    return [Part(tuple(stack))]


def _by_feature(stack: Sequence[Slice], name: str) -> dict[Any, list[Slice]]:
    groups: dict[Any, list[Slice]] = {}
    for dicom_slice in stack:
        groups.setdefault(dicom_slice.features.get(name), []).append(dicom_slice)
    return dict(sorted(groups.items(), key=lambda group: (str(type(group[0])), group[0] or 0)))


def _is_less_crowded(groups: dict[Any, list[Slice]]) -> bool:
    """Whether a place is held by fewer slices in each group than in all of them."""
    together = sorted((member for group in groups.values() for member in group), key=_along)
    return max(map(_most_at_one_place, groups.values())) < _most_at_one_place(together)


def _most_at_one_place(stack: Sequence[Slice]) -> int:
    most = run = 1
    for near in np.diff([_along(dicom_slice) for dicom_slice in stack]) < _SAME_PLACE_MM:
        run = run + 1 if near else 1
        most = max(most, run)
    return most


def _at_one_place(stack: Sequence[Slice]) -> tuple[Slice, Slice] | None:
    for lower, upper in zip(stack, stack[1:], strict=False):
        if _along(upper) - _along(lower) < _SAME_PLACE_MM:
            return lower, upper
    return None


def _along(dicom_slice: Slice) -> float:
    return float(np.dot(dicom_slice.position_mm or (0.0, 0.0, 0.0), dicom_slice.normal))


def _shape(part: Part) -> str:
    first = part.slices[0]
    across = int(np.argmax(np.abs(first.normal)))
    return f"{('sagittal', 'coronal', 'axial')[across]} {by(first.size)}"


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else str(value)
