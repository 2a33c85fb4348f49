"""Surfaces made by the engine lie where the voxels are, close, turn outwards, and are absent without vtk."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scans import grid_of, scan_on
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkFeatureEdges, vtkMassProperties, vtkTriangleFilter
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

from coranet.closed_surface import TRIANGLES_IN_ALL, SurfaceStyle
from coranet.contract import Case, Datalist, Job, JobKind, Label, PredictionFiles, Role
from coranet.contract.config import MachineConfig, SegmentConfig
from coranet.contract.errors import StorageError
from coranet.inference.prediction import Prediction
from coranet.segmentation import run_segmentation_job
from coranet.surfaces import surface_of, write_surfaces
from coranet.volume import Grid, write_volume

SHAPE = (14, 18, 22)
UPRIGHT = Grid((22, 18, 14), (0.8, 1.1, 2.5), (5.0, -3.0, 7.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
MIRRORED = Grid((22, 18, 14), (0.8, 1.1, 2.5), (5.0, -3.0, 7.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
LABELS = (Label(2, "organ"), Label(7, "lesion"))


def ellipsoid(center=(6.0, 8.0, 11.0), radii=(4.0, 5.5, 7.0)) -> np.ndarray:
    k, j, i = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]].astype(float)
    return sum(((x - c) / r) ** 2 for x, c, r in zip((k, j, i), center, radii, strict=True)) < 1


def points_of(surface) -> np.ndarray:
    return vtk_to_numpy(surface.GetPoints().GetData())


def read(path):
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def open_edges(surface) -> int:
    edges = vtkFeatureEdges()
    edges.SetInputData(surface)
    edges.FeatureEdgesOff()
    edges.NonManifoldEdgesOff()
    edges.ManifoldEdgesOff()
    edges.Update()
    return edges.GetOutput().GetNumberOfCells()


def first_polygon_turns_outwards(surface, middle) -> bool:
    cell = surface.GetCell(0)
    a, b, c = (np.array(cell.GetPoints().GetPoint(index)) for index in range(3))
    return float(np.dot(np.cross(b - a, c - a), a - middle)) > 0


@pytest.fixture
def a_prediction() -> Prediction:
    small, large = ellipsoid(radii=(3.0, 4.5, 6.0)), ellipsoid(radii=(5.0, 6.5, 8.0))
    heads = [2 * mask.astype(np.uint8) for mask in (ellipsoid(), small, large)]
    uncertain = (large & ~small).astype(np.uint8)
    return Prediction(*heads, uncertain, uncertain.astype(np.float32))


def test_a_surface_lies_in_voxel_indices_around_the_mask():
    points = points_of(surface_of(ellipsoid(), UPRIGHT, SurfaceStyle(0.5)))
    np.testing.assert_allclose(points.mean(axis=0), (11.0, 8.0, 6.0), atol=0.15)
    np.testing.assert_allclose(np.ptp(points, axis=0), (14.0, 11.0, 8.0), atol=1.6)


def test_its_volume_is_that_of_the_voxels():
    triangles = vtkTriangleFilter()
    triangles.SetInputData(surface_of(ellipsoid(), UPRIGHT, SurfaceStyle(0.3)))
    mass = vtkMassProperties()
    mass.SetInputConnection(triangles.GetOutputPort())
    mass.Update()
    assert mass.GetVolume() == pytest.approx(ellipsoid().sum(), rel=0.06)


def test_a_mask_that_touches_the_border_is_closed():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:4, :, 5:] = True
    assert open_edges(surface_of(mask, UPRIGHT, SurfaceStyle(0.3))) == 0


def test_an_empty_mask_has_an_empty_surface():
    assert surface_of(np.zeros(SHAPE, dtype=bool), UPRIGHT, SurfaceStyle(0.3)).GetNumberOfPoints() == 0


@pytest.mark.parametrize(("grid", "outwards"), [(UPRIGHT, True), (MIRRORED, False)])
def test_polygons_turn_outwards_in_the_world(grid, outwards):
    surface = surface_of(ellipsoid(), grid, SurfaceStyle(0.3))
    assert first_polygon_turns_outwards(surface, np.array((11.0, 8.0, 6.0))) is outwards


@pytest.mark.parametrize("grid", [UPRIGHT, MIRRORED])
def test_normals_point_outwards_and_are_right_in_mm(grid):
    surface = surface_of(ellipsoid(), grid, SurfaceStyle(0.5))
    normals = vtk_to_numpy(surface.GetPointData().GetNormals())
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-5)
    from_middle = points_of(surface) - (11.0, 8.0, 6.0)
    assert (np.sum(normals * from_middle, axis=1) > 0).mean() > 0.99
    # The gradient of the ellipsoid in voxel indices, which is what the normals of the world look like from there.
    gradient = from_middle / np.array((7.0, 5.5, 4.0)) ** 2
    cosine = np.sum(normals * gradient, axis=1) / np.linalg.norm(gradient, axis=1)
    assert np.median(cosine) > 0.95


def test_an_inset_moves_the_surface_inwards_by_part_of_the_finest_spacing():
    outside = points_of(surface_of(ellipsoid(), UPRIGHT, SurfaceStyle(0.3))) * UPRIGHT.spacing_mm
    inside = points_of(surface_of(ellipsoid(), UPRIGHT, SurfaceStyle(0.3, 0.2))) * UPRIGHT.spacing_mm
    np.testing.assert_allclose(np.linalg.norm(outside - inside, axis=1), 0.2 * 0.8, rtol=1e-3)
    middle = np.array((11.0, 8.0, 6.0)) * UPRIGHT.spacing_mm
    assert np.linalg.norm(inside - middle, axis=1).mean() < np.linalg.norm(outside - middle, axis=1).mean()


def test_every_segment_gets_its_file_an_empty_one_where_nothing_was_found(a_prediction, awkward_path):
    files = PredictionFiles(awkward_path)
    write_surfaces(files, a_prediction, LABELS, UPRIGHT)
    sizes = {}
    for segment in ("segmentation-2", "segmentation-7", "conservative-2", "radical-2", "uncertain"):
        sizes[segment] = read(files.surface(segment)).GetNumberOfPoints()
    assert sizes.pop("segmentation-7") == 0
    assert min(sizes.values()) > 100


@pytest.mark.slow  # make quick looks at the share of each surface (test_closed_surface.py)
def test_all_together_have_a_bounded_number_of_triangles(tmp_path):
    k, j, i = np.mgrid[:90, :150, :150].astype(float)
    ball = (k - 45) ** 2 + (j - 75) ** 2 + (i - 75) ** 2
    large, small = (ball < 44**2) & ((i + j + k) % 9 > 1), ball < 30**2
    heads = [2 * mask.astype(np.uint8) for mask in (large, small, large)]
    uncertain = (large & ~small).astype(np.uint8)
    files = PredictionFiles(tmp_path)
    grid = Grid((150, 150, 90), (0.8, 0.8, 0.9), (5.0, -3.0, 7.0), UPRIGHT.direction)
    write_surfaces(files, Prediction(*heads, uncertain, uncertain.astype(np.float32)), LABELS, grid)
    names = [f"{head}-2" for head in ("segmentation", "conservative", "radical")]
    counts = [read(files.surface(name)).GetNumberOfPolys() for name in (*names, "uncertain")]
    assert min(counts) > 5_000 and sum(counts) <= TRIANGLES_IN_ALL


def test_whoever_wants_to_stop_is_heard_while_a_surface_is_made(a_prediction, tmp_path):
    class Stopped(Exception):
        pass

    def ask(share):
        raise Stopped

    with pytest.raises(Stopped):
        write_surfaces(PredictionFiles(tmp_path), a_prediction, LABELS, UPRIGHT, ask)


def test_a_surface_that_cannot_be_written_is_an_error(a_prediction, tmp_path):
    PredictionFiles(tmp_path).surface("radical-2").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"radical-2\.vtp' could not be written"):
        write_surfaces(PredictionFiles(tmp_path), a_prediction, LABELS, UPRIGHT)


@pytest.fixture
def a_job(tmp_path, a_random_model):
    def make(surfaces: bool) -> Job:
        grid = grid_of()
        write_volume(tmp_path / "a.nrrd", scan_on(grid).voxels, grid)
        config = SegmentConfig(str(a_random_model().folder), machine=MachineConfig(device="cpu", threads=1))
        config = config.with_overrides({"surfaces": surfaces})
        cases = Datalist((Case("a", Role.INPUT, str(tmp_path / "a.nrrd")),))
        return Job.create(tmp_path / "job", JobKind.SEGMENT, config, cases)

    return make


@pytest.mark.parametrize("is_on", [True, False])
def test_a_job_writes_surfaces_where_they_are_asked_for(a_job, a_reporter, is_on):
    job = a_job(is_on)
    run_segmentation_job(job, False, a_reporter)
    segments = [f"{head}-{value}" for head in ("segmentation", "conservative", "radical") for value in (1, 7)]
    written = [job.prediction("a").surface(name).is_file() for name in (*segments, "uncertain")]
    assert written == [is_on] * 7


def test_without_vtk_a_job_is_done_without_surfaces(a_job, a_reporter, monkeypatch):
    monkeypatch.setattr("coranet.segmentation.can_make_surfaces", lambda: False)
    job = a_job(True)
    run_segmentation_job(job, False, a_reporter)
    assert job.prediction("a").result.is_file()
    assert not job.prediction("a").surface("uncertain").exists()


def test_vtk_is_looked_for_without_importing_it(monkeypatch):
    from coranet.surfaces import can_make_surfaces

    assert can_make_surfaces()
    monkeypatch.setitem(sys.modules, "vtkmodules", None)
    monkeypatch.setattr("coranet.surfaces.find_spec", lambda name: None)
    assert not can_make_surfaces()
