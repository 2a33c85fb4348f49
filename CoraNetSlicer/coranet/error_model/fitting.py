"""An error network learns from cases whose errors are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from ..contract.errors import DataError
from ..networks.planning import length_scale
from .depth import ROUNDING
from .evidence import HEAD_CHANNELS, Evidence
from .nested import usual_voxels
from .network import ErrorArchitecture, ErrorNetwork, slabs

# Steps of a fit, and the sampled voxels of each.
STEPS, _BATCH = 240, 8192
_LEARNING_RATE, _WEIGHT_DECAY = 5e-3, 1e-3
# Voxels that are sampled of a case: of the errors, of what is in doubt, of the rest.
_SAMPLED = (16000, 8000, 4000)
# Entropy from which on a voxel is in doubt.
_DOUBT = 0.02
_LEAST_MM = 1.0
# Few cases teach little: in the log-odds from which deep errors are derived the softmax counts as so many cases.
_SOFTMAX_CASES = 4

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ErrorCase:
    """A case whose errors are known, on the grid of the prepared scan.

    Attributes:
        evidence: from a network that was not trained on the scan.
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

    @property
    def usual_voxels(self) -> float:
        """See `nested.usual_voxels`."""
        shift = self.evidence.channels[HEAD_CHANNELS.index("caution_shift")].numpy()
        return usual_voxels(shift < 0, self.segmentation, self.spacing_dhw)

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
                here &= distance > tolerance_mm * (1 + ROUNDING)
            deep |= here
        return deep


def default_tolerance_mm(scan_mm: Sequence[float], prepared_mm: Sequence[float]) -> float:
    """How far from the truth a boundary may be before it is an error to look at: a voxel, and at least 1 mm.

    In scans with very fine voxels it is less than 1 mm (`networks.planning.length_scale`).

    Args:
        scan_mm: spacing of the scans along their three axes; of slices that lie far apart the spacing within them
            counts.
        prepared_mm: spacing of the prepared scans, on which the errors are counted.
    """
    return max(_LEAST_MM * length_scale(scan_mm), median(scan_mm), median(prepared_mm))


def fit(
    cases: Sequence[ErrorCase], seed: int, stop: Callable[[], object] = lambda: None, steps: int = STEPS
) -> ErrorNetwork:
    """Fit an error network; every case weighs alike.

    Args:
        cases: at least one; none of them trained the network whose errors are learned.
        seed: of the first weights, and of which voxels are seen in which order.
        stop: called before each step, may raise to stop.
        steps: of the fit.

    Raises:
        DataError: there is no case.
    """
    return SampledCases.of(cases, seed).fit(range(len(cases)), seed, stop, steps)


@dataclass(frozen=True)
class SampledCases:
    """Some voxels of cases whose errors are known, sampled once for all fits.

    Attributes:
        cases: the cases.
        seed: of the choice of voxels.
        architecture: of the networks that are fitted.
        samples: of each case.
    """

    cases: tuple[ErrorCase, ...]
    seed: int
    architecture: ErrorArchitecture
    samples: tuple[_Sample, ...]

    @staticmethod
    def of(cases: Sequence[ErrorCase], seed: int) -> SampledCases:
        """Sample cases; see `fit`."""
        if not cases:
            message = "an error model needs at least one case whose truth is known, got none; label one more case."
            raise DataError(message)
        depth, height, width = (float(np.median([case.spacing_dhw[axis] for case in cases])) for axis in range(3))
        architecture = ErrorArchitecture(len(cases[0].evidence.channels), (depth, height, width), ends=True)
        random, network = np.random.default_rng(seed), ErrorNetwork(architecture)
        samples = tuple(_Sample.of(case, network, random) for case in cases)
        return SampledCases(tuple(cases), seed, architecture, samples)

    def fit(
        self, numbers: Iterable[int], seed: int, stop: Callable[[], object] = lambda: None, steps: int = STEPS
    ) -> ErrorNetwork:
        """Fit to the cases with some numbers; see `fit`."""
        samples = [self.samples[number] for number in numbers]
        share = _SOFTMAX_CASES / (len(samples) + _SOFTMAX_CASES)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = ErrorNetwork(replace(self.architecture, softmax_share=share))
        sample = _Sample.joined(samples)
        sample.standardize(network)
        if len(sample.features):
            _learn(network.train(), sample, torch.Generator().manual_seed(seed), stop, steps)
        return network.eval()


