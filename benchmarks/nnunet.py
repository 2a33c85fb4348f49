"""nnU-Net v2 and this engine on the same labeled cases, the same machine and in the same time.

    python benchmarks/nnunet.py DATALIST --python NNUNET_PYTHON --time 1h --output DIR [--threads 1] [--seeds 0,1,2]
        [--part development --truth FOLDER] [--programs nnunet,coranet] [--results FILE.json]

NNUNET_PYTHON is the Python of a virtual environment of its own, outside of the repository (`pip install torch`, then
`pip install nnunetv2`). nnU-Net learns from all labeled cases with its own fingerprint, plan, preprocessing, network,
augmentation, loss and optimizer (fold `all`). Its learning rate falls with the share of the time that has gone, so its
schedule ends when the time ends. Its model is that of the last step, and predicts with its defaults, mirroring among
them. `nnunet_side.py` is what its Python runs. One configuration is trained: `2d` where nnU-Net calls a patch of
`3d_fullres` anisotropic, else `3d_fullres`. The engine gets the labeled and the unlabeled cases, and `--time`.

The time of each program begins with reading the first scan and ends with a model on disk, planning and preparing
included. Both are measured by this project's metrics, on the scans' own grids. Each runs in processes of its own with
as many threads; its peak of memory is that of the process that needed most. Runs that are finished are not repeated.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from measured_child import Cost, measured, measured_coranet
from nnunet_format import ENDING, class_indices, write_raw
from program_table import Row, markdown, summary

from coranet.contract import Case, Datalist, Job, Role, read_datalist, read_json
from coranet.contract.config.time_budget import seconds_of
from coranet.contract.files import write_json_atomic
from coranet.metrics import overlap_per_class, surface_distances_per_class
from coranet.volume import read_label_map
from coranet_experiments.parts import PARTS, cases_of_part

SIDE = Path(__file__).with_name("nnunet_side.py")
DATASET = "Dataset001_cases"
# Written last: a folder without it is an unfinished run.
ROW = "row.json"


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        datalist: all cases.
        measured: the cases on which both are measured, with labels.
        channels: their names; "CT" matters to nnU-Net.
        args: of the command line.
    """

    datalist: Datalist
    measured: tuple[Case, ...]
    channels: tuple[str, ...]
    args: argparse.Namespace

    @property
    def labeled(self) -> tuple[Case, ...]:
        """The cases to learn from."""
        return self.datalist.with_role(Role.TRAINING)

    @property
    def budget_s(self) -> float:
        """Seconds for a training."""
        return seconds_of(self.args.time) or 0.0


def run_coranet(comparison: Comparison, folder: Path, seed: int) -> Row:
    """Train this engine for the time, and measure its model."""
    args = comparison.args
    lists = folder / "training.json", folder / "measured.json"
    _write_datalist(
        lists[0], comparison.datalist, comparison.datalist.with_role(Role.TRAINING, Role.UNLABELED, Role.VALIDATION)
    )
    _write_datalist(lists[1], comparison.datalist, comparison.measured)
    job, scores = folder / "train", folder / "scores"
    threads = ["--set", f"machine.threads={args.threads}"] if args.threads else []
    chosen = [word for pair in args.set for word in ("--set", pair)]
    training = measured_coranet(
        ["train", lists[0], "--output", job, "--time", args.time, "--set", f"seed={seed}", *threads, *chosen],
        folder / "train.txt",
    )  # fmt: skip
    predicting = measured_coranet(
        ["evaluate", lists[1], "--model", job, "--output", scores, "--set", "regions=false", *threads],
        folder / "evaluate.txt",
    )
    cases = read_json(Job.open(scores).metrics_path)["cases"]
    card = read_json(job / "model" / "model.json")["card"]
    report = {"steps": card.get("steps"), "plan": list(card.get("plan", ()))}
    return _row("coranet", seed, training, predicting, cases, report)


def run_nnunet(comparison: Comparison, folder: Path, seed: int) -> Row:
    """Let nnU-Net plan, prepare, train for what is left of the time and predict; measure its label maps."""
    args = comparison.args
    write_raw(
        folder / "raw" / DATASET,
        comparison.labeled,
        comparison.measured,
        comparison.datalist.labels,
        comparison.channels,
    )
    threads = str(args.threads or 0)

    def side(*arguments: str | Path) -> Cost:
        command = [
            args.python,
            SIDE,
            arguments[0],
            folder,
            "--device",
            args.device,
            "--threads",
            threads,
            *arguments[1:],
        ]
        return measured(
            command, folder / f"{arguments[0]}.txt", _nnunet_environment(folder, str(arguments[0]), args.threads)
        )

    planning = side("plan", "--configuration", args.configuration)
    left = comparison.budget_s - planning.seconds
    if left <= 0:
        sys.exit(f"nnU-Net needs {planning.seconds:.0f} s to plan and prepare; give a longer --time.")
    training = side("train", "--seconds", f"{left:.1f}", "--seed", str(seed))
    predicting = side("predict")
    cases = {
        case.id: score(case, folder / "predicted" / f"{case.id}{ENDING}", comparison.datalist)
        for case in comparison.measured
    }
    whole = Cost(
        planning.seconds + training.seconds,
        planning.processor_seconds + training.processor_seconds,
        max(planning.peak_mib, training.peak_mib),
    )
    return _row("nnunet", seed, whole, predicting, cases, read_json(folder / "trained.json"))


