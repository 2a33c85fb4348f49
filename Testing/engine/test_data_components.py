"""Connected parts of sparse voxels, against a walk from voxel to voxel."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from region_cases import flooded

from coranet.data.components import SparseVoxels, components, connected, contacts_of, summed_contacts

SHAPE = (6, 9, 11)


def sparse(mask: np.ndarray) -> SparseVoxels:
    return SparseVoxels(np.flatnonzero(mask), mask.shape)


def parts_of(mask: np.ndarray, kinds: np.ndarray):
    return components(sparse(mask), kinds[mask])


@pytest.fixture(params=[0.05, 0.3, 0.7, 1.0])
def random_voxels(request):
    random = np.random.default_rng(int(100 * request.param))
    return random.random(SHAPE) < request.param, random.integers(0, 3, SHAPE)


def test_parts_are_those_of_a_walk(random_voxels):
    mask, kinds = random_voxels
    parts = parts_of(mask, kinds)
    places = np.argwhere(mask)
    found = [set(map(tuple, places[parts == number].tolist())) for number in range(parts.max() + 1)]
    expected = flooded(mask, kinds)
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))


def test_parts_are_numbered_in_the_order_of_their_first_voxels(random_voxels):
    parts = parts_of(*random_voxels)
    _, firsts = np.unique(parts, return_index=True)
    assert np.all(np.diff(firsts) > 0)


def test_contacts_are_the_faces_that_a_walk_counts(random_voxels):
    mask, kinds = random_voxels
    parts = parts_of(mask, kinds)
    number = np.full(SHAPE, -1)
    number[mask] = parts
    faces = Counter()
    for axis in range(3):
        here, there = np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()
        touch = (here != there) & (here >= 0) & (there >= 0)
        for first, second in zip(here[touch].tolist(), there[touch].tolist(), strict=True):
            faces.update([(first, second), (second, first)])
    contacts = contacts_of(sparse(mask), parts)
    pairs = list(zip(contacts.first.tolist(), contacts.second.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert dict(zip(pairs, contacts.faces.tolist(), strict=True)) == faces


@pytest.mark.parametrize("ends", [((0, 0, 10), (0, 1, 0)), ((2, 8, 5), (3, 0, 5)), ((1, 8, 10), (2, 0, 0))])
def test_the_end_of_a_row_does_not_touch_the_begin_of_the_next(ends):
    mask = np.zeros(SHAPE, bool)
    for end in ends:
        mask[end] = True
    parts = parts_of(mask, np.zeros(SHAPE, int))
    assert parts.tolist() == [0, 1] and not len(contacts_of(sparse(mask), parts).first)


def test_of_no_voxels_there_are_no_parts():
    nothing = np.zeros(SHAPE, bool)
    parts = parts_of(nothing, np.zeros(SHAPE, int))
    assert not len(parts) and not len(contacts_of(sparse(nothing), parts).first)


def test_indices_are_those_of_the_grid(random_voxels):
    mask, _ = random_voxels
    np.testing.assert_array_equal(np.stack(sparse(mask).indices(), axis=1), np.argwhere(mask))


def test_nodes_that_no_edge_leads_to_stand_alone():
    count, part = connected(np.array([3, 1]), np.array([1, 4]), 6)
    assert (count, part.tolist()) == (4, [0, 1, 2, 1, 1, 3])


def test_contacts_are_added_up_in_both_orders():
    contacts = summed_contacts(np.array([0, 2, 2, 1]), np.array([2, 0, 2, 2]), np.array([1, 2, 9, 4]), 3)
    assert [column.tolist() for column in contacts] == [[0, 1, 2, 2], [2, 2, 0, 1], [3, 4, 3, 4]]
