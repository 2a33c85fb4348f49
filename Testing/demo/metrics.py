"""What the results are worth: Dice, the bounds of the volume, and whether the uncertain region holds the errors."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from voxels import segment_mask

from CoraNetSlicerLib.core.results import UNCERTAIN_SEGMENT, LoadedPrediction, segment_id


@dataclass(frozen=True)
class ClassRow:
    """One class of one case; volumes in mL."""

    case: str
    structure: str
    dice: float
    truth_ml: float
    result_ml: float
    conservative_ml: float
    radical_ml: float


@dataclass(frozen=True)
class CaseRow:
    """One case; shares from 0 to 1.

    Attributes:
        errors_caught: share of the wrongly labelled voxels that lie in the uncertain region.
        flagged: share of all voxels that lie in the uncertain region.
        flagged_ml: the same in mL.
        conservative_outside_radical: share of the conservative foreground outside the radical foreground.
    """

    case: str
    errors_caught: float
    flagged: float
    flagged_ml: float
    conservative_outside_radical: float


@dataclass(frozen=True)
class Scores:
    """All rows of a test set."""

    classes: list[ClassRow]
    cases: list[CaseRow]

    def mean_dice(self) -> dict[str, float]:
        """Mean over cases by class, in the order of the labels."""
        names = dict.fromkeys(row.structure for row in self.classes)
        return {name: fmean(row.dice for row in self.classes if row.structure == name) for name in names}

    def typical_case(self) -> str:
        """The case whose mean Dice is in the middle: pictures of the best one would promise too much."""
        by_case = {
            name: fmean(row.dice for row in self.classes if row.case == name)
            for name in {row.case for row in self.classes}
        }
        return sorted(by_case, key=lambda name: (by_case[name], name))[len(by_case) // 2]


def score(predictions: list[LoadedPrediction], truths: dict[str, Any]) -> Scores:
    """Compare loaded predictions with the segmentation nodes of a person, by the name of the volume."""
    scores = Scores([], [])
    for loaded in predictions:
        truth = truths.get(loaded.volume.GetName())
        if truth is not None:
            _score_case(loaded, truth, scores)
    return scores


def _score_case(loaded: LoadedPrediction, truth: Any, scores: Scores) -> None:
    case = loaded.volume.GetName()
    voxel_ml = float(np.prod(loaded.volume.GetSpacing())) / 1000
    uncertain = segment_mask(loaded.overlays, [UNCERTAIN_SEGMENT])
    wrong, conservative_all, radical_all = (np.zeros_like(uncertain) for _ in range(3))
    for label in loaded.labels:
        expected = segment_mask(truth, [truth.GetSegmentation().GetSegmentIdBySegmentName(label.name)])
        result = segment_mask(loaded.segmentation, [segment_id(label)])
        conservative = segment_mask(loaded.overlays, [segment_id(label, "conservative")])
        radical = segment_mask(loaded.overlays, [segment_id(label, "radical")])
        wrong |= expected != result
        conservative_all |= conservative
        radical_all |= radical
        volumes = [float(mask.sum()) * voxel_ml for mask in (expected, result, conservative, radical)]
        scores.classes.append(ClassRow(case, label.name, _dice(expected, result), *volumes))
    scores.cases.append(
        CaseRow(
            case=case,
            errors_caught=_share(wrong & uncertain, wrong),
            flagged=float(uncertain.mean()),
            flagged_ml=float(uncertain.sum()) * voxel_ml,
            conservative_outside_radical=_share(conservative_all & ~radical_all, conservative_all),
        )
    )


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    together = int(first.sum()) + int(second.sum())
    return 2.0 * float((first & second).sum()) / together if together else 1.0


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return float(part.sum()) / float(whole.sum()) if whole.any() else 0.0


def write_csv(scores: Scores, path: Path) -> None:
    """One row for each case and class; what belongs to the case is repeated in each of its rows."""
    cases = {row.case: asdict(row) for row in scores.cases}
    names = [field.name for field in fields(ClassRow)] + [field.name for field in fields(CaseRow)][1:]
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        table.writerows({**asdict(row), **cases[row.case]} for row in scores.classes)


def summary(scores: Scores) -> str:
    """The means over all test cases in words."""
    caught, flagged, _, outside = (
        fmean(getattr(row, field.name) for row in scores.cases) for field in fields(CaseRow)[1:]
    )
    dice = ", ".join(f"{name} {value:.3f}" for name, value in scores.mean_dice().items())
    return (
        f"test Dice: {dice} (mean of {len(scores.cases)} cases)\n"
        f"the uncertain region holds {caught:.1%} of the wrong voxels and flags {flagged:.2%} of all voxels\n"
        f"{outside:.2%} of the conservative foreground lies outside the radical foreground"
    )


def write_markdown(scores: Scores, path: Path) -> None:
    """The same for people."""
    lines = ["# Test cases", "", "| class | mean Dice |", "| --- | --- |"]
    lines += [f"| {name} | {dice:.3f} |" for name, dice in scores.mean_dice().items()]
    lines += ["", "| case | class | Dice | truth mL | result mL | conservative to radical mL |", "| --- " * 6 + "|"]
    lines += [
        f"| {row.case} | {row.structure} | {row.dice:.3f} | {row.truth_ml:.2f} | {row.result_ml:.2f} | "
        f"{row.conservative_ml:.2f} to {row.radical_ml:.2f} |"
        for row in scores.classes
    ]
    lines += [
        "",
        "| case | errors inside the uncertain region | voxels flagged | flagged mL | conservative outside radical |",
    ]
    lines += ["| --- " * 5 + "|"]
    lines += [
        f"| {row.case} | {row.errors_caught:.1%} | {row.flagged:.2%} | {row.flagged_ml:.2f} | "
        f"{row.conservative_outside_radical:.2%} |"
        for row in scores.cases
    ]
    if scores.cases:
        means = [fmean(getattr(row, field.name) for row in scores.cases) for field in fields(CaseRow)[1:]]
        lines += [f"| mean | {means[0]:.1%} | {means[1]:.2%} | {means[2]:.2f} | {means[3]:.2%} |"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
