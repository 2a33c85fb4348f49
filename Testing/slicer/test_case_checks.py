"""What is wrong with cases is said in words, with numbers, in the row that it is about."""

from __future__ import annotations

import numpy as np
import pytest
from checked_cases import SEGMENTS, found, grid, node, noise, presenter_of_good_cases, text, truth
from patience import PATIENCE_S
from scene_builders import (
    LIVER_MASK,
    SHAPE_KJI,
    TUMOR_MASK,
    add_segmentation,
    add_volume,
    image_data,
    rotated_ijk_to_ras,
    vtk_matrix,
)

from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.case_facts import KnownFiles, NodeFacts
from CoraNetSlicerLib.data.case_rows import CaseRole, Severity
from CoraNetSlicerLib.data.presenter import CasesPresenter


@pytest.fixture
def cases(context):
    """Four labeled cases and three unlabeled ones of one kind."""
    yield from presenter_of_good_cases(context)


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
            "\u2716 'U0' has no segmentation. Choose one, or make the case unlabeled. (2 more cases: no segmentation)",
            "\u26a0 No case is unlabeled. The training will use the labeled cases alone. "
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
        first, second = truth(cases, "L0"), truth(cases, "L1")
        cases.set_segmentation("1", second)
        cases.set_segmentation("2", first)
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

        monkeypatch.setattr("CoraNetSlicerLib.data.case_facts.read_image_header", fails)
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

    def test_a_volume_that_lost_its_voxels_and_its_segmentation_the_volume(self, cases):
        # As in a scene whose volume was saved elsewhere, with a label of another program.
        row = cases.rows[0]
        row.segmentation.SetNodeReferenceID(row.segmentation.GetReferenceImageGeometryReferenceRole(), None)
        row.volume.SetAndObserveImageData(None)
        assert any("has no voxels" in finding.text for finding in cases.rows[0].findings)

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
        assert [finding[2] for finding in found(cases)] == ["no labeled case"]

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
        cases.look_at_files(PATIENCE_S)
        assert (("b", "error", "same image") in found(cases)) == is_copy


def test_errors_come_first(cases):
    node(cases, "L0").SetIJKToRASMatrix(vtk_matrix(grid(3.0)))
    cases.set_role("7", CaseRole.VALIDATION)
    severities = [finding.severity for finding in cases.report.findings]
    assert severities[0] is Severity.ERROR
    assert Severity.WARNING in severities
    assert severities == sorted(severities, key=lambda severity: severity is not Severity.ERROR)


def test_facts_are_found_once_until_the_node_changes(context):
    facts = NodeFacts()
    volume = add_volume(context, "V", noise(1), grid())
    first = facts.of_volume(volume)
    assert facts.of_volume(volume) is first
    volume.SetAndObserveImageData(image_data(noise(2)))
    assert facts.of_volume(volume).digest != first.digest
    facts.forget()
    assert facts.of_volume(volume) is not first
