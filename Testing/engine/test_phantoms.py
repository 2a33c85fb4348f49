from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from coranet.contract import Role, read_datalist
from coranet.contract.errors import DataError
from coranet.phantoms import LABELS, PhantomSet, make_phantom, write_phantom_set
from coranet.volume import read_image, read_label_map

SMALL = PhantomSet(labeled=2, unlabeled=3, validation=1, test=1, size_ijk=(26, 22, 18))


def test_a_phantom_is_what_the_datalist_says(awkward_path):
    path = write_phantom_set(awkward_path / "phantom", SMALL)
    datalist = read_datalist(path)
    counts = {role: len(datalist.with_role(role)) for role in Role}
    assert counts == {Role.TRAINING: 2, Role.UNLABELED: 3, Role.VALIDATION: 1, Role.TEST: 1, Role.INPUT: 0}
    assert {label.value: label.name for label in datalist.labels} == LABELS
    for case in datalist.cases:
        image = read_image(case.image)
        assert image.voxels.shape == (18, 22, 26)
        if case.label:
            labels = read_label_map(case.label)
            assert image.grid.difference(labels.grid) == ""
            assert set(np.unique(labels.voxels)) == {0, 1, 2}
    assert "label" not in json.loads(path.read_text(encoding="utf-8"))["unlabeled"][0]


def test_a_data_set_of_somebody_else_is_not_overwritten(tmp_path):
    path = tmp_path / "dataset.json"
    for content in ('{"name": "mine"}', "[]", "{"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match="holds a data set .*choose a new folder"):
            write_phantom_set(tmp_path, SMALL)
        assert path.read_text(encoding="utf-8") == content
    path.unlink()
    assert write_phantom_set(tmp_path, SMALL) == write_phantom_set(tmp_path, SMALL) == path


def test_the_grid_is_anisotropic_turned_and_not_cubic():
    _, _, grid = make_phantom(SMALL, 1)
    direction = np.array(grid.direction).reshape(3, 3)
    assert len(set(grid.spacing_mm)) == 3 and len(set(grid.size_ijk)) == 3
    np.testing.assert_allclose(direction @ direction.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(direction) == pytest.approx(1)
    assert np.abs(direction[~np.eye(3, dtype=bool)]).min() > 1e-3


def test_the_same_seed_gives_the_same_scan_and_another_number_another():
    first, again, other = make_phantom(SMALL, 1), make_phantom(SMALL, 1), make_phantom(SMALL, 2)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert first[2] == again[2]
    assert not np.array_equal(first[1], other[1])
    assert not np.array_equal(first[0], make_phantom(PhantomSet(seed=1, size_ijk=(26, 22, 18)), 1)[0])


@pytest.mark.parametrize("number", range(1, 9))
def test_the_lesion_lies_inside_of_the_organ_and_the_organ_inside_of_the_scan(number):
    image, labels, _ = make_phantom(PhantomSet(), number)
    assert image.dtype == np.int16 and labels.dtype == np.uint8
    around = ndimage.binary_dilation(labels == 2) & (labels != 2)
    assert (labels[around] == 1).mean() > 0.6
    assert 0.04 < (labels == 1).mean() < 0.4
    assert 0.003 < (labels == 2).mean() < 0.1


def test_contrast_is_low_but_there():
    image, labels, _ = make_phantom(PhantomSet(), 3)
    means = [image[labels == value].mean() for value in (0, 1, 2)]
    assert means[0] < means[1] < means[2]
    assert means[1] - means[0] < 3 * image[labels == 0].std()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"labeled": 0}, "at least 1 labeled"),
        ({"test": -1}, "no negative numbers"),
        ({"size_ijk": (15, 30, 30)}, "at least 16 voxels"),
    ],
)
def test_impossible_sets_are_refused(settings, sentence):
    with pytest.raises(DataError, match=sentence):
        PhantomSet(**settings)
