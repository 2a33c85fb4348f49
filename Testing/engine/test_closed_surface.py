"""Surfaces of few triangles: closed where the mask is, of its volume and place, whatever the size of the scan."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet import closed_surface as module
from coranet.closed_surface import FEWEST_TRIANGLES, TRIANGLES_IN_ALL, SurfaceStyle, closed_surface, triangles_each

ISOTROPIC = (1.0, 1.0, 1.0)
THICK = (0.7, 0.7, 5.0)


def ball(radius: float, shape=(60, 64, 70), center=None) -> np.ndarray:
    center = center or [size / 2 - 0.5 for size in shape]
    axes = np.ogrid[tuple(slice(0, size) for size in shape)]
    return sum((axis - middle) ** 2 for axis, middle in zip(axes, center, strict=True)) < radius**2


def shell(outer: float, inner: float, **where) -> np.ndarray:
    return ball(outer, **where) & ~ball(inner, **where)


def two_balls() -> np.ndarray:
    return ball(12, center=(15, 15, 15)) | ball(14, center=(40, 40, 45))


def tube() -> np.ndarray:
    k, j, i = np.mgrid[:60, :40, :40].astype(float)
    return (j - 20 - 8 * np.sin(k / 6)) ** 2 + (i - 20 - 8 * np.cos(k / 6)) ** 2 < 25


def at_all_borders() -> np.ndarray:
    return np.ones((30, 34, 38), bool)


def corner() -> np.ndarray:
    mask = np.zeros((30, 34, 38), bool)
    mask[:12, 20:, 15:] = True
    return mask


def touching_by_an_edge() -> np.ndarray:
    mask = np.zeros((24, 24, 24), bool)
    mask[4:12, 4:12, 4:20] = mask[12:20, 12:20, 4:20] = True
    return mask


def noise() -> np.ndarray:
    return np.random.default_rng(3).random((24, 26, 28)) < 0.5


def blobs() -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(48, 50, 52)), 4) > 0.02


MASKS = {
    "ball": lambda: ball(25),
    "hollow": lambda: shell(26, 15),
    "thin shell": lambda: shell(26, 24),
    "two": two_balls,
    "tube": tube,
    "whole scan": at_all_borders,
    "corner": corner,
    "touching": touching_by_an_edge,
    "noise": noise,
    "blobs": blobs,
}


def surface_of(mask, most, spacing=ISOTROPIC, smoothing=0.0, mirrored=False):
    return closed_surface(mask, spacing, mirrored, SurfaceStyle(smoothing, 0.0, most))


def points_of(surface) -> np.ndarray:
    return vtk_to_numpy(surface.GetPoints().GetData()).astype(float)


def triangles_of(surface) -> np.ndarray:
    return vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)


def is_closed(surface) -> bool:
    """Whether each edge is gone along as often one way as the other: then the surface bounds a volume."""
    corners = triangles_of(surface).astype(np.int64)
    count = int(corners.max()) + 1
    there = np.concatenate([corners[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    forth, back = (np.sort(there[:, a] * count + there[:, b]) for a, b in ((0, 1), (1, 0)))
    return bool(np.array_equal(forth, back))


def volume_of(surface) -> float:
    """In voxels, by the divergence theorem."""
    a, b, c = np.moveaxis(points_of(surface)[triangles_of(surface)], 1, 0)
    return float(np.sum(np.cross(a, b) * c) / 6)


def distance_to_border(mask: np.ndarray, points_ijk: np.ndarray, spacing) -> np.ndarray:
    """From each point to the nearest face between inside and outside, about: in mm."""
    padded = np.pad(mask, 2)
    near = ndimage.binary_dilation(padded) & ~ndimage.binary_erosion(padded)
    distance = ndimage.distance_transform_edt(~near, sampling=spacing[::-1])
    return ndimage.map_coordinates(distance, (points_ijk[:, ::-1] + 2).T, order=1)


@pytest.mark.parametrize("most", [300, 2_000, 10**9], ids=["few", "some", "all"])
@pytest.mark.parametrize("name", MASKS)
def test_it_is_closed_and_has_no_more_triangles_than_asked_for(name, most):
    surface = surface_of(MASKS[name](), most)
    assert 0 < surface.GetNumberOfPolys() <= most
    assert is_closed(surface)


@pytest.mark.parametrize(("name", "most", "tolerance"), [
    ("ball", 3_000, 0.02), ("ball", 800, 0.05), ("hollow", 5_000, 0.03), ("two", 3_000, 0.04), ("tube", 3_000, 0.06),
    ("whole scan", 2_000, 0.05), ("corner", 2_000, 0.06), ("touching", 1_500, 0.08), ("blobs", 12_000, 0.06),
])  # fmt: skip
def test_its_volume_is_that_of_the_voxels(name, most, tolerance):
    mask = MASKS[name]()
    assert surface_of(mask, 10**9).GetNumberOfPolys() > most
    assert volume_of(surface_of(mask, most)) == pytest.approx(mask.sum(), rel=tolerance)


@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK], ids=["isotropic", "thick"])
@pytest.mark.parametrize("name", ["ball", "hollow", "thin shell", "two", "tube", "corner", "blobs"])
def test_no_corner_is_further_from_the_border_than_a_cell(name, spacing):
    mask, most = MASKS[name](), 2_500
    surface = surface_of(mask, most, spacing, smoothing=0.5)
    # Cells have about as many voxels a side as the square root of the share of triangles that is left; a little more
    # where the first guess was too fine. The nearest voxel of the border is half a voxel away from its face.
    left = surface_of(mask, 10**9).GetNumberOfPolys() / most
    diagonal = np.sqrt(3) * max(1.0, np.sqrt(left)) * 1.3**2 * min(spacing)
    away = distance_to_border(mask, points_of(surface), spacing)
    assert away.max() < diagonal + max(spacing) / 2


@pytest.mark.slow
@pytest.mark.parametrize("smoothing", [0.3, 0.5])
def test_smoothed_in_steps_it_is_as_vtk_smooths(smoothing):
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    rough = surface_of(MASKS["blobs"](), 10**9)
    points = points_of(rough).copy()
    smoother = vtkWindowedSincPolyDataFilter()
    if hasattr(smoother, "SetWindowFunctionToHamming"):
        # As earlier versions of VTK, that of 3D Slicer 5.8 among them, always do.
        smoother.SetWindowFunctionToHamming()
    smoother.SetInputData(rough)
    smoother.SetNumberOfIterations(int(20 + smoothing * 40))
    smoother.SetPassBand(10.0 ** (-4.0 * smoothing))
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    smoother.Update()
    smooth, expected = (
        points_of(surface_of(MASKS["blobs"](), 10**9, smoothing=smoothing)),
        points_of(smoother.GetOutput()),
    )
    moved = np.linalg.norm(expected - points, axis=1)
    assert np.linalg.norm(smooth - expected, axis=1).mean() < 0.1 * moved.mean() and moved.mean() > 0.2


def test_in_steps_it_is_the_same_surface():
    style, steps = SurfaceStyle(0.5), 0
    making = module.surface_steps(ball(25), ISOTROPIC, False, style)
    while True:
        try:
            next(making)
        except StopIteration as end:
            surface = end.value
            break
        steps += 1
    np.testing.assert_array_equal(points_of(surface), points_of(closed_surface(ball(25), ISOTROPIC, False, style)))
    assert steps > 2


@pytest.mark.parametrize("name", ["ball", "two", "tube"])
def test_cut_into_slabs_it_is_the_same_surface(name, monkeypatch):
    mask = MASKS[name]()
    whole = surface_of(mask, 2_000)
    monkeypatch.setattr(module, "_VOXELS_AT_ONCE", 5_000)
    cut = surface_of(mask, 2_000)
    assert is_closed(cut) and cut.GetNumberOfPolys() == whole.GetNumberOfPolys()
    assert volume_of(cut) == pytest.approx(volume_of(whole), rel=0.01)


def test_polygons_turn_outwards_and_in_a_mirrored_world_inwards():
    mask = ball(25)
    assert volume_of(surface_of(mask, 2_000)) > 0 > volume_of(surface_of(mask, 2_000, mirrored=True))


def test_normals_have_unit_length_and_point_outwards():
    surface = surface_of(ball(25), 2_000, smoothing=0.5)
    normals = vtk_to_numpy(surface.GetPointData().GetNormals())
    # Where two sheets turn their backs to each other there is no outwards.
    assert (np.abs(np.linalg.norm(normals, axis=1) - 1) < 1e-5).mean() > 0.99
    assert (np.sum(normals * (points_of(surface) - (34.5, 31.5, 29.5)), axis=1) > 0).mean() > 0.99


@pytest.mark.parametrize("name", ["thin shell", "blobs", "tube"])
def test_moved_inwards_no_triangle_turns_round(name):
    def faces(inset_voxels: float) -> np.ndarray:
        style = SurfaceStyle(0.3, inset_voxels, 10**9)
        surface = closed_surface(MASKS[name](), ISOTROPIC, False, style)
        a, b, c = np.moveaxis(points_of(surface)[triangles_of(surface)].astype(float), 1, 0)
        return np.cross(b - a, c - a)

    before, after = faces(0.0), faces(0.2)
    is_moved = (before != after).any(axis=1)
    # Of an edge between two that stay, a neighbour may be turned by it; that is one in some thousands.
    assert (np.sum(before * after, axis=1) < 0).mean() < 5e-4 and is_moved.mean() > 0.5


def test_a_large_mask_is_never_in_memory_as_a_whole_again():
    # As large as a scan of 512 x 512 x 300 voxels, of a view of one voxel: no copy of it can be made by mistake.
    mask = np.broadcast_to(np.zeros(1, bool), (300, 512, 512))
    assert surface_of(mask, 1_000).GetNumberOfPoints() == 0


@pytest.mark.parametrize("most", [1, 10])
def test_a_view_of_almost_nothing_is_no_error(most):
    assert surface_of(ball(6, shape=(16, 16, 16)), most).GetNumberOfPolys() <= most


def test_an_empty_mask_has_an_empty_surface():
    assert surface_of(np.zeros((4, 5, 6), bool), 100).GetNumberOfPoints() == 0


@pytest.mark.parametrize("surfaces", [1, 4, 10, 100, 300])
def test_many_surfaces_share_what_a_view_can_show(surfaces):
    assert triangles_each(surfaces) * surfaces <= TRIANGLES_IN_ALL
    assert triangles_each(65535) == FEWEST_TRIANGLES


@pytest.mark.slow
def test_a_scan_of_512_x_512_x_300_voxels_needs_little_memory():
    import tracemalloc

    k, j, i = np.ogrid[:300, :512, :512]
    rough = np.random.default_rng(5).random((300, 512, 512), dtype=np.float32) < 0.02
    mask = (((k - 150) / 140) ** 2 + ((j - 256) / 250) ** 2 + ((i - 256) / 250) ** 2 < 1) ^ rough
    tracemalloc.start()
    surface = surface_of(mask, 150_000, smoothing=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 10_000 < surface.GetNumberOfPolys() <= 150_000
    assert peak < 1.5e9
