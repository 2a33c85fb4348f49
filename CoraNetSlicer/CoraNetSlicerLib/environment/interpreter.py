"""Which Python runs the engine, and in which environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from coranet.contract.errors import JobError

_ENCODING = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
# These name the libraries of the application's own Python; another Python would load them and fail.
_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONNOUSERSITE", "__PYVENV_LAUNCHER__")


@dataclass(frozen=True)
class Interpreter:
    """A Python to run the engine with.

    Attributes:
        executable: path of the program.
        environment: the complete environment that its processes get.
    """

    executable: str
    environment: Mapping[str, str] = field(repr=False)

    @staticmethod
    def of_this_process(environment: Optional[Mapping[str, str]] = None) -> Interpreter:
        """The running Python; right outside the application, where it is not one that has windows."""
        given = os.environ if environment is None else environment
        return Interpreter(sys.executable, {**given, **_ENCODING})

    @staticmethod
    def of_slicer(python_slicer: Optional[str], startup_environment: Mapping[str, str]) -> Interpreter:
        """PythonSlicer, the application's own Python.

        Args:
            python_slicer: its path, as `shutil.which("PythonSlicer")` finds it.
            startup_environment: `slicer.util.startupEnvironment()`: as it was before the application changed it.

        Raises:
            JobError: there is no PythonSlicer.
        """
        if not python_slicer:
            raise JobError(
                "PythonSlicer was not found beside the application; choose a Python interpreter to train with."
            )
        return Interpreter(python_slicer, {**startup_environment, **_ENCODING})

    @staticmethod
    def chosen(executable: str | Path, environment: Mapping[str, str]) -> Interpreter:
        """Any other Python, for example that of a virtual environment with a GPU build of PyTorch.

        Raises:
            JobError: there is no such file.
        """
        if not Path(executable).is_file():
            raise JobError(f"there is no Python interpreter '{executable}'; choose the program itself, not its folder.")
        kept = {name: value for name, value in environment.items() if name not in _FOREIGN}
        return Interpreter(str(executable), {**kept, **_ENCODING})
