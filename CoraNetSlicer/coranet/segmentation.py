"""A segmentation job: each scan through the network and back onto its own grid, voxel for voxel."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from . import __version__
from .config import SegmentConfig
from .data.box import Box
from .data.cache import lowest
from .data.orientation import Orientation
from .data.scans import read_scan, unlike_training
from .devices import Device, choose_device
from .errors import CoraNetError, DataError, JobError, ModelError
from .events import CaseDone, CaseFailed, CaseSkipped, Event, Progress, Started, Warned
from .inference import SlidingWindow
from .job import Case, Job, PredictionFiles, write_json_atomic
from .job.channels import require_all_channels
from .model_package import ModelPackage
from .prediction import OwnGridDecision, Prediction, arrays_of
from .regions.files import remove_regions, write_regions
from .regions.finding import find_regions
from .reporting import Reporter
from .result import MadeBy, StopWatch, result_content
from .surfaces import can_make_surfaces, write_surfaces
from .training.distributed import Team
from .volume import Grid, Volume, write_volume

SEGMENTING = "segmenting"


class Segmenter:
    """A model that is loaded once and applied to many scans."""

    def __init__(self, config: SegmentConfig, reporter: Reporter, device: Device | None = None) -> None:
        """Load the model.

        Args:
            config: the model, how it is applied, and where.
            reporter: says when to stop.
            device: where; None: as the configuration says.

        Raises:
            ModelError, DeviceError: the model or the device cannot be used.
        """
        device = device or choose_device(config.machine)
        self.package = ModelPackage.read(config.model)
        self.device_name = device.name
        self.caution = _caution(config, self.package)
        self.makes_surfaces = config.surfaces and can_make_surfaces()
        self.makes_regions = config.regions
        self.network = self.package.load_network(device)
        self.window = SlidingWindow.of(
            self.package.architecture, config.inference, device, lambda share: reporter.stop_if_asked()
        )

    def predict(self, volume: Volume, before_window: Callable[[float], None] | None = None) -> Prediction:
        """Segment one scan.

        Args:
            volume: the scan.
            before_window: called before each batch of windows with the share of the scan that is done, may raise to
                stop; None: what the reporter says.
        """
        decision = OwnGridDecision(volume.grid, self.package.labels, self.caution)
        boxes = self.boxes(volume)
        whole, done = sum(box.voxels for box in boxes), 0
        for box in boxes:
            window = self.window if before_window is None else _telling(self.window, before_window, box, (done, whole))
            image = self.prepared(volume, box)
            decision.fill(window.stream(self.network, image, lowest(image.numpy())), image.shape[1], box)
            done += box.voxels
        return decision.prediction

    def boxes(self, volume: Volume) -> list[Box]:
        """Where the network looks, in canonical voxels: the whole scan."""
        return [Box.whole(Orientation.of(volume.grid.direction).to_canonical(volume.channels[0]).shape)]

    def prepared(self, volume: Volume, box: Box | None = None) -> Tensor:
        """A box of a scan as the network sees it, (C, D, H, W), float32; None: the whole scan."""
        return torch.from_numpy(np.ascontiguousarray(self.package.preprocessing.prepare_image(volume, box)))


def _telling(
    window: SlidingWindow, before_window: Callable[[float], None], box: Box, of: tuple[int, int]
) -> SlidingWindow:
    """A window that tells the share of a whole scan, of which `of[0]` of `of[1]` voxels were done before the box."""
    done, whole = of
    return replace(window, before_window=lambda share: before_window((done + share * box.voxels) / whole))


def run_segmentation_job(job: Job, resume: bool, reporter: Reporter, team: Team | None = None) -> str:
    """Do a segmentation job; a case that cannot be segmented, or is to be skipped, does not stop the others.

    Args:
        job: its directory.
        resume: leave out cases that are complete.
        reporter: takes events, says when to stop.
        team: the processes that share the cases; None: this one alone.

    Returns:
        A sentence about what came out.

    Raises:
        CoraNetError: the model cannot be used, or at least one case failed.
        JobCancelled: stopped on request; complete cases stay.
    """
    config = job.read_config()
    if not isinstance(config, SegmentConfig):
        raise JobError(f"'{job.folder}' is not a segmentation job.")
    team = team or Team()
    device = team.device(config.machine)
    with team.assembled(device):
        cases = job.read_datalist().cases
        done = team.from_leader(
            lambda: {case.id for case in cases if resume and job.prediction(case.id).result.exists()}
        )
        segmenter = Segmenter(config, reporter, device)
        reporter.emit(Started(len(done), len(cases), segmenter.device_name, __version__))
        account = _Account(reporter, len(cases), len(done), team.count)
        for case in team.rounds([case for case in cases if case.id not in done]):
            if team.any(reporter.should_stop()):
                reporter.stop()
            outcome = None if case is None else _attempt(segmenter, case, job.prediction(case.id), reporter)
            account.enter(team.gather(outcome))
    return _summary(job, len(cases), account)


@dataclass(frozen=True)
class _Outcome:
    """What became of a case.

    Attributes:
        case: its name.
        seconds: it took.
        told: what is to be told of it.
        failure: why the case could not be segmented; empty if it was.
        skipped: whether somebody asked to leave it out.
        error: ends the whole job.
    """

    case: str
    seconds: float
    told: tuple[Event, ...]
    failure: str = ""
    skipped: bool = False
    error: CoraNetError | None = None


class _SkippedOnRequest(Exception):
    """Somebody asked to leave this case out."""


class _Account:
    """Tells what became of the cases, in the order of the list."""

    def __init__(self, reporter: Reporter, total: int, number: int, at_once: int) -> None:
        self.failures: list[str] = []
        self.skipped = 0
        self._reporter = reporter
        self._total, self._number, self._at_once = total, number, at_once
        self._seconds: list[float] = []

    def enter(self, outcomes: Sequence[_Outcome]) -> None:
        """Tell of one round of cases.

        Raises:
            CoraNetError: one of them ends the job, because it was cancelled or cannot be written, say.
        """
        for outcome in outcomes:
            if outcome.error is None:
                self._tell(outcome)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error

    def _tell(self, outcome: _Outcome) -> None:
        self._number += 1
        for event in outcome.told:
            self._reporter.emit(event)
        if outcome.skipped:
            self.skipped += 1
            self._reporter.emit(CaseSkipped(outcome.case))
        elif outcome.failure:
            self.failures.append(outcome.failure)
            self._reporter.emit(CaseFailed(outcome.case, outcome.failure))
        else:
            self._seconds.append(outcome.seconds)
            self._reporter.emit(CaseDone(outcome.case, self._number, self._total, round(outcome.seconds, 2)))
        left = (self._total - self._number) * float(np.mean(self._seconds)) / self._at_once if self._seconds else None
        self._reporter.emit(Progress(SEGMENTING, self._number, self._total, left))


def _attempt(segmenter: Segmenter, case: Case, files: PredictionFiles, reporter: Reporter) -> _Outcome:
    started = time.monotonic()
    told: list[Event] = []
    failure, skipped, error = "", False, None
    try:
        _segment_case(segmenter, case, files, Reporter(told.append, reporter.should_stop))
    except _SkippedOnRequest:
        skipped = True
    except DataError as wrong:
        failure = str(wrong)
    except CoraNetError as ending:
        error = ending
    return _Outcome(case.id, time.monotonic() - started, tuple(told), failure, skipped, error)


def _segment_case(segmenter: Segmenter, case: Case, files: PredictionFiles, reporter: Reporter) -> None:
    def go_on() -> None:
        reporter.stop_if_asked()
        if files.skip_requested():
            raise _SkippedOnRequest

    go_on()
    files.result.unlink(missing_ok=True)
    remove_regions(files)
    watch = StopWatch()
    volume = _read(segmenter, case, reporter)
    watch.lap("read")
    prediction = segmenter.predict(volume, lambda share: go_on())
    watch.lap("predict")
    go_on()
    for name, voxels in arrays_of(prediction).items():
        write_volume(getattr(files, name), voxels, volume.grid)
    watch.lap("write")
    region_count = None
    if segmenter.makes_regions:
        region_count = _write_regions(segmenter, case, files, (prediction, volume.grid), reporter)
        watch.lap("regions")
    if segmenter.makes_surfaces:
        write_surfaces(files, prediction, segmenter.package.labels, volume.grid)
        watch.lap("surfaces")
    made_by = MadeBy(str(segmenter.package.folder), segmenter.package.labels, segmenter.caution)
    result = result_content(case, prediction, volume.grid, made_by)
    # Last: where the result is, the case is complete.
    write_json_atomic(files.result, {**result, "regions": region_count, "seconds": watch.seconds})
    for name, volumes_ml in result["volumes_ml"].items():
        if not volumes_ml["segmentation"]:
            reporter.emit(Warned("nothing_found", f"no '{name}' was found in '{case.id}'."))


def _read(segmenter: Segmenter, case: Case, reporter: Reporter) -> Volume:
    """The images of a case, if they are those of the model's channels."""
    channels = segmenter.package.channels
    require_all_channels(case.id, case.images, channels)
    volume = read_scan(case)
    for sentence in unlike_training(case, volume, segmenter.package.preprocessing.lowest, channels):
        reporter.emit(Warned("unlike_training", sentence))
    return volume


