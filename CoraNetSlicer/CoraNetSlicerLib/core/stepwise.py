"""Work for when the application has time: long work in small steps, and requests from many, done once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Optional, TypeVar

from coranet.contract.errors import CoraNetError

from .protocols import Scheduler
from .translation import _

_LOG = logging.getLogger(__name__)

Steps = Generator[Any, None, Any]
Result = TypeVar("Result")


def run_to_end(steps: Generator[Any, None, Result]) -> Result:
    """Do all steps at once, where no window waits. Returns what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # typeshed has no type for it


def checked_each(steps: Generator[Any, None, Result], check: Callable[[], None]) -> Generator[Any, None, Result]:
    """The same steps, with a check after each pause, which raises where they must not go on."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # as above
        yield step
        check()


class StepwiseWork:
    """Does the steps of generators in the order of requests, each when the application has nothing else to do.

    However the steps end, by an unexpected error too, it is not busy any more and `on_end` is called; but for `stop`.

    Attributes:
        latest: the last text that a step yielded; None where nothing is being done.
        result: what the steps returned that were done to their end; None before.
    """

    def __init__(
        self, scheduler: Scheduler, on_end: Callable[[str], None], on_step: Callable[[], None] = lambda: None
    ) -> None:
        """Do nothing yet.

        Args:
            scheduler: does each step.
            on_end: called when all is done with "", or with a sentence on why it failed. Where it raises a
                CoraNetError when all is done, it is called again with that error's sentence.
            on_step: called after each step but the last.
        """
        self.latest: Any = None
        self.result: Any = None
        self._scheduler = scheduler
        self._on_end = on_end
        self._on_step = on_step
        self._steps: Optional[Steps] = None

    @property
    def is_busy(self) -> bool:
        """Whether there are steps left."""
        return self._steps is not None

    def begin(self, steps: Steps) -> None:
        """Do steps, in place of those before."""
        self.stop()
        self._steps, self.result = steps, None
        self._scheduler.later(partial(self._go_on, steps))

    def stop(self) -> None:
        """Do not go on; what was done by halves is taken back."""
        steps, self._steps, self.latest = self._steps, None, None
        if steps is not None:
            steps.close()

    def _go_on(self, steps: Steps) -> None:
        if self._steps is not steps:
            return
        try:
            self.latest = next(steps) or self.latest
        except StopIteration as end:
            self._end(steps, "", end.value)
        except CoraNetError as error:
            self._end(steps, str(error))
        except Exception as error:  # noqa: BLE001 - on_end must always be called
            _LOG.exception("a step could not be done")
            self._end(steps, _("unexpected error ({error})").format(error=error))
        else:
            if self._steps is steps:
                self._scheduler.later(partial(self._go_on, steps))
                self._on_step()

    def _end(self, steps: Steps, problem: str, result: Any = None) -> None:
        # A step may have started something else.
        if self._steps is not steps:
            return
        self._steps, self.latest, self.result = None, None, result
        try:
            self._on_end(problem)
        except CoraNetError as error:
            self._on_end(str(error))


class Deferred:
    """An action that is done when the application has dealt with what is waiting."""

    def __init__(self, scheduler: Scheduler, action: Callable[[], object]) -> None:
        self._scheduler = scheduler
        self._action = action
        self._requests = 0
        self._is_waiting = False
        self._is_closed = False

    def request(self, milliseconds: int = 0) -> None:
        """Do it after some time, which may be none; if it is to be done anyway, that is all."""
        if not self._is_waiting and not self._is_closed:
            self._is_waiting = True
            self._scheduler.later(self._run, milliseconds)

    def request_at_rest(self, milliseconds: int) -> None:
        """Do it when there was no further request for a while, which is one to two times so long."""
        if self._is_closed:
            return
        self._requests += 1
        if self._requests == 1:
            self._scheduler.later(lambda: self._run_at_rest(1, milliseconds), milliseconds)

    def close(self) -> None:
        """Do it no more, despite any request."""
        self._is_closed = True

    def _run_at_rest(self, before: int, milliseconds: int) -> None:
        if self._is_closed:
            return
        requests = self._requests
        if requests == before:
            self._requests = 0
            self._action()
        else:
            self._scheduler.later(lambda: self._run_at_rest(requests, milliseconds), milliseconds)

    def _run(self) -> None:
        self._is_waiting = False
        if not self._is_closed:
            self._action()
