"""Pictures of every page of the panel in every state: `python Testing/panel/screenshots.py [--dark] FOLDER [NAME ...]`.

The presenters are real, the jobs are made up. With a display (or under xvfb-run) a window shows what is drawn, else
nothing does; the pictures are the same. Each picture is as wide and as high as the panel usually is, 440 x 800 pixels,
or so high that nothing is hidden; the program says how much must be scrolled where it is higher.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "slicer"), str(HERE.parents[1] / "CoraNetSlicer")]
if not os.environ.get("DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pythonqt  # noqa: E402
import qt_modules  # noqa: E402
from PySide6.QtCore import QSettings  # noqa: E402
from PySide6.QtGui import QColor, QPalette  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

qt_modules.install()

import environment_pictures  # noqa: E402, F401 - its pictures are among those that there are
from fake_jobs import PLAN  # noqa: E402
from messages import complaints, listen  # noqa: E402
from picture_list import PICTURES, picture  # noqa: E402
from pythonqt import unwrap  # noqa: E402
from stage import HEIGHT, Stage  # noqa: E402

from CoraNetSlicerLib.core.case_nodes import segmentations  # noqa: E402

WIDTH = 440


# -- Data -------------------------------------------------------------------------------------------------------------


@picture
def data_empty(stage: Stage) -> str:
    return "data"


@picture
def data_right(stage: Stage) -> str:
    stage.add_cases(labeled=3, unlabeled=5)
    stage.click("addVolumesButton")
    return "data"


@picture
def data_long_names(stage: Stage) -> str:
    for number, volume in enumerate(stage.add_cases(labeled=3, unlabeled=5), start=1):
        volume.SetName(f"2026-11-2{number} Abdomen CT portal venous {number:02d}")
    for number, segmentation in enumerate(segmentations(stage.context.scene), start=1):
        segmentation.SetName(f"2026-11-2{number} Abdomen CT portal venous {number:02d} segmentation")
    stage.click("addVolumesButton")
    return "data"


@picture
def data_files(stage: Stage) -> str:
    head = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 4 5\nspacings: 1 1 1\nencoding: raw\n\n"
    for number in range(1, 7):
        (stage.folder / f"image{number:03d}.nrrd").write_bytes(head + bytes(range(number, number + 60)))
    for number in range(1, 4):
        labels = bytes([0] * (40 + number) + [1] * (10 - number) + [2] * 10)
        (stage.folder / f"label{number:03d}.nrrd").write_bytes(head + labels)
    stage.panel.cases.add_files(stage.folder)
    stage.settle(lambda: not stage.panel.cases.has_unseen_files)
    return "data"


@picture
def data_wrong(stage: Stage) -> str:
    stage.add_wrong_cases()
    stage.click("addVolumesButton")
    return "data"


@picture
def data_ranked(stage: Stage) -> str:
    stage.add_cases(labeled=2, unlabeled=1)
    stage.show_several_reviewable()
    stage.click("addVolumesButton")
    stage.settle(lambda: any(stage.panel.ranking.of(row) for row in stage.panel.cases.rows))
    unwrap(stage.ui.casesTable.horizontalHeader()).sectionClicked.emit(4)
    return "data"


@picture
def data_channels(stage: Stage) -> str:
    stage.add_cases(labeled=3, unlabeled=2)
    stage.click("addVolumesButton")
    stage.click("addChannelButton")
    stage.panel.cases.name_channels("T1, FLAIR")
    stage.add_second_images()
    return "data"


# -- Train ------------------------------------------------------------------------------------------------------------


@picture
def train_not_possible(stage: Stage) -> str:
    return "train"


@picture
def train_possible(stage: Stage) -> str:
    stage.examine()
    stage.add_cases(labeled=3, unlabeled=5)
    stage.click("addVolumesButton")
    return "train"


@picture
def train_advanced(stage: Stage) -> str:
    train_possible(stage)
    stage.ui.advancedSection.collapsed = False
    stage.settle(lambda: stage.ui.advancedSettings.findChild("QWidget", "machine.threads"))
    return "train"


@picture
def train_wrong_time(stage: Stage) -> str:
    train_possible(stage)
    for field in stage.ui.basicSettings.findChildren("QComboBox"):
        if field.objectName == "time":
            field.setEditText("an hour")
    return "train"


@picture
def train_steps(stage: Stage) -> str:
    train_possible(stage)
    stage.panel.training.settings.set_text("training.self_training_steps", "4000")
    return "train"


@picture
def train_plan(stage: Stage) -> str:
    train_possible(stage)
    stage.panel.training.estimate._show("\n".join(PLAN))
    return "train"


@picture
def train_running(stage: Stage) -> str:
    train_possible(stage)
    stage.open_training("running")
    return "train"


@picture
def train_finished(stage: Stage) -> str:
    train_possible(stage)
    stage.open_training("finished")
    return "train"


@picture
def train_failed(stage: Stage) -> str:
    train_possible(stage)
    stage.open_training("failed")
    return "train"


@picture
def train_stopped(stage: Stage) -> str:
    train_possible(stage)
    stage.open_training("stopped")
    return "train"


@picture
def train_crashed(stage: Stage) -> str:
    train_possible(stage)
    stage.open_training("crashed")
    return "train"


# -- Segment ----------------------------------------------------------------------------------------------------------


@picture
def segment_without_model(stage: Stage) -> str:
    return "segment"


@picture
def segment_possible(stage: Stage) -> str:
    stage.examine()
    stage.add_model()
    stage.panel.segmentation.source.set_volume(stage.add_cases(labeled=1, unlabeled=3)[-1])
    return "segment"


@picture
def segment_several(stage: Stage) -> str:
    segment_possible(stage)
    stage.click("addVolumesButton")
    stage.click("segmentUnlabeledButton")
    return "segment"


@picture
def segment_folder(stage: Stage) -> str:
    segment_possible(stage)
    stage.ui.segmentSourceCombo.setCurrentIndex(2)
    return "segment"


@picture
def segment_running(stage: Stage) -> str:
    segment_possible(stage)
    stage.open_segmentation("running")
    return "segment"


@picture
def segment_finished(stage: Stage) -> str:
    segment_possible(stage)
    stage.click("addVolumesButton")
    stage.click("segmentUnlabeledButton")
    stage.open_segmentation("finished")
    return "segment"


@picture
def segment_failed(stage: Stage) -> str:
    segment_possible(stage)
    stage.open_segmentation("failed")
    return "segment"


# -- Overlays ---------------------------------------------------------------------------------------------------------


@picture
def overlays_empty(stage: Stage) -> str:
    stage.ui.overlaysSection.collapsed = False
    return "review"


@picture
def overlays_two_classes(stage: Stage) -> str:
    stage.show_result()
    stage.ui.overlaysSection.collapsed = False
    return "review"


@picture
def overlays_of_a_review(stage: Stage) -> str:
    stage.examine()
    stage.show_reviewable()
    stage.decide("2", "1")
    stage.ui.overlaysSection.collapsed = False
    return "review"


@picture
def overlays_uncertainty_map(stage: Stage) -> str:
    stage.context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Red")
    stage.show_result()
    stage.click("uncertaintyLookButton")
    stage.ui.overlaysSection.collapsed = False
    return "review"


# -- Review -----------------------------------------------------------------------------------------------------------


@picture
def review_empty(stage: Stage) -> str:
    return "review"


@picture
def review_list(stage: Stage) -> str:
    stage.examine()
    stage.add_model()
    stage.show_reviewable()
    stage.decide("2", "1", "3", "2")
    return "review"


@picture
def review_places(stage: Stage) -> str:
    stage.show_reviewable_places()
    return "review"


@picture
def review_sliding(stage: Stage) -> str:
    stage.show_reviewable_places()
    stage.panel.review.slides.turn(2)
    return "review"


@picture
def review_poor(stage: Stage) -> str:
    reasons = ["The network is far less sure than on its training cases.", "900 mL; the training cases had 40 to 110."]
    stage.show_reviewable(quality={"dice": 0.52, "verdict": "poor", "reasons": reasons})
    return "review"


@picture
def review_error_model(stage: Stage) -> str:
    promises = [
        {"share": share, "threshold": 0.3, "caution": caution, "cases": 9, "flagged_ml": ml, "flagged_share": ml / 60}
        for share, caution, ml in ((0.8, 0.85, 1.2), (0.9, 1.39, 2.0), (0.95, 2.0, 3.1))
    ]
    quality = {"dice": 0.84, "verdict": "good", "reasons": []}
    stage.show_reviewable(doubt="error_model", caution=0.85, tolerance_mm=1.0, promises=promises, quality=quality)
    stage.ui.overlaysSection.collapsed = False
    return "review"


@picture
def review_editing(stage: Stage) -> str:
    stage.show_reviewable()
    stage.decide("2", "1")
    stage.click("editRegionButton")
    return "review"


@picture
def review_taught_back(stage: Stage) -> str:
    review_list(stage)
    stage.ui.teachBackSection.collapsed = False
    return "review"


@picture
def review_done(stage: Stage) -> str:
    stage.examine()
    stage.add_improved_model()
    stage.show_reviewable()
    stage.decide(*("213" * 10)[: len(stage.panel.review.rows)])
    stage.ui.callsStep.setChecked(True)
    stage.ui.teachBackSection.collapsed = False
    return "review"


# -- Jobs -------------------------------------------------------------------------------------------------------------


@picture
def jobs_empty(stage: Stage) -> str:
    return "jobs"


@picture
def jobs_many(stage: Stage) -> str:
    stage.add_jobs()
    stage.click("refreshJobsButton")
    return "jobs"


@picture
def jobs_chosen(stage: Stage) -> str:
    jobs_many(stage)
    stage.ui.jobsTable.selectRow(1)
    return "jobs"


@picture
def jobs_wrong_folder(stage: Stage) -> str:
    file = stage.folder / "a file"
    file.write_text("", encoding="utf-8")
    stage.ui.jobsFolderEdit.setCurrentPath(str(file))
    return "jobs"


# -- the whole --------------------------------------------------------------------------------------------------------


@picture
def panel_fresh(stage: Stage) -> str:
    return ""


@picture
def panel_training(stage: Stage) -> str:
    train_running(stage)
    return ""


@picture
def panel_segmented(stage: Stage) -> str:
    segment_finished(stage)
    stage.show_result()
    return ""


@picture
def panel_review(stage: Stage) -> str:
    review_list(stage)
    return ""


def dark_palette() -> QPalette:
    """The colours of the application's dark style."""
    role = QPalette.ColorRole
    palette = QPalette(QColor("#323232"), QColor("#323232"))
    for shade in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(shade, QColor("white"))
        dimmed = "#b4b4b4" if shade is role.ButtonText else "#6d6d6d"
        palette.setColor(QPalette.ColorGroup.Disabled, shade, QColor(dimmed))
    for shade, color in ((role.Base, "#1e1e1e"), (role.AlternateBase, "#323232"), (role.Highlight, "#3ca4ff")):
        palette.setColor(shade, QColor(color))
    for shade, color in ((role.Midlight, "#5a5a5b"), (role.Mid, "#2b2b2b"), (role.Dark, "#232323")):
        palette.setColor(shade, QColor(color))
    return palette


