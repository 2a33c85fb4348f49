"""The one training that is watched: where it stands, its curves and snapshots, and that it ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from coranet.contract import JobStatus
from coranet.contract.events import Event

from ..core.context import SceneContext
from ..core.notification import Signal
from ..core.translation import _
from ..jobs.handle import JobHandle
from .training_views import TrainingViews
from .training_words import TrainingStanding, standing_of


class WatchedTraining:
    """Follows a training, until it is let go or another one takes its place.

    Attributes:
        changed: sent when there is news.
        ended: sent with the JobHandle when the training ended while it was watched.
        failed: sent with a sentence when something of it cannot be shown.
        handle: the training; None: there is none.
        standing: where it stood when it was looked at last.
        views: its curves and snapshots.
    """

    def __init__(self, context: SceneContext, application: Any) -> None:
        """Watch nothing yet.

        Args:
            context: the scene.
            application: as panel.application.Application.
        """
        self.changed = Signal()
        self.ended = Signal()
        self.failed = Signal()
        self.handle: Optional[JobHandle] = None
        self.standing: Optional[TrainingStanding] = None
        self.views: Optional[TrainingViews] = None
        self._context = context
        self._application = application

    @property
    def is_running(self) -> bool:
        """Whether its process works, or worked when it was looked at last."""
        return self.standing is not None and self.standing.status is JobStatus.RUNNING

    @property
    def reason_no_curves(self) -> str:
        """Why there are no curves to be shown."""
        return self.views.reason_no_curves if self.views else _("There is no training yet.")

    @property
    def reason_no_snapshots(self) -> str:
        """Why there are no snapshots to be shown."""
        return self.views.reason_no_snapshots if self.views else _("There is no training yet.")

    def show_curves(self) -> None:
        """Show the losses; asked again, the validation Dice, if there is any."""
        if self.views:
            self.views.show_curves()

    def show_snapshots(self) -> None:
        """Show how the uncertain region moved; those to come are added.

        Raises:
            DataError: the volume cannot be read.
        """
        if self.views:
            self.views.show_snapshots()

    def watch(self, handle: JobHandle) -> None:
        """Follow a training in place of the one before."""
        self.let_go()
        self.handle = handle
        self.views = TrainingViews(self._context, self._application, handle, self.failed.send)
        is_over = handle.status.is_over
        handle.onEvents(lambda new: self._on_events(handle, new))
        if not is_over:
            handle.onFinished(self._on_ended)
        self.look()

    def look(self) -> None:
        """Find out where it stands."""
        if self.handle is not None:
            self.standing = standing_of(self.handle)
        self.changed.send()

    def let_go(self) -> None:
        """Follow no longer; the training goes on."""
        if self.views is not None:
            self.views.close()
        self.handle = self.standing = self.views = None

    def _on_events(self, handle: JobHandle, new: Iterable[Event]) -> None:
        if handle is self.handle and self.views is not None:
            self.views.update(new)
            self.look()

    def _on_ended(self, handle: JobHandle) -> None:
        if handle is self.handle:
            self.look()
            self.ended.send(handle)
