"""The panel: its sections, and who of them must hear of what happens in another."""

from __future__ import annotations

from typing import Any

from coranet.contract import JobKind

from .core.calls_section import CallsSection
from .core.console_calls import CallLog
from .core.parameters import Parameters
from .core.protocols import Host
from .data.case_ranking import CaseRanking
from .data.presenter import CasesPresenter
from .data.section import DataSection
from .environment.environment import Environment
from .environment.presenter import EnvironmentPresenter
from .environment.section import EnvironmentSection
from .jobs.handle import JobHandle
from .jobs.presenter import JobsPresenter
from .jobs.section import JobsSection
from .logic import CoraNetLogic
from .review.overlays_presenter import OverlaysPresenter
from .review.overlays_section import OverlaysSection
from .review.presenter import ReviewPresenter
from .review.section import ReviewSection
from .review.teach_back import TeachBackPresenter
from .review.teach_back_section import TeachBackSection
from .segment.presenter import SegmentationPresenter
from .segment.section import SegmentSection
from .train.presenter import TrainingPresenter
from .train.section import TrainSection


class Panel:
    """Everything between the form and the logic."""

    def __init__(self, ui: Any, logic: CoraNetLogic, application: Host) -> None:
        """Build presenters and sections, bind them to each other, and show what the scene remembers.

        Args:
            ui: has the named widgets of the .ui file as attributes.
            logic: does the work.
            application: is asked for what only an application has.
        """
        self.parameters = Parameters(logic.context.scene)
        self.environment = EnvironmentPresenter(Environment.of(application), application)
        self.cases = CasesPresenter(logic.context, self.parameters)
        self.training = TrainingPresenter(logic, self.cases, self.environment, self.parameters, application)
        self.segmentation = SegmentationPresenter(logic, self.environment, self.parameters, application)
        self.overlays = OverlaysPresenter(logic.context, self.parameters, application)
        self.calls = CallLog()
        self.ranking = CaseRanking(logic, application)
        self.review = ReviewPresenter(logic, self.overlays, self.calls, application)
        self.teach_back = TeachBackPresenter(
            logic, self.segmentation.models, self.training, self.environment, self.calls, application
        )
        self.jobs = JobsPresenter(logic, application)
        self._logic = logic
        self._jobs_section = JobsSection(ui, self.jobs, application, self.calls)
        self._review_section = ReviewSection(ui, self.review, application)
        self._sections = [
            EnvironmentSection(ui, self.environment, application),
            DataSection(ui, self.cases, application, self.ranking),
            TrainSection(ui, self.training, application, self.calls),
            SegmentSection(ui, self.segmentation, application, self.calls),
            OverlaysSection(ui, self.overlays, application),
            self._review_section,
            TeachBackSection(ui, self.teach_back, application),
            CallsSection(ui, self.calls, application),
            self._jobs_section,
        ]
        self._connect()
        self._attach_to_running_training()
        self.environment.examine()

    def _connect(self) -> None:
        self.environment.changed.connect(self._use_environment)
        self.training.started.connect(self._on_job)
        self.training.ended.connect(self._on_job)
        self.segmentation.started.connect(self._on_job)
        self.segmentation.ended.connect(self._on_job)
        self.segmentation.loaded.connect(self.overlays.show)
        self.jobs.opened.connect(self.open_job)
        self.jobs.folder_changed.connect(self.segmentation.refresh_models)
        self.teach_back.started.connect(self._on_improvement)
        for signal in (self.overlays.changed, self.review.decided, self.training.ended):
            signal.connect(self._look_at_reviewed)
        for signal in (
            self.review.decided,
            self.segmentation.loaded,
            self.segmentation.ended,
            self.jobs.folder_changed,
        ):
            signal.connect(self._look_at_segmented)

    def open_job(self, handle: JobHandle) -> None:
        """Show a job in the section that is made for it."""
        section = self.training if handle.kind is JobKind.TRAIN else self.segmentation
        section.attach(handle)

    def running_jobs(self) -> list[JobHandle]:
        """The jobs that run now and are somebody's work."""
        running = self._logic.runningJobs()
        return [job for job in running if not self.training.estimate.is_measuring_with(job)]

    def set_active(self, active: bool) -> None:
        """Say whether the panel is in sight: out of sight, nothing is kept up to date that nobody else sees."""
        self._jobs_section.set_active(active)
        self._review_section.set_active(active)

    def restore(self) -> None:
        """Show what the scene remembers, after it was loaded or cleared."""
        for presenter in (self.cases, self.training, self.segmentation, self.overlays):
            presenter.restore()

    def cleanup(self) -> None:
        """Let go of everything; jobs go on."""
        for section in self._sections:
            section.cleanup()
        for presenter in (
            self.training,
            self.segmentation,
            self.teach_back,
            self.review,
            self.ranking,
            self.overlays,
            self.jobs,
            self.cases,
            self.environment,
        ):
            presenter.close()

    def _attach_to_running_training(self) -> None:
        if self.training.handle is None:
            running = [job for job in self.running_jobs() if job.kind is JobKind.TRAIN]
            if running:
                self.training.attach(running[0])

    def _use_environment(self) -> None:
        interpreter = self.environment.interpreter
        if interpreter is not None:
            self._logic.useInterpreter(interpreter)

    def _on_improvement(self, handle: JobHandle) -> None:
        self.open_job(handle)
        self._on_job(handle)

    def _look_at_reviewed(self, *_sent: Any) -> None:
        self.teach_back.look_again()

    def _look_at_segmented(self, *_sent: Any) -> None:
        self.ranking.look_again()

    def _on_job(self, handle: JobHandle) -> None:
        self.jobs.refresh()
        if handle.kind is JobKind.TRAIN:
            self.segmentation.refresh_models()
