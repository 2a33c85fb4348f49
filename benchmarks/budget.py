"""The table of a time: methods trained on several data sets with the same plan, in the time that a person gives.

    python benchmarks/budget.py DATALIST... --time 1h --output DIR [--methods supervised,mean_teacher,coranet,...]
        [--seeds 0,1,2] [--part development] [--jobs 2] [--threads 1] [--nnunet PYTHON] [--results FILE.json]

For each data set `coranet experiment --time` plans once, for CoraNet's first seed; all methods and seeds take over that
plan: the same spacing, patch, network, batch and steps. `fully_supervised` is told the labels of the unlabeled cases,
which lie in `unlabeled-truth` beside the datalist, as in `../shared/data`. With `--nnunet`, nnU-Net gets the same
labeled cases and the same time (`nnunet.py`). The test cases are read once, when all trainings of a set are over; the
development part never teaches with its labels. The same command goes on where an earlier one ended.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from measured_child import PROGRAM
from program_table import gib, shown, with_spread

from coranet.contract import Job, read_json
from coranet.contract.config.time_budget import seconds_of
from coranet.contract.events import Noted
from coranet.contract.files import write_json_atomic
from coranet_experiments.parts import DEVELOPMENT, PARTS
from coranet_experiments.statistics import distance_closed, mean

METHODS = "supervised,mean_teacher,coranet,fully_supervised"
TRUTH = "unlabeled-truth"
OURS, LOWER, UPPER = "coranet", "supervised", "fully_supervised"
_USED_GIB = re.compile(r"at most ([\d.]+) GiB")

Row = dict[str, Any]


def rows_of_set(args: argparse.Namespace, datalist: Path) -> list[Row]:
    """Run what is missing on one data set; a row for each method."""
    name = datalist.resolve().parent.name
    folder = args.output / name
    arguments = ["experiment", datalist, "--methods", args.methods, "--seeds", args.seeds, "--time", args.time]
    arguments += ["--output", folder, "--part", args.part, "--jobs", args.jobs, *_truth(args, datalist)]
    arguments += [word for pair in _settings(args) for word in ("--set", pair)]
    _run([PROGRAM / "coranet" / "__main__.py", *arguments])
    summary = read_json(folder / "summary.json")["methods"]
    rows = [_row(name, folder, method, args.time) for method in summary]
    return rows + (_nnunet_rows(args, datalist, name) if args.nnunet else [])


def _row(name: str, folder: Path, method: Mapping[str, Any], time: str) -> Row:
    trainings = [folder / "runs" / f"{method['method']}-seed{seed}" / "train" for seed in method["seeds"]]
    jobs = [Job.open(path) for path in trainings if Job.exists(path)]
    plans = [read_json(job.plan_path).get("sentences", []) for job in jobs if job.plan_path.exists()]
    return {
        "set": name, "method": method["method"], "seeds": method["seeds"], "dice": method["mean_dice"],
        "dice_sd": method["dice_sd"], "dice_of_classes": method["dice_of_classes"], "hd95_mm": method["hd95_mm"],
        "asked_s": seconds_of(time), "taken_s": method["training_seconds"], "steps": method["steps"],
        "peak_mib": max(filter(None, map(peak_mib, jobs)), default=None), "plan": next(iter(plans), []),
    }  # fmt: skip


def peak_mib(job: Job) -> float | None:
    """The most memory that a training used, as it told; None: it did not."""
    notes = [event.message for event in job.read_events() if isinstance(event, Noted) and event.code == "memory_used"]
    return max((1024 * float(used[1]) for used in map(_USED_GIB.search, notes) if used), default=None)


def _nnunet_rows(args: argparse.Namespace, datalist: Path, name: str) -> list[Row]:
    results = args.output / name / "nnunet" / "comparison.json"
    arguments = [Path(__file__).with_name("nnunet.py"), datalist, "--python", args.nnunet, "--programs", "nnunet"]
    arguments += ["--time", args.time, "--output", results.parent, "--results", results, "--seeds", args.seeds]
    arguments += ["--part", args.part, *_truth(args, datalist), *(["--threads", args.threads] if args.threads else [])]
    _run(arguments)
    (found,) = read_json(results)["summary"]
    same = {key: found[key] for key in ("seeds", "dice", "dice_sd", "dice_of_classes", "hd95_mm", "steps")}
    row = {
        "set": name, "method": "nnunet", **same, "asked_s": seconds_of(args.time), "taken_s": found["training_seconds"],
        "peak_mib": found["training_peak_mib"], "plan": [],
    }  # fmt: skip
    return [row]


def _truth(args: argparse.Namespace, datalist: Path) -> list[str | Path]:
    folder = datalist.parent / TRUTH
    is_needed = UPPER in args.methods.split(",") or args.part == DEVELOPMENT
    return ["--truth", folder] if is_needed else []


def _settings(args: argparse.Namespace) -> list[str]:
    return [*args.set, *([f"machine.threads={args.threads}"] if args.threads else [])]


def _run(args: Sequence[object]) -> None:
    process = subprocess.run([sys.executable, *map(str, args)])
    if process.returncode:
        sys.exit(process.returncode)


def verdict(rows: Sequence[Row]) -> Row:
    """Over all sets: the mean Dice of each method, on how many sets CoraNet is above it, the distance that it closes.

    Args:
        rows: set, method, dice.
    """
    by_set: dict[str, dict[str, float | None]] = {}
    for row in rows:
        by_set.setdefault(row["set"], {})[row["method"]] = row["dice"]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    means = {method: mean([row.get(method) for row in by_set.values()]) for method in methods}
    above = {
        method: sum(_is_above(row.get(OURS), row.get(method)) for row in by_set.values())
        for method in methods
        if method != OURS
    }
    closed = distance_closed(means.get(OURS), means.get(LOWER), means.get(UPPER))
    return {"sets": len(by_set), "mean_dice": means, "above": above, "distance_closed": closed}


def _is_above(own: float | None, other: float | None) -> bool:
    return own is not None and other is not None and own > other


def markdown(rows: Sequence[Row], time: str, part: str) -> str:
    """Tables for people: Dice of each set and method, then what each run took, then the plans."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    sets = list(dict.fromkeys(row["set"] for row in rows))
    found = {(row["set"], row["method"]): row for row in rows}
    lines = [f"Mean Dice of the {part} cases after {time}, ± standard deviation over the seeds", ""]
    lines += _table(["set", *methods], [[name, *(_dice(found.get((name, m))) for m in methods)] for name in sets])
    whole = verdict(rows)
    lines += ["", *_sentences(whole), ""]
    head = ["set", "method", "seeds", "Dice", "HD95, mm", "asked, s", "taken, s", "steps", "peak, GiB"]
    lines += _table(head, [_details(row) for row in rows])
    plans = {row["set"]: row["plan"] for row in rows if row["plan"]}
    lines += ["", *(f"- {name}: {' '.join(sentences)}" for name, sentences in plans.items())]
    return "\n".join(lines) + "\n"


