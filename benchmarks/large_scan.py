"""The whole way of a large CT with a small organ: planned, trained and segmented, each step's seconds and memory.

    python benchmarks/large_scan.py FOLDER [--time 20min] [--size 512,512,400] [--threads 2] [--results FILE.json]

FOLDER takes made-up scans (`large_scan_phantom.py`; 512 x 512 x 400 voxels, 210 MB each: 3 labeled, 4 unlabeled, 1 for
the test) and the jobs. Scans that are there are taken, jobs are made anew. Each step is the command that a person would
type, in a process of its own: `coranet train --time`, then `coranet segment` of the test scan. Seconds are of the whole
command; the peak is that of its process, what Python, PyTorch and MONAI need alone is told beside it. Dice is that of
the test scan. Smaller sizes cover the same body with larger voxels.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

from large_scan_phantom import LargeSet, write_large_set
from measured_child import PROGRAM, Cost, measured, measured_coranet
from program_table import gib, shown

from coranet.contract import Case, Job, Role, read_datalist
from coranet.contract.events import Noted
from coranet.contract.files import write_json_atomic
from coranet.metrics import dice_per_class
from coranet.volume import read_label_map

IMPORTS = "import monai, SimpleITK, torch; import coranet.segmentation, coranet.training.job"


@dataclass(frozen=True)
class Goals:
    """What the whole way may take on two cores."""

    whole_s: float = 3600
    segmenting_s: float = 60
    segmenting_gib: float = 4


def scans_of(size_ijk: tuple[int, int, int]) -> LargeSet:
    """Scans of a size that show as much as the usual ones."""
    usual = LargeSet()
    per_voxel = [there / here for there, here in zip(usual.size_ijk, size_ijk, strict=True)]
    spacing = [step * ratio for step, ratio in zip(usual.spacing_mm, per_voxel, strict=True)]
    return LargeSet(size_ijk=size_ijk, spacing_mm=(spacing[0], spacing[1], spacing[2]))


def whole_way(args: argparse.Namespace) -> dict[str, Any]:
    """Write scans, train, segment, measure."""
    scans = args.folder / "scans"
    arguments = [sys.executable, Path(__file__).resolve(), args.folder, "--size", ",".join(map(str, args.size))]
    writing = measured([*arguments, "--only-scans"], args.folder / "scans.txt")
    print(f"scans: {writing.seconds:.0f} s", flush=True)
    imports = measured([sys.executable, "-c", IMPORTS], args.folder / "imports.txt", {"PYTHONPATH": str(PROGRAM)})
    test = read_datalist(scans / "dataset.json").with_role(Role.TEST)[0]
    job, segmented = args.folder / "train", args.folder / "segmented"
    for old in (job, segmented):
        shutil.rmtree(old, ignore_errors=True)
    threads = ["--set", f"machine.threads={args.threads}"] if args.threads else []
    chosen = [word for pair in args.set for word in ("--set", pair)]
    training = measured_coranet(
        ["train", scans / "dataset.json", "--output", job, "--time", args.time, *threads, *chosen],
        args.folder / "train.txt",
    )
    print(f"training: {training.seconds:.0f} s", flush=True)
    segmenting = measured_coranet(
        ["segment", test.image, "--model", job, "--output", segmented, *threads], args.folder / "segment.txt"
    )
    costs = {"imports": imports, "scans": writing, "training": training, "segmenting": segmenting}
    notes = [event.message for event in Job.open(job).read_events() if isinstance(event, Noted)]
    dice = dice_of(segmented, test)
    return {"dice": dice, "notes": notes, "met": met(costs, Goals()), **{k: v.to_dict() for k, v in costs.items()}}


def dice_of(segmented: Path, test: Case) -> float:
    """Dice of the organ in the one case of a segmentation job."""
    job = Job.open(segmented)
    (case,) = job.read_datalist().cases
    found, truth = read_label_map(job.prediction(case.id).segmentation), read_label_map(str(test.label))
    return dice_per_class(found.voxels, truth.voxels, 2)[0]


def met(costs: dict[str, Cost], goals: Goals) -> dict[str, bool]:
    """Which goals are met; imports do not count as memory of the segmentation."""
    whole = costs["training"].seconds + costs["segmenting"].seconds
    memory_gib = (costs["segmenting"].peak_mib - costs["imports"].peak_mib) / 1024
    return {
        f"trained and segmented within {goals.whole_s:.0f} s": whole <= goals.whole_s,
        f"one scan segmented within {goals.segmenting_s:.0f} s": costs["segmenting"].seconds <= goals.segmenting_s,
        f"in {goals.segmenting_gib:g} GiB beyond the imports": memory_gib <= goals.segmenting_gib,
    }


def table(content: dict[str, Any], size: tuple[int, ...], time: str) -> str:
    """The figures for people."""
    lines = [f"{' x '.join(map(str, size))} voxels, --time {time}: Dice {content['dice']:.3f}", ""]
    lines += ["| step | s | processor, s | peak, GiB |", "| --- | --- | --- | --- |"]
    for step in ("imports", "scans", "training", "segmenting"):
        cost = content[step]
        cells = shown(cost["seconds"], 1), shown(cost["processor_seconds"], 1), gib(cost["peak_mib"])
        lines.append(f"| {step} | {' | '.join(cells)} |")
    lines += ["", *(f"- {goal}: {'yes' if reached else 'no'}" for goal, reached in content["met"].items())]
    return "\n".join(lines) + "\n"


def _size(text: str) -> tuple[int, int, int]:
    size_i, size_j, size_k = (int(word) for word in text.split(","))
    return size_i, size_j, size_k


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--time", default="20min", help="of the training; default 20min")
    parser.add_argument("--size", type=_size, default=LargeSet().size_ijk, metavar="I,J,K")
    parser.add_argument("--threads", type=int, help="of training and segmentation; default: as many as it takes")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", help="a setting of the training")
    parser.add_argument("--results", type=Path, help="JSON file; a table with the ending .md lies beside it")
    parser.add_argument("--only-scans", action="store_true", help="write the scans, no more")
    args = parser.parse_args()
    args.folder = args.folder.absolute()
    if args.only_scans:
        write_large_set(args.folder / "scans", scans_of(args.size))
        return
    content = whole_way(args)
    text = table(content, args.size, args.time)
    results = args.results or args.folder / "large-scan.json"
    command = shlex.join(["python", *sys.argv])
    write_json_atomic(results, {"command": command, "size_ijk": args.size, "time": args.time, **content})
    results.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
