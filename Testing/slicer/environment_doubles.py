"""An application, a doctor and an installation that answer what a test wants them to answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

from CoraNetSlicerLib.environment.environment import Environment
from CoraNetSlicerLib.environment.probe import Finding, Health

FACTS = {
    "python": "3.12.10",
    "torch": "2.9.1+cu128",
    "monai": "1.6.1",
    "numpy": "2.4.6",
    "device": "NVIDIA RTX 4090",
    "device_kind": "cuda",
    "device_gib": 24.0,
    "device_free_gib": 22.1,
    "packages_folder": os.path.dirname(__file__),
}


def finding(code: str, topic: str = "device", level: str = "error", message: str = "it is wrong.") -> Finding:
    return Finding(level, topic, message, "fix it.", code)


def healthy(**facts: Any) -> Health:
    return Health(True, {**FACTS, **facts})


def lacking(*names: str, **facts: Any) -> Health:
    """Packages are missing."""
    missing = tuple(finding("package.missing", name, message=f"the package {name} is missing.") for name in names)
    return Health(False, {**FACTS, **facts}, missing)


class PlainApplication:
    """As core.application.Application, without windows; `work()` does what was to be done later."""

    def __init__(self, python: Optional[str] = sys.executable) -> None:
        self.settings: dict[str, str] = {}
        self.modules: set[str] = set()
        self.confirms = True
        self.problem_of_extension = ""
        self.asked: list[str] = []
        self.installer: Any = None
        self._python = python
        self._waiting: list[Callable[[], None]] = []

    def setting(self, name: str, default: str = "") -> str:
        return self.settings.get(name, default)

    def set_setting(self, name: str, value: str) -> None:
        self.settings[name] = value

    def python_slicer(self) -> Optional[str]:
        return self._python

    def startup_environment(self) -> dict[str, str]:
        return dict(os.environ)

    def later(self, action: Callable[[], None], milliseconds: int = 0) -> None:
        self._waiting.append(action)

    def work(self) -> None:
        due, self._waiting = self._waiting, []
        for action in due:
            action()

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.confirms

    def has_module(self, name: str) -> bool:
        return name in self.modules

    def open_module(self, name: str) -> None:
        self.asked.append(f"open {name}")

    def pip_install(self) -> Any:
        return self.installer

    def install_extension(self, name: str) -> str:
        self.asked.append(f"install {name}")
        return self.problem_of_extension

    def restart(self) -> None:
        self.asked.append("restart")

    def environment(self, home: Path) -> Environment:
        return Environment(self, home)


class ScriptedProbe:
    """Answers with what is in `answers`; None: not yet. The last answer is kept."""

    def __init__(self, *answers: Optional[Health]) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []
        self.closed = 0

    def __call__(self, interpreter: Any) -> Any:
        self.asked.append(interpreter)
        return SimpleNamespace(poll=self._poll, close=self._close)

    def _poll(self) -> Optional[Health]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def _close(self) -> None:
        self.closed += 1


class ScriptedInstallation:
    """Installs nothing; `printed` and `code` are its output and its end."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.interpreters: list[Any] = []
        self.printed = "$ uv pip install\n"
        self.code: Optional[int] = None
        self.stopped = 0

    def __call__(self, interpreter: Any, args: Any, log: Path) -> Any:
        self.interpreters.append(interpreter)
        self.requests.append(args[1:])
        self.code = None
        return self

    def exit_code(self) -> Optional[int]:
        return self.code

    def output(self) -> str:
        return self.printed

    def stop(self) -> None:
        self.stopped += 1
