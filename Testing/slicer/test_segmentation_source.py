from __future__ import annotations

import numpy as np
import pytest
from scene_builders import SHAPE_KJI, add_volume

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.presenter import CasesPresenter
from CoraNetSlicerLib.segment.segmentation_source import images_to_segment


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
