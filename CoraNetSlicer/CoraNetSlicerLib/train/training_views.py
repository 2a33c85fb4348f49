"""What is seen of a training in the views: its curves, and the snapshots of its uncertain region; both follow it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Optional

from coranet.contract.errors import CoraNetError
from coranet.contract.events import Event, Losses, SnapshotSaved, Validation

from ..core.context import SceneContext
from ..core.translation import _
from ..jobs.handle import JobHandle
from .snapshot_sequence import SnapshotSequence
from .training_plot import TrainingPlot

_LOG = logging.getLogger(__name__)


class TrainingViews:
    """Curves and snapshots of one training."""

    def __init__(
        self, context: SceneContext, application: Any, handle: JobHandle, failed: Callable[[str], None]
    ) -> None:  # fmt: skip
        """Show nothing yet; the curves are drawn with the first events.

        Args:
            context: the scene.
            application: as panel.application.Application.
            handle: the training.
            failed: is called with a sentence when a snapshot cannot be loaded.
        """
        self._context = context
        self._application = application
        self._handle: Optional[JobHandle] = handle
        self._failed = failed
        self._shows_dice = False
        self._has_curves = False
        self._has_snapshots = False
        self._follows_snapshots = False
        self._is_to_be_shown = False
        self._is_loading = False

    @property
    def reason_no_curves(self) -> str:
        """Why there are no curves to be shown."""
        return "" if self._has_curves else _("There are no losses yet.")

    @property
    def reason_no_snapshots(self) -> str:
        """Why there are no snapshots to be shown."""
        if self._has_snapshots:
            return ""
        return _("There is no snapshot yet; they are taken of an unlabeled case, every few steps.")

    def update(self, new: Iterable[Event]) -> None:
        """Follow what the training told."""
        kinds = {type(event) for event in new}
        if self._handle is None:
            return
        if kinds & {Losses, Validation}:
            self._has_curves = True
            self._plot().update(self._handle.events)
        if SnapshotSaved in kinds:
            self._has_snapshots = True
            self._load_more()

    def show_curves(self) -> None:
        """Show the losses; asked again, the validation Dice, if there is any."""
        if self._handle is None:
            return
        plot = self._plot()
        plot.update(self._handle.events)
        charts = [chart for chart in (plot.losses_chart, plot.dice_chart) if chart is not None]
        if charts:
            self._application.show_chart(charts[-1] if self._shows_dice else charts[0])
            self._shows_dice = not self._shows_dice

    def show_snapshots(self) -> None:
        """Show the snapshots over their volume, to be scrolled through; those to come are added.

        Raises:
            DataError: the volume cannot be read.
        """
        if self._handle is None:
            return
        told = [event for event in self._handle.events if isinstance(event, SnapshotSaved)]
        if not told:
            return
        volume = SnapshotSequence(self._context, self._handle.job).volume(told[-1].case)
        self._application.show_volume(volume)
        self._follows_snapshots = self._is_to_be_shown = True
        if not self._load_more():
            self._lay_over_volume()

    def close(self) -> None:
        """Follow no longer."""
        self._handle = None

    def _plot(self) -> TrainingPlot:
        # Found anew each time: the scene may have been closed, or a person has deleted its nodes.
        handle = self._handle
        return TrainingPlot(self._context, *((handle.folder.name, handle.job.identifier) if handle else ("",)))

    def _load_more(self) -> bool:
        """Load what is missing, one snapshot at a time, so that the application answers. False: nothing is missing."""
        if self._handle is None or not self._follows_snapshots or self._is_loading:
            return self._is_loading
        snapshots = SnapshotSequence(self._context, self._handle.job)
        if not snapshots.missing(self._handle.events):
            return False
        self._is_loading = True
        self._application.later(self._load_next)
        return True

    def _load_next(self) -> None:
        self._is_loading = False
        if self._handle is None:
            return
        snapshots = SnapshotSequence(self._context, self._handle.job)
        try:
            for snapshot in snapshots.missing(self._handle.events)[:1]:
                snapshots.add(snapshot)
            self._lay_over_volume()
        except Exception as error:  # noqa: BLE001 - whoever asked for them must hear of it
            self._follows_snapshots = False
            is_foreseen = isinstance(error, CoraNetError)
            if not is_foreseen:
                _LOG.exception("a snapshot could not be shown")
            self._failed(str(error) if is_foreseen else _("unexpected error ({error})").format(error=error))
            return
        self._load_more()

    def _lay_over_volume(self) -> None:
        """Once for each time that somebody asked: later a person may have chosen to see something else."""
        if self._handle is None or not self._is_to_be_shown:
            return
        self._is_to_be_shown = False
        snapshots = SnapshotSequence(self._context, self._handle.job)
        told = [event for event in self._handle.events if isinstance(event, SnapshotSaved)]
        snapshots.show(snapshots.volume(told[-1].case), self._application.slice_composite_nodes())
        self._application.show_sequence(snapshots.browser)
