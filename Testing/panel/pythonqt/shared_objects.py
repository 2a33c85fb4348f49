"""Keeps None, True and False alive: PySide6 6.12 gives back references to them that it never took.

Python 3.12 and later never free these objects; before, the interpreter aborts when their counts reach zero.
"""

from __future__ import annotations

import ctypes
import sys

_PLENTY = 1 << 40


def keep_alive() -> None:
    """Take references enough for as long as this process lives."""
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython":
        return
    for shared in (None, True, False):
        # The reference count is the first field of an object.
        ctypes.c_ssize_t.from_address(id(shared)).value += _PLENTY
