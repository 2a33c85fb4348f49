"""A segmentation job: each scan through the network and back onto its own grid, voxel for voxel."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import __version__
from .background import Background
from .boundary_slide import BoundaryMargins
from .coarse.finding import not_found, nothing_in_boxes
from .coarse.grid import CanonicalGrid
from .coarse.turning import TurnedScan, find_turned, found_turned
from .contract import Case, CaseDoubt, Job, ModelCard, PredictionFiles, ScanIdentity, write_json_atomic
from .contract.channels import require_all_channels
from .contract.config import SegmentConfig
from .contract.doubt import ERROR_MODEL, HEADS
from .contract.errors import CoraNetError, DataError, JobError
from .contract.events import Event as TellingEvent
from .contract.events import Started, Warned
from .contract.image_files import names_in_words
from .contract.model_card import model_fingerprint
from .contract.source_files import source_stamp
from .data.box import Box
from .data.cache import lowest
from .data.identity import identity_of_channels
from .data.scans import on_one_grid, read_channels, require_same_unit, unlike_training
from .data.series import divide_series
from .inference.account import Account, Outcome
from .inference.doubt import FoundDoubt, ScanEvidence, Segmented, with_largest_kept
from .inference.margins import slide_margins
from .inference.network_pass import SlidingWindow
from .inference.prediction import OwnGridDecision, Prediction, arrays_of
from .inference.quality import UNLIKE_TRAINING, ExpectedQuality, case_doubt
from .inference.result import Provenance, StopWatch, result_content
from .machine.devices import Device, choose_device
from .machine.distributed import Team
from .model_package import ModelPackage
from .model_settings import dial_of, error_model_in_use, kept_components, views_of
from .plausibility.reference import Reference
from .plausibility.traits import Measurement
from .regions.chances import chance_of_errors
from .regions.files import remove_regions, write_regions
from .regions.finding import FoundRegions
from .regions.places import find_places
from .reporting import Reporter
from .surfaces import can_make_surfaces, write_surfaces
from .training_set.same_scans import given_twice, images_of_results
from .volume import Grid, Volume, noted_by, write_volume
from .volume.notes import note

# A scan that is not larger than this makes room for the next one beside it.
_MOST_BYTES_AHEAD = 2**28


class Segmenter:
    """A model that is loaded once and applied to many scans."""

    def __init__(self, config: SegmentConfig, reporter: Reporter, device: Device | None = None) -> None:
        """Load the model.

        Args:
            config: the model, how it is applied, and where.
            reporter: says when to stop.
            device: where; None: as configured.

        Raises:
            ModelError, DeviceError: the model or the device cannot be used, or the model not with these settings.
        """
        device = device or choose_device(config.machine)
        self.package = ModelPackage.read(config.model)
        self.device_name = device.name
        self.card = ModelCard.read(self.package.folder)
        self.error_model = error_model_in_use(config, self.package)
        self.estimates_quality = config.quality
        self.reference = Reference.from_card(self.package.card) if config.quality else None
        self.dial = dial_of(config, self.package, self.card.error_model if self.error_model else None)
        self.kept = kept_components(config, self.package, self.card)
        self.makes_surfaces = config.surfaces and can_make_surfaces()
        self.makes_regions = config.regions
        self.network = self.package.load_network(device)
        once = SlidingWindow.of(
            self.package.architecture, config.inference, device, lambda share: reporter.stop_if_requested()
        )
        self.window = replace(once, views=views_of(config, self.package, self.card))
        self.coarse = self.package.load_coarse(device, config.inference, lambda share: reporter.stop_if_requested())

    def predict(self, volume: Volume) -> Prediction:
        """Segment one scan; see `segmented`."""
        return self.segmented(volume).prediction

    def segmented(
        self, volume: Volume, before_window: Callable[[float], None] | None = None, boxes: Sequence[Box] | None = None,
        on_empty_boxes: Callable[[], object] = lambda: None,
    ) -> Segmented:  # fmt: skip
        """Segment one scan; outside of the boxes in which the network looks there is background, which is certain.

        Args:
            volume: the scan.
            before_window: called before each batch of windows with the share of the scan that is done, may raise to
                stop; None: the reporter decides.
            boxes: where to look, from `boxes`; empty: everywhere; None: find them first.
            on_empty_boxes: called where the network finds nothing in the boxes, before it looks at the whole scan.
        """
        before = before_window or self.window.before_window
        chosen = self.boxes(volume, before_window) if boxes is None else boxes
        decided = self._decided(volume, chosen or [_whole(volume)], before)
        if chosen and self.coarse is not None and not decided.prediction.segmentation.any():
            # The coarse network may have found something else.
            on_empty_boxes()
            decided = self._decided(volume, [_whole(volume)], before)
        finishing = partial(with_largest_kept, decided, volume.grid, self.kept, self.dial)
        return Background(finishing).result(partial(before, 1.0))

    def _decided(self, volume: Volume, boxes: Sequence[Box], before_window: Callable[[float], None]) -> Segmented:
        """The network's result in some boxes of a scan, and background elsewhere."""
        doubt = None if self.error_model is None else FoundDoubt(self.error_model)
        # The dial of an error model is set once all is decided.
        caution = self.dial.caution or 0.0 if doubt is None else 0.0
        decision = OwnGridDecision(volume.grid, self.package.labels, caution, True)
        measurement = None if self.reference is None else Measurement(self.window.classes)
        whole, voxels_done = sum(box.voxels for box in boxes), 0
        own_spacing = CanonicalGrid.of(volume.grid).spacing_dhw
        for box in boxes:
            progress = _ShareReporter(before_window, voxels_done / whole, box.voxels / whole)
            image = Background(partial(self.prepared, volume, box)).result(progress.again)
            window = replace(self.window, before_window=progress)
            logits = window.stream(self.network, image, lowest(image.numpy()))
            if measurement is not None:
                logits = measurement.gathered(logits, image.numpy())
            if doubt is None:
                decision.fill(logits, image.shape[1], box, progress.again)
            else:
                with ScanEvidence.of(image, self.window.classes) as scan:
                    decision.fill(scan.gathered(logits), image.shape[1], box, progress.again)
                    spacing = CanonicalGrid(box.size, own_spacing).with_size(image.shape[1:]).spacing_dhw
                    finding = Background(partial(doubt.probability, scan, spacing))
                    decision.fill_doubt(finding.result(progress.again), box, progress.again)
            voxels_done += box.voxels
        return Segmented(decision.prediction, measurement, doubt)

    def boxes(self, volume: Volume, before_window: Callable[[float], None] | None = None) -> list[Box]:
        """Where the network looks, in canonical voxels of the scan.

        Args:
            volume: the scan.
            before_window: as for `predict`.

        Returns:
            What the model's coarse network finds, [] where that is nothing; the whole scan where it has none.
        """
        return [_whole(volume)] if self.coarse is None else self.coarse.boxes(volume, before_window)

    def turned(self, volume: Volume) -> TurnedScan | None:
        """A scan in which nothing was found, its slices turned so that something is; None: there is no such turn."""
        across = self.package.architecture.slice_axis
        return find_turned(self.coarse, volume, across) if self.coarse is not None and across is not None else None

    def prepared(self, volume: Volume, box: Box | None = None) -> Tensor:
        """A box of a scan as the network sees it, (C, D, H, W), float32; None: the whole scan."""
        return torch.from_numpy(np.ascontiguousarray(self.package.preprocessing.prepare_image(volume, box)))


