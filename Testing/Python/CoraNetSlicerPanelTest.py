"""In the running application: the panel says what is wrong, goes the whole way by clicks, to a review, and reloads.

Run by ctest, or by hand with `Slicer --testing --python-script CoraNetSlicerPanelTest.py`. CORANET_TEST_PYTHON names a
Python with PyTorch and MONAI for the whole way; without it, the application's own must have them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import slicer

LONGEST_S = 600.0
STEPS = {
    "training.pretraining_steps": "60",
    "training.self_training_steps": "20",
    "training.checkpoint_interval": "5",
    "training.log_interval": "2",
    "training.snapshot_interval": "10",
    "data.patch_size_kji": "16, 16, 16",
    "network.base_filters": "4",
    "network.levels": "2",
    "machine.device": "cpu",
}


def wait_until(condition, seconds=LONGEST_S) -> None:
    """Let the application work until something has come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain")
        slicer.app.processEvents()
        time.sleep(0.02)


def outlines():
    """The nodes that outline a region; hidden, as no other segmentation is."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [node for node in nodes if node.GetHideFromEditors()]


class RedWheel:
    """The mouse wheel over the middle of the red slice view, by events of its interactor, as Qt makes them of it."""

    def __init__(self):
        widget = slicer.app.layoutManager().sliceWidget("Red")
        self.node, self._interactor = widget.mrmlSliceNode(), widget.sliceView().interactor()

    def turn(self, forward=True, shift=False, control=False):
        width, height = self.node.GetDimensions()[:2]
        self._interactor.SetEventInformation(width // 2, height // 2, int(control), int(shift))
        self._interactor.InvokeEvent("MouseWheelForwardEvent" if forward else "MouseWheelBackwardEvent")


def press(key):
    """Press a key that a shortcut of the main window has, if it is at work; returns whether it is."""
    shortcuts = [
        widget for widget in slicer.util.mainWindow().findChildren("QShortcut") if widget.key.toString() == key
    ]
    active = [shortcut for shortcut in shortcuts if shortcut.enabled]
    for shortcut in active:
        shortcut.activated()
    slicer.app.processEvents()
    return bool(active)


class CoraNetSlicerPanelTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear(0)
        slicer.util.selectModule("CoraNetSlicer")
        self.folder = Path(tempfile.mkdtemp(prefix="CoraNetSlicer ")).resolve()
        self.jobs_folder_before = self.ui.jobsFolderEdit.currentPath
        self.ui.jobsFolderEdit.setCurrentPath(str(self.folder))

    def tearDown(self):
        self.ui.jobsFolderEdit.setCurrentPath(self.jobs_folder_before)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def widget(self):
        return slicer.modules.coranetslicer.widgetRepresentation().self()

    @property
    def panel(self):
        return self.widget.panel

    @property
    def ui(self):
        return self.widget.ui

    def click(self, button):
        try:
            wait_until(button.isEnabled)
        except TimeoutError:
            self.fail(f"{button.objectName} is greyed out: {button.toolTip}")
        button.click()
        slicer.app.processEvents()

    def test_every_button_that_cannot_be_clicked_says_why(self):
        for name in ("trainButton", "stopTrainingButton", "resumeTrainingButton", "segmentButton", "showJobButton"):
            button = getattr(self.ui, name)
            self.assertFalse(button.isEnabled(), name)
            self.assertTrue(button.toolTip, name)

    def test_a_folder_that_cannot_be_used_is_said_beside_the_field(self):
        self.panel.pages.show("jobs")
        self.ui.jobsFolderEdit.setCurrentPath(__file__)
        self.assertIn("file", self.ui.jobsFolderErrorLabel.text)
        self.ui.jobsFolderEdit.setCurrentPath(str(self.folder))
        self.assertEqual(self.ui.jobsFolderErrorLabel.text, "")

    def test_the_module_reloads(self):
        before = self.panel
        self.widget.onReload()
        slicer.app.processEvents()
        self.assertIsNot(self.panel, before)
        self.assertEqual(self.ui.jobsTable.rowCount, 0)

    def test_the_phantom_is_among_the_sample_data(self):
        names = [source.sampleName for source in slicer.modules.sampleDataSources.get("CoraNet", [])]
        self.assertEqual(names, ["CoraNet phantom"])

    def test_the_whole_way_by_clicks(self):
        self.make_the_environment_ready()
        self.widget.logic.loadPhantom(labeled=2, unlabeled=2)
        self.click(self.ui.addVolumesButton)
        self.assertEqual(self.ui.casesTable.rowCount, 4)
        for name, text in STEPS.items():
            self.panel.training.settings.set_text(name, text)
        self.click(self.ui.trainButton)
        wait_until(lambda: self.panel.training.progress > 0.05)
        self.assertGreater(self.ui.runningProgressBar.value, 0)
        self.click(self.ui.stopTrainingButton)
        wait_until(lambda: not self.panel.training.reason_not_resumable)
        self.click(self.ui.resumeTrainingButton)
        wait_until(lambda: self.panel.training.handle.status.is_over)
        self.assertEqual(self.panel.training.handle.status.value, "finished", self.panel.training.handle.logTail())
        self.click(self.ui.showCurvesButton)
        self.segment()
        self.review()
        self.find_it_again_under_jobs()

    def make_the_environment_ready(self):
        python = os.environ.get("CORANET_TEST_PYTHON")
        if python:
            self.ui.interpreterCombo.setCurrentIndex(self.ui.interpreterCombo.findText("Another Python"))
            self.ui.pythonPathEdit.setCurrentPath(python)
            wait_until(lambda: self.panel.environment.environment.python == python)
        wait_until(lambda: not self.panel.environment.is_checking)
        if self.panel.environment.reason_not_ready:
            self.skipTest(f"the engine cannot run: {self.panel.environment.reason_not_ready}")

    def segment(self):
        self.ui.modelCombo.setCurrentIndex(0)
        volume = slicer.util.getNode("Phantom 04")
        self.ui.segmentVolumeSelector.setCurrentNode(volume)
        self.click(self.ui.segmentButton)
        wait_until(lambda: slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 4)
        wait_until(lambda: self.ui.resultCombo.count == 1)
        self.click(self.ui.contoursLookButton)
        self.assertEqual(self.ui.overlaysErrorLabel.text, "")
        wait_until(lambda: self.ui.volumesTable.rowCount == 3)  # two structures and the uncertain region

    def review(self):
        review = self.panel.review
        self.panel.pages.show("review")
        wait_until(lambda: review.rows and not review.reason_not_decidable)
        self.assertRegex(self.ui.regionQuestionLabel.text, "Place 1|Region 1")
        self.slide_by_wheel_and_keys()
        self.click(self.ui.nextRegionButton)
        number = review.number
        self.assert_outlined(number)
        self.click(self.ui.radicalRegionButton)
        wait_until(lambda: "1 of" in self.ui.reviewProgressLabel.text)
        self.click(self.ui.undoRegionButton)
        wait_until(lambda: "0 of" in self.ui.reviewProgressLabel.text)
        self.click(self.ui.redoRegionButton)
        self.click(self.ui.nextRegionButton)
        self.edit_a_region()
        wait_until(lambda: self.ui.improveButton.isEnabled() and "2 reviewed places" in self.ui.improveButton.text)

    def assert_outlined(self, number):
        # It is made in steps; the one before stays until then.
        wait_until(lambda: any(node.GetName().endswith(f" {number}") for node in outlines()))
        (outline,) = outlines()
        self.assertRegex(outline.GetName(), f"^Phantom 04 (Place|Region) {number}$")

    def slide_by_wheel_and_keys(self):
        review, wheel = self.panel.review, RedWheel()
        wait_until(lambda: not review.slides.reason)
        review.choose(1)
        offset, sliding = wheel.node.GetSliceOffset(), review.review.sliding
        self.assertFalse(press("Return") or press("Esc"), "they are everybody's while nothing is slid")
        for _notch in range(2):
            wheel.turn(shift=True)
        wait_until(lambda: "Press Enter to accept" in self.ui.slideLabel.text)
        self.assertGreater(sliding.slide.level, 0)
        self.assertEqual(sliding.slide.region, 1)
        radius = sliding.slide.radius_mm
        wheel.turn(shift=True, control=True)
        self.assertGreater(sliding.slide.radius_mm, radius)
        self.assertEqual(wheel.node.GetSliceOffset(), offset, "Slicer's own wheel does not hear of ours")
        wheel.turn()
        self.assertNotEqual(wheel.node.GetSliceOffset(), offset, "without Shift it turns the slices")
        wheel.turn(forward=False)
        self.assertTrue(press("Esc"))
        self.assertIsNone(sliding.slide)
        wheel.turn(forward=False, shift=True)
        self.assertLess(sliding.slide.level, 0)
        self.assertTrue(press("Return"))
        wait_until(lambda: review.rows[0].status == "slid" and review.number != 1)
        self.click(self.ui.undoRegionButton)
        wait_until(lambda: review.rows[0].status == "open" and not review.reason_not_decidable)
        review.choose(1)

    def edit_a_region(self):
        number = self.panel.review.number
        self.click(self.ui.editRegionButton)
        wait_until(lambda: self.ui.regionEditorHost.visible)
        editor = slicer.mrmlScene.GetSingletonNode("CoraNetSlicerEditor", "vtkMRMLSegmentEditorNode")
        self.assertEqual((editor.GetMaskSegmentID(), editor.GetActiveEffectName()), ("coranet-region", "Paint"))
        self.assertEqual(slicer.util.moduleSelector().selectedModule, "CoraNetSlicer")
        self.assert_outlined(number)
        self.click(self.ui.doneEditingButton)
        self.assertFalse(editor.GetActiveEffectName())
        wait_until(lambda: self.panel.review.rows[number - 1].status == "edited")

    def find_it_again_under_jobs(self):
        self.panel.pages.show("jobs")
        self.click(self.ui.refreshJobsButton)
        self.assertEqual(self.ui.jobsTable.rowCount, 2)
        self.widget.onReload()
        slicer.app.processEvents()
        self.panel.pages.show("jobs")
        kinds = [self.ui.jobsTable.item(row, 1).text() for row in range(self.ui.jobsTable.rowCount)]
        self.ui.jobsTable.selectRow(kinds.index("Training"))
        self.click(self.ui.showJobButton)
        self.assertEqual(self.panel.training.progress, 1.0)


if __name__ == "__main__":
    result = unittest.TextTestRunner(verbosity=2).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(CoraNetSlicerPanelTest)
    )
    slicer.util.exit(0 if result.wasSuccessful() else 1)
