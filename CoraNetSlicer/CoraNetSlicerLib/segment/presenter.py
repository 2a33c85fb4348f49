"""The section Segment without its widgets: a model, what it segments, one job that is watched, and its results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Optional, Union

from coranet.contract import Case, JobKind, JobStatus
from coranet.contract.errors import CoraNetError, JobError
from coranet.contract.events import CaseDone, CaseFailed, CaseSkipped, Event, Progress, Started, duration

from ..core.export import SegmentExport
from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.protocols import Host
from ..core.results import LoadedPrediction, case_key, find_volume, names_in_scene, results_by_key
from ..core.stepwise import StepwiseWork
from ..core.translation import _
from ..jobs.arguments import segment_config
from ..jobs.handle import JobHandle
from ..jobs.listing import RememberedJob, segmentation_name
from ..jobs.model_choice import ModelChoice
from ..logic import CoraNetLogic
from .result_queue import ResultQueue, WaitingResult
from .segmentation_source import SegmentationSource, SourceKind, images_to_segment

if TYPE_CHECKING:
    from ..environment.presenter import EnvironmentPresenter

_LOADED = "SegmentationLoaded"


class CaseState(str, Enum):
    """The status of a case."""

    WAITING = "waiting"
    RUNNING = "running"
    SKIPPING = "skipping"
    DONE = "done"
    LOADING = "loading"
    FAILED = "failed"
    SKIPPED = "skipped"
    LEFT = "left"


@dataclass(frozen=True)
class CaseRow:
    """A line of the table.

    Attributes:
        case: its id, by which files and calls know it.
        state: its status.
        text: the same in words.
        action: what its button does: "skip", "load", "show", or "" for no button.
        name: what a person calls it: its volume's name in the scene.
    """

    case: str
    state: CaseState
    text: str
    action: str = ""
    name: str = ""


@dataclass(frozen=True)
class CaseProgress:
    """What is known of the cases besides the events.

    Attributes:
        status: of the job.
        skipping: cases to be left out on request.
        loading: cases whose result is on its way into the scene.
        loaded: cases whose result is in the scene.
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


