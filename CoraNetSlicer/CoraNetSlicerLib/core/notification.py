"""A signal without Qt: whoever is connected is called."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_LOG = logging.getLogger(__name__)


class Signal:
    """Calls functions, in the order in which they were connected."""

    def __init__(self) -> None:
        self._receivers: list[Callable[..., Any]] = []

    def connect(self, receiver: Callable[..., Any]) -> None:
        """Have `receiver` called from now on; connecting it twice is connecting it once."""
        if receiver not in self._receivers:
            self._receivers.append(receiver)

    def disconnect(self, receiver: Callable[..., Any]) -> None:
        """Do not call it any more; no error if it was not connected."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def send(self, *arguments: Any) -> None:
        """Call all receivers; one that fails is logged and does not silence the others."""
        for receiver in list(self._receivers):
            try:
                receiver(*arguments)
            except Exception:  # noqa: BLE001 - see above
                _LOG.exception("a receiver of a signal failed")
