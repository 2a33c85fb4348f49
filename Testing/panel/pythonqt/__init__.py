"""Stand-ins of the modules `qt` and `ctk` of Slicer, on PySide6.

They imitate PythonQt's side of every difference that was found between the two, so that code which works only in
PySide6 fails in the tests. What is imitated is written down, one test each, in test_pythonqt.py.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .binding import proxy_of, unwrap, wrap, wrapper_class
from .dialogs import dialogs
from .shared_objects import keep_alive
from .values import slot_errors

__all__ = ["dialogs", "install", "proxy_of", "slot_errors", "unwrap", "wrap", "wrapper_class"]

# Not in the `qt` of Slicer 5.8.
_MISSING = {"QThread"}

keep_alive()


class _Module(types.ModuleType):
    """A module whose classes are made when they are asked for."""

    def __init__(self, name: str, sources: list[Any]) -> None:
        super().__init__(name)
        self.__dict__["_sources"] = sources

    def __getattr__(self, name: str) -> Any:
        for source in self._sources:
            found = getattr(source, name, None) if name not in _MISSING and not name.startswith("_") else None
            if isinstance(found, type):
                return wrapper_class(found)
        raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")


def install() -> None:
    """Put the stand-ins where `import qt` and `import ctk` find them; doing it twice is doing it once."""
    import ctk_widgets
    import mrml_widgets

    if not isinstance(sys.modules.get("qt"), _Module):
        sys.modules["qt"] = _Module("qt", [QtWidgets, QtGui, QtCore])
        sys.modules["ctk"] = _Module("ctk", [ctk_widgets])
    import slicer

    for name in mrml_widgets.__all__:
        setattr(slicer, name, wrapper_class(getattr(mrml_widgets, name)))
