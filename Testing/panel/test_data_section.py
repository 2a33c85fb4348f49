"""The section Data: a person adds, chooses, unchecks, removes and drops."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import qt
from clicks import cell, cells, choose, click, drop_files, entries, greyed, tool_tip
from pythonqt import unwrap
from scene_builders import LIVER_MASK, SHAPE_KJI, TUMOR_MASK, add_segmentation, add_volume, rotated_ijk_to_ras

from coranet.contract import CaseUncertainty
from CoraNetSlicerLib.core.notification import Signal
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.case_rows import CaseRole
from CoraNetSlicerLib.data.presenter import CasesPresenter
from CoraNetSlicerLib.data.section import DataSection


@pytest.fixture
def filled_pages():
    return frozenset({"dataPage"})


@pytest.fixture
def section(ui, cases, application, process_events):
    section = DataSection(ui, cases, application)
    yield section
    section.cleanup()
    process_events()


@pytest.fixture
def add_scan(context):
    """Adds a volume of noise, with a segmentation if masks are given: `add_scan("A", Liver=mask)`."""

    def add(name: str, **masks):
        array = np.random.default_rng([*map(ord, name)]).normal(100, 20, SHAPE_KJI).astype(np.int16)
        volume = add_volume(context, name, array, rotated_ijk_to_ras())
        return volume, add_segmentation(context, f"{name} truth", volume, masks) if masks else None

    return add


@pytest.fixture
def a_scene(add_scan):
    """Three labeled cases and two unlabeled ones."""
    labeled = [add_scan(f"L{number}", Liver=LIVER_MASK, Tumor=TUMOR_MASK) for number in range(3)]
    return labeled, [add_scan("U0"), add_scan("U1")]


@pytest.fixture
def a_datalist(awkward_path):
    for folder in ("images", "labels"):
        (awkward_path / folder).mkdir()
        (awkward_path / folder / "a.nrrd").write_bytes(b"")
    path = awkward_path / "dataset.json"
    row = {"image": "images/a.nrrd", "label": "labels/a.nrrd"}
    path.write_text(json.dumps({"labels": {"1": "Liver"}, "training": [row]}), encoding="utf-8")
    return path


@pytest.fixture
def filled(section, ui, a_scene, process_events):
    process_events()
    click(ui.addVolumesButton)
    process_events()
    return a_scene


def combo(ui, row, column):
    return ui.casesTable.cellWidget(row, column)


def tool_tip_of_entry(box, index):
    return box.itemData(index, qt.Qt.ToolTipRole)


def test_an_empty_scene_says_what_to_do(section, ui):
    assert ui.dataSummaryLabel.text.startswith(
        "Add volumes: three to ten with a segmentation, the rest without. For a first try"
    )
    assert greyed(ui.addVolumesButton) == "There is no volume in the scene. Load one first."
    assert greyed(ui.removeCasesButton) == "Select rows first."
    assert not ui.segmentsList.isVisible()
    assert not ui.dataFindingsLabel.isVisible()
    assert not ui.dataErrorLabel.isVisible()


def test_a_volume_that_is_loaded_can_be_added(section, ui, add_scan, process_events):
    add_scan("A")
    process_events()
    assert greyed(ui.addVolumesButton) == ""
    click(ui.addVolumesButton)
    process_events()
    assert cells(ui.casesTable) == [["A", "Unlabeled", "none", "OK", ""]]
    assert "No case is labeled" in ui.dataFindingsLabel.text
    assert greyed(ui.addVolumesButton) == "All volumes of the scene are in the table."


def test_one_click_adds_twelve_volumes_with_the_segmentations_of_four(section, ui, context, add_scan, process_events):
    for number in range(1, 13):
        _volume, drawn = add_scan(f"image{number:03d}", **({"Liver": LIVER_MASK} if number <= 4 else {}))
        if drawn is not None:
            drawn.SetName(f"label{number:03d}")
            drawn.SetNodeReferenceID(drawn.GetReferenceImageGeometryReferenceRole(), None)
    process_events()
    click(ui.addVolumesButton)
    process_events()
    labeled = [[f"image{n:03d}", "Labeled", f"label{n:03d}", "OK", ""] for n in range(1, 5)]
    unlabeled = [[f"image{n:03d}", "Unlabeled", "none", "OK", ""] for n in range(5, 13)]
    assert cells(ui.casesTable) == [*labeled, *unlabeled]


class KnownRanking:
    """A ranking that knows what a test says."""

    def __init__(self, shares):
        self.changed = Signal()
        self.shares = shares

    def of(self, row):
        share = self.shares.get(row.name)
        reason = f"{100 * (share or 0):.0f} % of the predicted Liver is uncertain; 3 regions over 1 mL"
        return None if share is None else CaseUncertainty(row.name, Path(), share, {}, 5.0, 3, 0, 1.0, 3, reason)


def test_cases_are_ranked_by_what_is_uncertain(ui, cases, application, a_scene, process_events):
    ranking = KnownRanking({"U0": 0.04, "U1": 0.14})
    section = DataSection(ui, cases, application, ranking)
    click(ui.addVolumesButton)
    process_events()
    header = unwrap(ui.casesTable.horizontalHeader())
    assert [row[4] for row in cells(ui.casesTable)] == ["", "", "", "4 %", "14 %"]
    assert unwrap(ui.casesTable.item(4, 4)).toolTip().startswith("14 % of the predicted Liver is uncertain; 3 regions")
    orders = []
    for _click in range(3):
        header.sectionClicked.emit(4)
        process_events()
        orders.append([row[0] for row in cells(ui.casesTable)])
    assert orders == [["U1", "U0", "L0", "L1", "L2"], ["U0", "U1", "L0", "L1", "L2"], ["L0", "L1", "L2", "U0", "U1"]]
    header.sectionClicked.emit(0)
    ranking.shares["L0"] = 0.5
    ranking.changed.send()
    process_events()
    assert cells(ui.casesTable)[0][4] == "50 %"
    section.cleanup()


def test_a_sorted_row_is_the_one_that_is_changed(ui, cases, application, a_scene, process_events):
    section = DataSection(ui, cases, application, KnownRanking({"U0": 0.04, "U1": 0.14}))
    click(ui.addVolumesButton)
    process_events()
    unwrap(ui.casesTable.horizontalHeader()).sectionClicked.emit(4)
    process_events()
    ui.casesTable.selectRow(0)
    click(ui.removeCasesButton)
    process_events()
    assert [row.name for row in cases.rows] == ["L0", "L1", "L2", "U0"]
    choose(combo(ui, 0, 1), "Ignore")
    assert cases.rows[3].role is CaseRole.IGNORED
    section.cleanup()


def test_a_filled_table(filled, ui):
    assert cells(ui.casesTable) == [
        ["L0", "Labeled", "L0 truth", "OK", ""],
        ["L1", "Labeled", "L1 truth", "OK", ""],
        ["L2", "Labeled", "L2 truth", "OK", ""],
        ["U0", "Unlabeled", "none", "OK", ""],
        ["U1", "Unlabeled", "none", "OK", ""],
    ]
    assert ui.dataSummaryLabel.text == "3 labeled, 2 unlabeled."
    assert not ui.dataFindingsLabel.isVisible()
    assert [ui.segmentsList.item(index).text() for index in range(ui.segmentsList.count)] == ["Liver", "Tumor"]


def test_a_role_is_chosen_in_its_cell(filled, ui, cases, process_events):
    kept = combo(ui, 0, 1)
    choose(kept, "Validation")
    process_events()
    assert cell(ui.casesTable, 0, 1) == "Validation"
    assert ui.dataSummaryLabel.text == "2 labeled, 2 unlabeled, 1 for validation."
    assert "Only 2 labeled" in ui.dataFindingsLabel.text
    assert combo(ui, 0, 1) is kept, "a combo box was replaced while it was in use"
    choose(kept, "Ignore")
    process_events()
    assert cell(ui.casesTable, 0, 3) == ""


def test_a_segmentation_is_chosen_in_its_cell(filled, ui, context, process_events):
    add_segmentation(context, "late", filled[1][0][0], {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK})
    process_events()
    assert entries(combo(ui, 3, 2)) == ["none", "late"]
    assert entries(combo(ui, 0, 2)) == ["none", "L0 truth", "late"]
    choose(combo(ui, 3, 2), "late")
    process_events()
    assert cells(ui.casesTable)[3] == ["U0", "Labeled", "late", "OK", ""]
    assert entries(combo(ui, 0, 2)) == ["none", "L0 truth"]
    choose(combo(ui, 3, 2), "none")
    process_events()
    assert cells(ui.casesTable)[3] == ["U0", "Unlabeled", "none", "OK", ""]


def test_what_is_wrong_is_said_in_the_row_and_below(filled, ui, process_events):
    filled[0][1][1].GetSegmentation().GetNthSegment(1).SetName("Lesion")
    process_events()
    assert cell(ui.casesTable, 1, 3) == "segment names"
    sentence = "'L1 truth' lacks 'Tumor'. It has 'Liver', 'Lesion'"
    assert ui.casesTable.item(1, 3).toolTip().startswith(sentence)
    assert sentence in ui.dataFindingsLabel.text
    assert ui.dataFindingsLabel.isVisible()
    texts = [ui.segmentsList.item(index).text() for index in range(ui.segmentsList.count)]
    assert texts == ["Liver", "Tumor (in 2 of 3 cases)", "Lesion (in 1 of 3 cases)"]


def test_segments_that_are_unchecked_are_not_learned(filled, ui, cases, process_events):
    ui.segmentsList.item(0).setCheckState(qt.Qt.Unchecked)
    process_events()
    assert cases.training_nodes().segment_names == ["Tumor"]
    assert ui.segmentsList.item(0).checkState() == qt.Qt.Unchecked
    ui.segmentsList.item(1).setCheckState(qt.Qt.Unchecked)
    process_events()
    assert ui.dataFindingsLabel.text == "\u2716 No segment is checked. Check at least one to learn."
    ui.segmentsList.item(0).setCheckState(qt.Qt.Checked)
    process_events()
    assert cases.training_nodes().segment_names == ["Liver"]


def test_selected_rows_are_removed(filled, ui, process_events):
    ui.casesTable.selectRow(1)
    assert greyed(ui.removeCasesButton) == ""
    click(ui.removeCasesButton)
    process_events()
    assert [row[0] for row in cells(ui.casesTable)] == ["L0", "L2", "U0", "U1"]
    assert greyed(ui.removeCasesButton) == "Select rows first."
    assert greyed(ui.addVolumesButton) == ""


def test_a_double_click_shows_the_volume(filled, ui, application):
    ui.casesTable.cellDoubleClicked.emit(3, 0)
    assert application.shown == [("show_volume", filled[1][0][0])]


def test_a_datalist_is_added(section, ui, application, a_datalist, process_events):
    application.answers = {"choose": ["datalist"], "choose_file": [str(a_datalist)]}
    click(ui.addFilesButton)
    process_events()
    assert cells(ui.casesTable) == [["a", "Labeled", "a.nrrd", "OK", ""]]
    assert entries(combo(ui, 0, 2)) == ["none", "a.nrrd", "Choose a file..."]
    assert tool_tip(combo(ui, 0, 2)).startswith("a.nrrd")
    assert application.setting("CasesFolder") == str(a_datalist)
    click(ui.addFilesButton)
    process_events()
    assert "no case that is not yet in the table" in ui.dataErrorLabel.text
    assert ui.dataErrorLabel.isVisible()


def test_files_are_looked_at_when_there_is_time(section, ui, cases, application, a_datalist, process_events):
    (a_datalist.parent / "labels" / "a.nrrd").unlink()
    application.answers = {"choose": ["datalist"], "choose_file": [str(a_datalist)]}
    click(ui.addFilesButton)
    process_events(until=lambda: not cases.has_unseen_files)
    process_events()
    assert cell(ui.casesTable, 0, 3) == "file missing"
    assert "labels/a.nrrd' does not exist" in ui.dataFindingsLabel.text.replace("\\", "/")


def test_a_folder_is_added(section, ui, application, a_datalist, process_events):
    application.answers = {"choose": ["folder"], "choose_folder": [str(a_datalist.parent / "images")]}
    click(ui.addFilesButton)
    process_events()
    assert cells(ui.casesTable) == [["a", "Unlabeled", "none", "OK", ""]]


def test_whoever_changes_their_mind_adds_nothing(section, ui, application, process_events):
    click(ui.addFilesButton)
    application.answers = {"choose": ["folder"]}
    click(ui.addFilesButton)
    process_events()
    assert ui.casesTable.rowCount == 0
    assert not ui.dataErrorLabel.isVisible()


def test_a_wrong_folder_is_told_beside_the_button(section, ui, application, tmp_path):
    application.answers = {"choose": ["folder"], "choose_folder": [str(tmp_path)]}
    click(ui.addFilesButton)
    assert "holds no image" in ui.dataErrorLabel.text
    assert ui.dataErrorLabel.isVisible()


def test_files_can_be_dropped(section, ui, a_datalist, tmp_path, process_events):
    viewport = ui.casesTable.viewport()
    assert drop_files(viewport, a_datalist)
    process_events()
    assert cells(ui.casesTable) == [["a", "Labeled", "a.nrrd", "OK", ""]]
    assert drop_files(viewport, tmp_path / "nothing")
    assert "does not exist" in ui.dataErrorLabel.text


def test_volumes_of_the_data_module_can_be_dropped(section, ui, context, a_scene, process_events):
    hierarchy = context.subject_hierarchy
    items = [
        hierarchy.CreateItem(hierarchy.GetSceneItemID(), volume) for volume in (a_scene[1][0][0], a_scene[0][2][0])
    ]

    def current_items(found):
        for item in items:
            found.InsertNextId(item)

    accepted = []
    event = SimpleNamespace(
        type=lambda: qt.QEvent.Drop,
        mimeData=lambda: SimpleNamespace(urls=lambda: ()),
        source=lambda: SimpleNamespace(currentItems=current_items),
        acceptProposedAction=lambda: accepted.append(True),
    )
    assert section._on_event(event)
    process_events()
    assert accepted == [True]
    assert cells(ui.casesTable) == [["L2", "Labeled", "L2 truth", "OK", ""], ["U0", "Unlabeled", "none", "OK", ""]]
    section._on_event(event)
    assert "Nothing new" in ui.dataErrorLabel.text


def test_another_label_map_is_chosen_for_an_image_on_disk(section, ui, application, cases, a_datalist, process_events):
    cases.add_files(a_datalist)
    process_events()
    choose(combo(ui, 0, 2), "Choose a file...")
    process_events()
    assert cell(ui.casesTable, 0, 2) == "a.nrrd", "a person closed the window"
    application.answers = {"choose_file": [str(a_datalist.parent / "images" / "a.nrrd")]}
    choose(combo(ui, 0, 2), "Choose a file...")
    process_events()
    assert cases.rows[0].segmentation.path == str(a_datalist.parent / "images" / "a.nrrd")


def test_a_segment_of_files_is_renamed_in_the_list(section, ui, cases, a_datalist, process_events):
    cases.add_files(a_datalist)
    process_events(until=lambda: not cases.has_unseen_files)
    process_events()
    ui.segmentsList.item(0).setText("Spleen")
    process_events()
    assert [segment.name for segment in cases.segments] == ["Spleen"]
    ui.segmentsList.item(0).setText(" ")
    process_events()
    assert "needs a name of its own" in ui.dataErrorLabel.text
    assert ui.segmentsList.item(0).text() == "Spleen"


def test_long_names_keep_their_beginning_and_their_end(section, ui, add_scan, process_events):
    name = "2026-11-28 Thorax CT with contrast 3"
    add_scan(name, Liver=LIVER_MASK)
    process_events()
    click(ui.addVolumesButton)
    process_events()
    segmentation = combo(ui, 0, 2)
    section._table._rows[0].segmentation.fit(120)
    assert entries(segmentation) == ["none", "\u2026 truth"], "that of the case need not repeat its name"
    section._table._rows[0].segmentation.case = ""
    section._table._rows[0].segmentation.fit(200)
    beginning, end = entries(segmentation)[1].split("\u2026")
    assert name.startswith(beginning) and f"{name} truth".endswith(end) and len(beginning) > 3 < len(end)
    assert tool_tip(segmentation).startswith(f"{name} truth\n")
    assert unwrap(ui.casesTable.item(0, 0)).toolTip().startswith(f"{name}\n")
    assert ui.casesTable.textElideMode == qt.Qt.ElideMiddle


def test_a_column_that_is_empty_is_hidden(ui, cases, application, a_scene, process_events):
    ranking = KnownRanking({})
    section = DataSection(ui, cases, application, ranking)
    click(ui.addVolumesButton)
    process_events()
    assert ui.casesTable.isColumnHidden(4)
    ranking.shares["L0"] = 0.5
    ranking.changed.send()
    process_events()
    assert not ui.casesTable.isColumnHidden(4)
    section.cleanup()


def test_deleted_volumes_vanish(filled, cases, ui, context, process_events):
    context.scene.RemoveNode(filled[0][0][0])
    process_events()
    assert [row[0] for row in cells(ui.casesTable)] == ["L1", "L2", "U0", "U1"]
    context.scene.Clear(0)
    cases.restore()
    process_events()
    assert cells(ui.casesTable) == []
    assert ui.dataSummaryLabel.text.startswith("Add volumes")


def test_many_rows_are_painted_a_few_at_a_time(section, ui, cases, tmp_path, process_events):
    for number in range(50):
        (tmp_path / f"{number:02d}.nrrd").write_bytes(b"")
    cases.add_files(tmp_path)
    process_events(until=lambda: ui.casesTable.rowCount == 50)
    assert [row[0] for row in cells(ui.casesTable)] == [f"{number:02d}" for number in range(50)]
    kept = combo(ui, 49, 1)
    cases.remove(["3", "7"])
    process_events()
    assert ui.casesTable.rowCount == 48
    assert combo(ui, 47, 1) is kept


def test_another_panel_shows_what_the_scene_remembers(filled, section, ui, context, application, process_events):
    choose(combo(ui, 4, 1), "Ignore")
    process_events()
    before = cells(ui.casesTable)
    section.cleanup()
    other = CasesPresenter(context, Parameters(context.scene))
    another = DataSection(ui, other, application)
    assert cells(ui.casesTable) == before
    another.cleanup()
    other.close()


def test_after_cleanup_nothing_is_painted(section, ui, cases, a_scene, process_events):
    cases.add_scene_volumes()
    section.cleanup()
    process_events()
    cases.set_learned("Liver", False)
    process_events()
    assert ui.casesTable.rowCount == 0


class TestChannels:
    @pytest.fixture
    def two(self, section, ui, add_scan, process_events):
        """A labeled T1 and a FLAIR, both in the table, and the column of a second channel."""
        add_scan("P1 T1", Liver=LIVER_MASK)
        add_scan("P1 FLAIR")
        process_events()
        click(ui.addVolumesButton)
        click(ui.addChannelButton)
        process_events()
        return ui

    def heads(self, ui):
        return [ui.casesTable.horizontalHeaderItem(column).text() for column in range(ui.casesTable.columnCount)]

    def test_a_column_appears_when_it_is_asked_for(self, section, ui, process_events):
        assert not ui.channelsWidget.isVisible() and ui.casesTable.columnCount == 5
        click(ui.addChannelButton)
        process_events()
        assert self.heads(ui) == ["Channel 1", "Role", "Segmentation", "Check", "Uncertain", "Channel 2"]
        assert ui.casesTable.horizontalHeader().visualIndex(5) == 1
        assert ui.channelsWidget.isVisible() and ui.channelNamesEdit.text == "Channel 1, Channel 2"
        click(ui.removeChannelButton)
        process_events()
        assert self.heads(ui)[0] == "Volume" and ui.casesTable.columnCount == 5
        assert not ui.channelsWidget.isVisible()

    def test_the_second_image_is_chosen_in_its_cell(self, two, cases, process_events):
        assert cell(two.casesTable, 0, 3).startswith("no Channel 2")
        assert tool_tip_of_entry(combo(two, 0, 5), 1) == "P1 FLAIR"
        combo(two, 0, 5).setCurrentIndex(1)
        process_events()
        assert [row[0] for row in cells(two.casesTable)] == ["P1 T1"]
        assert [node.GetName() for node in cases.rows[0].images] == ["P1 T1", "P1 FLAIR"]
        choose(combo(two, 0, 5), "none")
        process_events()
        assert cases.rows[0].more == (None,)

    def test_channels_get_names(self, two, cases, process_events):
        two.channelNamesEdit.setText("T1, FLAIR")
        unwrap(two.channelNamesEdit).editingFinished.emit()
        process_events()
        assert cases.channels == ("T1", "FLAIR") and self.heads(two)[0] == "T1" and self.heads(two)[5] == "FLAIR"
        two.channelNamesEdit.setText("T1")
        unwrap(two.channelNamesEdit).editingFinished.emit()
        process_events()
        assert "Expected 2 names" in two.dataErrorLabel.text and cases.channels == ("T1", "FLAIR")

    def test_images_on_disk_are_shown_and_cannot_be_changed(self, section, ui, cases, awkward_path, process_events):
        content = {"labels": {"1": "Liver"}, "channels": ["T1", "FLAIR"], "unlabeled": [["a.nrrd", "b.nrrd"]]}
        path = awkward_path / "two.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        cases.add_files(path)
        process_events()
        assert cell(ui.casesTable, 0, 5) == "b" and not combo(ui, 0, 5).isEnabled()
