"""The review of a result, taken up while the application goes on."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Optional

from coranet.errors import CoraNetError


class RegionReading:
    """Takes up one review and reads the voxels of its regions, some milliseconds at a time."""

    def __init__(self, application: Any, on_end: Callable[[str], None]) -> None:
        """Read nothing yet.

        Args:
            application: as panel.application.Application.
            on_end: called when all is read with "", or with a sentence that says why it cannot be.
        """
        self._application = application
        self._on_end = on_end
        self._steps: Optional[Generator[None, None, None]] = None

    @property
    def is_busy(self) -> bool:
        """Whether there is something left to read."""
        return self._steps is not None

    def begin(self, steps: Generator[None, None, None]) -> None:
        """Do steps, in place of those before."""
        self.stop()
        self._steps = steps

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
        """Do not go on; what was done by halves is taken back."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    def _end(self, problem: str) -> None:
        self._steps = None
        self._on_end(problem)
