"""A reviewer who knows the truth: what it is asked, what it answers, and what becomes of a case by and by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coranet.inference.prediction import Prediction
from coranet.regions.decisions import voxels_of
from coranet.regions.finding import FoundRegions

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Question:
    """A region, and what can be answered there.

    Attributes:
        places: (N,), its voxels in the flattened grid.
        answers: label values, each (N,); the first is the result as it is.
    """

    places: Array
    answers: tuple[Array, ...]


@dataclass(frozen=True)
class Course:
    """What became of a case after 0, 1, 2, ... decisions; each (decisions + 1,).

    Attributes:
        looked: voxels that were looked at so far.
        wrong: voxels that are still wrong.
        dice: mean over the classes; that of a class which is neither there nor found is 1.
    """

    looked: Array
    wrong: Array
    dice: Array

    def after(self, decisions: int) -> tuple[float, float, float]:
        """Voxels looked at, wrong voxels and Dice; where there are no more questions, as after the last one."""
        index = min(decisions, len(self.looked) - 1)
        return float(self.looked[index]), float(self.wrong[index]), float(self.dice[index])


def questions_of(found: FoundRegions, prediction: Prediction) -> list[Question]:
    """The regions of a case in their order: keep, conservative, radical."""
    questions = []
    for region in found.list.regions:
        box, inside = voxels_of(region, found.region_map)
        indices = [index + side.start for index, side in zip(np.nonzero(inside), box, strict=True)]
        maps = prediction.segmentation, prediction.conservative, prediction.radical
        places = np.ravel_multi_index(indices, found.region_map.shape)
        questions.append(Question(places, tuple(label_map.reshape(-1)[places] for label_map in maps)))
    return questions


def nearest(question: Question, truth: Array) -> int:
    """Which answer leaves the fewest wrong voxels in the region, of equal ones the first.

    Args:
        question: what is asked.
        truth: label values of the flattened grid.
    """
    true = truth[question.places]
    return int(np.argmin([np.count_nonzero(answer != true) for answer in question.answers]))


def review(
    labels: Array, truth: Array, values: Sequence[int], questions: Iterable[Question], painted: bool = False
) -> Course:
    """Answer the questions of a case one after the other.

    Args:
        labels: the result, label values.
        truth: the same.
        values: of all classes.
        questions: regions that share no voxel.
        painted: whether each region is painted as it truly is, instead of answered: what looking there could bring.
    """
    true, now = truth.reshape(-1), labels.reshape(-1)
    counts = _Counts(values, now, true)
    steps = [(0, counts.wrong, counts.dice())]
    looked = 0
    for question in questions:
        answer = true[question.places] if painted else question.answers[nearest(question, true)]
        counts.exchange(now[question.places], answer, true[question.places])
        looked += len(question.places)
        steps.append((looked, counts.wrong, counts.dice()))
    return Course(*(np.array(column) for column in zip(*steps, strict=True)))


class _Counts:
    """Voxels that are wrong, and of each class those that are right, named and true."""

    def __init__(self, values: Sequence[int], labels: Array, truth: Array) -> None:
        self._values = np.array(values)
        self.wrong = int(np.count_nonzero(labels != truth))
        self._right, self._named = self._tally(labels, truth)
        self._true = np.array([np.count_nonzero(truth == value) for value in values])

    def _tally(self, labels: Array, truth: Array) -> tuple[Array, Array]:
        is_named = labels == self._values[:, None]
        return (is_named & (truth == self._values[:, None])).sum(1), is_named.sum(1)

    def exchange(self, old: Array, new: Array, true: Array) -> None:
        """Some voxels get other labels."""
        self.wrong += int(np.count_nonzero(new != true)) - int(np.count_nonzero(old != true))
        for labels, sign in ((old, -1), (new, 1)):
            right, named = self._tally(labels, true)
            self._right, self._named = self._right + sign * right, self._named + sign * named

    def dice(self) -> float:
        total = self._named + self._true
        return float(np.mean(np.where(total > 0, 2 * self._right / np.maximum(total, 1), 1.0)))
