"""A simulated reviewer: what answering the uncertain regions of unlabeled cases repairs, and what other places would.

    python benchmarks/simulated_reviewer.py MODEL DATALIST --truth FOLDER --output DIR [--results FOLDER]

The unlabeled cases are segmented with the model (`coranet segment`). An oracle who knows their truth is then shown the
regions of each case in rank order, and takes for each whichever of result, conservative and radical leaves the fewest
wrong voxels there. Counted are decisions a case, the share of the volume that was looked at, the share of the wrong
voxels that are repaired, and Dice. Compared with

- entropy: as many regions of the same sizes, grown over the voxels of highest entropy of the segmentation head; the
  oracle takes the result or, voxel by voxel, the second class of the head;
- entropy, asked like CoraNet: as many voxels as CoraNet flags, those of highest entropy, divided and ranked by the same
  rule; the oracle takes the result, or the lower or the higher of the two likeliest labels for the whole region;
- chance: compact regions of the same sizes in random places, answers as for entropy;
- whole volumes, taken at random and wholly repaired: the straight line that this is on average.

"Painted" is what the same regions bring if each is painted as it truly is. Rankings, cautions and sizes of the regions
are compared on every second case; what is chosen there is told for the other half, too.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from review_cases import Doubts, KnownCase, known_cases, segment_unlabeled
from review_curves import Reached, Size, early_gain, half_repaired, most_decisions, picture, reached, within
from review_oracle import Course, questions_of, review
from review_rivals import Doubt, asked_like_coranet, by_chance, of_highest_entropy

from coranet.contract import Case, Region
from coranet.inference.caution import at_caution
from coranet.regions.finding import RegionRule, find_regions
from coranet_experiments.statistics import paired_difference

GOAL_SHARE = 0.05
SHOWN = (1, 2, 3, 5, 10, 20)
CORANET, PAINTED, OTHERS = "CoraNet", "CoraNet, painted", "entropy, asked like CoraNet"
USUAL = "mL x mean uncertainty"
RANKINGS: dict[str, Callable[[Region], float]] = {
    "mL": lambda region: region.volume_ml,
    USUAL: lambda region: region.volume_ml * region.mean_uncertainty,
    "mL x mean uncertainty x surface share": lambda one: one.volume_ml * one.mean_uncertainty * one.surface_share,
    "mL x mean uncertainty squared": lambda region: region.volume_ml * region.mean_uncertainty**2,
    "mL x mean uncertainty, 4th power": lambda region: region.volume_ml * region.mean_uncertainty**4,
    "mL x mean uncertainty, 8th power": lambda region: region.volume_ml * region.mean_uncertainty**8,
    "mean uncertainty": lambda region: region.mean_uncertainty,
    "largest change x mean uncertainty": lambda region: _largest_change_ml(region) * region.mean_uncertainty,
}
PARTS = ("choosing", "other")
# How many pieces the uncertain volume has at least.
PIECES = (20, 50, 100)
CAUTIONS = (None, 0.0, 0.5, 1.0, 2.0)

Courses = dict[str, Course]


def _largest_change_ml(region: Region) -> float:
    return max(sum(abs(ml) for ml in of_head.values()) for of_head in region.changes_ml.values())


def ways_to_look(case: Case, known: KnownCase, doubt: Doubt) -> Courses:
    """CoraNet's regions as they stand, and the places that are compared with them."""
    prediction, grid = known.written.prediction, known.written.grid
    regions_found = find_regions(case.id, prediction, grid, known.written.caution)
    own = questions_of(regions_found, prediction)
    rivals, as_if = asked_like_coranet(case.id, prediction, doubt, grid)
    alike = questions_of(rivals, as_if)
    sizes = [len(question.places) for question in own]
    seed = zlib.crc32(case.id.encode("utf-8"))
    labels = prediction.segmentation

    def course(questions: Sequence[Any], painted: bool = False) -> Course:
        return review(labels, known.truth, known.values, questions, painted)

    return {
        CORANET: course(own),
        "entropy": course(of_highest_entropy(sizes, doubt, labels)),
        OTHERS: course(alike),
        "chance": course(by_chance(sizes, doubt, labels, grid, seed)),
        PAINTED: course(own, True),
        f"{OTHERS}, painted": course(alike, True),
    }


