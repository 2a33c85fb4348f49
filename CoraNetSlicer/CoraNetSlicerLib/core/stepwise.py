"""Long work, some milliseconds at a time, while the application goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any, Optional

from coranet.contract.errors import CoraNetError

from .protocols import Scheduler
from .translation import _

_LOG = logging.getLogger(__name__)

Steps = Generator[Any, None, None]


class StepwiseWork:
    """Does the steps of one generator after the other was asked for, each when the application has nothing else to do.

    Attributes:
        latest: what the last step yielded; None where nothing is being done.
    """

    def __init__(
        self, scheduler: Scheduler, on_end: Callable[[str], None], on_step: Callable[[], None] = lambda: None
    ) -> None:
        """Do nothing yet.

        Args:
            scheduler: does each step.
            on_end: called when all is done with "", or with a sentence that says why it cannot be.
            on_step: called after each step but the last.
        """
        self.latest: Any = None
        self._scheduler = scheduler
        self._on_end = on_end
        self._on_step = on_step
        self._steps: Optional[Steps] = None

    @property
    def is_busy(self) -> bool:
        """Whether there are steps left."""
        return self._steps is not None

    def begin(self, steps: Steps) -> None:
        """Do steps, in place of those before; `on_end` is called however they end, but for `stop`."""
        self.stop()
        self._steps = steps
        self._scheduler.later(lambda: self._go_on(steps))

    def stop(self) -> None:
        """Do not go on; what was done by halves is taken back."""
        steps, self._steps, self.latest = self._steps, None, None
        if steps is not None:
            steps.close()

    def _go_on(self, steps: Steps) -> None:
        if self._steps is not steps:
            return
        try:
            self.latest = next(steps)
        except StopIteration:
            self._end(steps, "")
        except CoraNetError as error:
            self._end(steps, str(error))
        except Exception as error:  # noqa: BLE001 - whoever waits for the end must hear of it
            _LOG.exception("a step could not be done")
            self._end(steps, _("unexpected error ({error})").format(error=error))
        else:
            if self._steps is steps:
                self._scheduler.later(lambda: self._go_on(steps))
                self._on_step()

    def _end(self, steps: Steps, problem: str) -> None:
        # A step may have begun something else.
        if self._steps is steps:
            self._steps, self.latest = None, None
            self._on_end(problem)
