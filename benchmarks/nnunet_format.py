"""Cases as nnU-Net reads them: folders imagesTr, labelsTr and imagesTs, and a dataset.json of its own kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coranet.contract import Case, Label
from coranet.data.scans import read_scan
from coranet.volume import read_label_map, write_volume

ENDING = ".nrrd"


def write_raw(
    folder: Path, labeled: Sequence[Case], test: Sequence[Case], labels: Sequence[Label], channels: Sequence[str]
) -> None:
    """Write a raw data set of nnU-Net, on the scans' own grids.

    Args:
        folder: such as ``nnUNet_raw/Dataset001_hippocampus``; made.
        labeled: cases to learn from.
        test: cases to be segmented; their labels are not written.
        labels: the classes; nnU-Net wants them numbered 1, 2, ..., which is their order here.
        channels: a name for each; ``CT`` makes nnU-Net normalize Hounsfield units over all scans, any other name each
            scan by itself.
    """
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for case in labeled:
        _write_image(folder / "imagesTr", case)
        truth = read_label_map(str(case.label))
        write_volume(folder / "labelsTr" / f"{case.id}{ENDING}", class_indices(truth.voxels, labels), truth.grid)
    for case in test:
        _write_image(folder / "imagesTs", case)
    description = raw_description(labels, channels, len(labeled))
    (folder / "dataset.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def raw_description(labels: Sequence[Label], channels: Sequence[str], labeled: int) -> dict[str, Any]:
    """The dataset.json of nnU-Net v2: labels by name, not by value."""
    return {
        "channel_names": {str(number): name for number, name in enumerate(channels)},
        "labels": {"background": 0, **{label.name: index for index, label in enumerate(labels, start=1)}},
        "numTraining": labeled,
        "file_ending": ENDING,
    }


def class_indices(voxels: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
    """Label values as class indices 0, 1, 2, ... (uint8, same shape); values of no class are background."""
    result = np.zeros(voxels.shape, dtype=np.uint8)
    for index, label in enumerate(labels, start=1):
        result[voxels == label.value] = index
    return result


def _write_image(folder: Path, case: Case) -> None:
    scan = read_scan(case)
    for number, voxels in enumerate(scan.channels):
        write_volume(folder / f"{case.id}_{number:04d}{ENDING}", voxels, scan.grid)
