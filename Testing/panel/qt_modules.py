"""The modules `qt` and `ctk`, and the widgets in `slicer`, as tests find them: stand-ins of `pythonqt`."""

from __future__ import annotations

import sys
import types
from typing import Any

import ctk_widgets
import mrml_widgets
import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from pythonqt import wrapper_class

# Not in the `qt` of Slicer 5.8.
_MISSING = {"QThread"}


class _Module(types.ModuleType):
    """A module whose classes are made when they are asked for."""

    def __init__(self, name: str, sources: list[Any]) -> None:
        super().__init__(name)
        self.__dict__["_sources"] = sources

    def __getattr__(self, name: str) -> Any:
        for source in self._sources:
            found = getattr(source, name, None) if name not in _MISSING and not name.startswith("_") else None
            if isinstance(found, type):
                self.__dict__[name] = wrapper_class(found)
                return self.__dict__[name]
        raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")


def install() -> None:
    """Put the stand-ins where `import qt` and `import ctk` find them; doing it twice is doing it once."""
    if not isinstance(sys.modules.get("qt"), _Module):
        sys.modules["qt"] = _Module("qt", [QtWidgets, QtGui, QtCore])
        sys.modules["ctk"] = _Module("ctk", [ctk_widgets])
    for name in mrml_widgets.__all__:
        setattr(slicer, name, wrapper_class(getattr(mrml_widgets, name)))
