"""A reviewed result as files that a training learns from: what each voxel is, and of which voxels this is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coranet.contract import PredictionFiles
from coranet.contract.errors import DataError
from coranet.contract.files import atomic_path

from ..core.case_files import label_node, write_volume
from ..core.label_files import label_type
from ..core.results import LoadedPrediction, segment_id
from .region_voxels import RegionVoxels, read_label_map
from .segment_layers import SegmentLayers


def write_reviewed(loaded: LoadedPrediction, path: Path) -> None:
    """Write the label values of a result as it is now, on the volume's own grid; where classes overlap, the later one.

    Raises:
        DataError: the segments lie on another grid.
        StorageError: it could not be written.
    """
    _write(_result_labels(loaded), loaded, path)


def write_known(loaded: LoadedPrediction, known: np.ndarray, path: Path) -> None:
    """Write where a label map is truth.

    Args:
        loaded: the result.
        known: bool, (k, j, i).
        path: of the file.

    Raises:
        StorageError: it could not be written.
    """
    _write(known.astype(np.uint8), loaded, path)


def require_no_overlap(loaded: LoadedPrediction) -> None:
    """Raise DataError, naming both, if two classes of a result have a voxel in common."""
    layers = SegmentLayers(loaded.segmentation, loaded.volume)
    painted = _result_labels(loaded)
    for label in loaded.labels:
        others = painted[layers.paint({segment_id(label): 1}, np.uint8).view(bool)]
        if (others != label.value).any():
            other = next(one.name for one in loaded.labels if one.value in others[others != label.value])
            raise DataError(
                f"'{label.name}' and '{other}' of '{loaded.segmentation.GetName()}' overlap; give each voxel to one of "
                "them."
            )


def _result_labels(loaded: LoadedPrediction) -> np.ndarray:
    values = {segment_id(label): label.value for label in loaded.labels}
    return SegmentLayers(loaded.segmentation, loaded.volume).paint(values, label_type(loaded.labels))


def known_voxels(
    loaded: LoadedPrediction, decided: Iterable[RegionVoxels], files: PredictionFiles, trusts_certain: bool
) -> np.ndarray:
    """Where the label values of a reviewed result are truth: bool, (k, j, i).

    Args:
        loaded: the result.
        decided: the decided regions.
        files: of the case.
        trusts_certain: whether what is certain counts, too: where both heads name one label and no other comes close.

    Raises:
        DataError: a file that is needed is missing or lies on another grid.
    """
    known = _certain(loaded, files) if trusts_certain else np.zeros(_size(loaded), bool)
    for voxels in decided:
        known[voxels.box.slices][voxels.box.mask] = True
    return known


def _certain(loaded: LoadedPrediction, files: PredictionFiles) -> np.ndarray:
    paths = (files.uncertain, files.conservative, files.radical)
    uncertain, conservative, radical = (read_label_map(path, loaded.volume) for path in paths)
    return np.asarray((uncertain == 0) & (conservative == radical))


def _size(loaded: LoadedPrediction) -> Sequence[int]:
    return tuple(reversed(loaded.volume.GetImageData().GetDimensions()))


def _write(array: np.ndarray, loaded: LoadedPrediction, path: Path) -> None:
    node: Any = label_node(array, loaded.volume)
    with atomic_path(path) as temporary:
        write_volume(node, temporary, compressed=True)
