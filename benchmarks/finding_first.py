"""The coarse stage alone: do its boxes hold the structures of scans that were not learned from, and what do they leave?

    python benchmarks/finding_first.py ../shared/data/acdc/dataset.json --truth ../shared/data/acdc/unlabeled-truth \
        --steps 250 --output FOLDER [--cautions 0,0.5,1,1.5] [--set key=value]

Trains the coarse network of an ordinary training (preset `quick`) for so many steps, on one thread, and finds boxes in
the development part: the even-numbered unlabeled cases, whose labels no training sees. A row for each stand of the
radical head's dial: share of the labeled voxels inside of the boxes, mean, least, and the share of cases with more than
0.995; share of the scan that the boxes leave, median and largest; boxes a case; cases in which nothing is found, which
are looked at whole.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CoraNetSlicer"))

import torch

from coranet.coarse.boxes import looked_at, outside_of
from coranet.coarse.finding import CoarseNetwork, found_boxes
from coranet.coarse.grid import CanonicalGrid
from coranet.command_line.overrides import overrides
from coranet.contract import Case, Job, JobKind, read_datalist
from coranet.contract.config import TrainConfig
from coranet.contract.events import Noted
from coranet.data.orientation import Orientation
from coranet.data.scans import read_scan
from coranet.inference.network_pass import SlidingWindow
from coranet.machine.devices import choose_device
from coranet.machine.distributed import Team
from coranet.planning.plan import checked_datalist
from coranet.planning.workplace import Workplace
from coranet.reporting import Reporter
from coranet.training import coarse_stage
from coranet.training_set.checked import checked_cases
from coranet.volume import read_label_map
from coranet_experiments.parts import DEVELOPMENT, cases_of_part


@dataclass(frozen=True)
class Scan:
    """What the coarse network says of a case, and the truth: margins on its grid, the scan's grid, a canonical mask."""

    name: str
    margins: npt.NDArray[Any]
    grid: CanonicalGrid
    mask: npt.NDArray[Any]


def trained(dataset: Path, steps: int, folder: Path, chosen: list[str]) -> CoarseNetwork:
    """The coarse network of a training of the data set; `chosen`: further settings, "key=value"."""
    settings = {"machine.threads": 1, "machine.device": "cpu", "data.coarse_stage": "on"}
    settings |= overrides(chosen)
    # With numbers of steps, as many as are asked for are a twentieth of the cost or more.
    config = TrainConfig.from_preset("quick", {**settings, "training.self_training_steps": steps})
    coarse_stage.steps_for_cost = lambda *_: steps  # type: ignore[assignment]
    job = Job.create(folder, JobKind.TRAIN, config, read_datalist(dataset))
    reporter = Reporter(lambda event: print(event.message) if isinstance(event, Noted) else None, lambda: False)
    device = choose_device(config.machine)
    start = time.process_time()
    checked = checked_cases(job, checked_datalist(job), config, reporter)
    at_hand = coarse_stage.TrainingJob(
        job, config, Workplace(device), Team(), reporter, job.cache_folder, checked.survey
    )
    regions = coarse_stage.find_regions(at_hand, checked.datalist, None)
    print(f"{time.process_time() - start:.0f} s of the processor, reading all scans included.")
    if regions.part is None or regions.network is None:
        raise SystemExit("the training has no coarse stage.")
    window = SlidingWindow.of(regions.part.architecture, config.inference, device)
    return CoarseNetwork(regions.part, regions.network, window)


def seen(coarse: CoarseNetwork, case: Case) -> Scan:
    """A case of the development part, as the coarse network sees it."""
    volume, labels = read_scan(case), read_label_map(str(case.label))
    image = torch.from_numpy(np.ascontiguousarray(coarse.part.preprocessing.prepare_image(volume)))
    mask = Orientation.of(labels.grid.direction).to_canonical(labels.voxels) > 0
    return Scan(case.id, coarse.margins(image), CanonicalGrid.of(volume.grid), mask)


def row(coarse: CoarseNetwork, scans: list[Scan], caution: float) -> str:
    """The figures at one stand of the dial, and the cases of which more than half a per cent is missed."""
    part = replace(coarse.part, caution=caution)
    boxes = [found_boxes(part, scan.margins, scan.grid) for scan in scans]
    inside = np.array(
        [
            1 - outside_of(scan.mask, some).sum() / scan.mask.sum() if some else 1.0
            for scan, some in zip(scans, boxes, strict=True)
        ]
    )
    left = [looked_at(some, scan.grid.shape) for scan, some in zip(scans, boxes, strict=True)]
    missed = ", ".join(
        f"{scan.name} {share:.3f}" for scan, share in zip(scans, inside, strict=True) if share <= 0.995
    )  # fmt: skip
    return (
        f"| {caution:g} | {inside.mean():.4f} | {inside.min():.3f} | {(inside > 0.995).mean():.2f} | "
        f"{np.median(left):.3f} | {max(left):.3f} | {np.mean([len(some) for some in boxes]):.2f} | "
        f"{sum(not some for some in boxes)} | {missed} |"
    )


def main() -> None:
    """Train, find, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--cautions", default="0,0.5,1,1.5")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", help="a setting of the training")
    arguments = parser.parse_args()
    coarse = trained(arguments.dataset, arguments.steps, arguments.output, arguments.set)
    scans = [
        seen(coarse, case) for case in cases_of_part(read_datalist(arguments.dataset), DEVELOPMENT, arguments.truth)
    ]
    print(f"{len(scans)} cases\n| dial | inside | least | > 0.995 | left | most left | boxes | whole | missed |")
    print("|---" * 9 + "|")
    for caution in arguments.cautions.split(","):
        print(row(coarse, scans, float(caution)))


if __name__ == "__main__":
    main()
