"""The whole way in the running application: volumes, training, segmentation, review, a model taught back.

Run by `Testing/real-slicer/slicer_run.py`. The environment tells it: CORANET_TEST_OUTPUT, a folder for the record and
the pictures; CORANET_TEST_PYTHON, a Python with PyTorch and MONAI; CORANET_TEST_DATA, a folder with a dataset.json in
place of the phantoms; CORANET_TEST_TIME, such as "2 min", how long to train instead of a few small steps;
CORANET_TEST_CASES, how many cases are labeled and unlabeled, such as "6 8"; CORANET_TEST_STALLS, "1": what Python
does in each long stall is written into stalls.txt. That reads frames while they change, which can end the application.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from pathlib import Path

import qt
import slicer

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "real-slicer")]
from pointer import LONGEST_S, Pointer, main_window_picture  # noqa: E402
from stepping import Journal, Run, StallMeter, Until  # noqa: E402

LABELED, UNLABELED = map(int, os.environ.get("CORANET_TEST_CASES", "4 8").split())
PANEL_WIDTH = 440
# So long into a stall, what Python does is written down; nothing is where Slicer itself is at work, as at drawing.
NOTICED_S = 0.2
SMALL = {
    "training.pretraining_steps": "120",
    "training.self_training_steps": "60",
    "training.checkpoint_interval": "10",
    "training.log_interval": "5",
    "training.snapshot_interval": "30",
    "data.patch_size_kji": "16, 16, 16",
    "network.base_filters": "4",
    "network.levels": "2",
    "machine.device": "cpu",
}


class WholeWay:
    """A person at work, step by step."""

    def __init__(self, output: Path, journal: Journal) -> None:
        self.output = output
        self.journal = journal
        self.pointer = Pointer(journal)
        self.pictures = 0

    @property
    def widget(self):
        return slicer.modules.coranetslicer.widgetRepresentation().self()

    @property
    def ui(self):
        return self.widget.ui

    @property
    def panel(self):
        return self.widget.panel

    def steps(self):
        """All of it."""
        yield from self.open_the_module()
        yield from self.add_cases()
        yield from self.train()
        yield from self.segment()
        yield from self.show_the_curves()
        yield from self.review()
        yield from self.edit_a_region()
        yield from self.look_at_the_uncertainty()
        yield from self.save_and_load()
        yield from self.teach_back()
        yield from self.close_the_scene()

    def picture(self, name: str) -> None:
        """Save what the main window shows."""
        self.pictures += 1
        file = f"{self.pictures:02d}-{name}.png"
        main_window_picture(self.output / file)
        self.journal.step.pictures.append(file)

    def open_the_module(self):
        self.journal.begin("Open the module")
        slicer.util.mainWindow().showMaximized()
        slicer.util.mainWindow().setGeometry(0, 0, 1600, 1000)
        slicer.util.mainWindow().activateWindow()
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        yield 0.5
        slicer.util.selectModule("CoraNetSlicer")
        yield 0.5
        dock = slicer.util.mainWindow().findChild("QDockWidget", "PanelDockWidget")
        slicer.util.mainWindow().resizeDocks([dock], [PANEL_WIDTH], qt.Qt.Horizontal)
        yield 0.5
        self.picture("empty")
        self.journal.begin("Choose the Python of the engine, volumes into the scene")
        python = os.environ.get("CORANET_TEST_PYTHON")
        if python:
            yield from self.turn_to("environment")
            self.ui.interpreterCombo.setCurrentIndex(self.ui.interpreterCombo.findText("Another Python"))
            self.ui.pythonPathEdit.setCurrentPath(python)
        yield Until(lambda: not self.panel.environment.reason_not_ready, "an environment that is ready", LONGEST_S)
        load_volumes(self.widget.logic, os.environ.get("CORANET_TEST_DATA"))
        yield 1.0
        self.picture("environment")

    def turn_to(self, page: str):
        """Click the button of a page."""
        yield from self.pointer.click(getattr(self.ui, f"{page}Step"))

    def add_cases(self):
        yield from self.turn_to("data")
        yield 0.3
        self.journal.begin("Add the scene's volumes as cases")
        yield from self.pointer.click(self.ui.addVolumesButton)
        yield Until(lambda: self.ui.casesTable.rowCount == LABELED + UNLABELED, "all cases in the table", LONGEST_S)
        yield 1.0
        self.picture("cases")

    def train(self):
        self.journal.begin("Settings of the training")
        time = os.environ.get("CORANET_TEST_TIME")
        for name, text in {"time": time}.items() if time else SMALL.items():
            self.panel.training.settings.set_text(name, text)
        # The curves are then those of its Dice.
        last = [row for row in self.panel.cases.rows if row.role.needs_label][-1]
        self.panel.cases.set_role(last.key, type(last.role).VALIDATION)
        yield 0.5
        self.journal.begin("Start the training")
        yield from self.turn_to("train")
        yield from self.pointer.click(self.ui.trainButton)
        yield Until(lambda: self.panel.training.handle is not None, "the training to start", LONGEST_S)
        self.journal.begin("Train")
        yield Until(lambda: self.panel.training.progress > 0.3, "a third of the training")
        self.picture("training")
        yield Until(lambda: self.panel.training.handle.status.is_over, "the end of the training")
        self.require(self.panel.training.handle)

    def show_the_curves(self):
        self.journal.begin("Show the curves")
        yield from self.turn_to("train")
        yield from self.pointer.click(self.ui.showCurvesButton)
        yield 1.0
        # With it, VTK 9.1, which a bare Slicer on Debian 12 has, leaves the margins transparent: black in a picture.
        view = slicer.app.layoutManager().plotWidget(0).plotView()
        view.scene().GetRenderer().SetUseFXAA(False)
        view.scene().GetRenderer().SetBackgroundAlpha(1.0)
        view.renderWindow().Render()
        yield 1.0
        self.picture("curves")
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        yield 1.0

    def segment(self):
        self.journal.begin("Segment all unlabeled volumes")
        yield from self.turn_to("segment")
        yield from self.pointer.click(self.ui.segmentUnlabeledButton)
        yield from self.pointer.click(self.ui.segmentButton)
        yield Until(lambda: self.ui.resultCombo.count >= 1, "the first result in view")
        self.journal.step.notes.append(self.effort())
        self.picture("first-result")
        yield Until(lambda: not self.panel.segmentation.is_active, "the end of the segmentation")
        yield 2.0
        self.picture("segmented")

    def effort(self) -> str:
        """Clicks and scrolls from the scene's volumes to now, without those for the environment."""
        steps = self.journal.steps[2:]
        return f"{sum(step.clicks for step in steps)} clicks, {sum(step.scrolls for step in steps)} scrolls until here"

    def review(self):
        self.journal.begin("Open the review")
        yield from self.pointer.click(self.ui.reviewStep)
        yield Until(lambda: self.panel.review.rows and not self.panel.review.reason_not_decidable, "regions", LONGEST_S)
        yield 1.0
        self.picture("review")
        yield from self.slide_by_wheel()
        for key, word in (("1", "conservative"), ("2", "radical"), ("3", "kept")):
            self.journal.begin(f"Press {key}: {word}")
            decided = self.decided()
            self.pointer.keys(key)
            yield Until(lambda before=decided: self.decided() > before, f"a decision by key {key}", LONGEST_S)
            yield 2.5
            self.picture(f"decided-{word}")
        self.journal.begin("Undo")
        decided = self.decided()
        yield from self.pointer.click(self.ui.undoRegionButton)
        yield Until(lambda: self.decided() < decided, "the decision to be undone", LONGEST_S)
        yield 1.0

    def slide_by_wheel(self):
        self.journal.begin("Slide the boundary with Shift and the wheel")
        view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
        sliding = self.panel.review.review.sliding
        # A wide radius and little movement: a boundary is never wrong at one point alone.
        self.pointer.keys(*["bracketright"] * 2)
        yield Until(lambda: sliding.slide is not None, "a ring around the place", LONGEST_S)
        yield from self.pointer.move(view)
        yield from self.pointer.wheel(2, "shift")
        yield Until(lambda: sliding.slide is not None and sliding.slide.level, "a slide under way", LONGEST_S)
        yield 1.0
        self.picture("sliding")
        self.journal.begin("Press Enter: slid")
        decided = self.decided()
        self.pointer.keys("Return")
        yield Until(lambda: self.decided() > decided, "a slide that is taken", LONGEST_S)
        yield 2.5
        self.picture("slid")

    def decided(self) -> int:
        return sum(row.status != "open" for row in self.panel.review.rows)

    def look_at_the_uncertainty(self):
        self.journal.begin("Open the overlays, look at the uncertainty")
        yield from self.pointer.click(self.ui.overlaysSection, qt.QPoint(60, 8))
        yield 0.5
        yield from self.pointer.click(self.ui.uncertaintyLookButton)
        yield 2.0
        self.picture("uncertainty")
        yield from self.pointer.click(self.ui.contoursLookButton)
        yield from self.pointer.click(self.ui.overlaysSection, qt.QPoint(60, 8))
        yield 1.0

    def save_and_load(self):
        self.journal.begin("Save the scene")
        statuses = [row.status for row in self.panel.review.rows]
        path = self.output / "scene.mrb"
        if not slicer.util.saveScene(str(path)):
            raise AssertionError("the scene could not be saved")
        self.journal.begin("Close it, load it again")
        slicer.mrmlScene.Clear(0)
        yield 1.0
        slicer.util.loadScene(str(path))
        yield Until(lambda: [row.status for row in self.panel.review.rows] == statuses, "the same review", LONGEST_S)
        yield Until(lambda: not self.panel.review.reason_not_undoable, "steps that can be undone", LONGEST_S)
        yield 2.0
        self.picture("loaded")

    def edit_a_region(self):
        self.journal.begin("Edit a region")
        yield from self.pointer.click(self.ui.editRegionButton)
        yield 2.0
        self.picture("editing")
        view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
        center = qt.QPoint(view.width // 2, view.height // 2)
        # All around the point; what lies outside of the place stays as it is.
        around = [(0, 0), (20, 0), (0, 20), (-20, 0), (0, -20), (20, 0)]
        yield from self.pointer.drag(view, [center + qt.QPoint(x, y) for x, y in around])
        yield 1.0
        self.picture("painted")
        self.journal.begin("Done editing")
        yield from self.pointer.click(self.ui.doneEditingButton)
        yield Until(
            lambda: any(row.status == "edited" for row in self.panel.review.rows), "an edited region", LONGEST_S
        )
        yield 2.0
        self.picture("edited")

    def teach_back(self):
        self.journal.begin("Teach back")
        yield from self.pointer.click(self.ui.teachBackSection, qt.QPoint(60, 8))
        yield 1.0
        self.picture("before-teaching-back")
        yield from self.pointer.click(self.ui.improveButton)
        yield Until(lambda: self.panel.training.is_active, "the improvement to start", LONGEST_S)
        self.picture("teaching-back")
        yield Until(lambda: self.panel.training.handle.status.is_over, "the end of the improvement")
        self.require(self.panel.training.handle)
        yield from self.turn_to("review")
        yield 1.0
        self.picture("taught-back")

    def close_the_scene(self):
        self.journal.begin("Close the scene")
        slicer.mrmlScene.Clear(0)
        yield 1.0
        self.picture("closed")

    def require(self, handle) -> None:
        """A job must have finished."""
        if handle.status.value != "finished":
            raise AssertionError(f"'{handle.folder}' is {handle.status.value}: {handle.logTail()}")


def load_volumes(logic, data: str | None) -> None:
    """Bring four labeled and eight unlabeled volumes into the scene."""
    if not data:
        labeled, _unlabeled = logic.loadPhantom(labeled=LABELED, unlabeled=UNLABELED)
        # As the module Sample Data does.
        slicer.util.setSliceViewerLayers(background=labeled[0][0], fit=True)
        return
    folder = Path(data)
    listed = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    for case in listed["training"][:LABELED]:
        slicer.util.loadVolume(str(folder / case["image"]))
        slicer.util.loadSegmentation(str(folder / case["label"]))
    for case in listed["unlabeled"][:UNLABELED]:
        slicer.util.loadVolume(str(folder / case["image"]))


class StallNotes:
    """Writes where Python is in each long stall, from a thread that needs nothing of Python's."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._journal = journal
        self._step = ""

    def beat(self) -> None:
        """Wait for the next stall anew."""
        step = self._journal.steps[-1].name if self._journal.steps else ""
        if step != self._step:
            self._step = step
            self._file.write(f"\n== {step}\n")
            self._file.flush()
        faulthandler.dump_traceback_later(NOTICED_S, file=self._file)


def every(milliseconds: int, action) -> qt.QTimer:
    """Do something again and again."""
    timer = qt.QTimer()
    timer.setInterval(milliseconds)
    timer.timeout.connect(action)
    timer.start()
    return timer


def main() -> None:
    """Begin when the application is ready, and end it when all is done."""
    output = Path(os.environ["CORANET_TEST_OUTPUT"])
    meter = StallMeter()
    journal = Journal(output / "steps.json", meter)
    way = WholeWay(output, journal)
    run = Run(way.steps(), journal, meter, lambda error: slicer.util.exit(1 if error else 0))
    # Kept alive by the application, as is all that they call.
    slicer.app.setProperty("coranetWholeWay", "running")
    main.timers = [every(5, meter.beat), every(30, run.tick)]
    if os.environ.get("CORANET_TEST_STALLS"):
        main.timers.append(every(5, StallNotes(output / "stalls.txt", journal).beat))


main()
