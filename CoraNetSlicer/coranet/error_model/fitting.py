"""An error network learns from cases whose errors are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from ..contract.errors import DataError
from .evidence import HEAD_CHANNELS, Evidence
from .network import ErrorArchitecture, ErrorNetwork

# Steps of a fit, each of two cases; and the most voxels of a case that a step sees.
STEPS, _PATCH_VOXELS, _CASES_A_STEP = 240, 150_000, 2
_LEARNING_RATE, _WEIGHT_DECAY = 4e-3, 1e-4
# Voxels around what any head or the truth names: errors far from it are seen, and the background does not drown them.
_MARGIN = 16
# The deep errors of a case count as if they were as many as those of the others, within this factor.
_MOST_WEIGHT = 5.0
# How far the image of a scan may be brighter or of more contrast than those of the fit.
_IMAGE_JITTER, _MARGIN_JITTER = 0.15, 0.1
# Spacings come from files: 1.0000001 mm is no more than 1 mm.
_ROUNDING = 1e-4
_LEAST_MM = 1.0

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ErrorCase:
    """A case whose errors are known, on the grid of the prepared scan.

    Attributes:
        evidence: what the network said of the scan, which was not trained on it.
        segmentation: class indices of the result, (D, H, W).
        truth: class indices, (D, H, W).
        known: bool, (D, H, W), where the truth is known; None: everywhere.
        spacing_dhw: mm along D, H, W.
    """

    evidence: Evidence
    segmentation: Array
    truth: Array
    known: Array | None
    spacing_dhw: tuple[float, float, float]

    @property
    def wrong(self) -> Array:
        """Bool, (D, H, W): where the result is not the truth, as far as that is known."""
        wrong: Array = self.segmentation != self.truth
        return wrong if self.known is None else wrong & self.known

    def deep(self, tolerance_mm: float) -> Array:
        """Bool, (D, H, W): the deep errors.

        An error is deep where the nearest voxel of which its class would be true is farther than the tolerance, from
        centre to centre: so far the boundary of the class would have to move. What is unknown may be of any class.

        Args:
            tolerance_mm: errors up to this distance are not deep.
        """
        wrong, deep = self.wrong, np.zeros(self.segmentation.shape, dtype=bool)
        for index in np.unique(self.segmentation[wrong]):
            is_class = self.truth == index
            possible = is_class if self.known is None else is_class | ~self.known
            here = wrong & (self.segmentation == index)
            if possible.any():
                distance = distance_transform_edt(~possible, sampling=self.spacing_dhw)
                here &= distance > tolerance_mm * (1 + _ROUNDING)
            deep |= here
        return deep


def default_tolerance_mm(scan_mm: Sequence[float], prepared_mm: Sequence[float]) -> float:
    """How far from the truth a boundary may be before it is an error to look at: a voxel, and at least 1 mm.

    Args:
        scan_mm: spacing of the scans along their three axes; of slices that lie far apart the spacing within them
            counts.
        prepared_mm: spacing of the prepared scans, on which the errors are counted.
    """
    return max(_LEAST_MM, median(scan_mm), median(prepared_mm))


def fit(
    cases: Sequence[ErrorCase], tolerance_mm: float, seed: int, stop: Callable[[], object] = lambda: None,
    steps: int = STEPS,
) -> ErrorNetwork:  # fmt: skip
    """Fit an error network; every case weighs alike.

    Args:
        cases: at least one; none of them trained the network whose errors are learned.
        tolerance_mm: of deep errors.
        seed: of the first weights and of what is seen in which order.
        stop: called before each step, may raise to stop.
        steps: of the fit.

    Raises:
        DataError: there is no case.
    """
    if not cases:
        raise DataError("an error model needs at least one case whose truth is known, got none; label one more case.")
    samples = [_Sample.of(case, tolerance_mm) for case in cases]
    errors = np.array([sample.deep_errors for sample in samples], dtype=np.float64)
    weights = _case_weights(errors)
    random = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _new_network(cases, samples)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps + 1, pct_start=0.2)
    order: list[int] = []
    for _ in range(steps):
        stop()
        optimizer.zero_grad(set_to_none=True)
        for _ in range(_CASES_A_STEP):
            order = order or random.permutation(len(samples)).tolist()
            number = order.pop()
            _loss(network, samples[number].drawn(random), float(weights[number])).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


@dataclass(frozen=True)
class _Sample:
    """A case as the fit sees it: the box around what is named or true.

    Attributes:
        evidence: (F, D, H, W), float16.
        targets: (2, D, H, W), bool: wrong, deeply wrong.
        known: (D, H, W), bool.
        deep_errors: number of voxels.
    """

    evidence: Tensor
    targets: Tensor
    known: Tensor
    deep_errors: int

    @staticmethod
    def of(case: ErrorCase, tolerance_mm: float) -> _Sample:
        deep, box = case.deep(tolerance_mm), _box_of(case)
        channels = (slice(None), *box)
        known = np.ones(case.truth.shape, dtype=bool) if case.known is None else case.known
        targets = np.stack([case.wrong[box], deep[box]])
        return _Sample(
            case.evidence.channels[channels],
            torch.from_numpy(targets),
            torch.from_numpy(np.ascontiguousarray(known[box])),
            int(np.count_nonzero(deep)),
        )

    def drawn(self, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Evidence (1, F, ...), targets (1, 2, ...) and what is known (...) of a patch, mirrored at random."""
        box = _patch_in(self.known.shape, random)
        channels = (slice(None), *box)
        evidence = self.evidence[channels].float()
        axes = [axis for axis in range(-3, 0) if random.random() < 0.5]
        heads, image = evidence[: len(HEAD_CHANNELS)], evidence[len(HEAD_CHANNELS) :]
        heads = heads * float(np.exp(random.normal(0, _MARGIN_JITTER)))
        image = image * float(np.exp(random.normal(0, _IMAGE_JITTER))) + float(random.normal(0, _IMAGE_JITTER))
        evidence = torch.cat([heads, image])
        parts = evidence[None], self.targets[channels][None].float(), self.known[box]
        flipped = tuple(part.flip(axes) for part in parts) if axes else parts
        return flipped[0], flipped[1], flipped[2]


