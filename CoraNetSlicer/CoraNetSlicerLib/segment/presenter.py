"""The section Segment without its widgets: a model, what it segments, one job that is watched, and its results."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from coranet.contract import Case, JobKind, JobStatus
from coranet.contract.errors import CoraNetError, JobError
from coranet.contract.events import CaseDone, CaseFailed, CaseSkipped, Event, Started

from ..core.export import SegmentExport
from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.results import LoadedPrediction, find_volume
from ..core.translation import _
from ..jobs.arguments import segment_config
from ..jobs.handle import JobHandle
from ..jobs.job_start import JobStart
from ..jobs.listing import find_again
from ..logic import CoraNetLogic
from .model_choice import ModelChoice
from .result_queue import ResultQueue, WaitingResult
from .segmentation_source import SegmentationSource, SourceKind
from .segmented_cases import CaseProgress, CaseRow, case_rows, sentence
from .segmented_images import images_to_segment

if TYPE_CHECKING:
    from ..environment.presenter import EnvironmentPresenter

_FOLDER, _JOB, _LOADED = "SegmentationFolder", "SegmentationJob", "SegmentationLoaded"


class SegmentationPresenter:
    """State and actions of the section Segment.

    Attributes:
        changed: sent after each change of what is shown.
        started: sent with the JobHandle of a segmentation that was started here.
        ended: sent with the JobHandle of a segmentation that ended while it was watched, however it did.
        loaded: sent with the LoadedPrediction of each result that came into the scene.
        models: the choice of a model; has a signal of its own.
        source: the choice of what is segmented; has a signal of its own.
        handle: the segmentation that is watched; None: there is none.
        warnings: what the results that were loaded say a person should know.
        error: what went wrong while a segmentation was being started; "" if nothing.
    """

    def __init__(
        self, logic: CoraNetLogic, environment: EnvironmentPresenter, parameters: Parameters, application: Any
    ) -> None:
        """Begin with what the scene remembers, a segmentation that runs included.

        Args:
            logic: starts and attaches to jobs.
            environment: whether the engine can run.
            parameters: the panel's state in the scene.
            application: as panel.application.Application.
        """
        self.changed = Signal()
        self.started = Signal()
        self.ended = Signal()
        self.loaded = Signal()
        self.handle: Optional[JobHandle] = None
        self.warnings: tuple[str, ...] = ()
        self.error = ""
        self._start = JobStart(logic, application, self._on_writing)
        self._writing = ""
        self._logic = logic
        self._environment = environment
        self._parameters = parameters
        self.models = ModelChoice(logic, parameters, application)
        self.source = SegmentationSource(logic.context.scene, parameters, application)
        self._cases: tuple[Case, ...] = ()
        self._skipping: set[str] = set()
        self._problems: dict[str, str] = {}
        self._queue = ResultQueue(logic.context, application)
        self._queue.changed.connect(self.changed.send)
        self._queue.loaded.connect(self._on_loaded)
        self._queue.failed.connect(self._on_not_loaded)
        self._sources = (environment.changed, self.models.changed, self.source.changed)
        for source in self._sources:
            source.connect(self.changed.send)
        self._attach_to_remembered()

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether a segmentation is at work."""
        return self._start.is_busy or self._is_at_work

    @property
    def _is_at_work(self) -> bool:
        return self.handle is not None and self.handle.status is JobStatus.RUNNING

    @property
    def rows(self) -> list[CaseRow]:
        """The cases of the segmentation that is watched."""
        if self.handle is None or self._start.is_busy:
            return []
        mine = [one for one in self._queue.cases if one.job.folder == self.handle.folder]
        loading = {one.case.id for one in mine}
        part = self.handle.partProgress
        progress = CaseProgress(self.handle.status, self._skipping, loading, self._problems, part)
        return case_rows([case.id for case in self._cases], self.handle.events, progress)

    @property
    def progress(self) -> float:
        """Share of the cases that is done, 0 to 1, with what is done of the one under way."""
        return 0.0 if self.handle is None or self._start.is_busy else self.handle.progress

    @property
    def status(self) -> str:
        """Where the segmentation stands, in a sentence."""
        if self.handle is None or self._writing:
            return self._writing
        done = self._cases_with(CaseDone, CaseFailed, CaseSkipped)
        return sentence(self.handle, len(done), len(self._cases))

    @property
    def reason_not_startable(self) -> str:
        """Why nothing can be segmented now; "": it can."""
        if self.is_running:
            return _("A segmentation is running; cancel it, or wait until it is finished.")
        return self._environment.reason_not_ready or self.models.reason_missing or self.source.reason_missing

    @property
    def reason_not_cancellable(self) -> str:
        """Why there is nothing to cancel."""
        if self._start.is_busy:
            return ""
        if self.handle is None or not self._is_at_work:
            return _("No segmentation is running.")
        return _("It is stopping already.") if self.handle.job.cancel_requested() else ""

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

    def refresh_models(self) -> None:
        """Look again for models, after a training ended or the folder of all jobs changed."""
        self.models.refresh()

    def choose_model(self, folder: str | Path) -> None:
        """Choose a model by its folder, or by that of its training.

        Raises:
            ModelError: there is no finished model; the choice stays as it was.
        """
        self.models.choose(folder)

    def start(self) -> None:
        """Begin to write the images and to segment in the background; returns at once.

        Raises:
            CoraNetError: it cannot be started; the text says why.
        """
        self.source.look_again()
        if self.reason_not_startable or self.models.chosen is None:
            raise JobError(self.reason_not_startable)
        model = self.models.chosen
        self.error, self._writing = "", ""
        if self.source.kind is SourceKind.FOLDER:
            output = self.source.output_folder or None
            self._on_started(self._logic.segmentFolder(self.source.input_folder, output, model.folder))
        else:
            folder, config = self._logic.newFolder("segment"), segment_config(model.folder)
            files = SegmentExport(folder, self.images, config, model.card.channels)
            self._start.begin(files, self._on_started, self._on_not_started)
            self._on_writing(_("Writing the images"))

    def resume(self) -> None:
        """Go on with the segmentation that is shown: cases that are not done are segmented.

        Raises:
            CoraNetError: it cannot be resumed; the text says why.
        """
        if self.reason_not_resumable or self.handle is None:
            raise JobError(self.reason_not_resumable)
        handle = self._logic.attach(self.handle.folder)
        handle.resume()
        self.error, self._writing = "", ""
        self._watch(handle)
        self.started.send(handle)

    def cancel(self) -> None:
        """Ask the segmentation to stop; finished cases stay.

        Raises:
            StorageError: it cannot be asked.
        """
        if self._start.is_busy:
            self._start.cancel()
            self._writing = _("Stopped before the segmentation began; what was written of it is removed.")
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
            self._queue.add(self.handle.job, next(one for one in self._cases if one.id == case))

    def attach(self, handle: JobHandle) -> None:
        """Watch an existing segmentation; the scene remembers it, and results are loaded if their volumes are there.

        The result of a single case is loaded in any case: nobody who asked for it wants to ask again.

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
        self._writing = self._writing if self._start.is_busy else ""
        self.models.refresh()
        self.source.restore()
        self._attach_to_remembered()
        self.changed.send()

    def close(self) -> None:
        """Let go of everything; a segmentation goes on."""
        for source in self._sources:
            source.disconnect(self.changed.send)
        self._start.cancel()
        self._queue.clear()
        self.source.close()
        self.handle = None

    # -- what happens ------------------------------------------------------------------------------------------------

    def _on_writing(self, text: str) -> None:
        self._writing = _("{text} ...").format(text=text)
        self.changed.send()

    def _on_started(self, handle: JobHandle) -> None:
        self._remember(handle)
        self._watch(handle)
        self.started.send(handle)

    def _on_not_started(self, problem: str) -> None:
        self.error, self._writing = problem, ""
        self.changed.send()

    def _attach_to_remembered(self) -> None:
        folder = self._parameters.text(_FOLDER)
        if self._is_at_work and (self.handle is None or str(self.handle.folder) != folder):
            return
        self.handle, self._cases, self.warnings = None, (), ()
        found = find_again(folder, self._parameters.text(_JOB), self._logic.jobsFolder)
        if found is not None:
            try:
                self._watch(self._logic.attach(found))
            except CoraNetError:
                self.handle = None  # it was deleted or moved; the results that are in the scene remain

    def _remember(self, handle: JobHandle) -> None:
        self._parameters.set_text(_FOLDER, str(handle.folder))
        self._parameters.set_text(_JOB, handle.job.identifier)
        self._parameters.set_value(_LOADED, [])

    def _watch(self, handle: JobHandle) -> None:
        cases = handle.job.read_datalist().cases
        self.handle, self._cases, self._writing = handle, cases, ""
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
        done = {event.case for event in new if isinstance(event, CaseDone)}
        for case in self._cases:
            is_wanted = case.id in done and case.id not in loaded
            if is_wanted and find_volume(self._logic.context.scene, handle.job, case) is not None:
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

    def _cases_with(self, *outcomes: type[Event]) -> set[str]:
        events = self.handle.events if self.handle is not None else []
        return {event.case for event in events if isinstance(event, outcomes)}
