"""How long Slicer's own reader takes for the images of a result: `python benchmarks/result_reading.py [i j k]`.

Processor time, as the machine may be busy: a label map of eight structures and a map of uncertainty around their
surfaces, as the engine writes them (NRRD, gzip), of 512 x 512 x 400 voxels unless told otherwise.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import slicer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))
from coranet.volume import Grid, write_volume
from CoraNetSlicerLib.core.images import read_image, require_checksum

STRUCTURES = 8


def images(size_ijk: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Label map (uint8) and uncertainty (float32), (k, j, i)."""
    random, shape = np.random.default_rng(0), size_ijk[::-1]
    labels, uncertainty = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    axes = np.ogrid[tuple(slice(count) for count in shape)]
    for value in range(1, STRUCTURES + 1):
        center, radius = random.uniform(0.3, 0.7, 3) * shape, random.uniform(0.08, 0.25, 3) * shape
        distance = sum(((axis - c) / r) ** 2 for axis, c, r in zip(axes, center, radius, strict=True))
        labels[distance < 1] = value
        shell = np.abs(distance - 1) < 0.15
        uncertainty[shell] = random.random(int(shell.sum()), dtype=np.float32)
    return labels, uncertainty


def processor_s(action: Callable[[], object]) -> float:
    """The shortest of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Write, read, tell."""
    size = tuple(int(word) for word in sys.argv[1:4]) or (512, 512, 400)
    grid = Grid(size, (0.7, 0.7, 0.8), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        for name, voxels in zip(("label map", "uncertainty map"), images(size), strict=True):
            path = Path(folder) / f"{name}.nrrd"
            write_volume(path, voxels, grid)
            checking = processor_s(lambda path=path: require_checksum(path))
            reading = processor_s(lambda path=path: read_image(path, slicer.vtkMRMLScalarVolumeNode()))
            print(f"{name}: {path.stat().st_size / 1e6:.1f} MB, checksum {checking:.2f} s, read {reading:.2f} s")


if __name__ == "__main__":
    main()
