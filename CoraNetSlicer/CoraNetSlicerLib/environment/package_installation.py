"""Installing what is missing, as the section Environment does it: checked before, watched, resumed after a restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

from ..core.protocols import Host
from ..core.translation import _
from .environment import Environment, InterpreterKind
from .install import Installation, InstallRequest, names_in_order
from .interpreter import Interpreter
from .preflight import obstacle
from .probe import Health
from .pytorch_extension import torch_choice

_PENDING = "Environment/PendingInstall"
_EXTENSION = "PyTorch"

StartInstallation = Callable[[Interpreter, InstallRequest, Path], Any]


class PackageInstallation:
    """At most one installation at a time; `problem` says why the last one failed."""

    def __init__(self, environment: Environment, application: Host, start: StartInstallation = Installation) -> None:
        """Take the environment to install into.

        Args:
            environment: the choice of this machine.
            application: asks, and installs extensions.
            start: starts an installation, with its log.
        """
        self._environment = environment
        self._application = application
        self._start = start
        self._running: Any = None
        self.problem = ""
        self.log = ""

    @property
    def is_running(self) -> bool:
        """Whether packages are being installed."""
        return self._running is not None

    @property
    def needs_extension(self) -> bool:
        """Whether PyTorch can be installed only after Slicer's PyTorch extension.

        In a private folder or another Python, its choice is a help; among the packages of Slicer, it is the rule.
        """
        in_slicer = self._environment.kind is InterpreterKind.SLICER and not self._environment.wheels_folder
        return in_slicer and self._application.pytorch_utils() is None

    def begin(self, interpreter: Interpreter, names: Sequence[str], health: Optional[Health], anew: bool) -> None:
        """Start to install, unless it could not succeed: then `problem` says why.

        Args:
            interpreter: the Python that gets the packages.
            names: packages.
            health: what the doctor found there; None: nothing is known.
            anew: whatever is there of the packages is removed first.

        Raises:
            CoraNetError: it cannot be started.
        """
        # MONAI is installed with PyTorch: nothing works without either.
        beside = ["monai"] if health and "torch" in names and health.has("package.missing", "monai") else []
        packages = names_in_order([*names, *beside])
        found = obstacle(self._environment, health.facts if health else {}, packages)
        self.problem, self.log = found.message if found else "", ""
        if found is None:
            choice = torch_choice(self._application.pytorch_utils())
            wheels = self._environment.wheels_folder
            request = InstallRequest(packages, tuple(names) if anew else (), wheels, choice)
            self._running = self._start(interpreter, request, self._environment.install_log)

    def stop(self) -> None:
        """End it; what it has left half installed, the doctor finds."""
        if self._running is not None:
            self._running.stop()
            self.log = self._running.log()
            self._running, self.problem = None, _("The installation was stopped.")

    def poll(self) -> bool:
        """Look once, without waiting. Returns whether anything is new; when it is over, `is_running` says so."""
        if self._running is None:
            return False
        code, log = self._running.poll(), self._running.log()
        is_new = code is not None or log != self.log
        self.log = log
        if code is not None:
            self.problem = self._running.why_failed() if code else ""
            self._running = None
        return is_new

    def install_extension(self) -> None:
        """Install Slicer's PyTorch extension if a person agrees, restart, and go on by `resume`."""
        question = _(
            "PyTorch is installed through Slicer's PyTorch extension, which knows the build that fits this computer. "
            "Install the extension now? Slicer restarts once, then the installation goes on by itself."
        )
        if not self._application.confirm(question):
            return
        # Before the extension is installed: the application may restart at once.
        self._application.set_setting(_PENDING, "torch,monai")
        self.problem = self._application.install_extension(_EXTENSION)
        if self.problem:
            self._application.set_setting(_PENDING, "")
        else:
            self._application.restart()

    def resume(self, interpreter: Interpreter, health: Health) -> None:
        """Go on after the restart for which the extension was installed; does nothing if there was none.

        Raises:
            CoraNetError: it cannot be started.
        """
        pending = str(self._application.setting(_PENDING))
        if not pending:
            return
        # Once only: what fails after a restart must not begin again with each start of Slicer.
        self._application.set_setting(_PENDING, "")
        missing = [name for name in pending.split(",") if health.has("package.missing", name)]
        if missing and self.needs_extension:
            self.problem = _(
                "Slicer's PyTorch extension is still not there; install '{name}' in the Extensions Manager, or use a "
                "private folder."
            ).format(name=_EXTENSION)
        elif missing:
            self.begin(interpreter, missing, health, anew=False)
