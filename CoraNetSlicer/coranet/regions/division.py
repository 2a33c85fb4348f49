"""From voxels where two heads differ to regions a person can decide on: connected, not too large, not too small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.components import Array, Contacts, SparseVoxels, components, connected, contacts_of, summed_contacts

NO_REGION = -1


@dataclass(frozen=True)
class Limits:
    """How many voxels a region has.

    Attributes:
        fewest: a region of fewer is joined to a neighbour.
        most: a region of more is cut.
    """

    fewest: float
    most: float


def divide(voxels: SparseVoxels, pairs: Array, spacing_kji: tuple[float, ...], limits: Limits) -> Array:
    """Divide voxels into regions.

    1. Voxels of one pair of labels that touch (by a face, an edge or a corner) are a region.
    2. A region of more than `most` voxels is halved across the longest side of its box, until no piece has more;
       what of a piece does not hang together are regions of their own.
    3. A region of fewer than `fewest` voxels is joined to the one with which it shares most faces of voxels, of the
       same pair of labels if there is one; this is repeated while there are any. Those that share none are left out.

    Args:
        voxels: where the two heads name different labels.
        pairs: (N,), integers that stand for the pair of labels of each voxel.
        spacing_kji: distance of voxel centres along k, j, i in mm.
        limits: number of voxels of a region.

    Returns:
        (N,), int64: number of each voxel's region from 0, `NO_REGION` where it is left out.
    """
    if not len(voxels.places):
        return np.zeros(0, np.int64)
    parts = components(voxels, pairs)
    pieces = _cut(voxels, parts, spacing_kji, limits.most)
    if pieces is not parts:
        parts = components(voxels, pieces)
    return _joined(parts, contacts_of(voxels, parts), _pair_of_each(parts, pairs), limits.fewest)


def _pair_of_each(parts: Array, pairs: Array) -> Array:
    of_part = np.empty(parts.max() + 1, pairs.dtype)
    of_part[parts] = pairs
    return of_part


def _cut(voxels: SparseVoxels, parts: Array, spacing_kji: tuple[float, ...], most: float) -> Array:
    """Numbers that differ also between the pieces of large parts; `parts` itself where there are none."""
    sizes = np.bincount(parts)
    large = np.flatnonzero(sizes > most)
    if not len(large):
        return parts
    members = np.flatnonzero((sizes > most)[parts])
    members = members[np.argsort(parts[members], kind="stable")]
    indices = [axis[members] for axis in voxels.indices()]
    pieces: Array = parts.copy()
    next_number = len(sizes)
    waiting = np.split(np.arange(len(members)), np.cumsum(sizes[large])[:-1])
    while waiting:
        part = waiting.pop()
        halves = _halves(part, [axis[part] for axis in indices], spacing_kji) if len(part) > most else None
        if halves is None:
            pieces[members[part]] = next_number
            next_number += 1
        else:
            waiting.extend(halves)
    return pieces


def _halves(part: Array, indices: list[Array], spacing_kji: tuple[float, ...]) -> tuple[Array, Array] | None:
    """A part cut at the plane across its longest side that halves its voxels best; None if it is a single voxel."""
    sides = [(int(axis.max()) - int(axis.min())) * spacing for axis, spacing in zip(indices, spacing_kji, strict=True)]
    if not max(sides):
        return None
    along = indices[int(np.argmax(sides))]
    lowest = along.min()
    below = np.cumsum(np.bincount(along - lowest))[:-1]
    plane = lowest + 1 + int(np.argmin(np.abs(below - len(part) / 2)))
    is_below: Array = along < plane
    return part[is_below], part[~is_below]


def _joined(parts: Array, contacts: Contacts, pairs: Array, fewest: float) -> Array:
    """The numbers of parts after all that are too small have been joined to a neighbour, or left out."""
    sizes = np.bincount(parts)
    region = np.arange(len(sizes))
    while True:
        small, partner = _partners(contacts, pairs, sizes < fewest)
        if not len(small):
            break
        # No part has more than one partner and large parts have none, so two large ones never become one.
        count, merged = connected(small, partner, len(sizes))
        region = merged[region]
        largest = np.empty(count, np.int64)
        by_size = np.argsort(sizes, kind="stable")
        largest[merged[by_size]] = by_size
        pairs, sizes = pairs[largest], np.bincount(merged, weights=sizes, minlength=count)
        once = contacts.first < contacts.second
        ends = merged[contacts.first[once]], merged[contacts.second[once]]
        contacts = summed_contacts(*ends, contacts.faces[once], count)
    is_region = sizes >= fewest
    numbers = np.where(is_region, np.cumsum(is_region) - 1, NO_REGION)
    numbered: Array = numbers[region][parts]
    return numbered


def _partners(contacts: Contacts, pairs: Array, is_small: Array) -> tuple[Array, Array]:
    """The small parts that share faces with another one, and for each the one that it is joined to."""
    chosen = is_small[contacts.first]
    first, second, faces = (column[chosen] for column in contacts)
    order = np.lexsort((-second, faces, pairs[first] == pairs[second], first))
    is_best = np.append(np.diff(first[order]) != 0, True)[: len(order)]
    best = order[is_best]
    return first[best], second[best]