def _whole(volume: Volume) -> Box:
    return Box.whole(CanonicalGrid.of(volume.grid).shape)


class _ShareReporter:
    """Reports the share of a whole scan while a box of it is computed, which begins at `first` and is `part` of it."""

    def __init__(self, report: Callable[[float], None], first: float, part: float) -> None:
        self._report, self._first, self._part = report, first, part
        self._share = 0.0

    def __call__(self, share: float) -> None:
        """So much of the box is done."""
        self._share = share
        self.again()

    def again(self) -> None:
        """The same share as before, so that a request to stop is noticed."""
        self._report(self._first + self._share * self._part)


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
        CoraNetError: the model cannot be used, at least one case failed, or there are results that are not resumed.
        JobCancelled: stopped on request; complete cases stay.
    """
    config = job.read_config()
    if not isinstance(config, SegmentConfig):
        raise JobError(f"'{job.folder}' is a training, expected a segmentation; choose another folder.")
    if not resume and job.complete_predictions():
        # Done again, its reviews would be of other results.
        raise JobError(f"'{job.folder}' has results; add --resume to do what is missing, or choose a new folder.")
    team = team or Team()
    device = team.device(config.machine)
    with team.assembled(device):
        cases, complete = team.from_leader(partial(_cases_of, job, resume, reporter))
        segmenter = Segmenter(config, reporter, device)
        if team.any(reporter.should_stop()):
            reporter.stop()
        reporter.emit(Started(len(complete), len(cases), segmenter.device_name, __version__))
        account = Account(reporter, len(cases), len(complete), team.count)
        scans = _Scans(segmenter.package.channels)
        own_cases = list(team.rounds([case for case in cases if case.id not in complete]))
        for case, following in zip_longest(own_cases, own_cases[1:]):
            if team.any(reporter.should_stop()):
                reporter.stop()
            account.begin_case()
            outcome = None
            if case is not None:
                events: list[TellingEvent] = []
                progress = Reporter(events.append, reporter.should_stop)
                run = _CaseRun(segmenter, case, job.prediction(case.id), events, progress, account.under_way)
                outcome = _attempt(run, scans, following)
            account.enter(team.gather(outcome))
        for group in given_twice(images_of_results(job, cases)) if team.is_leader else ():
            names = names_in_words(group)
            reporter.emit(Warned("same_scan", f"{names} are the same scan, voxel for voxel; keep one of them."))
    return _summary(job, len(cases), account)


def _cases_of(job: Job, resume: bool, reporter: Reporter) -> tuple[tuple[Case, ...], set[str]]:
    """All cases of a job, and the names of those that are complete; series of several images are divided first."""
    datalist = job.read_datalist()
    complete = {case.id for case in datalist.cases if resume and job.prediction(case.id).result.exists()}
    for case in sorted(complete):
        if missing := names_in_words(job.prediction(case).missing):
            reporter.emit(Warned("input", f"the result of '{case}' has no {missing}: it is segmented again."))
            job.prediction(case).result.unlink(missing_ok=True)
            complete.remove(case)
    return divide_series(job, datalist, reporter, complete).cases, complete


class _SkippedOnRequest(Exception):
    """The user asked to leave this case out."""


class _Scans:
    """The scans of some cases, of which the next one is read while this one is computed.

    Attributes:
        stamps: by case, to detect later whether its files have changed.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels = channels
        self._ahead: tuple[str, Background[tuple[Volume, ScanIdentity]]] | None = None
        self._notes: dict[str, list[str]] = {}
        self.stamps: dict[str, dict[str, Any]] = {}

    def begin(self, case: Case) -> None:
        """Begin to read a case."""
        self._ahead = case.id, Background(partial(self._read, case))

    def take(self, case: Case, poll: Callable[[], object]) -> tuple[Volume, ScanIdentity]:
        """The images of a case, if they are those of the model's channels, and which scan they are.

        Raises:
            DataError: they are not, or cannot be read.
        """
        if self._ahead is None or self._ahead[0] != case.id:
            self.begin(case)
        ahead, self._ahead = self._ahead, None
        try:
            return ahead[1].result(poll)  # type: ignore[index]
        finally:
            for sentence in self._notes.pop(case.id, ()):
                note(sentence)

    def _read(self, case: Case) -> tuple[Volume, ScanIdentity]:
        require_all_channels(case.id, case.images, self._channels)
        # The reader reports a file that cannot be looked at.
        with suppress(OSError):
            self.stamps[case.id] = source_stamp(case.images)
        # While it is read ahead, the events are those of the case before.
        with noted_by(self._notes.setdefault(case.id, []).append):
            channels = read_channels(case)
            return on_one_grid(case, channels), identity_of_channels(channels)


