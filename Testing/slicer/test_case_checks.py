"""What is wrong with cases is said in words, with numbers, in the row that it is about."""

from __future__ import annotations

import numpy as np
import pytest
from scene_builders import (
    LIVER_MASK,
    LIVER_TERMINOLOGY,
    SHAPE_KJI,
    TUMOR_MASK,
    add_segmentation,
    add_volume,
    image_data,
    rotated_ijk_to_ras,
    vtk_matrix,
)
from vtkmodules.util.numpy_support import vtk_to_numpy

from CoraNetSlicerLib.core.label_files import LabelFile
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.case_checks import CaseChecks
from CoraNetSlicerLib.data.case_facts import NodeFacts
from CoraNetSlicerLib.data.case_rows import CaseRole, CaseRow, Severity
from CoraNetSlicerLib.data.file_facts import KnownFiles
from CoraNetSlicerLib.data.presenter import CasesPresenter

SEGMENTS = {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK}


def grid(scale=1.0) -> np.ndarray:
    return rotated_ijk_to_ras() @ np.diag([scale, scale, scale, 1.0])


def noise(seed, mean=100.0, spread=20.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, SHAPE_KJI).astype(np.float32)


@pytest.fixture
def cases(context):
    """Four labeled cases and three unlabeled ones of one kind."""
    for number in range(4):
        volume = add_volume(context, f"L{number}", noise(number), grid())
        add_segmentation(context, f"L{number} truth", volume, SEGMENTS)
    for number in range(3):
        add_volume(context, f"U{number}", noise(10 + number), grid())
    presenter = CasesPresenter(context, Parameters(context.scene))
    presenter.add_scene_volumes()
    yield presenter
    presenter.close()


def node(cases, name):
    return next(row.volume for row in cases.rows if row.name == name)


def truth(cases, name):
    return next(row.segmentation for row in cases.rows if row.name == name)


def found(cases):
    """(row's name, severity, short words) of each finding."""
    names = {row.key: row.name for row in cases.rows} | {"": ""}
    return [(names[one.key], one.severity.value, one.short) for one in cases.report.findings]


def text(cases):
    """The one finding's sentence."""
    (finding,) = cases.report.findings
    assert finding.text.endswith(".")
    assert finding.text[0].isupper() or not finding.text[0].isalpha()
    return finding.text


def test_good_cases_are_not_talked_about(cases):
    assert found(cases) == []
    assert all(row.findings == () for row in cases.rows)


class TestNumbers:
    def test_none_labeled(self, cases):
        for key in "1234":
            cases.set_role(key, CaseRole.IGNORED)
        assert found(cases) == [("", "error", "no labeled case")]
        assert cases.reason_not_trainable == (
            "No case is labeled. Give at least one volume a segmentation; three to ten are a good start."
        )

    def test_few_labeled_do_not_keep_from_training(self, cases):
        for key in "34":
            cases.set_role(key, CaseRole.IGNORED)
        assert found(cases) == [("", "warning", "few labeled cases")]
        assert text(cases).startswith("Only 2 labeled")
        assert cases.reason_not_trainable == ""

    def test_none_unlabeled(self, cases):
        cases.remove("567")
        assert found(cases) == [("", "warning", "no unlabeled case")]
        assert cases.reason_not_trainable == ""

    def test_nothing_to_learn(self, cases):
        for name in SEGMENTS:
            cases.set_learned(name, False)
        assert found(cases) == [("", "error", "no segment to learn")]

    def test_findings_of_one_kind_take_one_line(self, cases):
        for key in "567":
            cases.set_role(key, CaseRole.LABELED)
        assert cases.report.findings_text.splitlines() == [
            "'U0' has no segmentation. Choose one, or make the case unlabeled. (2 more cases: no segmentation)",
            "No case is unlabeled. The training will use the labeled cases alone. "
            "Add volumes without a segmentation to learn from them, too.",
        ]

    def test_many_kinds_of_findings_are_cut_short(self, cases):
        cases.set_role("5", CaseRole.LABELED)
        cases.remove("7")
        node(cases, "U1").SetAndObserveImageData(image_data(noise(11, 1000.0, 1e5)))
        node(cases, "L0").SetIJKToRASMatrix(vtk_matrix(grid(3.0)))
        truth(cases, "L1").GetSegmentation().GetNthSegment(1).SetName("Liver")
        lines = cases.report.findings_text.splitlines()
        assert len(lines) == 5
        assert lines[-1] == "... and more, in the table."


