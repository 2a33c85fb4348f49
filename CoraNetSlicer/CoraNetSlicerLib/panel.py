"""The panel: its pages, and which of them follow which."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Optional

from coranet.contract import JobKind

from .core.activities import Activities, Activity
from .core.console_calls import CallLog
from .core.pages import Pages
from .core.parameters import Parameters
from .core.protocols import Host
from .core.strip_section import CallsSection, StripSection
from .core.translation import _
from .data.case_ranking import CaseRanking
from .data.presenter import CasesPresenter
from .data.section import DataSection
from .environment.environment import Environment
from .environment.presenter import EnvironmentPresenter
from .environment.section import EnvironmentSection
from .jobs.handle import JobHandle
from .jobs.job_presenter import JobPresenter
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
from .train.time_estimate import TimeEstimate


class Panel:
    """Everything between the form and the logic."""

    def __init__(self, ui: Any, logic: CoraNetLogic, application: Host) -> None:
        """Build presenters and sections, connect them, and show the state that the scene has."""
        self.parameters = Parameters(logic.context.scene)
        self.environment = EnvironmentPresenter(Environment.of(application), application)
        self.cases = CasesPresenter(logic.context, self.parameters, application)
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
        self.pages = Pages(ui)
        self.activities = Activities()
        self._logic = logic
        self._is_active = True
        self._jobs_section = JobsSection(ui, self.jobs, self.calls)
        self._review_section = ReviewSection(ui, self.review, application)
        self._overlays_section = OverlaysSection(ui, self.overlays, application)
        self._sections = [
            self.pages,
            EnvironmentSection(ui, self.environment, application, partial(self.pages.show, "environment")),
            DataSection(ui, self.cases, application, self.ranking),
            TrainSection(ui, self.training, application, self.calls),
            SegmentSection(ui, self.segmentation, application, self.calls),
            self._overlays_section,
            self._review_section,
            TeachBackSection(ui, self.teach_back, application),
            CallsSection(ui, self.calls, application),
            StripSection(ui, self.activities, self.calls),
            self._jobs_section,
        ]
        self._connect()
        self._stop_watching = self._watch_activities()
        self._attach_to_running_jobs()
        self.environment.check()

    def _connect(self) -> None:
        self.pages.changed.connect(self._on_page)
        self.environment.changed.connect(self._use_environment)
        self.training.started.connect(self._on_job)
        self.training.ended.connect(self._on_job)
        self.segmentation.started.connect(self._on_job)
        self.segmentation.ended.connect(self._on_job)
        self.segmentation.loaded.connect(self.overlays.show)
        self.segmentation.chosen.connect(lambda node: self.overlays.choose(str(node.GetID())))
        self.cases.changed.connect(self.segmentation.source.changed.send)
        self.jobs.opened.connect(self.open_job)
        self.jobs.folder_changed.connect(self.segmentation.models.refresh)
        self.teach_back.started.connect(self._on_improvement)
        self.training.ended.connect(partial(self._tell_of_news, "segment"))
        self.segmentation.loaded.connect(partial(self._tell_of_news, "review"))
        for signal in (self.overlays.changed, self.review.decided, self.training.ended):
            signal.connect(lambda *_sent: self.teach_back.look_again())
        for signal in (
            self.review.decided,
            self.segmentation.loaded,
            self.segmentation.ended,
            self.jobs.folder_changed,
        ):
            signal.connect(lambda *_sent: self.ranking.look_again())

    def open_job(self, handle: JobHandle) -> None:
        """Show a job on the page that is made for it."""
        is_training = handle.kind is JobKind.TRAIN
        (self.training if is_training else self.segmentation).attach(handle)
        self.pages.show("train" if is_training else "segment")

    def running_jobs(self) -> list[JobHandle]:
        """The jobs that run now, without those that only measure time."""
        running = self._logic.runningJobs()
        return [job for job in running if not self.training.estimate.is_measuring_with(job)]

    def set_active(self, active: bool) -> None:
        """Set whether the panel is in sight; out of sight, its lists are not kept up to date."""
        self._is_active = active
        self._jobs_section.set_active(active and self.pages.current == "jobs")
        self._review_section.set_active(active)
        self._overlays_section.set_active(active)

    def restore(self) -> None:
        """Show the state that the scene has, after it was loaded or cleared."""
        for presenter in (self.cases, self.training, self.segmentation, self.overlays):
            presenter.restore()

    def cleanup(self) -> None:
        """End all connections and observations; jobs go on."""
        for stop_watching in self._stop_watching:
            stop_watching()
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

    def _watch_activities(self) -> list[Callable[[], None]]:
        """Have the strip at the bottom show what runs; returns what ends it."""
        training, segmentation, environment = self.training, self.segmentation, self.environment
        watch = self.activities.watch
        self.activities.show(_state_of(environment))
        return [
            watch(
                training.changed,
                partial(_running_job, _("Training"), training),
                lambda: training.error or training.status,
            ),
            watch(training.estimate.changed, partial(_running_estimate, training.estimate), lambda: ""),
            watch(
                segmentation.changed,
                partial(_running_segmentation, segmentation),
                lambda: segmentation.error or segmentation.status,
            ),
            watch(environment.changed, partial(_running_installation, environment), partial(_state_of, environment)),
        ]

    def _attach_to_running_jobs(self) -> None:
        """Show a training that runs on its page; Jobs, where something else runs that no page shows."""
        running = self.running_jobs()
        trainings = [job for job in running if job.kind is JobKind.TRAIN]
        if trainings and self.training.handle is None:
            self.open_job(trainings[0])
        shown = [page.handle.folder for page in (self.training, self.segmentation) if page.handle is not None]
        others = [job.folder for job in running if job.folder not in shown]
        if others:
            self.pages.show("jobs")
            self.jobs.choose(others[0])

    def _on_page(self, name: str) -> None:
        if name == "segment":
            self.segmentation.source.propose()
        self.set_active(self._is_active)

    def _tell_of_news(self, page: str, _sent: object) -> None:
        self.pages.set_news(page)

    def _use_environment(self) -> None:
        interpreter = self.environment.interpreter
        if interpreter is not None:
            self._logic.useInterpreter(interpreter)

    def _on_improvement(self, handle: JobHandle) -> None:
        self.open_job(handle)
        self._on_job(handle)

    def _on_job(self, handle: JobHandle) -> None:
        self.jobs.refresh()
        if handle.kind is JobKind.TRAIN:
            self.segmentation.models.refresh()


def _running_job(name: str, page: JobPresenter) -> Optional[Activity]:
    if not page.is_active:
        return None
    # Nothing is left while the last files are written.
    seconds, folder = (page.handle.secondsLeft or None, page.handle.folder) if page.handle else (None, None)
    return Activity(name, page.progress, seconds, page.stop, page.reason_not_stoppable, folder)


def _running_estimate(estimate: TimeEstimate) -> Optional[Activity]:
    return Activity(_("Planning"), None, None, estimate.cancel) if estimate.is_running else None


def _running_segmentation(segmentation: SegmentationPresenter) -> Optional[Activity]:
    if segmentation.is_active or not segmentation.is_loading:
        return _running_job(_("Segmenting"), segmentation)
    reason = _("A result is being loaded. This takes some seconds.")
    return Activity(_("Loading"), None, None, lambda: None, reason)


def _state_of(environment: EnvironmentPresenter) -> str:
    """The summary of the environment, and of what is wrong the first."""
    first = environment.findings[0].text if environment.has_error and environment.findings else ""
    return f"{environment.summary} {first}".strip()


def _running_installation(environment: EnvironmentPresenter) -> Optional[Activity]:
    if not environment.is_installing:
        return None
    return Activity(_("Installing"), None, None, environment.stop_install, environment.reason_not_stoppable)
