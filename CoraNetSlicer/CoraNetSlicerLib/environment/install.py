"""Installs packages into the chosen Python, in a process that is watched through its log."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from coranet.contract.process import ENGINE, DetachedProcess

from ..core.translation import _
from .background import BackgroundProcess
from .causes import likely_cause
from .interpreter import Interpreter
from .pytorch_extension import TorchChoice

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_SHOWN_LINES = 200
# What light-the-torch alone understands.
_OPTIONS_OF_RESOLVER = ("--pytorch", "--cpuonly")


@dataclass(frozen=True)
class InstallRequest:
    """What to install.

    Attributes:
        packages: names, for example ("torch", "monai").
        anew: of these, whatever is there is removed first, whole or broken.
        wheels: folder of wheel files; "": from the internet.
        torch: what is asked for where PyTorch is among the packages.
    """

    packages: tuple[str, ...]
    anew: tuple[str, ...] = ()
    wheels: str = ""
    torch: TorchChoice = TorchChoice()

    def words(self) -> list[str]:
        """The words of ``coranet install``."""
        anew = [f"--anew={name}" for name in self.anew]
        wheels = [f"--wheels={self.wheels}"] if self.wheels else []
        torch, source = [], []
        if "torch" in self.packages:
            # A folder of wheels holds the build that was chosen: nothing is left to light-the-torch.
            words = [word for word in self.torch.words if not (self.wheels and word.startswith(_OPTIONS_OF_RESOLVER))]
            torch = [f"--torch={word}" for word in words]
            resolver = "" if self.wheels else self.torch.light_the_torch
            source = [f"--light-the-torch={resolver}"] if resolver else []
        return ["install", *self.packages, *anew, *wheels, *torch, *source]


class Installation:
    """One installation. `poll` it until it is over."""

    def __init__(
        self,
        interpreter: Interpreter,
        request: InstallRequest,
        log: Path,
        launch: Callable[..., Any] = DetachedProcess,
        engine: Path = ENGINE,
    ) -> None:
        """Start it.

        Args:
            interpreter: the Python that gets the packages.
            request: what to install.
            log: file for what it says; an older one is replaced.
            launch: starts a process, like subprocess.Popen.
            engine: the engine's entry file.

        Raises:
            JobError: the Python cannot be started.
            StorageError: the log cannot be written.
        """
        self._process = BackgroundProcess(interpreter, [str(engine), *request.words()], log, launch=launch)

    def poll(self) -> Optional[int]:
        """Its exit code; None: it still works. Never waits."""
        return self._process.exit_code()

    def stop(self) -> None:
        """End it with all its children. What it leaves half installed, the doctor finds."""
        self._process.stop()

    def log(self) -> str:
        """What it said lately, for a person."""
        return "\n".join(readable(self._process.said()).splitlines()[-_SHOWN_LINES:])

    def why_failed(self) -> str:
        """The likely cause in a sentence, with the last error that it told of."""
        code = self._process.exit_code()
        return likely_cause(readable(self._process.said()), code or 0)


def readable(said: str) -> str:
    """What pip said, with the newest measure of a download only, in GiB or MiB."""
    lines: list[str] = []
    measured = False
    for line in said.splitlines():
        found = _PROGRESS.fullmatch(line.strip())
        if found and measured:
            lines.pop()
        measured = found is not None
        lines.append(_measure(int(found.group(1)), int(found.group(2))) if found else line.rstrip())
    return "\n".join(lines)


def _measure(done: int, total: int) -> str:
    if total >= 2**30:
        sizes = f"{done / 2**30:.2f}", f"{total / 2**30:.2f} GiB"
    else:
        sizes = f"{done / 2**20:.1f}", f"{total / 2**20:.1f} MiB"
    return _("  {done} of {total} downloaded").format(done=sizes[0], total=sizes[1])


def names_in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Each name once, PyTorch first."""
    return tuple(sorted(dict.fromkeys(names), key=lambda name: name != "torch"))