def _write_regions(
    segmenter: Segmenter, case: Case, files: PredictionFiles, done: tuple[Prediction, Grid], reporter: Reporter
) -> int | None:
    """Write the regions of a case; returns how many, None if there are too many to be looked at."""
    prediction, grid = done
    try:
        found = find_regions(case.id, prediction, grid, segmenter.caution)
    except DataError as error:
        reporter.emit(Warned("no_regions", str(error)))
        return None
    write_regions(files, found, grid)
    return len(found.list.regions)


def _caution(config: SegmentConfig, package: ModelPackage) -> float:
    """Where the dial stands: as the configuration says, else as the model says, else as the heads were trained."""
    if config.inference.caution is not None:
        return config.inference.caution
    stored = package.card.get("caution")
    try:
        return float(stored or 0.0)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the model '{package.folder}' should name a number as its caution, got {stored!r}; set inference.caution."
        ) from error


def _summary(job: Job, count: int, account: _Account) -> str:
    failures, skipped = account.failures, account.skipped
    if count == 1 and failures:
        raise DataError(failures[0])
    if failures:
        raise CoraNetError(
            f"{len(failures)} of {count} cases could not be segmented, the others are done; the first: {failures[0]}"
        )
    done = count - skipped
    left_out = f"; {skipped} skipped on request" if skipped else ""
    folder = job.prediction_folder("").resolve()
    return f"{done} {'case is' if done == 1 else 'cases are'} segmented, in '{folder}'{left_out}."
