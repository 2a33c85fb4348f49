"""CoraNetSlicer.py with stand-ins for the application: it imports, builds panel and logic, reloads, and lets go."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import qt
import slicer
from slicer_stand_ins import DOORWAY, import_doorway, install_application

from coranet.contract.errors import JobError

MODULE_FOLDER = DOORWAY.parent
PACKAGES = ("CoraNetSlicerLib", "coranet")


@pytest.fixture
def window(qt_application):
    return qt.QWidget()


@pytest.fixture
def app(context, window, monkeypatch, tmp_path):
    """slicer.app of an application of stand-ins around a real scene; its home folder is empty."""
    monkeypatch.setattr("shutil.which", lambda name: sys.executable if name == "PythonSlicer" else None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr("CoraNetSlicerLib.environment.presenter.EnvironmentPresenter.check", lambda _: None)
    return install_application(monkeypatch, context, window, dict(os.environ))


@pytest.fixture
def doorway(app):
    """The module, imported anew."""
    return import_doorway()


@pytest.fixture
def widget(doorway):
    """The module's widget, set up."""
    widget = doorway.CoraNetSlicerWidget()
    widget.setup()
    yield widget
    widget.cleanup()


class TestTheModule:
    def test_it_introduces_itself(self, doorway):
        parent = types.SimpleNamespace()
        doorway.CoraNetSlicer(parent)
        assert parent.categories == ["Segmentation"]
        assert "not for clinical use" in parent.helpText
        assert "10.1109/TMI.2021.3117888" in parent.acknowledgementText
        assert not parent.icon.isNull()
        assert {"Segmentations", "Volumes", "Colors", "Plots", "Sequences"} <= set(parent.dependencies)

    def test_its_dependencies_are_the_modules_whose_logic_it_asks_for(self, doorway):
        parent = types.SimpleNamespace()
        doorway.CoraNetSlicer(parent)
        for name in vars(slicer.modules):
            assert name in {module.lower() for module in parent.dependencies}

    def test_the_phantom_is_registered_when_the_application_has_started(self, doorway, app, monkeypatch):
        registered = []
        logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: registered.append(source))
        monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
        doorway.CoraNetSlicer(types.SimpleNamespace())
        ((signal, register),) = app.connected
        assert (signal, registered) == ("startupCompleted()", [])
        register()
        (source,) = registered
        assert (source["category"], source["sampleName"]) == ("CoraNet", "CoraNet phantom")
        assert Path(source["thumbnailFileName"]).is_file()
        assert len(source["uris"]) == len(source["fileNames"]) == len(source["nodeNames"]) == 0

    def test_newer_applications_get_a_category_with_a_title(self, doorway, app, monkeypatch):
        titles = []
        logic = types.SimpleNamespace(
            registerCustomSampleDataSource=lambda **source: None,
            registerCustomSampleDataCategory=lambda key, title: titles.append((key, title)),
        )
        monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
        doorway.CoraNetSlicer(types.SimpleNamespace())
        app.connected[0][1]()
        assert titles == [("CoraNet", "CoraNet")]

    def test_an_application_without_sample_data_starts(self, doorway, app, monkeypatch):
        monkeypatch.setitem(sys.modules, "SampleData", None)
        doorway.CoraNetSlicer(types.SimpleNamespace())
        app.connected[0][1]()

    @pytest.mark.slow
    def test_the_button_of_the_sample_data_loads_the_phantom(self, doorway, app, monkeypatch, context):
        sources = []
        logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: sources.append(source))
        monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
        doorway.CoraNetSlicer(types.SimpleNamespace())
        app.connected[0][1]()
        labeled, unlabeled = sources[0]["customDownloader"](object())
        assert (len(labeled), len(unlabeled)) == (3, 6)
        assert context.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 9


class TestTheWidget:
    def test_the_panel_opens(self, widget):
        assert widget.panel.jobs.rows == ()
        assert widget.layout.count() == 1

    def test_leaving_and_entering_the_module(self, widget):
        ui = slicer.util.childWidgetVariables(widget.parent)
        ui.jobsStep.click()
        widget.exit()
        assert not widget.panel.jobs._is_watched
        widget.enter()
        assert widget.panel.jobs._is_watched

    def test_closing_the_scene_empties_the_panel(self, widget, context):
        restored = []
        widget.panel.restore = lambda: restored.append(1)
        context.scene.Clear(0)
        assert restored == [1]

    def test_after_cleaning_up_nothing_is_observed(self, doorway, window, context):
        widget = doorway.CoraNetSlicerWidget()
        widget.setup()
        widget.cleanup()
        context.scene.Clear(0)
        assert widget.panel is None
        widget.cleanup()

    def test_a_widget_that_was_never_set_up_can_be_cleaned_up(self, doorway):
        widget = doorway.CoraNetSlicerWidget()
        widget.enter()
        widget.exit()
        widget.cleanup()

    def test_closing_the_window_is_watched_but_not_in_tests_of_the_application(self, doorway, app, window):
        for testing in (False, True):
            app.is_testing = testing
            widget = doorway.CoraNetSlicerWidget()
            widget.setup()
            widget.closing._running_jobs = lambda: pytest.fail("asked")
            if testing:
                assert window.close()
            else:
                widget.closing._running_jobs = list
                assert window.close()
            widget.cleanup()

    @pytest.mark.slow
    def test_reloading_brings_the_packages_anew(self, doorway, widget):
        before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in PACKAGES}
        try:
            widget.onReload()
            assert widget.reloaded == 1
            assert not set(before) & set(sys.modules)
            again = import_doorway().CoraNetSlicerWidget()
            again.setup()
            assert type(again.panel) is not type(widget.panel)
            again.cleanup()
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
                del sys.modules[name]
            sys.modules.update(before)


