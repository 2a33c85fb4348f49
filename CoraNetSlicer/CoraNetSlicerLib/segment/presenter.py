"""The section Segment without its widgets: a model, what it segments, one job that is watched, and its results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Union

from coranet.contract import Case, Job, JobKind, JobStatus
from coranet.contract.errors import CoraNetError, JobError
from coranet.contract.events import CaseDone, CaseFailed, CaseSkipped, Event, Progress, Started, duration

from ..core.export import SegmentExport
from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.protocols import Host
from ..core.results import FOLDER_ATTRIBUTE, case_key, marked_volumes, names_in_scene, results_by_key
from ..core.stepwise import StepwiseWork
from ..core.translation import _
from ..environment.presenter import EnvironmentPresenter
from ..jobs.arguments import segment_config
from ..jobs.handle import JobHandle
from ..jobs.job_presenter import JobPresenter
from ..jobs.listing import segmentation_name
from ..jobs.model_choice import ModelChoice
from ..logic import CoraNetLogic
from ..review.result_loading import load_case
from .segmentation_source import SegmentationSource, SourceKind, images_to_segment

_LOADED = "SegmentationLoaded"


@dataclass(frozen=True)
class CaseRow:
    """A line of the table.

    Attributes:
        case: its id, by which files and calls know it.
        text: what becomes of it, such as "running, 42 %".
        action: what its button does: "skip", "load", "show", or "" for no button.
        name: what a person calls it: its volume's name in the scene.
    """

    case: str
    text: str
    action: str = ""
    name: str = ""


@dataclass(frozen=True)
class CaseProgress:
    """What is known of the cases besides the events.

    Attributes:
        skipping, loading, loaded: cases to be left out on request, and those whose result comes or is in the scene.
        problems: case -> why its result could not be loaded.
        part: share of the running case that is done, 0 to 1; 0 while unknown.
        seconds_left: of the running case; None while unknown.
    """

    status: JobStatus
    skipping: Collection[str] = ()
    loading: Collection[str] = ()
    loaded: Collection[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    part: float = 0.0
    seconds_left: Optional[float] = None


class SegmentationPresenter(JobPresenter):
    """State and actions of the section Segment.

    Attributes:
        loaded: sent with the LoadedPrediction of each result that came into the scene.
        chosen: sent with the segmentation node of a result that a person wants to see.
        models: the choice of a model; has a signal of its own.
        source: the choice of what is segmented; has a signal of its own.
        warnings: what the results that were loaded say a person should know.
    """

    def __init__(
        self, logic: CoraNetLogic, environment: EnvironmentPresenter, parameters: Parameters, application: Host
    ) -> None:
        """Begin with what the scene remembers, a segmentation that runs included."""
        super().__init__(JobKind.SEGMENT, logic, environment, parameters, application)
        self.loaded, self.chosen = Signal(), Signal()
        self.warnings: tuple[str, ...] = ()
        self.models = ModelChoice(logic, parameters, application)
        self.source = SegmentationSource(logic.context.scene, parameters, application)
        self._cases: tuple[Case, ...] = ()
        self._skipping: set[str] = set()
        self._problems: dict[str, str] = {}
        # Results on their way into the scene, one after the other.
        self._waiting: list[tuple[Job, Case]] = []
        self._loading = StepwiseWork(application, self._on_loaded)
        self.changed.follow(environment.changed, self.models.changed, self.source.changed)
        self._attach_to_remembered()

    @property
    def is_loading(self) -> bool:
        """Whether results are being loaded, or wait for it."""
        return bool(self._waiting)

    @property
    def rows(self) -> list[CaseRow]:
        """The cases of the segmentation that is watched."""
        if self.handle is None or self._writing.is_busy:
            return []
        loading = {case.id for job, case in self._waiting if job.folder == self.handle.folder}
        part, seconds = self.handle.partProgress, seconds_left_of_case(self.handle.events)
        progress = CaseProgress(
            self.handle.status, self._skipping, loading, self._loaded_cases, self._problems, part, seconds
        )
        rows = case_rows([case.id for case in self._cases], self.handle.events, progress)
        names = names_in_scene(self._logic.context.scene, self.handle.job)
        return [replace(row, name=names.get(row.case, row.case)) for row in rows]

    @property
    def status(self) -> str:
        """The status of the segmentation, in a sentence."""
        if self._writing.is_busy:
            return _("{text} ...").format(text=self._writing.latest or _("Writing the images"))
        if self.handle is None or self._stopped_text:
            return self._stopped_text
        over = self._cases_with(CaseDone, CaseFailed, CaseSkipped)
        return status_text(self.handle, len(over), len(self._cases))

    @property
    def reason_not_startable(self) -> str:
        """Why nothing can be segmented now; "": it can."""
        reason = self.reason_busy or self._environment.reason_not_ready
        return reason or self.models.reason_missing or self.source.reason_missing

    @property
    def images(self) -> list[Any]:
        """The images of each case that is to be segmented, as `CoraNetLogic.segment` takes them.

        Raises:
            DataError: a volume lacks an image that the model needs.
        """
        channels = self.models.chosen.card.channels if self.models.chosen is not None else ()
        return images_to_segment(self.source.volumes, channels, self._parameters)

    def start(self) -> None:
        """Begin to write the images and to segment in the background; returns at once.

        Raises:
            CoraNetError: it cannot be started; with the reason.
        """
        self.source.look_again()
        if self.reason_not_startable or self.models.chosen is None:
            raise JobError(self.reason_not_startable)
        model = self.models.chosen
        if self.source.kind is SourceKind.FOLDER:
            output = self.source.output_folder or None
            self._on_started(self._logic.segmentFolder(self.source.input_folder, output, model.folder))
        else:
            names = [str(volume.GetName()) for volume in self.source.volumes]
            folder = self._logic.newFolder(segmentation_name(names))
            files = SegmentExport(folder, self.images, segment_config(model.folder), model.card.channels)
            self.error = self._stopped_text = ""
            self._writing.begin(self._logic.runner.write_and_start(files))
            self.changed.send()

    def skip(self, case: str) -> None:
        """Leave one case out and go on with the others; raises StorageError where that cannot be written."""
        if self.handle is not None:
            self.handle.job.prediction(case).request_skip()
            self._skipping.add(case)
            self.changed.send()

    def load(self, case: str) -> None:
        """Load the result of a case, and its volume if that is not in the scene; what is there is replaced."""
        if self.handle is not None:
            self._problems.pop(case, None)
            self._load(self.handle.job, next(listed for listed in self._cases if listed.id == case))

    def show(self, case: str) -> None:
        """Ask for the result of a case, which is in the scene, to be shown; nothing happens if it has gone."""
        if case in self._loaded_cases:
            self.chosen.send(self._loaded_cases[case])

    @property
    def _loaded_cases(self) -> dict[str, Any]:
        """By case, the segmentation node of each result of the segmentation that is watched."""
        return {} if self.handle is None else self._in_scene(self.handle.job, [case.id for case in self._cases])

    def _in_scene(self, job: Job, cases: Collection[str]) -> dict[str, Any]:
        by_key = results_by_key(self._logic.context.scene)
        keys = {case: case_key(job, case) for case in cases}
        return {case: by_key[key] for case, key in keys.items() if key in by_key}

    def attach(self, handle: JobHandle) -> None:
        """Watch an existing segmentation; the scene remembers it, and results are loaded if their volumes are there.

        The result of a single case is always loaded. Results that are in the scene stay as they are: a person may have
        corrected them.

        Raises:
            CoraNetError: its files cannot be read.
        """
        if handle.kind is not JobKind.SEGMENT:
            raise JobError(f"'{handle.folder}' is a training, expected a segmentation; open it under Train.")
        cases = [case.id for case in handle.job.read_datalist().cases]
        there = self._in_scene(handle.job, cases)
        for case, node in there.items():
            # The job may have been moved since.
            node.SetAttribute(FOLDER_ATTRIBUTE, str(handle.job.prediction_folder(case).absolute()))
        self._parameters.set_value(_LOADED, list(there))
        super().attach(handle)
        if len(self._cases) == 1 and self._cases[0].id in self._cases_with(CaseDone):
            (only,) = self._cases
            if only.id in self._loaded_cases:
                self.show(only.id)
            else:
                self._load(handle.job, only)

    def restore(self) -> None:
        """As of every job; results that the scene lacks are loaded."""
        self._load_no_more()
        self._problems, self.warnings, self._stopped_text = {}, (), ""
        self.models.refresh()
        self.source.look_again()
        super().restore()
        if self.handle is not None:
            self._take(self.handle.events)

    def close(self) -> None:
        """As of every job; no result is loaded any more."""
        self._load_no_more()
        self.source.close()
        super().close()

    def _reset(self, handle: Optional[JobHandle]) -> None:
        self._cases = handle.job.read_datalist().cases if handle is not None else ()
        self._problems, self.warnings, self._skipping = {}, (), set()
        if handle is not None and not handle.status.is_over:
            self._skipping = {case.id for case in self._cases if handle.job.prediction(case.id).skip_requested()}

    def _take(self, new: Sequence[Event]) -> None:
        if self.handle is None:
            return
        job = self.handle.job
        if any(isinstance(event, Started) for event in new):
            # The engine has put a case for each image in the place of a DICOM series of several.
            with suppress(CoraNetError, OSError):
                self._cases = job.read_datalist().cases
        loaded = self._parameters.value(_LOADED, [])
        finished = {event.case for event in new if isinstance(event, CaseDone)}
        for case in self._cases:
            is_missing = case.id in finished and case.id not in loaded
            if is_missing and marked_volumes(self._logic.context.scene, job, case.id):
                self._load(job, case)

    def _load(self, job: Job, case: Case) -> None:
        """Load a result when those before are loaded; its volume too, if it is not in the scene."""
        if any(other.folder == job.folder and waiting.id == case.id for other, waiting in self._waiting):
            return
        self._waiting.append((job, case))
        if len(self._waiting) == 1:
            self._load_next()
        self.changed.send()

    def _load_next(self) -> None:
        if self._waiting:
            self._loading.begin(load_case(self._logic.context, *self._waiting[0]))

    def _load_no_more(self) -> None:
        self._waiting.clear()
        self._loading.stop()

    def _on_loaded(self, problem: str) -> None:
        (job, case), loaded = self._waiting.pop(0), self._loading.result
        self._load_next()
        is_own = self.handle is not None and job.folder == self.handle.folder
        if problem and is_own:
            self._problems[case.id] = problem
        elif not problem:
            if is_own:
                self._parameters.set_value(_LOADED, [*self._parameters.value(_LOADED, []), case.id])
            self.warnings = tuple(dict.fromkeys([*self.warnings, *loaded.warnings]))
            self.loaded.send(loaded)
        self.changed.send()

    def _cases_with(self, *outcomes: type[Union[CaseDone, CaseFailed, CaseSkipped]]) -> set[str]:
        events = self.handle.events if self.handle is not None else []
        return {event.case for event in events if isinstance(event, outcomes)}


def case_rows(cases: Collection[str], events: Collection[Event], progress: CaseProgress) -> list[CaseRow]:
    """The lines of a job, in the order in which its cases are segmented."""
    outcomes = {event.case: event for event in events if isinstance(event, (CaseDone, CaseFailed, CaseSkipped))}
    has_started = any(isinstance(event, Started) for event in events)
    rows = []
    is_first = True
    for case in cases:
        if case in outcomes:
            rows.append(_row_of_outcome(case, outcomes[case], progress))
        else:
            rows.append(_row_without_outcome(case, has_started and is_first, progress))
            is_first = False
    return rows


def status_text(handle: JobHandle, done: int, total: int) -> str:
    """The status of a segmentation of which some cases of all are segmented, failed or skipped, in a sentence."""
    if handle.status is not JobStatus.RUNNING:
        text = handle.message or _("never started.")
        return _("{name}: {text}").format(name=handle.folder.name, text=text)
    if handle.isStopping:
        return _("Stopping...")
    text = _("Segmenting {number} of {total}").format(number=min(done + 1, total), total=total)
    seconds = handle.secondsLeft
    return text + (_("; about {time} left").format(time=duration(seconds)) if seconds else "") + "."


def seconds_left_of_case(events: Sequence[Event]) -> Optional[float]:
    """How long the case that is being segmented will take, at the pace of what is done of it; None while unknown."""
    ends = (Started, CaseDone, CaseFailed, CaseSkipped)
    start = next((event.time for event in reversed(events) if isinstance(event, ends)), None)
    latest = next((event for event in reversed(events) if isinstance(event, (Progress, *ends))), None)
    if start is None or not isinstance(latest, Progress) or not latest.part:
        return None
    return (latest.time - start) * (1 - latest.part) / latest.part


def _running_text(progress: CaseProgress) -> str:
    if not progress.part:
        return _("running")
    text = _("running, {percent:.0f} %").format(percent=100 * progress.part)
    if progress.seconds_left is None:
        return text
    return _("{text}, {time} left").format(text=text, time=duration(progress.seconds_left))


def _row_of_outcome(case: str, outcome: Event, progress: CaseProgress) -> CaseRow:
    if isinstance(outcome, CaseFailed):
        return CaseRow(case, _("failed: {reason}").format(reason=outcome.message))
    if not isinstance(outcome, CaseDone):
        return CaseRow(case, _("skipped"))
    if case in progress.loading:
        return CaseRow(case, _("loading"))
    if case in progress.problems:
        text = _("done, not loaded: {reason}").format(reason=progress.problems[case])
        return CaseRow(case, text, "load")
    text = _("done in {time}").format(time=duration(max(1.0, outcome.seconds)))
    return CaseRow(case, text, "show" if case in progress.loaded else "load")


def _row_without_outcome(case: str, is_next: bool, progress: CaseProgress) -> CaseRow:
    if progress.status.is_over:
        return CaseRow(case, _("not segmented"))
    if case in progress.skipping:
        return CaseRow(case, _("skipping"))
    if is_next and progress.status is JobStatus.RUNNING:
        return CaseRow(case, _running_text(progress), "skip")
    return CaseRow(case, _("waiting"), "skip")
