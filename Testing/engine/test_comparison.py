from __future__ import annotations

import numpy as np
import pytest
import torch
from scans import grid_of

from coranet.metrics import KnownErrors, detection
from coranet_experiments.comparison import compare_uncertainties

GRID = grid_of()
SHAPE = GRID.size_ijk[::-1]
CLASSES = 3


class FixedPasses:
    """Stands for passes of a network: a prepared scan of the scan's own size, with axes as the patient's."""

    seed = 5
    box = None

    def __init__(self, dropout: np.ndarray, augmentation: np.ndarray) -> None:
        self._dropout, self._augmentation = (torch.from_numpy(array) for array in (dropout, augmentation))

    def dropout(self) -> torch.Tensor:
        return self._dropout

    def augmentation(self) -> torch.Tensor:
        return self._augmentation


def probabilities_doubting(where: np.ndarray) -> np.ndarray:
    """Nearly sure of the background, but undecided in a region; a little noise orders equal voxels."""
    noise = 0.01 * np.random.default_rng(0).random((CLASSES, *SHAPE))
    values = np.where(where, 1.0, np.array([20.0, 1.0, 1.0]).reshape(3, 1, 1, 1)) + noise
    return (values / values.sum(0)).astype(np.float32)


@pytest.fixture
def errors() -> KnownErrors:
    random = np.random.default_rng(1)
    wrong = random.random(SHAPE) < 0.05
    return KnownErrors(wrong, random.random(SHAPE) < 0.05, random.random(SHAPE, dtype=np.float32))


def test_an_uncertainty_that_knows_the_errors_finds_them_and_chance_its_share(errors):
    knows, is_blind = probabilities_doubting(errors.wrong), probabilities_doubting(~errors.wrong)
    rows = compare_uncertainties(errors, knows, FixedPasses(knows, is_blind), GRID)
    best = min(errors.uncertain.sum() / errors.wrong.sum(), 1)
    assert rows["softmax"]["error_coverage"] == pytest.approx(best)
    assert rows["dropout"]["error_coverage"] == pytest.approx(best)
    assert rows["augmentation"]["error_coverage"] == 0
    assert rows["chance"]["error_coverage"] == pytest.approx(errors.uncertain.mean(), abs=0.06)
    assert rows["coranet"] == errors.of_coranet()


def test_a_softmax_threshold_flags_what_is_below_it(errors):
    knows = probabilities_doubting(errors.wrong)
    rows = compare_uncertainties(errors, knows, FixedPasses(knows, knows), GRID)
    for threshold in (0.5, 0.7, 0.9):
        assert rows[f"softmax_{threshold}"] == detection(errors.wrong, knows.max(0) < threshold)
    assert rows["softmax_0.5"]["csi"] == 1
