from __future__ import annotations

import numpy as np
import pytest
from queued_application import QueuedApplication
from scene_builders import SHAPE_KJI, add_volume
from segmentation_parts import a_training
from synthetic_predictions import write_image

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.core.results import PART_ATTRIBUTE
from CoraNetSlicerLib.data.case_rows import CaseRole, CaseRow, CaseStorage
from CoraNetSlicerLib.data.presenter import CasesPresenter
from CoraNetSlicerLib.segment.segmentation_source import SegmentationSource, SourceKind, images_to_segment


@pytest.fixture
def volumes(context):
    """T1, FLAIR and another T1, the first two a case of the table with the channels T1 and FLAIR."""
    nodes = [add_volume(context, name, np.zeros(SHAPE_KJI, np.int16), np.eye(4)) for name in ("T1", "FLAIR", "other")]
    cases = CasesPresenter(context, Parameters(context.scene))
    cases.add_volumes(nodes[:1])
    cases.add_channel()
    cases.name_channels("T1, FLAIR")
    cases.set_image(cases.rows[0].key, 1, nodes[1])
    cases.close()
    return nodes


@pytest.fixture
def make_source(context):
    created = []

    def make():
        parameters, application = Parameters(context.scene), QueuedApplication(context.scene)
        created.append(SegmentationSource(context.scene, parameters, application))
        return created[-1]

    yield make
    for source in created:
        source.close()


@pytest.fixture
def source(make_source):
    return make_source()


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(("T1", "FLAIR"), (0, 1)), (("flair", "t1"), (1, 0)), (("channel 1", "channel 2"), (0, 1))],
)
def test_the_table_says_which_images_belong_together(context, volumes, channels, expected):
    (images,) = images_to_segment(volumes[:1], channels, Parameters(context.scene))
    assert images == tuple(volumes[index] for index in expected)


@pytest.mark.parametrize("channels", [(), ("channel 1",)])
def test_for_a_model_of_one_channel_the_table_does_not_matter(context, volumes, channels):
    assert images_to_segment(volumes, channels, Parameters(context.scene)) == volumes


def test_a_volume_without_its_other_images_is_refused_by_name(context, volumes):
    with pytest.raises(DataError, match="needs T1 and FLAIR of each case; give 'other' its images"):
        images_to_segment(volumes[2:], ("T1", "FLAIR"), Parameters(context.scene))
    with pytest.raises(DataError, match="needs T1, FLAIR and T2 of each case; give 'T1' its images"):
        images_to_segment(volumes[:1], ("T1", "FLAIR", "T2"), Parameters(context.scene))


class TestProposal:
    @pytest.fixture
    def view(self, context):
        return context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Red")

    def test_the_volume_in_view_is_proposed_until_a_person_chooses(self, volumes, view, source):
        for volume in volumes[:2]:
            view.SetBackgroundVolumeID(volume.GetID())
            source.propose()
            assert source.volume is volume and source.reason_missing == ""
        source.set_volume(volumes[2])
        source.propose()
        assert source.volume is volumes[2]

    def test_with_nothing_in_view_nothing_is_proposed(self, volumes, source):
        source.propose()
        assert source.volume is None and source.reason_missing == "Choose a volume."

    def test_a_map_of_ours_is_not_proposed(self, context, volumes, view, source):
        volumes[0].SetAttribute("CoraNetSlicer.PredictionPart", "uncertainty")
        view.SetBackgroundVolumeID(volumes[0].GetID())
        source.propose()
        assert source.volume is None


class TestChoice:
    def test_a_label_map_and_a_result_are_refused_in_words(self, source, a_scan):
        source.set_volume(a_scan("drawn", label=True))
        assert "is a label map" in source.volume_error
        result = a_scan("doubt")
        result.SetAttribute(PART_ATTRIBUTE, "uncertainty")
        source.set_volume(result)
        assert source.volume_error == "'doubt' is a result of CoraNet; choose the image itself."
        assert source.reason_missing == source.volume_error

    def test_all_unlabeled_volumes_are_ticked_at_once(self, source, context, a_scan):
        assert source.reason_no_unlabeled == "No volume is unlabeled under Data."
        labeled, first, second = (a_scan(name) for name in ("labeled", "A", "B"))
        rows = [CaseRow("1", CaseRole.LABELED, labeled), CaseRow("2", CaseRole.UNLABELED, first)]
        rows += [CaseRow("3", CaseRole.UNLABELED, "/on/disk.nrrd"), CaseRow("4", CaseRole.UNLABELED, second)]
        CaseStorage(Parameters(context.scene)).save(rows)
        source.set_ticked(labeled, True)
        source.tick_unlabeled()
        assert source.reason_no_unlabeled == ""
        assert source.kind is SourceKind.VOLUMES and source.volumes == [first, second]

    def test_volumes_of_one_name_are_told_apart(self, source, a_scan):
        for name in ("MR", "CT", "MR", "MR"):
            a_scan(name)
        assert [tick.name for tick in source.ticks] == ["MR", "CT", "MR (2)", "MR (3)"]

    def test_a_folder_without_images_is_refused_in_words(self, source, tmp_path):
        source.set_kind("folder")
        assert source.reason_missing == "Choose the folder with the images."
        for folder, text in ((tmp_path / "absent", "there is no folder"), (tmp_path, "holds no image")):
            source.set_input_folder(str(folder))
            assert text in source.input_error == source.reason_missing

    def test_what_a_folder_holds_beside_its_images_is_told(self, source, tmp_path):
        write_image(np.ones(SHAPE_KJI, np.float32), tmp_path / "in" / "a.nrrd")
        (tmp_path / "in" / "b.seg.nrrd").write_bytes(b"x")
        source.set_kind("folder")
        source.set_input_folder(str(tmp_path / "in"))
        first, second = source.count_text.splitlines()
        assert first == "1 image found." and "'b.seg.nrrd' is left out: it is a segmentation" in second
        assert source.reason_missing == ""

    def test_results_do_not_go_where_something_is(self, source, tmp_path):
        write_image(np.ones(SHAPE_KJI, np.float32), tmp_path / "in" / "a.nrrd")
        (tmp_path / "file").write_text("", encoding="utf-8")
        source.set_kind("folder")
        source.set_input_folder(str(tmp_path / "in"))
        assert source.count_text == "1 image found." and source.reason_missing == ""
        for path, text in (
            (a_training(tmp_path / "training").folder, "holds a job already"),
            (tmp_path / "file", "is a file, expected a folder"),
            ("results", "is not an absolute path"),
        ):
            source.set_output_folder(str(path))
            assert text in source.output_error == source.reason_missing

    def test_the_choice_is_kept_in_the_scene(self, make_source, a_scan):
        source, volumes = make_source(), [a_scan("A"), a_scan("B")]
        source.set_volume(volumes[1])
        source.set_kind("volumes")
        source.set_ticked(volumes[0], True)
        source.set_input_folder("/somewhere")
        again = make_source()
        assert (again.kind, again.volume, again.input_folder) == (SourceKind.VOLUMES, volumes[1], "/somewhere")
        assert [(tick.name, tick.is_ticked) for tick in again.ticks] == [("A", True), ("B", False)]
        assert "there is no folder" in again.input_error
