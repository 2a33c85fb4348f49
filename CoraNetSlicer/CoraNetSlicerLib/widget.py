"""The panel: choose a job, see how far it is, stop it, take it up again, load its results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from coranet.errors import CoraNetError, JobError
from coranet.events import duration
from coranet.job import Job, JobKind, JobStatus

from .job_handle import JobHandle
from .logic import CoraNetLogic
from .training_plot import TrainingPlot

_STEPS_OF_BAR = 1000
_LOG_LINES = 40


class JobPanel:
    """Binds the widgets of CoraNetSlicer.ui to one job."""

    def __init__(
        self, ui: Any, logic: CoraNetLogic, showError: Callable[[str], None], showChart: Callable[[Any], None]
    ) -> None:
        """Connect the widgets.

        Args:
            ui: has the named widgets of the .ui file as attributes.
            logic: does the work.
            showError: shows a sentence to the user.
            showChart: brings a plot chart node into view.
        """
        self._ui = ui
        self._logic = logic
        self._show_error = showError
        self._show_chart = showChart
        self._handle: Optional[JobHandle] = None
        self._plot: Optional[TrainingPlot] = None
        self._ui.progressBar.setRange(0, _STEPS_OF_BAR)
        self._ui.jobFolderEdit.currentPathChanged.connect(self._onFolderChanged)
        self._ui.stopButton.clicked.connect(self._onStop)
        self._ui.resumeButton.clicked.connect(self._onResume)
        self._ui.loadButton.clicked.connect(self._onLoad)
        self._ui.curvesButton.clicked.connect(self._onCurves)
        # The path edit remembers the last folder.
        self.showFolder(self._ui.jobFolderEdit.currentPath)

    @property
    def handle(self) -> Optional[JobHandle]:
        """The job that is shown; None while the chosen folder holds none."""
        return self._handle

    def cleanup(self) -> None:
        """Let go of widgets and job; the job goes on."""
        self._release()
        # PythonQt keeps the object of a connected method alive.
        self._ui.jobFolderEdit.currentPathChanged.disconnect(self._onFolderChanged)
        self._ui.stopButton.clicked.disconnect(self._onStop)
        self._ui.resumeButton.clicked.disconnect(self._onResume)
        self._ui.loadButton.clicked.disconnect(self._onLoad)
        self._ui.curvesButton.clicked.disconnect(self._onCurves)

    def showFolder(self, folder: str) -> None:
        """Show the job in `folder`, or say that there is none."""
        self._release()
        if folder and Job.exists(folder):
            self._attempt(lambda: self._attach(Path(folder)))
        self._show()

    def _attach(self, folder: Path) -> None:
        self._handle = self._logic.attach(folder)
        self._handle.onEvents(lambda _: self._show())
        self._handle.onFinished(lambda _: self._show())

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = self._plot = None

    def _onFolderChanged(self, path: str) -> None:
        self.showFolder(path)

    def _onStop(self) -> None:
        self._do(lambda handle: handle.cancel())

    def _onResume(self) -> None:
        self._do(lambda handle: handle.resume())

    def _onLoad(self) -> None:
        def load(handle: JobHandle) -> None:
            warnings = [text for loaded in self._logic.loadResults(handle) for text in loaded.warnings]
            if warnings:
                self._show_error("\n".join(warnings))

        self._do(load)

    def _onCurves(self) -> None:
        def plot(handle: JobHandle) -> None:
            self._plot = self._plot or self._logic.trainingPlot(handle)
            if self._plot.losses_chart is None:
                raise JobError(f"'{handle.folder}' has told no losses yet; wait until the first steps are done.")
            self._show_chart(self._plot.losses_chart)

        self._do(plot)

    def _do(self, action: Callable[[JobHandle], None]) -> None:
        handle = self._handle
        if handle is not None:
            self._attempt(lambda: action(handle))
        self._show()

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except CoraNetError as error:
            self._show_error(str(error))

    def _show(self) -> None:
        handle = self._handle
        status = handle.status if handle is not None else None
        is_segmentation = handle is not None and handle.kind is JobKind.SEGMENT
        self._ui.stopButton.setEnabled(status is JobStatus.RUNNING)
        self._ui.resumeButton.setEnabled(status not in (None, JobStatus.RUNNING, JobStatus.FINISHED))
        self._ui.loadButton.setEnabled(is_segmentation)
        self._ui.curvesButton.setEnabled(handle is not None and not is_segmentation)
        self._ui.statusLabel.setText(describe(handle) if handle is not None else "Choose the folder of a job.")
        self._ui.progressBar.setValue(round(handle.progress * _STEPS_OF_BAR) if handle is not None else 0)
        self._ui.logText.setPlainText(handle.logTail(_LOG_LINES) if handle is not None else "")


def describe(handle: JobHandle) -> str:
    """One line for people: what the job is, how far, how long still, or how it ended."""
    text = f"{handle.kind.value}: {handle.status.value}"
    if handle.status is JobStatus.RUNNING:
        left = handle.secondsLeft
        parts = [text, handle.phase, f"{handle.progress:.0%}", f"{duration(left)} left" if left is not None else ""]
        return ", ".join(part for part in parts if part)
    return f"{text}; {handle.message}" if handle.message else text
