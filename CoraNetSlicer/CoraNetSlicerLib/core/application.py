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
    """The running application, as far as the panel needs it."""

    @property
    def scene(self) -> Any:
        """The scene of the application."""
        return slicer.mrmlScene

    def main_window(self) -> Any:
        """The main window, whose keys work wherever the focus is; None if there is none."""
        return slicer.util.mainWindow()

    def confirm(self, question: str) -> bool:
        """Whether the answer to a question is yes."""
        return bool(slicer.util.confirmYesNoDisplay(question))

    def choose(self, question: str, answers: Mapping[str, str]) -> str:
        """Let a person choose one of several answers.

        Args:
            question: the text.
            answers: key of each answer -> text of its button, in order; the first one is proposed, closing the
                window is the last one.

        Returns:
            The key of the answer.
        """
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
        """A folder that a person chose; "" if none was chosen."""
        return str(qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, start) or "")

    def choose_file(self, title: str, file_types: str, start: str = "") -> str:
        """A file that a person chose, of types such as "Datalist (*.json)"; "" if none was chosen."""
        return str(qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, start, file_types) or "")

    def show_chart(self, chart: Any) -> None:
        """Bring a vtkMRMLPlotChartNode into view; in a layout without a plot, beside the 3D view."""
        manager, logic = slicer.app.layoutManager(), slicer.modules.plots.logic()
        # Left to itself, the logic puts the plot where the four-up layout has its 3D view.
        if manager is not None and logic.GetLayoutWithPlot(manager.layout) != manager.layout:
            manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
        logic.ShowChartInLayout(chart)

    def show_volume(self, volume: Any) -> None:
        """Bring a volume into all slice views, fitted to them."""
        slicer.util.setSliceViewerLayers(background=volume, fit=True)

    def show_sequence(self, browser: Any) -> None:
        """Show the tool bar that scrolls through a vtkMRMLSequenceBrowserNode."""
        if hasattr(slicer.modules, "sequences"):
            slicer.modules.sequences.setToolBarActiveBrowserNode(browser)
            slicer.modules.sequences.setToolBarVisible(True)

    def new_segment_editor(self) -> Any:
        """A widget of the Segment Editor (qMRMLSegmentEditorWidget); None: this application has none."""
        return slicer.qMRMLSegmentEditorWidget() if hasattr(slicer, "qMRMLSegmentEditorWidget") else None

    def show_segment_editor(self, hint: str) -> None:
        """Open the module in which segments are painted; it takes the scene's editor node as it was prepared.

        Args:
            hint: how it goes on after that, for the status bar: the panel is out of sight then.
        """
        slicer.util.selectModule("SegmentEditor")
        slicer.util.showStatusMessage(hint)

    def clear_hint(self) -> None:
        """Take the hint off the status bar once it is done."""
        slicer.util.showStatusMessage("")

    def drawn_once(self) -> AbstractContextManager[None]:
        """Views draw what happens inside once, at its end."""
        return _drawn_once(slicer.app)

    def slice_composite_nodes(self) -> list[Any]:
        """The vtkMRMLSliceCompositeNode of each slice view."""
        return list(slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"))

    def slice_interactors(self) -> list[tuple[Any, Any]]:
        """The vtkRenderWindowInteractor of each slice view of the layout, with its vtkMRMLSliceNode."""
        manager = slicer.app.layoutManager()
        names = manager.sliceViewNames() if manager is not None else ()
        widgets = [manager.sliceWidget(name) for name in names]
        return [(widget.sliceView().interactor(), widget.mrmlSliceNode()) for widget in widgets if widget is not None]

    def open_path(self, path: Path) -> None:
        """Show a folder or a text file in the program that the system has for it."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))

    def copy_text(self, text: str) -> None:
        """Put a text onto the clipboard."""
        qt.QApplication.clipboard().setText(text)

    def setting(self, name: str, default: str = "") -> str:
        """A setting of this machine that outlives the scene."""
        value = qt.QSettings().value(_GROUP + name, default)
        return default if value is None else str(value)

    def set_setting(self, name: str, value: str) -> None:
        """Remember a setting of this machine."""
        qt.QSettings().setValue(_GROUP + name, value)

    def user_name(self) -> str:
        """Who decides: the name in the application's settings, else that of the account; "" if unknown."""
        logic = slicer.app.applicationLogic()
        user = logic.GetUserInformation() if hasattr(logic, "GetUserInformation") else None
        name = str(user.GetName() or "") if user is not None else ""
        try:
            return name or getpass.getuser()
        except (ImportError, KeyError, OSError):  # an account without a name
            return ""

    def later(self, action: Callable[[], None], milliseconds: int = 0) -> None:
        """Do something when the application has dealt with what is waiting."""
        qt.QTimer.singleShot(milliseconds, partial(_act, slicer.app, action))

    def python_slicer(self) -> Optional[str]:
        """Path of PythonSlicer, the application's own Python; None if it is not there."""
        return shutil.which("PythonSlicer")

    def startup_environment(self) -> dict[str, str]:
        """The environment as it was before the application changed it."""
        return dict(slicer.util.startupEnvironment())

    def has_module(self, name: str) -> bool:
        """Whether a module is there, for example that of an extension."""
        return hasattr(slicer.modules, name.lower())

    def open_module(self, name: str) -> None:
        """Show a module."""
        slicer.util.selectModule(name)

    def pip_install(self) -> Optional[Callable[..., object]]:
        """Slicer's own installer of packages; None before Slicer 5.11."""
        try:
            from slicer.packaging import pip_install
        except ImportError:
            return None
        install: Callable[..., object] = pip_install
        return install

    def install_extension(self, name: str) -> str:
        """Install an extension of Slicer; it is active after a restart.

        Returns:
            Why it could not be installed; "": it was.
        """
        failed = _("The extension '{name}' could not be installed; install it in the Extensions Manager.")
        model: Any = slicer.app.extensionsManagerModel() if hasattr(slicer.app, "extensionsManagerModel") else None
        if model is None:  # this Slicer was built without extensions
            return failed.format(name=name)
        # The second argument: do not restart yet.
        is_there = model.isExtensionInstalled(name) or model.installExtensionFromServer(name, False)
        return "" if is_there else failed.format(name=name)

    def restart(self) -> None:
        """Start the application anew; the application itself asks about unsaved work."""
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
