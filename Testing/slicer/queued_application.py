"""An application without a window: what is to be done later waits until a test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class QueuedApplication:
    """As much of panel.application.Application as presenters of the scene need.

    Attributes:
        shown: volumes that were brought into view.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._now_ms = 0
        self._count = 0
        self.shown: list[Any] = []

    def later(self, action: Callable[[], None], milliseconds: int = 0) -> None:
        self._count += 1
        self._waiting.append((self._now_ms + milliseconds, self._count, action))

    def run(self, milliseconds: int = 10_000) -> int:
        """Do what is due within a time, and what follows from it; how many actions that were."""
        end, done = self._now_ms + milliseconds, 0
        while self._waiting and min(self._waiting)[0] <= end:
            due = min(self._waiting, key=lambda entry: entry[:2])
            self._waiting.remove(due)
            self._now_ms = max(self._now_ms, due[0])
            due[2]()
            done += 1
        self._now_ms = end
        return done

    def slice_composite_nodes(self) -> list[Any]:
        kind = "vtkMRMLSliceCompositeNode"
        return [self._scene.GetNthNodeByClass(i, kind) for i in range(self._scene.GetNumberOfNodesByClass(kind))]

    def show_volume(self, volume: Any) -> None:
        self.shown.append(volume)
        for view in self.slice_composite_nodes():
            view.SetBackgroundVolumeID(volume.GetID())