def rankings(case: Case, known: KnownCase) -> Courses:
    """The same regions in the order of several formulas."""
    prediction, grid = known.written.prediction, known.written.grid
    courses = {}
    for name, effect in RANKINGS.items():
        regions_found = find_regions(case.id, prediction, grid, known.written.caution, effect=effect)
        courses[name] = review(
            prediction.segmentation, known.truth, known.values, questions_of(regions_found, prediction)
        )
    return courses


def cautions_and_sizes(case: Case, known: KnownCase) -> Courses:
    """The dial at several places (None: where the model has it), regions of several sizes; answered, and painted."""
    grid = known.written.grid
    courses = {}
    for caution in CAUTIONS:
        prediction = known.written.prediction
        if caution is not None:
            prediction = at_caution(prediction, grid, known.values, caution)
        for pieces in PIECES:
            regions_found = find_regions(case.id, prediction, grid, 0.0, RegionRule(largest_share=1 / pieces))
            questions = questions_of(regions_found, prediction)
            for painted in (False, True):
                key = json.dumps([caution, pieces, painted])
                courses[key] = review(prediction.segmentation, known.truth, known.values, questions, painted)
    return courses


def by_way(of_cases: Sequence[Courses]) -> dict[str, list[Course]]:
    return {name: [courses[name] for courses in of_cases] for name in of_cases[0]}


def rounded(row: Reached) -> dict[str, float]:
    return {key: round(value, 4) for key, value in row._asdict().items()}


def ways_table(ways: Mapping[str, list[Course]], sizes: Sequence[Size]) -> dict[str, Any]:
    """What each way reaches after some numbers of decisions, after all, and within 5 % of the volume."""
    rows = {}
    for name, courses in ways.items():
        counts = {str(count): rounded(reached(courses, sizes, count)) for count in SHOWN}
        count, row = within(courses, sizes, GOAL_SHARE)
        everything = rounded(reached(courses, sizes, most_decisions(courses)))
        half = half_repaired(courses, sizes)
        rows[name] = {
            "after": counts, "all": everything, "within": {"decisions": count, **rounded(row)},
            "half": {"decisions": half[0], **rounded(half[1])} if half else None,
        }  # fmt: skip
    return rows


