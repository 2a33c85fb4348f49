"""Which scan it is: the same for the same voxels at the same places, another for everything else."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from coranet.contract import ScanIdentity
from coranet.contract.errors import JobError
from coranet.contract.scan_identity import hash_steps, in_world_order, voxel_hash
from coranet.data.identity import identity_of
from coranet.volume import Grid, Volume, read_image

IDENTITY = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)


@pytest.fixture
def voxels():
    return np.random.default_rng(4).integers(-1000, 3000, (4, 5, 6)).astype(np.int16)


def turned(degrees, axis=2):
    """A rotation about an axis of the world."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    first, second = [index for index in range(3) if index != axis]
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return tuple(matrix.ravel())


def image_of(voxels, spacing=(0.7, 0.8, 2.5), origin=(-20.5, 31.25, 12), direction=IDENTITY):
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


def written(tmp_path, image, name, **how):
    sitk.WriteImage(image, str(tmp_path / name), **how)
    return identity_of(read_image(tmp_path / name)).voxels


def test_it_is_what_the_definition_says(voxels):
    import hashlib

    expected = hashlib.blake2b(b"(4, 5, 6)" + voxels.astype("<f4").tobytes(), digest_size=16).hexdigest()
    assert voxel_hash(voxels, IDENTITY) == expected
    assert len(expected) == 32


SAVED_ANEW = [
    ("a.nrrd", {}),
    ("a.nrrd", {"useCompression": True}),
    ("a.nrrd", {"useCompression": True, "compressionLevel": 9}),
    ("a.nhdr", {}),
    ("a.nii", {}),
    ("a.nii.gz", {}),
    ("a.mha", {}),
    ("a.mha", {"useCompression": True}),
    ("a.mhd", {}),
    ("another name.nrrd", {}),
]


@pytest.mark.parametrize("name, how", SAVED_ANEW, ids=[f"{name}-{len(how)}" for name, how in SAVED_ANEW])
def test_format_compression_and_name_have_no_say(tmp_path, voxels, name, how):
    assert written(tmp_path, image_of(voxels), name, **how) == voxel_hash(voxels, IDENTITY)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.int64, np.float32, np.float64, ">i2", ">f8", "<f4"])
def test_the_type_of_the_voxels_has_no_say(voxels, kind):
    assert voxel_hash(voxels.astype(kind), IDENTITY) == voxel_hash(voxels, IDENTITY)


def test_memory_order_has_no_say(voxels):
    assert voxel_hash(np.asfortranarray(voxels), IDENTITY) == voxel_hash(voxels, IDENTITY)


def test_the_two_zeros_are_one():
    assert voxel_hash(np.full((2, 2, 2), -0.0), IDENTITY) == voxel_hash(np.zeros((2, 2, 2), np.int16), IDENTITY)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("degrees", [0, 20, -44, 44])
def test_the_order_in_which_axes_are_stored_has_no_say(voxels, order, degrees):
    image = image_of(voxels, direction=turned(degrees))
    for flips in itertools.product((False, True), repeat=3):
        stored = sitk.Flip(sitk.PermuteAxes(image, order), flips)
        assert voxel_hash(sitk.GetArrayFromImage(stored), stored.GetDirection()) == voxel_hash(voxels, turned(degrees))


@pytest.mark.parametrize("degrees", [0, 10, 33, 45, 90, 135, 180, 250])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_world_that_points_the_other_way_gives_the_same(voxels, degrees, axis):
    direction = turned(degrees, axis)
    other_world = (*(-part for part in direction[:6]), *direction[6:])
    assert voxel_hash(voxels, other_world, (False, False, True)) == voxel_hash(voxels, direction)


@pytest.mark.parametrize("noise", [1e-7, 1e-9, 1e-16])
@pytest.mark.parametrize("degrees", [45, 135, 225])
def test_rounding_of_a_direction_between_two_axes_has_no_say(voxels, degrees, noise):
    direction = np.array(turned(degrees))
    for sign in itertools.product((-1, 1), repeat=4):
        shaken = direction.copy()
        shaken[[0, 1, 3, 4]] += np.multiply(sign, noise)
        assert voxel_hash(voxels, tuple(shaken)) == voxel_hash(voxels, tuple(direction))