def _learn(
    network: ErrorNetwork, sample: _Sample, generator: torch.Generator, stop: Callable[[], object], steps: int
) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps + 1)
    count, unused = len(sample.features), torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        stop()
        if not len(unused):
            unused = torch.randperm(count, generator=generator)
        chosen, unused = unused[:_BATCH], unused[_BATCH:]
        optimizer.zero_grad(set_to_none=True)
        _loss(network, sample, chosen).backward()
        optimizer.step()
        schedule.step()


def _loss(network: ErrorNetwork, sample: _Sample, chosen: Tensor) -> Tensor:
    """Cross-entropy over all voxels of the cases, as the sampled ones stand for them."""
    logits = network(sample.features[chosen])
    loss: Tensor = functional.binary_cross_entropy_with_logits(logits, sample.targets[chosen], sample.weights[chosen])
    return loss


@dataclass(frozen=True)
class _Sample:
    """Some voxels of one case, or of several.

    Attributes:
        features: (N, features).
        targets: (N,), 1 where the result is wrong, else 0.
        weights: (N,): how large a part of its case each one stands for; of several cases on the mean 1.
    """

    features: Tensor
    targets: Tensor
    weights: Tensor

    @staticmethod
    def of(case: ErrorCase, network: ErrorNetwork, random: np.random.Generator) -> _Sample:
        """Sample the voxels of a case."""
        places, stands_for = _sampled_places(case, random)
        targets = torch.from_numpy(case.wrong.ravel()[places]).float()
        return _Sample(_features(network, case, places), targets, torch.from_numpy(stands_for).float())

    @staticmethod
    def joined(samples: Sequence[_Sample]) -> _Sample:
        """The voxels of several cases, each of which weighs as much as any other."""
        features, targets, weights = (
            torch.cat([getattr(sample, name) for sample in samples]) for name in ("features", "targets", "weights")
        )
        return _Sample(features, targets, weights / weights.mean().clamp_min(1e-12))

    def standardize(self, network: ErrorNetwork) -> None:
        """Set mean and deviation of the features."""
        if len(self.features) > 1:
            network.mean.copy_(self.features.mean(0))
            network.deviation.copy_(self.features.std(0) + 1e-3)


def _sampled_places(case: ErrorCase, random: np.random.Generator) -> tuple[Array, Array]:
    """Numbers of some voxels of a case, ascending, and for how large a share of its known voxels each one stands."""
    wrong = case.wrong
    known = np.ones(wrong.shape, dtype=bool) if case.known is None else case.known
    doubted = (case.evidence.channels[HEAD_CHANNELS.index("entropy")].numpy() > _DOUBT) & ~wrong
    strata = (wrong, doubted & known, known & ~doubted & ~wrong)
    places, stands_for, whole = [], [], max(1, int(np.count_nonzero(known)))
    for stratum, most in zip(strata, _SAMPLED, strict=True):
        voxels = np.flatnonzero(stratum)
        chosen = voxels if len(voxels) <= most else random.choice(voxels, most, replace=False)
        places.append(chosen)
        stands_for.append(np.full(len(chosen), len(voxels) / (max(1, len(chosen)) * whole)))
    joined = np.concatenate(places)
    order = np.argsort(joined)
    return joined[order], np.concatenate(stands_for)[order]


def _features(network: ErrorNetwork, case: ErrorCase, places: Array) -> Tensor:
    """The features of voxels in ascending order, (N, features), slab by slab."""
    row = case.truth.shape[1] * case.truth.shape[2]
    parts = [torch.empty(0, network.architecture.features)]
    for rows, around in slabs(network.architecture, case.truth.shape):
        first, last = np.searchsorted(places, [rows.start * row, rows.stop * row])
        if last > first:
            here = torch.from_numpy(places[first:last] - around.start * row)
            parts.append(network.sampled(case.evidence, around, here))
    return torch.cat(parts)
