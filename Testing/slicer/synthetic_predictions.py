"""Synthetic predictions on disk: what a finished segmentation leaves behind, small and with known voxel counts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from coranet.contract import Case, Datalist, Job, JobKind, PredictionFiles, RegionList, Role, ScanIdentity
from coranet.contract.config import SegmentConfig
from coranet.contract.scan_identity import voxel_hash

if TYPE_CHECKING:
    from coranet.regions.finding import FoundRegions

SIZE_IJK = (18, 24, 14)
SPACING_MM = (0.9, 0.7, 2.5)
PANCREAS, TUMOR = 2, 5
PANCREAS_TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^123037004^Anatomical Structure~SCT^15776009^Pancreas~^^~Anatomic codes - DICOM master list~^^~^^"
)
LABELS = [
    {"value": PANCREAS, "name": "Pancreas", "color": [0.9, 0.45, 0.3], "terminology": PANCREAS_TERMINOLOGY},
    {"value": TUMOR, "name": "Tumor", "color": None, "terminology": ""},
]
CASE_ID = "patient 7"

# Most tests write the same arrays on the one grid that there is: what was written, or computed, once is kept.
_files: dict[tuple[object, ...], bytes] = {}
_identities: dict[bytes, ScanIdentity] = {}
_margins: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
_found_regions: dict[bytes, tuple[FoundRegions, bytes]] = {}


def synthetic_heads() -> dict[str, np.ndarray]:
    """Two touching ellipsoids, smaller for the conservative and larger for the radical head; arrays (k, j, i)."""
    k, j, i = np.mgrid[: SIZE_IJK[2], : SIZE_IJK[1], : SIZE_IJK[0]].astype(float)

    def heads_label(scale: float) -> np.ndarray:
        label = np.zeros(k.shape, dtype=np.uint8)
        label[((i - 12) / 3) ** 2 + ((j - 13) / 5) ** 2 + ((k - 7) / 3.5) ** 2 < scale] = TUMOR
        label[((i - 7) / 4) ** 2 + ((j - 10) / 6) ** 2 + ((k - 6) / 4.5) ** 2 < scale] = PANCREAS
        return label

    heads = {"segmentation": heads_label(1.0), "conservative": heads_label(0.6), "radical": heads_label(1.5)}
    uncertain = heads["conservative"] != heads["radical"]
    noise = np.random.default_rng(3).uniform(0.0, 0.2, k.shape)
    heads["uncertain"] = uncertain.astype(np.uint8)
    heads["uncertainty"] = (uncertain * 0.6 + noise).astype(np.float32)
    return heads


def write_image(array: np.ndarray, path: Path, spacing: tuple[float, ...] = SPACING_MM) -> None:
    """Write an array (k, j, i) on the tests' rotated grid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = (array.tobytes(), array.dtype, array.shape, spacing, "".join(path.suffixes))
    if key not in _files:
        _write_image(array, path, spacing)
        _files[key] = path.read_bytes()
    path.write_bytes(_files[key])


def _write_image(array: np.ndarray, path: Path, spacing: tuple[float, ...]) -> None:
    cosine, sine = np.cos(0.3), np.sin(0.3)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((12.5, -30.25, 44.0))
    image.SetDirection((cosine, -sine, 0.0, sine, cosine, 0.0, 0.0, 0.0, 1.0))
    sitk.WriteImage(image, str(path))


