"""What was put right while a file was read, said to whoever listens: the events of a job, and else its log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger("coranet")
_lock = threading.Lock()
_listeners: list[tuple[Callable[[str], object], set[str]]] = []


def note(sentence: str) -> None:
    """Say something about a file; a listener hears each sentence once. Files may be read in any thread."""
    with _lock:
        listener, heard = _listeners[-1] if _listeners else (_to_the_log, set[str]())
        if sentence in heard:
            return
        heard.add(sentence)
    listener(sentence)


@contextmanager
def noted_by(listener: Callable[[str], object]) -> Iterator[None]:
    """Have all notes told to a listener until the block ends; listeners may be nested, the innermost one hears."""
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