def _loss(network: ErrorNetwork, drawn: tuple[Tensor, Tensor, Tensor], weight: float) -> Tensor:
    """Mean over the known voxels: of wrong, as it is; of deeply wrong, with the errors of a case weighted.

    Where a case has many deep errors each counts less, and each share of them as much as in any other case: that is
    what the promise is about.
    """
    evidence, targets, known = drawn
    logits = network(evidence)
    weights = torch.ones_like(targets)
    weights[:, 1] += (weight - 1) * targets[:, 1]
    each = functional.binary_cross_entropy_with_logits(logits, targets, weights, reduction="none")
    return (each * known).sum() / max(1, int(known.sum()))


def _case_weights(errors: Array) -> Array:
    """What a deep error of each case weighs, from their numbers; the mean over all errors is about 1."""
    if not errors.any():
        return np.ones(len(errors))
    typical = errors.sum() / np.count_nonzero(errors)
    weights: Array = np.clip(typical / np.maximum(errors, 1), 1 / _MOST_WEIGHT, _MOST_WEIGHT)
    return weights


def _new_network(cases: Sequence[ErrorCase], samples: Sequence[_Sample]) -> ErrorNetwork:
    """A network that says the mean everywhere."""
    depth, height, width = (float(median(case.spacing_dhw[axis] for case in cases)) for axis in range(3))
    network = ErrorNetwork(ErrorArchitecture(len(samples[0].evidence), (depth, height, width)))
    flat = [sample.evidence.flatten(1).float() for sample in samples]
    means = torch.stack([one.mean(1) for one in flat])
    squares = torch.stack([one.square().mean(1) for one in flat]).mean(0)
    mean = means.mean(0)
    network.standardize(mean, (squares - mean.square()).clamp_min(1e-4).sqrt())
    network.start_at(torch.stack([sample.targets.flatten(1).float().mean(1) for sample in samples]).mean(0).tolist())
    return network


def _box_of(case: ErrorCase) -> tuple[slice, slice, slice]:
    """Around what the segmentation, the radical head or the truth names, with a margin; all where that is nothing."""
    radical = case.evidence.channels[HEAD_CHANNELS.index("radical_foreground")].numpy() > 0
    named = (case.segmentation > 0) | (case.truth > 0) | radical
    box = []
    for axis in range(3):
        where = np.flatnonzero(named.any(tuple(other for other in range(3) if other != axis)))
        size = named.shape[axis]
        box.append(slice(max(0, where[0] - _MARGIN), min(size, where[-1] + 1 + _MARGIN)) if len(where) else slice(size))
    return box[0], box[1], box[2]


def _patch_in(size: Sequence[int], random: np.random.Generator) -> tuple[slice, slice, slice]:
    """A random part of a box, with as many voxels as a step may see; all of a small one."""
    edges = list(size)
    while np.prod(edges) > _PATCH_VOXELS:
        longest = int(np.argmax(edges))
        edges[longest] = max(1, int(edges[longest] * 0.9))
    starts = [int(random.integers(whole - edge + 1)) for whole, edge in zip(size, edges, strict=True)]
    box = [slice(start, start + edge) for start, edge in zip(starts, edges, strict=True)]
    return box[0], box[1], box[2]
