from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
from scene_builders import SHAPE_KJI, add_volume, array_of, box, numpy_matrix, rotated_ijk_to_ras

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError
from coranet.contract.events import SnapshotSaved
from CoraNetSlicerLib.core.results import UNCERTAIN_COLOR
from CoraNetSlicerLib.train.scene import SnapshotSequence

LIVER_COLOR = (0.875, 0.5, 0.25)
LABELS = (Label(2, "Liver", LIVER_COLOR), Label(7, "Tumor"))
UNCERTAIN = SnapshotSaved.UNCERTAIN


def write_image(node, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(node)


@pytest.fixture
def a_job(tmp_path, context):
    """A training whose unlabeled case 'b' lies in a file."""
    folder = tmp_path / "2026-11-24 Leber"
    scan = add_volume(context, "scan", np.zeros(SHAPE_KJI, np.int16), rotated_ijk_to_ras())
    write_image(scan, folder / "images" / "b.nrrd")
    context.scene.RemoveNode(scan)
    cases = (Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd"), Case("b", Role.UNLABELED, "images/b.nrrd"))
    return Job.create(folder, JobKind.TRAIN, TrainConfig.from_preset("quick"), Datalist(cases, LABELS))


@pytest.fixture
def take(context, a_job):
    """Writes a snapshot as the engine does: liver in the middle, the uncertain region as deep as `depth` slices."""

    def write(step: int, depth: int) -> SnapshotSaved:
        regions = np.zeros(SHAPE_KJI, np.uint8)
        regions[box(SHAPE_KJI, slice(3, 6), slice(4, 9), slice(5, 11))] = 1
        regions[box(SHAPE_KJI, slice(6, 6 + depth), slice(4, 9), slice(5, 11))] = UNCERTAIN
        node = add_volume(context, "regions", regions, rotated_ijk_to_ras(), label=True)
        path = a_job.snapshot_path("b", step)
        write_image(node, path)
        context.scene.RemoveNode(node)
        file = path.relative_to(a_job.folder).as_posix()
        return SnapshotSaved(step, "b", file, float((regions == UNCERTAIN).mean()))

    return write


def positions(mask: np.ndarray, ijk_to_world: np.ndarray) -> set[tuple[float, ...]]:
    """Where the voxels of a mask lie, to a tenth of a millimetre."""
    ijk = np.argwhere(mask)[:, ::-1]
    world = ijk @ ijk_to_world[:3, :3].T + ijk_to_world[:3, 3]
    return {tuple(point) for point in np.round(world, 1) + 0.0}


def uncertain_voxels(node) -> int:
    return int((array_of(node) == UNCERTAIN).sum())


def test_without_snapshots_nothing_enters_the_scene(context, a_job):
    before = context.scene.GetNumberOfNodes()
    snapshots = SnapshotSequence(context, a_job)
    assert (snapshots.browser, snapshots.sequence, snapshots.label_map, snapshots.steps) == (None, None, None, ())
    assert snapshots.missing([]) == []
    snapshots.show(None, [])
    assert context.scene.GetNumberOfNodes() == before


def test_a_person_scrolls_through_the_steps(context, a_job, take):
    snapshots = SnapshotSequence(context, a_job)
    for step, depth in ((100, 6), (20, 8), (40, 2)):
        snapshots.add(take(step, depth))
    assert snapshots.steps == (20, 40, 100)
    depths = []
    for index in range(3):
        snapshots.browser.SetSelectedItemNumber(index)
        depths.append(uncertain_voxels(snapshots.label_map) // 30)
    assert depths == [8, 2, 6]
    sequence = snapshots.sequence
    assert (sequence.GetIndexName(), sequence.GetIndexType()) == ("step", sequence.NumericIndex)
    assert snapshots.label_map.GetName() == "2026-11-24 Leber snapshot"


def test_what_is_kept_lies_where_it_lay(context, a_job, take):
    snapshots = SnapshotSequence(context, a_job)
    snapshots.add(take(20, 4))
    node = snapshots.label_map
    assert array_of(node).shape == (7, 5, 6)
    # The reader may turn axes round: what counts is where in the patient each voxel lies.
    expected = box(SHAPE_KJI, slice(6, 10), slice(4, 9), slice(5, 11))
    assert positions(array_of(node) == UNCERTAIN, numpy_matrix(node)) == positions(expected, rotated_ijk_to_ras())
    expected = box(SHAPE_KJI, slice(3, 6), slice(4, 9), slice(5, 11))
    assert positions(array_of(node) == 1, numpy_matrix(node)) == positions(expected, rotated_ijk_to_ras())


def test_the_background_is_transparent_classes_have_their_colours_and_uncertain_is_yellow(context, a_job, take):
    snapshots = SnapshotSequence(context, a_job)
    snapshots.add(take(20, 4))
    snapshots.add(take(40, 2))
    snapshots.browser.SetSelectedItemNumber(0)
    colors = snapshots.label_map.GetDisplayNode().GetColorNode()
    rgba = [0.0] * 4

    def color_of(value: int) -> tuple[float, ...]:
        colors.GetColor(value, rgba)
        return tuple(rgba)

    assert color_of(0)[3] == 0 and color_of(3)[3] == 0
    assert color_of(1) == pytest.approx((*LIVER_COLOR, 1.0), abs=3e-3)
    assert colors.GetColorName(1) == "Liver" and colors.GetColorName(2) == "Tumor"
    assert color_of(UNCERTAIN) == pytest.approx((*UNCERTAIN_COLOR, 1.0), abs=3e-3)


def test_an_empty_snapshot_is_a_step_too(context, a_job, take):
    snapshots = SnapshotSequence(context, a_job)
    snapshot = take(20, 0)
    path = a_job.folder / snapshot.file
    write_image(add_volume(context, "empty", np.zeros(SHAPE_KJI, np.uint8), rotated_ijk_to_ras(), label=True), path)
    snapshots.add(snapshot)
    assert snapshots.steps == (20,) and array_of(snapshots.label_map).tolist() == [[[0]]]


def test_new_snapshots_are_followed_only_by_whom_is_at_the_end(context, a_job, take):
    snapshots = SnapshotSequence(context, a_job)
    snapshots.add(take(20, 8))
    snapshots.add(take(40, 4))
    assert snapshots.browser.GetSelectedItemNumber() == 1
    snapshots.browser.SetSelectedItemNumber(0)
    snapshots.add(take(60, 2))
    assert snapshots.browser.GetSelectedItemNumber() == 0
    assert uncertain_voxels(snapshots.label_map) == 8 * 30


def test_only_what_is_not_there_yet_is_missing(context, a_job, take):
    snapshots = [take(20, 8), take(40, 4)]
    SnapshotSequence(context, a_job).add(snapshots[0])
    # Another object, as after a restart with a saved scene.
    again = SnapshotSequence(context, a_job)
    assert again.missing(snapshots) == [snapshots[1]]
    again.add(snapshots[1])
    assert again.missing([*snapshots, snapshots[0]]) == [] and again.steps == (20, 40)
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 1


def test_two_trainings_have_a_sequence_each(context, a_job, take, tmp_path):
    SnapshotSequence(context, a_job).add(take(20, 8))
    other = Job.create(tmp_path / "other", JobKind.TRAIN, TrainConfig.from_preset("quick"), a_job.read_datalist())
    assert SnapshotSequence(context, other).steps == ()


def test_a_snapshot_whose_file_is_gone_is_an_error_that_names_it(context, a_job, take):
    snapshot = take(20, 4)
    (a_job.folder / snapshot.file).unlink()
    snapshots = SnapshotSequence(context, a_job)
    with pytest.raises(DataError, match="step-0000020.nrrd' is missing"):
        snapshots.add(snapshot)
    assert snapshots.sequence is None


def test_the_volume_is_loaded_once_and_the_label_map_laid_over_it(context, a_job, take):
    snapshots = SnapshotSequence(context, a_job)
    snapshots.add(take(20, 4))
    volume = snapshots.volume("b")
    assert snapshots.volume("b") is volume and volume.GetImageData().GetDimensions() == SHAPE_KJI[::-1]
    composite = context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    snapshots.show(volume, [composite])
    assert composite.GetLabelVolumeID() == snapshots.label_map.GetID()
    assert 0 < composite.GetLabelOpacity() < 1
    with pytest.raises(DataError, match="has no case 'z'"):
        snapshots.volume("z")
