"""How long a step takes on this machine, for any network and patch, from a few real steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..networks import Architecture
from ..networks.architecture import product
from .memory import BatchSizes
from .steps import StepSeconds

# Voxels of the two patches that are timed: on a processor, and on a graphics card.
_PATCHES = {"cpu": (8_000, 32_000), "cuda": (110_000, 440_000)}
_SLICES = {"cpu": (3_000, 9_000), "cuda": (16_000, 65_000)}
# Patches a step while timing: with fewer, a voxel takes longer than in a usual batch (1.6 times on a processor).
_VOLUMES, _SLICES_A_STEP = 2, 4
# Seconds of a voxel grow with the filters by this power, where a network is not timed itself.
_FILTERS_POWER = 1.5

Measure = Callable[[Architecture, BatchSizes], StepSeconds]


@dataclass(frozen=True)
class _Line:
    """Seconds of a step: overhead + each * voxels of all its patches."""

    overhead: StepSeconds
    each: StepSeconds

    def at(self, labeled: int, every: int) -> StepSeconds:
        """Of a step with so many voxels in labeled, and in all patches."""
        return StepSeconds(
            self.overhead.pretraining + self.each.pretraining * labeled,
            self.overhead.self_training + self.each.self_training * every,
        )

    def scaled(self, factor: float) -> _Line:
        """Of a network whose voxels take so many times as long."""
        return _Line(self.overhead, StepSeconds(*(factor * seconds for seconds in self.each)))


@dataclass(frozen=True)
class _Timed:
    """A network that was timed, and how long that took."""

    architecture: Architecture
    line: _Line
    took_s: float


@dataclass
class Speed:
    """Seconds of a step, timed when first asked for, as long as there is time for it; else taken from the nearest.

    Attributes:
        measure: times a step of each stage with patches of an architecture.
        left_s: seconds that may still be spent on timing.
        kind: of the device: "cpu", "cuda" or "mps".
        uses_unlabeled: whether self-training looks at unlabeled patches.
    """

    measure: Measure
    left_s: float
    kind: str = "cpu"
    uses_unlabeled: bool = True
    _known: dict[tuple[Any, ...], _Timed] = field(default_factory=dict)

    def step(self, architecture: Architecture, sizes: BatchSizes) -> StepSeconds:
        """Seconds of a step of each stage with patches and batches of these sizes."""
        voxels = product(architecture.patch_size_kji)
        return self._line(architecture).at(sizes.labeled * voxels, sum(sizes) * voxels)

    def _line(self, architecture: Architecture) -> _Line:
        key = _key(architecture)
        if key in self._known:
            return self._known[key].line
        if not self._known:
            return self._time(key, architecture)
        nearest = min(self._known.values(), key=lambda known: _distance(architecture, known.architecture))
        factor = (architecture.base_filters / nearest.architecture.base_filters) ** _FILTERS_POWER
        if nearest.took_s * factor > self.left_s:
            return nearest.line.scaled(factor)
        return self._time(key, architecture)

    def _time(self, key: tuple[Any, ...], architecture: Architecture) -> _Line:
        start = time.monotonic()
        line = self._timed(architecture)
        took_s = time.monotonic() - start
        self.left_s -= took_s
        self._known[key] = _Timed(architecture, line, took_s)
        return line

    def _timed(self, architecture: Architecture) -> _Line:
        labeled = _VOLUMES if architecture.slice_axis is None else _SLICES_A_STEP
        sizes = BatchSizes(labeled, labeled if self.uses_unlabeled else 0)
        kinds = _PATCHES if architecture.slice_axis is None else _SLICES
        small_patch, large_patch = (_with_patch(architecture, voxels) for voxels in kinds.get(self.kind, kinds["cpu"]))
        of_small, of_large = (self.measure(with_patch, sizes) for with_patch in (small_patch, large_patch))
        small, large = product(small_patch.patch_size_kji), product(large_patch.patch_size_kji)
        batches = StepSeconds(sizes.labeled, sum(sizes))
        each, overhead = [], []
        for less, more, count in zip(of_small, of_large, batches, strict=True):
            # Two patches that round to one size, or a step that was disturbed, must not give a negative slope.
            slope = (more - less) / (count * (large - small)) if large > small else 0.0
            slope = max(slope, 0.5 * more / (count * large))
            each.append(slope)
            overhead.append(max(0.0, more - slope * count * large))
        return _Line(StepSeconds(*overhead), StepSeconds(*each))


def _key(architecture: Architecture) -> tuple[Any, ...]:
    return (architecture.base_filters, architecture.kernels, architecture.strides, architecture.slice_axis)


def _distance(first: Architecture, second: Architecture) -> tuple[bool, int, float]:
    levels = abs(len(first.strides) - len(second.strides))
    return first.kernels[0] != second.kernels[0], levels, abs(first.base_filters - second.base_filters)


def _with_patch(architecture: Architecture, voxels: int) -> Architecture:
    """The same network with a nearly cubic (or square) patch of about so many voxels."""
    axes = [axis for axis in range(3) if axis != architecture.slice_axis]
    side = voxels ** (1 / len(axes))
    patch = [1, 1, 1]
    for axis in axes:
        factor = architecture.factors[axis]
        patch[axis] = max(1, round(side / factor)) * factor
    return replace(architecture, patch_size_kji=_triple(patch))


def _triple(sizes: Sequence[int]) -> tuple[int, int, int]:
    depth, height, width = sizes
    return depth, height, width
