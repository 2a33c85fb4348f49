from __future__ import annotations

import numpy as np
import pytest
from queued_application import QueuedApplication
from scene_builders import SHAPE_KJI, add_volume

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.presenter import CasesPresenter
from CoraNetSlicerLib.segment.segmentation_source import SegmentationSource, images_to_segment


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

    @pytest.fixture
    def source(self, context, view):
        application = QueuedApplication(context.scene)
        source = SegmentationSource(context.scene, Parameters(context.scene), application)
        yield source
        source.close()

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