PROGRAMS: dict[str, Callable[[Comparison, Path, int], Row]] = {"nnunet": run_nnunet, "coranet": run_coranet}


def score(case: Case, predicted: Path, datalist: Datalist) -> dict[str, Any]:
    """Dice and HD95 of each class by name, None where not defined, as `evaluation` writes them.

    Args:
        case: with the true label map.
        predicted: label map of class indices on the same grid.
        datalist: says which label value is which class.
    """
    truth, found = read_label_map(str(case.label)), read_label_map(predicted)
    if difference := truth.grid.difference(found.grid):
        sys.exit(f"'{predicted}' lies on another grid than '{case.label}' ({difference}).")
    true, classes = class_indices(truth.voxels, datalist.labels), len(datalist.labels) + 1
    of_classes = found.voxels.astype("uint8")
    figures = {
        "dice": overlap_per_class(of_classes, true, classes)["dice"],
        "hd95_mm": surface_distances_per_class(of_classes, true, classes, truth.grid.spacing_mm[::-1])["hd95_mm"],
    }
    names = [label.name for label in datalist.labels]
    return {
        key: {name: None if math.isnan(value) else value for name, value in zip(names, values, strict=True)}
        for key, values in figures.items()
    }


def compare(comparison: Comparison) -> list[Row]:
    """All runs, the seeds outermost; those that are there are read."""
    rows = []
    for seed in comparison.args.seeds:
        for program in comparison.args.programs:
            folder = comparison.args.output / f"{program}-seed{seed}"
            if not (folder / ROW).exists():
                print(f"{program}, seed {seed} ...", file=sys.stderr, flush=True)
                write_json_atomic(folder / ROW, PROGRAMS[program](comparison, folder, seed))
            rows.append(read_json(folder / ROW))
    return rows


def _row(program: str, seed: int, training: Cost, predicting: Cost, cases: Any, told: dict[str, Any]) -> Row:
    figures = {name: {key: row[key] for key in ("dice", "hd95_mm")} for name, row in cases.items()}
    return {
        "program": program, "seed": seed, "training": training.to_dict(), "predicting": predicting.to_dict(),
        "told": told, "cases": figures,
    }  # fmt: skip


def _nnunet_environment(folder: Path, work: str, threads: int | None) -> dict[str, str]:
    places = {f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")}
    counts = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)} if threads else {}
    # Workers of its augmentation would compute on cores that the other program does not get; planning wants a number.
    workers = "0" if work == "train" else str(threads or 1)
    return {**places, **counts, "nnUNet_n_proc_DA": workers, "nnUNet_compile": "false"}


def _write_datalist(path: Path, datalist: Datalist, cases: tuple[Case, ...]) -> None:
    rows: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        # A file of four dimensions is listed once.
        images = list(dict.fromkeys(case.images))
        image = {"image": images if len(images) > 1 else images[0]}
        rows.setdefault(case.role.value, []).append({**image, **({"label": case.label} if case.label else {})})
    labels = {"0": "background", **{str(label.value): label.name for label in datalist.labels}}
    channels = {"channels": list(datalist.channels)} if datalist.channels else {}
    write_json_atomic(path, {"labels": labels, **channels, **rows})


def _channels(path: Path, datalist: Datalist) -> tuple[str, ...]:
    """The names of the channels; a single one, which the engine needs no name for, by the datalist's modality."""
    named = read_json(path).get("modality") or {}
    return datalist.channels or (str(named.get("0", "MRI")),)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datalist", type=Path)
    parser.add_argument("--python", type=Path, required=True, help="of the environment that has nnunetv2")
    parser.add_argument("--time", default="1h", help="of each training; default 1h")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="JSON file; a table with the ending .md lies beside it")
    parser.add_argument("--part", choices=PARTS, default="test", help="cases to measure on; default test")
    parser.add_argument("--truth", type=Path, help="label maps of the unlabeled cases, for the development part")
    parser.add_argument("--seeds", type=_numbers, default=[0], metavar="0,1,...")
    parser.add_argument("--threads", type=int, help="of each program; default: as many as each takes")
    parser.add_argument("--programs", type=_programs, default=list(PROGRAMS), metavar="a,b")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="of nnU-Net; default cpu")
    parser.add_argument("--configuration", default="auto", choices=("auto", "2d", "3d_fullres"), help="of nnU-Net")
    parser.add_argument("--cases", type=int, help="measure on the first ones only, to try the program out")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", help="a setting of this engine")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _programs(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PROGRAMS]:
        raise argparse.ArgumentTypeError(f"expected programs among {', '.join(PROGRAMS)}, got {', '.join(unknown)}")
    return names


def main() -> None:
    args = _arguments()
    args.output = args.output.absolute()
    datalist = read_datalist(args.datalist)
    cases = cases_of_part(datalist, args.part, args.truth)[: args.cases]
    rows = compare(Comparison(datalist, cases, _channels(args.datalist, datalist), args))
    results = args.results or args.output / "comparison.json"
    content = {
        "command": shlex.join(["python", *sys.argv]), "time": args.time, "part": args.part, "cases": len(cases),
        "threads": args.threads, "summary": summary(rows), "rows": rows,
    }  # fmt: skip
    write_json_atomic(results, content)
    table = markdown(summary(rows), args.datalist.resolve().parent.name, args.time)
    results.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
