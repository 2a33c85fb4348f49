from __future__ import annotations

import numpy as np

from coranet.contract.config import AugmentationConfig
from coranet.data.augmentation import Augmentation

PATCH = (8, 10, 12)


def test_all_changes_of_a_patch_follow_from_its_stream():
    augmentation = Augmentation(AugmentationConfig(flip_axes=("L", "S")), PATCH, (1, 1, 1.25))
    first, again, other = (augmentation.draw(np.random.default_rng([7, number])) for number in (0, 0, 1))
    np.testing.assert_array_equal(first.spatial, again.spatial)
    assert (first.intensity, first.teacher_noise_seed) == (again.intensity, again.teacher_noise_seed)
    assert not np.array_equal(first.spatial, other.spatial)
    assert first.intensity != other.intensity and first.teacher_noise_seed != other.teacher_noise_seed


def test_students_and_teachers_noise_have_seeds_of_their_own():
    change = Augmentation(AugmentationConfig(), PATCH, (1, 1, 1)).draw(np.random.default_rng(0))
    assert change.intensity[0].noise_seed != change.teacher_noise_seed


def test_the_source_is_what_the_spatial_changes_need():
    assert Augmentation(AugmentationConfig(), PATCH, (1, 1, 1)).source_size == (11, 14, 17)
    still = AugmentationConfig(rotation_degrees=0, scaling=0)
    assert Augmentation(still, PATCH, (1, 1, 1)).source_size == PATCH


def test_intensities_of_each_channel_are_changed_by_themselves_and_the_first_as_if_it_were_alone():
    of_one, of_two = (Augmentation(AugmentationConfig(), PATCH, (1, 1, 1), channels) for channels in (1, 2))
    alone, both = (augmentation.draw(np.random.default_rng(3)) for augmentation in (of_one, of_two))
    assert (both.spatial == alone.spatial).all()
    assert both.intensity[:1] == alone.intensity
    assert len(both.intensity) == 2 and both.intensity[0] != both.intensity[1]
