"""The content of result.json for a segmented case."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from .. import __version__
from ..contract import Case, CaseDoubt, Label
from ..contract.codec import to_json
from ..contract.doubt import uncertainty_threshold
from ..data.class_indices import Array, bound_counts, value_counts
from ..networks import HeadLogits
from ..volume import Grid
from .prediction import Prediction

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Provenance:
    """What made a result.

    Attributes:
        model: folder of the model.
        labels: its classes.
        caution: where the dial stood.
        fingerprint: of the model, wherever its folder is copied to; "" if unknown.
        doubt: whose doubt is shown, what is promised of it, and how good the result is expected to be.
    """

    model: str
    labels: tuple[Label, ...]
    caution: float
    fingerprint: str = ""
    doubt: CaseDoubt = CaseDoubt()


class StopWatch:
    """What took how long: `seconds` by name, in the order in which it was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, name: str) -> None:
        """Something has been done since the last time."""
        now = time.monotonic()
        self.seconds[name] = round(now - self._since, 3)
        self._since = now


def result_content(case: Case, prediction: Prediction, grid: Grid, provenance: Provenance) -> dict[str, Any]:
    """The content of result.json, but for what is known of how the work went.

    Args:
        case: the scan.
        prediction: what was found in it.
        grid: of the scan.
        provenance: the model and its dial.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "case": case.id,
        "image": case.image,
        **({"more_images": list(case.more_images)} if case.more_images else {}),
        **({"part": case.part} if case.part else {}),
        "model": provenance.model,
        **({"model_hash": provenance.fingerprint} if provenance.fingerprint else {}),
        "created": time.time(),
        "labels": [asdict(label) for label in provenance.labels],
        **volumes_at(prediction, provenance.labels, grid, provenance.caution),
        **{key: value for key, value in to_json(provenance.doubt).items() if value not in (None, [])},
        "versions": {"coranet": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def volumes_at(prediction: Prediction, labels: tuple[Label, ...], grid: Grid, caution: float) -> dict[str, Any]:
    """The part of a result that depends on the dial: caution and threshold, volumes and their bounds."""
    maps = {head: getattr(prediction, head) for head in HeadLogits._fields}
    return {
        "volumes_ml": class_volumes(maps, labels, grid),
        "caution": caution,
        "uncertainty_threshold": uncertainty_threshold(caution),
        "uncertain_ml": float(prediction.uncertain.sum() * grid.voxel_ml),
    }


def class_volumes(maps: Mapping[str, Array], labels: Sequence[Label], grid: Grid) -> dict[str, dict[str, float]]:
    """The volume of each class in mL, and its bounds.

    A head may give a voxel of the result to another structure: a lesion of the conservative map may be larger than
    that of the result, where it lies in an organ. So the bounds are not the volumes of the maps.

    Args:
        maps: label maps (k, j, i), by head: "segmentation", "conservative" and "radical".
        labels: the classes.
        grid: of the scan.

    Returns:
        By name of the class and by head: "segmentation" of the result, "conservative" of the voxels that all maps
        give to the class, "radical" of those that at least one gives to it.
    """
    lowest, highest = bound_counts(list(maps.values()))
    counts = {"segmentation": value_counts(maps["segmentation"]), "conservative": lowest, "radical": highest}
    return {
        label.name: {
            head: float(voxels[label.value] * grid.voxel_ml) if label.value < len(voxels) else 0.0
            for head, voxels in counts.items()
        }
        for label in labels
    }
