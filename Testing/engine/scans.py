"""Scans for the engine's tests: small, anisotropic, not cubic, turned, so that a swapped axis cannot hide."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from coranet.contract import Case, Role
from coranet.volume import Grid, Volume, write_volume

SIZE_IJK = (15, 12, 9)
SPACING_MM = (1.0, 1.25, 2.0)
ORIGIN_MM = (-31.5, 12.25, 7.0)


def signed_permutations() -> list[np.ndarray]:
    """The 48 ways in which the axes of a scan can lie along those of the patient."""
    identity = np.eye(3)
    return [
        identity[:, list(order)] * np.array(signs, dtype=float)
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]


def name_of_direction(direction: np.ndarray) -> str:
    """Where i, j and k point: L or R, P or A, S or I."""
    letters = ("LR", "PA", "SI")
    rows = [int(np.abs(column).argmax()) for column in direction.T]
    return "".join(letters[row][int(direction[row, axis] < 0)] for axis, row in enumerate(rows))


def tilted(direction: np.ndarray, degrees: tuple[float, float, float] = (17.0, -12.0, 9.0)) -> np.ndarray:
    """A direction turned about the three axes of the patient."""
    result = np.asarray(direction, dtype=float)
    for axis, angle in enumerate(np.radians(degrees)):
        first, second = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result


def grid_of(
    size_ijk: tuple[int, int, int] = SIZE_IJK,
    spacing_mm: tuple[float, float, float] = SPACING_MM,
    direction: np.ndarray | None = None,
) -> Grid:
    """A grid; turned about all three axes if no direction is given."""
    matrix = tilted(np.eye(3)) if direction is None else direction
    return Grid(size_ijk, spacing_mm, ORIGIN_MM, tuple(np.asarray(matrix, dtype=float).ravel().tolist()))


def scan_on(grid: Grid, seed: int = 0) -> Volume:
    """Noise around 100, float32."""
    shape = grid.size_ijk[::-1]
    voxels = np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)
    return Volume(voxels, grid)


def nested_ellipsoids(shape: tuple[int, int, int], values: tuple[int, ...] = (1, 7)) -> np.ndarray:
    """Ellipsoids around a point beside the middle, each inside of the one before; int32 (k, j, i)."""
    position = np.indices(shape, dtype=float)
    centre = (np.array(shape) - 1) * np.array([0.45, 0.52, 0.55])
    distance = np.sqrt(
        sum(((position[axis] - centre[axis]) / (0.42 * shape[axis])) ** 2 for axis in range(3))
    )  # fmt: skip
    labels = np.zeros(shape, dtype=np.int32)
    for number, value in enumerate(values):
        labels[distance < 1 - number / len(values)] = value
    return labels


def labels_on(grid: Grid, values: tuple[int, ...] = (1, 7)) -> Volume:
    """A label map with one ellipsoid a value."""
    return Volume(nested_ellipsoids(grid.size_ijk[::-1], values), grid)


def write_case(folder, name: str, role: Role, seed: int = 0) -> Case:
    """A case of `write_labeled_pair`; without its label where the role needs none."""
    image, label = write_labeled_pair(folder, name, grid_of(), seed=seed)
    return Case(name, role, str(image), None if role is Role.UNLABELED else str(label))


def write_labeled_pair(folder, name: str, grid: Grid, values: tuple[int, ...] = (1, 7), seed: int = 0):
    """A scan that is brighter where it is labeled, and its label map, as files; returns both paths."""
    labels = labels_on(grid, values).voxels
    image = scan_on(grid, seed).voxels + 100 * (labels > 0)
    image_path, label_path = folder / f"{name}.nrrd", folder / f"{name}-label.nrrd"
    write_volume(image_path, image.astype(np.int16), grid)
    write_volume(label_path, labels.astype(np.uint16), grid)
    return image_path, label_path
