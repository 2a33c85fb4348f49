"""Predictions whose heads differ, small, on a turned grid; and regions found in the slowest way."""

from __future__ import annotations

from itertools import product

import numpy as np
from scans import grid_of, nested_ellipsoids
from scipy.ndimage import gaussian_filter

from coranet.inference.prediction import Prediction
from coranet.volume import Grid

VALUES = (0, 1, 7)


def prediction_of(segmentation, conservative, radical, uncertainty=None) -> Prediction:
    """From label maps; uncertain is 0.75 where the heads differ, 0.25 elsewhere, if nothing else is said."""
    maps = [np.asarray(label_map, np.uint8) for label_map in (segmentation, conservative, radical)]
    uncertain = (maps[1] != maps[2]).astype(np.uint8)
    if uncertainty is None:
        uncertainty = np.where(uncertain, 0.75, 0.25)
    return Prediction(*maps, uncertain, np.asarray(uncertainty, np.float32))


def random_prediction(grid: Grid | None = None, seed: int = 0) -> Prediction:
    """Smooth random label maps of the values 1 and 7, in which all pairs of labels occur."""
    random = np.random.default_rng(seed)
    shape = (grid or grid_of()).size_ijk[::-1]

    def labels():
        fields = [gaussian_filter(random.normal(size=shape), 1) for _ in VALUES]
        return np.array(VALUES)[np.argmax(fields, axis=0)]

    common = labels()
    heads = [np.where(random.random(shape) < 0.8, common, labels()) for _ in range(3)]
    return prediction_of(*heads, random.random(shape))


def shell_prediction(grid: Grid | None = None) -> Prediction:
    """Two nested ellipsoids of the values 1 and 7; the conservative ones are smaller, the radical ones larger."""
    shape = (grid or grid_of((24, 20, 16))).size_ijk[::-1]
    whole = nested_ellipsoids(shape, (1, 7))
    position = np.indices(shape, dtype=float)
    centre = (np.array(shape) - 1) * np.array([0.45, 0.52, 0.55])
    distance = np.sqrt(sum(((position[a] - centre[a]) / (0.42 * shape[a])) ** 2 for a in range(3)))
    conservative = np.select([distance < 0.35, distance < 0.8], [7, 1])
    radical = np.select([distance < 0.6, distance < 1.1], [7, 1])
    return prediction_of(whole, conservative, radical, 0.5 + 0.4 * np.sin(9 * position[0]) ** 2)


def flooded(voxels: np.ndarray, kinds: np.ndarray, over_faces: bool = False) -> list[set[tuple[int, int, int]]]:
    """Connected parts (of 26 neighbours) of the voxels that are True and of one kind, by walking from each to each.

    Args:
        voxels, kinds: of one shape.
        over_faces: also from one kind to another, over a face that two voxels share.
    """
    waiting = set(map(tuple, np.argwhere(voxels).tolist()))
    parts = []
    while waiting:
        part, edge = set(), [waiting.pop()]
        while edge:
            voxel = edge.pop()
            part.add(voxel)
            for step in product((-1, 0, 1), repeat=3):
                other = tuple(a + b for a, b in zip(voxel, step, strict=True))
                is_passable = over_faces and sum(map(abs, step)) == 1
                if other in waiting and (is_passable or kinds[other] == kinds[voxel]):
                    waiting.remove(other)
                    edge.append(other)
        parts.append(part)
    return parts
