"""Ways to spoil a phantom set; each returns the name of the file that an error must tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from coranet.volume import Grid, read_image, read_label_map, write_volume


def datalist_of(scans: Path) -> dict:
    return json.loads((scans / "dataset.json").read_text(encoding="utf-8"))


def write_datalist(scans: Path, **changes) -> None:
    content = {**datalist_of(scans), **changes}
    (scans / "dataset.json").write_text(json.dumps(content), encoding="utf-8")


def remove_an_image(scans: Path) -> str:
    (scans / "images" / "case002.nrrd").unlink()
    return "case002.nrrd"


def remove_a_label(scans: Path) -> str:
    (scans / "labels" / "case001.nrrd").unlink()
    return str(Path("labels") / "case001.nrrd")


def remove_an_unlabeled_image(scans: Path) -> str:
    (scans / "images" / "case003.nrrd").unlink()
    return "case003.nrrd"


def fill_an_image_with_garbage(scans: Path) -> str:
    (scans / "images" / "case001.nrrd").write_bytes(b"this is no image")
    return "case001.nrrd"


def cut_an_image_short(scans: Path) -> str:
    path = scans / "images" / "case003.nrrd"
    path.write_bytes(path.read_bytes()[:2000])
    return "case003.nrrd"


def shift_a_label(scans: Path, name: str = "case002.nrrd") -> str:
    path = scans / "labels" / name
    volume = read_label_map(path)
    grid = volume.grid
    write_volume(path, volume.voxels, Grid(grid.size_ijk, grid.spacing_mm, (1.0, 2.0, 3.0), grid.direction))
    return str(Path("labels") / name)


def cut_a_label_smaller(scans: Path) -> str:
    path = scans / "labels" / "case002.nrrd"
    volume = read_label_map(path)
    grid = volume.grid
    write_volume(path, volume.voxels[1:], Grid((24, 20, 15), grid.spacing_mm, grid.origin_mm, grid.direction))
    return str(Path("labels") / "case002.nrrd")


def use_an_unknown_label_value(scans: Path) -> str:
    return rewrite_label(scans, lambda voxels: np.where(voxels == 2, 9, voxels))


def empty_all_labels(scans: Path) -> str:
    rewrite_label(scans, np.zeros_like, "case001.nrrd")
    return rewrite_label(scans, np.zeros_like)


def give_the_image_as_label(scans: Path) -> str:
    return rewrite_label(scans, lambda voxels: voxels.astype(np.float32) + 0.5)


def rewrite_label(scans: Path, change, name: str = "case002.nrrd") -> str:
    path = scans / "labels" / name
    volume = read_label_map(path)
    write_volume(path, change(volume.voxels), volume.grid)
    return str(Path("labels") / name)


def put_nan_into_an_image(scans: Path) -> str:
    path = scans / "images" / "case004.nrrd"  # unlabeled
    volume = read_image(path)
    volume.voxels[3, 4, 5] = np.nan
    write_volume(path, volume.voxels, volume.grid)
    return "case004.nrrd"


def leave_no_labeled_case(scans: Path) -> str:
    write_datalist(scans, training=[])
    return "dataset.json"


def leave_no_label_names(scans: Path) -> str:
    write_datalist(scans, labels={})
    return "dataset.json"


def name_only_the_background(scans: Path) -> str:
    write_datalist(scans, labels={"0": "background"})
    return "dataset.json"


def give_two_labels_one_name(scans: Path) -> str:
    write_datalist(scans, labels={"1": "organ", "2": "organ"})
    return "dataset.json"


def use_a_negative_label_value(scans: Path) -> str:
    write_datalist(scans, labels={"-1": "organ", "2": "lesion"})
    return "dataset.json"


def use_a_label_value_that_does_not_fit(scans: Path) -> str:
    write_datalist(scans, labels={"1": "organ", "70000": "lesion"})
    return "dataset.json"


def break_the_datalist(scans: Path) -> str:
    (scans / "dataset.json").write_text("{", encoding="utf-8")
    return "dataset.json"


def remove_the_datalist(scans: Path) -> str:
    (scans / "dataset.json").unlink()
    return "dataset.json"


def list_an_image_twice(scans: Path) -> str:
    write_datalist(scans, unlabeled=datalist_of(scans)["training"])
    return "dataset.json"
