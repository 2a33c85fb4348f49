"""Corrections made while a file was read, passed to a listener (the events of a job), or else logged."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger("coranet")
_lock = threading.Lock()
_listeners: list[tuple[Callable[[str], object], set[str]]] = []


def note(sentence: str) -> None:
    """Report something about a file; a listener gets each sentence once. Files may be read in any thread."""
    with _lock:
        listener, reported = _listeners[-1] if _listeners else (_to_the_log, set[str]())
        if sentence in reported:
            return
        reported.add(sentence)
    listener(sentence)


@contextmanager
def noted_by(listener: Callable[[str], object]) -> Iterator[None]:
    """Pass all notes to a listener until the block ends; of nested listeners, the innermost gets them."""
    entry = (listener, set[str]())
    with _lock:
        _listeners.append(entry)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(entry)


def _to_the_log(sentence: str) -> None:
    _log.warning("%s", sentence)
