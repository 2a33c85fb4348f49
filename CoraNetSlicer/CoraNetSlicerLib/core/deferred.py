"""Doing once, soon, what was asked for many times."""

from __future__ import annotations

from collections.abc import Callable

from .protocols import Scheduler


class Deferred:
    """An action that is done when the application has dealt with what is waiting."""

    def __init__(self, scheduler: Scheduler, action: Callable[[], object]) -> None:
        """Do nothing yet.

        Args:
            scheduler: does it later.
            action: what to do.
        """
        self._scheduler = scheduler
        self._action = action
        self._requests = 0
        self._is_waiting = False
        self._is_closed = False

    def request(self) -> None:
        """Do it soon; if it is to be done anyway, that is all."""
        if not self._is_waiting and not self._is_closed:
            self._is_waiting = True
            self._scheduler.later(self._run, 0)

    def request_at_rest(self, milliseconds: int) -> None:
        """Do it when this was not asked for again for a while, which is one to two times so long."""
        if self._is_closed:
            return
        self._requests += 1
        if self._requests == 1:
            self._scheduler.later(lambda: self._run_at_rest(1, milliseconds), milliseconds)

    def close(self) -> None:
        """Do it no more, whatever was asked for."""
        self._is_closed = True

    def _run_at_rest(self, seen: int, milliseconds: int) -> None:
        if self._is_closed:
            return
        requests = self._requests
        if requests == seen:
            self._requests = 0
            self._action()
        else:
            self._scheduler.later(lambda: self._run_at_rest(requests, milliseconds), milliseconds)

    def _run(self) -> None:
        self._is_waiting = False
        if not self._is_closed:
            self._action()
