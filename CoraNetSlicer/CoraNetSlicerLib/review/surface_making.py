"""Surfaces that are made when somebody wants to see them: one at a time, so that the application answers in between."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..core.results import LoadedPrediction
from ..core.translation import _
from .appearance import SEGMENT_OVERLAYS, Appearance
from .segment_surfaces import ids_to_make, is_surface_made, make_surface

_LOG = logging.getLogger(__name__)
# Long enough for the status to be painted before the first surface.
_FIRST_MS = 30


class _Surface(NamedTuple):
    node: Any
    identifier: str
    smoothing: float


class SurfaceMaking:
    """Makes what is missing, and says how far it is."""

    def __init__(self, application: Any, on_change: Callable[[], None], on_made: Callable[[], None]) -> None:
        """Have nothing to make.

        Args:
            application: as panel.application.Application.
            on_change: called after each surface, and before the first.
            on_made: called after the last one.
        """
        self._on_made = on_made
        self._application = application
        self._on_change = on_change
        self._waiting: list[_Surface] = []
        self._made = 0

    @property
    def status(self) -> str:
        """What is being made; "" if nothing is."""
        if not self._waiting:
            return ""
        total = self._made + len(self._waiting)
        return _("Making 3D surfaces: {number} of {total}").format(number=self._made + 1, total=total)

    def make(self, loaded: LoadedPrediction, kinds: Iterable[str]) -> None:
        """Make the missing surfaces of some overlays, soon.

        Args:
            loaded: the result.
            kinds: of appearance.SEGMENT_OVERLAYS.
        """
        was_idle = not self._waiting
        appearances = [Appearance(loaded, kind) for kind in kinds]
        for node in (loaded.segmentation, loaded.overlays):
            mine = [one for one in appearances if one.node is node and one.segment_ids]
            if mine:
                missing = ids_to_make(node, [identifier for one in mine for identifier in one.segment_ids])
                surfaces = [_Surface(node, identifier, mine[0].style.smoothing) for identifier in missing]
                self._waiting += [one for one in surfaces if one not in self._waiting]
        if was_idle and self._waiting:
            self._made = 0
            self._on_change()
            self._application.later(self._step, _FIRST_MS)

    def make_lost(self, loaded: LoadedPrediction) -> None:
        """Make the surfaces that are missed in 3D because their voxels became others."""
        self.make(loaded, [kind for kind in SEGMENT_OVERLAYS if Appearance(loaded, kind).misses_surface])

    def close(self) -> None:
        """Make no more."""
        self._waiting.clear()

    def _step(self) -> None:
        if not self._waiting:
            return
        node, identifier, smoothing = self._waiting[0]
        try:
            # Asked again: it may have been made or deleted in the meantime.
            if not is_surface_made(node, identifier):
                make_surface(node, identifier, smoothing)
        except Exception:  # noqa: BLE001 - one that cannot be made must not be waited for by the others
            _LOG.exception("the surface of '%s' could not be made", identifier)
        del self._waiting[0]
        self._made += 1
        self._on_change()
        if self._waiting:
            self._application.later(self._step, 0)
        else:
            self._on_made()
