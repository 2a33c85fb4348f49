"""An application, a doctor and an installation that say what a test wants them to say."""

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
    "packages_folder": "/slicer/site-packages",
    "packages_writable": True,
    "packages_free_gib": 100.0,
}


def finding(code: str, topic: str = "device", level: str = "error", message: str = "it is wrong.") -> Finding:
    return Finding(level, topic, message, "mend it.", code)


def healthy(**facts: Any) -> Health:
    return Health(True, {**FACTS, **facts})


def lacking(*names: str, **facts: Any) -> Health:
    """Packages are missing."""
    missing = tuple(finding("package.missing", name, message=f"the package {name} is missing.") for name in names)
    return Health(False, {**FACTS, **facts}, missing)


class PlainApplication:
    """As panel.application.Application, without windows; `work()` does what was to be done later."""

    def __init__(self, python: Optional[str] = sys.executable) -> None:
        self.settings: dict[str, str] = {}
        self.extension: Any = None
        self.confirms = True
        self.problem_of_extension = ""
        self.told: list[str] = []
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
        self.told.append(question)
        return self.confirms

    def pytorch_utils(self) -> Any:
        return self.extension

    def install_extension(self, name: str) -> str:
        self.told.append(f"install {name}")
        return self.problem_of_extension

    def restart(self) -> None:
        self.told.append("restart")

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
    """Installs nothing; `said` and `code` are what it tells."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.said = "$ pip install\n"
        self.code: Optional[int] = None
        self.stopped = 0

    def __call__(self, interpreter: Any, request: Any, log: Path) -> Any:
        self.requests.append(request)
        self.code = None
        return self

    def poll(self) -> Optional[int]:
        return self.code

    def log(self) -> str:
        return self.said

    def why_failed(self) -> str:
        return f"it failed with {self.code}"

    def stop(self) -> None:
        self.stopped += 1


class an_extension:  # noqa: N801 - stands in for the module PyTorchUtils
    """Slicer's PyTorch extension, as far as it is asked."""

    class PyTorchUtilsLogic:
        @staticmethod
        def _getPipInstallArguments(torchVersionRequirement=None, torchvisionVersionRequirement=None):  # noqa: N802, N803
            return ["install", f"torch{torchVersionRequirement or ''}", "torchvision", "numpy<2"]
