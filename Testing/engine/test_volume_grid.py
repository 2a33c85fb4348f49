"""Where voxels lie: the volume of a voxel is a determinant, sheared grids are refused, and nothing is lost on the way.

The properties hold for any spacing, direction and size: what is written, read, turned to canonical axes and back is the
same voxels at the same place.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scans import name_of_direction, signed_permutations

from coranet.contract.errors import DataError
from coranet.data.orientation import Orientation
from coranet.volume import Grid, noted_by, read_grid, read_image, read_label_map, write_volume

VOXELS = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype("<i2")


def nrrd(path: Path, directions: str, more: str = "space: left-posterior-superior\n") -> Path:
    head = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\nendian: little\nencoding: raw\n{more}"
    head += f"space directions: {directions}\nspace origin: (1,2,3)\n\n" if directions else "\n"
    path.write_bytes(head.encode() + VOXELS.tobytes())
    return path


def meta(path: Path, matrix: str, spacing: str = "1 1.25 2") -> Path:
    head = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nOffset = 1 2 3\n"
    head += f"TransformMatrix = {matrix}\nElementSpacing = {spacing}\nDimSize = 6 5 4\n"
    head += "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    path.write_bytes(head.encode() + VOXELS.tobytes())
    return path


@pytest.mark.parametrize(
    ("directions", "voxel_mm3"),
    [
        ("(1,0,0) (0,1.25,0) (0,0,2)", 2.5),
        ("(-1,0,0) (0,1.25,0) (0,0,2)", 2.5),
        ("(0,0,2) (1,0,0) (0,1.25,0)", 2.5),
        ("(0.6,0.8,0) (-1,0.75,0) (0,0,2)", 2.5),
        ("(1,0,0) (0,1.25,0) (0,0.0004,2)", 2.5),
        ("(1e-3,0,0) (0,1e-3,0) (0,0,1e-3)", 1e-9),
        ("(100,0,0) (0,100,0) (0,0,100)", 1e6),
    ],
)
def test_the_volume_of_a_voxel_is_the_determinant(tmp_path, directions, voxel_mm3):
    path = nrrd(tmp_path / "a.nrrd", directions)
    assert read_grid(path).voxel_ml * 1000 == pytest.approx(voxel_mm3, rel=1e-6)
    assert read_image(path).grid == read_grid(path) == read_label_map(path).grid


@pytest.mark.parametrize(
    ("matrix", "spacing", "expected"),
    [
        ("0.8 0 0 0 0.8 0 0 0 2.5", "1 1 1", (0.8, 0.8, 2.5)),
        ("2 0 0 0 2 0 0 0 2", "1 1.25 2", (2, 2.5, 4)),
        ("0 0.5 0 -0.5 0 0 0 0 0.5", "1 1.25 2", (0.5, 0.625, 1)),
    ],
)
def test_a_spacing_within_the_matrix_is_put_right_and_told(tmp_path, matrix, spacing, expected):
    path = meta(tmp_path / "a.mha", matrix, spacing)
    notes: list[str] = []
    with noted_by(notes.append):
        grid = read_image(path).grid
        assert read_grid(path) == grid
    assert grid.spacing_mm == pytest.approx(expected)
    assert grid.voxel_ml * 1000 == pytest.approx(np.prod(expected))
    np.testing.assert_allclose(np.linalg.norm(np.reshape(grid.direction, (3, 3)), axis=0), 1)
    assert len(notes) == 1 and "carries a part of the spacing" in notes[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: nrrd(p / "a.nrrd", "(1,0,0) (0,1.25,0) (0,1.2,2)"), "sheared grid: two of its axes are 59 degrees"),
        (lambda p: nrrd(p / "a.nrrd", "(1,0.01,0) (0,1.25,0) (0,0,2)"), "sheared grid"),
        (lambda p: nrrd(p / "a.nrrd", "(1,0,0) (0,1.25,0) (0,0,0)"), "cannot be read|spacing|sheared"),
        (lambda p: nrrd(p / "a.nrrd", "(1,0,0) (1,0,0) (0,0,2)"), "cannot be read|sheared"),
        (lambda p: nrrd(p / "a.nrrd", "(nan,0,0) (0,1.25,0) (0,0,2)"), "cannot be read|where its voxels lie"),
        (lambda p: nrrd(p / "a.nrrd", "", ""), "spacing"),
        (lambda p: nrrd(p / "a.nrrd", "", "spacings: 1 nan 2\n"), "spacing"),
        (lambda p: nrrd(p / "a.nrrd", "", "spacings: 1 0 2\n"), "spacing|cannot be read"),
        (lambda p: meta(p / "a.mha", "1 0 0 0.5 1 0 0 0 1"), "sheared grid"),
        (lambda p: meta(p / "a.mha", "1 0 0 0 1 0 0 0 0"), "spacing|cannot be read|sheared"),
        (lambda p: meta(p / "a.mha", "1 0 0 0 1 0 0 0 1", "1 0 2"), "spacing|cannot be read"),
        (lambda p: meta(p / "a.mha", "1 0 0 0 1 0 0 0 1", "1 nan 2"), "spacing|cannot be read|where its voxels lie"),
        (lambda p: meta(p / "a.mha", "nan 0 0 0 1 0 0 0 1"), "is not a number|cannot be read"),
    ],
)
def test_a_grid_that_is_none_is_refused(tmp_path, make, message):
    path = make(tmp_path)
    for look in (read_image, read_grid, read_label_map):
        with pytest.raises(DataError, match=message) as caught:
            look(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "is_scaled"),
    [
        ("ElementToIntensityFunctionSlope = 2\n", True),
        ("ElementToIntensityFunctionOffset = -1024\n", True),
        ("ElementToIntensityFunctionSlope = nan\n", True),
        ("ElementToIntensityFunctionSlope = 1.0\nElementToIntensityFunctionOffset = 0\n", False),
    ],
)
def test_a_scale_of_a_metaimage_that_itk_passes_over_is_refused(tmp_path, fields, is_scaled):
    path = meta(tmp_path / "a.mha", "1 0 0 0 1 0 0 0 1")
    path.write_bytes(path.read_bytes().replace(b"ElementDataFile", fields.encode() + b"ElementDataFile"))
    if not is_scaled:
        np.testing.assert_array_equal(read_image(path).voxels, VOXELS)
        return
    with pytest.raises(DataError, match="scales its intensities .* apply both to its voxels"):
        read_image(path)


# -- properties --


def rotations() -> st.SearchStrategy[np.ndarray]:
    """Directions: a permutation of the axes, each perhaps turned round, then turned about any axis."""
    quaternion = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: sum(x * x for x in q) > 0.01)
    return st.builds(lambda q, turn: _rotation(q) @ turn, quaternion, st.sampled_from(signed_permutations()))


def _rotation(quaternion: tuple[float, ...]) -> np.ndarray:
    a, b, c, d = np.array(quaternion) / np.linalg.norm(quaternion)
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


grids = st.builds(
    lambda size, spacing, origin, direction: Grid(size, spacing, origin, tuple(direction.ravel().tolist())),
    st.tuples(*[st.integers(2, 7)] * 3),
    st.tuples(*[st.floats(0.05, 20)] * 3),
    st.tuples(*[st.floats(-500, 500)] * 3),
    rotations(),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=grids, ending=st.sampled_from([".nrrd", ".mha", ".nii", ".nii.gz"]), seed=st.integers(0, 9))
def test_voxels_stay_where_they_are(tmp_path, grid, ending, seed):
    """Written, read, turned to canonical axes and back: the same voxels at the same place."""
    voxels = np.random.default_rng(seed).integers(0, 1000, grid.size_ijk[::-1]).astype(np.int16)
    # Asked for v.nii.gz, ITK would read v.nii beside it.
    path = tmp_path / f"v{len(ending)}{ending}"
    write_volume(path, voxels, grid)
    read = read_image(path)
    np.testing.assert_array_equal(read.voxels, voxels)
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in grid.size_ijk]), -1).reshape(-1, 3).tolist()
    # NIfTI keeps numbers of 32 bits.
    near = 2e-3 if "nii" in ending else 1e-6
    for corner in corners:
        assert read.grid.position_mm(tuple(corner)) == pytest.approx(grid.position_mm(tuple(corner)), abs=near)
    assert read.grid.voxel_ml == pytest.approx(grid.voxel_ml, rel=1e-4)
    orientation = Orientation.of(read.grid.direction)
    canonical = orientation.to_canonical(read.voxels)
    np.testing.assert_array_equal(orientation.from_canonical(canonical), voxels)
    assert canonical.shape == tuple(np.take(grid.size_ijk, orientation.source_axis)[::-1])


@settings(max_examples=60, deadline=None)
@given(grid=grids)
def test_canonical_axes_run_as_near_to_the_patients_as_they_can(grid):
    """No other turn brings the axes nearer to those of the patient."""
    orientation = Orientation.of(grid.direction)
    direction = np.reshape(grid.direction, (3, 3))
    signs = np.where(orientation.flipped, -1.0, 1.0)
    turned = direction[:, list(orientation.source_axis)] * signs
    assert np.all(np.diag(turned) >= -1e-9)
    best = max(
        np.abs(direction[range(3), list(p)]).sum()
        for p in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    )
    assert np.trace(turned) == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(grid=grids, shift=st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_grid_differs_from_itself_moved_by_a_voxel(grid, shift):
    assert grid.difference(grid) == ""
    assert grid.voxel_ml == pytest.approx(np.prod(grid.spacing_mm) / 1000)
    moved = Grid(grid.size_ijk, grid.spacing_mm, tuple(np.add(grid.origin_mm, shift).tolist()), grid.direction)
    if max(map(abs, shift)) > 0.02 * min(grid.spacing_mm):
        assert "origin" in grid.difference(moved)


@pytest.mark.parametrize("direction", signed_permutations()[::5], ids=name_of_direction)
def test_spacing_is_kept_to_the_last_bit(tmp_path, direction):
    """In text and in numbers of 64 bits."""
    spacing = (0.1 + 0.2, 1 / 3, struct.unpack("<d", struct.pack("<d", 2.0 + 2**-50))[0])
    grid = Grid((6, 5, 4), spacing, (1 / 7, -2 / 7, 1e-3), tuple(direction.ravel().tolist()))
    write_volume(tmp_path / "v.nrrd", VOXELS, grid)
    assert read_grid(tmp_path / "v.nrrd").spacing_mm == pytest.approx(spacing, rel=1e-14)
