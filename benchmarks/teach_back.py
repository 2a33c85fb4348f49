"""One round of teaching back: a model goes on with what was decided on uncertain regions, and without it.

    python benchmarks/teach_back.py JOB DATALIST --truth FOLDER --predictions FOLDER --output DIR [--preset FILE]

JOB is the training that made the first model, FOLDER the segmentation job of its unlabeled cases that
`simulated_reviewer.py` leaves in its output. The most uncertain of these cases are reviewed by an oracle, region by
region in rank order, a few decisions each. Then the model goes on (`training.initial_model`) for some steps, each time
with the same seed, steps, settings and cases:

- without: these cases stay unlabeled;
- answers: each decided region got what is nearest to the truth of result, conservative and radical;
- painted: where each of these leaves more than a tenth of the region wrong, it was painted as it truly is (a decision
  of the kind "edited");
- trusted: as for answers, and the certain region counts as truth, too (`trusts_certain`);
- whole: these cases are labeled as they truly are, as a whole, which is the most that a review can give.

By a person's time, `--seconds` a case (`annotation.py`):

- places: the places of these cases are visited in their order, each with a slide or an answer;
- patches: foreground-aware random patches of random cases are painted in the same time, all together;
- volumes: random cases are painted as a whole, in twice the time.

But for trusted and whole, nothing but what was looked at is taken for truth. The first model's validation case is left
out of all, so nothing is chosen: the weights are those after the last step. Each is measured on `test`; with
`--part development` on the even-numbered unlabeled cases that are not among the predictions.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from annotation import Annotated, patches, places, volumes
from review_cases import KnownCase, coranet, known_cases
from review_oracle import nearest, questions_of

from coranet.contract import Choice, Datalist, Job, PredictionFiles, Review, Role, rank_cases, read_datalist, read_json
from coranet.regions.decisions import reviewed_maps
from coranet.regions.files import read_regions
from coranet.volume import write_volume
from coranet_experiments.parts import DEVELOPMENT, PARTS, TEST, cases_of_part
from coranet_experiments.statistics import mean, paired_difference

ARMS = ("without", "answers", "painted", "trusted", "whole")
TIMED_ARMS = ("places", "patches", "volumes")
# In the order of `review_oracle.questions_of`.
ANSWERS = (Choice.KEEP, Choice.CONSERVATIVE, Choice.RADICAL)
MOST_WRONG = 0.1

Array = npt.NDArray[Any]
Seeded = dict[tuple[str, int], Any]  # by case and seed


def most_uncertain(job: Job, count: int) -> list[str]:
    """Names of the cases that are ranked first."""
    cases = [job.prediction(case.id) for case in job.read_datalist().cases]
    return [case.case for case in rank_cases(cases)[:count]]


def decide(known: KnownCase, files: PredictionFiles, decisions: int, arm: str) -> dict[str, int]:
    """Review a case as the oracle does, and write what a review leaves.

    Returns:
        Number of regions, of voxels that are known then, of those that are wrong in the result and in the reviewed one.
    """
    regions_found = read_regions(known.written.files)
    prediction, truth = known.written.prediction, known.truth.reshape(-1)
    review = replace(Review.of(regions_found.list), trusts_certain=arm == "trusted")
    questions = questions_of(regions_found, prediction)[:decisions]
    for number, question in enumerate(questions, start=1):
        chosen = nearest(question, truth)
        wrong = np.mean(question.answers[chosen] != truth[question.places])
        choice = Choice.EDITED if arm == "painted" and wrong > MOST_WRONG else ANSWERS[chosen]
        review = review.with_decision(number, choice, "oracle")
    labels, mask = reviewed_maps(prediction, regions_found.list, regions_found.region_map, review, known.truth)
    if arm == "whole":
        labels, mask = known.truth, np.ones_like(mask)
    write_known(known, files, labels, mask)
    regions_found.list.write(files.regions)
    review.write(files.review)
    painted = sum(decision.choice is Choice.EDITED for decision in review.decisions.values())
    return {"regions": len(questions), "painted": painted, **known_voxels(known, labels, mask)}


def write_known(known: KnownCase, files: PredictionFiles, labels: Array, mask: Array) -> None:
    """Write the label map of a case, and where it is truth."""
    files.folder.mkdir(parents=True, exist_ok=True)
    write_volume(files.reviewed, labels, known.written.grid)
    write_volume(files.known, mask, known.written.grid)


def known_voxels(known: KnownCase, labels: Array, mask: Array) -> dict[str, int]:
    """Number of voxels that are known, of those that are wrong in the result and in the reviewed one."""
    before, after = (
        int(np.count_nonzero((label_map != known.truth) & (mask > 0)))
        for label_map in (known.written.prediction.segmentation, labels)
    )
    return {"known": int(mask.sum()), "wrong_before": before, "wrong_after": after}


def with_decisions(datalist: Datalist, reviewed: Mapping[str, PredictionFiles]) -> dict[str, Any]:
    """A dataset.json in which the reviewed cases, by the path of their image, are known in part."""
    training = [{"image": case.image, "label": case.label} for case in datalist.with_role(Role.TRAINING)]
    unlabeled = []
    for case in datalist.with_role(Role.UNLABELED):
        files = reviewed.get(case.image)
        if files:
            training.append({"image": case.image, "label": str(files.reviewed), "known": str(files.known)})
        else:
            unlabeled.append({"image": case.image})
    return {"labels": label_names(datalist), "training": training, "unlabeled": unlabeled}


def label_names(datalist: Datalist) -> dict[str, str]:
    """Names of the label values, as dataset.json has them."""
    return {"0": "background", **{str(label.value): label.name for label in datalist.labels}}


class Round:
    """The round, by the words of the command line."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._first = Job.open(args.job).read_datalist()
        segmented = Job.open(args.predictions)
        self._chosen = most_uncertain(segmented, args.cases)
        cases = known_cases(segmented, args.datalist, args.truth)
        pairs = {case.id: (str(case.image), known) for case, known in cases}
        self._image = {name: image for name, (image, _) in pairs.items()}
        self._known = {name: known for name, (_, known) in pairs.items()}
        self._measured = args.datalist if args.part == TEST else self._development_part(set(self._image.values()))

    def _development_part(self, reviewable: set[str]) -> Path:
        """A dataset.json whose test cases are the development part, but for the cases that may be reviewed."""
        datalist = read_datalist(self._args.datalist)
        cases = cases_of_part(datalist, DEVELOPMENT, self._args.truth)
        rows = [{"image": case.image, "label": case.label} for case in cases if str(case.image) not in reviewable]
        path: Path = self._args.output / "measured.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"labels": label_names(datalist), "test": rows}, indent=1), encoding="utf-8")
        return path

    def reviewed(self, arm: str, seed: int) -> tuple[Path, dict[str, Any]]:
        """Review for one arm; the dataset.json that comes of it, and what was decided."""
        folder = self._args.output / arm / f"seed{seed}"
        reviewed: dict[str, PredictionFiles] = {}
        account: list[dict[str, Any]] = []
        if arm in TIMED_ARMS:
            for name, annotated in self._annotated(arm, seed).items():
                files = reviewed[self._image[name]] = PredictionFiles(folder / "reviewed" / name)
                mask = annotated.known.astype(np.uint8)
                write_known(self._known[name], files, annotated.labels, mask)
                row = {"cases": 1, "acts": annotated.acts, "seconds": round(annotated.seconds)}
                account.append({**row, **known_voxels(self._known[name], annotated.labels, mask)})
        elif arm != "without":
            for name in self._chosen:
                files = reviewed[self._image[name]] = PredictionFiles(folder / "reviewed" / name)
                account.append(decide(self._known[name], files, self._args.decisions, arm))
        decided = {key: sum(row[key] for row in account) for key in (account[0] if account else ())}
        folder.mkdir(parents=True, exist_ok=True)
        datalist = folder / "dataset.json"
        datalist.write_text(json.dumps(with_decisions(self._first, reviewed), indent=1), encoding="utf-8")
        return datalist, decided

    def _annotated(self, arm: str, seed: int) -> dict[str, Annotated]:
        """What is known of which cases in the time of an arm."""
        seconds = self._args.seconds * self._args.cases
        if arm == "places":
            return {name: places(self._known[name], self._args.seconds) for name in self._chosen}
        if arm == "patches":
            depth, height, width = map(int, self._args.patch.split(","))
            return patches(self._known, seconds, (depth, height, width), seed)
        return volumes(self._known, 2 * seconds, seed)

    def model_of(self, datalist: Path, seed: int) -> Path:
        """Train on; the new job."""
        folder = datalist.parent / "train"
        settings = {
            "training.initial_model": self._args.job.absolute(), "training.pretraining_steps": 0,
            "training.self_training_steps": self._args.steps, "training.snapshot_interval": 0,
            "data.validation_cases": 0, "machine.threads": 1, "seed": seed,
        }  # fmt: skip
        args = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        preset = ("--preset", self._args.preset) if self._args.preset else ()
        if not (folder / "model" / "model.json").exists():
            coranet("train", datalist, *preset, "--output", folder, *args)
        return folder

    def dice(self, model: Path, folder: Path) -> dict[str, float | None]:
        """Mean Dice over the classes of each case that is measured."""
        args = ["--output", folder, "--set", "machine.threads=1", "--set", "regions=false"]
        if not (folder / "metrics.json").exists():
            coranet("evaluate", self._measured, "--model", model, *args)
        cases = read_json(Job.open(folder).metrics_path)["cases"]
        return {name: mean(list(row["dice"].values())) for name, row in cases.items()}

    def run(self) -> dict[str, Any]:
        output, seeds = self._args.output, [int(seed) for seed in self._args.seeds.split(",")]
        before = self.dice(self._args.job, output / "before" / "test")
        dice: dict[str, Seeded] = {"before": {(case, seed): value for case, value in before.items() for seed in seeds}}
        decided: dict[str, list[Any]] = {}
        for arm in self._args.arms.split(","):
            dice[arm], decided[arm] = {}, []
            for seed in seeds:
                datalist, account = self.reviewed(arm, seed)
                decided[arm].append(account)
                model = self.model_of(datalist, seed)
                found = self.dice(model, model.parent / "test")
                dice[arm].update({(case, seed): value for case, value in found.items()})
                print(f"{arm:<8} seed {seed} Dice {mean(list(found.values())):.4f}", flush=True)
        rows = {arm: _row(dice, arm, seeds, decided.get(arm)) for arm in dice}
        return {"reviewed": self._chosen, "cases": len(before), "seeds": seeds, "rows": rows}


