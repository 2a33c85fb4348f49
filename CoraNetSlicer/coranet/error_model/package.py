"""The error model of a trained network: fitted, applied, written beside the model and read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..contract.codec import from_json, to_json
from ..contract.doubt import FEWEST_CASES
from ..contract.errors import DataError, JobError, ModelError
from ..contract.files import read_json
from ..contract.model_card import model_card_path
from ..networks import HeadLogits
from ..tensors import load_tensors, save_tensors
from .depth import deep_log_odds
from .evidence import HEAD_CHANNELS, MOST_LOGIT, Evidence
from .fitting import STEPS, ErrorCase, SampledCases
from .network import ErrorArchitecture, ErrorNetwork, slabs
from .promise import SHARES, Promise, RiskCurve
from .quality import CaseFigures, ClassVoxels, Quality, QualityModel, VolumeBounds

_WEIGHTS, _KEY = "error_model.pt", "error_model"
# Minus this is the logarithm of the odds that the softmax gives to an error.
_MARGIN = HEAD_CHANNELS.index("segmentation_margin")
# Where every head is surer than this, the softmax is taken at its word.
_HEAD_MARGINS = [HEAD_CHANNELS.index(f"{head}_margin") for head in HeadLogits._fields]
_SURE = 6.0
# So much of the log-odds of a deep error are those of any error: with thick slices there are few neighbours.
_ANY_ERROR = 0.25
# Log-odds of deep errors below minus this come half as close to it, in their order: a map stores nothing below -10.4.
_RARE = 6.0
# As many fits at most leave cases out.
MOST_FOLDS = 5

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ErrorModel:
    """Where a network errs.

    Attributes:
        network: estimates how probably a voxel is wrong.
        tolerance_mm: of deep errors.
        promises: for each of `SHARES` the region that is expected to hold it.
        quality_model: what estimates of Dice and volume need.
        cases: how many cases it was fitted on.
    """

    network: ErrorNetwork
    tolerance_mm: float
    promises: tuple[Promise, ...]
    quality_model: QualityModel
    cases: int

    @staticmethod
    def fit(
        cases: Sequence[ErrorCase], names: Sequence[str], tolerance_mm: float, seed: int = 0,
        stop: Callable[[], object] = lambda: None, steps: int = STEPS,
    ) -> ErrorModel:  # fmt: skip
        """Fit an error model to all cases, with promises from fits that left each case out.

        Args:
            cases: at least two; none of them trained the network whose errors are learned.
            names: of the classes but background.
            tolerance_mm: of deep errors.
            seed: of the fits.
            stop: called again and again, may raise to stop.
            steps: of each fit.

        Raises:
            DataError: there are too few cases.
        """
        if len(cases) < FEWEST_CASES:
            raise DataError(
                f"an error model needs at least {FEWEST_CASES} cases with a known truth, got {len(cases)}; label more."
            )
        sampled = SampledCases.of(cases, seed)
        curves, figures = cross_fitted(sampled, tolerance_mm, len(names) + 1, stop, steps)
        whole = [curve for case, curve in zip(cases, curves, strict=True) if case.known is None or case.known.all()]
        network = sampled.fit(range(len(cases)), seed, stop, steps)
        promises = tuple(_promise(whole, curves, share) for share in SHARES)
        return ErrorModel(network, tolerance_mm, promises, QualityModel(tuple(names), tuple(figures)), len(cases))

    def apply(self, evidence: Evidence, stop: Callable[[], object] = lambda: None) -> Tensor:
        """How probably a result is wrong, and wrong by more than the tolerance.

        Args:
            evidence: of the scan.
            stop: called before each slab, may raise to stop.

        Returns:
            (2, D, H, W), float32.
        """
        return applied(self.network, self.tolerance_mm, evidence, stop)

    def figures(
        self, probability: Tensor, evidence: Evidence, segmentation: Array, spacing_dhw: Sequence[float]
    ) -> CaseFigures:
        """What the estimates of a result are made of.

        Args:
            probability: (2, D, H, W), of `apply`.
            evidence: of the scan.
            segmentation: (D, H, W), class indices of the result on the prepared grid.
            spacing_dhw: mm along D, H, W.
        """
        classes = len(self.quality_model.names) + 1
        voxels = ClassVoxels.of(probability[0].numpy(), segmentation, evidence, classes)
        return CaseFigures.of(voxels, evidence, segmentation, spacing_dhw)

    def quality(self, figures: CaseFigures, unlike: Sequence[str] | None = None) -> Quality:
        """How good a result is; see `QualityModel.estimate`."""
        return self.quality_model.estimate(figures, unlike)

    def volume_bounds(self, figures: CaseFigures, share: float) -> tuple[VolumeBounds, ...]:
        """The volume of each class but background, with bounds that hold for a share of the cases."""
        return self.quality_model.bounds(figures, share)

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the weights beside a model.

        Args:
            folder: of the model.

        Returns:
            What belongs into the model's card under the key "error_model".

        Raises:
            StorageError: it could not be written.
        """
        save_tensors(folder / _WEIGHTS, self.network.state_dict())
        return {
            "architecture": self.network.architecture.to_dict(),
            "tolerance_mm": self.tolerance_mm,
            "promises": to_json(self.promises),
            "quality": to_json(self.quality_model),
            "cases": self.cases,
        }

    @staticmethod
    def read(folder: Path) -> ErrorModel | None:
        """The error model of a model.

        Args:
            folder: of the model.

        Returns:
            None where the model has none.

        Raises:
            ModelError: it is damaged.
        """
        try:
            content = read_json(model_card_path(folder)).get(_KEY)
            return None if content is None else _from_content(content, load_tensors(folder / _WEIGHTS))
        except (DataError, JobError, AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"the error model of '{folder}' cannot be read ({error}); copy its folder again, or train again."
            ) from error


