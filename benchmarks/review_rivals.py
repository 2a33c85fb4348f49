"""Other places to look at, as many and as large as CoraNet's regions: by entropy of the segmentation, by chance."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from review_oracle import Question

from coranet.inference.prediction import Prediction
from coranet.regions.finding import FoundRegions, find_regions
from coranet.volume import Grid

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Doubt:
    """What the segmentation head says of its own doubt, each (k, j, i).

    Attributes:
        entropy: of its probabilities, in [0, 1].
        second: the likeliest label that is not the result's.
    """

    entropy: Array
    second: Array

    @staticmethod
    def of(probabilities: Array, labels: Array, values: Sequence[int]) -> Doubt:
        """From probabilities (K, k, j, i) and the result (k, j, i); `values` are those of classes 1, 2, ..."""
        floor = np.finfo(np.float32).tiny
        entropy = -(probabilities * np.log(np.maximum(probabilities, floor))).sum(0) / np.log(len(probabilities))
        of_class = np.array([0, *values], labels.dtype)
        others = np.where(of_class[:, None, None, None] == labels, -1, probabilities)
        return Doubt(entropy.astype(np.float32), of_class[others.argmax(0)])


def asked_like_coranet(case: str, prediction: Prediction, doubt: Doubt, grid: Grid) -> tuple[FoundRegions, Prediction]:
    """The voxels of highest entropy, as many as CoraNet's heads differ in, divided and ranked by the same rule.

    The two answers besides the result are the lower and the higher of the two likeliest labels; with one class that is
    background and structure, as it is with CoraNet's heads.
    """
    flat = doubt.entropy.reshape(-1)
    count = int(np.count_nonzero(prediction.conservative != prediction.radical))
    chosen = np.zeros(flat.shape, bool)
    chosen[np.argpartition(-flat, count)[:count]] = True
    chosen = chosen.reshape(doubt.entropy.shape)
    labels = prediction.segmentation
    lower = np.where(chosen, np.minimum(labels, doubt.second), labels)
    higher = np.where(chosen, np.maximum(labels, doubt.second), labels)
    as_if = Prediction(labels, lower, higher, chosen.astype(np.uint8), doubt.entropy)
    return find_regions(case, as_if, grid, 0.0), as_if


def of_highest_entropy(sizes: Sequence[int], doubt: Doubt, labels: Array) -> list[Question]:
    """Connected regions of given sizes, each grown from the most doubtful voxel left over its most doubtful neighbours.

    Answers are the result and, in each voxel, the second class of the head.
    """
    entropy = doubt.entropy.reshape(-1)
    order = iter(np.argsort(-entropy, kind="stable").tolist())
    value = entropy.tolist()
    return _grown(sizes, labels, doubt, order, lambda seed: lambda place: -value[place])


def by_chance(sizes: Sequence[int], doubt: Doubt, labels: Array, grid: Grid, seed: int) -> list[Question]:
    """Compact connected regions of given sizes around random voxels; the same answers."""
    order = iter(np.random.default_rng(seed).permutation(labels.size).tolist())
    _, rows, columns = labels.shape
    i_mm, j_mm, k_mm = grid.spacing_mm

    def near(center: int) -> Callable[[int], float]:
        k, rest = divmod(center, rows * columns)
        j, i = divmod(rest, columns)

        def squared_mm(place: int) -> float:
            its_k, its_rest = divmod(place, rows * columns)
            its_j, its_i = divmod(its_rest, columns)
            return float(((its_k - k) * k_mm) ** 2 + ((its_j - j) * j_mm) ** 2 + ((its_i - i) * i_mm) ** 2)

        return squared_mm

    return _grown(sizes, labels, doubt, order, near)


def _grown(
    sizes: Sequence[int], labels: Array, doubt: Doubt, order: Iterator[int], cost_from: Callable[[int], Any]
) -> list[Question]:
    """Regions that grow from the next free voxel in an order, the neighbour of lowest cost first."""
    taken = np.zeros(labels.size, bool)
    flat, second = labels.reshape(-1), doubt.second.reshape(-1)
    questions = []
    for size in sizes:
        seed = next((place for place in order if not taken[place]), None)
        if seed is None:
            break
        places = np.array(_region(seed, size, taken, labels.shape, cost_from(seed)))
        questions.append(Question(places, (flat[places], second[places])))
    return questions


def _region(
    seed: int, size: int, taken: Array, shape: tuple[int, ...], cost: Callable[[int], float]
) -> list[int]:  # fmt: skip
    found: list[int] = []
    waiting, seen = [(cost(seed), seed)], {seed}
    while waiting and len(found) < size:
        _, place = heapq.heappop(waiting)
        found.append(place)
        taken[place] = True
        for other in _neighbours(place, shape):
            if other not in seen and not taken[other]:
                seen.add(other)
                heapq.heappush(waiting, (cost(other), other))
    return found


def _neighbours(place: int, shape: tuple[int, ...]) -> Iterator[int]:
    """Those that share a face."""
    step = 1
    for length in reversed(shape):
        at = place // step % length
        if at > 0:
            yield place - step
        if at < length - 1:
            yield place + step
        step *= length
