"""The panel's interface to the running application; tests have one of their own."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Optional

import qt
import slicer

from coranet.contract.resources import resource_path

from .translation import _

_GROUP = "CoraNetSlicer/"


def icon(name: str) -> Any:
    """The QIcon of a picture below Resources/Icons, also in a source checkout, where Slicer does not look for it.

    Raises:
        StorageError: there is no such picture.
    """
    return qt.QIcon(str(resource_path(f"Icons/{name}.png")))


@contextmanager
def _drawn_once(application: Any) -> Iterator[None]:
    """Pause the views: one that was asked 16 ms ago to draw does so at once when it is asked again, for each change."""
    application.pauseRender()
    try:
        yield
    finally:
        application.resumeRender()


def _act(application: Any, action: Callable[[], None]) -> None:
    with _drawn_once(application):
        action()


class Application:
    """The running application, as far as the panel needs it; `protocols.Host` says what each member does."""

    @property
    def scene(self) -> Any:
        return slicer.mrmlScene

    def main_window(self) -> Any:
        return slicer.util.mainWindow()

    def confirm(self, question: str) -> bool:
        return bool(slicer.util.confirmYesNoDisplay(question))

    def choose(self, question: str, answers: Mapping[str, str]) -> str:
        box = qt.QMessageBox(slicer.util.mainWindow())
        box.setWindowTitle("CoraNet")
        box.setText(question)
        first, last = list(answers)[0], list(answers)[-1]
        roles = {key: qt.QMessageBox.RejectRole if key == last else qt.QMessageBox.AcceptRole for key in answers}
        buttons = {key: box.addButton(text, roles[key]) for key, text in answers.items()}
        box.setDefaultButton(buttons[first])
        execute = getattr(box, "exec_", None) or box.exec
        execute()
        clicked = box.clickedButton()
        texts = {str(button.text): key for key, button in buttons.items()}
        return texts.get(str(clicked.text) if clicked is not None else "", last)

    def choose_folder(self, title: str, start: str = "") -> str:
        return str(qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, start) or "")

    def choose_file(self, title: str, file_types: str, start: str = "") -> str:
        return str(qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, start, file_types) or "")

    def show_chart(self, chart: Any, rises: bool = False) -> None:
        manager, logic = slicer.app.layoutManager(), slicer.modules.plots.logic()
        # Left to itself, the logic puts the plot where the four-up layout has its 3D view.
        if manager is not None and logic.GetLayoutWithPlot(manager.layout) != manager.layout:
            manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
        logic.ShowChartInLayout(chart)
        if manager is not None:
            legend = manager.plotWidget(0).plotView().chart().GetLegend()
            legend.SetVerticalAlignment(legend.BOTTOM if rises else legend.TOP)

    def show_volume(self, volume: Any) -> None:
        slicer.util.setSliceViewerLayers(background=volume, fit=True)

    def show_sequence(self, browser: Any) -> None:
        if hasattr(slicer.modules, "sequences"):
            slicer.modules.sequences.setToolBarActiveBrowserNode(browser)
            slicer.modules.sequences.setToolBarVisible(True)

    def new_segment_editor(self) -> Any:
        return slicer.qMRMLSegmentEditorWidget() if hasattr(slicer, "qMRMLSegmentEditorWidget") else None

    def show_segment_editor(self, hint: str) -> None:
        slicer.util.selectModule("SegmentEditor")
        slicer.util.showStatusMessage(hint)

    def clear_hint(self) -> None:
        slicer.util.showStatusMessage("")

    def drawn_once(self) -> AbstractContextManager[None]:
        return _drawn_once(slicer.app)

    def slice_composite_nodes(self) -> list[Any]:
        return list(slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"))

    def slice_interactors(self) -> list[tuple[Any, Any]]:
        manager = slicer.app.layoutManager()
        names = manager.sliceViewNames() if manager is not None else ()
        widgets = [manager.sliceWidget(name) for name in names]
        return [(widget.sliceView().interactor(), widget.mrmlSliceNode()) for widget in widgets if widget is not None]

    def open_path(self, path: Path) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))

    def copy_text(self, text: str) -> None:
        qt.QApplication.clipboard().setText(text)

    def setting(self, name: str, default: str = "") -> str:
        value = qt.QSettings().value(_GROUP + name, default)
        return default if value is None else str(value)

    def set_setting(self, name: str, value: str) -> None:
        qt.QSettings().setValue(_GROUP + name, value)

    def user_name(self) -> str:
        logic = slicer.app.applicationLogic()
        user = logic.GetUserInformation() if hasattr(logic, "GetUserInformation") else None
        name = str(user.GetName() or "") if user is not None else ""
        try:
            return name or getpass.getuser()
        except (ImportError, KeyError, OSError):  # an account without a name
            return ""

    def later(self, action: Callable[[], None], milliseconds: int = 0) -> None:
        qt.QTimer.singleShot(milliseconds, partial(_act, slicer.app, action))

    def python_slicer(self) -> Optional[str]:
        return shutil.which("PythonSlicer")

    def startup_environment(self) -> dict[str, str]:
        return dict(slicer.util.startupEnvironment())

    def has_module(self, name: str) -> bool:
        return hasattr(slicer.modules, name.lower())

    def open_module(self, name: str) -> None:
        slicer.util.selectModule(name)

    def pip_install(self) -> Optional[Callable[..., object]]:
        try:
            from slicer.packaging import pip_install
        except ImportError:
            return None
        install: Callable[..., object] = pip_install
        return install

    def install_extension(self, name: str) -> str:
        failed = _("The extension '{name}' could not be installed; install it in the Extensions Manager.")
        model: Any = slicer.app.extensionsManagerModel() if hasattr(slicer.app, "extensionsManagerModel") else None
        if model is None:  # this Slicer was built without extensions
            return failed.format(name=name)
        # The second argument: do not restart yet.
        is_there = model.isExtensionInstalled(name) or model.installExtensionFromServer(name, False)
        return "" if is_there else failed.format(name=name)

    def restart(self) -> None:
        slicer.util.restart()


class QtTicker:
    """Calls a function at a fixed interval from Qt's event loop."""

    def __init__(self, interval_ms: int = 500) -> None:
        self._timer: Any = qt.QTimer()
        self._timer.setInterval(interval_ms)
        self._callback: Optional[Callable[[], None]] = None

    def start(self, callback: Callable[[], None]) -> None:
        """Begin to call `callback`, in place of the one before, if any."""
        self.stop()
        self._callback = callback
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def stop(self) -> None:
        """Do not call it any more; stopping twice is no error."""
        if self._callback is None:
            return
        self._callback = None
        self._timer.stop()
        # PythonQt keeps the object of a connected method alive.
        self._timer.timeout.disconnect(self._tick)

    def _tick(self) -> None:
        if self._callback is not None:
            self._callback()
