"""The volumes of all classes of a result, counted one class at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Optional

from ..core.deferred import Deferred
from ..core.results import LoadedPrediction
from .class_volumes import ClassVolume, count_class_volume

_LOG = logging.getLogger(__name__)


class VolumeCounting:
    """Counts between other things; a class that is not counted yet has no numbers."""

    def __init__(self, application: Any, on_change: Callable[[], None]) -> None:
        """Have nothing to count.

        Args:
            application: as panel.application.Application.
            on_change: called when all is counted.
        """
        self._on_change = on_change
        self._loaded: Optional[LoadedPrediction] = None
        self._counted: list[ClassVolume] = []
        self._before: list[ClassVolume] = []
        self._count = Deferred(application, self._count_next)

    def attach(self, loaded: Optional[LoadedPrediction]) -> None:
        """Count a result, from the beginning; until then, the same result has the numbers that it had."""
        is_same = self._loaded is not None and loaded is not None and loaded.segmentation is self._loaded.segmentation
        self._before = [*self._counted, *self._before[len(self._counted) :]] if is_same else []
        self._loaded = loaded
        self._counted = []
        self._count.request()

    @property
    def is_complete(self) -> bool:
        """Whether all classes are counted."""
        return self._loaded is not None and len(self._counted) == len(self._loaded.labels)

    @property
    def volumes(self) -> list[ClassVolume]:
        """All classes in order."""
        labels = self._loaded.labels if self._loaded is not None else ()
        known = {one.value: one for one in [*self._before, *self._counted]}
        return [known.get(label.value, ClassVolume(label.name, None, None, None, label.value)) for label in labels]

    def close(self) -> None:
        """Count no more."""
        self._count.close()

    def _count_next(self) -> None:
        if self._loaded is None or self.is_complete:
            return
        label = self._loaded.labels[len(self._counted)]
        try:
            self._counted.append(count_class_volume(self._loaded, label))
        except Exception:  # noqa: BLE001 - one that cannot be counted must not be waited for
            _LOG.exception("the volume of '%s' could not be counted", label.name)
            self._counted.append(ClassVolume(label.name, None, None, None, label.value))
        if self.is_complete:
            self._on_change()
        else:
            self._count.request()
