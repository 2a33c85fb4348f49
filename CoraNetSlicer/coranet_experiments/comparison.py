"""CoraNet's uncertain region against other uncertainties of the same model, on scans with known truth."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from coranet.coarse.grid import CanonicalGrid
from coranet.contract import Case, ScanIdentity
from coranet.contract.config import SegmentConfig
from coranet.contract.errors import DataError
from coranet.data.box import Box
from coranet.data.identity import identity_of_channels
from coranet.data.scans import on_one_grid, read_channels
from coranet.inference.prediction import channels_on_own_grid
from coranet.inference.views import Views
from coranet.metrics import KnownErrors, covered, detection, detection_at, expected_calibration_error
from coranet.reporting import Reporter
from coranet.segmentation import Segmenter
from coranet.volume import Grid

from .uncertainty_sources import ScanPasses, least_confidence, predictive_entropy

SOFTMAX_THRESHOLDS = (0.5, 0.7, 0.9)

Array = npt.NDArray[Any]
Row = dict[str, Any]


class ScanComparison:
    """The uncertainties of a model, measured on scans with known truth."""

    def __init__(self, config: SegmentConfig, reporter: Reporter) -> None:
        """Load the model.

        Args:
            config: model, device and inference of the segmentation job.
            reporter: what the device and the model have to say.

        Raises:
            ModelError, DeviceError: they cannot be used.
        """
        self._segmenter = Segmenter(config, reporter)

    def figures(
        self, case: Case, scan: ScanIdentity | None, errors: KnownErrors, truth: Array
    ) -> tuple[list[float], dict[str, Row]]:
        """What all uncertainties find on a case.

        Args:
            case: its images.
            scan: the one that was segmented; None: not known.
            errors: of its segmentation.
            truth: class indices, (k, j, i).

        Returns:
            `expected_calibration_error` of each class; `compare_uncertainties`.

        Raises:
            DataError: the images are not those that were segmented.
        """
        grid, passes = self._passes(case, scan)
        probabilities = channels_on_own_grid(passes.softmax(), grid, passes.box)
        return expected_calibration_error(probabilities, truth), compare_uncertainties(
            errors, probabilities, passes, grid
        )

    def _passes(self, case: Case, scan: ScanIdentity | None) -> tuple[Grid, ScanPasses]:
        channels = read_channels(case)
        if scan is not None and not identity_of_channels(channels).is_same(scan):
            raise DataError(
                f"'{case.image}' is no longer the scan that the result of '{case.id}' was computed on "
                f"({scan}); put that scan back, or evaluate into a new folder."
            )
        volume, segmenter = on_one_grid(case, channels), self._segmenter
        boxes = segmenter.boxes(volume)
        # One box around all: passes that are turned and scaled need an image in one piece.
        box = reduce(Box.united, boxes) if boxes else None
        image = segmenter.prepared(volume, box)
        grid = CanonicalGrid.of(volume.grid)
        prepared_dhw = np.multiply(grid.spacing_dhw, box.size if box else grid.shape) / image.shape[1:]
        seed = zlib.crc32(case.id.encode("utf-8"))
        passes = ScanPasses(
            segmenter.network, replace(segmenter.window, views=Views()), image, prepared_dhw.tolist(), seed, box
        )
        return volume.grid, passes


def compare_uncertainties(errors: KnownErrors, probabilities: Array, passes: ScanPasses, grid: Grid) -> dict[str, Row]:
    """What other uncertainties of the same network find.

    Args:
        errors: of the case.
        probabilities: of one pass of the segmentation head, (K, k, j, i).
        passes: over the prepared scan.
        grid: of the scan.

    Returns:
        By name a row as of `KnownErrors.of_coranet`. "coranet"; "softmax" (1 - the highest probability), "dropout"
        and "augmentation" (entropy of the mean of 8 passes), "chance": as many voxels are flagged as by CoraNet, those
        of highest uncertainty. "softmax_0.5" and so on: every voxel is flagged whose highest probability is below the
        threshold; they have no curve of their own.
    """
    count = int(np.count_nonzero(errors.uncertain))
    rows = {"coranet": errors.of_coranet()}
    for name, score in _scores(probabilities, passes, grid):
        rows[name] = {**detection_at(score, errors.wrong, count), **covered(score, errors.wrong)}
    for threshold in SOFTMAX_THRESHOLDS:
        rows[f"softmax_{threshold:g}"] = detection(errors.wrong, probabilities.max(0) < threshold)
    return rows


def _scores(probabilities: Array, passes: ScanPasses, grid: Grid) -> Iterator[tuple[str, Array]]:
    """One at a time: a score is as large as the scan."""
    yield "softmax", least_confidence(probabilities)
    for name, several in (("dropout", passes.dropout), ("augmentation", passes.augmentation)):
        yield name, predictive_entropy(channels_on_own_grid(several(), grid, passes.box))
    yield "chance", np.random.default_rng(passes.seed).random(grid.size_ijk[::-1], dtype=np.float32)
