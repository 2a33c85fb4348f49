"""Made-up CT scans of any size with a small organ, written slice by slice: a body, bones, lungs, and look-alikes.

The organ is a bumpy ellipsoid of about 0.7 % of the scan. Brightness alone does not find it: there is an organ of the
same intensity on the other side, one of nearly the same intensity beside it, a bright vessel, noise and texture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

LABELS = {1: "organ"}
AIR, LUNG, FAT, TISSUE, ORGAN, NEIGHBOUR, VESSEL, BONE = -1000.0, -800.0, -90.0, 40.0, 105.0, 70.0, 180.0, 500.0
NOISE_HU = 22.0
# From the middle of the scan, in halves of its length along i, j, k (left, posterior, superior).
_ORGAN_AT, _OTHER_AT, _NEIGHBOUR_AT = (-0.28, -0.05, 0.0), (0.33, 0.10, 0.08), (-0.10, -0.14, -0.04)
_ORGAN_RADII, _OTHER_RADII, _NEIGHBOUR_RADII = (0.21, 0.26, 0.26), (0.12, 0.16, 0.2), (0.12, 0.14, 0.18)
_BUMPS = (2, 3, 5)
_LARGEST_BUMP = 1.2

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LargeSet:
    """How many scans, and how large.

    Attributes:
        labeled, unlabeled, test: numbers of cases.
        size_ijk: voxels.
        spacing_mm: i, j, k.
        seed: the same seed gives the same scans.
    """

    labeled: int = 3
    unlabeled: int = 4
    test: int = 1
    size_ijk: tuple[int, int, int] = (512, 512, 400)
    spacing_mm: tuple[float, float, float] = (0.8, 0.8, 1.25)
    seed: int = 0


@dataclass(frozen=True)
class Blob:
    """An ellipsoid with bumps; all lengths in halves of the scan, components i, j, k."""

    centre: Array
    radii: Array
    bumps: Array
    phases: Array

    @staticmethod
    def drawn(random: np.random.Generator, at: tuple[float, ...], radii: tuple[float, ...], moves: float) -> Blob:
        """A blob about a place, with radii that differ by a sixth."""
        return Blob(
            np.array(at) + random.uniform(-moves, moves, 3), np.array(radii) * random.uniform(0.85, 1.17, 3),
            random.uniform(0.02, 0.06, len(_BUMPS)), random.uniform(0, 2 * np.pi, len(_BUMPS)),
        )  # fmt: skip

    def paint(self, image: Array, value: float, place: tuple[Array, Array, float]) -> None:
        """Give the voxels of a slice inside the blob a value.

        Args:
            image: (J, I), changed.
            value: of the voxels inside.
            place: i (1, I), j (J, 1), and k of the slice, each from -1 to 1.
        """
        i, j, k = place
        z = (k - self.centre[2]) / self.radii[2]
        if abs(z) > _LARGEST_BUMP:
            return
        (first_i, last_i), (first_j, last_j) = (self._range(line, axis) for axis, line in enumerate((i[0], j[:, 0])))
        x = (i[:, first_i:last_i] - np.float32(self.centre[0])) / np.float32(self.radii[0])
        y = (j[first_j:last_j] - np.float32(self.centre[1])) / np.float32(self.radii[1])
        azimuth, radius = np.arctan2(y, x), np.float32(1)
        for lobes, size, phase in zip(_BUMPS, self.bumps, self.phases, strict=True):
            radius = radius + np.float32(size) * np.sin(lobes * azimuth + np.float32(phase + 2 * z))
        image[first_j:last_j, first_i:last_i][x**2 + y**2 + np.float32(z**2) < radius**2] = value

    def _range(self, line: Array, axis: int) -> tuple[int, int]:
        """First and last index of the places along an axis that the blob can reach."""
        reach = _LARGEST_BUMP * self.radii[axis]
        first, last = np.searchsorted(line, (self.centre[axis] - reach, self.centre[axis] + reach))
        return int(first), int(last)


class Anatomy:
    """One made-up person, who can be asked for a slice."""

    def __init__(self, phantoms: LargeSet, number: int) -> None:
        self._random = np.random.default_rng([phantoms.seed, number])
        random, (size_i, size_j, size_k) = self._random, phantoms.size_ijk
        self._i = np.linspace(-1, 1, size_i, dtype=np.float32)[None]
        self._j = np.linspace(-1, 1, size_j, dtype=np.float32)[:, None]
        self._k = np.linspace(-1, 1, size_k)
        self._azimuth = np.arctan2(self._j, self._i)
        self._width, self._depth = random.uniform(0.82, 0.94), random.uniform(0.6, 0.72)
        move = random.uniform(-0.06, 0.06, 3)
        self._organ = Blob.drawn(random, _shifted(_ORGAN_AT, move), _ORGAN_RADII, 0.05)
        self._other = Blob.drawn(random, _shifted(_OTHER_AT, move), _OTHER_RADII, 0.05)
        self._neighbour = Blob.drawn(random, _shifted(_NEIGHBOUR_AT, move), _NEIGHBOUR_RADII, 0.02)
        self._lungs_from = random.uniform(0.38, 0.5)
        self._ribs = random.uniform(0, 2 * np.pi)
        self._hu = {key: key + random.uniform(-6, 6) for key in (TISSUE, ORGAN, NEIGHBOUR, VESSEL)}
        self._texture = _texture(random, (size_j, size_i))

    @property
    def slices(self) -> int:
        """Their number."""
        return len(self._k)

    def slice(self, index: int) -> tuple[Array, Array]:
        """Image (J, I), int16, HU, and label map (J, I), uint8; slices are asked for in order, once."""
        place = self._i, self._j, float(self._k[index])
        organ = np.zeros((self._j.size, self._i.size), dtype=np.uint8)
        self._organ.paint(organ, 1, place)
        image = self._body(place[2])
        for blob, value in ((self._neighbour, NEIGHBOUR), (self._other, ORGAN), (self._organ, ORGAN)):
            blob.paint(image, self._hu[value], place)
        image += self._random.standard_normal(image.shape, dtype=np.float32) * NOISE_HU
        # The same texture for all slices would be learned: it wanders.
        image += np.roll(self._texture, (3 * index, 5 * index), (0, 1))
        return np.clip(np.rint(image), -1024, 3000).astype(np.int16), organ

    def _body(self, k: float) -> Array:
        """A slice without organs and without noise."""
        i, j = self._i, self._j
        radius = np.sqrt((i / self._width) ** 2 + (j / self._depth) ** 2)
        image = np.where(radius < 1, np.float32(FAT), np.float32(AIR))
        inner = radius < 0.9
        image[inner] = self._hu[TISSUE]
        if k > self._lungs_from:
            for side in (-1, 1):
                image[((i - side * 0.4) / 0.3) ** 2 + (j / 0.45) ** 2 < min(1.0, 4 * (k - self._lungs_from))] = LUNG
        # Ribs slant through the slices; the spine has a canal.
        ribs = (radius > 0.84) & (radius < 0.9) & (np.sin(3 * self._azimuth + np.float32(14 * k + self._ribs)) > 0.35)
        spine = (i / 0.09) ** 2 + ((j - 0.42) / 0.11) ** 2
        image[ribs | (spine < 1)] = BONE
        image[spine < 0.12] = self._hu[TISSUE]
        image[((i - 0.03) / 0.035) ** 2 + ((j - 0.24) / 0.04) ** 2 < 1] = self._hu[VESSEL]
        return image


def write_large_set(folder: Path, phantoms: LargeSet) -> Path:
    """Write scans (int16), label maps (uint8) and dataset.json, if it is not there; at most a slice is in memory.

    Args:
        folder: made if absent.
        phantoms: what to write.

    Returns:
        The path of dataset.json.
    """
    datalist = folder / "dataset.json"
    if datalist.exists():
        return datalist
    roles = {"training": phantoms.labeled, "unlabeled": phantoms.unlabeled, "test": phantoms.test}
    content: dict[str, Any] = {"labels": {"0": "background", **{str(key): name for key, name in LABELS.items()}}}
    number = 0
    for role, count in roles.items():
        content[role] = []
        for _ in range(count):
            number += 1
            content[role].append(_write_case(folder, phantoms, number, role != "unlabeled"))
    datalist.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return datalist


def _write_case(folder: Path, phantoms: LargeSet, number: int, is_labeled: bool) -> dict[str, str]:
    anatomy = Anatomy(phantoms, number)
    row = {"image": f"images/image{number:03d}.nrrd"}
    if is_labeled:
        row["label"] = f"labels/label{number:03d}.nrrd"
    for path in row.values():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    pairs = (anatomy.slice(index) for index in range(anatomy.slices))
    if is_labeled:
        with open(folder / row["image"], "wb") as image, open(folder / row["label"], "wb") as label:
            image.write(nrrd_header("short", phantoms))
            label.write(nrrd_header("uchar", phantoms))
            for voxels, labels in pairs:
                image.write(voxels.astype("<i2").tobytes())
                label.write(labels.tobytes())
    else:
        _write_slices(folder / row["image"], phantoms, (voxels for voxels, _ in pairs))
    return row


def _write_slices(path: Path, phantoms: LargeSet, slices: Iterator[Array]) -> None:
    with open(path, "wb") as image:
        image.write(nrrd_header("short", phantoms))
        for voxels in slices:
            image.write(voxels.astype("<i2").tobytes())


def nrrd_header(voxel_type: str, phantoms: LargeSet) -> bytes:
    """An NRRD header with raw voxels after it, which can be written slice by slice; its axes are L, P, S."""
    along_i, along_j, along_k = phantoms.spacing_mm
    lines = [
        "NRRD0004", f"type: {voxel_type}", "dimension: 3", "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, phantoms.size_ijk))}",
        f"space directions: ({along_i},0,0) (0,{along_j},0) (0,0,{along_k})", "kinds: domain domain domain",
        "endian: little", "encoding: raw", "space origin: (0,0,0)", "", "",
    ]  # fmt: skip
    return "\n".join(lines).encode("ascii")


def _shifted(place: tuple[float, ...], move: Array) -> tuple[float, ...]:
    return tuple(float(coordinate) for coordinate in np.add(place, move))


def _texture(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Smooth noise of 8 HU about 0, (J, I), float32."""
    noise = random.standard_normal(shape, dtype=np.float32)
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    smooth = np.fft.irfft2(np.fft.rfft2(noise) * np.exp(-((frequency / 0.04) ** 2)), shape)
    texture: Array = (8 * smooth / smooth.std()).astype(np.float32)
    return texture