class SegmentationPresenter:
    """State and actions of the section Segment.

    Attributes:
        changed: sent after each change of what is shown.
        started: sent with the JobHandle of a segmentation that was started here.
        ended: sent with the JobHandle of a segmentation that ended while it was watched, however it did.
        loaded: sent with the LoadedPrediction of each result that came into the scene.
        chosen: sent with the segmentation node of a result that a person wants to see.
        models: the choice of a model; has a signal of its own.
        source: the choice of what is segmented; has a signal of its own.
        handle: the segmentation that is watched; None: there is none.
        warnings: what the results that were loaded say a person should know.
        error: what went wrong while a segmentation was being started; "" if nothing.
    """

    def __init__(
        self, logic: CoraNetLogic, environment: EnvironmentPresenter, parameters: Parameters, application: Host
    ) -> None:
        """Begin with what the scene remembers, a segmentation that runs included.

        Args:
            logic: starts and attaches to jobs.
            environment: whether the engine can run.
            parameters: the panel's state in the scene.
            application: for what only an application has.
        """
        self.changed = Signal()
        self.started = Signal()
        self.ended = Signal()
        self.loaded = Signal()
        self.chosen = Signal()
        self.handle: Optional[JobHandle] = None
        self.warnings: tuple[str, ...] = ()
        self.error = ""
        self._writing = StepwiseWork(application, self._on_written, self.changed.send)
        self._stopped_text = ""
        self._logic = logic
        self._environment = environment
        self._parameters = parameters
        self._remembered = RememberedJob(parameters, "Segmentation")
        self.models = ModelChoice(logic, parameters, application)
        self.source = SegmentationSource(logic.context.scene, parameters, application, application)
        self._cases: tuple[Case, ...] = ()
        self._skipping: set[str] = set()
        self._problems: dict[str, str] = {}
        self._queue = ResultQueue(logic.context, application)
        self._queue.changed.connect(self.changed.send)
        self._queue.loaded.connect(self._on_loaded)
        self._queue.failed.connect(self._on_not_loaded)
        self.changed.follow(environment.changed, self.models.changed, self.source.changed)
        self._attach_to_remembered()

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether a segmentation is at work."""
        return self._writing.is_busy or self._is_at_work

    @property
    def is_loading(self) -> bool:
        """Whether results are being loaded, or wait for it."""
        return bool(self._queue.cases)

    @property
    def _is_at_work(self) -> bool:
        return self.handle is not None and self.handle.status is JobStatus.RUNNING

    @property
    def rows(self) -> list[CaseRow]:
        """The cases of the segmentation that is watched."""
        if self.handle is None or self._writing.is_busy:
            return []
        waiting = [result for result in self._queue.cases if result.job.folder == self.handle.folder]
        loading = {result.case.id for result in waiting}
        part, seconds = self.handle.partProgress, seconds_left_of_case(self.handle.events)
        progress = CaseProgress(
            self.handle.status, self._skipping, loading, self._loaded_cases, self._problems, part, seconds
        )
        rows = case_rows([case.id for case in self._cases], self.handle.events, progress)
        names = names_in_scene(self._logic.context.scene, self.handle.job)
        return [replace(row, name=names.get(row.case, row.case)) for row in rows]

    @property
    def progress(self) -> float:
        """Share of the cases that is done, 0 to 1, with what is done of the one under way."""
        return 0.0 if self.handle is None or self._writing.is_busy else self.handle.progress

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
        if self.is_running:
            return _("A segmentation is running. Stop it, or wait until it is finished.")
        return self._environment.reason_not_ready or self.models.reason_missing or self.source.reason_missing

    @property
    def reason_not_cancellable(self) -> str:
        """Why there is nothing to cancel."""
        if self._writing.is_busy:
            return ""
        if self.handle is None or not self._is_at_work:
            return _("No segmentation is running.")
        return _("It is stopping already.") if self.handle.isStopping else ""

    @property
    def reason_not_resumable(self) -> str:
        """Why there is nothing to go on with; "": there are cases that were not segmented."""
        if self.is_running:
            return _("The segmentation is running.")
        if self.handle is None:
            return _("There is no segmentation yet.")
        if self.handle.status is JobStatus.FINISHED:
            return _("The segmentation is finished.")
        if not self.handle.folder.is_dir():
            return _("The folder of the segmentation is gone.")
        return self._environment.reason_not_ready

    @property
    def images(self) -> list[Any]:
        """The images of each case that is to be segmented, as `CoraNetLogic.segment` takes them.

        Raises:
            DataError: a volume lacks an image that the model needs.
        """
        channels = self.models.chosen.card.channels if self.models.chosen is not None else ()
        return images_to_segment(self.source.volumes, channels, self._parameters)

    # -- what a person does ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to write the images and to segment in the background; returns at once.

        Raises:
            CoraNetError: it cannot be started; with the reason.
        """
        self.source.look_again()
        if self.reason_not_startable or self.models.chosen is None:
            raise JobError(self.reason_not_startable)
        model = self.models.chosen
        self.error = self._stopped_text = ""
        if self.source.kind is SourceKind.FOLDER:
            output = self.source.output_folder or None
            self._on_started(self._logic.segmentFolder(self.source.input_folder, output, model.folder))
        else:
            names = [str(volume.GetName()) for volume in self.source.volumes]
            folder = self._logic.newFolder(segmentation_name(names))
            files = SegmentExport(folder, self.images, segment_config(model.folder), model.card.channels)
            self._writing.begin(self._logic.runner.write_and_start(files))
            self.changed.send()

    def resume(self) -> None:
        """Go on with the segmentation that is shown: cases that are not done are segmented.

        Raises:
            CoraNetError: it cannot be resumed; with the reason.
        """
        if self.reason_not_resumable or self.handle is None:
            raise JobError(self.reason_not_resumable)
        handle = self._logic.attach(self.handle.folder)
        handle.resume()
        self.error = ""
        self._watch(handle)
        self.started.send(handle)

    def cancel(self) -> None:
        """Ask the segmentation to stop; finished cases stay.

        Raises:
            StorageError: the request cannot be written.
        """
        if self._writing.is_busy:
            self._writing.stop()
            self._stopped_text = _("Stopped before the segmentation began. Its files were removed.")
        elif self.handle is not None and not self.reason_not_cancellable:
            self.handle.cancel()
        self.changed.send()

    def skip(self, case: str) -> None:
        """Leave one case out and go on with the others.

        Raises:
            StorageError: the request could not be written.
        """
        if self.handle is not None:
            self.handle.job.prediction(case).request_skip()
            self._skipping.add(case)
            self.changed.send()

    def load(self, case: str) -> None:
        """Load the result of a case, and its volume if that is not in the scene; what is there is replaced."""
        if self.handle is not None:
            self._problems.pop(case, None)
            self._queue.add(self.handle.job, next(listed for listed in self._cases if listed.id == case))

    def show(self, case: str) -> None:
        """Ask for the result of a case, which is in the scene, to be shown; nothing happens if it has gone."""
        if case in self._loaded_cases:
            self.chosen.send(self._loaded_cases[case])

    @property
    def _loaded_cases(self) -> dict[str, Any]:
        """By case, the segmentation node of each result of the segmentation that is watched."""
        if self.handle is None:
            return {}
        by_key = results_by_key(self._logic.context.scene)
        keys = {case.id: case_key(self.handle.job, case.id) for case in self._cases}
        return {case: by_key[key] for case, key in keys.items() if key in by_key}

    def attach(self, handle: JobHandle) -> None:
        """Watch an existing segmentation; the scene remembers it, and results are loaded if their volumes are there.

        The result of a single case is always loaded.

        Raises:
            CoraNetError: its files cannot be read.
        """
        if handle.kind is not JobKind.SEGMENT:
            raise JobError(f"'{handle.folder}' is a training, expected a segmentation; open it under Train.")
        self._remember(handle)
        self._watch(handle)
        if len(self._cases) == 1 and self._cases[0].id in self._cases_with(CaseDone):
            self._queue.add(handle.job, self._cases[0])

    def restore(self) -> None:
        """Show what the scene remembers, after it was loaded or cleared; what runs stays in sight."""
        self._queue.clear()
        self._stopped_text = ""
        self.models.refresh()
        self.source.restore()
        self._attach_to_remembered()
        self.changed.send()

    def close(self) -> None:
        """Let go of everything; a segmentation goes on."""
        self.changed.unfollow()
        self._writing.stop()
        self._queue.clear()
        self.source.close()
        self.handle = None

    # -- what happens ------------------------------------------------------------------------------------------------

    def _on_written(self, problem: str) -> None:
        if not problem:
            self._on_started(self._logic.watch(self._writing.result))
            return
        self.error = problem
        self.changed.send()

    def _on_started(self, handle: JobHandle) -> None:
        self._remember(handle)
        self._watch(handle)
        self.started.send(handle)

    def _attach_to_remembered(self) -> None:
        if self._is_at_work and (self.handle is None or str(self.handle.folder) != self._remembered.folder):
            return
        self.handle, self._cases, self.warnings = None, (), ()
        folder = self._remembered.find(self._logic.jobsFolder)
        if folder is not None:
            try:
                self._watch(self._logic.attach(folder))
            except CoraNetError:
                self.handle = None  # it was deleted or moved; the results that are in the scene remain

    def _remember(self, handle: JobHandle) -> None:
        self._remembered.write(handle.job)
        self._parameters.set_value(_LOADED, [])

    def _watch(self, handle: JobHandle) -> None:
        cases = handle.job.read_datalist().cases
        self.handle, self._cases, self._stopped_text = handle, cases, ""
        self._problems, self.warnings = {}, ()
        is_over = handle.status.is_over
        self._skipping = set() if is_over else {c.id for c in cases if handle.job.prediction(c.id).skip_requested()}
        handle.onEvents(lambda new: self._on_events(handle, new))
        if not is_over:
            handle.onFinished(self._on_ended)
        self.changed.send()

    def _on_events(self, handle: JobHandle, new: Sequence[Event]) -> None:
        if handle is not self.handle:
            return
        if any(isinstance(event, Started) for event in new):
            # The engine has put a case for each image in the place of a DICOM series of several.
            with suppress(CoraNetError, OSError):
                self._cases = handle.job.read_datalist().cases
        loaded = self._parameters.value(_LOADED, [])
        finished = {event.case for event in new if isinstance(event, CaseDone)}
        for case in self._cases:
            is_missing = case.id in finished and case.id not in loaded
            if is_missing and find_volume(self._logic.context.scene, handle.job, case) is not None:
                self._queue.add(handle.job, case)
        self.changed.send()

    def _on_ended(self, handle: JobHandle) -> None:
        if handle is self.handle:
            self.changed.send()
            self.ended.send(handle)

    def _on_loaded(self, loaded: LoadedPrediction, result: WaitingResult) -> None:
        if self.handle is not None and result.job.folder == self.handle.folder:
            self._parameters.set_value(_LOADED, [*self._parameters.value(_LOADED, []), result.case.id])
        self.warnings = tuple(dict.fromkeys([*self.warnings, *loaded.warnings]))
        self.loaded.send(loaded)

    def _on_not_loaded(self, result: WaitingResult, problem: str) -> None:
        if self.handle is not None and result.job.folder == self.handle.folder:
            self._problems[result.case.id] = problem

    def _cases_with(self, *outcomes: type[Union[CaseDone, CaseFailed, CaseSkipped]]) -> set[str]:
        events = self.handle.events if self.handle is not None else []
        return {event.case for event in events if isinstance(event, outcomes)}


