"""One job on its page: its files are written, it is started, followed, stopped, resumed, and found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from coranet.contract import JobKind, JobStatus
from coranet.contract.errors import CoraNetError, JobError
from coranet.contract.events import Event

from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.protocols import Host
from ..core.stepwise import StepwiseWork
from ..core.translation import _, sentence
from ..environment.presenter import EnvironmentPresenter
from ..logic import CoraNetLogic
from .handle import JobHandle
from .listing import RememberedJob


class JobPresenter:
    """What the pages Train and Segment have in common.

    Attributes:
        changed: sent after each change of what is shown.
        started: sent with the JobHandle of a job that was started or resumed here.
        ended: sent with the JobHandle of a job that ended while it was followed, however it did.
        handle: the job that is followed; None: there is none.
        error: what went wrong while it was started or followed; "" if nothing.
    """

    def __init__(
        self, kind: JobKind, logic: CoraNetLogic, environment: EnvironmentPresenter, parameters: Parameters,
        application: Host,
    ) -> None:  # fmt: skip
        self.changed, self.started, self.ended = Signal(), Signal(), Signal()
        self.handle: Optional[JobHandle] = None
        self.error = self._stopped_text = ""
        self._status: Optional[JobStatus] = None
        self._is_end_awaited = False
        self._kind_text = _("training") if kind is JobKind.TRAIN else _("segmentation")
        self._logic = logic
        self._environment = environment
        self._parameters = parameters
        self._remembered = RememberedJob(parameters, "Training" if kind is JobKind.TRAIN else "Segmentation")
        self._writing = StepwiseWork(application, self._on_written, self.changed.send)

    @property
    def is_active(self) -> bool:
        """Whether the job is at work, or its files are being written."""
        return self._writing.is_busy or self._status is JobStatus.RUNNING

    @property
    def progress(self) -> float:
        """Share of the job that is done, 0 to 1."""
        return 0.0 if self.handle is None or self._writing.is_busy else self.handle.progress

    @property
    def reason_busy(self) -> str:
        """Why another job of this kind cannot be started now; "": none is at work."""
        if not self.is_active:
            return ""
        return self._text(_("A {job} is running. Stop it, or wait until it is finished."))

    @property
    def reason_not_stoppable(self) -> str:
        """Why there is nothing to stop."""
        if not self.is_active:
            return self._text(_("No {job} is running."))
        is_asked = self.handle is not None and not self._writing.is_busy and self.handle.isStopping
        return _("It is stopping already.") if is_asked else ""

    @property
    def reason_not_resumable(self) -> str:
        """Why there is nothing to resume."""
        if self.is_active:
            return self._text(_("The {job} is running."))
        if self.handle is None:
            return self._text(_("There is no {job} yet."))
        if self._status is JobStatus.FINISHED:
            return self._text(_("The {job} is finished."))
        if not self.handle.folder.is_dir():
            return self._text(_("The folder of the {job} is gone."))
        return self._environment.reason_not_ready

    def stop(self) -> None:
        """Ask the job to stop at its next safe point, or do not go on to write its files.

        Raises:
            CoraNetError: the request cannot be written.
        """
        if self._writing.is_busy:
            self._writing.stop()
            self._stopped_text = self._text(_("Stopped before the {job} began. Its files were removed."))
        elif self.handle is not None:
            self.handle.cancel()
        self._look()

    def resume(self) -> None:
        """Go on with the job that is shown, where it was left, with the Python that is chosen now.

        Raises:
            CoraNetError: it cannot be resumed; with the reason.
        """
        if self.reason_not_resumable or self.handle is None:
            raise JobError(self.reason_not_resumable)
        handle = self._logic.attach(self.handle.folder)
        handle.resume()
        self.error = ""
        self._follow(handle)
        self._announce(handle)

    def attach(self, handle: JobHandle) -> None:
        """Follow an existing job; the scene remembers it. Raises CoraNetError where its files cannot be read."""
        self._remembered.write(handle.job)
        self.error = ""
        self._follow(handle)

    def restore(self) -> None:
        """Show what the scene remembers, after it was loaded or cleared; a job that runs stays in sight."""
        self._attach_to_remembered()
        self.changed.send()

    def close(self) -> None:
        """Let go of everything; a job goes on."""
        self.changed.unfollow()
        self._writing.stop()
        self._follow(None)

    def _on_written(self, problem: str) -> None:
        if problem:
            self._show_error(self._text(_("The {job} was not started: {message}"), message=problem))
        else:
            self._on_started(self._logic.watch(self._writing.result))

    def _on_started(self, handle: JobHandle) -> None:
        self.attach(handle)
        self._announce(handle)

    def _announce(self, handle: JobHandle) -> None:
        """Say that a job was started here, and that it ended, if it has done so before it could be followed."""
        self.started.send(handle)
        if not self._is_end_awaited:
            handle.onFinished(self._on_ended)

    def _follow(self, handle: Optional[JobHandle]) -> None:
        """Follow a job in place of the one before, or none; that one goes on."""
        self._reset(handle)
        self.handle, self._status, self._stopped_text = handle, None, ""
        if handle is None:
            return
        self._is_end_awaited = not handle.status.is_over
        handle.onEvents(lambda new: self._on_events(handle, new))
        if self._is_end_awaited:
            handle.onFinished(self._on_ended)
        self._look()

    def _reset(self, handle: Optional[JobHandle]) -> None:
        """Forget what is known of the job before."""

    def _take(self, new: Sequence[Event]) -> None:
        """Take in new events of the job."""

    def _update(self) -> None:
        """Update what is shown of the job; `_status` is its status now."""

    def _look(self) -> None:
        self._status = self.handle.status if self.handle is not None else None
        self._update()
        self.changed.send()

    def _on_events(self, handle: JobHandle, new: Sequence[Event]) -> None:
        if handle is self.handle:
            self._take(new)
            self._look()

    def _on_ended(self, handle: JobHandle) -> None:
        if handle is self.handle:
            self._look()
            self.ended.send(handle)

    def _attach_to_remembered(self) -> None:
        if self.handle is not None and str(self.handle.folder) == self._remembered.folder:
            return
        if self.handle is not None and self._status is JobStatus.RUNNING:
            self._remembered.write(self.handle.job)
            return
        self._follow(None)
        folder = self._remembered.find(self._logic.jobsFolder)
        if folder is None:
            return
        try:
            self._follow(self._logic.attach(folder))
        except CoraNetError as error:
            self.error = sentence(str(error))

    def _show_error(self, message: str) -> None:
        self.error = sentence(message)
        self.changed.send()

    def _text(self, template: str, **values: str) -> str:
        return template.format(job=self._kind_text, **values)