def halves(courses: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The part that chooses, and the other one."""
    return courses[::2], courses[1::2]


def rankings_table(ways: Mapping[str, list[Course]], sizes: Sequence[Size]) -> dict[str, Any]:
    """For both halves of the cases the early gain of each ranking, and how much better it is than the usual one."""
    gains = {name: [early_gain(course) for course in courses] for name, courses in ways.items()}
    rows: dict[str, Any] = {name: {} for name in ways}
    for name, courses in ways.items():
        for part, own, usual, of, among in zip(
            PARTS, halves(gains[name]), halves(gains[USUAL]), halves(sizes), halves(courses), strict=True
        ):
            difference = paired_difference(_by_case(own), _by_case(usual))
            gain = sum(own) / len(own)
            rows[name][part] = {"gain": gain, "difference": difference, "10": rounded(reached(among, of, 10))}
    return rows


def _by_case(gains: Sequence[float]) -> dict[tuple[str, int], float | None]:
    return {(str(number), 0): gain for number, gain in enumerate(gains)}


def goal_table(ways: Mapping[str, list[Course]], sizes: Sequence[Size]) -> list[dict[str, Any]]:
    """For each caution and size of regions what is repaired while looking at 5 % of the volume at most."""
    rows = []
    for key, courses in ways.items():
        caution, pieces, painted = json.loads(key)
        row: dict[str, Any] = {"caution": caution, "pieces": pieces, "painted": painted}
        for part, own, of in zip(PARTS, halves(courses), halves(sizes), strict=True):
            count, here = within(own, of, GOAL_SHARE)
            row[part] = {"decisions": count, **rounded(here)}
        rows.append(row)
    return rows


def measured(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """All tables, and the picture."""
    job = segment_unlabeled(args.model, args.datalist, args.output / "predictions")
    doubts = Doubts(args.model, args.output / "doubt")
    sizes, looks, ranks, grids = [], [], [], []
    for case, known in known_cases(job, args.datalist, args.truth):
        sizes.append(Size(known.truth.size, known.written.grid.voxel_ml))
        doubt = doubts.of(case, known.written.prediction.segmentation, known.values)
        looks.append(ways_to_look(case, known, doubt))
        ranks.append(rankings(case, known))
        grids.append(cautions_and_sizes(case, known))
        caution = known.written.caution
        print(f"\r{len(sizes)} cases", end="", file=sys.stderr, flush=True)
    ways = by_way(looks)
    scan_ml = sum(size.voxels * size.voxel_ml for size in sizes) / len(sizes)
    before = reached(ways[CORANET], sizes, 0)._replace(ml=scan_ml)
    content = {
        "cases": len(sizes), "caution": caution, "scan_ml": round(scan_ml, 1), "dice_before": round(before.dice, 4),
        "wrong_share": sum(int(course.wrong[0]) for course in ways[CORANET]) / sum(size.voxels for size in sizes),
        "ways": ways_table(ways, sizes), "rankings": rankings_table(by_way(ranks), sizes),
        "goal": goal_table(by_way(grids), sizes),
    }  # fmt: skip
    drawn = {
        name: [reached(courses, sizes, count) for count in range(most_decisions(courses) + 1)]
        for name, courses in ways.items()
    }
    return content, picture(f"{args.name}: {len(sizes)} unlabeled cases", drawn, before)


def show(content: Mapping[str, Any]) -> None:
    """The tables for the terminal."""
    dice, wrong, dial = (content[key] for key in ("dice_before", "wrong_share", "caution"))
    print(f"\n{content['cases']} cases, Dice {dice:.3f}, {wrong:.2%} of the voxels wrong, the dial at {dial:.3g}")
    for name, row in content["ways"].items():
        cells = [
            f"{count}: {figures['repaired']:.1%} Dice {figures['dice']:.3f}" for count, figures in row["after"].items()
        ]
        last, goal = row["all"], row["within"]
        cells.append(f"all, {last['looked']:.1%}: {last['repaired']:.1%} Dice {last['dice']:.3f}")
        if row["half"]:
            cells.append(f"half with {row['half']['decisions']} decisions, {row['half']['looked']:.2%}")
        print(f"{name:<38} {'; '.join(cells)}; within 5 %: {goal['repaired']:.1%} with {goal['decisions']} decisions")
    for name, row in content["rankings"].items():
        gains = []
        for part, figures in row.items():
            mean, low, high = figures["difference"]
            gains.append(f"{part} {figures['gain']:.4f} ({mean:+.4f}; {low:+.4f} to {high:+.4f})")
        print(f"{name:<38} {'; '.join(gains)}")
    for row in content["goal"]:
        parts = [(part, row[part]) for part in PARTS]
        cells = [f"{part} {figures['repaired']:.1%} with {figures['decisions']} decisions" for part, figures in parts]
        kind = "painted" if row["painted"] else "answered"
        print(f"caution {row['caution']}, {row['pieces']} pieces, {kind}: {'; '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of a model, or of the training job that made it")
    parser.add_argument("datalist", type=Path)
    parser.add_argument("--truth", type=Path, required=True, help="label maps of the unlabeled cases")
    parser.add_argument("--output", type=Path, required=True, help="for the results of the segmentation")
    parser.add_argument("--results", type=Path, help="for the figures; default: the output")
    parser.add_argument("--name", help="of the data set; default: the folder of the datalist")
    args = parser.parse_args()
    args.name = args.name or args.datalist.resolve().parent.name
    content, drawn = measured(args)
    show(content)
    folder = args.results or args.output
    folder.mkdir(parents=True, exist_ok=True)
    content = {"command": " ".join(["python", *sys.argv]), **content}
    (folder / f"{args.name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / f"{args.name}.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
