from __future__ import annotations

import numpy as np
import pytest

from coranet.data.class_indices import bound_counts, class_indices, index_type, places_by_class, value_counts


@pytest.mark.parametrize(
    ("values", "kind"),
    [((1, 2), np.uint8), ((500, 65535), np.uint8), ((3, 1), np.uint8), (tuple(range(1, 256)), np.uint8),
     (tuple(range(1, 257)), np.uint16), (tuple(range(2, 3000, 7)), np.uint16), (tuple(range(1, 65536)), np.uint16)],
    ids=["two", "large", "not ascending", "255", "256", "some hundred", "all"],
)  # fmt: skip
def test_values_become_indices_in_their_order(values, kind):
    chance = np.random.default_rng(0)
    labels = chance.choice([0, *values, 9, 65535, 70000, 10**6], (5, 6, 7)).astype(np.int32)
    indices = class_indices(labels, values)
    assert indices.dtype == kind == np.dtype(index_type(len(values)))
    index_of = {value: index for index, value in enumerate(values, start=1)}
    expected = np.vectorize(lambda value: index_of.get(int(value), 0))(labels)
    np.testing.assert_array_equal(indices, expected)


def test_a_view_in_another_order_is_counted_and_found_alike():
    labels = np.random.default_rng(1).integers(0, 4, (4, 5, 6)).astype(np.uint16).transpose(2, 0, 1)[::-1]
    counts = value_counts(labels)
    assert counts.tolist() == [int((labels == value).sum()) for value in range(4)]
    for index, places in enumerate(places_by_class(labels, 5), start=1):
        np.testing.assert_array_equal(places, np.flatnonzero(labels == index))


def test_bounds_count_what_all_maps_and_what_any_of_them_give_to_a_value():
    chance = np.random.default_rng(2)
    maps = [chance.choice([0, 1, 2, 7], (4, 5, 6), p=[0.4, 0.3, 0.2, 0.1]).astype(np.uint8) for _ in range(3)]
    maps[0] = maps[0].astype(np.uint16)
    lowest, highest = bound_counts(maps)
    members = np.array([[labels == value for value in range(8)] for labels in maps])
    np.testing.assert_array_equal(lowest, members.all(0).sum((1, 2, 3)))
    np.testing.assert_array_equal(highest, members.any(0).sum((1, 2, 3)))


def test_bounds_of_a_lesion_in_an_organ_enclose_it_though_the_maps_do_not():
    # The surest head names more lesion than the result: there is no background nearby that it could name instead.
    result = np.array([[[0, 1, 1, 2, 1, 1, 0]]], np.uint8)
    conservative = np.array([[[0, 0, 2, 2, 2, 1, 0]]], np.uint8)
    radical = np.array([[[1, 1, 1, 1, 1, 1, 1]]], np.uint8)
    lowest, highest = bound_counts([result, conservative, radical])
    assert [lowest.tolist(), value_counts(result).tolist(), highest.tolist()] == [[0, 1, 0], [2, 4, 1], [3, 7, 3]]


def test_nothing_is_nothing():
    empty = np.zeros((3, 4, 5), np.uint8)
    assert value_counts(empty).tolist() == [60]
    assert [len(places) for places in places_by_class(empty, 3)] == [0, 0, 0]
    assert not class_indices(empty, (7,)).any()


def test_the_cost_does_not_grow_with_the_square_of_the_values():
    """Tables of all pairs would need 34 GB here."""
    labels = np.random.default_rng(0).integers(1, 65536, (8, 64, 64))
    values = tuple(range(1, 65536))
    indices = class_indices(labels, values)
    np.testing.assert_array_equal(indices, labels)
    assert value_counts(indices).sum() == labels.size
    assert sum(map(len, places_by_class(indices, 65535))) == labels.size
