"""The section Train without its widgets: settings, the estimate, and one training that is followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

from coranet.contract import JobKind
from coranet.contract.errors import JobError
from coranet.contract.events import Event

from ..core.console_calls import train_call
from ..core.export import TrainingExport
from ..core.parameters import Parameters
from ..core.protocols import Host
from ..core.translation import _
from ..environment.presenter import EnvironmentPresenter
from ..jobs.handle import JobHandle
from ..jobs.job_presenter import JobPresenter
from ..jobs.listing import free_name, name_error, training_name
from ..logic import CoraNetLogic
from .scene import TrainingViews
from .time_estimate import TimeEstimate
from .training_settings import TrainingSettings
from .training_status import Message, TrainingStanding, standing_of

if TYPE_CHECKING:
    from ..data.presenter import CasesPresenter

_NAME = "TrainingName"


class TrainingPresenter(JobPresenter):
    """State and actions of the section Train.

    Attributes:
        views: curves and snapshots of the training that is followed.
        settings: the settings of the next training; has a signal of its own.
        estimate: how long the next training will take; has a signal of its own.
    """

    def __init__(
        self, logic: CoraNetLogic, cases: CasesPresenter, environment: EnvironmentPresenter, parameters: Parameters,
        application: Host,
    ) -> None:  # fmt: skip
        """Begin with what the scene remembers, a training that runs included."""
        super().__init__(JobKind.TRAIN, logic, environment, parameters, application)
        self._cases = cases
        self._known: Optional[TrainingStanding] = None
        self._name_of_written = ""
        self.settings = TrainingSettings(parameters)
        self.estimate = TimeEstimate(logic, application)
        self.views = TrainingViews(logic.context, application)
        self.views.failed.connect(self._show_error)
        self.changed.follow(cases.changed, environment.changed, self.settings.changed, self.estimate.changed)
        for source in (cases.changed, self.settings.changed):
            source.connect(self._update_estimate)
        self._attach_to_remembered()

    @property
    def name(self) -> str:
        """Name of the training at work, else of the next one: what a person typed, or a proposal that is free."""
        if self._writing.is_busy:
            return self._name_of_written
        if self.is_active and self.handle is not None:
            return self.handle.folder.name
        learned = [segment.name for segment in self._cases.segments if segment.learned]
        return self._parameters.text(_NAME) or free_name(self._logic.jobsFolder, training_name(learned))

    @property
    def name_error(self) -> str:
        """What is wrong with the name."""
        # The folder of a training at work is there.
        return "" if self.is_active else name_error(self._logic.jobsFolder, self.name)

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
        return None if self._writing.is_busy else self._known

    @property
    def reason_not_startable(self) -> str:
        """Why no training can be started now."""
        return self.reason_busy or self.reason_not_estimable or self.name_error

    @property
    def reason_not_estimable(self) -> str:
        """Why time and memory cannot be measured, or a plan be made, now."""
        if self.is_active:
            return _("A training is running and takes time and memory.")
        return self._environment.reason_not_ready or self._cases.reason_not_trainable or self.settings.reason_wrong

    @property
    def reason_no_curves(self) -> str:
        """Why there are no curves to be shown."""
        if self.views.has_curves:
            return ""
        return _("There is no training yet.") if self.handle is None else _("There are no losses yet.")

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

    def resume(self) -> None:
        """As of every job; an estimate gives way to it."""
        _require(self.reason_not_resumable)
        self.estimate.cancel()
        super().resume()

    def restore(self) -> None:
        """As of every job; with the settings."""
        self.settings.restore()
        super().restore()

    def close(self) -> None:
        """As of every job; nothing is measured any more."""
        self._cases.changed.disconnect(self._update_estimate)
        self.estimate.close()
        super().close()

    def _reset(self, handle: Optional[JobHandle]) -> None:
        self._known = None
        self.views.follow(handle)

    def _take(self, new: Sequence[Event]) -> None:
        self.views.take(new)

    def _update(self) -> None:
        handle, status = self.handle, self._status
        self._known = standing_of(handle, status) if handle is not None and status is not None else None

    def _on_started(self, handle: JobHandle) -> None:
        self._parameters.set_text(_NAME, "")
        super()._on_started(handle)

    def _update_estimate(self) -> None:
        if self._cases.reason_not_trainable or self.settings.reason_wrong:
            self.estimate.forget()
        elif self.estimate.text or self.estimate.is_measured:
            self.estimate.update(self._cases.training_nodes(), self.settings.config())


def _require(reason: str) -> None:
    if reason:
        raise JobError(reason)
