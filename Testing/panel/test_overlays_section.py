"""The section Overlays by clicking: what is greyed and why, and what changes in the scene."""

from __future__ import annotations

import json

import pytest
import qt
from clicks import cells, choose, click, entries, greyed
from synthetic_predictions import CASE_ID, PANCREAS, TUMOR, write_segmented_job

from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.review.overlay_rows import KINDS
from CoraNetSlicerLib.review.overlays_presenter import OverlaysPresenter
from CoraNetSlicerLib.review.overlays_section import OverlaysSection
from CoraNetSlicerLib.review.result_loading import load_prediction

NO_RESULT = "Segment a volume first."
NAME, IN_SLICES, IN_3D, OPACITY, COLOR = range(5)


@pytest.fixture
def filled_pages():
    return frozenset({"reviewPage"})


@pytest.fixture
def presenter(ui, context, application):
    context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Red")
    presenter = OverlaysPresenter(context, Parameters(context.scene), application)
    section = OverlaysSection(ui, presenter, application)
    yield presenter
    section.cleanup()
    presenter.close()


@pytest.fixture
def load(context, presenter, process_events):
    def load(folder, caution=0.0, labels=None, **changes):
        folder.parent.mkdir(exist_ok=True)
        job = write_segmented_job(folder)
        file = job.prediction(CASE_ID).result
        content = {**json.loads(file.read_text()), "caution": caution, **changes}
        file.write_text(json.dumps({**content, "labels": labels or content["labels"]}))
        volume = find_or_load_volume(context, job, job.read_datalist().cases[0])
        loaded = load_prediction(context, job.prediction(CASE_ID), volume)
        presenter.show(loaded)
        process_events(until=lambda: presenter.reason_not_copyable == "" and presenter.caution.region is not None)
        process_events()
        return loaded

    return load


@pytest.fixture
def loaded(load, tmp_path):
    return load(tmp_path / "a" / "segment 1")


def cell(ui, kind, column):
    return ui.overlaysTable.cellWidget(KINDS.index(kind), column)


def swatches(ui, kind):
    return [widget for widget in cell(ui, kind, COLOR).findChildren(qt.QPushButton)]


def looks(ui) -> list:
    return [ui.contoursLookButton, ui.filledLookButton, ui.uncertaintyLookButton, ui.anatomyLookButton]


def checked(ui, column) -> list[bool]:
    boxes = [cell(ui, kind, column) for kind in KINDS]
    return [box.isChecked() for box in boxes if box is not None]


def test_without_a_result_everything_is_grey_and_says_why(presenter, ui):
    widgets = [
        ui.resultCombo,
        ui.contoursLookButton,
        ui.filledLookButton,
        ui.uncertaintyLookButton,
        ui.anatomyLookButton,
    ]
    widgets += [ui.cautionSlider, ui.cautionResetButton, ui.legendCheckBox, ui.copyVolumesButton]
    widgets += [cell(ui, kind, column) for kind in KINDS for column in (IN_SLICES, OPACITY)]
    assert {greyed(widget) for widget in widgets} == {NO_RESULT}
    assert [row[NAME] for row in cells(ui.overlaysTable)] == [
        "Result",
        "Conservative",
        "Radical",
        "Uncertain",
        "Uncertainty",
    ]
    assert not ui.volumesTable.isVisible() and not ui.overlaysErrorLabel.isVisible()


def test_a_result_is_there_to_be_looked_at(loaded, ui):
    assert entries(ui.resultCombo) == [CASE_ID]
    assert checked(ui, IN_SLICES) == [True] * 4 + [False]
    assert checked(ui, IN_3D) == [False] * 4
    assert [cell(ui, kind, OPACITY).value for kind in KINDS] == [12, 100, 100, 25, 60]
    assert greyed(ui.contoursLookButton) == greyed(ui.cautionSlider) == greyed(ui.copyVolumesButton) == ""


@pytest.mark.parametrize("kind, identifier", [("result", f"segmentation-{TUMOR}"), ("uncertain", "uncertain")])
def test_a_tick_draws_in_slices_or_not(loaded, ui, kind, identifier):
    display = (loaded.segmentation if kind == "result" else loaded.overlays).GetDisplayNode()
    click(cell(ui, kind, IN_SLICES))
    assert not display.GetSegmentVisibility2DFill(identifier)
    click(cell(ui, kind, IN_SLICES))
    assert display.GetSegmentVisibility2DFill(identifier)


def test_a_tick_in_3d_makes_the_surface_and_says_so(loaded, ui, process_events):
    click(cell(ui, "radical", IN_3D))
    process_events(until=lambda: ui.overlaysStatusLabel.isVisible())
    assert ui.overlaysStatusLabel.text.startswith("Making 3D surfaces: ")
    process_events(until=lambda: not ui.overlaysStatusLabel.isVisible())
    assert checked(ui, IN_3D) == [False, False, True, False]
    assert cell(ui, "uncertainty", IN_3D) is None


