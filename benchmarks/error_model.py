"""How well the order of doubt points at errors, learned and not, on cases that neither network nor error model saw.

    OMP_NUM_THREADS=1 python benchmarks/error_model.py MODEL DATA [--fitted 8,4,2] [--draws 4] [--most 24]
        [--cache FOLDER] [--output JSON] [--short-trainings JOB] [--reviewed 0]

MODEL is a trained model, DATA a folder with `unlabeled/imageNNN.nrrd` and `unlabeled-truth/labelNNN.nrrd`, of which the
even-numbered ones are used: the development part. Everything is measured on the grid of the prepared scans. Each draw
divides the cases anew: some fit the error model, the others are measured.

- volume: share of all voxels that must be flagged, with one threshold for all measured cases, to hold 80 % of the
  errors of the mean case, as a multiple of what the softmax margin needs there.
- places: share of the deep errors within the first 5, 10, 20 places as the program finds them, and within as many balls
  of 3 mm, each next one where the most is expected.
- promise: mean coverage and flagged share over 200 random splits of the cross-fitted cases, for regions from 4, 9 and
  half of them, beside what is promised.
- short trainings: JOB is the training with `training.error_model` that made MODEL. The error model learns from what its
  short trainings left out. Of the even cases: deep errors held in the region that is expected to hold 80 %, its volume
  and that of the heads, and the volume that holds 80 % of the deep errors of each case, against CoraNet's map. With
  --reviewed the first cases join those that are learned from, and the others are measured with them and without.
- quality: rank correlation of the estimated with the true mean Dice over the cross-fitted cases, and how many of the
  cases below 0.8 of the median Dice are within the fifth of the lowest estimates, over draws of 20 cases.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from foreign_scans import POOR_SHARE, found_poor
from held_by_places import Places, mean_of, places_of, unlearned

from coranet.coarse.grid import CanonicalGrid
from coranet.contract import Case, Job, Role
from coranet.contract.config import InferenceConfig, MachineConfig, SegmentConfig
from coranet.contract.doubt import uncertainty_threshold
from coranet.contract.files import read_json
from coranet.data.box import Box
from coranet.data.cache import lowest
from coranet.data.scans import read_scan
from coranet.error_model import ErrorCase, Evidence, NestedRegions, Promise, RiskCurve, default_tolerance_mm
from coranet.error_model.evidence import HEAD_CHANNELS
from coranet.error_model.fitting import STEPS, SampledCases
from coranet.error_model.package import applied, cross_fitted
from coranet.error_model.promise import RELATIVE_SIZES, SHARES
from coranet.error_model.quality import CaseFigures, QualityModel
from coranet.inference.components import keep_largest_components
from coranet.inference.network_pass import SlidingWindow
from coranet.machine.devices import choose_device
from coranet.model_package import ModelPackage
from coranet.networks import CoraNet
from coranet.reporting import Reporter
from coranet.segmentation import Segmenter
from coranet.tensors import load_tensors
from coranet.training.folds import ErrorPlan
from coranet.volume import read_image, read_label_map

HELD = 0.8


@dataclass(frozen=True)
class MeasuredCase:
    """A case, what is wrong in it, and the orders that need no fit."""

    name: str
    case: ErrorCase
    tolerance_mm: float
    deep: np.ndarray
    scores: dict[str, np.ndarray]

    @property
    def wrong(self) -> np.ndarray:
        return self.case.wrong


def development_cases(data: Path, most: int) -> list[str]:
    """Numbers of the even cases."""
    found = sorted(re.sub(r"\D", "", path.name) for path in (data / "unlabeled-truth").glob("label*.nrrd"))
    return [number for number in found if int(number) % 2 == 0][:most]


def error_case(segmenter: Segmenter, data: Path, number: str) -> tuple[ErrorCase, float]:
    """A case with its evidence, and the tolerance that belongs to its spacing."""
    volume = read_image(data / "unlabeled" / f"image{number}.nrrd")
    truth = read_label_map(data / "unlabeled-truth" / f"label{number}.nrrd")
    package = segmenter.package
    boxes = segmenter.boxes(volume)
    box = boxes[0] if boxes else Box.whole(CanonicalGrid.of(volume.grid).shape)
    for other in boxes[1:]:
        box = box.united(other)
    image = segmenter.prepared(volume, box)
    evidence = Evidence.allocated(image, len(package.labels) + 1)
    for _ in evidence.gathered(segmenter.window.stream(segmenter.network, image, lowest(image.numpy())), image):
        pass
    values = [label.value for label in package.labels]
    prepared_truth = package.preprocessing.prepare_labels(truth, values, box=box)
    grid = CanonicalGrid.of(volume.grid)
    extent = CanonicalGrid(box.size, grid.spacing_dhw).with_size(image.shape[1:])
    segmentation = cleaned(segmenter, evidence)
    tolerance = default_tolerance_mm(volume.grid.spacing_mm, extent.spacing_dhw)
    return ErrorCase(evidence, segmentation, np.asarray(prepared_truth), None, extent.spacing_dhw), tolerance


def cleaned(segmenter: Segmenter, evidence: Evidence) -> np.ndarray:
    """The classes of the result, small components removed as the model says."""
    values = [label.value for label in segmenter.package.labels]
    segmentation = evidence.classes.numpy().copy()
    classes = [1 + values.index(value) for value in segmenter.kept.label_values]
    if segmenter.kept.is_any:
        conservative = segmentation * (evidence.channels[HEAD_CHANNELS.index("conservative_foreground")].numpy() > 0)
        keep_largest_components(segmentation, conservative, segmentation.copy(), classes, segmenter.kept.together)
    return segmentation


def measured_case(name: str, case: ErrorCase, tolerance: float) -> MeasuredCase:
    def head(channel: str) -> np.ndarray:
        return case.evidence.channels[HEAD_CHANNELS.index(channel)].numpy().astype(np.float32)

    inside = case.segmentation > 0
    far = np.full(inside.shape, 1e3, np.float32)
    outward = distance_transform_edt(~inside, sampling=case.spacing_dhw) if inside.any() else far
    inward = distance_transform_edt(inside, sampling=case.spacing_dhw)
    scores = {
        "softmax margin": -head("segmentation_margin"),
        "entropy": head("entropy"),
        "CoraNet's map": -head("caution_shift"),
        "shell around the boundary": -np.maximum(outward, inward).astype(np.float32),
    }
    return MeasuredCase(name, case, tolerance, case.deep(tolerance), scores)


def needed_share(scores: list[np.ndarray], errors: list[np.ndarray], held: float = HELD) -> float:
    """Share of all voxels flagged by the one threshold that holds so much of the errors of the mean case."""
    ranked, weights = [], []
    for score, error in zip(scores, errors, strict=True):
        if error.any():
            ranked.append(score[error])
            weights.append(np.full(len(ranked[-1]), 1 / len(ranked[-1])))
    values, weight = np.concatenate(ranked), np.concatenate(weights)
    order = np.argsort(-values, kind="stable")
    place = np.searchsorted(np.cumsum(weight[order]), held * len(ranked))
    threshold = values[order[min(place, len(order) - 1)]]
    return float(np.mean([np.mean(score >= threshold) for score in scores]))


def load_cases(args: argparse.Namespace) -> tuple[list[MeasuredCase], list[str]]:
    """The cases, predicted or from the cache."""
    numbers = development_cases(args.data, args.most)
    segmenter, cases, names = None, [], []
    for number in numbers:
        path = args.cache / f"{number}.pt"
        if not path.is_file():
            segmenter = segmenter or Segmenter(
                SegmentConfig(model=str(args.model)), Reporter(lambda event: None, lambda: False)
            )
            case, tolerance = error_case(segmenter, args.data, number)
            args.cache.mkdir(parents=True, exist_ok=True)
            names = [label.name for label in segmenter.package.labels]
            torch.save({
                "evidence": [case.evidence.channels, case.evidence.classes, case.evidence.runner_up],
                "segmentation": torch.from_numpy(case.segmentation), "truth": torch.from_numpy(case.truth),
                "spacing": case.spacing_dhw, "tolerance": tolerance, "names": names,
            }, path)  # fmt: skip
        content = torch.load(path, weights_only=True)
        names = content["names"]
        case = ErrorCase(
            Evidence(*content["evidence"]), content["segmentation"].numpy(), content["truth"].numpy(), None,
            tuple(content["spacing"]),
        )  # fmt: skip
        cases.append(measured_case(number, case, content["tolerance"]))
    return cases, names


def draw(
    cases: list[MeasuredCase], known: dict[str, Places], sampled: SampledCases, fitted: int, number: int, steps: int
) -> dict[str, object]:
    """Fit on some cases, measure on the others; `known` are the places of cases by what is not learned."""
    order = np.random.default_rng(number).permutation(len(cases))
    rotated = [int(place) for place in np.roll(order, -fitted * number)]
    there = [cases[place] for place in rotated[fitted:]]
    start = time.process_time()
    network = sampled.fit(rotated[:fitted], number, steps=steps)
    seconds = time.process_time() - start
    row: dict[str, object] = {"fit_processor_s": round(seconds, 1), "measured": [case.name for case in there]}
    learned = [applied(network, case.tolerance_mm, case.case.evidence).numpy() for case in there]
    for kind, errors, output in (("all", [c.wrong for c in there], 0), ("deep", [c.deep for c in there], 1)):
        needed = {name: needed_share([c.scores[name] for c in there], errors) for name in there[0].scores}
        needed["learned"] = needed_share([outputs[output] for outputs in learned], errors)
        needed["learned, by deep errors"] = needed_share([output[1] for output in learned], errors)
        row[kind] = needed
    if fitted > 2:
        row["places"] = [
            known[c.name] | places_of(c.case, c.deep, {"learned": output[1]})
            for c, output in zip(there, learned, strict=True)
            if c.deep.any()
        ]
    return row


def summary(rows: list[dict[str, object]]) -> dict[str, object]:
    """Mean over the draws, as multiples of the softmax margin."""
    figures_of_draws: dict[str, object] = {
        "draws": len(rows),
        "fit_processor_s": np.mean([row["fit_processor_s"] for row in rows]),
    }
    for kind in ("all", "deep"):
        base = "softmax margin"
        figures_of_draws[kind] = {
            name: round(float(np.mean([row[kind][name] / row[kind][base] for row in rows])), 3)
            for name in rows[0][kind]
        }
        figures_of_draws[f"{kind}_softmax_share"] = round(float(np.mean([row[kind][base] for row in rows])), 4)
    places = [of_case for row in rows for of_case in row.get("places", [])]
    if places:
        figures_of_draws["places"] = mean_of(places)
    return figures_of_draws


def short_training_cases(folder: Path) -> list[ErrorCase]:
    """The cases that short trainings of a job left out, and the validation cases, as the networks see them."""
    job, package = Job.open(folder), ModelPackage.read(folder)
    device, plan = choose_device(MachineConfig(threads=1)), ErrorPlan.from_dict(read_json(job.error_plan_path), folder)
    window = SlidingWindow.of(package.architecture, InferenceConfig(), device)
    datalist, made = job.read_datalist(), []

    def see(network: torch.nn.Module, case: Case) -> None:
        volume, values = read_scan(case), [label.value for label in datalist.labels]
        image = torch.from_numpy(np.ascontiguousarray(package.preprocessing.prepare_image(volume)))
        truth = np.asarray(package.preprocessing.prepare_labels(read_label_map(Path(case.label)), values))
        evidence = Evidence.allocated(image, window.classes)
        for _ in evidence.gathered(window.stream(network, image, lowest(image.numpy())), image):
            pass
        spacing = CanonicalGrid.of(volume.grid).with_size(image.shape[1:]).spacing_dhw
        made.append(ErrorCase(evidence, evidence.classes.numpy(), truth, None, spacing))

    for case in datalist.with_role(Role.VALIDATION):
        see(package.load_network(device), case)
    for number, left_out in enumerate(plan.folds, start=1):
        network = CoraNet(package.architecture)
        network.load_state_dict(load_tensors(job.fold_checkpoint_path(number))["teacher"])
        for case in datalist.with_role(Role.TRAINING):
            if case.id in left_out:
                see(network.eval(), case)
    return made


def learned_from_short_trainings(
    fitted: list[ErrorCase], cases: list[MeasuredCase], heads_threshold: float, steps: int
) -> dict[str, object]:
    """What an error model from labeled cases alone flags on other cases."""
    start, sampled = time.process_time(), SampledCases.of(fitted, 0)
    tolerance_mm = float(np.median([case.tolerance_mm for case in cases]))
    curves, _ = cross_fitted(sampled, tolerance_mm, 1 + max(int(case.truth.max()) for case in fitted), steps=steps)
    network, promise = sampled.fit(range(len(fitted)), 0, steps=steps), Promise.of(curves, HELD)
    seconds, rows = time.process_time() - start, []
    for case in cases:
        probability = applied(network, tolerance_mm, case.case.evidence).numpy()[1]
        threshold = NestedRegions.of(probability).threshold((promise.relative_size or 0) * case.case.usual_voxels)
        heads = 1 / (1 + np.exp(-case.scores["CoraNet's map"].astype(np.float64)))
        ml = float(np.prod(case.case.spacing_dhw)) / 1000
        regions = {"region": probability >= threshold, "heads": heads >= heads_threshold}
        row = {f"{name}_ml": ml * np.count_nonzero(region) for name, region in regions.items()}
        if case.deep.any():
            row |= {f"{name}_held": float(region[case.deep].mean()) for name, region in regions.items()}
            for name, score in (("region", probability), ("heads", heads)):
                at = np.quantile(score[case.deep], 1 - HELD, method="lower")
                row[f"{name}_needed_ml"] = ml * np.count_nonzero(score >= at)
        rows.append(row)
    means = {name: round(float(np.mean([row[name] for row in rows if name in row])), 3) for name in rows[0]}
    return {"cases": len(fitted), "fits_processor_s": round(seconds, 1), "promised": promise.promised, **means}


def estimates(sampled: SampledCases, tolerance_mm: float, names: list[str], steps: int) -> dict[str, object]:
    """Promise, Dice and volumes, each of a case by fits that left it out."""
    curves, figures = cross_fitted(sampled, tolerance_mm, len(names) + 1, steps=steps)
    return {
        "promise": kept_promises(curves),
        "dice": estimated_dice(figures, names),
        "volume": {f"{share:g}": held_volumes(figures, names, share) for share in SHARES[:2]},
        "unlike": [
            QualityModel(tuple(names), others(figures, n)).estimate(case).unlike for n, case in enumerate(figures)
        ],
    }


def others(figures: list[CaseFigures], number: int) -> tuple[CaseFigures, ...]:
    return tuple(figures[:number] + figures[number + 1 :])


def kept_promises(curves: list[RiskCurve]) -> dict[str, object]:
    """Coverage and flagged share of the other cases by regions from a few, on the mean of 200 random splits."""
    shares: dict[str, object] = {}
    for count in sorted({count for count in (4, 9, (len(curves) + 1) // 2) if count < len(curves)}):
        for share in SHARES[:2]:
            shares[f"{share:g} from {count} cases"] = split_coverage(curves, count, share)
    return shares


def split_coverage(curves: list[RiskCurve], count: int, share: float) -> dict[str, float] | None:
    random, held, flagged = np.random.default_rng(0), [], []
    for _ in range(200):
        order = random.permutation(len(curves))
        promise = Promise.of([curves[i] for i in order[:count]], share)
        if promise.relative_size is None:
            return None
        place = np.searchsorted(RELATIVE_SIZES, promise.relative_size)
        held.append(1 - np.mean([curves[i].missed[place] for i in order[count:]]))
        flagged.append(np.mean([curves[i].flagged[place] for i in order[count:]]))
    means = {"held": held, "flagged": flagged, "promised": [promise.promised]}
    return {name: round(float(np.mean(values)), 4) for name, values in means.items()}


def estimated_dice(figures: list[CaseFigures], names: list[str]) -> dict[str, object]:
    """Rank correlation with the true mean Dice, and mean error of the calibrated estimate."""
    estimated = [QualityModel(tuple(names), others(figures, n)).estimate(case) for n, case in enumerate(figures)]
    true = np.array([case.mean_dice for case in figures])
    dice = np.array([quality.mean_dice for quality in estimated])
    raw = np.array([np.mean(case.expected_dice) for case in figures])
    return {
        "true": np.round(true, 3).tolist(), "expected": np.round(raw, 3).tolist(),
        "estimated": np.round(dice, 3).tolist(), "rank_correlation": round(float(spearmanr(raw, true)[0]), 3),
        "mean_error": round(float(np.mean(np.abs(dice - true))), 4),
        "verdicts": [quality.verdict for quality in estimated],
        "poor": int(np.sum(true < POOR_SHARE * np.median(true))),
        "poor ones within the first fifth": share if np.isfinite(share := found_poor(dice, true)[0]) else None,
    }  # fmt: skip


def held_volumes(figures: list[CaseFigures], names: list[str], share: float) -> dict[str, object]:
    """How many true volumes lie within the bounds, and how wide these are, in units of the volume; two ways."""
    rows: dict[str, list[tuple[bool, float]]] = {"by expected errors": [], "by relative error": []}
    for n, case in enumerate(figures):
        rest = others(figures, n)
        for number, bounds in enumerate(QualityModel(tuple(names), rest).bounds(case, share)):
            scale = max(case.true_ml[number], 1e-6)
            inside = bounds.lower_ml <= case.true_ml[number] <= bounds.upper_ml
            rows["by expected errors"].append((inside, (bounds.upper_ml - bounds.lower_ml) / scale))
            errors = sorted(abs(np.log((c.true_ml[number] + 1e-3) / (c.volume_ml[number] + 1e-3))) for c in rest)
            reach = np.exp(errors[min(len(errors), int(np.ceil((len(errors) + 1) * share - 1e-9))) - 1])
            lower, upper = bounds.ml / reach, bounds.ml * reach
            rows["by relative error"].append((lower <= case.true_ml[number] <= upper, (upper - lower) / scale))
    return {
        name: {
            "held": round(float(np.mean([i for i, _ in row])), 3),
            "width": round(float(np.mean([w for _, w in row])), 3),
        }
        for name, row in rows.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fitted", default="8,4,2")
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--most", type=int, default=24)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--cache", type=Path, default=Path("error-model-cache"))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--short-trainings", type=Path, metavar="JOB")
    parser.add_argument("--reviewed", type=int, default=0)
    args = parser.parse_args()
    cases, names = load_cases(args)
    # After the model was loaded, which sets as many as the machine has.
    torch.set_num_threads(1)
    result: dict[str, object] = {
        "command": " ".join(["python", *sys.argv]), "cases": [case.name for case in cases],
        "tolerance_mm": float(np.median([case.tolerance_mm for case in cases])),
        "wrong_share": float(np.mean([case.wrong.mean() for case in cases])),
        "deep_of_wrong": float(np.mean([case.deep.sum() / max(1, case.wrong.sum()) for case in cases])),
    }  # fmt: skip
    print(json.dumps(result), flush=True)
    if args.short_trainings:
        caution = float(ModelPackage.read(args.model).card.get("caution") or 0.0)
        fitted_on = short_training_cases(args.short_trainings)
        threshold, measured = uncertainty_threshold(caution), cases[args.reviewed :]
        result["short trainings"] = learned_from_short_trainings(fitted_on, measured, threshold, args.steps)
        print(json.dumps(result["short trainings"]), flush=True)
        if args.reviewed:
            fitted_on += [case.case for case in cases[: args.reviewed]]
            result["reviewed"] = learned_from_short_trainings(fitted_on, measured, threshold, args.steps)
            print(json.dumps(result["reviewed"]), flush=True)
    known = {c.name: places_of(c.case, c.deep, unlearned(c.case, c.deep)) for c in cases if c.deep.any()}
    result["places"] = mean_of(list(known.values()))
    print(args.data.name, json.dumps(result["places"]), flush=True)
    counts = [int(word) for word in args.fitted.split(",") if word]
    if counts:
        sampled = SampledCases.of([case.case for case in cases], 0)
        for fitted in counts:
            rows = [draw(cases, known, sampled, fitted, number, args.steps) for number in range(args.draws)]
            result[f"fitted on {fitted}"] = summary(rows)
            print(args.data.name, fitted, json.dumps(summary(rows)), flush=True)
        result["estimates"] = estimates(sampled, float(result["tolerance_mm"]), names, args.steps)
        print(json.dumps(result["estimates"]), flush=True)
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