def write_segmented_job(folder: Path, heads: dict[str, np.ndarray] | None = None) -> Job:
    """A finished job of one case, with its image and all its result files."""
    heads = heads or synthetic_heads()
    image = folder.parent / "scan of patient 7.nrrd"
    noise = np.random.default_rng(5).normal(0.0, 12.0, heads["segmentation"].shape)
    write_image((60.0 * (heads["segmentation"] > 0) + 80.0 + noise).astype(np.float32), image)
    # Older than every result, also of the other jobs that write it.
    os.utime(image, (1, 1))
    case = Case(id=CASE_ID, role=Role.INPUT, image=str(image))
    job = Job.create(folder, JobKind.SEGMENT, SegmentConfig(model="model"), Datalist(cases=(case,)))
    prediction = job.prediction(CASE_ID)
    for name, array in heads.items():
        write_image(array, getattr(prediction, name))
    content = {"schema_version": 1, "case": CASE_ID, "image": str(image), "labels": LABELS, "uncertain_ml": 1.0}
    content["scan"] = identity_of_file(image).to_dict()
    prediction.result.write_text(json.dumps(content), encoding="utf-8")
    return job


def identity_of_file(path: str | Path) -> ScanIdentity:
    """Which scan a file holds, by SimpleITK: as the engine sees it."""
    content = Path(path).read_bytes()
    if content not in _identities:
        image = sitk.ReadImage(str(path))
        voxels = voxel_hash(sitk.GetArrayFromImage(image), image.GetDirection())
        _identities[content] = ScanIdentity(voxels, image.GetSize(), image.GetSpacing())
    return _identities[content]


def write_volumes(files: PredictionFiles, heads: dict[str, np.ndarray] | None = None) -> None:
    """Add to the result what the engine says of the volumes of its classes."""
    heads = heads or synthetic_heads()
    voxel_ml = float(np.prod(SPACING_MM)) / 1000
    names = ("segmentation", "conservative", "radical")
    volumes = {
        label["name"]: {name: float((heads[name] == label["value"]).sum() * voxel_ml) for name in names}
        for label in LABELS
    }
    content = {**json.loads(files.result.read_text()), "volumes_ml": volumes}
    files.result.write_text(json.dumps(content), encoding="utf-8")


def synthetic_margins(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Margin and second class of voxels at most six voxels away from a boundary, as if all doubt were distance."""
    from scipy.ndimage import distance_transform_edt

    unit = float(np.prod(SPACING_MM)) ** (1 / 3) / 12
    margin, second = np.full(labels.shape, 255, np.uint8), np.zeros_like(labels)
    for value in np.unique(labels):
        own = labels == value
        away, nearest = distance_transform_edt(own, SPACING_MM[::-1], return_indices=True)
        # Between the centres of two voxels lies the boundary.
        steps = np.maximum(away - min(SPACING_MM) / 2, 0) / unit
        near = own & (steps < 72)
        margin[near] = steps[near].astype(np.uint8)
        second[near] = labels[tuple(nearest)][near]
    return margin, second


def write_margins(files: PredictionFiles, heads: dict[str, np.ndarray] | None = None) -> None:
    """Add to the result what slides of its boundary need."""
    labels = (heads or synthetic_heads())["segmentation"]
    key = labels.tobytes()
    if key not in _margins:
        _margins[key] = synthetic_margins(labels)
    margin, second = _margins[key]
    write_image(margin, files.margin)
    write_image(second, files.second)


def write_regions(files: PredictionFiles, heads: dict[str, np.ndarray] | None = None) -> RegionList:
    """The uncertain regions of a case as the engine writes them; of the synthetic heads about a dozen."""
    # Here, because they need torch, which few tests of the Slicer side do.
    from coranet.inference.prediction import Prediction
    from coranet.regions.finding import RegionRule, find_regions
    from coranet.volume import read_grid

    heads = heads or synthetic_heads()
    arrays = [heads[name] for name in ("segmentation", "conservative", "radical", "uncertain", "uncertainty")]
    key = b"".join(array.tobytes() for array in arrays)
    if key not in _found_regions:
        rule = RegionRule(largest_share=0.15)
        found = find_regions(CASE_ID, Prediction(*arrays), read_grid(files.segmentation), 0.0, rule)
        found.list.write(files.regions)
        _found_regions[key] = (found, files.regions.read_bytes())
    found, content = _found_regions[key]
    files.regions.write_bytes(content)
    write_image(found.region_map, files.region_map)
    return found.list
