"""The doorway: the classes that 3D Slicer looks for. The work is done in CoraNetSlicerLib and in coranet."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Optional

import slicer
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.jobs.runner import JobRunner
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.panel.qt_ticker import QtTicker
from CoraNetSlicerLib.resources import resource_path
from CoraNetSlicerLib.scene.context import SceneContext
from CoraNetSlicerLib.self_test import run_self_test
from CoraNetSlicerLib.widget import JobPanel

try:
    from slicer.i18n import tr as _
    from slicer.i18n import translate
except ImportError:  # Slicer before 5.6

    def _(text):  # the translator has this name everywhere in Slicer
        return text

    def translate(_context, text):
        """The text as it is."""
        return text


class CoraNetSlicer(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("CoraNet")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "Terminologies", "Volumes", "Colors", "Plots"]
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


class CoraNetSlicerWidget(ScriptedLoadableModuleWidget):
    """The panel in the application."""

    def setup(self):
        """Load the panel and bind it to the logic."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(str(resource_path("UI/CoraNetSlicer.ui")))
        panel.setMRMLScene(slicer.mrmlScene)
        self.layout.addWidget(panel)
        self.logic = CoraNetSlicerLogic()
        self.jobPanel = JobPanel(
            slicer.util.childWidgetVariables(panel),
            self.logic,
            showError=slicer.util.errorDisplay,
            showChart=slicer.modules.plots.logic().ShowChartInLayout,
        )

    def cleanup(self):
        """Let go of everything before the panel is destroyed; jobs go on."""
        self.jobPanel.cleanup()
        self.logic.close()

    def onReload(self):
        """Reload, with this file, everything it is made of."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("CoraNetSlicerLib", "coranet")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class CoraNetSlicerLogic(ScriptedLoadableModuleLogic, CoraNetLogic):
    """The console and batch API on the application's scene; see CoraNetLogic for its methods."""

    def __init__(self, python: Optional[str] = None):
        """With `python`, jobs run in that interpreter instead of in the application's own (PythonSlicer)."""
        ScriptedLoadableModuleLogic.__init__(self)
        environment = slicer.util.startupEnvironment()
        own = Interpreter.of_slicer(shutil.which("PythonSlicer"), environment) if not python else None
        CoraNetLogic.__init__(
            self,
            _applicationContext(),
            runner=JobRunner(own or Interpreter.chosen(python, environment)),
            makeTicker=QtTicker,
            processEvents=slicer.app.processEvents,
        )


class CoraNetSlicerTest(ScriptedLoadableModuleTest):
    """The main job in small, in the running application."""

    def runTest(self):
        """Train, segment and load."""
        slicer.mrmlScene.Clear(0)
        folder = Path(tempfile.mkdtemp(prefix="CoraNetSlicer "))
        loaded = run_self_test(CoraNetSlicerLogic(), folder, self.delayDisplay)
        self.assertIsNotNone(loaded.segmentation.GetSegmentation().GetNthSegment(0))
        shutil.rmtree(folder, ignore_errors=True)


def _applicationContext() -> SceneContext:
    return SceneContext(
        scene=slicer.mrmlScene,
        segmentations_logic=slicer.modules.segmentations.logic(),
        color_logic=slicer.modules.colors.logic(),
        terminologies_logic=slicer.modules.terminologies.logic(),
        volumes_logic=slicer.modules.volumes.logic(),
        application_logic=slicer.app.applicationLogic(),
    )
