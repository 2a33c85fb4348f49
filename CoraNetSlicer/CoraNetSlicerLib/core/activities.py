"""What runs in the background, and the last message, of whatever step of the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .notification import Signal


@dataclass(frozen=True)
class Activity:
    """Something that runs; `stop` raises a CoraNetError if it cannot be stopped.

    Attributes:
        share: that is done, 0 to 1; None while unknown.
        folder: of its job; None where it has none.
    """

    name: str
    share: Optional[float]
    seconds_left: Optional[float]
    stop: Callable[[], object]
    reason_not_stoppable: str = ""
    folder: Optional[Path] = None


class Activities:
    """Gathers what runs; `changed` is sent when anything of it may have changed, `message` is the last one."""

    def __init__(self) -> None:
        self.changed = Signal()
        self.message = ""
        self._running: dict[int, Activity] = {}
        self._count = 0

    @property
    def current(self) -> Optional[Activity]:
        """What runs; of several, what was started last."""
        return list(self._running.values())[-1] if self._running else None

    def watch(
        self, source: Signal, activity: Callable[[], Optional[Activity]], message: Callable[[], str]
    ) -> Callable[[], None]:
        """Follow a part of the panel: when `source` is sent, ask what runs there, and what its message is.

        The message at first does not count as news. Returns what ends it.
        """
        key, self._count = self._count, self._count + 1
        last = [message()]

        def update() -> None:
            running, text = activity(), message()
            if running is None:
                self._running.pop(key, None)
            else:
                self._running[key] = running
            if text != last[0]:
                last[0] = text
                self.message = text or self.message
            self.changed.send()

        source.connect(update)
        update()
        return lambda: source.disconnect(update)

    def show(self, message: str) -> None:
        """Show a message."""
        self.message = message
        self.changed.send()
