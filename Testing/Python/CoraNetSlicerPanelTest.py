"""In the running application: the panel opens, shows a folder without a job, and reloads. Run by ctest."""

from __future__ import annotations

import tempfile
import unittest

import slicer


class CoraNetSlicerPanelTest(unittest.TestCase):
    def setUp(self):
        slicer.util.selectModule("CoraNetSlicer")
        self.panel = slicer.modules.coranetslicer.widgetRepresentation().self().jobPanel

    def status(self) -> str:
        return slicer.util.findChild(slicer.modules.coranetslicer.widgetRepresentation(), "statusLabel").text

    def test_a_folder_without_a_job_is_said(self):
        self.panel.showFolder(tempfile.gettempdir())
        self.assertIsNone(self.panel.handle)
        self.assertEqual(self.status(), "Choose the folder of a job.")

    def test_the_module_reloads(self):
        slicer.modules.coranetslicer.widgetRepresentation().self().onReload()
        self.assertEqual(self.status(), "Choose the folder of a job.")