@dataclass(frozen=True)
class _CaseRun:
    """One case from its images to its result.

    Attributes:
        segmenter: the model.
        case: the scan.
        files: takes the results.
        events: of the case, to be reported once it is over.
        reporter: adds to `events`; says when to stop.
        under_way: gets the stage and its share.
        watch: measures the stages.
    """

    segmenter: Segmenter
    case: Case
    files: PredictionFiles
    events: list[TellingEvent]
    reporter: Reporter
    under_way: Callable[[str, float], None]
    watch: StopWatch = field(default_factory=StopWatch)

    def go_on(self, stage: str, share: float = 0.0) -> None:
        """Report how far the case is.

        Raises:
            JobCancelled: the job is to stop.
            _SkippedOnRequest: the case is to be left out.
        """
        self.reporter.stop_if_requested()
        if self.files.skip_requested():
            raise _SkippedOnRequest
        self.under_way(stage, share)

    def run(self, scans: _Scans, following: Case | None) -> None:
        """Do it; where the result is, the case is complete.

        Args:
            scans: gives the case's scan.
            following: the case after this one, whose scan may be read meanwhile.
        """
        self.go_on("read")
        self.files.result.unlink(missing_ok=True)
        remove_regions(self.files)
        segmented, grid, identity = self._predicted(scans, following)
        prediction = segmented.prediction
        margins = self._write(prediction, grid)
        regions = self._write_regions(segmented, grid, margins) if self.segmenter.makes_regions else None
        package = self.segmenter.package
        if self.segmenter.makes_surfaces:
            write_surfaces(self.files, prediction, package.labels, grid, partial(self.go_on, "surfaces"))
            self.watch.lap("surfaces")
        fingerprint = model_fingerprint(package.folder)
        doubt, expected = self._doubt(segmented, grid)
        provenance = Provenance(str(package.folder), package.labels, segmented.caution, fingerprint, doubt)
        content = Background(partial(result_content, self.case, prediction, grid, provenance))
        result = {**content.result(partial(self.go_on, "surfaces", 1.0)), "scan": identity.to_dict()}
        if self.case.id in scans.stamps:
            result["source"] = scans.stamps.pop(self.case.id)
        if warnings := [event.message for event in self.events if isinstance(event, Warned)]:
            result["warnings"] = warnings
        # Last: where the result is, the case is complete.
        write_json_atomic(self.files.result, {**result, "regions": regions, "seconds": self.watch.seconds})
        if expected is not None and (warning := expected.warning(self.case.id)):
            self.reporter.emit(warning)
        for name, volumes_ml in result["volumes_ml"].items():
            if not volumes_ml["segmentation"]:
                sentence = f"no '{name}' was found in '{self.case.id}'; check whether it has one"
                self.reporter.emit(
                    Warned("nothing_found", f"{sentence}, and whether it is like the scans of the training.")
                )

    def _doubt(self, segmented: Segmented, grid: Grid) -> tuple[CaseDoubt, ExpectedQuality | None]:
        """What is promised of the uncertain region, and how good the result is expected to be."""
        segmenter = self.segmenter
        deciding = Background(partial(
            case_doubt, segmented, grid, segmenter.package.labels, segmenter.card.error_model, segmenter.reference,
            segmenter.estimates_quality,
        ))  # fmt: skip
        return deciding.result(partial(self.go_on, "surfaces", 1.0))

    def _predicted(self, scans: _Scans, following: Case | None) -> tuple[Segmented, Grid, ScanIdentity]:
        """The result; the scan itself is not kept, so that there is room for what comes next."""
        package = self.segmenter.package
        volume, identity = scans.take(self.case, partial(self.go_on, "read"))
        require_same_unit(self.case, volume.grid, package.preprocessing.spacing_mm)
        for sentence in unlike_training(self.case, volume, package.preprocessing.lowest, package.channels):
            self.reporter.emit(Warned(UNLIKE_TRAINING, sentence))
        self.watch.lap("read")
        if following is not None and volume.voxels.nbytes <= _MOST_BYTES_AHEAD:
            scans.begin(following)
        upright, boxes = self._found(volume)
        on_empty_boxes = partial(self.reporter.emit, nothing_in_boxes(self.case.id))
        segmented = self.segmenter.segmented(upright, partial(self.go_on, "predict"), boxes, on_empty_boxes)
        self.watch.lap("predict")
        for label in package.labels:
            if removed := segmented.removed_parts.get(label.value):
                self.reporter.emit(_part_removed(self.case.id, label.name, removed * volume.grid.voxel_ml))
        return segmented, volume.grid, identity

    def _found(self, volume: Volume) -> tuple[Volume, list[Box]]:
        """How to look at the scan, and where."""
        finding = partial(self.go_on, "find")
        boxes = Background(partial(self.segmenter.boxes, volume)).result(finding)
        turned = None if boxes else Background(partial(self.segmenter.turned, volume)).result(finding)
        self.watch.lap("find")
        if turned is not None:
            self.reporter.emit(found_turned(self.case.id, turned.degrees))
            return turned.volume, list(turned.boxes)
        if not boxes:
            self.reporter.emit(not_found(self.case.id))
        return volume, boxes

    def _write(self, prediction: Prediction, grid: Grid) -> BoundaryMargins | None:
        """Write all arrays; the uncertainty map, which takes longest, beside the others. Returns what slides need."""
        arrays, margins = arrays_of(prediction), None
        if prediction.head_margins is not None:
            making = Background(partial(slide_margins, prediction.segmentation, prediction.head_margins, grid))
            margins = making.result(partial(self.go_on, "write"))
            arrays |= {"margin": margins.margin, "second": margins.second}
        names = [["uncertainty"], [name for name in arrays if name != "uncertainty"]]
        is_abandoned = Event()

        def write(some: list[str]) -> None:
            for name in some:
                if not is_abandoned.is_set():
                    write_volume(getattr(self.files, name), arrays[name], grid)

        try:
            for writing in [Background(partial(write, some)) for some in names]:
                writing.result(partial(self.go_on, "write"))
        finally:
            is_abandoned.set()
        self.watch.lap("write")
        return margins

    def _write_regions(self, segmented: Segmented, grid: Grid, margins: BoundaryMargins | None) -> int | None:
        """Write the places of a case; returns how many, None if there are too many to be looked at."""
        doubt = HEADS if segmented.doubt is None else ERROR_MODEL

        def find() -> FoundRegions:
            chance = chance_of_errors(segmented.prediction, grid, doubt, margins)
            return find_places(self.case.id, segmented.prediction, grid, segmented.caution, None, chance)

        finding = Background(find)
        try:
            regions = finding.result(partial(self.go_on, "regions"))
        except DataError as error:
            self.reporter.emit(Warned("no_regions", str(error)))
            return None
        Background(partial(write_regions, self.files, regions, grid)).result(partial(self.go_on, "regions", 0.5))
        self.watch.lap("regions")
        return len(regions.list.regions)


