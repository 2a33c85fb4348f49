"""The voxels of a review's regions, read while the application goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Optional

from coranet.errors import CoraNetError

from ..scene.region_review import RegionReview


class RegionReading:
    """Reads for one review, some milliseconds at a time."""

    def __init__(self, application: Any, on_end: Callable[[str], None]) -> None:
        """Read nothing yet.

        Args:
            application: as panel.application.Application.
            on_end: called when all is read with "", or with a sentence that says why it cannot be.
        """
        self._application = application
        self._on_end = on_end
        self._steps: Optional[Iterator[None]] = None

    @property
    def is_busy(self) -> bool:
        """Whether there is something left to read."""
        return self._steps is not None

    def begin(self, review: RegionReview) -> None:
        """Read for a review, from the beginning, in place of another one."""
        steps = self._steps = review.read_steps()

        def go_on() -> None:
            if self._steps is not steps:
                return
            try:
                next(steps)
            except StopIteration:
                self._end("")
            except CoraNetError as error:
                self._end(str(error))
            else:
                self._application.later(go_on)

        self._application.later(go_on)

    def stop(self) -> None:
        """Read no more."""
        self._steps = None

    def _end(self, problem: str) -> None:
        self._steps = None
        self._on_end(problem)
