"""A ticker for the application: a QTimer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import qt


class QtTicker:
    """Calls a function at a fixed interval from Qt's event loop."""

    def __init__(self, interval_ms: int = 500) -> None:
        self._timer: Any = qt.QTimer()
        self._timer.setInterval(interval_ms)
        self._callback: Optional[Callable[[], None]] = None

    def start(self, callback: Callable[[], None]) -> None:
        """Begin to call `callback`, in place of the one before, if any."""
        self.stop()
        self._callback = callback
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def stop(self) -> None:
        """Do not call it any more; stopping twice is no error."""
        if self._callback is None:
            return
        self._callback = None
        self._timer.stop()
        # PythonQt keeps the object of a connected method alive.
        self._timer.timeout.disconnect(self._tick)

    def _tick(self) -> None:
        if self._callback is not None:
            self._callback()
