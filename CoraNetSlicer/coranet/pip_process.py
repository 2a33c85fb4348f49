"""Runs pip, and what wraps it, in a process of its own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .contract.errors import PackageError
from .package_check import release_numbers

# Folders come first on the path whatever the launcher does to PYTHONPATH; the current folder is not on it.
_RUN_MODULE = """
import runpy, sys
count = int(sys.argv[1])
sys.path = sys.argv[2 : 2 + count] + [one for one in sys.path if one]
sys.argv = sys.argv[2 + count :]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
_FIRST_WITH_RAW_PROGRESS = (24, 1)


class Pip:
    """pip of the running Python. It sees packages of folders of our own as installed."""

    def __init__(self, tools: Path, folders: Sequence[str] = (), call: Callable[..., int] = subprocess.call) -> None:
        """Take what differs in a test.

        Args:
            tools: an empty folder for what is needed only while installing.
            folders: of packages of our own.
            call: runs a command to its end and returns its exit code, like subprocess.call.
        """
        self.tools = tools
        self._folders = folders
        self._call = call

    def run(self, words: Sequence[str], module: str = "pip") -> None:
        """Run one command to its end; what it says goes where our standard output goes.

        Args:
            words: of pip's command line, beginning with the command.
            module: what is run: pip, or what wraps it.

        Raises:
            PackageError: it failed.
        """
        folders = [str(self.tools), *self._folders]
        progress = ["--progress-bar", "raw"] if words[0] == "install" and self._tells_progress() else []
        program = [sys.executable, "-c", _RUN_MODULE, str(len(folders)), *folders]
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONUTF8": "1"}
        sys.stdout.write(f"$ {module} {subprocess.list2cmdline(words)}\n")
        sys.stdout.flush()
        code = self._call([*program, module, *words, *progress], stdin=subprocess.DEVNULL, env=environment)
        if code != 0:
            raise PackageError(f"{module} {words[0]} failed (exit code {code}); the lines above say why.")

    def has(self, module: str) -> bool:
        """Whether a module is among the tools or installed."""
        return (self.tools / module).is_dir() or importlib.util.find_spec(module) is not None

    def _tells_progress(self) -> bool:
        """Whether it can tell how much of a file it has fetched without a terminal."""
        found = [
            distribution.version
            for distribution in importlib.metadata.distributions(name="pip", path=[str(self.tools), *sys.path])
        ]
        return release_numbers((found or ["0"])[0]) >= _FIRST_WITH_RAW_PROGRESS
