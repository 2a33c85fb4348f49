"""The section Train without its widgets: settings, the estimate, and one training that is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from coranet.contract import JobStatus
from coranet.contract.errors import CoraNetError, JobError

from ..core.console_calls import train_call
from ..core.export import TrainingExport
from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.protocols import Host
from ..core.stepwise import StepwiseWork
from ..core.translation import _, sentence
from ..jobs.handle import JobHandle
from ..jobs.listing import RememberedJob, free_name, name_error, training_name
from ..logic import CoraNetLogic
from .time_estimate import TimeEstimate
from .training_settings import TrainingSettings
from .watched_training import Message, TrainingStanding, WatchedTraining

if TYPE_CHECKING:
    from ..data.presenter import CasesPresenter
    from ..environment.presenter import EnvironmentPresenter

_NAME = "TrainingName"


class TrainingPresenter:
    """State and actions of the section Train.

    Attributes:
        changed: sent after each change of what is shown.
        started: sent with the JobHandle of a training that was started or resumed here.
        ended: sent with the JobHandle of a training that ended while it was watched, however it did.
        watched: the training that is shown; has signals of its own.
        settings: the settings of the next training; has a signal of its own.
        estimate: how long the next training will take; has a signal of its own.
        error: of starting or watching a training; "" if there is none.
    """

    def __init__(
        self, logic: CoraNetLogic, cases: CasesPresenter, environment: EnvironmentPresenter, parameters: Parameters,
        application: Host,
    ) -> None:  # fmt: skip
        """Begin with what the scene remembers, a training that runs included.

        Args:
            logic: starts and attaches to jobs.
            cases: what to learn from.
            environment: whether the engine can run.
            parameters: the panel's state in the scene.
            application: for what only an application has.
        """
        self.changed = Signal()
        self.started = Signal()
        self.ended = Signal()
        self.error = ""
        self._logic = logic
        self._cases = cases
        self._environment = environment
        self._parameters = parameters
        self._remembered = RememberedJob(parameters, "Training")
        self.settings = TrainingSettings(parameters)
        self.estimate = TimeEstimate(logic, application)
        self._writing = StepwiseWork(application, self._on_written, self.changed.send)
        self._name_of_written = self._stopped_text = ""
        self.watched = WatchedTraining(logic.context, application)
        self.watched.changed.connect(self.changed.send)
        self.watched.ended.connect(self.ended.send)
        self.watched.failed.connect(self._on_trouble)
        self.changed.follow(cases.changed, environment.changed, self.settings.changed, self.estimate.changed)
        for source in (cases.changed, self.settings.changed):
            source.connect(self._update_estimate)
        self._attach_to_remembered()

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def handle(self) -> Optional[JobHandle]:
        """The training that is watched."""
        return self.watched.handle

    @property
    def is_active(self) -> bool:
        """Whether a training is at work, or its files are being written."""
        return self._writing.is_busy or self.watched.is_running

    @property
    def name(self) -> str:
        """Name of the training at work, else of the next one: what a person typed, or a proposal that is free."""
        if self._writing.is_busy:
            return self._name_of_written
        if self.watched.is_running and self.handle is not None:
            return self.handle.folder.name
        learned = [segment.name for segment in self._cases.segments if segment.learned]
        return self._parameters.text(_NAME) or free_name(self._logic.jobsFolder, training_name(learned))

    @property
    def name_error(self) -> str:
        """What is wrong with the name."""
        # The folder of a training at work is there.
        return "" if self.is_active else name_error(self._logic.jobsFolder, self.name)

    @property
    def progress(self) -> float:
        """Share of the training steps that is done, 0 to 1."""
        standing = self._standing
        return standing.share_done if standing is not None else 0.0

    @property
    def status(self) -> str:
        """The status of the training, in a sentence; after a crash also the end of its log."""
        if self._writing.is_busy:
            text = self._writing.latest or _("Writing the files of '{name}'").format(name=self.name)
            return _("{text} ...").format(text=text)
        if self._stopped_text:
            return self._stopped_text
        handle, standing = self.handle, self._standing
        return f"{handle.folder.name}: {standing.text}" if handle and standing else ""

    @property
    def hint(self) -> str:
        """What has to be done before the first training; "" if it can begin, or if one is shown."""
        if self.status or self.error:
            return ""
        return self._cases.reason_not_trainable or self._environment.reason_not_ready

    @property
    def plan(self) -> tuple[str, ...]:
        """What is trained in the time there is, and why, in sentences; () where the steps were set."""
        return self._standing.plan if self._standing is not None else ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the engine warned of and noted, the newest first."""
        return self._standing.messages if self._standing is not None else ()

    @property
    def _standing(self) -> Optional[TrainingStanding]:
        return None if self._writing.is_busy else self.watched.standing

    @property
    def reason_not_startable(self) -> str:
        """Why no training can be started now."""
        if self.is_active:
            return _("A training is running; stop it first, or wait until it is finished.")
        return self.reason_not_estimable or self.name_error

    @property
    def reason_not_estimable(self) -> str:
        """Why time and memory cannot be measured, or a plan be made, now."""
        if self.is_active:
            return _("A training is running and takes time and memory.")
        return self._environment.reason_not_ready or self._cases.reason_not_trainable or self.settings.reason_wrong

    @property
    def reason_not_stoppable(self) -> str:
        """Why there is nothing to stop."""
        if not self.is_active:
            return _("No training is running.")
        is_asked = self.handle is not None and not self._writing.is_busy and self.handle.isStopping
        return _("It is stopping already.") if is_asked else ""

    @property
    def reason_not_resumable(self) -> str:
        """Why there is nothing to resume."""
        if self.is_active:
            return _("The training is running.")
        standing = self.watched.standing
        if standing is None:
            return _("There is no training yet.")
        if standing.status is JobStatus.FINISHED:
            return _("The training is finished.")
        if self.handle is not None and not self.handle.folder.is_dir():
            return _("The folder of the training is gone.")
        return self._environment.reason_not_ready

    @property
    def reason_no_curves(self) -> str:
        """Why there are no curves to be shown."""
        if self.watched.has_curves:
            return ""
        return _("There is no training yet.") if self.handle is None else _("There are no losses yet.")

    # -- what a person does ------------------------------------------------------------------------------------------

    def set_name(self, name: str) -> None:
        """Take a name for the next training; "" for a proposal."""
        if name != self.name:
            self._parameters.set_text(_NAME, name)
            self.changed.send()

    def measure(self) -> None:
        """Begin to measure time and memory; where the training has a time, what is done in it.

        Raises:
            CoraNetError: it cannot be done now; with the reason.
        """
        _require(self.reason_not_estimable)
        self.estimate.begin(self._cases.training_nodes(), self.settings.config())

    def call_of_start(self) -> str:
        """The console call that does what `start` does; raises as it does."""
        _require(self.reason_not_startable)
        return train_call(self._cases.training_nodes(), self.settings.config(), self._logic.jobsFolder / self.name)

    def start(self) -> None:
        """Begin to write the files of a new training and to train; returns at once.

        Raises:
            CoraNetError: it cannot be started; with the reason.
        """
        _require(self.reason_not_startable)
        self.estimate.cancel()
        nodes, config = self._cases.training_nodes(), self.settings.config()
        files = TrainingExport(self._logic.context, self._logic.jobsFolder / self.name, nodes, config)
        self.error, self._stopped_text, self._name_of_written = "", "", self.name
        self._writing.begin(self._logic.runner.write_and_start(files))
        self.changed.send()

    def stop(self) -> None:
        """Ask the training to stop at its next safe point, or do not go on to write its files.

        Raises:
            CoraNetError: the request cannot be written.
        """
        if self._writing.is_busy:
            self._writing.stop()
            self._stopped_text = _("Stopped before the training began. Its files were removed.")
        elif self.handle is not None:
            self.handle.cancel()
        self.watched.look()

    def resume(self) -> None:
        """Go on with the training that is shown, where it was left, with the Python that is chosen now.

        Raises:
            CoraNetError: it cannot be resumed; with the reason.
        """
        _require(self.reason_not_resumable)
        if self.handle is not None:
            self.estimate.cancel()
            handle = self._logic.attach(self.handle.folder)
            handle.resume()
            self.error = self._stopped_text = ""
            self.watched.watch(handle)
            self.started.send(handle)

    def attach(self, handle: JobHandle) -> None:
        """Watch an existing training: its progress, curves and messages; the scene remembers it."""
        self._remembered.write(handle.job)
        self.error = self._stopped_text = ""
        self.watched.watch(handle)

    def restore(self) -> None:
        """Show what the scene remembers, after it was loaded or cleared; a training that runs stays in sight."""
        self.settings.restore()
        self._attach_to_remembered()
        self.changed.send()

    def close(self) -> None:
        """Let go of everything; a training goes on."""
        self.changed.unfollow()
        self._cases.changed.disconnect(self._update_estimate)
        self._writing.stop()
        self.estimate.close()
        self.watched.watch(None)

    # -- what happens ------------------------------------------------------------------------------------------------

    def _attach_to_remembered(self) -> None:
        if self.handle is not None and str(self.handle.folder) == self._remembered.folder:
            return
        if self.watched.is_running:
            self._remembered.write(self.handle.job if self.handle is not None else None)
            return
        self.watched.watch(None)
        folder = self._remembered.find(self._logic.jobsFolder)
        if folder is None:
            return
        try:
            self.watched.watch(self._logic.attach(folder))
        except CoraNetError as error:
            self.error = sentence(str(error))

    def _update_estimate(self) -> None:
        if self._cases.reason_not_trainable or self.settings.reason_wrong:
            self.estimate.forget()
        elif self.estimate.text or self.estimate.is_measured:
            self.estimate.update(self._cases.training_nodes(), self.settings.config())

    def _on_written(self, problem: str) -> None:
        if problem:
            self._on_trouble(_("The training was not started: {message}").format(message=problem))
            return
        self._parameters.set_text(_NAME, "")
        self.attach(self._logic.watch(self._writing.result))
        self.started.send(self.handle)

    def _on_trouble(self, message: str) -> None:
        self.error = sentence(message)
        self.changed.send()


def _require(reason: str) -> None:
    if reason:
        raise JobError(reason)
