"""Curves and snapshots of a training come into the views."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from patience import wait_until
from scene_builders import LIVER_MASK, add_volume, rotated_ijk_to_ras
from training_stage import a_job_of_events

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError
from coranet.contract.events import (
    Losses,
    SnapshotSaved,
    Started,
    Validation,
)
from CoraNetSlicerLib.train.scene import SnapshotSequence


def test_curves_are_drawn_and_shown_in_turn(stage_with, tmp_path, context):
    stage = stage_with()
    events = [Started(0, 2, "cpu", "0"), Losses(1, "pretraining", 1.0, 1.0), Validation(2, {"Liver": 0.5}, 0.5, True)]
    job = a_job_of_events(tmp_path / "jobs" / "old", *events)
    stage.presenter.attach(stage.logic.attach(job.folder))
    assert stage.presenter.reason_no_curves == ""
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 2
    for _ in range(3):
        stage.presenter.views.show_curves()
    assert [chart.GetTitle() for chart in stage.application.shown] == ["old: Dice", "old: losses", "old: Dice"]


def test_curves_are_drawn_anew_after_the_scene_was_closed(stage_with, some_cases, context):
    stage = stage_with(FAKE_STEPS="300", FAKE_SECONDS_A_STEP="0.02")
    stage.cases.add_scene_volumes()
    stage.presenter.start()
    stage.application.do()
    handle = stage.presenter.handle
    wait_until(lambda: handle.poll() and stage.presenter.reason_no_curves == "")
    context.scene.Clear()
    stage.presenter.restore()
    assert stage.presenter.handle is handle and stage.parameters.text("TrainingFolder") == str(handle.folder)
    progress = stage.presenter.progress
    wait_until(lambda: handle.poll() and stage.presenter.progress > progress)
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


@pytest.fixture
def a_job_with_snapshots(tmp_path, context, some_cases):
    """A finished training that kept three snapshots of 'patient 9', which is in the scene."""
    folder = tmp_path / "jobs" / "seen"
    cases = (Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd"), Case("patient_9", Role.UNLABELED, "images/b"))
    datalist = Datalist(cases, (Label(1, "Liver"),))
    job = Job.create(folder, JobKind.TRAIN, TrainConfig.from_preset("quick"), datalist)
    some_cases.SetAttribute("CoraNetSlicer.Case", f"{job.identifier}/patient_9")
    writer = job.open_events()
    writer.write(Started(0, 30, "cpu", "0"))
    for step in (10, 20, 30):
        path = job.snapshot_path("patient_9", step)
        path.parent.mkdir(parents=True, exist_ok=True)
        node = add_volume(context, "regions", LIVER_MASK.astype(np.uint8) * step, rotated_ijk_to_ras(), label=True)
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(str(path))
        assert storage.WriteData(node)
        context.scene.RemoveNode(node)
        writer.write(SnapshotSaved(step, "patient_9", path.relative_to(folder).as_posix(), 0.1))
    writer.close()
    return job


def test_snapshots_are_loaded_one_by_one_over_the_volume_in_the_scene(
    stage_with, a_job_with_snapshots, some_cases, context
):
    stage = stage_with()
    context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    stage.presenter.attach(stage.logic.attach(a_job_with_snapshots.folder))
    assert stage.presenter.views.has_snapshots
    assert "no losses yet" in stage.presenter.reason_no_curves
    stage.presenter.views.show_snapshots()
    snapshots = SnapshotSequence(context, a_job_with_snapshots)
    assert snapshots.steps == () and stage.application.shown == [some_cases]
    stage.application.waiting.pop(0)()
    assert snapshots.steps == (10,) and stage.application.shown[-1] is snapshots.browser
    shown = list(stage.application.shown)
    stage.application.do()
    # The others only join: a person may look at something else by now.
    assert snapshots.steps == (10, 20, 30) and stage.application.shown == shown
    assert stage.application.slice_composite_nodes()[0].GetLabelVolumeID() == snapshots.label_map.GetID()
    # Asked again: they are there already.
    stage.presenter.views.show_snapshots()
    assert not stage.application.waiting and stage.application.shown[-2:] == [some_cases, snapshots.browser]


def test_a_snapshot_that_is_damaged_is_said(stage_with, a_job_with_snapshots):
    stage = stage_with()
    a_job_with_snapshots.snapshot_path("patient_9", 20).unlink()
    stage.presenter.attach(stage.logic.attach(a_job_with_snapshots.folder))
    stage.presenter.views.show_snapshots()
    stage.application.do()
    assert "step-0000020.nrrd' is missing" in stage.presenter.error


def test_a_volume_that_is_gone_is_said(stage_with, a_job_with_snapshots, some_cases, context):
    context.scene.RemoveNode(some_cases)
    stage = stage_with()
    stage.presenter.attach(stage.logic.attach(a_job_with_snapshots.folder))
    with pytest.raises(DataError, match="is missing"):
        stage.presenter.views.show_snapshots()
