"""CoraNetSlicer.py with stand-ins for the application: it imports, builds panel and logic, and reloads."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest
import slicer
from panel_stand_ins import Ui
from scene_builders import MODULE_FOLDER

DOORWAY = MODULE_FOLDER / "CoraNetSlicer.py"


class FakeTimer:
    def __init__(self) -> None:
        self.timeout = types.SimpleNamespace(connect=lambda _: None, disconnect=lambda _: None)

    def setInterval(self, _interval: int) -> None:  # noqa: N802
        pass

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


def base_classes() -> types.ModuleType:
    """slicer.ScriptedLoadableModule, as far as it is used."""
    module = types.ModuleType("slicer.ScriptedLoadableModule")

    class ScriptedLoadableModule:
        def __init__(self, parent):
            self.parent = parent

    class ScriptedLoadableModuleWidget:
        def setup(self):
            self.layout = types.SimpleNamespace(addWidget=lambda _: None)

        def onReload(self):  # noqa: N802
            self.reloaded = True

    class ScriptedLoadableModuleLogic:
        def __init__(self, parent=None):
            self.moduleName = type(self).__name__

    class ScriptedLoadableModuleTest:
        def assertIsNotNone(self, what):  # noqa: N802
            assert what is not None

        def delayDisplay(self, _message):  # noqa: N802
            pass

    for one in (ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic):
        setattr(module, one.__name__, one)
    module.ScriptedLoadableModuleTest = ScriptedLoadableModuleTest
    return module


@pytest.fixture
def doorway(context, monkeypatch):
    """The module, imported in an application of stand-ins around a real scene."""
    ui = Ui(["jobFolderEdit", "statusLabel", "progressBar", "stopButton", "resumeButton", "loadButton", "curvesButton",
             "logText"])  # fmt: skip
    logics = {
        "segmentations": context.segmentations_logic,
        "colors": context.color_logic,
        "terminologies": None,
        "volumes": context.volumes_logic,
        "plots": types.SimpleNamespace(ShowChartInLayout=lambda _: None),
    }
    modules = {name: types.SimpleNamespace(logic=lambda logic=logic: logic) for name, logic in logics.items()}
    application = {
        "mrmlScene": context.scene,
        "modules": types.SimpleNamespace(**modules),
        "app": types.SimpleNamespace(applicationLogic=lambda: context.application_logic, processEvents=lambda: None),
        "util": types.SimpleNamespace(
            startupEnvironment=lambda: {"PATH": "/bin"},
            loadUI=lambda path: types.SimpleNamespace(setMRMLScene=lambda _: None, path=path),
            childWidgetVariables=lambda _: ui,
            errorDisplay=lambda _: None,
        ),
    }
    for name, stand_in in application.items():
        monkeypatch.setattr(slicer, name, stand_in, raising=False)
    monkeypatch.setitem(sys.modules, "slicer.ScriptedLoadableModule", base_classes())
    monkeypatch.setitem(sys.modules, "qt", types.SimpleNamespace(QTimer=FakeTimer))
    monkeypatch.setattr("shutil.which", lambda name: sys.executable if name == "PythonSlicer" else None)
    spec = importlib.util.spec_from_file_location("CoraNetSlicer", DOORWAY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("CoraNetSlicerLib.panel.qt_ticker", None)


def test_the_module_introduces_itself(doorway):
    parent = types.SimpleNamespace()
    doorway.CoraNetSlicer(parent)
    assert parent.categories == ["Segmentation"]
    assert "not for clinical use" in parent.helpText
    assert "10.1109/TMI.2021.3117888" in parent.acknowledgementText


def test_the_panel_opens_and_closes(doorway):
    widget = doorway.CoraNetSlicerWidget()
    widget.setup()
    assert widget.jobPanel.handle is None
    widget.cleanup()


def test_reloading_brings_the_packages_anew(doorway):
    before = {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in ("CoraNetSlicerLib", "coranet")
    }
    try:
        widget = doorway.CoraNetSlicerWidget()
        widget.onReload()
        assert widget.reloaded
        assert not set(before) & set(sys.modules)
    finally:
        sys.modules.update(before)


def test_the_logic_works_on_the_applications_scene(doorway, context):
    logic = doorway.CoraNetSlicerLogic()
    assert logic.context.scene is context.scene
    assert logic.moduleName == "CoraNetSlicerLogic"


def test_another_python_can_be_chosen(doorway, tmp_path):
    from coranet.errors import JobError

    doorway.CoraNetSlicerLogic(python=sys.executable)
    with pytest.raises(JobError, match="there is no Python interpreter"):
        doorway.CoraNetSlicerLogic(python=str(tmp_path / "python"))


@pytest.mark.slow
def test_the_self_test_passes_on_the_real_engine(doorway, context):
    doorway.CoraNetSlicerTest().runTest()
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 3
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") >= 1


@pytest.mark.parametrize("name", ["CoraNetSlicerLib.logic", "CoraNetSlicerLib.widget"])
def test_the_slicer_side_imports_nothing_heavy(name):
    code = (
        f"import sys; sys.path.insert(0, {str(MODULE_FOLDER)!r}); import {name}; "
        "heavy = {'torch', 'monai', 'SimpleITK', 'scipy'} & set(sys.modules); sys.exit(', '.join(heavy) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False, cwd=Path.home()
    )
    assert (done.returncode, done.stderr) == (0, "")
