"""What a trained model gains by looking at mirrored scans, and by the mean of its last weights: Dice and time.

    python benchmarks/model_options.py JOB DATALIST --output DIR [--truth FOLDER] [--part development] [--threads 1]
        [--device auto] [--results FILE.json]

JOB is the folder of a finished training. Its model segments the cases of a part as it is; where the training mirrored
its patches (`augmentation.flip_axes`) also with `inference.mirroring=on`; where it averaged weights
(`training.averaged_share`) also with those weights that the model has not taken: of the best step, or the mean. Each is
an ordinary segmentation job in a process of its own, evaluated by the ordinary means. Times of the processor are told
beside those of the clock, which other work on the machine spoils; both count start, writing and evaluation, seconds a
case do not. The same command goes on where an earlier one ended.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from measured_child import PROGRAM, measured
from program_table import shown

from coranet.contract import Datalist, Job, JobKind, ModelCard, read_datalist, read_json
from coranet.contract.config import InferenceConfig, MachineConfig, SegmentConfig
from coranet.contract.files import write_json_atomic
from coranet.machine.devices import choose_device
from coranet.model_package import ModelPackage
from coranet.tensors import load_tensors
from coranet_experiments.parts import DEVELOPMENT, PARTS, cases_of_part
from coranet_experiments.statistics import mean

AS_IT_IS = "as it is"
Row = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """A way to use what a training has made: whose weights, and whether scans are also looked at mirrored."""

    name: str
    model: Path
    mirroring: str


def variants(training: Job, folder: Path) -> Iterator[Variant]:
    """All ways that the training allows, the model as it is first; other weights become models in `folder`."""
    card = ModelCard.read(training.folder)
    for name, model in ((AS_IT_IS, training.model_folder), *_other_weights(training, folder)):
        yield Variant(name, model, "off")
        if card.mirrored_axes:
            yield Variant(f"{name}, mirrored along {', '.join(card.mirrored_axes)}", model, "on")


def _other_weights(training: Job, folder: Path) -> Iterator[tuple[str, Path]]:
    """The weights that the training had to choose from and has not taken; nothing where it averaged none."""
    last = load_tensors(training.last_checkpoint_path)
    if not last.get("average", {}).get("count"):
        return
    package = ModelPackage.read(training.folder)
    if package.card.get("averaged_steps"):
        best = training.best_checkpoint_path
        name, weights = "one step", (load_tensors(best) if best.exists() else last)["teacher"]
    else:
        name, weights = "mean of the last weights", last["average"]["network"]
    model = folder / name.replace(" ", "-")
    device = choose_device(MachineConfig(device="cpu"))
    network, coarse = package.load_network(device), package.load_coarse(device, InferenceConfig())
    network.load_state_dict(weights)
    replace(package, folder=model).write(network, coarse.network if coarse else None)
    yield name, model


def row_of(variant: Variant, datalist: Datalist, machine: Mapping[str, Any], folder: Path) -> Row:
    """Segment and evaluate where that was not done before; the figures of one variant."""
    figures = folder / "figures.json"
    if figures.exists():
        return dict(read_json(figures))
    config = SegmentConfig(
        str(variant.model), InferenceConfig(mirroring=variant.mirroring), MachineConfig(**machine), regions=False
    )
    job = Job.open(folder / "job") if Job.exists(folder / "job") else None
    job = job or Job.create(folder / "job", JobKind.SEGMENT, config, datalist)
    args = [sys.executable, PROGRAM / "coranet" / "__main__.py", "run", job.folder, "--resume"]
    cost = measured(args, folder / "log.txt")
    found = read_json(job.metrics_path)["mean"]
    seconds = [files.read_result()["seconds"] for files in map(job.prediction, (case.id for case in datalist.cases))]
    row = {
        "variant": variant.name, "cases": len(datalist.cases), "dice": found["mean_dice"],
        "dice_of_classes": found["dice"], "hd95_mm": mean(list(found["hd95_mm"].values())),
        "seconds_a_case": mean([stages["find"] + stages["predict"] for stages in seconds]), **cost.to_dict(),
    }  # fmt: skip
    write_json_atomic(figures, row)
    return row


def markdown(rows: list[Row]) -> str:
    """The table for people."""
    head = ["variant", "cases", "Dice", "HD95, mm", "finding and predicting, s a case", "all, s", "of the processor, s"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        times = (shown(row[key], 1) for key in ("seconds_a_case", "seconds", "processor_seconds"))
        lines.append([row["variant"], str(row["cases"]), shown(row["dice"], 4), shown(row["hd95_mm"], 2), *times])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Segment with all variants, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", type=Path, help="folder of a finished training")
    parser.add_argument("datalist", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--truth", type=Path, help="label maps of the unlabeled cases; default: unlabeled-truth beside")
    parser.add_argument("--part", choices=PARTS, default=DEVELOPMENT)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--results", type=Path, help="JSON file; the table with the ending .md lies beside it")
    args = parser.parse_args()
    data = read_datalist(args.datalist)
    cases = cases_of_part(data, args.part, args.truth or args.datalist.parent / "unlabeled-truth")
    datalist = Datalist(cases, data.labels, data.channels)
    machine = {"threads": args.threads, "device": args.device}
    output = args.output.absolute()
    rows = []
    for number, variant in enumerate(variants(Job.open(args.job), output / "models")):
        rows.append(row_of(variant, datalist, machine, output / f"variant-{number}"))
    results = args.results or output / "model-options.json"
    command = shlex.join(["python", *sys.argv])
    write_json_atomic(results, {"command": command, "part": args.part, "rows": rows})
    results.with_suffix(".md").write_text(markdown(rows), encoding="utf-8")
    print(markdown(rows))


if __name__ == "__main__":
    main()
