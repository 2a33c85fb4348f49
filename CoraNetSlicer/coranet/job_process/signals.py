"""Ctrl-C, a polite kill and the end of a terminal, as a request to stop at the next safe point."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Inside, Ctrl-C, a polite kill and a terminal that closes set the event; a second Ctrl-C interrupts at once."""
    requested = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        requested.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with handled_by(request, signal.SIGINT, *ending_signals()):
        yield requested


@contextmanager
def interrupt_on_signal() -> Iterator[None]:
    """Inside, a polite kill and a terminal that closes are like Ctrl-C."""
    # Also where the shell that started this process in the background has Ctrl-C ignored.
    with handled_by(signal.default_int_handler, signal.SIGINT, *ending_signals()):
        yield


def ending_signals() -> list[signal.Signals]:
    """Signals that ask a process to end, besides Ctrl-C.

    The end of the terminal (a lost ssh session, a closed window) is not among them where it is ignored: who starts a
    process with nohup wants it to go on.
    """
    names = ("SIGTERM", "SIGHUP", "SIGBREAK")
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in known if number is signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], Any], *numbers: signal.Signals) -> Iterator[None]:
    """Inside, signals have another handler. Only the main thread gets them; in another thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[Any, Any] = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