class TestTheLogic:
    def test_it_works_on_the_applications_scene(self, doorway, context):
        logic = doorway.CoraNetSlicerLogic()
        assert logic.context.scene is context.scene
        assert logic.moduleName == "CoraNetSlicer"
        assert logic.context.segmentations_logic is context.segmentations_logic

    def test_its_jobs_lie_where_the_panel_was_told(self, doorway, tmp_path):
        assert doorway.CoraNetSlicerLogic().jobsFolder == tmp_path / "CoraNetSlicer" / "jobs"
        from CoraNetSlicerLib.core.application import Application

        Application().set_setting("JobsFolder", str(tmp_path / "elsewhere"))
        assert doorway.CoraNetSlicerLogic().jobsFolder == tmp_path / "elsewhere"

    def test_another_python_can_be_chosen(self, doorway, tmp_path):
        doorway.CoraNetSlicerLogic(python=sys.executable)
        with pytest.raises(JobError, match="there is no Python interpreter"):
            doorway.CoraNetSlicerLogic(python=str(tmp_path / "python"))

    @pytest.mark.slow
    def test_the_self_test_passes_on_the_real_engine(self, doorway, context):
        doorway.CoraNetSlicerTest().runTest()
        assert context.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 4
        assert context.scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") >= 1


IMPORT_ALL = """
import importlib, pkgutil, sys, time, types
began = time.process_time()
import numpy
seconds_of_numpy = time.process_time() - began
import slicer, slicer.util, vtk
from vtkmodules.util import numpy_support
sys.path[:0] = [{tests!r}, {folder!r}]
import slicer_stand_ins
bases = types.ModuleType("slicer.ScriptedLoadableModule")
for name in ("ScriptedLoadableModule", "ScriptedLoadableModuleWidget", "ScriptedLoadableModuleLogic",
             "ScriptedLoadableModuleTest"):
    setattr(bases, name, getattr(slicer_stand_ins, name))
sys.modules["slicer.ScriptedLoadableModule"] = bases
before = set(sys.modules)
sys.dont_write_bytecode, sys.pycache_prefix = False, {cache!r}
began = time.process_time()
import CoraNetSlicer
seconds_of_doorway = time.process_time() - began
panel_of_doorway = [name for name in sys.modules if name == "CoraNetSlicerLib.panel" or name.endswith("section")]
import CoraNetSlicerLib
for one in pkgutil.walk_packages(CoraNetSlicerLib.__path__, "CoraNetSlicerLib."):
    importlib.import_module(one.name)
seconds = time.process_time() - began
heavy = sorted({{"torch", "torchvision", "monai", "SimpleITK", "scipy", "multiprocessing", "sqlite3"}}
               & (set(sys.modules) - before))
print(seconds_of_numpy, seconds_of_doorway, seconds, panel_of_doorway, heavy, sep="\\n")
"""


@pytest.mark.slow
def test_importing_everything_is_quick_and_light(tmp_path):
    """CPU time in a fresh process, without the libraries that the application has loaded anyway; the best of four.

    The first run writes the byte code, which an installed extension brings along. On a busy machine everything takes
    longer: the import of numpy alone, 0.06 s at rest, is the yardstick.
    """
    code = IMPORT_ALL.format(tests=str(Path(__file__).parent), folder=str(MODULE_FOLDER), cache=str(tmp_path))
    code = code.replace(
        "import slicer, slicer.util", "import qt_modules; qt_modules.install()\nimport slicer, slicer.util"
    )
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{code}"
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": ""}
    measured = []
    for _ in range(4):
        process = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False, env=environment
        )
        assert (process.returncode, process.stderr) == (0, "")
        *seconds, panel, heavy = process.stdout.splitlines()
        assert panel == "[]", "the panel is imported when the module is opened"
        assert heavy == "[]"
        measured.append([float(text) for text in seconds])
    of_numpy, of_doorway, of_all = (min(column) for column in zip(*measured, strict=True))
    times = f"{of_all * 1000:.0f} ms, the doorway alone {of_doorway * 1000:.0f} ms, numpy {of_numpy * 1000:.0f} ms"
    assert of_all < max(0.2, 3 * of_numpy), times
