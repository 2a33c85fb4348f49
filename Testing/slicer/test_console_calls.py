"""Calls are written so that Python reads back what was meant."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import slicer
from scene_builders import SHAPE_KJI, add_volume

from coranet.contract.config import TrainConfig
from CoraNetSlicerLib.core.case_images import LabelFile
from CoraNetSlicerLib.core.console_calls import CallLog, call, train_call
from CoraNetSlicerLib.core.export import TrainingNodes
from CoraNetSlicerLib.jobs.arguments import train_config


class Recorder:
    """Stands in for the logic: keeps what it was called with."""

    def __getattr__(self, name):
        def method(*given, **named):
            self.called = (name, given, named)
            return self

        return method


@pytest.fixture
def read(context, monkeypatch):
    """Runs a call, and tells which one Python has understood."""
    monkeypatch.setattr(slicer, "mrmlScene", context.scene, raising=False)

    def read(text):
        logic = Recorder()
        exec(text, {"logic": logic, "slicer": slicer, "LabelFile": LabelFile})
        return logic.called

    return read


@pytest.mark.parametrize(
    "value",
    [
        "radical",
        'a "quoted" name',
        "C:\\jobs",
        "Jürgen – 例",
        3,
        0.25,
        True,
        [1, (2,)],
        ("a", "b"),
        {"preset": "quick"},
    ],
)
def test_values_are_read_back(read, value):
    assert read(call("method", value, named=value)) == ("method", (value,), {"named": value})


def test_a_path_has_slashes_everywhere():
    assert call("attach", Path("/data/my jobs"), then="resume") == 'logic.attach("/data/my jobs").resume()'


def test_names_without_a_value_are_left_out():
    assert call("train", 1, settings=None, folder="", validation=[], author="Ada") == 'logic.train(1, author="Ada")'


def test_a_call_looks_as_people_write_it():
    assert call("resolveRegion", "Patient 7 CoraNet", 3, "radical") == (
        'logic.resolveRegion("Patient 7 CoraNet", 3, "radical")'
    )


def test_nodes_are_found_by_name_or_by_id(read, context, a_volume_node):
    assert read(call("segment", [a_volume_node]))[1] == ([a_volume_node],)
    twin = context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    twin.SetName(a_volume_node.GetName())
    assert "GetNodeByID" in call("segment", twin)
    assert read(call("segment", twin))[1] == (twin,)


def test_a_training_with_nodes_and_files(read, a_labeled_case):
    file = LabelFile("/data/label.nrrd", {1: "Liver"})
    nodes = TrainingNodes([a_labeled_case, ("/data/image.nrrd", file)], ["/data/b.nrrd"], segment_names=["Liver"])
    config = TrainConfig.from_preset("quick", {"training.self_training_steps": 77, "machine.device": "cpu"})
    name, given, named = read(train_call(nodes, config, Path("/jobs/one")))
    assert (name, given) == ("train", ([a_labeled_case, ("/data/image.nrrd", file)], ["/data/b.nrrd"]))
    expected = {"preset": "quick", "training.self_training_steps": 77, "machine.device": "cpu"}
    assert named == {"settings": expected, "folder": "/jobs/one", "segmentNames": ["Liver"]}
    assert TrainConfig.from_preset("quick", {k: v for k, v in expected.items() if k != "preset"}) == config


def test_a_training_says_the_time_first(read, a_labeled_case):
    nodes = TrainingNodes([a_labeled_case], [])
    text = train_call(nodes, TrainConfig.from_preset(), Path("/jobs/one"))
    assert 'settings={"time": "1 h"}' in text
    config = TrainConfig.from_preset("quick", {"time": "90 min", "seed": 3})
    settings = read(train_call(nodes, config, Path("/jobs/one")))[2]["settings"]
    assert list(settings.items()) == [("preset", "quick"), ("time", "90 min"), ("seed", 3)]


@pytest.mark.parametrize("preset", ["default", "quick", "paper-acdc"])
def test_settings_of_a_call_are_read_back(read, a_labeled_case, preset):
    for overrides in ({}, {"time": "4 h"}, {"time": ""}, {"training.pretraining_steps": 5}):
        config = TrainConfig.from_preset(preset, overrides)
        settings = read(train_call(TrainingNodes([a_labeled_case], []), config, Path("/jobs/one")))[2]["settings"]
        assert train_config(settings) == config


def test_the_log_keeps_them_with_what_they_need(caplog):
    log, received = CallLog(), []
    log.changed.connect(lambda: received.append(log.last))
    assert (log.text, log.last) == ("", "")
    with caplog.at_level(logging.INFO):
        log.add(call("undoRegion", "a"))
    assert received == ['logic.undoRegion("a")'] and 'logic.undoRegion("a")' in caplog.text
    assert log.text.splitlines() == [
        "logic = slicer.modules.coranetslicer.widgetRepresentation().self().logic",
        'logic.undoRegion("a")',
    ]
    log.add(call("train", [("a", LabelFile("b", {1: "c"}))]))
    assert log.text.startswith("from CoraNetSlicerLib.core.case_images import LabelFile\n")


def test_the_log_forgets_the_oldest():
    log = CallLog()
    for number in range(1000):
        log.add(call("showRegion", number))
    assert len(log.text.splitlines()) < 300 and log.last == "logic.showRegion(999)"


def test_images_of_several_channels_are_told_by_name(context, a_labeled_case, tmp_path):
    flair, t1, other = (add_volume(context, name, np.zeros(SHAPE_KJI, np.int16), np.eye(4)) for name in ("F", "U", "V"))
    nodes = TrainingNodes([((a_labeled_case[0], flair), a_labeled_case[1])], [(t1, other)], channels=("T1", "FLAIR"))
    text = train_call(nodes, TrainConfig.from_preset("default"), tmp_path / "job")
    node = 'slicer.mrmlScene.GetFirstNodeByName("{}")'.format
    assert f'[({{"T1": {node("Patient 1")}, "FLAIR": {node("F")}}}, {node("Patient 1 truth")})]' in text
    assert f'[{{"T1": {node("U")}, "FLAIR": {node("V")}}}]' in text
