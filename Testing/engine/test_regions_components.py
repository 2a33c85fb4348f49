"""Connected parts of sparse voxels, against a walk from voxel to voxel."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from region_cases import flooded

from coranet.regions.components import SparseVoxels, components, connected, summed_contacts

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
    parts, _ = parts_of(mask, kinds)
    places = np.argwhere(mask)
    found = [set(map(tuple, places[parts == number].tolist())) for number in range(parts.max() + 1)]
    expected = flooded(mask, kinds)
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))


def test_parts_are_numbered_in_the_order_of_their_first_voxels(random_voxels):
    parts, _ = parts_of(*random_voxels)
    _, firsts = np.unique(parts, return_index=True)
    assert np.all(np.diff(firsts) > 0)


def test_contacts_are_those_of_a_walk(random_voxels):
    mask, kinds = random_voxels
    parts, contacts = parts_of(mask, kinds)
    number = np.full(SHAPE, -1)
    number[mask] = parts
    touching = set()
    for voxel in map(tuple, np.argwhere(mask).tolist()):
        for step in product((-1, 0, 1), repeat=3):
            other = tuple(a + b for a, b in zip(voxel, step, strict=True))
            if all(0 <= a < n for a, n in zip(other, SHAPE, strict=True)) and number[other] not in (-1, number[voxel]):
                touching.add((number[voxel], number[other]))
    pairs = list(zip(contacts.first.tolist(), contacts.second.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == touching
    assert np.all(contacts.strength >= 1)


def test_what_touches_along_more_voxels_touches_more():
    mask = np.zeros(SHAPE, bool)
    kinds = np.zeros(SHAPE, int)
    mask[2, 3, 2:8] = True
    mask[2, 4, 2:7], kinds[2, 4, 2:7] = True, 1
    mask[2, 2, 7:9], kinds[2, 2, 7:9] = True, 2
    parts, contacts = parts_of(mask, kinds)
    middle = parts[np.flatnonzero(kinds[mask] == 0)[0]]
    strength = {
        int(kinds[mask][parts == other][0]): value for one, other, value in zip(*contacts, strict=True) if one == middle
    }
    assert strength == {1: 5, 2: 1}


@pytest.mark.parametrize("ends", [((0, 0, 10), (0, 1, 0)), ((2, 8, 5), (3, 0, 5)), ((1, 8, 10), (2, 0, 0))])
def test_the_end_of_a_row_does_not_touch_the_begin_of_the_next(ends):
    mask = np.zeros(SHAPE, bool)
    for end in ends:
        mask[end] = True
    parts, contacts = parts_of(mask, np.zeros(SHAPE, int))
    assert parts.tolist() == [0, 1] and not len(contacts.first)


def test_of_no_voxels_there_are_no_parts():
    parts, contacts = parts_of(np.zeros(SHAPE, bool), np.zeros(SHAPE, int))
    assert not len(parts) and not len(contacts.first)


def test_indices_are_those_of_the_grid(random_voxels):
    mask, _ = random_voxels
    np.testing.assert_array_equal(np.stack(sparse(mask).indices(), axis=1), np.argwhere(mask))


def test_nodes_that_no_edge_leads_to_stand_alone():
    count, part = connected(np.array([3, 1]), np.array([1, 4]), 6)
    assert (count, part.tolist()) == (4, [0, 1, 2, 1, 1, 3])


def test_contacts_are_added_up_in_both_orders():
    contacts = summed_contacts(np.array([0, 2, 2, 1]), np.array([2, 0, 2, 2]), np.array([1, 2, 9, 4]), 3)
    assert [column.tolist() for column in contacts] == [[0, 1, 2, 2], [2, 2, 0, 1], [3, 4, 3, 4]]
