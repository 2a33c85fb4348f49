"""Results come in steps; surfaces of the engine lie where Slicer's own would; what is damaged is named in time."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import array_of, numpy_matrix
from synthetic_predictions import (
    CASE_ID,
    PANCREAS,
    SPACING_MM,
    TUMOR,
    synthetic_heads,
    write_image,
    write_segmented_job,
)
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract import Label
from coranet.contract.errors import DataError, JobError
from coranet.inference.prediction import Prediction
from coranet.surfaces import write_surfaces
from coranet.volume import read_grid
from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.images import placement_of, placement_of_file
from CoraNetSlicerLib.core.results import UNCERTAIN_SEGMENT, is_filled, nodes_of_class
from CoraNetSlicerLib.review.hiding import show_alone
from CoraNetSlicerLib.review.overlays import make_surfaces
from CoraNetSlicerLib.review.result_loading import ResultLoading, load_prediction

SURFACE = "Closed surface"
SEGMENTS = (f"segmentation-{PANCREAS}", f"segmentation-{TUMOR}")
OVERLAYS = tuple(f"{head}-{value}" for head in ("conservative", "radical") for value in (PANCREAS, TUMOR))


@pytest.fixture
def a_job(a_folder_with_spaces_and_accents):
    return write_segmented_job(a_folder_with_spaces_and_accents / "segment 1")


@pytest.fixture
def files(a_job):
    return a_job.prediction(CASE_ID)


@pytest.fixture
def its_volume(context, a_job):
    return find_or_load_volume(context, a_job, a_job.read_datalist().cases[0])


def test_what_was_told_of_the_case_is_told_with_its_result(context, files, its_volume):
    sentences = ["the coarse network finds nothing large enough in 'patient 7'; the whole scan is searched."]
    result = files.read_result()
    files.result.write_text(json.dumps({**result, "warnings": sentences}), encoding="utf-8")
    assert load_prediction(context, files, its_volume).warnings == tuple(sentences)


def test_what_was_told_must_be_sentences(context, files, its_volume):
    files.result.write_text(json.dumps({**files.read_result(), "warnings": [{"a": 1}]}), encoding="utf-8")
    with pytest.raises(JobError, match="'warnings' in .* must be a list of sentences"):
        load_prediction(context, files, its_volume)


@pytest.fixture
def its_surfaces(files):
    """Those that the engine writes."""
    heads = synthetic_heads()
    names = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")
    labels = (Label(PANCREAS, "Pancreas"), Label(TUMOR, "Tumor"))
    write_surfaces(files, Prediction(*(heads[name] for name in names)), labels, read_grid(files.segmentation))


def surface(node, identifier):
    return node.GetSegmentation().GetSegment(identifier).GetRepresentation(SURFACE)


def points(polydata) -> np.ndarray:
    return vtk_to_numpy(polydata.GetPoints().GetData()).astype(float)


class TestSteps:
    def test_nothing_enters_the_scene_before_all_files_are_read(self, context, files, its_volume):
        before = context.scene.GetNumberOfNodes()
        steps = ResultLoading(context, files, its_volume).steps()
        for step in steps:
            if step == "result node":
                break
            assert context.scene.GetNumberOfNodes() == before, step
        assert context.scene.GetNumberOfNodes() > before

    def test_each_segment_and_each_image_is_a_step(self, context, files, its_volume):
        loading = ResultLoading(context, files, its_volume)
        steps = list(loading.steps())
        of_image = [step for step in steps if str(step).endswith(" of uncertainty.nrrd")]
        assert of_image == [f"{what} of uncertainty.nrrd" for what in ("checksum", "image", "values")]
        assert steps.count("result segment") == 2 and steps.count("radical segment") == 2
        assert loading.loaded is not None and steps[-1] == "uncertainty map"

    def test_compressed_or_not_it_is_the_same_image(self, context, files, its_volume):
        write_compressed(files.uncertainty)
        loaded = load_prediction(context, files, its_volume)
        np.testing.assert_array_equal(array_of(loaded.uncertainty), synthetic_heads()["uncertainty"])
        np.testing.assert_allclose(numpy_matrix(loaded.uncertainty), numpy_matrix(its_volume), atol=1e-6)

    def test_a_volume_that_leaves_the_scene_ends_it(self, context, files, its_volume):
        steps = ResultLoading(context, files, its_volume).steps()
        next(steps)
        context.scene.RemoveNode(its_volume)
        with pytest.raises(DataError, match="no longer in the scene"):
            next(steps)

    @pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
    def test_nothing_half_made_is_drawn(self, context, files, its_volume, again):
        if again:
            load_prediction(context, files, its_volume)
        loading, received = ResultLoading(context, files, its_volume), []
        for step in loading.steps():
            nodes = [node for node in nodes_of_class(context.scene, "vtkMRMLSegmentationNode") if not is_filled(node)]
            received += [(step, node.GetName()) for node in nodes if node.GetDisplayNode().GetVisibility()]
        assert received == []
        displays = [node.GetDisplayNode() for node in (loading.loaded.segmentation, loading.loaded.overlays)]
        assert not any(display.GetVisibility() for display in displays), "another one may be looked at"
        show_alone(loading.loaded, [loading.loaded])
        assert all(display.GetVisibility() for display in displays)


class TestDamage:
    @pytest.mark.parametrize("damage", ["cut", "changed", "checksum"])
    def test_a_damaged_file_is_named(self, context, files, its_volume, damage):
        write_compressed(files.uncertainty)
        content = files.uncertainty.read_bytes()
        middle = len(content) // 2
        changed = content[:middle] + b"\0" * 64 + content[middle + 64 :]
        checksum = content[:-8] + bytes(4) + content[-4:]
        files.uncertainty.write_bytes({"cut": content[:middle], "changed": changed, "checksum": checksum}[damage])
        nodes = context.scene.GetNumberOfNodes()
        with pytest.raises(DataError, match=r"uncertainty\.nrrd' cannot be read"):
            load_prediction(context, files, its_volume)
        assert context.scene.GetNumberOfNodes() == nodes

    @pytest.mark.parametrize("content", [b"", b"NRRD0004\n", b"\xff\xfe\n\n", b"NRRD0004\ntype: float\n\n", None])
    def test_what_is_no_image_is_named(self, context, files, its_volume, content):
        files.radical.unlink()
        if content is not None:
            files.radical.write_bytes(content)
        with pytest.raises(DataError, match=r"radical\.nrrd'"):
            load_prediction(context, files, its_volume)

    def test_a_header_alone_says_where_an_image_lies(self, files, its_volume):
        found, expected = placement_of_file(files.uncertainty), placement_of(its_volume)
        assert found.size_ijk == expected.size_ijk
        np.testing.assert_allclose([found.origin, *found.steps], [expected.origin, *expected.steps], atol=1e-6)


def write_compressed(path) -> None:
    """As the engine does; `write_image` does not compress."""
    volume = sitk.ReadImage(str(path))
    sitk.WriteImage(volume, str(path), useCompression=True)


@pytest.mark.usefixtures("its_surfaces")
class TestSurfaces:
    @pytest.fixture
    def loaded(self, context, files, its_volume):
        return load_prediction(context, files, its_volume)

    def test_every_segment_has_its_own(self, loaded):
        for identifier in SEGMENTS:
            assert surface(loaded.segmentation, identifier).GetNumberOfPoints() > 50
        for identifier in (*OVERLAYS, UNCERTAIN_SEGMENT):
            assert surface(loaded.overlays, identifier).GetNumberOfPoints() > 50

    @pytest.mark.slow
    @pytest.mark.parametrize("identifier", [*SEGMENTS, *OVERLAYS, UNCERTAIN_SEGMENT])
    def test_it_lies_where_slicers_own_lies(self, context, files, its_volume, loaded, identifier):
        node = loaded.segmentation if identifier in SEGMENTS else loaded.overlays
        own = points(surface(node, identifier))
        for each in (loaded.segmentation, loaded.overlays):
            each.GetSegmentation().RemoveRepresentation(SURFACE)
        make_surfaces(loaded.segmentation, loaded.overlays)
        other = points(surface(node, identifier))
        assert len(own) == len(other)
        # In either order: nearest neighbours, in mm.
        distances = np.linalg.norm(own[:, None] - other[None], axis=2)
        assert max(distances.min(axis=0).max(), distances.min(axis=1).max()) < 0.12 * min(SPACING_MM)

    def test_polygons_and_normals_turn_as_slicers_do(self, loaded):
        own = surface(loaded.segmentation, SEGMENTS[0])
        cell = own.GetCell(0)
        a, b, c = (np.array(cell.GetPoints().GetPoint(index)) for index in range(3))
        normal = own.GetPointData().GetNormals().GetTuple(cell.GetPointId(0))
        assert np.dot(np.cross(b - a, c - a), normal) > 0
        outwards = points(own) - points(own).mean(axis=0)
        normals = vtk_to_numpy(own.GetPointData().GetNormals())
        assert (np.sum(outwards * normals, axis=1) > 0).mean() > 0.9

    def test_showing_makes_none_anew(self, context, loaded):
        before = [surface(loaded.overlays, identifier) for identifier in OVERLAYS]
        make_surfaces(loaded.segmentation, loaded.overlays)
        assert [surface(loaded.overlays, identifier) for identifier in OVERLAYS] == before

    def test_an_empty_class_has_an_empty_one(self, context, files, its_volume):
        empty = np.zeros_like(synthetic_heads()["segmentation"])
        write_image(empty, files.segmentation)
        files.surface(SEGMENTS[0]).unlink()
        files.surface(SEGMENTS[1]).unlink()
        grid = read_grid(files.uncertain)
        heads = {**synthetic_heads(), "segmentation": empty}
        names = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")
        write_surfaces(
            files, Prediction(*(heads[name] for name in names)), (Label(PANCREAS, "a"), Label(TUMOR, "b")), grid
        )
        loaded = load_prediction(context, files, its_volume)
        assert surface(loaded.segmentation, SEGMENTS[0]).GetNumberOfPoints() == 0

    def test_where_one_is_missing_none_of_its_node_is_taken(self, context, files, its_volume):
        files.surface(OVERLAYS[0]).unlink()
        loaded = load_prediction(context, files, its_volume)
        assert [surface(loaded.overlays, identifier) for identifier in (*OVERLAYS, UNCERTAIN_SEGMENT)] == [None] * 5
        assert surface(loaded.segmentation, SEGMENTS[0]) is not None

    @pytest.mark.usefixtures("without_vtk_messages")
    @pytest.mark.filterwarnings("ignore")
    def test_a_damaged_one_is_named(self, context, files, its_volume):
        files.surface(OVERLAYS[0]).write_text("<VTKFile", encoding="utf-8")
        with pytest.raises(DataError, match=rf"{OVERLAYS[0]}\.vtp' cannot be read"):
            load_prediction(context, files, its_volume)

    def test_correcting_a_segment_makes_its_surface_follow(self, loaded):
        segmentation = loaded.segmentation.GetSegmentation()
        assert segmentation.GetConversionParameter("Smoothing factor") == "0.5"
        assert loaded.overlays.GetSegmentation().GetConversionParameter("Smoothing factor") == "0.3"


def test_without_surfaces_of_the_engine_none_are_made_before_they_are_asked_for(context, files, its_volume):
    loaded = load_prediction(context, files, its_volume)
    assert surface(loaded.segmentation, SEGMENTS[0]) is None
    make_surfaces(loaded.segmentation, loaded.overlays)
    assert surface(loaded.segmentation, SEGMENTS[0]).GetNumberOfPoints() > 50


def test_a_case_without_result_is_incomplete(context, files, its_volume):
    files.result.unlink()
    with pytest.raises(JobError, match="is missing"):
        list(ResultLoading(context, files, its_volume).steps())


def test_the_result_is_kept_with_the_nodes(context, files, its_volume):
    loaded = load_prediction(context, files, its_volume)
    assert loaded.result == json.loads(files.result.read_text(encoding="utf-8"))
