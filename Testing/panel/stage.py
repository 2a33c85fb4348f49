"""A whole panel with everything around it, brought into any state: for pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from environment_doubles import ScriptedInstallation, ScriptedProbe, healthy
from fake_application import FakeApplication
from fake_jobs import a_segmentation, a_training, an_improved_training
from form import child_widget_variables, load_ui
from patience import PATIENCE_S
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QLabel,
    QPushButton,
    QStyle,
    QStyleOptionComboBox,
    QWidget,
)
from pythonqt import unwrap
from scene_builders import add_segmentation, add_volume
from synthetic_predictions import (
    CASE_ID,
    synthetic_heads,
    write_margins,
    write_regions,
    write_segmented_job,
    write_volumes,
)
from vtkmodules.util.numpy_support import vtk_to_numpy

from CoraNetSlicerLib import panel
from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.environment.presenter import EnvironmentPresenter
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.panel import Panel

_WELL = ScriptedProbe(healthy(device="CPU (8 threads)", device_kind="cpu", device_gib=None))
HEIGHT = 800  # of the panel beside the views on a screen of 1,080 lines
_SHORT = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
_SHAPE_KJI = (24, 40, 36)
_LONG_PLACE = "upper right, front"
_COLORS = {"Pancreas": (0.9, 0.45, 0.3), "Tumor": (0.35, 0.72, 0.62)}


class Stage:
    """One panel on an empty scene, with a folder of its own for jobs.

    Attributes:
        scrolled: how many pixels were out of sight at the usual size when the last picture was taken.
    """

    def __init__(self, folder: Path) -> None:
        """Build it.

        Args:
            folder: must not exist; holds the jobs.
        """
        self.folder = folder
        self.scrolled = 0
        (folder / "jobs").mkdir(parents=True)
        self.context = SceneContext.standalone()
        self.application = FakeApplication(self.context.scene)
        self.logic = CoraNetLogic(self.context, jobsFolder=folder / "jobs", makeTicker=lambda: QtTicker(100))
        self.form = load_ui()
        self.form.setMRMLScene(self.context.scene)
        self.ui = child_widget_variables(self.form)
        # The real doctor loads PyTorch; one picture is of what it says.
        with patch.object(panel, "EnvironmentPresenter", partial(EnvironmentPresenter, probe=_WELL)):
            self.panel = Panel(self.ui, self.logic, self.application)
        # Away from the mouse, which lies at the origin; no button has the focus.
        unwrap(self.form).move(300, 300)
        self.form.show()
        unwrap(self.form).setFocus()

    def close(self) -> None:
        """Let go of everything."""
        self.panel.cleanup()
        self.application.close()
        self.logic.close()
        self.form.setMRMLScene(None)
        self.form.hide()
        self.form.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    def settle(self, until: Callable[[], object] | None = None) -> None:
        """Let Qt work for a moment, or until something is true."""
        end = time.monotonic() + (0.3 if until is None else PATIENCE_S)
        while time.monotonic() < end:
            QApplication.processEvents()
            if until is not None and until():
                return
            time.sleep(0.01)
        if until is not None:
            raise TimeoutError(f"waited {PATIENCE_S} s in vain")

    def picture(self, page: str, width: int) -> QPixmap:
        """A picture of the panel with one page ("": the one in sight), so high that nothing has to be scrolled."""
        if page:
            self.panel.pages.show(page)
        form = unwrap(self.form)
        form.setFixedWidth(width)
        form.resize(width, HEIGHT)
        self.settle()
        self.scrolled = self.hidden_height()
        for _ in range(2):  # texts that wrap need their width before their height is known
            form.resize(width, max(HEIGHT, form.height() + self.hidden_height()))
            self.settle()
        return form.grab()

    def hidden_height(self) -> int:
        """How many pixels of the page in sight can be seen by scrolling only."""
        area = unwrap(getattr(self.ui, f"{self.panel.pages.current}Page"))
        return area.verticalScrollBar().maximum()

    def click(self, name: str) -> None:
        """Click a button, as soon as the panel has seen what happened before."""
        self.settle()
        button = getattr(self.ui, name)
        try:
            self.settle(button.isEnabled)
        except TimeoutError:
            raise AssertionError(f"'{name}' is greyed out: {button.toolTip}") from None
        button.click()

    def cut_texts(self) -> list[str]:
        """What is in sight and has less room than its text needs."""
        widgets = unwrap(self.form).findChildren(QWidget)
        return [text for widget in widgets if widget.isVisible() and (text := _cut_text(widget))]

    # -- states

    def examine(self, probe: Any = None) -> None:
        """Have the environment examined: by one that says what it should say, or by the real doctor."""
        environment = self.panel.environment
        environment._start_probe = probe or _WELL
        environment.check()
        self.settle(lambda: environment.health is not None and not environment.is_checking)

    def install(self, output: str) -> None:
        """Click the first button that fixes; nothing is installed, but `output` is what it prints."""
        installation = ScriptedInstallation()
        installation.printed = output
        packages = self.panel.environment._packages
        packages._start = installation
        self.panel.environment.fix(self.panel.environment.findings[0].fixes[0].code)
        self.settle(lambda: bool(packages.log))

    def install_fails(self, last: str) -> None:
        """Let the installation that is under way end with an error."""
        running = self.panel.environment._packages._running
        running.printed += f"\n{last}"
        running.code = 1
        self.settle(lambda: not self.panel.environment.is_installing)
        self.settle(lambda: not self.panel.environment.is_checking)

    def add_cases(self, labeled: int, unlabeled: int) -> list[Any]:
        """Put volumes into the scene, the first with a segmentation."""
        volumes = [self._volume(f"Patient {number:02d}", number) for number in range(1, labeled + unlabeled + 1)]
        for volume in volumes[:labeled]:
            add_segmentation(self.context, f"{volume.GetName()} truth", volume, _masks(), _COLORS)
        return volumes

    def add_second_images(self) -> None:
        """Put a second image into the scene for each case of the table but the last, and choose it there."""
        for number, row in enumerate(self.panel.cases.rows[:-1], start=1):
            self.panel.cases.set_image(row.key, 1, self._volume(f"{row.name} FLAIR", 100 + number))

    def add_wrong_cases(self) -> None:
        """Put volumes into the scene of which each has another fault."""
        good, empty, other, coarse, dark, twin = (self._volume(f"Patient {n:02d}", n) for n in range(1, 7))
        masks = _masks()
        add_segmentation(self.context, f"{good.GetName()} truth", good, masks)
        add_segmentation(self.context, f"{empty.GetName()} truth", empty, {n: m & False for n, m in masks.items()})
        add_segmentation(self.context, f"{other.GetName()} truth", other, {"Pancreas head": masks["Pancreas"]})
        coarse.SetSpacing(4.0, 4.0, 9.0)
        dark.GetImageData().GetPointData().GetScalars().FillComponent(0, -5000.0)
        twin.GetImageData().DeepCopy(good.GetImageData())

    def _volume(self, name: str, seed: int) -> Any:
        array = np.random.default_rng(seed).normal(0, 15, _SHAPE_KJI) + 90 * _masks()["Pancreas"]
        return add_volume(self.context, name, array.astype(np.float32), np.diag([-0.8, -0.8, 2.5, 1.0]))

    def open_training(self, state: str) -> None:
        """Attach to a training."""
        a_training(self.folder / "jobs" / "Pancreas and Tumor", state)
        self.panel.open_job(self.logic.attach(self.folder / "jobs" / "Pancreas and Tumor"))

    def add_model(self) -> None:
        """Put a finished training into the folder of jobs."""
        a_training(self.folder / "jobs" / "Pancreas", "finished")
        self.panel.segmentation.models.refresh()

    def add_improved_model(self) -> None:
        """Put a training that went on from another one into the folder of jobs."""
        a_training(self.folder / "jobs" / "Pancreas", "finished")
        an_improved_training(self.folder / "jobs" / "Pancreas, improved 1")
        self.panel.segmentation.models.refresh()

    def open_segmentation(self, state: str) -> None:
        """Attach to a segmentation of several cases."""
        names = ("Patient 02", "Patient 03", "Patient 04")
        a_segmentation(self.folder / "jobs" / "Segmentation of 3 volumes", state, names)
        self.panel.open_job(self.logic.attach(self.folder / "jobs" / "Segmentation of 3 volumes"))

    def show_result(self) -> None:
        """Load the result of a segmentation."""
        self.panel.pages.show("review")
        job = write_segmented_job(self.folder / "jobs" / "Segmentation of Patient 7")
        (loaded,) = self.logic.loadResults(job.folder)
        self.panel.overlays.show(loaded)

    def show_reviewable(self, **changes: Any) -> None:
        """Load a result with uncertain regions, and take its review up.

        Args:
            said: what its result.json says besides.
        """
        self.panel.pages.show("review")
        job = write_segmented_job(self.folder / "jobs" / "Segmentation of Patient 7")
        write_regions(job.prediction(CASE_ID))
        write_volumes(job.prediction(CASE_ID))
        result = job.prediction(CASE_ID).result
        result.write_text(json.dumps({**json.loads(result.read_text()), **changes}), encoding="utf-8")
        (loaded,) = self.logic.loadResults(job.folder)
        self.panel.overlays.show(loaded)
        self.settle(lambda: not self.panel.review.reason_not_decidable)

    def show_reviewable_places(self) -> None:
        """Load a result whose places have long names and whose boundary can be slid, and take its review up."""
        self.panel.pages.show("review")
        job = write_segmented_job(self.folder / "jobs" / "Segmentation of Patient 7")
        files = job.prediction(CASE_ID)
        region_list = write_regions(files)
        places = tuple(
            replace(region, kind="place", radius_mm=5.0, where=_LONG_PLACE, expected_wrong_ml=region.volume_ml / 2)
            for region in region_list.regions
        )
        replace(region_list, regions=places, left_ml=0.1).write(files.regions)
        write_volumes(files)
        write_margins(files)
        (loaded,) = self.logic.loadResults(job.folder)
        self.panel.overlays.show(loaded)
        self.settle(lambda: not self.panel.review.reason_not_decidable)

    def show_several_reviewable(self) -> None:
        """Load the results of several segmentations, some of them surer than others, each of a volume of its own."""
        for number, last in ((7, 0), (8, 5), (9, 9)):
            heads = synthetic_heads()
            for head in ("conservative", "radical"):
                heads[head][:last] = heads["segmentation"][:last]
            job = write_segmented_job(
                self.folder / f"jobs {number}" / "jobs" / f"Segmentation of Patient {number}", heads
            )
            write_regions(job.prediction(CASE_ID), heads)
            write_volumes(job.prediction(CASE_ID), heads)
            place = self.folder / "jobs" / job.folder.name
            job.folder.rename(place)
            (loaded,) = self.logic.loadResults(place, show=False)
            loaded.volume.SetName(f"Patient {number:02d}")
            # Else they would be the same image several times.
            vtk_to_numpy(loaded.volume.GetImageData().GetPointData().GetScalars())[:] += number
        self.panel.ranking.look_again()
        self.settle()

    def decide(self, *choices: str) -> None:
        """Decide on one region after the other."""
        names = {"1": "conservativeRegionButton", "2": "radicalRegionButton", "3": "keepRegionButton"}
        for choice in choices:
            self.click(names[choice])
        self.settle()

    def add_jobs(self) -> None:
        """Put jobs in all states into the folder."""
        jobs = self.folder / "jobs"
        states = ("running", "finished", "stopped", "failed", "crashed")
        names = ("Pancreas and Tumor, improved 1", "Pancreas and Tumor", "Left atrium", "Liver", "Liver 2")
        for name, state in zip(names, states, strict=True):
            a_training(jobs / name, state)
        a_segmentation(jobs / "Segmentation of 3 volumes")
        (jobs / "damaged").mkdir()
        (jobs / "damaged" / "job.json").write_text("{", encoding="utf-8")


def _cut_text(widget: QWidget) -> str:
    """The text of a label, button or combo box that does not fit into it; "" if it does, or need not."""
    if isinstance(widget, QLabel):
        is_low = widget.wordWrap() and widget.height() < widget.heightForWidth(widget.width())
        is_narrow = not widget.wordWrap() and widget.width() < widget.minimumSizeHint().width()
        return widget.text() if is_low or is_narrow else ""
    if isinstance(widget, QPushButton):
        return widget.text() if widget.width() < widget.minimumSizeHint().width() else ""
    if isinstance(widget, QComboBox):
        room = widget.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, _option_of(widget), QStyle.SubControl.SC_ComboBoxEditField, widget
        )
        needed = widget.fontMetrics().horizontalAdvance(widget.currentText())
        is_short_on_purpose = widget.sizeAdjustPolicy() == _SHORT or widget.isEditable()
        return widget.currentText() if room.width() < needed and not is_short_on_purpose else ""
    return ""


def _option_of(combo: QComboBox) -> QStyleOptionComboBox:
    option = QStyleOptionComboBox()
    combo.initStyleOption(option)
    return option


def _masks() -> dict[str, np.ndarray]:
    k, j, i = np.mgrid[: _SHAPE_KJI[0], : _SHAPE_KJI[1], : _SHAPE_KJI[2]].astype(float)
    organ = ((i - 16) / 9) ** 2 + ((j - 20) / 12) ** 2 + ((k - 12) / 8) ** 2 < 1
    return {"Pancreas": organ, "Tumor": ((i - 28) / 4) ** 2 + ((j - 20) / 5) ** 2 + ((k - 12) / 4) ** 2 < 1}
