"""Slicer's export, the engine and Slicer's import: the same voxels at the same physical place, on any grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from amounts import amount, counts
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scene_builders import add_volume, array_of, numpy_matrix

from coranet.volume import read_image, read_label_map, write_volume
from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.core.export import write_volume as export
from CoraNetSlicerLib.core.images import order_on_grid_of, placement_of, placement_of_file, reordered
from CoraNetSlicerLib.core.images import read_image as import_by_slicer

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@st.composite
def grids(draw) -> tuple[tuple[int, int, int], np.ndarray]:
    """Size along k, j, i, and IJK to RAS: any spacing, rotated, permuted, flipped, right- or left-handed."""
    size = draw(st.tuples(*[st.integers(2, 6)] * 3))
    spacing = draw(st.tuples(*[st.floats(0.05, 12.0)] * 3))
    axes = np.eye(3)[list(draw(st.permutations(range(3))))] * draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3))
    matrix = np.eye(4)
    matrix[:3, :3] = _rotation(draw(st.tuples(*[st.floats(-180.0, 180.0)] * 3))) @ axes @ np.diag(spacing)
    matrix[:3, 3] = draw(st.tuples(*[st.floats(-2000.0, 2000.0)] * 3))
    return size, matrix


def _rotation(degrees: tuple[float, float, float]) -> np.ndarray:
    result = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        turn, (first, second) = np.eye(3), [index for index in range(3) if index != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        result = result @ turn
    return result


def _corners(size_kji: tuple[int, int, int]) -> np.ndarray:
    i, j, k = (range(0, size, size - 1) for size in reversed(size_kji))
    return np.array([(a, b, c, 1) for a in i for b in j for c in k], dtype=float)


@settings(
    max_examples=amount(400, 12), deadline=None, database=None, derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(grid=grids(), seed=st.integers(0, 1 << 30))
def test_voxels_stay_where_they_are(tmp_path: Path, grid, seed):
    (size, matrix), random = grid, np.random.default_rng(seed)
    context = SceneContext.standalone()
    node = add_volume(context, "scan", random.integers(-900, 900, size).astype(np.int16), matrix)
    export(node, tmp_path / "image.nrrd", compressed=True)
    volume = read_image(tmp_path / "image.nrrd")
    assert np.array_equal(volume.voxels, array_of(node))
    expected = (_TO_LPS @ numpy_matrix(node) @ _corners(size).T).T[:, :3]
    got = np.array([volume.grid.position_mm(tuple(int(part) for part in corner[:3])) for corner in _corners(size)])
    tolerance = 1e-3 * min(volume.grid.spacing_mm)
    assert np.abs(expected - got).max() < tolerance

    labels = random.integers(0, 3, size).astype(np.uint8)
    write_volume(tmp_path / "labels.nrrd", labels, volume.grid)
    assert np.array_equal(read_label_map(tmp_path / "labels.nrrd").voxels, labels)
    back = import_by_slicer(tmp_path / "labels.nrrd", type(node)())
    # Slicer's reader reverses the slices of what is left-handed.
    here = reordered(back, order_on_grid_of(node, placement_of(back), tmp_path / "labels.nrrd"), node)
    assert np.array_equal(array_of(here), labels)
    assert np.abs(numpy_matrix(here) - numpy_matrix(node)).max() < 1e-3
    header = placement_of_file(tmp_path / "labels.nrrd")
    assert order_on_grid_of(node, header, tmp_path / "labels.nrrd") is not None
    counts["grids that voxels stayed on"] += 1
