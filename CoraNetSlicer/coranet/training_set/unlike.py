"""Cases that are unlike the others: a slip of a unit, the label of another scan, two labels or sides exchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import TypeVar

import numpy as np

from ..contract import Label
from ..contract.events import Warned
from ..contract.outliers import (
    CT_AIR,
    FEWEST_CASES,
    INTENSITY_RANGE,
    PLACE,
    VOLUME_ML,
    Distance,
    other_modalities,
    other_slice_axes,
    other_spacings,
    outliers,
    times_apart,
)
from .survey import MeasuredCase
from .traits import Intensities, StructureTraits, Traits

CODE = "unlike_others"
ValueT = TypeVar("ValueT")
_SIDES = ("left-right", "front-back", "up-down")
# How much brighter, or darker, a structure is than what surrounds it: clear in all others, and here hardly, or the
# other way round. Where two have each other's labels, most others are clear; of three cases it is the other way round.
# How these and the other thresholds were chosen, and by which cases: docs/explanation/adr/0013.
_CLEAR, _HARDLY = 0.4, 0.05
_MOST, _CLEAR_IN_MOST, _CLEAR_IN_HALF = 0.7, 0.45, 0.55
_CLEAR_IN_TWO = 0.4
# Share of the scan's range of intensities by which medians under a label differ at least.
_INTENSITY = Distance(0.6, 0.4)
# What a structure varies by at least, in `_likeness`: log volume, place along three axes, intensity, contrast.
_USUAL = (0.3, 0.05, 0.05, 0.05, 0.15, 0.2)
# As many others say how structures vary, and as many structures of a case are tried in each other's place.
_MOST_COMPARED, _MOST_TRIED = 40, 12
# Two labels are exchanged where the other way round is this much likelier, and the way they are is this unlikely.
_MUCH_LIKELIER, _UNLIKELY = 3.0, 15.0


@dataclass(frozen=True)
class _Compared:
    """A structure of a case among those of all cases that have it."""

    name: str
    all: Sequence[StructureTraits]
    index: int

    @property
    def own(self) -> StructureTraits:
        return self.all[self.index]

    def others(self, of: Callable[[StructureTraits], ValueT]) -> list[ValueT]:
        return [of(traits) for number, traits in enumerate(self.all) if number != self.index]


def unlike_others(cases: Sequence[MeasuredCase], labels: Sequence[Label]) -> list[Warned]:
    """A warning for each case that is unlike the others, with everything in which it is.

    Args:
        cases: all that a training uses.
        labels: of the structures.
    """
    known = [(case, case.traits) for case in cases if case.traits is not None]
    parts: dict[str, list[str]] = {measured.case.id: [] for measured, _ in known}
    for index, part in _scan_parts([traits for _, traits in known]):
        parts[known[index][0].case.id].append(part)
    labeled = [
        (measured.case.id, traits)
        for measured, traits in known
        if measured.scan is not None and not measured.case.is_partial
    ]
    compared = {case: by_label for case, by_label in _compared(labeled, labels).items() if by_label}
    exchanged = {case: _exchanged(list(by_label.values())) for case, by_label in compared.items()}
    for case, pair in exchanged.items():
        if pair:
            first, second = (label.name for label in pair)
            parts[case].append(
                f"'{first}' lies and looks like '{second}' of the others, and the other way round; check whether they "
                "are exchanged"
            )
    for label in labels:
        having = {case: by_label[label.value] for case, by_label in compared.items() if label.value in by_label}
        for case, part in _structure_parts(having):
            if label.name not in [other.name for other in exchanged[case]]:
                parts[case].append(part)
    return [
        Warned(
            CODE, f"'{measured.case.described_image}' is unlike the other cases: {'; '.join(parts[measured.case.id])}."
        )
        for measured, _ in known
        if parts[measured.case.id]
    ]


def _compared(labeled: Sequence[tuple[str, Traits]], labels: Sequence[Label]) -> dict[str, dict[int, _Compared]]:
    """By case and label value, the structures that enough cases have."""
    by_case: dict[str, dict[int, _Compared]] = {case: {} for case, _ in labeled}
    for label in labels:
        having = [
            (case, traits.structures[label.value]) for case, traits in labeled if label.value in traits.structures
        ]
        if len(having) >= FEWEST_CASES:
            alike = [structure for _, structure in having]
            for index, (case, _) in enumerate(having):
                by_case[case][label.value] = _Compared(label.name, alike, index)
    return by_case


def _scan_parts(scans: Sequence[Traits]) -> Iterator[tuple[int, str]]:
    """Number of a scan, and in what it is unlike the others."""
    spacings = [scan.spacing_mm for scan in scans]
    for index in other_spacings(spacings):
        others = [spacing for number, spacing in enumerate(spacings) if number != index]
        usual = [median(sorted(spacing)[axis] for spacing in others) for axis in range(3)]
        own = _by(sorted(spacings[index]))
        yield index, f"its voxels are {own} mm, the others' about {_by(usual)} mm; check its header"
    for index in other_slice_axes(spacings):
        yield index, "its slices run along another axis; check the orientation in its header"
    for channel in zip(*(scan.channels for scan in scans), strict=False):
        yield from _channel_parts(channel)


def _channel_parts(channel: Sequence[Intensities]) -> Iterator[tuple[int, str]]:
    of_other_modality = other_modalities([case.lowest for case in channel])
    for index in of_other_modality:
        lowest = channel[index].lowest
        kinds = ("CT", "not CT") if lowest < CT_AIR else ("not CT", "CT")
        yield index, f"with intensities from {lowest:g} on it is {kinds[0]}, most others are {kinds[1]}"
    low, high = (median(values) for values in ([case.low for case in channel], [case.high for case in channel]))
    for index in times_apart([case.high - case.low for case in channel], INTENSITY_RANGE):
        if index not in of_other_modality:
            own = channel[index]
            yield (
                index,
                (
                    f"it has intensities from {own.low:.4g} to {own.high:.4g}, the others from about {low:.4g} to "
                    f"{high:.4g}; check that it is a scan of that kind"
                ),
            )


def _structure_parts(having: Mapping[str, _Compared]) -> Iterator[tuple[str, str]]:
    """Name of a case, and in what a structure of it is unlike that of the others."""
    cases, alike = list(having), [compared.own for compared in having.values()]
    for index in times_apart([other.ml for other in alike], VOLUME_ML):
        compared = having[cases[index]]
        yield (
            cases[index],
            (
                f"'{compared.name}' has {compared.own.ml:.3g} mL, in the others {_range(compared.others(_ml))} mL; "
                "check its label and spacing"
            ),
        )
    far = [outliers([other.centre[axis] for other in alike], PLACE) for axis in range(3)]
    on_other_tissue = outliers([other.intensity for other in alike], _INTENSITY)
    for index, (case, compared) in enumerate(having.items()):
        if sides := [side for side, odd in zip(_SIDES, far, strict=True) if index in odd]:
            yield (
                case,
                (
                    f"'{compared.name}' lies elsewhere in the scan ({', '.join(sides)}) than in the others; check the "
                    "orientation, and that the label belongs to this scan"
                ),
            )
        elif _has_no_edge(compared) or (index in on_other_tissue and _is_outside(compared)):
            yield (
                case,
                (
                    f"under '{compared.name}' the intensities differ from the others, as if the label were "
                    "moved, mirrored or of another scan; look at both together"
                ),
            )


def _has_no_edge(compared: _Compared) -> bool:
    """Whether a structure that stands out from its surroundings in the other cases does not here."""
    own = compared.own.contrast
    if abs(own) >= _HARDLY and own * median(traits.contrast for traits in compared.all) > 0:
        return False
    others = compared.others(lambda traits: traits.contrast)
    sign = math.copysign(1.0, median(others))
    ordered, own = sorted(sign * value for value in others), sign * own
    if len(ordered) == FEWEST_CASES - 1:
        return own < 0 and ordered[0] >= _CLEAR_IN_TWO
    is_clear = ordered[0] >= _CLEAR
    if len(ordered) > FEWEST_CASES:
        in_most = ordered[len(ordered) - math.ceil(_MOST * len(ordered))]
        is_clear = is_clear or (in_most >= _CLEAR_IN_MOST and median(ordered) >= _CLEAR_IN_HALF)
    return own < _HARDLY and is_clear


def _is_outside(compared: _Compared) -> bool:
    """Whether the median under the label occurs under no other."""
    lowest = min(compared.others(lambda traits: traits.intensity_range[0]))
    highest = max(compared.others(lambda traits: traits.intensity_range[1]))
    return not lowest <= compared.own.intensity <= highest


def _exchanged(structures: Sequence[_Compared]) -> Sequence[_Compared]:
    """Two structures of a case that are far likelier the other way round; () where there are none."""
    odd = sorted(
        ((_unlikeness(compared, compared.own), number) for number, compared in enumerate(structures)), reverse=True
    )
    # Both lie where the other one should; of many structures the oddest are tried.
    numbers = sorted(number for unlikeness, number in odd[:_MOST_TRIED] if unlikeness > _UNLIKELY / 3)
    tried = [structures[number] for number in numbers]
    return next((pair for pair in combinations(tried, 2) if _are_exchanged(*pair)), ())


def _are_exchanged(first: _Compared, second: _Compared) -> bool:
    """Whether two structures of a case are far likelier the other way round."""
    as_they_are = _unlikeness(first, first.own) + _unlikeness(second, second.own)
    exchanged = _unlikeness(first, second.own) + _unlikeness(second, first.own)
    return as_they_are > _UNLIKELY and as_they_are > _MUCH_LIKELIER * exchanged


def _unlikeness(compared: _Compared, traits: StructureTraits) -> float:
    """How far a structure lies from those of the other cases, in units of how far these vary; the sum of all traits."""
    others = np.array(compared.others(_likeness)[:_MOST_COMPARED])
    middle = np.median(others, axis=0)
    usual = np.maximum(_USUAL, np.abs(others - middle).max(0))
    return float((np.abs(_likeness(traits) - middle) / usual).sum())


def _likeness(traits: StructureTraits) -> tuple[float, ...]:
    return (math.log(max(traits.ml, 1e-30)), *traits.centre, traits.intensity, traits.contrast)


def _ml(traits: StructureTraits) -> float:
    return traits.ml


def _by(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.3g}" for value in values)


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"
