"""The application that the panel asks, without an application: answers are scripted, and what was asked is kept."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qt
from mrml_widgets import qMRMLSegmentEditorWidget
from pythonqt import proxy_of

_open: list[FakeApplication] = []


def is_anything_due() -> bool:
    """Whether an application that is open has something to do as soon as Qt has time."""
    return any(timer.interval == 0 for application in _open for timer in application._timers)


class FakeApplication:
    """Has the public methods of CoraNetSlicerLib.core.application.Application.

    Attributes:
        answers: name of a method that asks -> what it answers, one after the other; the last one is kept.
            Without an entry: confirm says yes, choose takes the last answer, files and folders are not chosen ("").
        asked: (name of the method, its arguments), in order.
        shown: (name of the method, what was to be shown), in order.
        settings: the settings of the machine.
        clipboard: the text that was copied last.
        restarts: how often a restart was asked for.
        modules: names of modules of extensions that are installed.
        python: the application's own Python; None: it has none.
        window: the main window; None: there is none.
        user: who decides.
        has_segment_editor: whether there is a widget of the Segment Editor for the panel.
        interactors: (vtkRenderWindowInteractor, vtkMRMLSliceNode) of each slice view of the layout.
    """

    def __init__(self, scene: Any) -> None:
        _open.append(self)
        self.scene = scene
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.shown: list[tuple[str, Any]] = []
        # The Python of the tests has PyTorch; what is seen at the first start is a test of its own.
        self.settings: dict[str, str] = {"Interpreter/Kind": "slicer"}
        self.clipboard = ""
        self.restarts = 0
        self.modules: set[str] = set()
        self.python: str | None = sys.executable
        self.window: Any = None
        self.user = ""
        self.has_segment_editor = True
        self.interactors: list[tuple[Any, Any]] = []
        self._timers: list[Any] = []

    def main_window(self) -> Any:
        return self.window

    # -- asking a person

    def confirm(self, question: str) -> bool:
        return bool(self._answer("confirm", True, question))

    def choose(self, question: str, answers: Mapping[str, str]) -> str:
        return str(self._answer("choose", list(answers)[-1], question, dict(answers)))

    def choose_folder(self, title: str, start: str = "") -> str:
        return str(self._answer("choose_folder", "", title, start))

    def choose_file(self, title: str, file_types: str, start: str = "") -> str:
        return str(self._answer("choose_file", "", title, file_types, start))

    def _answer(self, name: str, default: Any, *question: Any) -> Any:
        self.asked.append((name, *question))
        answers = self.answers.get(name, [])
        if not answers:
            return default
        return answers.pop(0) if len(answers) > 1 else answers[0]

    # -- showing

    def show_chart(self, chart: Any, rises: bool = False) -> None:
        self.shown.append(("show_chart", chart))

    def show_volume(self, volume: Any) -> None:
        self.shown.append(("show_volume", volume))

    def show_sequence(self, browser: Any) -> None:
        self.shown.append(("show_sequence", browser))

    def new_segment_editor(self) -> Any:
        return proxy_of(qMRMLSegmentEditorWidget()) if self.has_segment_editor else None

    def show_segment_editor(self, hint: str) -> None:
        self.shown.append(("show_segment_editor", hint))

    def clear_hint(self) -> None:
        self.shown.append(("clear_hint",))

    def drawn_once(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def slice_composite_nodes(self) -> list[Any]:
        kind = "vtkMRMLSliceCompositeNode"
        return [self.scene.GetNthNodeByClass(i, kind) for i in range(self.scene.GetNumberOfNodesByClass(kind))]

    def slice_interactors(self) -> list[tuple[Any, Any]]:
        return list(self.interactors)

    def open_path(self, path: Path) -> None:
        self.shown.append(("open_path", path))

    def copy_text(self, text: str) -> None:
        self.clipboard = text

    # -- remembering, and doing later

    def setting(self, name: str, default: str = "") -> str:
        return self.settings.get(name, default)

    def set_setting(self, name: str, value: str) -> None:
        self.settings[name] = value

    def user_name(self) -> str:
        return self.user

    def later(self, action: Callable[[], None], milliseconds: int = 0) -> None:
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.timeout.connect(lambda: self._fire(timer, action))
        self._timers.append(timer)
        timer.start(milliseconds)

    def _fire(self, timer: Any, action: Callable[[], None]) -> None:
        self._timers.remove(timer)
        action()

    # -- processes and packages

    def python_slicer(self) -> str | None:
        return self.python

    def startup_environment(self) -> dict[str, str]:
        return dict(os.environ)

    def has_module(self, name: str) -> bool:
        return name in self.modules

    def open_module(self, name: str) -> None:
        self.shown.append(("open_module", name))

    def pip_install(self) -> Any:
        return None

    def install_extension(self, name: str) -> str:
        return str(self._answer("install_extension", "", name))

    def restart(self) -> None:
        self.restarts += 1

    # -- for tests

    def close(self) -> None:
        """Forget what was to be done later."""
        _open.remove(self)
        for timer in self._timers:
            timer.stop()
        self._timers.clear()