def _part_removed(case_id: str, name: str, ml: float) -> Warned:
    return Warned(
        "part_removed",
        f"in '{case_id}' a second part of '{name}' was removed, {ml:.2g} mL of which the network is sure: only its "
        "largest component is kept; if there can be several, segment with inference.largest_component=off.",
    )


def _attempt(run: _CaseRun, scans: _Scans, following: Case | None) -> Outcome:
    started = time.monotonic()
    failure, skipped, error = "", False, None
    try:
        # Corrections while the case is read belong to its events, whichever process reads it.
        with noted_by(lambda sentence: run.events.append(Warned("input", sentence))):
            run.run(scans, following)
    except _SkippedOnRequest:
        skipped = True
    except DataError as wrong:
        failure = str(wrong)
    except CoraNetError as ending:
        error = ending
    seconds = time.monotonic() - started
    return Outcome(run.case.id, seconds, tuple(run.events), failure, skipped, error, run.watch.seconds)


def _summary(job: Job, count: int, account: Account) -> str:
    failures, skipped = account.failures, account.skipped
    if count == 1 and failures:
        raise DataError(failures[0])
    if failures:
        raise CoraNetError(
            f"{len(failures)} of {count} cases could not be segmented, the others are done; the first: {failures[0]}"
        )
    good = count - skipped
    left_out = f"; {skipped} skipped on request" if skipped else ""
    # The last line alone must show that there is more to read.
    others = "; something in its input was left out, see the warnings" if job.read_datalist().left_out else ""
    doubts = f"; do not trust {account.doubtful} of them unchecked, see the warnings" if account.doubtful else ""
    return f"{good} {'case is' if good == 1 else 'cases are'} segmented{left_out}{others}{doubts}."
