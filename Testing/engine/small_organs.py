"""Scans in which an organ fills a small part: what is to be found first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scans import grid_of, signed_permutations, tilted

from coranet.data.box import Box
from coranet.data.orientation import Orientation
from coranet.volume import Volume, write_volume

SHAPE = (20, 30, 36)
ORGAN_SIZE = (5, 8, 9)


def a_scan_with_organs(number: int, starts: Sequence[tuple[int, int, int]]) -> tuple[Volume, Volume]:
    """Image and label map of canonical size SHAPE, stored along other axes for each number; organs are bright."""
    directions = signed_permutations()
    direction = tilted(directions[(7 * number) % len(directions)])
    orientation = Orientation.of(tuple(direction.ravel().tolist()))
    size, spacing = [0, 0, 0], [0.0, 0.0, 0.0]
    for axis, source in enumerate(orientation.source_axis):
        size[source], spacing[source] = SHAPE[::-1][axis], (1.0, 1.25, 2.0)[axis]
    grid = grid_of(tuple(size), tuple(spacing), direction)
    labels = np.zeros(grid.size_ijk[::-1], dtype=np.uint8)
    canonical = orientation.to_canonical(labels)
    for start in starts:
        stop = tuple(first + count for first, count in zip(start, ORGAN_SIZE, strict=True))
        canonical[Box(start, stop).slices] = 1
    noise = np.random.default_rng(number).normal(100, 15, labels.shape)
    return Volume((noise + 120 * labels).astype(np.int16), grid), Volume(labels, grid)


def small_organ_set(folder: Path, labeled: int = 2, unlabeled: int = 2, validation: int = 1) -> Path:
    """A data set whose organs lie in other places of each scan; returns its dataset.json."""
    folder.mkdir(parents=True, exist_ok=True)
    content: dict = {"labels": {"0": "background", "1": "organ"}}
    number = 0
    for role, count in {"training": labeled, "unlabeled": unlabeled, "validation": validation}.items():
        content[role] = []
        for _ in range(count):
            random = np.random.default_rng(number)
            start = tuple(
                int(random.integers(0, size - organ)) for size, organ in zip(SHAPE, ORGAN_SIZE, strict=True)
            )  # fmt: skip
            image, labels = a_scan_with_organs(number, [start])
            row = {"image": f"image{number}.nrrd"}
            write_volume(folder / row["image"], image.voxels, image.grid)
            if role != "unlabeled":
                row["label"] = f"label{number}.nrrd"
                write_volume(folder / row["label"], labels.voxels, labels.grid)
            content[role].append(row)
            number += 1
    (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "dataset.json"
