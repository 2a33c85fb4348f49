"""The plan in at most three sentences, with its reasons, for the log, the panel and the model card."""

from __future__ import annotations

from collections.abc import Sequence

from ..devices import Device
from .search import SURROUNDINGS_MM, Candidate, Search
from .steps import StepPlan
from .structures import Triple, largest_extent


def spacing_sentence(chosen: Candidate, candidates: Sequence[Candidate], search: Search) -> str:
    """At which spacing the network works, and why not at a finer one."""
    data, own = search.config.data, search.own_spacing
    if data.spacing_mm is not None or data.size_kji is not None:
        return f"Works at {_spacing(chosen.spacing_dhw)}, as it is set."
    if chosen.spacing_dhw == own:
        return f"Works at the scans' own {_spacing(own)}."
    finer = min(
        (one for one in candidates if one.spacing_dhw == own and one.covered >= 0.9 * chosen.covered),
        key=lambda one: one.deficit, default=None,
    )  # fmt: skip
    kept = f"Works at {_spacing(chosen.spacing_dhw)}, where labels keep {chosen.kept_dice:.2f} Dice"
    if finer is None:
        return f"{kept}; the scans' own {_spacing(own)} would leave too little in a patch."
    return (
        f"{kept}; the scans' own {_spacing(own)} would leave only {_count(finer.steps)} steps in {search.config.time}."
    )


def patch_sentence(chosen: Candidate, search: Search, names: Sequence[str]) -> str:
    """What a patch covers."""
    size = " x ".join(str(count) for count in chosen.architecture.patch_size_kji)
    extent = " x ".join(f"{length:.0f}" for length in chosen.patch_mm)
    what = _what(names)
    axes = [axis for axis in range(3) if axis != chosen.architecture.slice_axis]
    within = "" if chosen.architecture.slice_axis is None else " in a slice"
    margin = min(_margin(axis, chosen, search) for axis in axes)
    head = f"Patches of {size} voxels ({extent} mm up-down, front-back, left-right)"
    if margin >= SURROUNDINGS_MM:
        return f"{head} cover {what}{within} with at least {SURROUNDINGS_MM:.0f} mm around, or the whole scan."
    if margin >= 0:
        return f"{head} cover {what}{within} with {margin:.0f} mm around."
    share = f"{100 * chosen.covered:.0f} %"
    return f"{head} cover {share} of {what} with surroundings along an axis; more would leave too few steps."


def steps_sentence(steps: StepPlan, time: str, device: Device, is_final: bool) -> str:
    """How many steps fit into the time."""
    about = "" if is_final else "About "
    stages = f"{steps.pretraining:,} on labeled cases, then {steps.self_training:,} with unlabeled ones"
    if not steps.pretraining or not steps.self_training:
        stages = "on labeled cases" if steps.pretraining else "with unlabeled cases from the start"
    precision = str(device.dtype).rpartition(".")[2]
    return f"{about}{steps.total:,} steps ({stages}) fit into {time} on this {device.name}, {precision}."


def _margin(axis: int, chosen: Candidate, search: Search) -> float:
    """Least distance of a patch's border to a structure in its middle, mm; as much as is wanted where a scan ends."""
    patch, region = chosen.patch_mm[axis], search.region_mm[axis]
    extent = largest_extent(search.structures)[axis]
    # Patches are rounded to sizes that can be halved.
    return SURROUNDINGS_MM if patch >= 0.95 * region else (patch - extent) / 2


def _what(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return "both structures" if len(names) == 2 else f"all {len(names)} structures"


def _spacing(spacing_dhw: Triple) -> str:
    if max(spacing_dhw) <= 1.01 * min(spacing_dhw):
        return f"{spacing_dhw[0]:.3g} mm"
    return " x ".join(f"{step:.3g}" for step in spacing_dhw[::-1]) + " mm"


def _count(steps: float) -> str:
    """A number of steps as one says it: two digits."""
    return f"{int(float(f'{max(steps, 1):.2g}')):,}"
