"""The uncertain regions of a large scan with five classes: seconds and memory on one core.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/regions.py [--size 512,512,400] [--thickness 0.04,0.2]

Made up are five structures of blobby shape, from a large one (a liver, say) to a small one, some of which touch. The
conservative and the radical head have their surfaces inside and outside of it by a depth that varies from place to
place between nothing and several voxels; in some places they name different structures; specks are strewn over the
whole scan. Time: `find_regions`, from arrays in memory to the list and the map of regions, on the clock and of the
processor (the same where nothing else runs), and apart from that the writing. Memory: the peak of this process, with
the arrays of the case itself, before and in `find_regions`.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from coranet.contract import PredictionFiles
from coranet.inference.prediction import Prediction, arrays_of
from coranet.regions.files import write_regions
from coranet.regions.finding import find_regions
from coranet.volume import Grid

# Centre and radii (k, j, i) of each structure as shares of the scan; the later ones take from the earlier ones.
STRUCTURES = (
    ((0.55, 0.50, 0.30), (0.30, 0.28, 0.22)),
    ((0.50, 0.48, 0.62), (0.20, 0.16, 0.16)),
    ((0.35, 0.68, 0.42), (0.14, 0.10, 0.09)),
    ((0.60, 0.62, 0.78), (0.12, 0.07, 0.11)),
    ((0.55, 0.50, 0.26), (0.06, 0.05, 0.05)),
)
SPECKS = 20_000
SPACING_MM = (0.8, 0.8, 1.0)


def smooth_noise(shape: tuple[int, ...], seed: int, coarse: int) -> np.ndarray:
    """Smooth noise of about -1 to 1, float32, made on a grid `coarse` times as coarse."""
    small = [-(-size // coarse) + 1 for size in shape]
    field = gaussian_filter(np.random.default_rng(seed).normal(size=small), 1.5).astype(np.float32)
    field /= field.std()
    factors = [size / count for size, count in zip(shape, small, strict=True)]
    return zoom(field, factors, order=1)[tuple(slice(size) for size in shape)]


def made_up_case(shape: tuple[int, int, int], thickness: float) -> Prediction:
    """A prediction of five structures whose heads differ in bands of varying thickness."""
    segmentation, conservative, radical = (np.zeros(shape, np.uint8) for _ in range(3))
    uncertainty = np.full(shape, 0.05, np.float32)
    band = np.abs(smooth_noise(shape, 1, 24)) * thickness
    bumps = smooth_noise(shape, 2, 32) * 0.08
    axes = [((np.arange(size) + 0.5) / size).astype(np.float32) for size in shape]
    for value, (centre, radii) in enumerate(STRUCTURES, start=1):
        box = tuple(
            slice(max(0, int((c - 1.6 * r) * size)), int((c + 1.6 * r) * size) + 1)
            for c, r, size in zip(centre, radii, shape, strict=True)
        )
        near = [axis[side] for axis, side in zip(axes, box, strict=True)]
        squares = [((place - c) / r) ** 2 for place, c, r in zip(near, centre, radii, strict=True)]
        distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2]) + bumps[box]
        segmentation[box][distance < 1] = value
        conservative[box][distance < 1 - band[box]] = value
        radical[box][distance < 1 + band[box]] = value
    specks = np.random.default_rng(3).integers(0, radical.size, SPECKS)
    radical.reshape(-1)[specks] = 1
    differs = conservative != radical
    uncertainty[differs] = 0.5 + np.minimum(0.49, 5 * band[differs])
    return Prediction(segmentation, conservative, radical, differs.astype(np.uint8), uncertainty)


def peak_gib() -> float:
    """The most memory this process has had so far."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def measured(size_ijk: tuple[int, int, int], thickness: float, repeats: int) -> dict[str, object]:
    """Find and write the regions of a made-up case."""
    grid = Grid(size_ijk, SPACING_MM, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    prediction = made_up_case(size_ijk[::-1], thickness)
    before = peak_gib()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        regions_found = find_regions("made up", prediction, grid, 0.0)
        seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_regions(PredictionFiles(Path(folder)), regions_found, grid)
        write_seconds = time.perf_counter() - start
    arrays = sum(array.nbytes for array in arrays_of(prediction).values()) / 2**30
    differing = np.count_nonzero(prediction.conservative != prediction.radical)
    return {
        "size_ijk": size_ijk, "classes": len(STRUCTURES), "differing_share": differing / prediction.radical.size,
        "regions": len(regions_found.list.regions), "seconds": [round(wall, 2) for wall, _ in seconds],
        "processor_seconds": [round(own, 2) for _, own in seconds],
        "write_seconds": round(write_seconds, 2), "case_gib": round(arrays, 2), "peak_before_gib": round(before, 2),
        "peak_gib": round(peak_gib(), 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="512,512,400", help="i,j,k")
    parser.add_argument("--thickness", default="0.04,0.2", help="of the bands, as shares of a structure's radius")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file")
    args = parser.parse_args()
    i, j, k = (int(word) for word in args.size.split(","))
    rows = []
    for word in args.thickness.split(","):
        rows.append({"thickness": float(word), **measured((i, j, k), float(word), args.repeats)})
        for name, value in rows[-1].items():
            print(f"{name:<18} {value}", flush=True)
    if args.output:
        machine = {"processor": platform.processor() or platform.machine(), "system": platform.system()}
        content = {"command": " ".join(["python", *sys.argv]), "machine": machine, "rows": rows}
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
