"""A process in the background that is looked at now and then, and ended with all its children."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

from coranet.contract import terminate_tree
from coranet.contract.errors import JobError, storage_error
from coranet.contract.process import DetachedProcess, start_in_own_group

from ..core.translation import _
from .interpreter import Interpreter

_TAIL_BYTES = 64 * 1024
# A killed process ends at once, unless the disk or the network that it waits for hangs. The window waits with us.
_LONGEST_END_S = 2.0


class BackgroundProcess:
    """Its output goes into files: nobody has to read a pipe, and it can outlive who started it."""

    def __init__(
        self,
        interpreter: Interpreter,
        args: Sequence[str],
        output: Path,
        errors: Optional[Path] = None,
        launch: Callable[..., Any] = DetachedProcess,
    ) -> None:
        """Start it.

        Args:
            interpreter: the Python that runs it.
            args: script, and its arguments.
            output: file for its output.
            errors: file for its standard error; None: the same.
            launch: starts a process, like subprocess.Popen.

        Raises:
            JobError: the Python cannot be started.
            StorageError: a file cannot be written.
        """
        self._output = output
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            written = open(output, "wb")  # noqa: SIM115 - the two kinds of failure are told apart
        except OSError as error:
            raise storage_error(output, error) from error
        with written:
            separate = open(errors, "wb") if errors else None  # noqa: SIM115 - closed below
            try:
                self._child = start_in_own_group(
                    [interpreter.executable, *args],
                    launch,
                    stdout=written,
                    stderr=separate or subprocess.STDOUT,
                    env=dict(interpreter.environment),
                    cwd=str(output.parent),
                )
            except OSError as error:
                reason = error.strerror or str(error)
                raise JobError(
                    _("'{program}' cannot be started ({reason}); choose another Python.").format(
                        program=interpreter.executable, reason=reason
                    )
                ) from error
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