def test_lengths_of_the_direction_have_no_say(voxels):
    scaled = tuple(np.reshape(turned(30), (3, 3)) * (0.7, 3.0, 0.01))
    assert voxel_hash(voxels, np.ravel(scaled)) == voxel_hash(voxels, turned(30))


OTHERS = {
    "one voxel more": lambda v: v + (np.arange(v.size).reshape(v.shape) == 37),
    "all one more": lambda v: v + 1,
    "upside down": lambda v: v[::-1],
    "left and right exchanged": lambda v: v[:, :, ::-1],
    "turned by half a turn": lambda v: v[:, ::-1, ::-1],
    "turned about another axis": lambda v: v[::-1, ::-1],
    "axes exchanged": lambda v: v.transpose(0, 2, 1),
    "same bytes in another shape": lambda v: v.reshape(6, 5, 4),
    "a plane less": lambda v: v[1:],
    "shifted by a voxel": lambda v: np.roll(v, 1, 2),
    "negative": lambda v: -v,
    "a tenth": lambda v: v / 10,
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_other_voxels_or_places_are_another_scan(voxels, change):
    assert voxel_hash(change(voxels), IDENTITY) != voxel_hash(voxels, IDENTITY)


def test_the_world_order_is_up_back_left(voxels):
    # i runs up, j to the right, k to the front.
    direction = (0, -1, 0, 0, 0, -1, 1, 0, 0)
    ordered = in_world_order(voxels, direction)
    assert ordered.shape == (6, 4, 5)
    assert ordered[2, 1, 0] == voxels[4 - 1 - 1, 5 - 1 - 0, 2]


def test_steps_stop_at_each_plane(voxels):
    assert len(list(hash_steps(voxels, IDENTITY))) == 4


def test_of_several_channels_the_first_is_the_scan(voxels):
    grid = Grid((6, 5, 4), (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), IDENTITY)
    several = identity_of(Volume(np.stack([voxels, voxels + 1]), grid))
    assert several == identity_of(Volume(voxels, grid))
    assert str(several) == "6 x 5 x 4 voxels of 1 x 2 x 3 mm"


def test_it_is_kept_as_json():
    identity = ScanIdentity("ab" * 16, (6, 5, 4), (1.0, 0.5, 3.0))
    assert ScanIdentity.from_dict(identity.to_dict()) == identity
    assert ScanIdentity.from_dict(None) is None


@pytest.mark.parametrize(
    "content",
    [{}, {"voxels": "a"}, {"voxels": "a", "size_ijk": [1, 2], "spacing_mm": [1, 1, 1]}, [], "text",
     {"voxels": "a", "size_ijk": [1, 2, "x"], "spacing_mm": [1, 1, 1]}],
)  # fmt: skip
def test_what_cannot_be_read_names_its_file(content):
    with pytest.raises(JobError, match=r"'result\.json' does not describe its scan"):
        ScanIdentity.from_dict(content, "result.json")


def test_a_scan_of_several_images_is_the_same_where_all_that_both_know_are():
    identity = ScanIdentity("a", (2, 3, 4), (1.0, 1.0, 2.0), ("b", "c"))
    assert ScanIdentity.from_dict(identity.to_dict()) == identity and identity.images == ("a", "b", "c")
    assert "more_voxels" not in ScanIdentity("a", (2, 3, 4), (1.0, 1.0, 2.0)).to_dict()
    for voxels, more, same in (("a", ("b", "c"), True), ("a", (), True), ("a", ("b", "x"), False), ("x", (), False)):
        other = ScanIdentity(voxels, (2, 3, 4), (1.0, 1.0, 2.0), more)
        assert identity.is_same(other) is same and other.is_same(identity) is same