def _row(dice: Mapping[str, Seeded], arm: str, seeds: list[int], decided: Any) -> dict[str, Any]:
    row = {
        "dice": mean(list(dice[arm].values())),
        "by_seed": [mean([value for (_, of_seed), value in dice[arm].items() if of_seed == seed]) for seed in seeds],
        "decided": decided or [],
    }  # fmt: skip
    if arm not in ("before", "without") and "without" in dice:
        row["against_without"] = paired_difference(dice[arm], dice["without"])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", type=Path, help="the training that made the first model")
    parser.add_argument("datalist", type=Path)
    parser.add_argument("--truth", type=Path, required=True, help="label maps of the unlabeled cases")
    parser.add_argument("--predictions", type=Path, required=True, help="segmentation job of the unlabeled cases")
    parser.add_argument("--preset", type=Path, help="default: the settings that are usual")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="JSON file")
    parser.add_argument("--arms", default=",".join(ARMS), help=f"of {', '.join((*ARMS, *TIMED_ARMS))}")
    parser.add_argument("--part", choices=PARTS, default=TEST)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the cases; default 60")
    parser.add_argument("--patch", default="20,20,20", metavar="K,J,I", help="voxels of a patch; default 20,20,20")
    parser.add_argument("--seeds", default="0,1,2")
    for name, count in (("steps", 250), ("cases", 10), ("decisions", 10)):
        parser.add_argument(f"--{name}", type=int, default=count, help=f"default {count}")
    args = parser.parse_args()
    args.output = args.output.absolute()
    content = Round(args).run()
    for arm, row in content["rows"].items():
        print(f"{arm:<8} Dice {row['dice']:.4f}  against without {row.get('against_without', '')}  {row['decided']}")
    if args.results:
        content = {"command": " ".join(["python", *sys.argv]), "steps": args.steps, **content}
        args.results.parent.mkdir(parents=True, exist_ok=True)
        args.results.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
