"""Cases that are unlike the others: a slip of a unit, the label of another scan, two labels or sides exchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from ..events import Warned
from ..job import Label
from ..job.outliers import (
    CT_AIR,
    FEWEST_CASES,
    INTENSITY_RANGE,
    PLACE,
    VOLUME_ML,
    Distance,
    is_far,
    is_other_modality,
    is_other_slice_axis,
    is_other_spacing,
    is_times_apart,
)
from .survey import MeasuredCase
from .traits import StructureTraits, Traits

CODE = "unlike_others"
_SIDES = ("left-right", "front-back", "up-down")
# Under the labels of all other cases this structure is at least this much brighter, or darker, than what surrounds it,
# and here it is hardly, or the other way round.
_CLEAR_CONTRAST, _HARDLY = 0.4, 0.1
_FEWEST_FOR_CONTRAST = 4
# Share of the scan's range of intensities by which medians under a label differ at least.
_INTENSITY = Distance(0.6, 0.4)
# What a structure varies by at least, in `_likeness`: log volume, place along three axes, intensity, contrast.
_USUAL = (0.3, 0.05, 0.05, 0.05, 0.15, 0.2)
# Two labels are exchanged where the other way round is this much likelier, and the way they are is this unlikely.
_MUCH_LIKELIER, _UNLIKELY = 3.0, 15.0


@dataclass(frozen=True)
class _Compared:
    """A structure of a case among those of the other cases that have it."""

    name: str
    all: Sequence[StructureTraits]
    index: int

    @property
    def own(self) -> StructureTraits:
        return self.all[self.index]

    def values(self, of: Callable[[StructureTraits], float]) -> list[float]:
        return [of(one) for one in self.all]

    def others(self, of: Callable[[StructureTraits], float]) -> list[float]:
        return [of(one) for number, one in enumerate(self.all) if number != self.index]


def unlike_others(cases: Sequence[MeasuredCase], labels: Sequence[Label]) -> list[Warned]:
    """A warning for each case that is unlike the others, with everything in which it is.

    Args:
        cases: all that a training uses.
        labels: of the structures.
    """
    known = [one for one in cases if one.traits is not None]
    labeled = [one for one in known if one.scan is not None and not one.case.is_partial]
    parts: dict[str, list[str]] = {one.case.id: [] for one in known}
    traits = [one.traits for one in known if one.traits is not None]
    for index, one in enumerate(known):
        parts[one.case.id] += _scan_parts(traits, index)
    for one in labeled:
        parts[one.case.id] += _structure_parts(one, labeled, labels)
    return [
        Warned(CODE, f"'{one.case.image}' is unlike the other cases: {'; '.join(found)}.")
        for one in known
        if (found := parts[one.case.id])
    ]


def _scan_parts(all_traits: Sequence[Traits], index: int) -> Iterator[str]:
    own, spacings = all_traits[index], [one.spacing_mm for one in all_traits]
    others = [one for number, one in enumerate(all_traits) if number != index]
    if is_other_spacing(spacings, index):
        usual = [median(sorted(one.spacing_mm)[axis] for one in others) for axis in range(3)]
        yield f"its voxels are {_by(sorted(own.spacing_mm))} mm, the others' about {_by(usual)} mm; check its header"
    elif is_other_slice_axis(spacings, index):
        yield "its slices run along another axis; check the orientation in its header"
    for channel in range(len(own.channels)):
        alike = [one.channels[channel] for one in all_traits if channel < len(one.channels)]
        if len(alike) != len(all_traits):
            continue
        mine = alike[index]
        if is_other_modality([one.lowest for one in alike], index):
            kinds = ("CT", "not CT") if mine.lowest < CT_AIR else ("not CT", "CT")
            yield f"with intensities from {mine.lowest:g} on it is {kinds[0]}, most others are {kinds[1]}"
        elif is_times_apart([one.high - one.low for one in alike], index, INTENSITY_RANGE):
            low, high = (median(values) for values in zip(*((one.low, one.high) for one in alike), strict=True))
            yield (
                f"it has intensities from {mine.low:.4g} to {mine.high:.4g}, the others from about {low:.4g} to "
                f"{high:.4g}; check that it is a scan of that kind"
            )


def _structure_parts(one: MeasuredCase, labeled: Sequence[MeasuredCase], labels: Sequence[Label]) -> Iterator[str]:
    compared = {label.value: found for label in labels if (found := _compared(one, labeled, label)) is not None}
    exchanged = next(
        (pair for pair in combinations(compared.values(), 2) if _are_exchanged(*pair)), None
    )  # fmt: skip
    if exchanged:
        first, second = exchanged
        yield (
            f"'{first.name}' lies and looks like '{second.name}' of the others, and the other way round; check whether "
            "they are exchanged"
        )
    for structure in compared.values():
        if not exchanged or structure not in exchanged:
            yield from _of_structure(structure)


def _compared(one: MeasuredCase, labeled: Sequence[MeasuredCase], label: Label) -> _Compared | None:
    having = [other for other in labeled if label.value in _structures(other)]
    if one not in having or len(having) < FEWEST_CASES:
        return None
    return _Compared(label.name, [_structures(other)[label.value] for other in having], having.index(one))


def _structures(one: MeasuredCase) -> Mapping[int, StructureTraits]:
    return one.traits.structures if one.traits else {}


def _of_structure(compared: _Compared) -> Iterator[str]:
    name, own = compared.name, compared.own
    if is_times_apart(compared.values(lambda one: one.ml), compared.index, VOLUME_ML):
        yield (
            f"'{name}' has {own.ml:.3g} mL, in the others {_range(compared.others(lambda one: one.ml))} mL; check its "
            "label and spacing"
        )
    away = [
        side for axis, side in enumerate(_SIDES)
        if is_far(compared.values(lambda one, axis=axis: one.centre[axis]), compared.index, PLACE)  # type: ignore[misc]
    ]  # fmt: skip
    if away:
        yield (
            f"'{name}' lies elsewhere in the scan ({', '.join(away)}) than in the others; check the orientation, and "
            "that the label belongs to this scan"
        )
    elif _is_on_other_tissue(compared):
        yield (
            f"under '{name}' there are other intensities than in the others, as where a label is moved, mirrored or of "
            "another scan; look at both together"
        )


def _is_on_other_tissue(compared: _Compared) -> bool:
    others = compared.others(lambda one: one.contrast)
    sign = math.copysign(1.0, median(others))
    is_clear = len(others) + 1 >= _FEWEST_FOR_CONTRAST and min(sign * value for value in others) >= _CLEAR_CONTRAST
    if is_clear and sign * compared.own.contrast < _HARDLY:
        return True
    lowest = min(compared.others(lambda one: one.intensity_range[0]))
    highest = max(compared.others(lambda one: one.intensity_range[1]))
    is_outside = not lowest <= compared.own.intensity <= highest
    return is_outside and is_far(compared.values(lambda one: one.intensity), compared.index, _INTENSITY)


def _are_exchanged(first: _Compared, second: _Compared) -> bool:
    """Whether two structures of a case are far likelier the other way round."""
    as_they_are = _unlikeness(first, first.own) + _unlikeness(second, second.own)
    exchanged = _unlikeness(first, second.own) + _unlikeness(second, first.own)
    return as_they_are > _UNLIKELY and as_they_are > _MUCH_LIKELIER * exchanged


def _unlikeness(compared: _Compared, one: StructureTraits) -> float:
    """How far a structure lies from those of the other cases, in units of how far these vary; the sum of all traits."""
    rest = [other for number, other in enumerate(compared.all) if number != compared.index]
    columns = list(zip(*map(_likeness, rest), strict=True))
    total = 0.0
    for value, others, least in zip(_likeness(one), columns, _USUAL, strict=True):
        middle = median(others)
        usual = max(least, sorted(abs(other - middle) for other in others)[-1])
        total += abs(value - middle) / usual
    return total


def _likeness(one: StructureTraits) -> tuple[float, ...]:
    return (math.log(max(one.ml, 1e-30)), *one.centre, one.intensity, one.contrast)


def _by(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.3g}" for value in values)


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"
