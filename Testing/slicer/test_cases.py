"""The table of cases: what enters it, what it remembers, and what comes out for a training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import slicer
from queued_application import QueuedApplication
from scene_builders import LIVER_MASK, TUMOR_MASK, add_segmentation

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.case_images import LabelFile
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.core.results import mark_as_case
from CoraNetSlicerLib.core.segment_classes import source_name
from CoraNetSlicerLib.data.case_rows import CaseRole
from CoraNetSlicerLib.data.presenter import CasesPresenter


@pytest.fixture
def a_scene(make_labeled_case, a_scan):
    """Three labeled cases and two unlabeled ones."""
    segments = {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK}
    labeled = [make_labeled_case(f"L{number}", segments, seed=number) for number in range(3)]
    return labeled, [a_scan("U0"), a_scan("U1")]


@pytest.fixture
def a_datalist(awkward_path) -> Path:
    """Three labeled, one unlabeled and one validation image; empty files, since nobody reads them."""
    rows = {
        "training": [{"image": f"images/t{n}.nrrd", "label": f"labels/t{n}.nrrd"} for n in range(3)],
        "unlabeled": ["images/u.nrrd"],
        "validation": [{"image": "images/v.nrrd", "label": "labels/v.nrrd"}],
    }
    for name in ("t0", "t1", "t2", "u", "v"):
        for folder in ("images", "labels"):
            (awkward_path / folder).mkdir(exist_ok=True)
            (awkward_path / folder / f"{name}.nrrd").write_bytes(b"")
    path = awkward_path / "dataset.json"
    path.write_text(json.dumps({"labels": {"0": "background", "2": "Liver", "5": "Tumor"}, **rows}), encoding="utf-8")
    return path


def table(cases):
    """Name, role and name of the segmentation of each row."""
    labels = [None if row.segmentation is None else source_name(row.segmentation) for row in cases.rows]
    return [(row.name, row.role.value, label) for row, label in zip(cases.rows, labels, strict=True)]


class TestAddingVolumes:
    def test_a_segmentation_makes_a_volume_labeled(self, cases, a_scene):
        assert cases.add_scene_volumes() == 5
        assert table(cases) == [
            ("L0", "labeled", "L0 truth"),
            ("L1", "labeled", "L1 truth"),
            ("L2", "labeled", "L2 truth"),
            ("U0", "unlabeled", None),
            ("U1", "unlabeled", None),
        ]
        assert cases.report.summary == "3 labeled, 2 unlabeled."
        assert cases.report.findings_text == ""
        assert cases.reason_not_trainable == ""

    def test_volumes_that_are_there_already_are_left_alone(self, cases, a_scene, a_scan):
        cases.add_scene_volumes()
        cases.set_role("1", CaseRole.VALIDATION)
        assert cases.reason_not_addable == "All volumes of the scene are in the table."
        with pytest.raises(DataError, match="All volumes"):
            cases.add_scene_volumes()
        a_scan("U2")
        assert cases.reason_not_addable == ""
        assert cases.add_scene_volumes() == 1
        assert [row.role for row in cases.rows][::5] == [CaseRole.VALIDATION, CaseRole.UNLABELED]

    def test_an_empty_scene_says_what_to_do(self, cases):
        assert cases.report.summary.startswith(
            "Add volumes: three to ten with a segmentation, the rest without. For a first try"
        )
        assert cases.reason_not_trainable == "Add volumes to the table under Data."
        with pytest.raises(DataError, match="Load one first"):
            cases.add_scene_volumes()

    def test_label_maps_results_and_hidden_volumes_are_no_cases(self, cases, context, a_scan):
        scan = a_scan("scan")
        mark_as_case(scan, "job/scan")  # it was segmented, and still is a scan
        a_scan("label", label=True)
        a_scan("uncertainty").SetAttribute("CoraNetSlicer.PredictionPart", "uncertainty")
        a_scan("hidden").SetHideFromEditors(True)
        context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "not loaded")
        assert cases.add_scene_volumes() == 1
        assert cases.rows[0].volume is scan

    def test_our_own_result_is_no_segmentation_to_learn_from(self, cases, context, a_scan):
        scan = a_scan("scan")
        result = add_segmentation(context, "scan CoraNet", scan, {"Liver": LIVER_MASK})
        result.SetAttribute("CoraNetSlicer.PredictionPart", "result")
        result.SetNodeReferenceID("CoraNetSlicer.Volume", scan.GetID())
        cases.add_scene_volumes()
        assert table(cases) == [("scan", "unlabeled", None)]
        assert cases.segmentation_choices("1") == []

    def test_a_segmentation_without_reference_is_found_by_its_name(self, cases, context, a_scan):
        for name in ("Patient 1", "Patient 10", "Patient 1 left"):
            scan = a_scan(name)
            truth = add_segmentation(context, f"{name} truth", scan, {"Liver": LIVER_MASK})
            truth.SetNodeReferenceID(truth.GetReferenceImageGeometryReferenceRole(), None)
        cases.add_scene_volumes()
        assert [(name, label) for name, _, label in table(cases)] == [
            ("Patient 1", "Patient 1 truth"),
            ("Patient 10", "Patient 10 truth"),
            ("Patient 1 left", "Patient 1 left truth"),
        ]

    def test_what_a_segmentation_was_drawn_on_counts_more_than_its_name(self, cases, context, a_scan):
        first, second = a_scan("A"), a_scan("B")
        add_segmentation(context, "A truth", second, {"Liver": LIVER_MASK})
        cases.add_scene_volumes()
        assert table(cases) == [("A", "unlabeled", None), ("B", "labeled", "A truth")]
        assert [row.volume for row in cases.rows] == [first, second]

    def test_segmentations_that_come_later_find_their_volumes(self, cases, context, a_scan):
        second = [a_scan(name) for name in "AB"][1]
        cases.add_scene_volumes()
        assert cases.reason_not_addable == "All volumes of the scene are in the table."
        add_segmentation(context, "drawn later", second, {"Liver": LIVER_MASK})
        assert cases.reason_not_addable == ""
        assert cases.add_scene_volumes() == 0
        assert table(cases) == [("A", "unlabeled", None), ("B", "labeled", "drawn later")]
        cases.set_segmentation("2", None)
        assert cases.reason_not_addable, "what a person took away does not come back by itself"

    def test_single_volumes_can_be_added(self, cases, a_scene):
        labeled, unlabeled = a_scene
        assert cases.add_volumes([unlabeled[1], labeled[0][0], labeled[0][1], labeled[0][0]]) == 2
        assert [row[0] for row in table(cases)] == ["L0", "U1"]


class TestAddingFiles:
    def test_a_datalist_stays_on_disk(self, cases, context, a_datalist):
        before = context.scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")
        assert cases.add_files(a_datalist) == 5
        assert table(cases)[0] == ("t0", "labeled", "t0.nrrd")
        assert [row.role.value for row in cases.rows] == ["labeled"] * 3 + ["unlabeled", "validation"]
        assert cases.rows[0].volume == str(a_datalist.parent / "images" / "t0.nrrd")
        assert context.scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == before
        assert [(segment.name, segment.cases, segment.of) for segment in cases.segments] == [
            ("Liver", 4, 4),
            ("Tumor", 4, 4),
        ]
        assert cases.reason_not_trainable == ""

    def test_a_folder_of_images_is_unlabeled(self, cases, a_datalist):
        assert cases.add_files(a_datalist.parent / "images") == 5
        assert {row.role for row in cases.rows} == {CaseRole.UNLABELED}

    def test_what_lies_beside_the_images_is_told(self, cases, a_datalist):
        (a_datalist.parent / "images" / "scan.mgz").write_bytes(b"x")
        cases.add_files(a_datalist.parent / "images")
        assert "'scan.mgz' is left out: it has a format that CoraNet does not read" in cases.report.findings_text
        assert "left out" not in cases.reason_not_trainable
        cases.remove([row.key for row in cases.rows])
        assert cases.report.findings_text == ""

    @pytest.fixture
    def no_list(self, tmp_path) -> Path:
        """Two images and the label map of one of them, of the values 1 and 3, without a list."""
        head = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 4 5\nspacings: 1 1 1\nencoding: raw\n\n"
        for name, voxels in (("image1", range(60)), ("image2", range(1, 61)), ("label1", [0] * 40 + [1, 3] * 10)):
            (tmp_path / f"{name}.nrrd").write_bytes(head + bytes(voxels))
        return tmp_path

    def test_without_a_list_labels_are_known_by_name_and_named_when_they_were_read(self, cases, no_list):
        assert cases.add_files(no_list) == 2
        assert table(cases) == [("image1", "labeled", "label1.nrrd"), ("image2", "unlabeled", None)]
        assert cases.segments == () and cases.has_unseen_files
        assert cases.reason_not_trainable == "'label1.nrrd' is being read. Wait until its values are known."
        assert cases.look_at_files(60) and not cases.has_unseen_files
        assert [(segment.name, segment.is_renamable) for segment in cases.segments] == [
            ("label 1", True),
            ("label 3", True),
        ]
        assert cases.reason_not_trainable == ""

    def test_segments_of_files_can_be_renamed(self, cases, no_list):
        cases.add_files(no_list)
        cases.look_at_files(60)
        cases.rename_segment("label 3", " Tumor ")
        assert dict(cases.rows[0].segmentation.names) == {1: "label 1", 3: "Tumor"}
        for name in ("label 1", " "):
            with pytest.raises(DataError, match="needs a name of its own"):
                cases.rename_segment("Tumor", name)
        assert cases.training_nodes().segment_names == ["label 1", "Tumor"]

    def test_another_label_map_is_chosen_and_named_as_the_others_are(self, cases, no_list):
        cases.add_files(no_list)
        cases.look_at_files(60)
        cases.rename_segment("label 3", "Tumor")
        other = no_list / "more" / "drawn later.nrrd"
        other.parent.mkdir()
        other.write_bytes((no_list / "label1.nrrd").read_bytes())
        cases.set_label_file("2", str(other))
        assert cases.look_at_files(60)
        assert table(cases)[1] == ("image2", "labeled", "drawn later.nrrd")
        assert dict(cases.rows[1].segmentation.names) == {1: "label 1", 3: "Tumor"}

    def test_a_label_map_without_values_is_told(self, cases, no_list):
        cases.add_files(no_list)
        cases.look_at_files(60)
        cases.set_label_file("2", str(no_list / "absent.nrrd"))
        cases.look_at_files(60)
        assert "no values that can be read" in cases.report.findings_text

    def test_segments_of_nodes_and_of_files_with_names_cannot_be_renamed(self, cases, a_scene, tmp_path):
        cases.add_scene_volumes()
        assert not any(segment.is_renamable for segment in cases.segments)

    def test_nothing_is_added_twice(self, cases, a_datalist):
        cases.add_files(a_datalist.parent / "images" / "t0.nrrd")
        assert cases.add_files(a_datalist) == 4
        with pytest.raises(DataError, match="no case that is not yet in the table"):
            cases.add_files(a_datalist)

    def test_a_file_that_is_nothing_is_refused_in_words(self, cases, tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            cases.add_files(tmp_path / "nothing.json")
        assert cases.rows == ()

    def test_files_have_no_segmentation_nodes_to_choose(self, cases, a_scene, a_datalist):
        cases.add_files(a_datalist)
        assert cases.segmentation_choices("1") == []


class TestChanging:
    def test_rows_can_be_removed_and_added_again(self, cases, a_scene):
        cases.add_scene_volumes()
        cases.remove(["1", "5"])
        assert [row[0] for row in table(cases)] == ["L1", "L2", "U0"]
        assert cases.add_scene_volumes() == 2

    def test_a_segmentation_makes_a_case_labeled_and_none_makes_it_unlabeled(self, cases, context, a_scene, a_scan):
        cases.add_scene_volumes()
        truth = add_segmentation(context, "drawn later", a_scene[1][0], {"Liver": LIVER_MASK})
        assert cases.segmentation_choices("4") == [truth]
        cases.set_segmentation("4", truth)
        assert table(cases)[3] == ("U0", "labeled", "drawn later")
        assert cases.segmentation_choices("5") == []
        cases.set_segmentation("4", None)
        assert table(cases)[3] == ("U0", "unlabeled", None)

    def test_segments_can_be_left_out(self, cases, a_scene):
        cases.add_scene_volumes()
        cases.set_learned("Liver", False)
        assert [(segment.name, segment.learned) for segment in cases.segments] == [("Liver", False), ("Tumor", True)]
        assert cases.training_nodes().segment_names == ["Tumor"]
        cases.set_learned("Liver", True)
        assert cases.training_nodes().segment_names == ["Liver", "Tumor"]

    def test_whoever_listens_hears_of_each_change(self, cases, a_scene, a_datalist):
        received = []
        cases.changed.connect(lambda: received.append(cases.report.summary))
        cases.add_scene_volumes()
        cases.set_role("1", CaseRole.IGNORED)
        cases.set_segmentation("2", None)
        cases.set_learned("Liver", False)
        cases.remove(["1"])
        cases.add_files(a_datalist)
        assert received == [
            "3 labeled, 2 unlabeled.",
            "2 labeled, 2 unlabeled, 1 ignored.",
            "1 labeled, 3 unlabeled, 1 ignored.",
            "1 labeled, 3 unlabeled, 1 ignored.",
            "1 labeled, 3 unlabeled.",
            "4 labeled, 4 unlabeled, 1 for validation.",
        ]


class TestTheScene:
    def test_deleted_volumes_vanish(self, cases, context, a_scene):
        cases.add_scene_volumes()
        received = []
        cases.changed.connect(lambda: received.append(len(cases.rows)))
        context.scene.RemoveNode(a_scene[0][1][0])
        assert received[-1] == 4
        assert [row[0] for row in table(cases)] == ["L0", "L2", "U0", "U1"]

    def test_a_deleted_segmentation_leaves_the_volume(self, cases, context, a_scene):
        cases.add_scene_volumes()
        context.scene.RemoveNode(a_scene[0][1][1])
        assert table(cases)[1] == ("L1", "labeled", None)
        assert "'L1' has no segmentation" in cases.reason_not_trainable

    def test_a_renamed_volume_and_a_renamed_segment_are_heard(self, cases, a_scene):
        cases.add_scene_volumes()
        received = []
        cases.changed.connect(lambda: received.append(1))
        a_scene[0][0][0].SetName("renamed")
        assert cases.rows[0].name == "renamed"
        a_scene[0][0][1].GetSegmentation().GetNthSegment(0).SetName("Kidney")
        assert received == [1, 1]
        assert "'L0 truth' lacks 'Liver'. It has 'Kidney', 'Tumor'" in cases.reason_not_trainable

    def test_other_nodes_are_not_heard(self, cases, context, a_scene):
        cases.add_scene_volumes()
        received = []
        cases.changed.connect(lambda: received.append(1))
        context.scene.AddNewNodeByClass("vtkMRMLTableNode")
        a_scene[0][0][0].GetDisplayNode().SetWindow(17)
        assert received == []

    def test_another_panel_shows_the_same(self, cases, context, a_scene, a_datalist):
        cases.add_scene_volumes()
        cases.add_files(a_datalist)
        cases.set_role("2", CaseRole.VALIDATION)
        cases.set_learned("Tumor", False)
        cases.remove(["3"])
        other = CasesPresenter(context, Parameters(context.scene))
        assert other.rows == cases.rows
        assert other.segments == cases.segments
        other.close()

    def test_a_saved_scene_brings_the_table_back(self, cases, context, a_scene, a_datalist, tmp_path):
        cases.add_scene_volumes()
        cases.add_files(a_datalist)
        text = context.scene
        text.SetSaveToXMLString(1)
        text.Commit()
        xml = text.GetSceneXMLString()
        before = table(cases)
        context.scene.Clear(0)
        cases.restore()
        assert cases.rows == ()
        context.scene.SetLoadFromXMLString(1)
        context.scene.SetSceneXMLString(xml)
        context.scene.Import()
        cases.restore()
        assert table(cases) == before
        assert isinstance(cases.rows[5].segmentation, LabelFile)
        assert dict(cases.rows[5].segmentation.names) == {2: "Liver", 5: "Tumor"}

    def test_after_closing_nothing_is_heard(self, cases, context, a_scene):
        cases.add_scene_volumes()
        cases.close()
        received = []
        cases.changed.connect(lambda: received.append(1))
        context.scene.RemoveNode(a_scene[1][0])
        a_scene[1][1].SetName("x")
        context.scene.Clear(0)
        assert received == []

    @pytest.mark.parametrize("spoiled", ["5", "[1, {}]", '[{"key": "1", "role": "boss", "image": "x"}]', "{"])
    def test_parameters_spoiled_by_hand_are_left_out(self, context, spoiled):
        parameters = Parameters(context.scene)
        parameters.set_text("data.cases", spoiled)
        presenter = CasesPresenter(context, parameters)
        assert presenter.rows == ()
        presenter.close()


class TestTraining:
    def test_roles_become_what_a_training_takes(self, cases, a_scene, a_datalist):
        labeled, unlabeled = a_scene
        cases.add_scene_volumes()
        cases.set_role("3", CaseRole.VALIDATION)
        cases.set_role("5", CaseRole.IGNORED)
        nodes = cases.training_nodes()
        assert list(nodes.labeled) == labeled[:2]
        assert list(nodes.validation) == [labeled[2]]
        assert list(nodes.unlabeled) == [unlabeled[0]]
        assert nodes.segment_names == ["Liver", "Tumor"]

    def test_what_cannot_be_trained_on_is_refused(self, cases, a_scan):
        a_scan("alone")
        cases.add_scene_volumes()
        with pytest.raises(DataError, match="No case is labeled"):
            cases.training_nodes()


class TestManyChangesAtOnce:
    @pytest.fixture
    def application(self, context):
        return QueuedApplication(context.scene)

    @pytest.fixture
    def soon(self, context, application):
        """Cases in an application that shows many changes of the scene at once."""
        presenter = CasesPresenter(context, Parameters(context.scene), application)
        yield presenter
        presenter.close()

    def test_they_are_shown_once(self, soon, application, context, a_scan):
        scans = [a_scan(f"U{number}") for number in range(3)]
        soon.add_volumes(scans)
        application.run()
        shown = []
        soon.changed.connect(lambda: shown.append(len(soon.rows)))
        for scan in scans:
            mark_as_case(scan, "job/case")
        context.scene.RemoveNode(scans[0])
        # What is asked for meanwhile is true.
        assert len(soon.rows) == 2 and shown == []
        application.run()
        assert shown == [2]

    def test_nothing_is_shown_after_the_end(self, soon, application, a_scan):
        soon.add_volumes([a_scan("U")])
        application.run()
        shown = []
        soon.changed.connect(lambda: shown.append(1))
        a_scan("V")
        soon.close()
        application.run()
        assert shown == []

    def test_what_is_hidden_is_no_case(self, cases, context):
        shown = []
        cases.changed.connect(lambda: shown.append(1))
        outline = slicer.vtkMRMLSegmentationNode()
        outline.SetHideFromEditors(True)
        context.scene.AddNode(outline)
        context.scene.RemoveNode(outline)
        assert shown == []
