"""The section Environment: which Python trains, whether it works, and mending it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from coranet.contract.errors import CoraNetError

from ..core.notification import Signal
from ..core.protocols import Host
from ..core.translation import _
from .environment import Environment, InterpreterKind
from .install import Installation
from .interpreter import Interpreter
from .mends import FindingRow, choose_private, rows_of
from .package_installation import PackageInstallation, StartInstallation
from .probe import Health, Probe
from .summary import summary_of

_LOG = logging.getLogger(__name__)
_POLL_MS = 300


class EnvironmentPresenter:
    """State and actions of the section; `changed` is sent after each change of what is shown."""

    def __init__(
        self,
        environment: Environment,
        application: Host,
        probe: Callable[[Interpreter], Any] = Probe,
        installation: StartInstallation = Installation,
    ) -> None:
        """Take the environment; nothing is started before `examine`.

        Args:
            environment: the choice of this machine.
            application: does things later, asks, and installs extensions.
            probe: starts an examination.
            installation: starts an installation, with its log.
        """
        self.changed = Signal()
        self._environment = environment
        self._application = application
        self._packages = PackageInstallation(environment, application, installation)
        self._start_probe = probe
        self._probe: Any = None
        self._health: Optional[Health] = None
        self._interpreter: Optional[Interpreter] = None
        self._problem = ""
        self._is_polling = self._is_closed = False

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def is_examining(self) -> bool:
        """Whether the doctor is at work."""
        return self._probe is not None

    @property
    def is_installing(self) -> bool:
        """Whether packages are being installed."""
        return self._packages.is_running

    @property
    def health(self) -> Optional[Health]:
        """What the doctor found; while it is at work, what it found in this Python the last time; None: nothing yet."""
        return self._health

    @property
    def summary(self) -> str:
        """All of it in a line."""
        if self.is_installing:
            return _("Installing packages. Slicer can be used meanwhile.")
        if self._problem:
            return self._problem
        if self._health is None:
            return _("Examining the environment...") if self.is_examining else _("Not examined yet.")
        text = summary_of(self._health) if self._health.is_well else _("Not ready:")
        return _("{summary} Examining it again...").format(summary=text) if self.is_examining else text

    @property
    def findings(self) -> list[FindingRow]:
        """What is wrong, each with the button that mends it; an installation that failed comes first."""
        rows = rows_of(self._health, self.kind, self._packages.needs_extension) if self._health else []
        if not self._packages.problem:
            return rows
        private = choose_private() if self.kind is InterpreterKind.SLICER else None
        return [FindingRow("install.failed", "error", self._packages.problem, private), *rows]

    @property
    def can_install(self) -> bool:
        """Whether there is anything to install or to repair."""
        actions = {row.mend.code.partition(":")[0] for row in self.findings if row.mend is not None}
        return bool(actions & {"install", "anew", "extension"})

    @property
    def has_error(self) -> bool:
        """Whether something is wrong that a person has to decide on."""
        known_bad = self._health is not None and not self._health.is_well and not self.is_examining
        return bool(self._problem or self._packages.problem or known_bad)

    @property
    def reason_not_ready(self) -> str:
        """Why nothing can be trained or segmented now; "": it can."""
        if self.is_installing:
            return _("Packages are being installed; wait until it is done.")
        if self._problem:
            return self._problem
        if self._health is not None and self._health.is_well:
            return ""
        if self.is_examining:
            return _("The environment is being examined; this takes a few seconds.")
        return _("{what} See Environment.").format(what=summary_of(self._health) if self._health else self.summary)

    @property
    def reason_not_changeable(self) -> str:
        """Why another Python cannot be chosen, examined or installed into now; "": it can."""
        return _("Packages are being installed; wait until it is done, or stop it.") if self.is_installing else ""

    @property
    def interpreter(self) -> Optional[Interpreter]:
        """The Python to train and segment with; None: it cannot be used now."""
        return None if self.reason_not_ready else self._interpreter

    @property
    def install_log(self) -> str:
        """What the installation said lately; "" if there was none."""
        return self._packages.log

    @property
    def install_log_path(self) -> Path:
        """The file with all it said."""
        return self._environment.install_log

    # -- the choice --------------------------------------------------------------------------------------------------

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Key and text of each kind of interpreter."""
        return [
            (InterpreterKind.SLICER.value, _("Slicer's Python (PythonSlicer)")),
            (InterpreterKind.PRIVATE.value, _("Slicer's Python, packages in a private folder")),
            (InterpreterKind.OTHER.value, _("Another Python")),
        ]

    @property
    def kind(self) -> InterpreterKind:
        """Whose Python is chosen."""
        return self._environment.kind

    def choose(self, kind: str) -> None:
        """Choose whose Python is used, by its key, and examine it."""
        if InterpreterKind(kind) is not self.kind:
            self._environment.choose(InterpreterKind(kind))
            self._packages.problem = ""
            self.examine()

    @property
    def python(self) -> str:
        """The user's Python program."""
        return self._environment.python

    def set_python(self, path: str) -> None:
        """Choose the user's Python, and examine it.

        Raises:
            ConfigError: there is none.
        """
        self._environment.set_python(path)
        self.examine()

    @property
    def private_folder(self) -> str:
        """The folder for packages of our own."""
        return self._environment.private_folder

    def set_private_folder(self, path: str) -> None:
        """Choose the folder for packages of our own, and examine it.

        Raises:
            ConfigError: it cannot be one.
        """
        self._environment.set_private_folder(path)
        self.examine()

    @property
    def wheels_folder(self) -> str:
        """The folder of wheel files to install from; "": from the internet."""
        return self._environment.wheels_folder

    def set_wheels_folder(self, path: str) -> None:
        """Install from a folder of wheel files.

        Raises:
            ConfigError: it has none.
        """
        self._environment.set_wheels_folder(path)
        self.changed.send()

    # -- examining ---------------------------------------------------------------------------------------------------

    def examine(self) -> None:
        """Look at the chosen Python anew; `changed` is sent when the answer is there."""
        if self.is_installing or self._is_closed:
            return
        self._forget_probe()
        self._problem, self._interpreter = "", None
        try:
            interpreter = self._environment.interpreter()
            self._probe = self._start_probe(interpreter)
            self._interpreter = interpreter
        except CoraNetError as error:
            self._problem = str(error)[:1].upper() + str(error)[1:]
        except OSError as error:
            self._problem = _("The environment could not be examined: {error}").format(error=error)
        # What was well a while ago: work can begin at once.
        self._health = self._environment.remembered(self._interpreter) if self._interpreter else None
        self._poll_later()
        self.changed.send()

    def _accept(self, health: Health) -> None:
        self._probe, self._health = None, health
        if self._interpreter is not None:
            self._environment.remember(self._interpreter, health)
            try:
                self._packages.resume(self._interpreter, health)
            except CoraNetError as error:
                self._packages.problem = str(error)
        self._on_begun()

    # -- mending -----------------------------------------------------------------------------------------------------

    def mend(self, code: str) -> None:
        """Do what the button of a finding says; see `Mend.code`.

        Raises:
            CoraNetError: it cannot be begun.
        """
        action, _colon, names = code.partition(":")
        if action == "choose":
            self.choose(names)
        elif self._interpreter is not None and not self.is_installing:
            if action == "extension":
                self._packages.install_extension()
            else:
                self._packages.begin(self._interpreter, names.split(","), self._health, anew=action == "anew")
            self._on_begun()

    def stop_install(self) -> None:
        """End the installation, and look at what it has left."""
        if self.is_installing:
            self._packages.stop()
            self._on_installed()

    def _on_begun(self) -> None:
        if self.is_installing:
            self._forget_probe()
            self._poll_later()
        self.changed.send()

    def _on_installed(self) -> None:
        # What is remembered is no longer true.
        self._environment.forget()
        self.examine()

    # -- looking now and then ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go: an examination is ended, an installation goes on to its end."""
        self._is_closed = True
        self._forget_probe()

    def _forget_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def _poll_later(self) -> None:
        if not self._is_polling and (self.is_examining or self.is_installing):
            self._is_polling = True
            self._application.later(self._poll, _POLL_MS)

    def _poll(self) -> None:
        self._is_polling = False
        if self._is_closed:
            return
        try:
            self._look_at_processes()
        except Exception as error:  # noqa: BLE001 - an examination that ends so must not be waited for
            _LOG.exception("the environment could not be examined")
            self._forget_probe()
            self._problem = _("The environment could not be examined: {error}").format(error=error)
            self.changed.send()
        self._poll_later()

    def _look_at_processes(self) -> None:
        health = self._probe.poll() if self._probe is not None else None
        if health is not None:
            self._accept(health)
        elif self._packages.poll():
            if self.is_installing:
                self.changed.send()
            else:
                self._on_installed()
