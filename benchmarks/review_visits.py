"""A reviewer's time: what visits of places repair, each with a slide or an answer, against blocks with their answers.

    python benchmarks/review_visits.py MODEL DATALIST --truth FOLDER --output DIR [--cases 8] [--tolerance-mm 1.5]

The even-numbered unlabeled cases are segmented with the model. A reviewer who knows the truth visits the places of each
case in their order. At a place it takes the slide, of ten levels, or the answer that leaves the fewest wrong voxels;
at an object the best of three answers; at a block too. Compared are places by the result's own map, by entropy, by the
truth (whose map is 1 where the result is wrong by more than the tolerance), and blocks; and radii of places, as shares
of the structure's own (those of discs, where slices are thick, go along). The reviewer of "slides alone" answers
objects only; that of "sees the slices" also slides the worst error in the three slices through each place.

Seconds are those of the keystroke-level model (Card, Moran, Newell 1980: a mental act 1.35 s, a key or a notch of the
wheel 0.2 s): a view is a key and a look at three slices, a slide a mental act, five notches and a key, an answer a
mental act and a key. "Painted" is each ball as it truly is, at 10 mm of boundary in a second in each slice that is
wrong, which is our own assumption.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from review_cases import Doubts, KnownCase, coranet, known_cases
from review_rivals import Doubt, asked_like_coranet
from scipy.ndimage import distance_transform_edt

from coranet.boundary_slide import BoundaryMargins, apply_slide, pair_at, slide_box
from coranet.contract import Choice, Job, Region, Role, Slide, read_datalist
from coranet.inference.prediction import Prediction
from coranet.regions.chances import chance_of_errors
from coranet.regions.decisions import apply_decision
from coranet.regions.finding import FoundRegions, find_regions
from coranet.regions.places import PlaceRule, find_places
from coranet_experiments.parts import is_even_numbered

Array = npt.NDArray[Any]

MENTAL_ACT_S, KEY_S = 1.35, 0.2
VIEW_S = KEY_S + 3 * MENTAL_ACT_S
SLIDE_S = MENTAL_ACT_S + 5 * KEY_S + KEY_S
ANSWER_S = MENTAL_ACT_S + KEY_S
PAINTED_S_PER_MM = 0.1
LEVELS = (-1.0, -0.7, -0.45, -0.25, -0.12, 0.12, 0.25, 0.45, 0.7, 1.0)
RADII = (0.4, 0.55, 0.7, 0.9)
SHOWN = (5, 10, 15, 20)
TOLD_S = (60, 120)
MANNERS = ("slides alone", "sees the slices", "painted")
# Of a slide in a block.
DEFAULT_MM = 8.0
ANSWERS = (Choice.KEEP, Choice.CONSERVATIVE, Choice.RADICAL)


class Step(NamedTuple):
    """Where a case stands after some visits: seconds so far, and voxels that are still wrong, deep and all."""

    seconds: float
    deep: int
    wrong: int


@dataclass
class Reviewer:
    """Who knows the truth of a case, and repairs it visit by visit.

    Attributes:
        case: the result and its truth.
        margins: of the result.
        deep: (k, j, i), bool: true label is farther from a true boundary than the tolerance.
        labels: as they are now.
        slides: that were made.
    """

    case: KnownCase
    margins: BoundaryMargins
    deep: Array
    labels: Array
    slides: list[Slide]

    @staticmethod
    def of(case: KnownCase, deep: Array) -> Reviewer:
        """Begin with the result."""
        margins = case.written.margins()
        if margins is None:
            sys.exit(f"'{case.written.files.folder}' has no margins; segment it anew")
        return Reviewer(case, margins, deep, case.written.prediction.segmentation.copy(), [])

    def step(self, seconds: float) -> Step:
        """Where the case stands."""
        wrong = self.labels != self.case.truth
        return Step(seconds, int(np.count_nonzero(wrong & self.deep)), int(np.count_nonzero(wrong)))

    def visit(self, region: Region, found: FoundRegions, slides_alone: bool = False) -> float:
        """Repair what can be repaired there; returns the seconds that it took."""
        if region.kind != "place":
            self.answer(region, found)
            return VIEW_S + ANSWER_S
        before, slides = self.labels, list(self.slides)
        answered = before.copy()
        if not slides_alone:
            self.labels = answered
            self.answer(region, found)
        self.labels = before
        self.slide(region.center_ijk, region)
        if np.count_nonzero(answered != self.case.truth) >= np.count_nonzero(self.labels != self.case.truth):
            return VIEW_S + SLIDE_S
        self.labels, self.slides = answered, slides
        return VIEW_S + ANSWER_S

    def answer(self, region: Region, found: FoundRegions) -> None:
        """Take the best of the three answers."""
        inside = found.region_map == region.number
        truth, maps = self.case.truth[inside], self.case.written.prediction
        arrays = (maps.segmentation, maps.conservative, maps.radical)
        best = min(range(3), key=lambda index: np.count_nonzero(arrays[index][inside] != truth))
        apply_decision(self.labels, region, ANSWERS[best], found.region_map, maps)

    def slide(self, center_ijk: Sequence[int], region: Region) -> None:
        """Take the best slide at a point, as large as a region, if one repairs anything."""
        i, j, k = map(float, center_ijk)
        radius_mm, axis = region.radius_mm or DEFAULT_MM, region.slice_axis
        pair = pair_at(self.case.written.prediction.segmentation, self.margins, (i, j, k), radius_mm, axis)
        if pair is None:
            return
        best, fewest = None, None
        for level in LEVELS:
            slide = Slide((i, j, k), radius_mm, level, *pair, slice_axis=axis)
            box, moved = apply_slide(self.labels, self.margins, slide, self.slides)
            if fewest is None:
                fewest = int(np.count_nonzero(self.labels[box] != self.case.truth[box]))
            wrong = int(np.count_nonzero(moved != self.case.truth[box]))
            if wrong < fewest:
                best, fewest = (slide, box, moved), wrong
        if best is not None:
            self.slides.append(best[0])
            self.labels[best[1]] = best[2]

    def paint(self, region: Region) -> float:
        """Give the ball or disc of a place its true labels; returns the seconds that it took."""
        spacing = self.case.written.grid.spacing_mm
        i, j, k = map(float, region.center_ijk)
        shape = Slide((i, j, k), region.radius_mm, 0.0, 1, 0, slice_axis=region.slice_axis)
        box = slide_box(shape, self.labels.shape, spacing)
        kji = np.ogrid[box]
        away = zip(kji, reversed(region.center_ijk), reversed(shape.steps_mm(spacing)), strict=True)
        ball = sum(((index - at) * mm) ** 2 for index, at, mm in away) <= region.radius_mm**2
        truth, now = self.case.truth[box], self.labels[box]
        seconds = VIEW_S + painting_s(truth, now, ball, spacing)
        np.copyto(now, truth, where=ball)
        return seconds

    def worst_in_slices(self, center_ijk: Sequence[int]) -> tuple[int, int, int] | None:
        """The deep error that is farthest from what is right, in the three slices through a point."""
        best, found = 0.0, None
        for axis, index in enumerate(reversed(center_ijk)):
            wrong = np.take((self.labels != self.case.truth) & self.deep, index, axis)
            if wrong.any():
                away = distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
                if away.max() > best:
                    best = float(away.max())
                    at = list(np.unravel_index(int(away.argmax()), away.shape))
                    at.insert(axis, index)
                    found = int(at[2]), int(at[1]), int(at[0])
        return found


def painting_s(truth: Array, now: Array, inside: Array, spacing_mm: Sequence[float]) -> float:
    """Seconds that painting takes: the boundary of the truth in each slice in which something is wrong.

    Args:
        truth, now: (k, j, i), label values.
        inside: (k, j, i), bool: where it is painted.
        spacing_mm: along i, j, k.
    """
    slices = ((truth != now) & inside).any(axis=(1, 2))
    along = (truth[:, :, 1:] != truth[:, :, :-1]) & inside[:, :, 1:]
    across = (truth[:, 1:] != truth[:, :-1]) & inside[:, 1:]
    length_mm = along[slices].sum() * spacing_mm[1] + across[slices].sum() * spacing_mm[0]
    return PAINTED_S_PER_MM * float(length_mm)


def review(case: KnownCase, deep: Array, found: FoundRegions, manner: str = "") -> list[Step]:
    """Visit the regions of a case in their order; `manner`: "", or one of `MANNERS`."""
    reviewer = Reviewer.of(case, deep)
    seconds = 0.0
    steps = [reviewer.step(seconds)]
    for region in found.list.regions[: max(SHOWN)]:
        is_painted = manner == "painted" and region.kind == "place"
        slides_alone = manner == "slides alone"
        seconds += reviewer.paint(region) if is_painted else reviewer.visit(region, found, slides_alone)
        worst = reviewer.worst_in_slices(region.center_ijk) if manner == "sees the slices" else None
        if worst is not None:
            reviewer.slide(worst, region)
            seconds += SLIDE_S
        steps.append(reviewer.step(seconds))
    return steps


def deep_voxels(truth: Array, spacing_mm: Sequence[float], tolerance_mm: float) -> Array:
    """Where a wrong voxel is wrong by more than a tolerance: so far it is from the next other label."""
    away = np.zeros(truth.shape, np.float32)
    for value in np.unique(truth):
        inside = truth == value
        away[inside] = distance_transform_edt(inside, sampling=tuple(reversed(spacing_mm)))[inside]
    deep: Array = away - min(spacing_mm) / 2 > tolerance_mm
    return deep


def by_truth(case: KnownCase, deep: Array) -> Prediction:
    """As if the map knew the deep errors."""
    prediction = case.written.prediction
    wrong = (prediction.segmentation != case.truth) & deep
    # A label that nobody has, so that no part of it is an object.
    other = np.where(wrong, np.uint16(60_000), prediction.segmentation)
    return Prediction(
        prediction.segmentation, prediction.segmentation, other, wrong.astype(np.uint8), wrong.astype(np.float32)
    )


def ways(case: KnownCase, deep: Array, doubt: Doubt | None) -> Iterator[tuple[str, list[Step]]]:
    """Each way to review a case, and what became of it."""
    written = case.written
    prediction, grid = written.prediction, written.grid
    chance = chance_of_errors(prediction, grid, written.result.get("doubt"), written.margins())

    def places(shown: Prediction, probable: Array, share: float) -> FoundRegions:
        usual = PlaceRule()
        rule = replace(usual, radius_share=share, disc_share=share / usual.radius_share * usual.disc_share)
        return find_places(written.name, shown, grid, written.caution, rule, probable)

    true = by_truth(case, deep)
    for share in RADII:
        yield f"places, {share}", review(case, deep, places(prediction, chance, share))
        yield f"places by the truth, {share}", review(case, deep, places(true, true.uncertainty, share))
    usual = PlaceRule().radius_share
    for manner in MANNERS:
        yield f"places, {manner}", review(case, deep, places(prediction, chance, usual), manner)
    yield "blocks", review(case, deep, find_regions(written.name, prediction, grid, written.caution))
    if doubt is not None:
        _, as_if = asked_like_coranet(written.name, prediction, doubt, grid)
        yield "places by entropy", review(case, deep, places(as_if, as_if.uncertainty, usual))


def repaired(courses: Sequence[list[Step]]) -> dict[str, Any]:
    """Share of the deep errors, and of all, that are repaired on the mean of cases with such errors."""
    row: dict[str, Any] = {}
    for count in SHOWN:
        ends = [(steps[0], steps[min(count, len(steps) - 1)]) for steps in courses]
        row[str(count)] = {"seconds": round(float(np.mean([end.seconds for _, end in ends])), 1), **shares(ends)}
    for seconds in TOLD_S:
        ends = [(steps[0], [step for step in steps if step.seconds <= seconds][-1]) for steps in courses]
        row[f"{seconds} s"] = shares(ends)
    return row


def shares(ends: Sequence[tuple[Step, Step]]) -> dict[str, float]:
    """Share of what was wrong at first that is right in the end."""
    deep = [1 - last.deep / first.deep for first, last in ends if first.deep]
    wrong = [1 - last.wrong / first.wrong for first, last in ends if first.wrong]
    return {"deep": round(float(np.mean(deep)), 4), "all": round(float(np.mean(wrong)), 4)}


def segment_development(model: Path, datalist: Path, folder: Path, most: int) -> Job:
    """Segment the even-numbered unlabeled cases; what is done already is left alone."""
    cases = [case for case in read_datalist(datalist).with_role(Role.UNLABELED) if is_even_numbered(case)]
    settings = [] if Job.exists(folder) else ["--set", "machine.threads=1"]
    images = [case.image for case in cases[:most]]
    coranet("segment", *images, "--model", model, "--output", folder, "--resume", *settings)
    return Job.open(folder)


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """All courses as shares."""
    job = segment_development(args.model, args.datalist, args.output / "predictions", args.cases)
    doubts = Doubts(args.model, args.output / "doubt") if args.entropy else None
    courses: dict[str, list[list[Step]]] = {}
    deep_shares = []
    for case, known in known_cases(job, args.datalist, args.truth):
        grid = known.written.grid
        tolerance_mm = args.tolerance_mm or max(1.0, *grid.spacing_mm)
        deep = deep_voxels(known.truth, grid.spacing_mm, tolerance_mm)
        labels = known.written.prediction.segmentation
        wrong = labels != known.truth
        deep_shares.append(np.count_nonzero(wrong & deep) / max(1, np.count_nonzero(wrong)))
        doubt = doubts.of(case, labels, known.values) if doubts is not None else None
        for name, steps in ways(known, deep, doubt):
            courses.setdefault(name, []).append(steps)
        print(f"\r{len(deep_shares)} cases", end="", file=sys.stderr, flush=True)
    return {
        "cases": len(deep_shares), "tolerance_mm": args.tolerance_mm, "deep_share": float(np.mean(deep_shares)),
        "seconds": {"view": VIEW_S, "slide": SLIDE_S, "answer": ANSWER_S, "painted_per_mm": PAINTED_S_PER_MM},
        "ways": {name: repaired(of_cases) for name, of_cases in courses.items()},
    }  # fmt: skip


def show(content: dict[str, Any]) -> None:
    """The table for the terminal: shares of the deep errors, and of all."""
    print(
        f"\n{content['cases']} cases, {content['deep_share']:.0%} of the wrong voxels are deep; repaired, deep (all):"
    )
    for name, row in content["ways"].items():
        cells = [f"{key}: {shares['deep']:.0%} ({shares['all']:.0%})" for key, shares in row.items()]
        print(f"{name:<28} {'; '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of a model, or of the training job that made it")
    parser.add_argument("datalist", type=Path)
    parser.add_argument("--truth", type=Path, required=True, help="label maps of the unlabeled cases")
    parser.add_argument("--output", type=Path, required=True, help="for the results of the segmentation")
    parser.add_argument("--results", type=Path, help="file for the figures; default: visits.json in the output")
    parser.add_argument("--cases", type=int, default=8, help="so many at most")
    parser.add_argument(
        "--tolerance-mm", type=float, help="of deep errors; default: 1 mm, or the longest side of a voxel"
    )
    parser.add_argument("--no-entropy", dest="entropy", action="store_false", help="leave out places by entropy")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    content = {"command": " ".join(["python", *sys.argv]), **measured(args)}
    show(content)
    file = args.results or args.output / "visits.json"
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
