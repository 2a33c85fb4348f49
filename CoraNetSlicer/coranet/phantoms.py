"""Synthetic labelled scans: an organ with a lesion, in noise, under a bias field, on an oblique anisotropic grid.

Hard enough that a few labels are not the whole story, small enough for a processor; the demo, the sample data and
the tests use them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .contract.config.json_text import JsonError, read_json_file
from .contract.errors import DataError
from .contract.files import write_json_atomic
from .volume import Grid, write_volume

_NAME = "CoraNet phantom"
LABELS = {1: "organ", 2: "lesion"}

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PhantomSet:
    """How many cases of which kind, and how large.

    Attributes:
        labeled, unlabeled, validation, test: numbers of cases.
        size_ijk: voxels along i, j, k.
        spacing_mm: i, j, k.
        seed: the same seed gives the same scans.
    """

    labeled: int = 5
    unlabeled: int = 16
    validation: int = 1
    test: int = 3
    size_ijk: tuple[int, int, int] = (44, 36, 24)
    spacing_mm: tuple[float, float, float] = (1.0, 1.25, 2.0)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.labeled < 1 or min(self.unlabeled, self.validation, self.test) < 0:
            raise DataError(
                "a phantom data set needs at least 1 labeled case and no negative numbers of cases; give others."
            )
        if min(self.size_ijk) < 16:
            raise DataError(
                f"phantom scans must have at least 16 voxels along each axis, got {self.size_ijk}; make them larger."
            )


def write_phantom_set(folder: str | Path, phantoms: PhantomSet) -> Path:
    """Write scans, label maps and dataset.json.

    Args:
        folder: made if absent.
        phantoms: what to write.

    Returns:
        The path of dataset.json, a datalist in the manner of the Medical Segmentation Decathlon.

    Raises:
        DataError: the folder has a dataset.json that was not written here.
    """
    folder = Path(folder)
    _require_own(folder / "dataset.json")
    content: dict[str, Any] = {
        "name": _NAME,
        "description": "synthetic organ with a lesion; made by 'coranet phantom'",
        "labels": {"0": "background", **{str(value): name for value, name in LABELS.items()}},
    }
    number = 0
    counts = {
        "training": phantoms.labeled, "unlabeled": phantoms.unlabeled,
        "validation": phantoms.validation, "test": phantoms.test,
    }  # fmt: skip
    for role, count in counts.items():
        rows = []
        for _ in range(count):
            number += 1
            rows.append(_write_case(folder, number, phantoms, labelled=role != "unlabeled"))
        content[role] = rows
    write_json_atomic(folder / "dataset.json", content)
    return folder / "dataset.json"


def _require_own(path: Path) -> None:
    if not path.exists():
        return
    with suppress(JsonError, OSError):
        content = read_json_file(path)
        if isinstance(content, dict) and content.get("name") == _NAME:
            return
    raise DataError(f"'{path.parent}' holds a data set ('{path.name}'); choose a new folder for the phantoms.")


def make_phantom(phantoms: PhantomSet, number: int) -> tuple[Array, Array, Grid]:
    """One scan.

    Args:
        phantoms: size, spacing and seed.
        number: of the case; chooses shape, pose, noise and bias.

    Returns:
        Image int16 (k, j, i), label map uint8 (k, j, i) with the values of LABELS, and their grid.
    """
    random = np.random.default_rng([phantoms.seed, number])
    points = _points_mm(phantoms)
    organ_distance, centre, radii = _organ(random, points)
    organ = organ_distance < 0
    lesion = organ & (_lesion_distance(random, points, centre, radii) < 0)
    labels = organ.astype(np.uint8) + lesion.astype(np.uint8)
    image = _appearance(random, organ_distance, labels, phantoms.spacing_mm)
    return image, labels, _oblique_grid(random, phantoms)


def _write_case(folder: Path, number: int, phantoms: PhantomSet, labelled: bool) -> dict[str, str]:
    image, labels, grid = make_phantom(phantoms, number)
    row = {"image": f"images/case{number:03d}.nrrd"}
    write_volume(folder / row["image"], image, grid)
    if labelled:
        row["label"] = f"labels/case{number:03d}.nrrd"
        write_volume(folder / row["label"], labels, grid)
    return row


def _points_mm(phantoms: PhantomSet) -> Array:
    """Voxel centres relative to the middle of the volume, mm; (3, k, j, i), components i, j, k."""
    index = np.indices(phantoms.size_ijk[::-1]).astype(np.float32)[::-1]
    middle = (np.array(phantoms.size_ijk, dtype=np.float32) - 1) / 2
    spacing = np.array(phantoms.spacing_mm, dtype=np.float32)
    points: Array = (index - middle[:, None, None, None]) * spacing[:, None, None, None]
    return points


def _organ(random: np.random.Generator, points: Array) -> tuple[Array, Array, Array]:
    """Signed distance-like function of a bent, bumpy ellipsoid (below 0 inside), its centre and its radii in mm."""
    extent = np.array([axis.max() for axis in points])
    centre = random.uniform(-0.15, 0.15, 3) * extent
    radii = extent * random.uniform(0.48, 0.64, 3)
    local = (points - centre[:, None, None, None]) / radii[:, None, None, None]
    bend = random.uniform(-0.35, 0.35)
    local[1] += bend * local[0] ** 2
    radius = np.sqrt((local**2).sum(0))
    azimuth = np.arctan2(local[1], local[0])
    bumps = sum(
        random.uniform(0.02, 0.07) * np.sin(lobes * azimuth + random.uniform(0, 2 * np.pi) + 2 * local[2])
        for lobes in (2, 3, 5)
    )
    return radius - 1 - bumps, centre, radii


def _lesion_distance(random: np.random.Generator, points: Array, centre: Array, radii: Array) -> Array:
    direction = random.normal(size=3)
    direction *= random.uniform(0.15, 0.4) / np.linalg.norm(direction)
    lesion_centre = centre + direction * radii
    lesion_radii = radii.mean() * random.uniform(0.46, 0.6, 3)
    local = (points - lesion_centre[:, None, None, None]) / lesion_radii[:, None, None, None]
    distance: Array = np.sqrt((local**2).sum(0)) - 1
    return distance


def _appearance(
    random: np.random.Generator, organ_distance: Array, labels: Array, spacing_mm: tuple[float, ...]
) -> Array:
    """Grey values: low contrast, a neighbour that looks alike, texture, a bias field, blur and noise; int16."""
    background, organ, lesion = 100.0, 100.0 + random.uniform(36, 48), 100.0 + random.uniform(80, 100)
    clean = np.choose(labels, [background, organ, lesion]).astype(np.float32)
    # A thin shell as bright as the organ, a little outside of it: the boundary cannot be found by intensity alone.
    shell = (organ_distance > 0.28) & (organ_distance < 0.40)
    clean[shell] = organ
    blur = [0.8 / spacing for spacing in spacing_mm[::-1]]
    clean = ndimage.gaussian_filter(clean, blur)
    texture = ndimage.gaussian_filter(random.normal(size=clean.shape), [2.5 / spacing for spacing in spacing_mm[::-1]])
    bias = ndimage.gaussian_filter(random.normal(size=clean.shape), [size / 3 for size in clean.shape])
    clean = clean * (1 + 0.15 * bias / np.abs(bias).max()) + 8 * texture / texture.std()
    noisy = clean + random.normal(scale=11.0, size=clean.shape)
    image: Array = np.clip(np.rint(noisy * random.uniform(0.8, 1.25)), 0, 32767).astype(np.int16)
    return image


def _oblique_grid(random: np.random.Generator, phantoms: PhantomSet) -> Grid:
    angles = random.uniform(-0.35, 0.35, 3)
    rotation = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = [other for other in range(3) if other != axis]
        step = np.eye(3)
        step[first, first] = step[second, second] = np.cos(angle)
        step[first, second], step[second, first] = -np.sin(angle), np.sin(angle)
        rotation = rotation @ step
    left, posterior, superior = (float(part) for part in random.uniform(-80, 80, 3))
    direction = tuple(float(part) for part in rotation.ravel())
    return Grid(phantoms.size_ijk, phantoms.spacing_mm, (left, posterior, superior), direction)
