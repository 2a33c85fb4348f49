"""Installing and repairing, as the page Environment does it: checked before, watched, at most one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

from ..core.protocols import Packages
from ..core.translation import _
from .environment import Environment, InterpreterKind
from .install import Installation, InstallRequest, SlicerInstallation, pip_args
from .interpreter import Interpreter
from .preflight import obstacle
from .probe import Health

_EXTENSION = "PyTorch"
# Of the engine's package_check, which this side must not import; a test compares them.
MONAI = "monai>=1.3"

StartInstallation = Callable[[Interpreter, InstallRequest, Path], Any]


class PackageInstallation:
    """At most one installation at a time; `problem` says why the last one failed."""

    def __init__(
        self, environment: Environment, application: Packages, start: StartInstallation = Installation.by_engine
    ) -> None:
        """Take the environment to install into.

        Args:
            environment: the choice of this machine.
            application: the application's Python and extensions.
            start: starts `coranet install`, with its log.
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
    def can_stop(self) -> bool:
        """Whether what runs can be stopped."""
        return self._running is not None and self._running.can_stop

    def begin(self, names: Sequence[str], health: Optional[Health], anew: bool) -> None:
        """Start to install, unless it could not succeed: then `problem` says why.

        Args:
            names: packages; (): all, into the environment of our own.
            health: what the doctor found in the chosen Python; None: nothing is known.
            anew: remove the environment or the packages first.

        Raises:
            CoraNetError: it cannot be started.
        """
        environment = self._environment
        is_private = environment.kind is InterpreterKind.PRIVATE
        facts = health.facts if health else {}
        folder = Path(environment.folder if is_private else str(facts.get("packages_folder", "")))
        found = obstacle(folder, with_torch=is_private or "torch" in names)
        self.problem, self.log = found.message if found else "", ""
        if found is not None:
            return
        if environment.kind is InterpreterKind.SLICER:
            self._running = self._into_slicer({name: str(value) for name, value in facts.items()}, anew)
        else:
            request = InstallRequest(
                packages=() if is_private else tuple(names),
                environment=environment.folder if is_private else "",
                python="" if is_private else environment.python,
                anew=anew,
                wheels=environment.wheels_folder,
            )
            self._running = self._start(environment.slicers_interpreter(), request, environment.install_log)

    def _into_slicer(self, versions: dict[str, str], anew: bool) -> Any:
        """MONAI is the only package of ours among those of Slicer: one of pure Python."""
        args = pip_args(MONAI, versions, self._environment.wheels_folder, anew)
        log, pip_install = self._environment.install_log, self._application.pip_install()
        if pip_install is not None:
            return SlicerInstallation(pip_install, args, log)
        return Installation(self._environment.slicers_interpreter(), ["-m", "pip", "install", *args], log)

    def stop(self) -> None:
        """End it, where that is possible."""
        if self.can_stop:
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
        """Install Slicer's PyTorch extension, and restart; sets `problem` where that fails."""
        self.problem = self._application.install_extension(_EXTENSION)
        if not self.problem:
            self._application.restart()
