"""The page Environment: which Python trains, whether it works, and how it is installed or fixed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

from coranet.contract.errors import CoraNetError

from ..core.notification import Signal
from ..core.protocols import Host
from ..core.stepwise import Deferred
from ..core.translation import _, sentence
from .environment import Environment, InterpreterKind
from .fixes import FindingRow, choose_private, row_of_no_environment, rows_of, summary_of
from .installation import PackageInstallation, needed_gib
from .interpreter import BackgroundProcess, Interpreter
from .probe import Health, Probe

_LOG = logging.getLogger(__name__)
_POLL_MS = 300
_EXTENSION, _PYTORCH_MODULE = "PyTorch", "PyTorchUtils"


class EnvironmentPresenter:
    """State and actions of the page; `changed` is sent after each change of what is shown.

    The choice of this machine (`environment`) is changed through the presenter. Nothing is started before `check`.
    `health` is what the doctor found; while it is at work, what it found in this Python the last time.
    """

    def __init__(
        self,
        environment: Environment,
        application: Host,
        probe: Callable[[Interpreter], Any] = Probe,
        installation: Callable[[Interpreter, Sequence[str], Path], Any] = BackgroundProcess,
    ) -> None:
        self.changed = Signal()
        self.environment = environment
        self._application = application
        self._packages = PackageInstallation(environment, application, installation)
        self._start_probe = probe
        self._probe: Any = None
        self.health: Optional[Health] = None
        self._interpreter: Optional[Interpreter] = None
        self._problem = ""
        self._is_closed = False
        self._polling = Deferred(application, self._poll)

    @property
    def is_checking(self) -> bool:
        """Whether the doctor is at work."""
        return self._probe is not None

    @property
    def is_installing(self) -> bool:
        """Whether packages are being installed."""
        return self._packages.is_running

    @property
    def summary(self) -> str:
        """All of it in a line."""
        if self.is_installing:
            return _("Installing packages. Slicer can be used meanwhile.")
        if self._problem:
            return self._problem
        if self.environment.is_missing:
            return _("Not installed.") if self._packages.problem else _("Not installed yet.")
        if self.health is None:
            return _("Checking the environment...") if self.is_checking else _("Not checked yet.")
        text = summary_of(self.health) if self.health.is_well else _("Not ready:")
        return _("{summary} Checking it again...").format(summary=text) if self.is_checking else text

    @property
    def findings(self) -> list[FindingRow]:
        """What is wrong, each with the buttons that fix it; an installation that failed comes first."""
        rows: list[FindingRow] = []
        if self._packages.problem:
            fixes = () if self.kind is InterpreterKind.PRIVATE else (choose_private(),)
            rows.append(FindingRow("error", self._packages.problem, fixes))
        if self.environment.is_missing and not self.is_installing:
            rows.append(row_of_no_environment(needed_gib()))
        elif self.health:
            rows += rows_of(self.health, self.kind, self._application.has_module(_PYTORCH_MODULE))
        return rows

    @property
    def can_install(self) -> bool:
        """Whether there is anything to install or to repair."""
        actions = {fix.code.partition(":")[0] for row in self.findings for fix in row.fixes}
        return bool(actions & {"install", "anew"})

    @property
    def reason_not_stoppable(self) -> str:
        """Why the installation that runs cannot be stopped; "": it can."""
        return "" if self._packages.can_stop else _("Slicer installs this package. That cannot be stopped.")

    @property
    def has_error(self) -> bool:
        """Whether something is wrong that a person has to decide on."""
        known_bad = self.health is not None and not self.health.is_well and not self.is_checking
        is_missing = self.environment.is_missing and not self.is_installing
        return bool(self._problem or self._packages.problem or known_bad or is_missing)

    @property
    def reason_not_ready(self) -> str:
        """Why nothing can be trained or segmented now; "": it can."""
        if self.is_installing:
            return _("Packages are being installed; wait until it is done.")
        if self._problem:
            return self._problem
        if self.health is not None and self.health.is_well:
            return ""
        if self.is_checking:
            return _("The environment is being checked; this takes a few seconds.")
        return _("{what} See Environment.").format(what=summary_of(self.health) if self.health else self.summary)

    @property
    def reason_not_changeable(self) -> str:
        """Why another Python cannot be chosen, checked or installed into now; "": it can."""
        return _("Packages are being installed; wait until it is done, or stop it.") if self.is_installing else ""

    @property
    def interpreter(self) -> Optional[Interpreter]:
        """The Python to train and segment with; None: it cannot be used now."""
        return None if self.reason_not_ready else self._interpreter

    @property
    def install_log(self) -> str:
        """The last output of the installation; "" if there was none."""
        return self._packages.log

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Key and text of each kind of interpreter."""
        return [
            (InterpreterKind.PRIVATE.value, _("Separate environment (recommended)")),
            (InterpreterKind.SLICER.value, _("Slicer's Python (PythonSlicer)")),
            (InterpreterKind.OTHER.value, _("Another Python")),
        ]

    @property
    def kind(self) -> InterpreterKind:
        """Whose Python is chosen."""
        return self.environment.kind

    def choose(self, kind: str) -> None:
        """Choose whose Python is used, by its key, and check it."""
        if InterpreterKind(kind) is not self.kind:
            self.environment.choose(InterpreterKind(kind))
            self._packages.problem = ""
            self.check()

    def set_python(self, path: str) -> None:
        """Choose the user's Python, and check it; raises ConfigError where there is none."""
        self.environment.set_python(path)
        self.check()

    def set_folder(self, path: str) -> None:
        """Choose the folder for the environment of our own, and check it; raises ConfigError where it cannot be one."""
        self.environment.set_folder(path)
        self.check()

    def set_wheels_folder(self, path: str) -> None:
        """Install from a folder of wheel files; raises ConfigError where it has none."""
        self.environment.set_wheels_folder(path)
        self.changed.send()

    def check(self) -> None:
        """Check the chosen Python; `changed` is sent when the answer is there."""
        if self.is_installing or self._is_closed:
            return
        self._forget_probe()
        self._problem, self._interpreter, self.health = "", None, None
        if not self.environment.is_missing:
            self._start_checking()
        self._poll_later()
        self.changed.send()

    def _start_checking(self) -> None:
        try:
            interpreter = self.environment.interpreter()
            self._probe = self._start_probe(interpreter)
        except CoraNetError as error:
            self._problem = sentence(str(error))
        except OSError as error:
            self._problem = _("The environment could not be checked: {error}").format(error=error)
        else:
            self._interpreter = interpreter
            # What worked before: work can begin at once.
            self.health = self.environment.remembered(interpreter)

    def fix(self, code: str) -> None:
        """Do the action of a finding's button, see `Fix.code`; raises CoraNetError where it cannot be started."""
        action, _colon, names = code.partition(":")
        if self.is_installing:
            return
        if action == "choose":
            self.choose(names)
        elif action == "module":
            self._application.open_module(_PYTORCH_MODULE)
        elif action == "extension":
            self._install_extension()
        else:
            self._packages.begin([name for name in names.split(",") if name], self.health, anew=action == "anew")
            if self.is_installing:
                self._forget_probe()
                self._poll_later()
            self.changed.send()

    def _install_extension(self) -> None:
        question = _(
            "Install Slicer's PyTorch extension now? Slicer restarts once. Then install PyTorch with its module, and "
            "check again on the page Environment."
        )
        if self._application.confirm(question):
            self._packages.problem = self._application.install_extension(_EXTENSION)
            if not self._packages.problem:
                self._application.restart()
            self.changed.send()

    def stop_install(self) -> None:
        """End the installation, where that is possible, and check what it has left."""
        if self._packages.can_stop:
            self._packages.stop()
            self._on_installed()

    def _on_installed(self) -> None:
        # What is remembered is no longer true.
        self.environment.forget()
        self.check()

    def close(self) -> None:
        """Let go: the doctor is ended, an installation goes on to its end."""
        self._is_closed = True
        self._polling.close()
        self._forget_probe()

    def _forget_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def _poll_later(self) -> None:
        if self.is_checking or self.is_installing:
            self._polling.request(_POLL_MS)

    def _poll(self) -> None:
        try:
            self._look_at_processes()
        except Exception as error:  # noqa: BLE001 - a check that ends so must not be waited for
            _LOG.exception("the environment could not be checked")
            self._forget_probe()
            self._problem = _("The environment could not be checked: {error}").format(error=error)
            self.changed.send()
        self._poll_later()

    def _look_at_processes(self) -> None:
        health = self._probe.poll() if self._probe is not None else None
        if health is not None:
            self._probe, self.health = None, health
            if self._interpreter is not None:
                self.environment.remember(self._interpreter, health)
            self.changed.send()
        elif self._packages.poll():
            if self.is_installing:
                self.changed.send()
            else:
                self._on_installed()
