"""What CoraNetSlicer.py finds in the running application: base classes of modules, modules with their logics, signals.

The base classes call the constructor of the next class as Slicer's do.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import qt
import slicer
from form import child_widget_variables, load_ui

DOORWAY = Path(__file__).resolve().parents[2] / "CoraNetSlicer" / "CoraNetSlicer.py"


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.parent = parent or qt.QWidget()
        self.layout = qt.QVBoxLayout(self.parent)
        self.reloaded = 0

    def setup(self) -> None:
        pass

    def onReload(self) -> None:  # noqa: N802
        self.reloaded += 1


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.replace("Logic", "")


class ScriptedLoadableModuleTest(unittest.TestCase):
    def delayDisplay(self, message: str) -> None:  # noqa: N802
        pass


class FakeSlicerApplication:
    """slicer.app."""

    def __init__(self, application_logic: Any) -> None:
        self.is_testing = False
        self.connected: list[tuple[str, Callable[[], None]]] = []
        self.paused = 0
        self._logic = application_logic

    def connect(self, signal: str, receiver: Callable[[], None]) -> None:
        self.connected.append((signal, receiver))

    def applicationLogic(self) -> Any:  # noqa: N802
        return self._logic

    def testingEnabled(self) -> bool:  # noqa: N802
        return self.is_testing

    def pauseRender(self) -> None:  # noqa: N802
        self.paused += 1

    def resumeRender(self) -> None:  # noqa: N802
        self.paused -= 1

    def processEvents(self) -> None:  # noqa: N802
        qt.QApplication.processEvents()


@contextlib.contextmanager
def try_with_error_display(message: str = "", show: bool = True, waitCursor: bool = False):  # noqa: N803
    yield


def install_application(monkeypatch: pytest.MonkeyPatch, context: Any, window: Any, environment: dict) -> Any:
    """Put everything in its place in the module `slicer`; returns slicer.app.

    Args:
        context: scene and logics.
        window: the main window, or None.
        environment: what slicer.util.startupEnvironment() gives.
    """
    bases = types.ModuleType("slicer.ScriptedLoadableModule")
    for base in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(bases, base.__name__, base)
    monkeypatch.setitem(sys.modules, "slicer.ScriptedLoadableModule", bases)
    logics = {
        "segmentations": context.segmentations_logic,
        "plots": types.SimpleNamespace(ShowChartInLayout=lambda _: None),
    }
    modules = {name: types.SimpleNamespace(logic=lambda logic=logic: logic) for name, logic in logics.items()}
    application = FakeSlicerApplication(context.logics[0])
    monkeypatch.setattr(slicer, "mrmlScene", context.scene, raising=False)
    monkeypatch.setattr(slicer, "modules", types.SimpleNamespace(**modules), raising=False)
    monkeypatch.setattr(slicer, "app", application, raising=False)
    utilities = {
        "childWidgetVariables": child_widget_variables,
        "loadUI": load_ui,
        "mainWindow": lambda: window,
        "setSliceViewerLayers": lambda **_layers: None,
        "startupEnvironment": lambda: dict(environment),
        "tryWithErrorDisplay": try_with_error_display,
    }
    for name, function in utilities.items():
        monkeypatch.setattr(slicer.util, name, function, raising=False)
    return application


def import_doorway() -> types.ModuleType:
    """Import CoraNetSlicer.py anew, as the application does."""
    spec = importlib.util.spec_from_file_location("CoraNetSlicer", DOORWAY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
