"""The plan in at most three sentences, with its reasons, for the log, the panel and the model card."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..machine.devices import Device
from ..training_set.structures import Triple, largest_extent
from .search import Candidate, Search
from .steps import StepPlan

# Shorter lengths are not rounded to whole millimetres.
_WHOLE_MM = 3.0


def spacing_sentence(chosen: Candidate, search: Search) -> str:
    """At which spacing the network works, and why not at a finer one."""
    data, own = search.config.data, search.own_spacing
    if data.spacing_mm is not None or data.size_kji is not None:
        return f"Works at {_spacing(chosen.spacing_dhw)}, as it is set."
    if chosen.spacing_dhw == own:
        return f"Works at the scans' own {_spacing(own)}."
    # Patches of the same extent have so many times more voxels, and steps take so many times longer.
    steps = chosen.steps * math.prod(own) / math.prod(chosen.spacing_dhw)
    count = _count(steps)
    return (
        f"Works at {_spacing(chosen.spacing_dhw)}, where the labels keep a Dice of {chosen.kept_dice:.2f}; the scans' "
        f"own {_spacing(own)} would leave only {count} {'step' if count == '1' else 'steps'} in {search.config.time}."
    )


def patch_sentence(chosen: Candidate, search: Search, names: Sequence[str], is_part: bool = False) -> str:
    """What a patch covers; `is_part`: of the part of the scan that the fine network looks at."""
    size = " x ".join(str(count) for count in chosen.architecture.patch_size_kji)
    extent = " x ".join(_length(length) for length in chosen.patch_mm)
    structures, within = _structures(names), "" if chosen.architecture.slice_axis is None else " in a slice"
    head = f"Patches of {size} voxels ({extent} mm up-down, front-back, left-right) cover"
    margin, surroundings = _margin(chosen, search), search.surroundings_mm
    if margin == math.inf:
        return f"{head} {'all that the fine network sees' if is_part else 'the whole scan'}{within}."
    if margin >= 0:
        most = f"at least {_length(surroundings)}" if margin >= surroundings else _length(margin)
        return f"{head} {structures}{within} with {most} mm around."
    return (
        f"{head} {100 * chosen.covered:.0f} % of {structures} with {_length(surroundings)} mm around, on the average "
        "of the axes; larger ones would leave too few steps."
    )


def steps_sentence(steps: StepPlan, time: str, device: Device, is_final: bool) -> str:
    """How many steps fit into the time."""
    about = "" if is_final else "About "
    stages = f"{steps.pretraining:,} on labeled cases, then {steps.self_training:,} with unlabeled ones"
    if not steps.pretraining or not steps.self_training:
        stages = "on labeled cases" if steps.pretraining else "with unlabeled cases from the start"
    precision = str(device.dtype).rpartition(".")[2]
    return f"{about}{steps.total:,} steps ({stages}) fit into {time} on this {device.name}, {precision}."


def _margin(chosen: Candidate, search: Search) -> float:
    """Least distance of a patch's border to a structure in its middle, mm; infinite where it is as large as scans."""
    margins = [math.inf]
    extents = zip(chosen.patch_mm, search.scan_mm, largest_extent(search.structures), strict=True)
    for axis, (patch, scan, extent) in enumerate(extents):
        # Patches are rounded to sizes that can be halved.
        if axis != chosen.architecture.slice_axis and patch < 0.95 * scan:
            margins.append((patch - extent) / 2)
    return min(margins)


def _structures(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return "both structures" if len(names) == 2 else f"all {len(names)} structures"


def _length(length_mm: float) -> str:
    return f"{length_mm:.0f}" if length_mm >= _WHOLE_MM else f"{length_mm:.2g}"


def _spacing(spacing_dhw: Triple) -> str:
    if max(spacing_dhw) <= 1.01 * min(spacing_dhw):
        return f"{spacing_dhw[0]:.3g} mm"
    return " x ".join(f"{step:.3g}" for step in spacing_dhw[::-1]) + " mm"


def _count(steps: float) -> str:
    """A number of steps rounded to two digits."""
    return f"{int(float(f'{max(steps, 1):.2g}')):,}"
