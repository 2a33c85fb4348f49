"""Whether a model warns of scans that it was not made for, and keeps quiet of those it was made for.

    OMP_NUM_THREADS=1 python benchmarks/foreign_scans.py MODEL ../shared/data/la-small [--most 12] [--each 4]
        [--cache FOLDER] [--output JSON]

MODEL is a trained model, DATA the folder of its cases beside those of other sets, each with `labeled/`, `unlabeled/`
and `unlabeled-truth/`. Of the unlabeled cases the even-numbered ones are the development part: they are segmented and
compared with their truth. Every case is measured once, as the program does it, and kept in the cache.

- own: development cases against a reference without them (labeled cases and all other unlabeled ones): warned of,
  rank correlation of the confidence with the true mean Dice, and how many of the cases below 0.8 of the median Dice are
  among the fifth that is ranked first, over draws of 20 cases.
- changed: development cases turned, inverted, in noise, ...; where the result can still be compared with the truth its
  Dice is told, for a change that harms no result needs no warning.
- phantoms; scans of other sets; images of the formats: another organ or another contrast.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from coranet.contract.config import SegmentConfig
from coranet.contract.errors import CoraNetError
from coranet.inference.quality import measured_traits, quality_by_reference
from coranet.metrics import dice_per_class
from coranet.plausibility.reference import Reference
from coranet.plausibility.traits import CaseTraits
from coranet.reporting import Reporter
from coranet.segmentation import Segmenter
from coranet.volume import Grid, Volume, read_image, read_label_map

# Sets of the same organ and contrast are no foreign ones.
ORGANS = {"la": "la", "la-small": "la", "acdc": "short axis", "acdc-small": "short axis", "sunnybrook": "short axis"}
POOR_SHARE, FLAGGED_SHARE, DRAWS, DRAWN = 0.8, 0.2, 500, 20
_NEAR_MM, _SMOOTH_MM, _BALL_MM = 5.0, 4.0, 25.0


@dataclass(frozen=True)
class Scan:
    """A scan, and what the program is to say of it."""

    group: str
    kind: str
    name: str
    volume: Volume
    truth: Volume | None = None


@dataclass(frozen=True)
class Measured:
    """What was measured of a scan; `dice` None: there is no truth."""

    group: str
    kind: str
    name: str
    traits: CaseTraits
    dice: float | None


def with_voxels(volume: Volume, voxels: np.ndarray, grid: Grid | None = None) -> Volume:
    return Volume(np.ascontiguousarray(voxels), grid or volume.grid)


def turned(volume: Volume, axes: tuple[int, ...], spacing: tuple[float, ...] | None = None) -> Volume:
    """The arrays' axes in another order, with the spacing that goes with it or as told."""
    voxels = volume.voxels.transpose(axes)
    own = volume.grid.spacing_mm[::-1]
    kept = tuple(own[axis] for axis in axes)[::-1] if spacing is None else spacing
    return with_voxels(volume, voxels, replace(volume.grid, size_ijk=voxels.shape[::-1], spacing_mm=kept))