def applied(
    network: ErrorNetwork, tolerance_mm: float, evidence: Evidence, stop: Callable[[], object] = lambda: None
) -> Tensor:
    """Probabilities (2, D, H, W), float32; see `ErrorModel.apply`.

    Those of a deep error are for the order of the voxels alone: their log-odds are in part the softmax's own.
    """
    architecture, size = network.architecture, evidence.classes.shape
    with torch.inference_mode():
        softmax = -evidence.channels[_MARGIN].float()
        odds = torch.stack([softmax, softmax])
        # In slabs along D that see what lies around them.
        for rows, around in slabs(architecture, size):
            stop()
            doubted = evidence.channels[_HEAD_MARGINS, rows].amin(0) < _SURE
            places = torch.nonzero(doubted.flatten())[:, 0]
            if not len(places):
                continue
            before = (rows.start - around.start) * size[1] * size[2]
            odds[0, rows].view(-1)[places] = network(network.sampled(evidence, around, places + before))
        mixed = torch.lerp(odds[0], softmax, architecture.softmax_share)
        spacing = architecture.spacing_dhw
        deep = deep_log_odds(mixed, evidence.classes, evidence.runner_up, spacing, tolerance_mm)
        order = torch.lerp(deep, mixed, _ANY_ERROR).clamp_(min=-MOST_LOGIT)
        torch.maximum(order, (order - _RARE) / 2, out=odds[1])
        return odds.sigmoid_()


def cross_fitted(
    sampled: SampledCases, tolerance_mm: float, classes: int, stop: Callable[[], object] = lambda: None,
    steps: int = STEPS,
) -> tuple[list[RiskCurve], list[CaseFigures]]:  # fmt: skip
    """What fits that left a case out say of it, for each case in order.

    Args:
        sampled: at least two cases.
        tolerance_mm: of deep errors.
        classes: number of classes with background.
        stop: called again and again, may raise to stop.
        steps: of each fit.
    """
    curves, figures = [], []
    for case, network in zip(sampled.cases, _left_out(sampled, stop, steps), strict=True):
        probability = applied(network, tolerance_mm, case.evidence, stop).numpy()
        curves.append(RiskCurve.of(probability[1], case.deep(tolerance_mm), case.usual_voxels))
        figures.append(_figures(case, probability[0], classes))
    return curves, figures


def _promise(whole: Sequence[RiskCurve], curves: Sequence[RiskCurve], share: float) -> Promise:
    """The promise from the cases that are known as a whole; without any of them what is expected from all.

    Of a case that is known in part, as after a review, the errors elsewhere are unknown.
    """
    promise = Promise.of(whole, share)
    return promise if whole else replace(Promise.of(curves, share), cases=0)


def _left_out(sampled: SampledCases, stop: Callable[[], object], steps: int) -> list[ErrorNetwork]:
    """For each case a network that was fitted without it; cases of one fold share theirs."""
    count, seed = len(sampled.cases), sampled.seed
    folds = min(count, MOST_FOLDS)
    order = np.random.default_rng(seed).permutation(count)
    networks: dict[int, ErrorNetwork] = {}
    for fold in range(folds):
        left_out = [int(number) for number in order[fold::folds]]
        others = [number for number in range(count) if number not in left_out]
        network = sampled.fit(others, seed + 1 + fold, stop, steps)
        networks.update(dict.fromkeys(left_out, network))
    return [networks[number] for number in range(count)]


def _figures(case: ErrorCase, wrong: Array, classes: int) -> CaseFigures:
    """Figures of a case whose truth is known; of one that is known in part, without Dice and volume."""
    voxels = ClassVoxels.of(wrong, case.segmentation, case.evidence, classes)
    figures = CaseFigures.of(voxels, case.evidence, case.segmentation, case.spacing_dhw)
    if case.known is not None and not case.known.all():
        return figures
    true = np.bincount(case.truth.ravel(), minlength=classes)[1:].astype(np.float64)
    agreeing = np.bincount(case.truth[case.truth == case.segmentation], minlength=classes)[1:]
    both = true + voxels.named[1:]
    dice = tuple(2 * float(same) / float(all_) if all_ else None for same, all_ in zip(agreeing, both, strict=True))
    true_ml = true * float(np.prod(case.spacing_dhw)) / 1000
    return replace(figures, dice=dice, true_ml=tuple(map(float, true_ml)))


def _from_content(content: Mapping[str, Any], weights: Mapping[str, Any]) -> ErrorModel:
    network = ErrorNetwork(ErrorArchitecture.from_dict(content["architecture"]))
    # Models of earlier versions have a second output, of deep errors.
    own = {name: values[:1] if name.startswith("output.") else values for name, values in weights.items()}
    network.load_state_dict(own)
    return ErrorModel(
        network.eval(),
        from_json(float, content["tolerance_mm"]),
        from_json(tuple[Promise, ...], content["promises"]),
        from_json(QualityModel, content["quality"]),
        from_json(int, content["cases"]),
    )
