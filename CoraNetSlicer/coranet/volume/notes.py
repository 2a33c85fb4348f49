"""Corrections made while a file was read, passed to a listener (the events of a job), or else logged."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger("coranet")
_lock = threading.Lock()
# With what each has got already, and the thread that has added it.
_listeners: list[tuple[Callable[[str], object], set[str], int]] = []


def note(sentence: str) -> None:
    """Report something about a file; a listener gets each sentence once. Files may be read in any thread."""
    with _lock:
        own = [entry for entry in _listeners if entry[2] == threading.get_ident()]
        listener, reported, _ = (own or _listeners or [(_to_the_log, set[str](), 0)])[-1]
        if sentence in reported:
            return
        reported.add(sentence)
    listener(sentence)


@contextmanager
def noted_by(listener: Callable[[str], object]) -> Iterator[None]:
    """Pass all notes to a listener until the block ends; of nested listeners, the innermost gets them.

    A thread with a listener of its own keeps its notes to that; notes of other threads go to the innermost of any.
    """
    entry = (listener, set[str](), threading.get_ident())
    with _lock:
        _listeners.append(entry)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(entry)


def _to_the_log(sentence: str) -> None:
    _log.warning("%s", sentence)