def changed(volume: Volume, truth: Volume, seed: int) -> Iterator[tuple[str, Volume, Volume]]:
    """What people do to scans: kind, scan, and truth in its place."""
    yield from ((kind, scan, truth) for kind, scan in other_intensities(volume, seed))
    grid = volume.grid
    for kind, factor in (("spacing doubled", 2.0), ("spacing halved", 0.5)):
        wrong = replace(grid, spacing_mm=tuple(factor * step for step in grid.spacing_mm))
        yield kind, with_voxels(volume, volume.voxels, wrong), with_voxels(truth, truth.voxels, wrong)
    flips = {"mirrored left-right": (2,), "upside down": (0,), "turned by 180 degrees": (1, 2)}
    for kind, axes in flips.items():
        yield kind, with_voxels(volume, np.flip(volume.voxels, axes)), with_voxels(truth, np.flip(truth.voxels, axes))
    turns = {"turned by 90 degrees": (0, 2, 1), "slices along another axis": (1, 0, 2)}
    for kind, order in turns.items():
        yield kind, turned(volume, order), turned(truth, order)
    rows = np.flatnonzero(truth.voxels.any((0, 2)))
    half = (slice(None), slice(0, int(rows[0] + rows[-1]) // 2))
    smaller = replace(grid, size_ijk=volume.voxels[half].shape[::-1])
    yield (
        "half a scan",
        with_voxels(volume, volume.voxels[half], smaller),
        with_voxels(truth, truth.voxels[half], smaller),
    )
    yield "structures removed", removed(volume, truth, seed), with_voxels(truth, np.zeros_like(truth.voxels))


def other_intensities(volume: Volume, seed: int) -> Iterator[tuple[str, Volume]]:
    """Changes that leave every structure where it is."""
    voxels = volume.voxels.astype(np.float32)
    low, high, deviation = float(voxels.min()), float(voxels.max()), float(voxels.std())
    relative = (voxels - low) / (high - low)
    along_k, along_j, along_i = (np.linspace(-1, 1, size) for size in voxels.shape)
    ramp = (along_k[:, None, None] + along_j[:, None] + along_i) / 2
    sigma = [_SMOOTH_MM / step for step in volume.grid.spacing_mm[::-1]]
    noise = np.random.default_rng(seed).normal(0, deviation, voxels.shape)
    changed = {
        "inverted": low + high - voxels, "gamma 3": relative**3, "gamma 1/3": relative ** (1 / 3),
        "noise": voxels + noise, "bias field": relative * np.exp(ramp),
        "smoothed": ndimage.gaussian_filter(voxels, sigma),
    }  # fmt: skip
    yield from ((kind, with_voxels(volume, other.astype(np.float32))) for kind, other in changed.items())


def removed(volume: Volume, truth: Volume, seed: int) -> Volume:
    """The structures and 5 mm around them filled with what lies around."""
    voxels, spacing = volume.voxels.astype(np.float32), volume.grid.spacing_mm[::-1]
    near = ndimage.distance_transform_edt(truth.voxels == 0, sampling=spacing) <= _NEAR_MM
    nearest = ndimage.distance_transform_edt(near, sampling=spacing, return_distances=False, return_indices=True)
    noise = np.random.default_rng(seed).normal(0, 0.1 * float(voxels.std()), voxels.shape)
    return with_voxels(volume, np.where(near, voxels[tuple(nearest)] + noise, voxels).astype(np.float32))


def phantoms(volume: Volume) -> Iterator[tuple[str, Volume]]:
    """Images without anatomy on the grid of a scan."""
    shape, spacing = volume.voxels.shape, volume.grid.spacing_mm[::-1]
    away = [(np.arange(size) - size / 2) * step for size, step in zip(shape, spacing, strict=True)]
    distance = np.sqrt(away[0][:, None, None] ** 2 + away[1][:, None] ** 2 + away[2] ** 2)
    noise = np.random.default_rng(5).normal(0, 10, shape)
    changed = {
        "constant": np.full(shape, 100.0), "noise alone": 100 + noise,
        "bright ball": 100 + 200 * (distance < _BALL_MM) + noise,
        "dark ball": 300 - 200 * (distance < _BALL_MM) + noise,
    }  # fmt: skip
    yield from ((kind, with_voxels(volume, voxels.astype(np.float32))) for kind, voxels in changed.items())


def numbered(folder: Path, name: str) -> list[tuple[str, Path]]:
    return [(re.sub(r"\D", "", path.name), path) for path in sorted(folder.glob(f"{name}*.nrrd"))]


def some(found: list[tuple[str, Path]], most: int) -> list[tuple[str, Path]]:
    """At most so many, from everywhere in the list."""
    return found[:: max(1, len(found) // most)][:most]


def scans(data: Path, most: int, each: int) -> Iterator[Scan]:
    """All that is shown to the model."""
    for number, path in numbered(data / "labeled", "image"):
        yield Scan(
            "labeled", data.name, number, read_image(path), read_label_map(path.with_name(f"label{number}.nrrd"))
        )
    unlabeled = numbered(data / "unlabeled", "image")
    for number, path in some([numbered_path for numbered_path in unlabeled if int(numbered_path[0]) % 2], most):
        yield Scan("other", data.name, number, read_image(path))
    development = [numbered_path for numbered_path in unlabeled if int(numbered_path[0]) % 2 == 0]
    truth = {number: data / "unlabeled-truth" / f"label{number}.nrrd" for number, _ in development}
    for number, path in some(development, most):
        yield Scan("own", data.name, number, read_image(path), read_label_map(truth[number]))
    for number, path in some(development, each):
        for kind, volume, label in changed(read_image(path), read_label_map(truth[number]), int(number)):
            yield Scan("changed", kind, number, volume, label)
    for kind, volume in phantoms(read_image(development[0][1])):
        yield Scan("phantom", kind, "", volume)
    yield from foreign(data, each)


def foreign(data: Path, each: int) -> Iterator[Scan]:
    """Development cases of the other sets, and the images of the formats."""
    for other in sorted(path.parent for path in data.parent.glob("*/unlabeled")):
        if other.name != data.name:
            same = ORGANS.get(other.name, other.name) == ORGANS.get(data.name, data.name)
            cases = [
                numbered_path
                for numbered_path in numbered(other / "unlabeled", "image")
                if int(numbered_path[0]) % 2 == 0
            ]
            for number, path in some(cases, each):
                yield Scan("same organ" if same else "foreign", other.name, number, read_image(path))
    formats = data.parent / "formats"
    paths = [
        *formats.glob("nifti/*.nii*"),
        *formats.glob("nrrd/*.nrrd"),
        *formats.glob("mha/*.mha"),
        *formats.glob("dicom/*"),
    ]
    for path in sorted(path for path in paths if not re.search(r"label|_lab|_seg|mask", path.name)):
        try:
            yield Scan("foreign", "formats", path.name, read_image(path))
        except CoraNetError as error:
            print(f"{path.name} is left out: {error}", file=sys.stderr)


def measured(segmenter: Segmenter, scan: Scan) -> Measured:
    """What the program measures of a scan."""
    labels = segmenter.package.labels
    result = segmenter.segmented(scan.volume)
    traits, dice = measured_traits(result.measurement, result.prediction, scan.volume.grid, labels), None
    if scan.truth is not None:
        values = [0, *(label.value for label in labels)]
        pair = (np.searchsorted(values, label_map) for label_map in (result.prediction.segmentation, scan.truth.voxels))
        dice = float(np.nan_to_num(np.nanmean(dice_per_class(*pair, len(values)))))
    return Measured(scan.group, scan.kind, scan.name, traits, dice)


def cached(segmenter: Segmenter, args: argparse.Namespace) -> list[Measured]:
    """Everything measured, from the cache where it is there."""
    path, known = args.cache / f"{args.data.name}.json", {}
    if path.is_file():
        rows = json.loads(path.read_text())
        known = {
            (r["group"], r["kind"], r["name"]): Measured(**{**r, "traits": CaseTraits(**r["traits"])}) for r in rows
        }
    for scan in scans(args.data, args.most, args.each):
        key = (scan.group, scan.kind, scan.name)
        if key not in known:
            known[key] = measured(segmenter, scan)
            print(*key, known[key].traits, known[key].dice, file=sys.stderr, flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps([asdict(entry) for entry in known.values()]))
    return list(known.values())


def reference_of(names: tuple[str, ...], cases: list[Measured]) -> Reference:
    """As a training makes it: the network is not asked about what it was taught."""
    taught = [replace(case.traits, confidence=None) for case in cases if case.group == "labeled"]
    return Reference(names, (*taught, *(case.traits for case in cases if case.group in ("other", "own"))))


def found_poor(confidence: np.ndarray, dice: np.ndarray) -> tuple[float, float]:
    """Share of the poor cases that is ranked within the first fifth, over draws, and of the draws with all of them."""
    random, shares = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn = random.choice(len(dice), min(DRAWN, len(dice)), replace=False)
        poor = dice[drawn] < POOR_SHARE * np.median(dice[drawn])
        first = np.argsort(confidence[drawn])[: int(np.ceil(FLAGGED_SHARE * len(drawn)))]
        if poor.any():
            shares.append(np.isin(np.flatnonzero(poor), first).mean())
    return (float(np.mean(shares)), float(np.mean(np.equal(shares, 1)))) if shares else (np.nan, np.nan)


def table(names: tuple[str, ...], cases: list[Measured]) -> dict[str, object]:
    """All figures."""
    known = [case for case in cases if case.group in ("labeled", "other", "own")]
    own = [case for case in cases if case.group == "own"]
    dice = np.array([case.dice for case in own])
    confidence = np.array([case.traits.confidence for case in own])
    poor_below = POOR_SHARE * float(np.median(dice))
    warned = [
        bool(quality_by_reference(case.traits, reference_of(names, [c for c in known if c is not case])).unlike)
        for case in own
    ]
    shares = found_poor(confidence, dice)
    rows: dict[str, object] = {
        "own": {
            "cases": len(own), "warned": sum(warned), "median Dice": float(np.median(dice)),
            "poor": int((dice < poor_below).sum()),
            "warned though not poor": int((np.array(warned) & (dice >= poor_below)).sum()),
            "rank correlation": float(spearmanr(confidence, dice)[0]),
            "poor ones within the first fifth": shares[0], "draws with all of them": shares[1],
        }
    }  # fmt: skip
    reference = reference_of(names, known)
    for group, kind in dict.fromkeys((case.group, case.kind) for case in cases if case not in known):
        some = [case for case in cases if (case.group, case.kind) == (group, kind)]
        qualities = [quality_by_reference(case.traits, reference) for case in some]
        compared = [case.dice for case in some if case.dice is not None]
        harmed = [case.dice is not None and case.dice < poor_below for case in some]
        rows[f"{group}: {kind}"] = {
            "cases": len(some), "warned": sum(bool(quality.unlike) for quality in qualities),
            "mean Dice": float(np.mean(compared)) if compared else None, "poor": sum(harmed),
            "poor and warned": sum(
                poor and bool(quality.unlike) for poor, quality in zip(harmed, qualities, strict=True)
            ),
            "reasons": sorted({reason for quality in qualities[:1] for reason in quality.unlike}),
        }  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--most", type=int, default=16, help="cases of its own, of each half")
    parser.add_argument("--each", type=int, default=4, help="cases of each kind")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what is measured")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    segmenter = Segmenter(SegmentConfig(model=str(args.model)), Reporter(lambda event: None, lambda: False))
    names = tuple(label.name for label in segmenter.package.labels)
    rows = table(names, cached(segmenter, args))
    for kind, row in rows.items():
        print(kind, row)
    if args.output:
        args.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