class TestSegmentations:
    def test_no_segmentation(self, cases):
        cases.set_role("5", CaseRole.LABELED)
        assert found(cases) == [("U0", "error", "no segmentation")]
        assert cases.rows[4].findings == cases.report.findings

    def test_no_segment(self, cases, context):
        cases.set_segmentation("5", add_segmentation(context, "bare", node(cases, "U0"), {}))
        assert ("U0", "error", "no segments") in found(cases)

    def test_the_case_with_another_name_is_told_not_all_others(self, cases):
        truth(cases, "L2").GetSegmentation().GetNthSegment(0).SetName("Leber")
        assert found(cases) == [("L2", "error", "segment names")]
        assert text(cases).startswith("'L2 truth' has no segment 'Liver'. It has 'Leber', 'Tumor'. Rename it, uncheck")
        cases.set_learned("Leber", False)
        cases.set_learned("Liver", False)
        assert found(cases) == []

    @pytest.mark.parametrize("name", ["liver", " Liver", "LIVER "])
    def test_a_name_that_differs_in_its_writing_alone_is_the_same(self, cases, name):
        truth(cases, "L2").GetSegmentation().GetNthSegment(0).SetName(name)
        assert found(cases) == []

    def test_a_segment_that_hardly_any_case_has(self, cases):
        truth(cases, "L2").GetSegmentation().AddEmptySegment("vessel", "Vessel")
        errors = [one for one in found(cases) if one[1] == "error"]
        assert errors == [("L2", "error", "segment names")]
        assert "'L2 truth' has the segment 'Vessel', which most of the 4 cases do not" in cases.reason_not_trainable
        cases.set_learned("Vessel", False)
        assert found(cases) == []

    def test_a_segment_that_half_of_the_cases_have_is_missing_in_the_others(self, cases):
        for name in ("L0", "L1"):
            segmentation = truth(cases, name).GetSegmentation()
            segmentation.RemoveSegment(segmentation.GetNthSegmentID(1))
        assert found(cases) == [("L0", "error", "segment names"), ("L1", "error", "segment names")]

    def test_a_name_twice(self, cases):
        truth(cases, "L2").GetSegmentation().GetNthSegment(1).SetName("Liver")
        assert ("L2", "error", "name twice") in found(cases)

    def test_meanings_that_differ(self, cases):
        for name, terminology in (
            ("L0", LIVER_TERMINOLOGY),
            ("L1", LIVER_TERMINOLOGY.replace("10200004^Liver", "64033007^Kidney")),
        ):
            truth(cases, name).GetSegmentation().GetNthSegment(0).SetTerminology(terminology)
        assert found(cases) == [("", "error", "terminology")]
        assert "another terminology in 'L1 truth'" in text(cases)

    def test_an_empty_label(self, cases):
        for index in range(2):
            labelmap = truth(cases, "L1").GetSegmentation().GetNthSegment(index).GetRepresentation("Binary labelmap")
            vtk_to_numpy(labelmap.GetPointData().GetScalars())[:] = 0
            labelmap.Modified()
        assert found(cases) == [("L1", "warning", "empty")]
        assert text(cases) == (
            "'L1 truth' is empty. It teaches that nothing is to be found in 'L1'. If there is something, paint it, or "
            "make the case unlabeled."
        )
        assert cases.reason_not_trainable == ""
        cases.set_role("2", CaseRole.VALIDATION)
        assert text(cases).startswith("'L1 truth' is empty. Whatever is found in 'L1' counts as a Dice of 0.")

    @pytest.mark.parametrize("how", ["emptied", "never painted"])
    def test_nothing_but_empty_labels(self, cases, how):
        for number in range(4):
            segmentation = truth(cases, f"L{number}").GetSegmentation()
            for index in range(2):
                if how == "emptied":
                    labelmap = segmentation.GetNthSegment(index).GetRepresentation("Binary labelmap")
                    vtk_to_numpy(labelmap.GetPointData().GetScalars())[:] = 0
                    labelmap.Modified()
                else:
                    segmentation.RemoveSegment(segmentation.GetNthSegmentID(0))
                    segmentation.AddEmptySegment(f"new{index}", list(SEGMENTS)[index])
        assert ("", "error", "all empty") in found(cases)
        assert cases.reason_not_trainable.startswith("The segmentations of all labeled cases are empty")

    def test_a_segment_that_was_never_painted(self, cases):
        segmentation = truth(cases, "L1").GetSegmentation()
        segmentation.RemoveSegment(segmentation.GetNthSegmentID(1))
        segmentation.AddEmptySegment("new", "Tumor")
        assert found(cases) == [("L1", "warning", "partly empty")]
        assert "'Tumor' is empty in 'L1 truth'. It teaches that 'L1' has none of it." in text(cases)

    def test_one_voxel_is_not_empty(self, cases, context):
        volume = node(cases, "U0")
        for spot in (0, 4321, -1):
            mask = np.zeros(SHAPE_KJI, bool)
            mask.flat[spot] = True
            drawn = add_segmentation(context, "dot", volume, {"Liver": mask, "Tumor": TUMOR_MASK})
            assert NodeFacts().of_segmentation(drawn).empty == ()

    def test_segments_of_one_layer_are_told_apart(self, context, cases):
        drawn = add_segmentation(context, "layer", node(cases, "U0"), {"Liver": LIVER_MASK})
        segmentation = drawn.GetSegmentation()
        shared = segmentation.GetNthSegment(0).GetRepresentation("Binary labelmap")
        other = type(segmentation.GetNthSegment(0))()
        other.SetName("Tumor")
        other.SetLabelValue(2)
        other.AddRepresentation("Binary labelmap", shared)
        segmentation.AddSegment(other)
        assert NodeFacts().of_segmentation(drawn).empty == ("Tumor",)

    def test_surfaces_alone_are_not_empty(self, cases):
        segmentation = truth(cases, "L0").GetSegmentation()
        segmentation.CreateRepresentation("Closed surface", True)
        segmentation.SetSourceRepresentationName("Closed surface")
        segmentation.RemoveRepresentation("Binary labelmap")
        assert found(cases) == []

    def test_a_segmentation_that_lies_elsewhere(self, cases, context):
        far = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = np.eye(4)
        matrix[:3, 3] = (0, 0, 500)
        far.SetMatrixTransformToParent(vtk_matrix(matrix))
        truth(cases, "L3").SetAndObserveTransformNodeID(far.GetID())
        assert found(cases) == [("L3", "error", "no overlap")]
        assert text(cases) == "'L3 truth' does not overlap 'L3'. Choose the segmentation that was drawn on it."
        node(cases, "L3").SetAndObserveTransformNodeID(far.GetID())
        assert found(cases) == []

    def test_a_segmentation_drawn_on_coarser_voxels(self, cases, context):
        coarse = add_volume(context, "coarse", np.zeros((7, 10, 13), np.uint8), grid(2.0))
        mask = np.ones((7, 10, 13), bool)
        cases.set_segmentation("1", add_segmentation(context, "rough", coarse, {"Liver": mask, "Tumor": mask}))
        # The tumor is as large as the liver there, too.
        assert found(cases) == [("L0", "warning", "different geometry"), ("L0", "warning", "unusual size")]
        assert "drawn on voxels of 1.8 x 2.6 x 4.8 mm, 'L0' has 0.9 x 1.3 x 2.4 mm" in cases.report.findings_text


