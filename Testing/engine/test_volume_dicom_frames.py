"""Enhanced DICOM files: frames in the order of their places, whatever the order in which they are stored."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import SPACING, item, positions, voxels, write_frames
from pydicom.sequence import Sequence as Items

from coranet.contract.errors import DataError
from coranet.volume import noted_by, parts_of, read_grid, read_image

ORDERS = {
    "in order": list(range(7)),
    "backwards": list(range(7))[::-1],
    "in no order": [3, 0, 6, 1, 5, 2, 4],
    "odd first": [1, 3, 5, 0, 2, 4, 6],
}


def shown(path, channel=None):
    notes: list[str] = []
    with noted_by(notes.append):
        volume = read_image(path, channel)
        assert read_grid(path, channel) == volume.grid
    assert not notes
    return volume


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("what", ["folder", "file"])
def test_frames_are_put_in_the_order_of_their_places(awkward_path, name, what):
    order = ORDERS[name]
    path = write_frames(awkward_path / "s/x.dcm", voxels()[order], [positions()[k] for k in order])
    volume = shown(path if what == "file" else path.parent)
    np.testing.assert_array_equal(volume.voxels, voxels())
    assert volume.grid.spacing_mm == pytest.approx(SPACING)
    assert volume.grid.origin_mm == pytest.approx(positions()[0])


def test_the_distance_of_frames_is_that_of_their_places_not_their_thickness(tmp_path):
    path = write_frames(tmp_path / "x", voxels(), positions(step_mm=3.3))
    assert shown(path).grid.spacing_mm == pytest.approx((*SPACING[:2], 3.3))


def frames_of(keyword: str, sequence: str, values: list) -> list[dict]:
    return [{sequence: {keyword: value}} for value in values for _ in range(7)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sequence", "keyword", "values", "name"),
    [
        ("MREchoSequence", "EffectiveEchoTime", [4.6, 9.2], "echo time 4.6"),
        ("MRDiffusionSequence", "DiffusionBValue", [0.0, 500.0, 1000.0], "b-value 500"),
        ("FrameContentSequence", "TemporalPositionIndex", [1, 2, 3, 4], "temporal position 4"),
        ("FrameContentSequence", "StackID", ["1", "2"], "stack 2"),
        ("MRImageFrameTypeSequence", "FrameType", [["ORIGINAL", "M"], ["ORIGINAL", "P"]], "kind of image"),
    ],
)  # fmt: skip
def test_several_images_of_a_file_are_named_and_can_be_chosen(tmp_path, sequence, keyword, values, name):
    count = len(values)
    array = np.concatenate([voxels(seed=number) for number in range(count)])
    path = write_frames(tmp_path / "x", array, positions() * count, frames_of(keyword, sequence, values))
    with pytest.raises(DataError, match=f"{count} images: .*{name}"):
        read_image(path)
    assert len(parts_of(path)) == count
    for number in range(count):
        np.testing.assert_array_equal(shown(path, number).voxels, voxels(seed=number))


def test_each_frame_has_its_own_scale(tmp_path):
    slopes = [1, 0.5, 2, 0.25, 1, 3, 1]
    frames = [{"PixelValueTransformationSequence": {"RescaleSlope": str(s), "RescaleIntercept": "-5"}} for s in slopes]
    path = write_frames(tmp_path / "x", voxels(), positions(), frames, RescaleSlope=None, RescaleIntercept=None)
    expected = voxels() * np.reshape(slopes, (7, 1, 1)) - 5
    np.testing.assert_allclose(shown(path).voxels, expected, rtol=1e-6)


def test_one_scale_for_all_frames(tmp_path):
    frames = [{"PixelValueTransformationSequence": {"RescaleSlope": "2", "RescaleIntercept": "-1024"}}] * 7
    path = write_frames(tmp_path / "x", voxels(), positions(), frames)
    np.testing.assert_allclose(shown(path).voxels, voxels() * 2.0 - 1024, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"places": [positions(9)[k] for k in (0, 1, 2, 4, 5, 6, 7)]}, "lacks 1 slices"),
        ({"places": [positions()[0]] * 7}, "two different slices at one place"),
        ({"places": [(0, 0.5 * k, 2.0 * k) for k in range(7)]}, "shifted sideways"),
        ({"PerFrameFunctionalGroupsSequence": None}, "does not say where its slice lies"),
        ({"SharedFunctionalGroupsSequence": None}, "does not say how large its voxels|where its slice lies"),
        ({"PerFrameFunctionalGroupsSequence": Items([item()] * 3)}, "has 7 frames, but gives the position of 3"),
        ({"Modality": "SEG"}, "is a DICOM segmentation, expected an image"),
        ({"NumberOfFrames": 9}, "voxels are missing at its end"),
    ],
)
def test_frames_that_make_no_stack_are_refused(tmp_path, change, message):
    places = change.get("places", positions())
    more = {key: value for key, value in change.items() if key != "places"}
    path = write_frames(tmp_path / "x", voxels(), places, **more)
    for look in (read_image, read_grid):
        with pytest.raises(DataError, match=message):
            look(path)


def test_the_frames_of_a_dose_lie_at_their_offsets(tmp_path):
    groups = {"PerFrameFunctionalGroupsSequence": None, "SharedFunctionalGroupsSequence": None}
    place = {"ImagePositionPatient": (-3.0, 4.0, 10.0), "ImageOrientationPatient": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)}
    offsets = [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    more = {**groups, **place, "PixelSpacing": (1.25, 1.0), "GridFrameOffsetVector": offsets}
    path = write_frames(tmp_path / "x", voxels(), positions(), **more)
    volume = shown(path)
    np.testing.assert_array_equal(volume.voxels, voxels())
    assert volume.grid.spacing_mm == pytest.approx(SPACING)
