"""One table of files: the engine and Slicer's reader find the same voxels at the same place; others are refused."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from scene_builders import array_of, numpy_matrix

from coranet.contract import Case, Role
from coranet.contract.errors import DataError
from coranet.data.cache import read_labeled_pair
from CoraNetSlicerLib.core.images import read_image

NAMES = {1: "organ", 2: "lesion"}
SPACING, ORIGIN = (0.9, 1.3, 2.4), (11.5, -23.25, 40.75)
OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)


def voxels(kind="u1", *values) -> np.ndarray:
    """A label map (4, 5, 6), in whose first voxels some values stand."""
    array = np.zeros((4, 5, 6), kind)
    array[1:3, 1:4, 1:5] = 1
    array[2, 2, 2:4] = 2
    array.reshape(-1)[: len(values)] = values
    return array


def image(array=None, axes: str = "", direction=OBLIQUE) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels() if array is None else array)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(direction)
    return sitk.DICOMOrient(image, axes) if axes else image


def written(folder: Path, name: str, content: sitk.Image) -> Path:
    """An image under a name whose letters a writer may not know."""
    path = folder / name
    sitk.WriteImage(content, str(folder / name.lower()))
    (folder / name.lower()).rename(path)
    return path


def scaled_nifti(folder: Path) -> Path:
    """Half of what is stored: values 2 and 4 mean 1 and 2."""
    path = written(folder, "a.nii", image(voxels("i2") * 2))
    content = bytearray(path.read_bytes())
    content[112:120] = struct.pack("<2f", 0.5, 0.0)
    path.write_bytes(content)
    return path


READ = {
    **{
        f"{axes}{ending}": lambda folder, axes=axes, ending=ending: written(folder, f"a{ending}", image(axes=axes))
        for axes in ("LPS", "RAS", "LAS", "LPI", "RSP", "SAL", "PIR", "ASR")
        for ending in (".nii.gz", ".nii", ".nrrd", ".mha")
    },
    **{
        f"type-{kind}": lambda folder, kind=kind: written(folder, "a.nrrd", image(voxels(kind)))
        for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")
    },
    "capitals.NII.GZ": lambda folder: written(folder, "a.NII.GZ", image()),
    "capitals.NRRD": lambda folder: written(folder, "a.NRRD", image()),
    "header-with-voxels.mhd": lambda folder: written(folder, "a.mhd", image()),
    "header-with-voxels.nhdr": lambda folder: written(folder, "a.nhdr", image()),
    "accents": lambda folder: written(folder, "läsion ü.nrrd", image()),
    "empty": lambda folder: written(folder, "empty.nrrd", image(voxels() * 0)),
    "scaled": scaled_nifti,
}  # fmt: skip


def sheared(folder: Path) -> Path:
    header = (
        "NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 6 5 4\nencoding: raw\nspace: left-posterior-superior\n"
        "space directions: (1,0,0) (0,1.25,0) (0,1.2,2)\nspace origin: (0,0,0)\n\n"
    )
    (folder / "a.nrrd").write_bytes(header.encode("ascii") + voxels().tobytes())
    return folder / "a.nrrd"


def layered(folder: Path) -> Path:
    header = (
        "NRRD0004\ntype: unsigned char\ndimension: 4\nsizes: 2 6 5 4\nencoding: raw\nspace: left-posterior-superior\n"
        "space directions: none (1,0,0) (0,1.25,0) (0,0,2)\nspace origin: (0,0,0)\nkinds: list domain domain domain\n\n"
    )
    (folder / "a.seg.nrrd").write_bytes(header.encode("ascii") + np.stack([voxels(), voxels()], -1).tobytes())
    return folder / "a.seg.nrrd"


def beside_another(folder: Path) -> Path:
    written(folder, "a.nii", image(voxels() * 0))
    return written(folder, "a.nii.gz", image())


def linked_to_nothing(folder: Path) -> Path:
    (folder / "a.nrrd").symlink_to("../.git/annex/objects/a.nrrd")
    return folder / "a.nrrd"


def pointer(folder: Path) -> Path:
    (folder / "a.nii.gz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    return folder / "a.nii.gz"


def of_values(*values: float, kind: str = "f4"):
    return lambda folder: written(folder, "a.nrrd", image(voxels(kind, *values)))


REFUSED = {
    "fraction": (of_values(1.5), "is not a label map: .* got 1.5 in 1 voxel"),
    "nearly-whole": (of_values(1.9999999), "is not a label map: .* got 1.99999988 in 1 voxel"),
    "nan": (of_values(np.nan), "is not a label map: .* got NaN in 1 voxel"),
    "infinite": (of_values(np.inf), "is not a label map: .* got inf in 1 voxel"),
    "negative": (of_values(-1, kind="i2"), "is not a label map: .* got -1 in 1 voxel"),
    "negative-float": (of_values(-1.0), "is not a label map: .* got -1 in 1 voxel"),
    "too-large": (of_values(65536, kind="i4"), "is not a label map: .* got 65536 in 1 voxel"),
    "huge": (of_values(1e30), "is not a label map"),
    "fraction-and-nan": (of_values(0.5, np.nan), "is not a label map"),
    "without-a-name": (of_values(7, kind="u1"), "has the label value 7, the datalist names"),
    "scaled-to-fractions": (lambda folder: written(folder, "a.nii.gz", image(voxels("f4") * 0.3)), "not a label map"),
    "series": (
        lambda folder: written(folder, "a.nii.gz", sitk.JoinSeries([image(), image()])), "has 2 values in each voxel",
    ),
    "series.nrrd": (
        lambda folder: written(folder, "a.nrrd", sitk.JoinSeries([image(), image()])), "has 2 values in each voxel",
    ),
    "colours": (lambda folder: written(folder, "a.nrrd", sitk.Compose([image()] * 3)), "has 3 values in each voxel"),
    "colours.mha": (lambda folder: written(folder, "a.mha", sitk.Compose([image()] * 3)), "has 3 values in each voxel"),
    "layers": (layered, "has 2 values in each voxel, .* segments that overlap are saved in layers"),
    "one-slice": (lambda folder: written(folder, "a.nrrd", image(voxels()[:1])), "is a single slice"),
    "sheared": (sheared, "has a sheared grid: two of its axes are 59"),
    "capitals.MHA": (lambda folder: written(folder, "a.MHA", image()), "rename it in lower case"),
    "mixed-capitals.Nii": (lambda folder: written(folder, "a.Nii", image()), "rename it in lower case"),
    "nii-beside": (beside_another, "has a file without '.gz' beside it"),
    "missing": (lambda folder: folder / "a.nrrd", "does not exist; correct the path"),
    "pointer": (pointer, "a Git pointer, not the file itself"),
}  # fmt: skip
if os.name != "nt":
    REFUSED["link-to-nothing"] = (linked_to_nothing, "is a link to a file that is not there; fetch the file")


def by_the_engine(path: Path) -> dict[str, list[tuple[float, ...]]]:
    """Where the voxels of each class lie, by the engine; the first two axes as Slicer has them."""
    scan = path.parent / "scan of it.nrrd"
    sitk.WriteImage(image(np.arange(120, dtype=np.int16).reshape(4, 5, 6)), str(scan))
    _scan, label = read_labeled_pair(Case("a", Role.TRAINING, str(scan), str(path)), list(NAMES))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(label.grid.direction, (3, 3)) * label.grid.spacing_mm
    matrix[:3, 3] = label.grid.origin_mm
    matrix[:2] *= -1
    return places(label.voxels, matrix, NAMES)


def by_slicer(path: Path) -> dict[str, list[tuple[float, ...]]]:
    node = read_image(path, slicer.vtkMRMLScalarVolumeNode())
    return places(array_of(node), numpy_matrix(node), NAMES)


def places(array: np.ndarray, matrix: np.ndarray, names: dict[int, str]) -> dict[str, list[tuple[float, ...]]]:
    found = {}
    for value, name in names.items():
        ijk = np.argwhere(array == value)[:, ::-1]
        world = ijk @ matrix[:3, :3].T + matrix[:3, 3]
        found[name] = sorted(map(tuple, np.round(world, 2).tolist()))
    return found


def near(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(
        len(first[name]) == len(second[name]) and np.allclose(first[name], second[name], atol=0.011) for name in first
    )


@pytest.mark.parametrize("make", READ.values(), ids=READ)
def test_both_sides_see_the_same_voxels_at_the_same_place(tmp_path, make):
    path = make(tmp_path)
    engine, slicer_side = by_the_engine(path), by_slicer(path)
    assert near(engine, slicer_side)
    assert [len(engine[name]) for name in NAMES.values()] == ([0, 0] if path.stem == "empty" else [22, 2])


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_label_map_is_refused_with_a_sentence(tmp_path, make, sentence):
    path = make(tmp_path)
    with pytest.raises(DataError, match=sentence):
        by_the_engine(path)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_what_is_cut_off_is_refused_by_both(tmp_path, ending):
    path = written(tmp_path, f"a{ending}", image())
    path.write_bytes(path.read_bytes()[:-40])
    for read in (by_the_engine, by_slicer):
        with pytest.raises(DataError, match="a.(nrrd|mha)' cannot be read"):
            read(path)
