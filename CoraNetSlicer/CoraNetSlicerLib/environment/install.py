"""Installs packages in the background: `coranet install` in a process of its own, or Slicer's installer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from coranet.contract.errors import JobError, storage_error
from coranet.contract.process import ENGINE, DetachedProcess

from ..core.translation import _
from .background import BackgroundProcess
from .causes import likely_cause
from .interpreter import Interpreter

_SHOWN_LINES = 200
# What Slicer brings along and has loaded: another version of them would break it.
_KEPT = ("torch", "numpy", "scipy", "SimpleITK")


@dataclass(frozen=True)
class InstallRequest:
    """What `coranet install` is asked for.

    Attributes:
        packages: names, for example ("torch", "monai"); (): all, into an environment of our own.
        environment: folder of that environment; "": none.
        python: the Python that gets the packages; "": none.
        anew: remove the environment or the packages first.
        wheels: folder of wheel files; "": from the internet.
    """

    packages: tuple[str, ...] = ()
    environment: str = ""
    python: str = ""
    anew: bool = False
    wheels: str = ""

    def args(self) -> list[str]:
        """The arguments of the command line."""
        options = {"environment": self.environment, "python": self.python, "wheels": self.wheels}
        given = [f"--{name}={value}" for name, value in options.items() if value]
        return ["install", *self.packages, *given, *["--anew"] * self.anew]


class Installation:
    """An installation in a process of its own. `poll` it until it is over."""

    can_stop = True

    def __init__(
        self,
        interpreter: Interpreter,
        args: Sequence[str],
        log: Path,
        launch: Callable[..., Any] = DetachedProcess,
    ) -> None:
        """Start it.

        Args:
            interpreter: the Python that runs the installer.
            args: its arguments, for example the engine's file and those of `InstallRequest`.
            log: file for its output; an older one is replaced.
            launch: starts a process, like subprocess.Popen.

        Raises:
            JobError: the Python cannot be started.
            StorageError: the log cannot be written.
        """
        self._process = BackgroundProcess(interpreter, args, log, launch=launch)

    @staticmethod
    def by_engine(interpreter: Interpreter, request: InstallRequest, log: Path, engine: Path = ENGINE) -> Installation:
        """Start `coranet install`; raises as the constructor."""
        return Installation(interpreter, [str(engine), *request.args()], log)

    def poll(self) -> Optional[int]:
        """Its exit code; None: it still works. Never waits."""
        return self._process.exit_code()

    def stop(self) -> None:
        """End it with all its children. An environment that is left unfinished is made anew by the next one."""
        self._process.stop()

    def log(self) -> str:
        """Its last output, for a person."""
        return "\n".join(self._process.output().splitlines()[-_SHOWN_LINES:])

    def why_failed(self) -> str:
        """The likely cause in a sentence, with the last error in its output."""
        return likely_cause(self._process.output(), self._process.exit_code() or 0)


class SlicerInstallation:
    """An installation by `slicer.packaging`, which Slicer has since 5.11. The same members as `Installation`."""

    # Slicer offers no way to.
    can_stop = False

    def __init__(self, pip_install: Callable[..., object], args: Sequence[str], log: Path) -> None:
        """Start it.

        Args:
            pip_install: `slicer.packaging.pip_install`.
            args: those of pip, without "install".
            log: file for its output; an older one is replaced.

        Raises:
            JobError: Slicer installs something else at the moment.
            StorageError: the log cannot be written.
        """
        self._code: Optional[int] = None
        self._lines: list[str] = []
        self._log = log
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("", encoding="utf-8")
        except OSError as error:
            raise storage_error(log, error) from error
        try:
            pip_install(
                list(args),
                blocking=False,
                show_progress=False,
                logCallback=self._on_line,
                completedCallback=self._on_end,
            )
        except RuntimeError as error:
            raise JobError(_("Slicer cannot install it now ({error}); try again later.").format(error=error)) from error

    def _on_line(self, line: str) -> None:
        self._lines.append(line.rstrip())

    def _on_end(self, code: int) -> None:
        self._code = code
        self._log.write_text(self.log(), encoding="utf-8")

    def poll(self) -> Optional[int]:
        """Its exit code; None: it still works."""
        return self._code

    def stop(self) -> None:
        """Does nothing: see `can_stop`."""

    def log(self) -> str:
        """Its last output, for a person."""
        return "\n".join(self._lines[-_SHOWN_LINES:])

    def why_failed(self) -> str:
        """The likely cause in a sentence, with the last error in its output."""
        return likely_cause(self.log(), self._code or 0)


def pip_args(requirement: str, versions: dict[str, str], wheels: str, anew: bool) -> list[str]:
    """Arguments of pip, without "install", for a package among those of Slicer, which stay as they are.

    Args:
        requirement: for example "monai>=1.3".
        versions: of what is installed, by name.
        wheels: folder of wheel files; "": from the internet.
        anew: install it again where it is there.
    """
    source = ["--no-index", "--find-links", wheels] if wheels else []
    replaced = ["--force-reinstall", "--no-deps"] if anew else []
    # Named with their versions, they satisfy what the package asks for, and nothing is exchanged.
    kept = [] if anew else [f"{name}=={versions[name]}" for name in _KEPT if name in versions]
    return [*replaced, *source, requirement, *kept]