class TestSizes:
    @pytest.mark.parametrize("cut", [30, 100])
    def test_a_segment_many_times_smaller_than_in_the_others(self, cases, context, cut):
        few = np.where(np.arange(LIVER_MASK.size).reshape(SHAPE_KJI) % cut == 0, LIVER_MASK, False)
        drawn = add_segmentation(context, "few", node(cases, "L1"), {"Liver": few, "Tumor": TUMOR_MASK})
        cases.set_segmentation("2", drawn)
        assert found(cases) == [("L1", "warning", "unusual size")]
        assert "'Liver' of 'L1' has about" in text(cases) and "mL, in the others" in text(cases)

    def test_a_segment_that_is_not_learned_may_have_any_size(self, cases, context):
        few = np.where(np.arange(LIVER_MASK.size).reshape(SHAPE_KJI) % 30 == 0, LIVER_MASK, False)
        cases.set_segmentation(
            "2", add_segmentation(context, "few", node(cases, "L1"), {"Liver": few, "Tumor": TUMOR_MASK})
        )
        cases.set_learned("Liver", False)
        assert found(cases) == []

    def test_volumes_are_about_right(self, cases):
        volumes = NodeFacts().of_segmentation(truth(cases, "L0")).volumes_ml
        voxel_ml = 0.9 * 1.3 * 2.4 / 1000
        assert volumes["Liver"] == pytest.approx(LIVER_MASK.sum() * voxel_ml, rel=0.1)
        assert volumes["Tumor"] == pytest.approx(TUMOR_MASK.sum() * voxel_ml, rel=0.1)

    def test_a_segmentation_of_another_case(self, cases):
        one, other = truth(cases, "L0"), truth(cases, "L1")
        cases.set_segmentation("1", other)
        cases.set_segmentation("2", one)
        assert found(cases) == [("L0", "error", "wrong case"), ("L1", "error", "wrong case")]
        assert (
            cases.report.findings[0].text
            == "'L1 truth' was drawn on 'L1', not on 'L0'. Choose the segmentation of this case."
        )
        assert cases.reason_not_trainable

    def test_a_segmentation_on_the_grid_of_another_case(self, cases, context):
        moved = grid() @ np.array([[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        node(cases, "U0").SetIJKToRASMatrix(vtk_matrix(moved))
        drawn = add_segmentation(context, "drawn", node(cases, "U0"), SEGMENTS)
        drawn.SetNodeReferenceID(drawn.GetReferenceImageGeometryReferenceRole(), None)
        cases.set_segmentation("1", drawn)
        assert ("L0", "error", "wrong case") in found(cases)
        assert (
            "'drawn' has the geometry of 'U0', not of 'L0'. Choose the segmentation of this case."
            in cases.report.findings_text
        )

    @pytest.mark.parametrize(
        "change",
        [
            np.diag([1.0, 1.0, 1.05, 1.0]),
            [[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
            [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.2], [0, 0, 0, 1]],
            [[1, 0, 0, 0], [0, 1, 0, 7], [0, 0, 1, 0], [0, 0, 0, 1]],
            [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
            [[0.999, -0.045, 0, 0], [0.045, 0.999, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
            [[-1, 0, 0, 25], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        ],
        ids=["spacing", "half a voxel", "part of a slice", "reaches beyond", "axes", "turned", "mirrored"],
    )
    def test_a_segmentation_on_voxels_of_nobody_knows_what(self, cases, context, change):
        elsewhere = add_volume(context, "old", np.zeros(SHAPE_KJI, np.uint8), grid() @ np.array(change))
        drawn = add_segmentation(context, "L0 of before", elsewhere, SEGMENTS)
        context.scene.RemoveNode(elsewhere)
        cases.set_segmentation("1", drawn)
        (finding,) = found(cases)
        assert finding[0] == "L0" and finding[2] in ("different geometry", "no overlap")

    @pytest.mark.parametrize("shift", [0, 3])
    def test_a_segmentation_of_a_part_of_the_voxels_is_none_of_it(self, cases, context, shift):
        moved = np.eye(4)
        moved[:3, 3] = shift
        part = add_volume(context, "part", np.zeros((8, 12, 16), np.uint8), grid() @ moved)
        mask = np.ones((8, 12, 16), bool)
        drawn = add_segmentation(context, "L0 part", part, {"Liver": mask, "Tumor": mask})
        context.scene.RemoveNode(part)
        cases.set_segmentation("1", drawn)
        assert not any(short in ("different geometry", "wrong case") for _name, _severity, short in found(cases))


class TestVolumes:
    @pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
    def test_a_label_map_that_was_loaded_as_an_image(self, cases, kind):
        labels = (LIVER_MASK * 1 + TUMOR_MASK * 2).astype(kind)
        node(cases, "U1").SetAndObserveImageData(image_data(labels))
        assert ("U1", "error", "label map") in found(cases)
        assert "'U1' is a label map, not an image" in cases.report.findings[0].text

    def test_one_file_that_nobody_understands_does_not_hide_the_others(self, tmp_path, monkeypatch):
        def fails(path):
            if path.endswith("b.nrrd"):
                raise MemoryError
            return None

        monkeypatch.setattr("CoraNetSlicerLib.data.file_facts.read_image_header", fails)
        files = KnownFiles()
        assert files.look_at([f"{tmp_path}/{name}.nrrd" for name in "abc"], 60)
        assert files.of(f"{tmp_path}/b.nrrd").exists and not files.of(f"{tmp_path}/c.nrrd").exists

    def test_a_label_map_among_the_files_of_a_folder(self, context, tmp_path):
        import SimpleITK as sitk

        sitk.WriteImage(sitk.GetImageFromArray(noise(1)), str(tmp_path / "p1.nii.gz"))
        sitk.WriteImage(sitk.GetImageFromArray(LIVER_MASK.astype(np.uint8)), str(tmp_path / "organs.nii.gz"))
        presenter = CasesPresenter(context, Parameters(context.scene))
        presenter.add_files(tmp_path)
        presenter.look_at_files(60)
        assert ("organs", "error", "label map") in found(presenter)
        assert not any(name == "p1" for name, _severity, _short in found(presenter))
        presenter.close()

    def test_a_volume_that_lost_its_voxels(self, cases):
        node(cases, "U1").SetAndObserveImageData(None)
        assert found(cases) == [("U1", "error", "not usable")]
        assert text(cases) == "The volume 'U1' has no voxels; load its image first."

    def test_another_spacing(self, cases):
        node(cases, "U1").SetIJKToRASMatrix(vtk_matrix(grid(3.0)))
        assert found(cases) == [("U1", "warning", "unusual spacing")]
        assert "'U1' has voxels of 2.7 x 3.9 x 7.2 mm, the others of about 0.9 x 1.3 x 2.4 mm" in text(cases)

    def test_slices_along_another_axis_are_no_other_spacing(self, cases):
        turned = np.eye(4)
        turned[:3, :3] = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
        node(cases, "U1").SetIJKToRASMatrix(vtk_matrix(rotated_ijk_to_ras() @ turned))
        assert found(cases) == []

    @pytest.mark.parametrize(("mean", "spread"), [(-500.0, 300.0), (100.0, 3000.0), (1e6, 1e5), (0.5, 0.1)])
    def test_other_grey_values(self, cases, mean, spread):
        node(cases, "U1").SetAndObserveImageData(image_data(noise(11, mean, spread)))
        assert found(cases) == [("U1", "warning", "unusual intensity")]
        assert "'U1' has intensities from " in text(cases)
        assert "the others from about 59" in text(cases)

    # Units of MR are arbitrary: in one set of the Decathlon they differ by fifty times.
    @pytest.mark.parametrize(("mean", "spread"), [(150.0, 30.0), (60.0, 12.0), (1100.0, 200.0), (1000.0, 20.0)])
    def test_scanners_differ(self, cases, mean, spread):
        node(cases, "U1").SetAndObserveImageData(image_data(noise(11, mean, spread)))
        assert found(cases) == []

    def test_an_image_of_one_value(self, cases):
        node(cases, "U1").SetAndObserveImageData(image_data(np.full(SHAPE_KJI, 7, np.int16)))
        assert ("U1", "warning", "constant intensity") in found(cases)

    def test_voxels_that_are_not_numbers_do_no_harm(self, cases):
        spoiled = noise(11)
        spoiled[:, :5] = np.nan
        node(cases, "U1").SetAndObserveImageData(image_data(spoiled))
        assert found(cases) == []

    def test_of_two_nobody_is_the_outlier(self, cases):
        node(cases, "U1").SetIJKToRASMatrix(vtk_matrix(grid(3.0)))
        cases.remove(["1", "2", "3", "4", "5"])
        assert [one[2] for one in found(cases)] == ["no labeled case"]

    def test_an_ignored_case_may_be_anything(self, cases):
        node(cases, "U1").SetIJKToRASMatrix(vtk_matrix(grid(3.0)))
        cases.set_role("6", CaseRole.IGNORED)
        assert found(cases) == []


class TestTwice:
    def test_the_same_voxels(self, cases):
        node(cases, "U2").SetAndObserveImageData(image_data(noise(0)))
        assert found(cases) == [("U2", "error", "same image")]
        assert text(cases).startswith("'U2' is the same image as 'L0'")
        cases.set_role("7", CaseRole.IGNORED)
        assert found(cases) == []

    def test_almost_the_same_voxels_are_another_image(self, cases):
        almost = noise(0)
        # Between two voxels of the sample.
        almost.flat[1] += 1
        node(cases, "U2").SetAndObserveImageData(image_data(almost))
        assert found(cases) == []

    def test_the_same_file(self, cases, context, tmp_path):
        path = tmp_path / "scan.nrrd"
        path.write_bytes(b"")
        storage = context.scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(path))
        node(cases, "U2").SetAndObserveStorageNodeID(storage.GetID())
        cases.add_files(tmp_path)
        assert ("scan", "error", "same image") in found(cases)
        assert "'scan' is the same image as 'U2'" in cases.report.findings_text

    @pytest.mark.parametrize(("second", "is_copy"), [(b"abcdef" * 900, True), (b"abcdef" * 899 + b"abcdeg", False)])
    def test_a_copy_of_a_file_under_another_name(self, cases, tmp_path, second, is_copy):
        (tmp_path / "a.nrrd").write_bytes(b"abcdef" * 900)
        (tmp_path / "b.nrrd").write_bytes(second)
        cases.add_files(tmp_path)
        assert ("b", "error", "same image") not in found(cases), "nobody has looked yet"
        cases.look_at_files()
        assert (("b", "error", "same image") in found(cases)) == is_copy


class TestFiles:
    def test_files_that_are_gone(self, cases, context, tmp_path):
        image, label = tmp_path / "a.nrrd", tmp_path / "l.nrrd"
        for path in (image, label):
            path.write_bytes(b"")
        cases.add_files(image)
        label_file = LabelFile(str(label), {1: "Liver", 2: "Tumor"})
        cases.set_segmentation(cases.rows[-1].key, label_file)
        assert found(cases) == []
        image.unlink(), label.unlink()
        cases.restore()
        assert found(cases) == [], "nobody has looked yet"
        assert cases.has_unseen_files
        assert cases.look_at_files()
        assert not cases.has_unseen_files
        assert found(cases) == [("a", "error", "file missing"), ("a", "error", "file missing")]

    def test_a_short_look_is_not_a_look_at_everything(self, cases, tmp_path):
        for number in range(3):
            (tmp_path / f"{number}.nrrd").write_bytes(b"")
        cases.add_files(tmp_path)
        assert not cases.look_at_files(seconds=-1)
        assert cases.has_unseen_files
        assert cases.look_at_files(seconds=10)

    @pytest.mark.parametrize(
        ("label", "sentence"),
        [
            ("sizes: 4 5 6\nspacings: 1 1 2", None),
            ("sizes: 4 5 7\nspacings: 1 1 2", "'l.nrrd' has 4 x 5 x 7 voxels, 'a' has 4 x 5 x 6. Resample"),
            ("sizes: 4 5 6\nspacings: 1 1 2.5", "'l.nrrd' has voxels of 1 x 1 x 2.5 mm, 'a' of 1 x 1 x 2 mm"),
        ],
    )
    def test_a_label_map_on_another_grid(self, cases, tmp_path, label, sentence):
        (tmp_path / "a.nrrd").write_text("NRRD0004\nsizes: 4 5 6\nspacings: 1 1 2\n\n", encoding="utf-8")
        (tmp_path / "l.nrrd").write_text(f"NRRD0004\n{label}\n\n", encoding="utf-8")
        cases.add_files(tmp_path / "a.nrrd")
        cases.set_segmentation(cases.rows[-1].key, LabelFile(str(tmp_path / "l.nrrd"), {1: "Liver", 2: "Tumor"}))
        cases.look_at_files()
        errors = [finding.text for finding in cases.report.findings if finding.severity is Severity.ERROR]
        assert len(errors) == bool(sentence)
        assert not sentence or errors[0].startswith(sentence)

    def test_another_spacing_is_seen_in_the_header(self, cases, tmp_path):
        (tmp_path / "a.nrrd").write_text("NRRD0004\nsizes: 4 5 6\nspacings: 3 3 3\n\n", encoding="utf-8")
        cases.add_files(tmp_path / "a.nrrd")
        cases.look_at_files()
        assert found(cases) == [("a", "warning", "unusual spacing")]

    def test_values_without_the_wanted_names(self, cases, tmp_path):
        (tmp_path / "a.nrrd").write_bytes(b"")
        cases.add_files(tmp_path / "a.nrrd")
        cases.set_segmentation(cases.rows[-1].key, LabelFile(str(tmp_path / "a.nrrd"), {1: "Liver"}))
        assert ("a", "error", "segment names") in found(cases)

    def test_an_image_on_disk_has_no_segmentation_of_the_scene(self, cases, context, tmp_path):
        (tmp_path / "a.nrrd").write_bytes(b"")
        cases.add_files(tmp_path / "a.nrrd")
        cases.set_segmentation(cases.rows[-1].key, add_segmentation(context, "s", node(cases, "U0"), SEGMENTS))
        assert found(cases) == [("a", "error", "not loaded")]


def test_errors_come_first(cases):
    node(cases, "L0").SetIJKToRASMatrix(vtk_matrix(grid(3.0)))
    cases.set_role("7", CaseRole.VALIDATION)
    severities = [finding.severity for finding in cases.report.findings]
    assert severities[0] is Severity.ERROR
    assert Severity.WARNING in severities
    assert severities == sorted(severities, key=lambda one: one is not Severity.ERROR)


def test_facts_are_found_once_until_the_node_changes(context):
    facts = NodeFacts()
    volume = add_volume(context, "V", noise(1), grid())
    first = facts.of_volume(volume)
    assert facts.of_volume(volume) is first
    volume.SetAndObserveImageData(image_data(noise(2)))
    assert facts.of_volume(volume).digest != first.digest
    facts.forget()
    assert facts.of_volume(volume) is not first


class TestChannels:
    def of(self, context, images, names=("T1", "FLAIR")):
        row = CaseRow("1", CaseRole.UNLABELED, images[0], more=tuple(images[1:]))
        return [
            (one.severity, one.short, one.text)
            for one in CaseChecks(NodeFacts(), KnownFiles(), names).findings(row, (), {})
        ]

    @pytest.fixture
    def a_scan(self, context):
        def add(name, size=SHAPE_KJI, matrix=None):
            array = np.random.default_rng(len(name)).normal(100, 20, size).astype(np.int16)
            return add_volume(context, name, array, rotated_ijk_to_ras() if matrix is None else matrix)

        return add

    def test_images_that_fit_are_worth_no_word(self, context, a_scan):
        assert self.of(context, [a_scan("T1"), a_scan("FLAIR")]) == []
        assert self.of(context, [a_scan("T1")], ()) == []

    def test_a_missing_image_is_an_error(self, context, a_scan):
        ((severity, short, text),) = self.of(context, [a_scan("P"), None])
        assert severity is Severity.ERROR and short == "no FLAIR" and text.startswith("'P' has no FLAIR. Choose")

    def test_names_that_say_the_other_channel_are_told(self, context, a_scan):
        ((severity, short, text),) = self.of(context, [a_scan("P FLAIR"), a_scan("P T1")])
        assert severity is Severity.WARNING and short == "channels swapped?" and "as its T1, but the name" in text

    def test_another_grid_is_told_since_it_is_resampled(self, context, a_scan):
        small = a_scan("FLAIR", tuple(size // 2 for size in SHAPE_KJI))
        ((severity, short, text),) = self.of(context, [a_scan("T1"), small])
        assert severity is Severity.WARNING and short == "resampled" and "It is resampled to 'T1'" in text

    def test_an_image_of_another_place_is_an_error(self, context, a_scan):
        far = rotated_ijk_to_ras()
        far[:3, 3] += 900
        ((severity, short, text),) = self.of(context, [a_scan("T1"), a_scan("FLAIR", matrix=far)])
        assert severity is Severity.ERROR and short == "no overlap" and "'FLAIR' does not overlap 'T1'" in text

    def test_different_transforms_are_an_error(self, context, a_scan):
        first, second = a_scan("T1"), a_scan("FLAIR")
        transform = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        second.SetAndObserveTransformNodeID(transform.GetID())
        assert self.of(context, [first, second])[0][:2] == (Severity.ERROR, "different transforms")
        first.SetAndObserveTransformNodeID(transform.GetID())
        assert self.of(context, [first, second]) == []

    def test_what_cannot_be_used_is_an_error(self, context, a_scan):
        empty = context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "FLAIR")
        assert self.of(context, [a_scan("T1"), empty])[0][:2] == (Severity.ERROR, "not usable")
