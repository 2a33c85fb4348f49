"""How long the panel keeps the event loop of Qt busy at a stretch, while it watches a training and loads a result.

    QT_QPA_PLATFORM=offscreen python benchmarks/panel_stalls.py [--size 256,256,200] [--rows 12]

The whole panel is shown off screen on the stand-ins of Testing/panel, on a real scene. It is measured in five parts:

    training   a process tells losses and progress a hundred times a second; bar, status and curves follow
    loading    the result of a volume that is in the scene: two classes, all overlays, the uncertainty map, surfaces
    looks      the looks "3D", "plain" and "review" are clicked, and the dial is turned
    review     uncertain regions are decided, one is edited, steps are taken back
    sliding    the boundary is slid notch by notch, taken and taken back, at three places

Every event that Qt delivers is timed. Printed are the longest, in wall time and in processor time of this process (what
lies between the two is other work of the machine, and waiting for the disk), with what was done in them. What is drawn
in slice and 3D views is no part of it: there are none off screen.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("CoraNetSlicer", "Testing/panel", "Testing/slicer")]

import numpy as np
import qt_modules

qt_modules.install()

from fake_jobs import _write
from job_fixtures import a_training_job, fake_runner
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication
from stage import Stage

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role, write_json_atomic
from coranet.contract.config import SegmentConfig
from coranet.contract.events import CaseDone, Finished, Started
from coranet.inference.margins import HeadMargins, slide_margins
from coranet.inference.prediction import Prediction, arrays_of
from coranet.regions.finding import find_regions
from coranet.surfaces import write_surfaces
from coranet.volume import Grid, write_volume
from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.stepwise import Deferred
from CoraNetSlicerLib.review.result_loading import ResultLoading

CASE = "Patient 1"
LABELS = (Label(1, "Organ", (0.9, 0.45, 0.3)), Label(2, "Lesion", (0.35, 0.72, 0.62)))
LIMIT_MS = 100.0
TRAINING_S = 12.0


# Milliseconds of wall time, of processor time, and what was done.
Stall = tuple[float, float, str]


class Stalls:
    """How long each delivery of an event took, and what was done in it."""

    def __init__(self) -> None:
        self.found: list[Stall] = []
        self.doing: list[str] = []

    def named(self, name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        """The action, which notes that it is being done."""

        def act(*arguments: Any) -> Any:
            self.doing.append(name)
            return action(*arguments)

        return act

    def take(self) -> list[Stall]:
        """What was found since the last time, the longest first."""
        found, self.found = self.found, []
        return sorted(found, reverse=True)


class TimedApplication(QApplication):
    """Times every event that it delivers."""

    def __init__(self, stalls: Stalls) -> None:
        super().__init__(["panel stalls"])
        self._stalls = stalls
        self._depth = 0

    def notify(self, receiver: QObject, event: QEvent) -> bool:
        if self._depth:
            return super().notify(receiver, event)
        what = f"{type(receiver).__name__}: {event.type().name}"
        self._stalls.doing.clear()
        self._depth += 1
        wall, processor = time.perf_counter(), time.process_time()
        try:
            return super().notify(receiver, event)
        finally:
            self._depth -= 1
            doing = ", ".join(dict.fromkeys(self._stalls.doing))
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            self._stalls.found.append((1e3 * wall, 1e3 * processor, doing or what))


def write_result(folder: Path, size_ijk: tuple[int, int, int]) -> Job:
    """A finished segmentation of one volume, as the engine leaves it."""
    grid = Grid(size_ijk, (0.8, 0.8, 1.5), (-90.0, -100.0, 40.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    k, j, i = np.ogrid[tuple(slice(0, n) for n in size_ijk[::-1])]
    scaled = [(axis / size - 0.5) for axis, size in zip((k, j, i), size_ijk[::-1], strict=True)]
    organ = (sum((axis / radius) ** 2 for axis, radius in zip(scaled, (0.35, 0.36, 0.31), strict=True))).astype("f4")
    organ += 0.04 * np.sin(i / 5.0) * np.cos(j / 7.0)
    lesion = scaled[0] ** 2 / 0.01 + (scaled[1] + 0.05) ** 2 / 0.008 + (scaled[2] - 0.1) ** 2 / 0.008

    def head(scale: float) -> np.ndarray:
        label = (organ < scale).astype(np.uint8)
        label[lesion < scale] = 2
        return label

    heads = [head(1.0), head(0.85), head(1.15)]
    uncertain = (heads[1] != heads[2]).astype(np.uint8)
    noise = np.random.default_rng(0).uniform(0, 0.01, organ.shape)
    uncertainty = np.clip(0.5 * uncertain + 0.4 * np.exp(-8 * np.abs(organ - 1)) + noise, 0, 1).astype(np.float32)
    prediction = Prediction(*heads, uncertain, uncertainty)
    image = folder.parent / f"{CASE}.nrrd"
    write_volume(image, (100 - 60 * organ.clip(0, 3)).astype(np.int16), grid)
    job = Job.create(folder, JobKind.SEGMENT, SegmentConfig("model"), Datalist((Case(CASE, Role.INPUT, str(image)),)))
    files = job.prediction(CASE)
    for name, voxels in arrays_of(prediction).items():
        write_volume(getattr(files, name), voxels, grid)
    write_surfaces(files, prediction, LABELS, grid)
    margins = slide_margins(prediction.segmentation, HeadMargins.begin(organ.shape, np.uint8), grid)
    write_volume(files.margin, margins.margin, grid)
    write_volume(files.second, margins.second, grid)
    regions = find_regions(CASE, prediction, grid, 0.0)
    regions.list.write(files.regions)
    write_volume(files.region_map, regions.region_map, grid)
    labels = [{"value": label.value, "name": label.name, "color": label.color, "terminology": ""} for label in LABELS]
    write_json_atomic(files.result, {"case": CASE, "labels": labels, "caution": 0.0})
    _write(job, [Started(0, 1, "cpu", "0"), CaseDone(CASE, 1, 1, 10.0), Finished("done", 10.0)], "finished")
    return job


def name_steps(stalls: Stalls) -> None:
    """Say which step of loading an event did, and which event looked at a job."""
    QtTicker._tick = stalls.named("look at the job", QtTicker._tick)  # type: ignore[method-assign]
    steps = ResultLoading.steps

    def named_steps(self: ResultLoading) -> Generator[str, None, Any]:
        going = steps(self)
        while True:
            try:
                step = next(going)
            except StopIteration as end:
                return end.value
            stalls.doing.append(step)
            yield step

    ResultLoading.steps = named_steps  # type: ignore[method-assign]


def measure_training(stage: Stage, folder: Path) -> None:
    """Watch a training that has a lot to say."""
    stage.logic._runner = fake_runner("", FAKE_STEPS="1000", FAKE_SECONDS_A_STEP="0.01")
    job = stage.logic.watch(stage.logic.runner.start(a_training_job(folder / "jobs" / "training")))
    stage.panel.open_job(job)
    stage.settle(lambda: job.status.is_over)
    stage.settle()


def measure_loading(stage: Stage, job: Job) -> None:
    """Load the result."""
    results: list[Any] = []
    stage.panel.segmentation.loaded.connect(results.append)
    stage.panel.open_job(stage.logic.attach(job.folder))
    stage.settle(lambda: results)
    if not results:
        raise RuntimeError("the result did not come")
    stage.settle()
    stage.settle(lambda: not stage.panel.overlays.status)


def measure_looks(stage: Stage) -> None:
    """Click the looks, and turn the dial."""
    for name in ("filledLookButton", "uncertaintyLookButton", "contoursLookButton"):
        stage.click(name)
        stage.settle()
    for value in np.linspace(-1, 3, 9):
        stage.ui.cautionSlider.setValue(float(value))
        stage.settle()


def measure_review(stage: Stage, stalls: Stalls) -> None:
    """Decide on regions with all surfaces in sight, edit one, and take all back."""
    review = stage.panel.review
    stage.panel.pages.show("review")
    stage.settle(lambda: not review.reason_not_decidable)
    decisions = ("radicalRegionButton", "conservativeRegionButton", "keepRegionButton") * 3
    for name in (*decisions, "editRegionButton", "doneEditingButton", *["undoRegionButton"] * 4):
        button = getattr(stage.ui, name)
        stage.settle(button.isEnabled)
        stage.application.later(stalls.named(f"click {name}", button.click))
        stage.settle()
    stage.settle(lambda: not stage.panel.overlays.status)


def measure_sliding(stage: Stage, stalls: Stalls) -> None:
    """Slide the boundary at places, notch by notch, take it, and take it back."""
    slides = stage.panel.review.slides
    stage.settle(lambda: not slides.reason)
    for _place in range(3):
        for notch in [1] * 8 + [-1] * 4:
            stage.application.later(stalls.named("notch of a slide", lambda notch=notch: slides.turn(notch)))
            stage.settle()
        stage.application.later(stalls.named("take a slide", slides.take_and_go_on))
        stage.settle()
    stage.application.later(stalls.named("undo a slide", stage.panel.review.undo))
    stage.settle(lambda: not stage.panel.overlays.status)


def report(title: str, found: list[Stall], rows: int) -> tuple[float, float]:
    """Print the longest, and return the longest that make no nodes, in wall and processor time."""
    others = [stall for stall in found if not stall[2].endswith((" node", " segment"))]
    wall, processor = max(stall[0] for stall in others), max(stall[1] for stall in others)
    print(f"\n{title}: {len(found)} events; the longest that make no node: {wall:.0f} ms, processor {processor:.0f} ms")
    for row in found[:rows]:
        print(f"  {row[0]:7.1f} ms, processor {row[1]:6.1f} ms  {row[2]}")
    return wall, processor


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="256,256,200", help="voxels along i, j, k")
    parser.add_argument("--rows", type=int, default=12, help="how many of the longest are printed")
    arguments = parser.parse_args()
    stalls = Stalls()
    application = TimedApplication(stalls)
    name_steps(stalls)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "panel"
        stage = Stage(folder)
        later = stage.application.later
        stage.application.later = lambda action, ms=0: later(stalls.named(_name_of(action), action), ms)
        job = write_result(folder / "jobs" / "segmentation", tuple(int(part) for part in arguments.size.split(",")))
        find_or_load_volume(stage.context, job, job.read_datalist().cases[0])
        stage.settle()
        stalls.take()
        longest = []
        for title, part in (
            ("training", lambda: measure_training(stage, folder)),
            ("loading", lambda: measure_loading(stage, job)),
            ("looks", lambda: measure_looks(stage)),
            ("review", lambda: measure_review(stage, stalls)),
            ("sliding", lambda: measure_sliding(stage, stalls)),
        ):
            part()
            longest.append(report(title, stalls.take(), arguments.rows))
        stage.close()
    del application
    walls, processors = ([round(stall[index], 1) for stall in longest] for index in (0, 1))
    print(json.dumps({"longest_ms": walls, "longest_processor_ms": processors, "limit_ms": LIMIT_MS}))
    return 0 if max(walls) < LIMIT_MS else 1


def _name_of(action: Any) -> str:
    action = getattr(action, "func", action)
    owner = getattr(action, "__self__", None)
    if isinstance(owner, Deferred):
        return f"deferred {_name_of(owner._action)}"
    return str(getattr(action, "__qualname__", action)).replace(".<locals>.<lambda>", "")


if __name__ == "__main__":
    sys.exit(main())
