"""The doorway: the classes that 3D Slicer looks for. The work is done in CoraNetSlicerLib and in coranet.

The panel and all that is Qt is imported when the module is opened; importing this file changes nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Optional

import slicer
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from coranet.contract.errors import CoraNetError
from coranet.contract.resources import resource_path
from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.core.translation import _, translate
from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.jobs.runner import JobRunner
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.self_test import run_self_test


class CoraNetSlicer(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("CoraNet")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        with suppress(CoraNetError):  # an incomplete installation is reported when the module is opened
            from CoraNetSlicerLib.core.application import icon

            parent.icon = icon("CoraNetSlicer")
        parent.dependencies = ["Segmentations", "Terminologies", "Volumes", "Colors", "Plots", "Sequences"]
        parent.contributors = ["The CoraNetSlicer developers"]
        parent.helpText = _(
            "Trains a segmentation network from a few labeled and many unlabeled volumes in the background, segments "
            "new volumes, and shows where the result is uncertain. For research; not for clinical use."
        )
        parent.acknowledgementText = _(
            "An independent implementation of: Y. Shi et al., Inconsistency-aware Uncertainty Estimation for "
            "Semi-supervised Medical Image Segmentation, IEEE Transactions on Medical Imaging 41(3), 2022, "
            "doi:10.1109/TMI.2021.3117888."
        )
        slicer.app.connect("startupCompleted()", _registerSampleData)


class CoraNetSlicerWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel in the application."""

    def __init__(self, parent=None):
        self.logic = None
        self.panel = None
        self.closing = None
        self.ui = None
        self._form = None
        ScriptedLoadableModuleWidget.__init__(self, parent)  # without a parent, it calls setup

    def setup(self):
        """Load the form and bind it to the logic."""
        ScriptedLoadableModuleWidget.setup(self)
        from CoraNetSlicerLib.core.application import Application
        from CoraNetSlicerLib.jobs.closing import Closing
        from CoraNetSlicerLib.panel import Panel

        self._form = slicer.util.loadUI(str(resource_path("UI/CoraNetSlicer.ui")))
        self._form.setMRMLScene(slicer.mrmlScene)
        self.layout.addWidget(self._form)
        application = Application()
        self.ui = slicer.util.childWidgetVariables(self._form)
        self.logic = CoraNetSlicerLogic()
        self.panel = Panel(self.ui, self.logic, application)
        window = None if slicer.app.testingEnabled() else slicer.util.mainWindow()
        self.closing = Closing(window, self.panel.running_jobs, application)
        for event in ("EndCloseEvent", "EndImportEvent", "EndRestoreEvent"):
            self.addObserver(slicer.mrmlScene, getattr(slicer.mrmlScene, event), self.onSceneChanged)

    def enter(self):
        """The module is opened: keep the panel up to date."""
        if self.panel is not None:
            self.panel.set_active(True)

    def exit(self):
        """Another module is opened: jobs go on, and so do the curves."""
        if self.panel is not None:
            self.panel.set_active(False)

    def onSceneChanged(self, _caller, _event):
        """Show the state that the scene has, after it was loaded or closed."""
        if self.panel is not None:
            self.panel.restore()

    def cleanup(self):
        """End everything before the panel is destroyed; jobs go on."""
        self.removeObservers()
        if self.closing is not None:
            self.closing.remove()
        if self.panel is not None:
            self.panel.cleanup()
        if self.logic is not None:
            self.logic.close()
        if self._form is not None:
            self._form.setMRMLScene(None)
        self.closing = self.panel = self.logic = self.ui = self._form = None

    def onReload(self):
        """Reload, with this file, everything it is made of."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("CoraNetSlicerLib", "coranet")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


# In this order: the constructor of Slicer's class calls the one of the next class, without arguments.
class CoraNetSlicerLogic(CoraNetLogic, ScriptedLoadableModuleLogic):
    """The console and batch API on the application's scene; see CoraNetLogic for its methods."""

    def __init__(self, python: Optional[str] = None):
        """With `python`, jobs run in that interpreter instead of in the one that was chosen in the panel."""
        ScriptedLoadableModuleLogic.__init__(self)
        from CoraNetSlicerLib.core.application import Application, QtTicker
        from CoraNetSlicerLib.jobs.presenter import FOLDER_SETTING

        application = Application()
        environment = application.startup_environment()
        CoraNetLogic.__init__(
            self,
            _applicationContext(),
            runner=JobRunner(Interpreter.chosen(python, environment) if python else _interpreter(application)),
            jobsFolder=application.setting(FOLDER_SETTING) or None,
            makeTicker=QtTicker,
            processEvents=slicer.app.processEvents,
        )


class CoraNetSlicerTest(ScriptedLoadableModuleTest):
    """The main job in small, in the running application."""

    def runTest(self):
        """Train, stop, resume, segment and load, on the phantom."""
        slicer.mrmlScene.Clear(0)
        folder = Path(tempfile.mkdtemp(prefix="CoraNetSlicer "))
        loaded = run_self_test(CoraNetSlicerLogic(), folder, self.delayDisplay)
        self.assertIsNotNone(loaded.segmentation.GetSegmentation().GetNthSegment(0))
        shutil.rmtree(folder, ignore_errors=True)


def _interpreter(application) -> Interpreter:
    """The Python that was chosen in the panel; the application's own while that one cannot be used."""
    from CoraNetSlicerLib.environment.environment import Environment

    try:
        return Environment.of(application).interpreter()
    except CoraNetError:
        return Interpreter.of_slicer(application.python_slicer(), application.startup_environment())


def _applicationContext() -> SceneContext:
    return SceneContext(slicer.mrmlScene, slicer.modules.segmentations.logic())


def _registerSampleData():
    try:
        from SampleData import SampleDataLogic
    except ImportError:  # an application made of Slicer may be without it
        return
    from CoraNetSlicerLib.data.sample_data import register_phantom

    register_phantom(SampleDataLogic, _loadPhantom)


def _loadPhantom():
    with slicer.util.tryWithErrorDisplay(_("The phantom could not be made."), waitCursor=True):
        labeled, unlabeled = CoraNetSlicerLogic().loadPhantom()
        slicer.util.setSliceViewerLayers(background=labeled[0][0], fit=True)
    return labeled, unlabeled