def test_opacity_is_set_in_percent(loaded, ui):
    cell(ui, "conservative", OPACITY).setValue(35)
    opacity = loaded.overlays.GetDisplayNode().GetSegmentOpacity2DOutline(f"conservative-{PANCREAS}")
    assert opacity == pytest.approx(0.35)


def test_a_class_gets_another_color(loaded, ui, dialogs, process_events):
    dialogs.answer("QColorDialog.getColor", qt.QColor(0, 51, 255))
    click(swatches(ui, "result")[1])
    process_events()
    tumor = loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{TUMOR}")
    assert tumor.GetColor() == pytest.approx((0.0, 0.2, 1.0))
    assert swatches(ui, "radical")[1].color.blue() > 200, "its tone follows"
    assert 100 < swatches(ui, "conservative")[1].color.blue() < 200


def test_a_color_that_was_not_chosen_changes_nothing(loaded, ui, dialogs, process_events):
    before = loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{TUMOR}").GetColor()
    dialogs.answer("QColorDialog.getColor", qt.QColor())
    click(swatches(ui, "result")[1])
    process_events()
    assert loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{TUMOR}").GetColor() == before


def test_painting_does_not_round_colors(loaded, ui, presenter, process_events):
    segment = loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{PANCREAS}")
    segment.SetColor(0.1234, 0.2345, 0.3456)
    process_events()
    presenter.changed.send()
    assert segment.GetColor() == (0.1234, 0.2345, 0.3456)


def test_what_another_module_changes_is_seen(loaded, ui, process_events):
    loaded.overlays.GetDisplayNode().SetVisibility(False)
    process_events()
    assert checked(ui, IN_SLICES) == [True, False, False, False, False]


@pytest.mark.parametrize(
    "button, drawn",
    [
        ("contoursLookButton", [1, 1, 1, 1, 0]),
        ("filledLookButton", [1, 0, 0, 0, 0]),
        ("uncertaintyLookButton", [1, 0, 0, 0, 1]),
        ("anatomyLookButton", [0, 0, 0, 0, 0]),
    ],
)
def test_looks_and_which_of_them_is_on(loaded, ui, process_events, button, drawn):
    click(cell(ui, "uncertainty", IN_SLICES))
    process_events(until=lambda: not any(look.isChecked() for look in looks(ui)))
    click(getattr(ui, button))
    process_events(until=lambda: not ui.overlaysStatusLabel.isVisible())
    assert checked(ui, IN_SLICES) == [bool(flag) for flag in drawn]
    assert [look for look in looks(ui) if look.isChecked()] == [getattr(ui, button)]
    assert ui.overlaysSection.text == f"Overlays and volumes: {getattr(ui, button).text}"
    in_3d = [button != "anatomyLookButton", False, False, False]
    process_events(until=lambda: checked(ui, IN_3D) == in_3d)


def test_the_map_with_its_colors_and_its_legend(loaded, context, ui, process_events):
    click(ui.legendCheckBox)
    process_events()
    view = context.scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert view.GetForegroundVolumeID() == loaded.uncertainty.GetID()
    assert checked(ui, IN_SLICES)[-1]
    combo = cell(ui, "uncertainty", COLOR)
    choose(combo, entries(combo)[-1])
    assert loaded.uncertainty.GetDisplayNode().GetColorNode().GetName() == combo.currentText
    click(cell(ui, "uncertainty", IN_SLICES))
    process_events()
    assert not ui.legendCheckBox.isChecked()
    # A view looks whether the map is drawn only when the legend changes.
    drawn, legend = [], context.scene.GetFirstNodeByClass("vtkMRMLColorLegendDisplayNode")
    legend.AddObserver("ModifiedEvent", lambda *_: drawn.append(view.GetForegroundVolumeID()))
    click(ui.legendCheckBox)
    assert legend.GetVisibility() and drawn[-1] == loaded.uncertainty.GetID()


def test_the_caution_slider_draws_the_region_and_says_what_it_means(load, ui, tmp_path, process_events):
    loaded = load(tmp_path / "a" / "segment 1", caution=1.37)
    assert ui.cautionSlider.value == pytest.approx(1.37)
    assert greyed(ui.cautionResetButton) == "The region is shown as it was computed."
    before = ui.cautionMeaningLabel.text
    assert before.startswith("A missed error weighs as much as 3.9 false alarms. Flags ") and before.endswith(" mL.")
    ui.cautionSlider.setValue(3.0)
    process_events(until=lambda: ui.cautionMeaningLabel.text != before)
    assert "The outlines stay as computed, at caution 1.37." in ui.cautionMeaningLabel.text
    assert float(loaded.overlays.GetAttribute("CoraNetSlicer.DrawnCaution")) == 3.0
    click(ui.cautionResetButton)
    process_events(until=lambda: ui.cautionMeaningLabel.text == before)
    assert loaded.overlays.GetAttribute("CoraNetSlicer.DrawnCaution") == "1.37"


