"""Stand-ins of the modules `qt` and `ctk` of Slicer, on PySide6; `qt_modules.install` puts them in place.

They imitate PythonQt's side of every difference that was found between the two, so that code which works only in
PySide6 fails in the tests. What is imitated is written down, one test each, in test_pythonqt.py.
"""

from __future__ import annotations

from .binding import proxy_of, unwrap, wrap, wrapper_class
from .dialogs import dialogs
from .shared_objects import keep_alive
from .values import slot_errors

__all__ = ["dialogs", "proxy_of", "slot_errors", "unwrap", "wrap", "wrapper_class"]

keep_alive()