def take(name: str, output: Path, scratch: Path) -> Path:
    """Take one picture."""
    stage = Stage(scratch / name)
    try:
        section = PICTURES[name](stage)
        stage.settle()
        file = output / f"{name}.png"
        stage.picture(section, WIDTH).save(str(file))
        if stage.scrolled:
            print(f"{name}: {stage.scrolled} pixels are out of sight at {WIDTH} x {HEIGHT}")
        complaints.extend(f"no room for '{text}'" for text in stage.cut_texts())
        return file
    finally:
        stage.close()


def main(arguments: list[str]) -> int:
    """Take all pictures, or those that are named."""
    is_dark = "--dark" in arguments
    arguments = [argument for argument in arguments if argument != "--dark"]
    if not arguments:
        print(__doc__)
        return 2
    output = Path(arguments[0])
    output.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="CoraNet pictures "))
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(scratch)
    application = QApplication(["CoraNetSlicer"])
    application.setStyle("Fusion")
    if is_dark:
        application.setPalette(dark_palette())
    listen()
    application.setOrganizationName("CoraNetSlicerTests")
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(scratch))
    failed = 0
    for name in arguments[1:] or PICTURES:
        try:
            print(take(name, output, scratch))
        except Exception as error:  # noqa: BLE001 - the others are still wanted
            failed += 1
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        for wrong in (pythonqt.slot_errors, complaints):
            failed += len(wrong)
            for text in wrong:
                print(f"{name}: {text}", file=sys.stderr)
            wrong.clear()
    shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