def _sentences(whole: Row) -> list[str]:
    lines = [f"Mean over {whole['sets']} sets: {', '.join(f'{m} {shown(d)}' for m, d in whole['mean_dice'].items())}."]
    lines += [
        f"CoraNet is above {method} on {count} of {whole['sets']} sets." for method, count in whole["above"].items()
    ]
    if whole["distance_closed"] is not None:
        lines.append(f"It closes {whole['distance_closed']:.0%} of the distance from {LOWER} to {UPPER}.")
    return lines


def _dice(row: Row | None) -> str:
    return "-" if row is None else with_spread(row, "dice", 3)


def _details(row: Row) -> list[str]:
    seconds = shown(row["asked_s"], 0), shown(row["taken_s"], 0)
    peak = "-" if row["peak_mib"] is None else gib(row["peak_mib"])
    seeds, hd95 = str(len(row["seeds"])), shown(row["hd95_mm"], 1)
    return [row["set"], row["method"], seeds, _dice(row), hd95, *seconds, shown(row["steps"], 0), peak]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datalists", type=Path, nargs="+", metavar="DATALIST")
    parser.add_argument("--time", default="1h", help="for CoraNet, and nnU-Net; default 1h")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--methods", default=METHODS, help=f"default {METHODS}")
    parser.add_argument("--seeds", default="0", metavar="0,1,...")
    parser.add_argument("--part", choices=PARTS, default="test")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time; default 1")
    parser.add_argument("--threads", type=int, help="of each run")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", help="a setting of every run")
    parser.add_argument("--nnunet", type=Path, metavar="PYTHON", help="of the environment that has nnunetv2")
    parser.add_argument("--results", type=Path, help="JSON file; tables with the ending .md lie beside it")
    args = parser.parse_args()
    args.output = args.output.absolute()
    rows: list[Row] = []
    results = args.results or args.output / "budget.json"
    for datalist in args.datalists:
        rows += rows_of_set(args, datalist)
        # After each set: the figures so far are worth something if the next set fails.
        content = {
            "command": shlex.join(["python", *sys.argv]),
            "part": args.part,
            "verdict": verdict(rows),
            "rows": rows,
        }
        write_json_atomic(results, content)
        results.with_suffix(".md").write_text(markdown(rows, args.time, args.part), encoding="utf-8")
    print(results.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
