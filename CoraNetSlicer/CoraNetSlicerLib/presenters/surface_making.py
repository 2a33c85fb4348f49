"""Surfaces that are made when somebody wants to see them: one at a time, so that the application answers in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..scene.appearance import Appearance
from ..scene.results import LoadedPrediction
from ..scene.segment_surfaces import make_surface
from ..translation import _

# Long enough for the status to be painted before the first surface.
_FIRST_MS = 30


class SurfaceMaking:
    """Makes what is missing, and says how far it is."""

    def __init__(self, application: Any, on_change: Callable[[], None]) -> None:
        """Have nothing to make.

        Args:
            application: as panel.application.Application.
            on_change: called after each surface, and before the first.
        """
        self._application = application
        self._on_change = on_change
        self._waiting: list[tuple[Appearance, str]] = []
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
        for kind in kinds:
            appearance = Appearance(loaded, kind)
            there = {(one.node, identifier) for one, identifier in self._waiting}
            missing = appearance.ids_without_surface
            self._waiting += [(appearance, one) for one in missing if (appearance.node, one) not in there]
        if was_idle and self._waiting:
            self._made = 0
            self._on_change()
            self._application.later(self._step, _FIRST_MS)

    def close(self) -> None:
        """Make no more."""
        self._waiting.clear()

    def _step(self) -> None:
        if not self._waiting:
            return
        appearance, identifier = self._waiting[0]
        # Asked again: it may have been made or deleted in the meantime.
        if identifier in appearance.ids_without_surface:
            make_surface(appearance.node, identifier, appearance.style.smoothing)
        del self._waiting[0]
        self._made += 1
        self._on_change()
        if self._waiting:
            self._application.later(self._step, 0)
