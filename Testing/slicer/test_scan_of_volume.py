"""A volume node and a file hold the same scan to Slicer and to the engine, whatever format brought it here."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from scene_builders import add_volume
from synthetic_predictions import identity_of_file

from coranet.contract import ScanIdentity
from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.case_volume import is_scan, volume_hash_steps
from CoraNetSlicerLib.core.export import write_volume
from CoraNetSlicerLib.core.images import read_image
from CoraNetSlicerLib.core.stepwise import run_to_end

RNG = np.random.default_rng(2)
VOXELS = RNG.integers(-1024, 3000, (5, 6, 7))


def engine_hash(path):
    from coranet.data.identity import identity_of
    from coranet.volume import read_image as engine_read

    return identity_of(engine_read(path)).voxels


def rotated(degrees_x, degrees_z):
    turn_x, turn_z = sitk.VersorTransform(), sitk.VersorTransform()
    turn_x.SetRotation((1, 0, 0), np.radians(degrees_x))
    turn_z.SetRotation((0, 0, 1), np.radians(degrees_z))
    both = np.reshape(turn_z.GetMatrix(), (3, 3)) @ np.reshape(turn_x.GetMatrix(), (3, 3))
    return both


def written(tmp_path, name, kind="int16", direction=None, **how):
    image = sitk.GetImageFromArray(VOXELS.astype(kind))
    image.SetSpacing((0.7, 0.9, 3.0))
    image.SetOrigin((-12.25, 40.5, -7.0))
    if direction is not None:
        image.SetDirection(np.ravel(direction).astype(float).tolist())
    sitk.WriteImage(image, str(tmp_path / name), **how)
    return tmp_path / name


def loaded(path):
    return read_image(path, slicer.vtkMRMLScalarVolumeNode())


FILES = [
    *((f"a{ending}", kind) for ending in (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
      for kind in ("int16", "float32", "uint16")),
    *(("a.nrrd", kind) for kind in ("uint8", "int8", "int32", "uint32", "float64")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), FILES, ids=[f"{name}-{kind}" for name, kind in FILES])
def test_both_sides_compute_the_same(tmp_path, name, kind):
    path = written(tmp_path, name, kind)
    assert run_to_end(volume_hash_steps(loaded(path))) == engine_hash(path)


@pytest.mark.parametrize("turn", [(0, 0), (20, 0), (0, 45), (45, 0), (10, 100), (-80, 170)], ids=str)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_both_sides_compute_the_same_however_the_axes_lie(tmp_path, turn, order):
    for flips in ((1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, 1)):
        path = written(tmp_path, "a.nrrd", direction=rotated(*turn)[:, order] * flips)
        assert run_to_end(volume_hash_steps(loaded(path))) == engine_hash(path), flips


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
def test_an_axis_that_slicer_turns_round_when_it_reads_has_no_say(tmp_path, name):
    path = written(tmp_path, name, direction=np.diag((-1, 1, 1)))
    assert run_to_end(volume_hash_steps(loaded(path))) == engine_hash(path)


@pytest.mark.parametrize("kind", ["int16", "float32", "float64", "uint8"])
def test_what_slicer_exports_is_the_scan_that_it_holds(context, tmp_path, kind):
    matrix = np.eye(4)
    matrix[:3, :3] = rotated(30, 50) * (0.7, 0.9, 3.0)
    node = add_volume(context, "scan", (VOXELS / 3).astype(kind), matrix)
    write_volume(node, tmp_path / "a.nrrd", compressed=False)
    written = engine_hash(tmp_path / "a.nrrd")
    assert run_to_end(volume_hash_steps(node)) == written == identity_of_file(tmp_path / "a.nrrd").voxels


def test_a_step_is_a_plane(tmp_path):
    assert len(list(volume_hash_steps(loaded(written(tmp_path, "a.nrrd"))))) == 5


def finished(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_another_size_is_another_scan_without_a_look_at_the_voxels(tmp_path):
    node = loaded(written(tmp_path, "a.nrrd"))
    with pytest.raises(StopIteration) as end:
        next(is_scan(node, ScanIdentity("", (7, 6, 4), (1.0, 1.0, 1.0))))
    assert end.value.value is False


def test_a_scan_is_known_by_its_voxels(tmp_path):
    path = written(tmp_path, "a.nrrd")
    identity = identity_of_file(path)
    assert finished(is_scan(loaded(path), identity))
    assert not finished(is_scan(loaded(path), ScanIdentity("ab" * 16, identity.size_ijk, identity.spacing_mm)))


def test_a_volume_without_voxels_is_no_scan():
    node = slicer.vtkMRMLScalarVolumeNode()
    assert not finished(is_scan(node, ScanIdentity("", (1, 1, 1), (1.0, 1.0, 1.0))))
    with pytest.raises(DataError, match="not a grey-value volume"):
        run_to_end(volume_hash_steps(node))