def case_rows(cases: Collection[str], events: Collection[Event], progress: CaseProgress) -> list[CaseRow]:
    """The lines of a job.

    Args:
        cases: their names, in the order in which they are segmented.
        events: of the job.
        progress: what else is known.
    """
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
    """The status of a segmentation, in a sentence.

    Args:
        handle: the job.
        done: cases that are segmented, failed or skipped.
        total: all of its cases.
    """
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
        return CaseRow(case, CaseState.FAILED, _("failed: {reason}").format(reason=outcome.message))
    if not isinstance(outcome, CaseDone):
        return CaseRow(case, CaseState.SKIPPED, _("skipped"))
    if case in progress.loading:
        return CaseRow(case, CaseState.LOADING, _("loading"))
    if case in progress.problems:
        text = _("done, not loaded: {reason}").format(reason=progress.problems[case])
        return CaseRow(case, CaseState.DONE, text, "load")
    text = _("done in {time}").format(time=duration(max(1.0, outcome.seconds)))
    return CaseRow(case, CaseState.DONE, text, "show" if case in progress.loaded else "load")


def _row_without_outcome(case: str, is_next: bool, progress: CaseProgress) -> CaseRow:
    if progress.status.is_over:
        return CaseRow(case, CaseState.LEFT, _("not segmented"))
    if case in progress.skipping:
        return CaseRow(case, CaseState.SKIPPING, _("skipping"))
    if is_next and progress.status is JobStatus.RUNNING:
        return CaseRow(case, CaseState.RUNNING, _running_text(progress), "skip")
    return CaseRow(case, CaseState.WAITING, _("waiting"), "skip")
