"""The section Review with the keyboard and the mouse: what is decided, where one looks, and which keys are whose."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import numpy as np
import pytest
from clicks import cells, click, greyed, tool_tip
from mrml_widgets import qMRMLSegmentEditorWidget
from PySide6.QtTest import QTest
from pythonqt import unwrap
from reviewable import EFFECT, ML, NUMBER, STATUS, STRUCTURE, a_reviewable_job, green, selected, statuses
from scene_builders import crop_in_place, labels_of
from synthetic_predictions import CASE_ID, synthetic_heads

from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.review.result_loading import ResultLoading
from CoraNetSlicerLib.review.section import ReviewSection
from CoraNetSlicerLib.review.segment_layers import SegmentLayers

HEADS = synthetic_heads()


DECIDING = ("conservativeRegionButton", "radicalRegionButton", "keepRegionButton", "editRegionButton")
MOVING = ("nextRegionButton", "previousRegionButton")


class TestWhatIsShown:
    def test_without_a_result_everything_is_grey_and_says_why(self, presenter, ui):
        names = (*DECIDING, *MOVING, "undoRegionButton", "redoRegionButton")
        assert {greyed(getattr(ui, name)) for name in names} == {"Segment a volume first."}
        assert ui.reviewTitleLabel.text == "Segment a volume first."
        assert not ui.regionsTable.isVisible() and not ui.reviewProgressBar.isVisible()

    def test_the_worklist_in_rank_order(self, loaded, presenter, ui):
        rows = cells(ui.regionsTable)
        assert [row[NUMBER] for row in rows] == [str(n) for n in range(1, len(rows) + 1)] and len(rows) > 5
        effects = [float(row[EFFECT]) for row in rows]
        assert effects == sorted(effects, reverse=True)
        assert {row[STRUCTURE] for row in rows} >= {"Pancreas", "Tumor"}
        assert set(statuses(ui)) == {"open"} and selected(ui) == [0] and green(ui) == []
        assert ui.resultCombo.currentText == CASE_ID and not ui.reviewTitleLabel.isVisible()
        assert ui.reviewProgressLabel.text == f"0 of {len(rows)} reviewed, 0 % of the uncertain volume cleared"

    def test_what_each_choice_would_do_is_said(self, loaded, presenter, ui):
        lines = ui.regionQuestionLabel.text.split("\n")
        region = presenter.review.regions.region(1)
        assert lines[0].startswith("Region 1: ") and lines[0].endswith(" mL.")
        value, ml = next(iter(region.changes_ml["radical"].items()))
        name = next(label.name for label in loaded.labels if label.value == value)
        assert lines[2].startswith(f"Radical (2): {'+' if ml > 0 else '-'}{abs(ml):.2f}"[:16]) and name in lines[2]

    def test_a_head_sorts_and_next_follows(self, loaded, presenter, ui, process_events):
        unwrap(ui.regionsTable.horizontalHeader()).sectionClicked.emit(ML)
        process_events()
        sizes = [float(row[ML]) for row in cells(ui.regionsTable)]
        assert sizes == sorted(sizes, reverse=True)
        before = selected(ui)[0]
        click(ui.nextRegionButton)
        assert selected(ui) == [before + 1]
        unwrap(ui.regionsTable.horizontalHeader()).sectionClicked.emit(NUMBER)
        process_events()
        assert [row[NUMBER] for row in cells(ui.regionsTable)][:3] == ["1", "2", "3"]

    def test_a_result_without_regions_says_what_to_do(self, overlays, logic, presenter, ui, tmp_path, process_events):
        job = a_reviewable_job(tmp_path / "jobs" / "old")
        job.prediction(CASE_ID).regions.unlink()
        (loaded,) = logic.loadResults(job.folder, show=False)
        overlays.show(loaded)
        process_events()
        process_events(until=lambda: "run 'coranet regions'" in ui.reviewTitleLabel.text)
        assert "run 'coranet regions'" in greyed(ui.keepRegionButton)

    @pytest.mark.slow
    def test_another_result_has_its_own_list(self, loaded, load, overlays, ui, process_events, window):
        window.press("1")
        load("segment 2")
        process_events(until=lambda: set(statuses(ui)) == {"open"})
        overlays.choose(str(loaded.segmentation.GetID()))
        process_events(until=lambda: "conservative" in statuses(ui))

    def test_a_review_that_is_on_disk_goes_on(self, loaded, window, logic, ui, process_events):
        window.press("2")
        logic.loadResults(logic.jobsFolder / "segment 1", show=False)
        process_events()
        process_events(until=lambda: statuses(ui) and statuses(ui)[0] == "radical")
        assert green(ui) == [0]

    def test_a_result_is_taken_up_when_it_is_whole(self, overlays, logic, presenter, ui, tmp_path, process_events):
        job = a_reviewable_job(tmp_path / "jobs" / "slow")
        case = job.read_datalist().cases[0]
        volume = find_or_load_volume(logic.context, job, case)
        loading = ResultLoading(logic.context, job.prediction(case.id), volume)
        for step in loading.steps():
            process_events()
            process_events()
            if step != "uncertainty map":
                assert presenter.review is None, step
        overlays.show(loading.loaded)
        process_events(until=lambda: not presenter.reason_not_decidable)
        assert [label.name for label in presenter.review.loaded.labels] == ["Pancreas", "Tumor"]

    def test_a_closed_scene_leaves_the_section_grey(self, loaded, overlays, context, ui, process_events):
        context.scene.Clear(0)
        overlays.restore()
        process_events(until=lambda: not ui.keepRegionButton.isEnabled())
        assert greyed(ui.keepRegionButton) == "Segment a volume first."
        assert not ui.regionsTable.isVisible() and ui.regionsTable.rowCount == 0

    def test_folded_away_nothing_is_read(self, load, presenter, ui, process_events):
        ui.reviewSection.setVisible(False)
        loaded = load(wait=False)
        process_events()
        assert loaded.segmentation.GetAttribute("CoraNetSlicer.Reviewed") is None
        ui.reviewSection.setVisible(True)
        process_events(until=lambda: not presenter.reason_not_decidable)
        assert ui.regionsTable.rowCount > 5


class TestDecidingWithKeys:
    def test_one_two_and_three_decide_and_the_next_one_is_shown(self, loaded, presenter, ui, window, process_events):
        came = window.press("123")
        process_events()
        assert came == [], "nobody else gets these keys"
        assert statuses(ui)[:4] == ["conservative", "radical", "kept", "open"]
        assert green(ui) == [0, 1, 2] and selected(ui) == [3]
        assert ui.reviewProgressLabel.text.startswith("3 of ")
        numbers = presenter.review.regions.regions
        review = json.loads(presenter.review.files.review.read_text())
        assert review["decisions"]["1"]["author"] == "Ada" and len(numbers) > 3

    def test_from_the_key_to_the_painted_voxels_are_few_calls_in_few_files(self, loaded, window, monkeypatch):
        """Whoever reads the way must not follow more: at most six calls in five files of the extension."""
        ways, write = [], SegmentLayers._write_layer

        def written(layers, *given):
            stack = [frame for frame in traceback.extract_stack() if "CoraNetSlicerLib" in frame.filename]
            ways.append([(Path(frame.filename).parts[-2:], frame.name) for frame in stack])
            return write(layers, *given)

        monkeypatch.setattr(SegmentLayers, "_write_layer", written)
        window.press("1")
        assert ways and len(ways[0]) <= 6, ways[0]
        assert len({file for file, _name in ways[0]}) <= 5, ways[0]

    @pytest.mark.slow
    def test_all_is_decided_in_the_end_and_no_voxel_outside_is_touched(
        self, loaded, presenter, ui, window, process_events
    ):
        for _row in range(ui.regionsTable.rowCount):
            window.press("2")
        process_events()
        assert green(ui) == list(range(ui.regionsTable.rowCount))
        assert "100 % of the uncertain volume cleared" in ui.reviewProgressLabel.text
        uncertain = HEADS["conservative"] != HEADS["radical"]
        now = labels_of(loaded)
        np.testing.assert_array_equal(now[~uncertain], HEADS["segmentation"][~uncertain])
        assert (now == HEADS["radical"]).mean() > 0.99

    @pytest.mark.slow
    def test_u_takes_back_and_redo_does_again(self, loaded, ui, window, process_events):
        window.press("22")
        window.press("u")
        process_events()
        assert statuses(ui)[:3] == ["radical", "open", "open"] and selected(ui) == [1]
        click(ui.redoRegionButton)
        process_events()
        assert statuses(ui)[:2] == ["radical", "radical"]
        window.press("uu")
        process_events()
        assert set(statuses(ui)) == {"open"}
        np.testing.assert_array_equal(labels_of(loaded), HEADS["segmentation"])
        assert greyed(ui.undoRegionButton) == "There is no decision to undo."

    def test_a_key_that_cannot_do_anything_says_why(self, loaded, ui, window):
        window.press("u")
        assert ui.reviewErrorLabel.text == "There is no decision to undo."
        window.press("n")
        assert not ui.reviewErrorLabel.isVisible()

    def test_a_reason_that_has_passed_is_not_said_any_more(self, load, presenter, ui, window, process_events):
        load(wait=False)
        process_events(until=lambda: presenter.review is not None)
        window.press("1")
        assert ui.reviewErrorLabel.text == "The places are being read."
        process_events(until=lambda: not presenter.reason_not_decidable)
        process_events()
        assert not ui.reviewErrorLabel.isVisible()

    def test_a_volume_that_is_cropped_in_place_ends_the_review_until_its_result_is_loaded_again(
        self, loaded, logic, overlays, ui, process_events
    ):
        click(ui.radicalRegionButton)
        process_events(until=lambda: "radical" in statuses(ui))
        decided = labels_of(loaded)
        crop_in_place(loaded.volume, (1, 2, 3), (12, 20, 14))
        process_events(until=lambda: "cropped" in ui.reviewTitleLabel.text)
        assert "cropped, resampled or moved" in greyed(ui.keepRegionButton)
        (again,) = logic.loadResults(logic.jobsFolder / "segment 1", show=False)
        assert again.volume is not loaded.volume and again.segmentation is not loaded.segmentation
        overlays.choose(str(again.segmentation.GetID()))
        process_events(until=lambda: "radical" in statuses(ui))
        np.testing.assert_array_equal(labels_of(again), decided)

    def test_a_volume_that_is_deleted_ends_the_review_and_says_why(
        self, context, loaded, presenter, ui, window, process_events
    ):
        window.press("1")
        context.scene.RemoveNode(loaded.volume)
        process_events(until=lambda: presenter.review is None and "no longer in the scene" in presenter.reason)
        assert "the volume of" in ui.reviewTitleLabel.text and "load the result again" in ui.reviewTitleLabel.text
        assert greyed(ui.radicalRegionButton) == presenter.reason

    def test_closing_the_scene_complains_of_nothing(self, context, loaded, presenter, ui, window, process_events):
        from vtkmodules.vtkCommonCore import vtkOutputWindow

        complaints = []
        window.press("12")
        output = vtkOutputWindow.GetInstance()
        tags = [
            output.AddObserver(event, lambda _w, kind: complaints.append(kind))
            for event in ("ErrorEvent", "WarningEvent")
        ]
        context.scene.Clear(0)
        process_events(until=lambda: presenter.review is None)
        process_events()
        for tag in tags:
            output.RemoveObserver(tag)
        assert complaints == [] and presenter.reason == "Segment a volume first."

    def test_a_key_that_is_held_down_decides_once(self, loaded, ui, window, process_events):
        from PySide6.QtCore import QEvent, Qt
        from PySide6.QtGui import QKeyEvent
        from PySide6.QtWidgets import QApplication

        window.press("2")
        for _repeat in range(5):
            event = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_2, Qt.KeyboardModifier.NoModifier, "2", True)
            QApplication.sendEvent(window.view, event)
        process_events()
        assert green(ui) == [0]


class TestWhoseKeys:
    def test_they_work_in_a_table_as_well(self, loaded, ui, window, process_events):
        window.press("3", on=ui.regionsTable)
        process_events()
        assert statuses(ui)[0] == "kept"

    @pytest.mark.parametrize("filled_pages", [frozenset({"reviewPage", "trainPage"})], ids=["two pages"])
    @pytest.mark.parametrize("name", ["trainingNameEdit", "settingsFilterEdit"])
    def test_they_are_letters_in_a_text_field(self, loaded, ui, window, process_events, name):
        field = getattr(ui, name)
        field.setText("")
        window.press("1eunp23", on=field)
        process_events()
        assert field.text == "1eunp23"
        assert set(statuses(ui)) == {"open"}

    def test_they_are_digits_in_a_spin_box(self, loaded, ui, window, process_events):
        opacity = ui.overlaysTable.cellWidget(0, 3)
        opacity.setFocus()
        opacity.selectAll()
        window.press("31", on=opacity)
        assert unwrap(opacity).text().startswith("31")
        window.press("2n", on=ui.cautionSlider.findChildren("QDoubleSpinBox")[0])
        process_events()
        assert set(statuses(ui)) == {"open"}

    def test_a_text_that_cannot_be_typed_into_is_no_field(self, loaded, ui, window, process_events):
        ui.callsSection.setVisible(True)
        window.press("1", on=ui.callsText)
        process_events()
        assert statuses(ui)[0] == "conservative"

    def test_out_of_sight_the_views_have_their_keys_back(self, loaded, presenter, ui, window, process_events):
        presenter.section.set_active(False)
        assert window.press("123eunp") == list("123eunp")
        assert set(statuses(ui)) == {"open"}
        presenter.section.set_active(True)
        assert window.press("1") == []
        process_events()
        assert statuses(ui)[0] == "conservative"

    def test_folded_away_they_are_the_views(self, loaded, ui, window, process_events):
        ui.reviewSection.setVisible(False)
        assert window.press("1n") == ["1", "n"]
        ui.reviewSection.setVisible(True)
        process_events()
        assert window.press("1") == []

    def test_with_the_panel_closed_they_are_the_views(self, loaded, window, process_events):
        window.dock.hide()
        process_events()
        assert window.press("1") == ["1"]
        window.dock.show()
        process_events()
        assert window.press("1") == []

    def test_without_a_review_they_are_the_views(self, presenter, window):
        assert window.press("12u") == ["1", "2", "u"]

    def test_a_panel_that_was_never_entered_has_none(self, loaded, presenter, ui, application, window):
        presenter.section.cleanup()
        section = ReviewSection(ui, presenter, application)
        assert window.press("1") == ["1"]
        section.cleanup()

    def test_after_cleaning_up_there_is_none(self, loaded, presenter, window):
        presenter.section.cleanup()
        assert window.press("1") == ["1"]


class TestEditing:
    def test_e_shows_the_segment_editor_in_the_panel_confined_to_the_region(
        self, loaded, context, application, ui, window, process_events
    ):
        window.press("e")
        process_events()
        assert application.shown == [] or application.shown[-1][0] != "show_segment_editor"
        editor = context.scene.GetSingletonNode("CoraNetSlicerEditor", "vtkMRMLSegmentEditorNode")
        assert editor.GetMaskSegmentID() == "coranet-region" and editor.GetActiveEffectName() == "Paint"
        (widget,) = unwrap(ui.regionEditorHost).findChildren(qMRMLSegmentEditorWidget)
        assert widget.isVisible() and widget.mrmlSegmentEditorNode() is editor and not widget.maskingSectionVisible
        assert ui.doneEditingButton.isVisible() and not ui.decidingBox.isVisible()
        assert ui.editingLabel.text == "Region 1: paint or erase. Nothing outside of it changes."
        for name in (*DECIDING, "undoRegionButton", "redoRegionButton"):
            assert greyed(getattr(ui, name)) == "Region 1 is being edited; keep or discard the edit first."
        window.press("1")
        assert ui.reviewErrorLabel.text == "Region 1 is being edited; keep or discard the edit first."
        assert set(statuses(ui)) == {"open"}

    def test_the_brush_rests_while_nobody_sees_the_panel(self, loaded, context, ui, window, process_events):
        window.press("e")
        editor = context.scene.GetSingletonNode("CoraNetSlicerEditor", "vtkMRMLSegmentEditorNode")
        window.dock.hide()
        process_events()
        assert not editor.GetActiveEffectName()
        window.dock.show()
        process_events()
        assert editor.GetActiveEffectName() == "Paint" and ui.doneEditingButton.isVisible()

    def test_where_there_is_no_such_widget_the_module_opens(
        self, loaded, context, application, ui, window, process_events
    ):
        application.has_segment_editor = False
        window.press("e")
        process_events()
        hint = "Region 1: paint or erase. Then go back to CoraNet and click Done or Discard."
        assert application.shown[-1] == ("show_segment_editor", hint)
        editor = context.scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        assert editor.GetMaskSegmentID() == "coranet-region" and editor.GetActiveEffectName() == "Paint"
        assert ui.editingLabel.text.startswith("Region 1 is being edited in the Segment Editor")
        window.dock.hide()
        process_events()
        assert editor.GetActiveEffectName() == "Paint", "the panel is out of sight while the module is open"

    def test_what_was_painted_is_kept(self, loaded, presenter, application, ui, window, process_events):
        window.press("e")
        process_events()
        click(ui.doneEditingButton)
        process_events()
        assert application.shown[-1] == ("clear_hint",)
        assert statuses(ui)[0] == "edited" and selected(ui) == [1]
        assert not ui.doneEditingButton.isVisible() and not ui.regionEditorHost.isVisible()
        assert ui.decidingBox.isVisible()

    def test_or_discarded(self, loaded, ui, window, process_events):
        window.press("e")
        process_events()
        click(ui.discardEditButton)
        process_events()
        assert statuses(ui)[0] == "open" and selected(ui) == [0]
        assert greyed(ui.undoRegionButton)


class TestOverlays:
    @pytest.mark.slow
    def test_the_bounds_narrow_with_each_decision(self, loaded, overlays, ui, window, process_events):
        def width() -> float:
            return sum(abs(volume.radical_ml - volume.conservative_ml) for volume in overlays.volumes[:2])

        widths = [width()]
        for _row in range(ui.regionsTable.rowCount):
            window.press("2")
            process_events(until=lambda: not overlays.reason_not_copyable)
            process_events()
            widths.append(width())
        assert widths[-1] < 0.2 * widths[0]
        window.press("u")
        process_events(until=lambda: not overlays.reason_not_copyable)
        process_events()
        assert width() > widths[-1]

    def test_what_is_decided_is_not_uncertain_any_more(self, loaded, overlays, ui, window, process_events):
        before = overlays.caution.region.ml
        window.press("2")
        process_events(until=lambda: overlays.caution.region.ml < before)
        after = overlays.caution.region.ml
        ui.cautionSlider.setValue(2.5)
        process_events(until=lambda: overlays.caution.region.ml != after)
        ui.cautionSlider.setValue(0.0)
        process_events(until=lambda: overlays.caution.region.ml == pytest.approx(after))
        window.press("u")
        process_events(until=lambda: overlays.caution.region.ml == pytest.approx(before))


class TestConsole:
    def test_each_action_says_its_call(self, loaded, ui, window, calls):
        window.press("2")
        assert calls.last == f'logic.resolveRegion("{loaded.segmentation.GetName()}", 1, "radical", author="Ada")'
        for keys, call in (("n", "showRegion"), ("u", "undoRegion"), ("e", "editRegion")):
            window.press(keys)
            assert calls.last.startswith(f"logic.{call}(")
        click(ui.discardEditButton)
        assert calls.last == f'logic.finishEdit("{loaded.segmentation.GetName()}", accept=False)'

    def test_the_calls_do_what_the_buttons_did(self, loaded, logic, window, calls, process_events):
        window.press("213u")
        after = labels_of(loaded)
        logged = calls.text.splitlines()
        while logic.undoRegion(loaded) is not None:
            pass
        np.testing.assert_array_equal(labels_of(loaded), HEADS["segmentation"])
        for line in logged[1:]:
            eval(line, {"logic": logic})
        np.testing.assert_array_equal(labels_of(loaded), after)

    def test_what_the_console_decides_is_seen(self, loaded, logic, ui, process_events):
        logic.resolveRegion(loaded, 2, "radical", author="Bob")
        process_events()
        assert statuses(ui)[1] == "radical"
        assert "Decided by Bob." in unwrap(ui.regionsTable.item(1, STATUS)).toolTip()

    def test_a_console_that_is_faster_than_the_reading_keeps_its_decision(
        self, load, logic, presenter, ui, process_events
    ):
        loaded = load(wait=False)
        process_events(until=lambda: presenter.review is not None)
        logic.resolveRegion(loaded, 1, "radical")
        process_events(until=lambda: not presenter.reason_not_decidable)
        process_events(until=lambda: statuses(ui)[0] == "radical")
        logic.resolveRegion(loaded, 1, "keep")
        np.testing.assert_array_equal(labels_of(loaded), HEADS["segmentation"])


def test_a_folder_that_is_gone_is_said_beside_the_list(loaded, presenter, ui, window, process_events):
    import shutil

    shutil.rmtree(presenter.review.files.folder)
    window.press("2")
    process_events()
    assert "is no longer there" in ui.reviewErrorLabel.text
    assert statuses(ui)[0] == "radical"


def test_tool_tips_name_the_keys(presenter, ui, load):
    load()
    for name, key in zip((*DECIDING, *MOVING), "123ENP", strict=True):
        assert f"Key: {key}" in tool_tip(getattr(ui, name)) and f"({key})" in getattr(ui, name).text


def test_keys_are_really_pressed(window):
    QTest.keyClick(window.view, "x")
    assert window.view.keys == ["x"]
