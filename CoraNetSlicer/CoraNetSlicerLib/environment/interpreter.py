"""Which Python runs the engine, and processes of it in the background."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from coranet.contract import terminate_tree
from coranet.contract.errors import JobError, storage_error
from coranet.contract.process import DetachedProcess, start_in_own_group

from ..core.translation import _

_ENCODING = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
# These name the libraries of the application's own Python; another Python would load them and fail.
_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONNOUSERSITE", "__PYVENV_LAUNCHER__")
_TAIL_BYTES = 64 * 1024
# A killed process ends at once, unless the disk or the network that it waits for hangs. The window waits with us.
_LONGEST_END_S = 2.0


@dataclass(frozen=True)
class Interpreter:
    """A Python to run the engine with, and the complete environment that its processes get."""

    executable: str
    environment: Mapping[str, str] = field(repr=False)

    @staticmethod
    def of_this_process() -> Interpreter:
        """The running Python; right outside the application, where it is not one that has windows."""
        return Interpreter(sys.executable, {**os.environ, **_ENCODING})

    @staticmethod
    def of_slicer(python_slicer: Optional[str], startup_environment: Mapping[str, str]) -> Interpreter:
        """PythonSlicer, the application's own Python, with the environment as it was before the application changed it.

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
        inherited = {name: value for name, value in environment.items() if name not in _FOREIGN}
        return Interpreter(str(executable), {**inherited, **_ENCODING})


def not_started(interpreter: Interpreter, error: OSError) -> JobError:
    """The error of a Python that cannot be started."""
    text = _("'{program}' cannot be started ({reason}); choose another Python.")
    return JobError(text.format(program=interpreter.executable, reason=error.strerror or str(error)))


class BackgroundProcess:
    """Its output goes into files: no pipe has to be read, and it can outlive its parent."""

    def __init__(
        self,
        interpreter: Interpreter,
        args: Sequence[str],
        output: Path,
        errors: Optional[Path] = None,
        launch: Callable[..., Any] = DetachedProcess,
    ) -> None:
        """Start a script with its arguments; its standard error goes into the same file, unless it has one of its own.

        Raises:
            JobError: the Python cannot be started.
            StorageError: a file cannot be written.
        """
        self._output = output
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            written = open(output, "wb")  # noqa: SIM115 - two kinds of failure have two messages
        except OSError as error:
            raise storage_error(output, error) from error
        with written:
            separate = open(errors, "wb") if errors else None  # noqa: SIM115 - closed below
            try:
                self._child = start_in_own_group(
                    [interpreter.executable, *args], launch, stdout=written, stderr=separate or subprocess.STDOUT,
                    env=dict(interpreter.environment), cwd=str(output.parent),
                )  # fmt: skip
            except OSError as error:
                raise not_started(interpreter, error) from error
            finally:
                if separate is not None:
                    separate.close()

    def exit_code(self) -> Optional[int]:
        """How it ended; None: it still works."""
        code: Optional[int] = self._child.poll()
        return code

    def output(self) -> str:
        """The end of its output so far."""
        return read_end(self._output)

    def stop(self) -> None:
        """End it with all its children; no error if it is over. Does not wait for a process that cannot be ended."""
        if self._child.poll() is None:
            terminate_tree(self._child.pid)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_LONGEST_END_S)


def read_end(path: Path) -> str:
    """The last 64 KiB of a text file; "" if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