def test_a_model_that_is_beyond_the_slider_is_on_it(load, ui, tmp_path):
    load(tmp_path / "a" / "segment 1", caution=-9.5)
    assert (ui.cautionSlider.minimum, ui.cautionSlider.value, ui.cautionSlider.maximum) == (-10.0, -9.5, 6.0)


def test_volumes_are_shown_and_copied(loaded, ui, application, presenter):
    rows = cells(ui.volumesTable)
    assert [row[0] for row in rows] == ["Pancreas", "Tumor", "Uncertain region"]
    for row in rows[:2]:
        result, conservative, radical = map(float, row[1:])
        assert 0 < conservative < result < radical
    assert rows[2][2:] == ["", ""]
    click(ui.copyVolumesButton)
    assert application.clipboard == presenter.volumes_text()
    assert application.clipboard.count("\n") == 4


def test_another_result_is_chosen(loaded, load, ui, tmp_path, process_events):
    other = load(tmp_path / "b" / "segment 2")
    assert ui.resultCombo.currentIndex == 1
    choose(ui.resultCombo, f"{CASE_ID} (segment 1)")
    process_events()
    assert loaded.segmentation.GetDisplayNode().GetVisibility()
    assert not other.segmentation.GetDisplayNode().GetVisibility()


def test_a_result_that_vanishes_before_it_is_chosen_is_said_beside_the_field(
    loaded, load, ui, context, tmp_path, process_events
):
    other = load(tmp_path / "b" / "segment 2")
    context.scene.RemoveNode(loaded.segmentation)
    ui.resultCombo.setCurrentIndex(0)
    assert ui.overlaysErrorLabel.text == "This result is no longer in the scene; choose another."
    process_events()
    assert entries(ui.resultCombo) == [other.volume.GetName()]


@pytest.mark.slow
def test_many_classes_have_a_swatch_each(load, ui, tmp_path):
    names = [f"Segment {value}" for value in range(1, 21)]
    labels = [{"value": value, "name": name, "color": None} for value, name in enumerate(names, start=1)]
    load(tmp_path / "a" / "segment 1", labels=labels)
    assert len(swatches(ui, "result")) == 20
    assert ui.overlaysTable.rowHeight(0) > 2 * ui.overlaysTable.rowHeight(3)


def test_a_closed_scene_leaves_the_form_grey(loaded, ui, context, presenter, process_events):
    context.scene.Clear(0)
    presenter.restore()
    process_events()
    assert greyed(ui.filledLookButton) == NO_RESULT
    assert checked(ui, IN_SLICES) == [False] * 5
    assert ui.cautionMeaningLabel.text == ""


class TestPromises:
    PROMISES = [
        {
            "share": share,
            "threshold": 0.3,
            "caution": caution,
            "cases": 9,
            "flagged_ml": 1.0,
            "flagged_share": flagged,
        }
        for share, caution, flagged in ((0.8, 0.0, 0.02), (0.9, 1.5, 0.03))
    ]

    def test_take_the_place_of_numbers(self, load, ui, presenter, tmp_path, process_events):
        load(tmp_path / "a" / "segment 1", doubt="error_model", tolerance_mm=1.0, promises=self.PROMISES)
        assert ui.promiseCombo.isVisible() and not ui.cautionSlider.isVisible()
        assert ui.promiseCombo.currentText == "80 % of the errors: 2.0 % nearby"
        before = ui.cautionMeaningLabel.text
        ui.promiseCombo.setCurrentIndex(1)
        process_events(until=lambda: ui.cautionMeaningLabel.text != before)
        assert ui.cautionMeaningLabel.text.startswith("About 90 % ") and presenter.caution.value == 1.5
        click(ui.cautionResetButton)
        process_events(until=lambda: ui.promiseCombo.currentIndex == 0)

    def test_a_result_that_is_not_good_says_so_in_the_list_and_why(self, load, ui, tmp_path):
        load(tmp_path / "a" / "segment 1", quality={"dice": 0.7, "verdict": "look", "reasons": ["Unlike the others."]})
        assert ui.resultCombo.currentText.endswith(" - look: Dice about 0.70")
        assert ui.resultQualityLabel.text == "Check this result. Unlike the others."

    def test_without_any_the_slider_is_there(self, load, ui, tmp_path):
        load(tmp_path / "a" / "segment 1")
        assert ui.cautionSlider.isVisible() and not ui.promiseCombo.isVisible()
        assert not ui.resultQualityLabel.isVisible()
