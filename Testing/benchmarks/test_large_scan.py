"""The made-up CT in small, and what counts as reached."""

from __future__ import annotations

import numpy as np
import pytest
from large_scan import Goals, met, scans_of, table
from large_scan_phantom import ORGAN, Anatomy, LargeSet, write_large_set
from measured_child import Cost

from coranet.contract import Role, read_datalist
from coranet.volume import read_image, read_label_map

SMALL = LargeSet(labeled=1, unlabeled=1, test=1, size_ijk=(40, 36, 30), spacing_mm=(10.0, 11.0, 16.0))


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    return write_large_set(tmp_path_factory.mktemp("large ü"), SMALL)


def test_a_set_that_is_read_as_any_other(small_set):
    datalist = read_datalist(small_set)
    assert [len(datalist.with_role(role)) for role in (Role.TRAINING, Role.UNLABELED, Role.TEST)] == [1, 1, 1]
    case = datalist.with_role(Role.TRAINING)[0]
    image, labels = read_image(case.image), read_label_map(case.label)
    assert image.grid.size_ijk == SMALL.size_ijk and image.grid.spacing_mm == SMALL.spacing_mm
    assert not image.grid.difference(labels.grid) and set(np.unique(labels.voxels)) == {0, 1}
    assert image.voxels.min() == -1024 and image.voxels[labels.voxels > 0].mean() == pytest.approx(ORGAN, abs=15)


def test_files_hold_the_slices_of_the_person(small_set):
    anatomy = Anatomy(SMALL, 1)
    slices = [anatomy.slice(index) for index in range(anatomy.slices)]
    case = read_datalist(small_set).with_role(Role.TRAINING)[0]
    assert np.array_equal(read_image(case.image).voxels, np.stack([image for image, _ in slices]))
    assert np.array_equal(read_label_map(case.label).voxels, np.stack([labels for _, labels in slices]))


def test_the_organ_is_small_and_each_person_another(small_set):
    shares = []
    for number in range(4):
        anatomy = Anatomy(SMALL, number)
        shares.append(np.mean([anatomy.slice(index)[1].mean() for index in range(anatomy.slices)]))
    assert all(0.003 < share < 0.012 for share in shares) and len(set(shares)) == 4


def test_a_set_is_written_once(small_set):
    written = small_set.stat().st_mtime_ns
    assert write_large_set(small_set.parent, SMALL) == small_set and small_set.stat().st_mtime_ns == written


def test_smaller_scans_cover_the_same_body():
    small = scans_of((128, 64, 100))
    assert small.spacing_mm == pytest.approx((3.2, 6.4, 5.0))
    assert scans_of(LargeSet().size_ijk) == LargeSet()


def test_goals_and_table():
    costs = {
        "imports": Cost(5, 5, 500), "scans": Cost(50, 50, 100), "training": Cost(1200, 2000, 3000),
        "segmenting": Cost(61, 100, 4096 + 500),
    }  # fmt: skip
    reached = met(costs, Goals())
    assert list(reached.values()) == [True, False, True]
    text = table({"dice": 0.9, "met": reached, **{k: v.to_dict() for k, v in costs.items()}}, (512, 512, 400), "20min")
    assert "| segmenting | 61.0 | 100.0 | 4.5 |" in text and "- one scan segmented within 60 s: no" in text
