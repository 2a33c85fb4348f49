"""Which Python trains and segments: a choice of this machine, kept in the settings of the application."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Optional

from coranet.contract.errors import ConfigError, JobError

from ..core.protocols import Host
from ..core.translation import _
from .interpreter import Interpreter
from .probe import Health

_KIND, _PYTHON = "Interpreter/Kind", "Interpreter/Python"
_FOLDER, _WHEELS = "Interpreter/EnvironmentFolder", "Interpreter/Wheels"
_HEALTH = "Interpreter/Health"
# Where the program lies in an environment, for those who choose its folder.
_PROGRAMS = ("bin/python3", "bin/python", "Scripts/python.exe", "python.exe")


class InterpreterKind(Enum):
    """Whose Python, and whose packages.

    PRIVATE: an environment of our own, which leaves Slicer's packages alone; SLICER: Slicer's Python with the packages
    in it; OTHER: any Python of the user's.
    """

    PRIVATE = "private"
    SLICER = "slicer"
    OTHER = "other"


class Environment:
    """The chosen interpreter, and what belongs to it; the environment and the log are in the folder `home`."""

    def __init__(self, application: Host, home: Path) -> None:
        self._application = application
        self._home = home

    @staticmethod
    def of(application: Host) -> Environment:
        """The environment of the running application; the console and the panel choose the same."""
        return Environment(application, Path.home() / "CoraNetSlicer")

    @property
    def kind(self) -> InterpreterKind:
        """Whose Python is chosen."""
        chosen = self._application.setting(_KIND)
        known = {kind.value: kind for kind in InterpreterKind}
        # Who worked with Slicer's packages when they were the first choice goes on with them.
        worked = f'"{InterpreterKind.SLICER.value}|' in self._application.setting(_HEALTH)
        return known.get(chosen, InterpreterKind.SLICER if worked else InterpreterKind.PRIVATE)

    def choose(self, kind: InterpreterKind) -> None:
        """Choose whose Python is used from now on."""
        self._application.set_setting(_KIND, kind.value)

    @property
    def python(self) -> str:
        """Path of the user's Python program; "": none was chosen yet."""
        return str(self._application.setting(_PYTHON))

    def set_python(self, path: str) -> None:
        """Choose the user's Python: the program, or the folder of an environment that has one.

        Raises:
            ConfigError: there is no such program.
        """
        program = Path(path.strip()).expanduser() if path.strip() else None
        if program is not None and program.is_dir():
            inside = self._program_in(program)
            if inside is None:
                raise ConfigError(
                    _("The folder '{path}' has no Python; choose the python program itself.").format(path=program)
                )
            program = inside
        if program is not None and not program.is_file():
            raise ConfigError(_("There is no file '{path}'; choose the python program itself.").format(path=program))
        self._application.set_setting(_PYTHON, str(program or ""))

    @property
    def folder(self) -> str:
        """Folder of the environment of our own."""
        return str(self._application.setting(_FOLDER) or self._home / "environment")

    def set_folder(self, path: str) -> None:
        """Choose the folder for the environment of our own; "": the usual one. Installing makes it.

        Raises:
            ConfigError: it is a file, or a relative path.
        """
        folder = Path(path.strip()).expanduser() if path.strip() else None
        if folder is not None and not folder.is_absolute():
            raise ConfigError(
                _("'{path}' is not a full path; choose a folder such as '{example}'.").format(
                    path=path.strip(), example=self._home / "environment"
                )
            )
        if folder is not None and any(
            existing.exists() and not existing.is_dir() for existing in (folder, *folder.parents)
        ):
            raise ConfigError(_("'{path}' is a file, expected a folder; choose another one.").format(path=folder))
        self._application.set_setting(_FOLDER, str(folder or ""))

    @property
    def wheels_folder(self) -> str:
        """Folder of wheel files to install from; "": from the internet."""
        return str(self._application.setting(_WHEELS))

    def set_wheels_folder(self, path: str) -> None:
        """Install from a folder of wheel files; "": from the internet.

        Raises:
            ConfigError: there is no wheel file in it.
        """
        folder = Path(path.strip()).expanduser() if path.strip() else None
        if folder is not None and not folder.is_dir():
            raise ConfigError(
                _("There is no folder '{path}'; choose one with wheel files, or leave it empty.").format(path=folder)
            )
        if folder is not None and next(folder.glob("*.whl"), None) is None:
            raise ConfigError(
                _("'{path}' has no wheel file (*.whl); choose another folder, or leave it empty.").format(path=folder)
            )
        self._application.set_setting(_WHEELS, str(folder or ""))

    @property
    def is_missing(self) -> bool:
        """Whether an environment of our own is chosen, and has to be made first."""
        return self.kind is InterpreterKind.PRIVATE and self._program_in(Path(self.folder)) is None

    @property
    def install_log(self) -> Path:
        """Where an installation writes its output."""
        return self._home / "install-log.txt"

    def interpreter(self) -> Interpreter:
        """The chosen Python with the environment of its processes; whether it works, only the doctor knows.

        Raises:
            JobError: none is chosen, or it is not there any more.
        """
        variables = self._application.startup_environment()
        if self.kind is InterpreterKind.SLICER:
            return self.slicers_interpreter()
        if self.kind is InterpreterKind.PRIVATE:
            program = self._program_in(Path(self.folder))
            if program is None:
                raise JobError(_("The environment is not installed yet; install it on the page Environment."))
            return Interpreter.chosen(program, variables)
        if not self.python:
            raise JobError(_("No Python is chosen; choose the python program of an environment that has PyTorch."))
        return Interpreter.chosen(self.python, variables)

    def slicers_interpreter(self) -> Interpreter:
        """PythonSlicer, which also runs installers; raises JobError where there is none."""
        return Interpreter.of_slicer(self._application.python_slicer(), self._application.startup_environment())

    @staticmethod
    def _program_in(folder: Path) -> Optional[Path]:
        return next((folder / name for name in _PROGRAMS if (folder / name).is_file()), None)

    def remember(self, interpreter: Interpreter, health: Health) -> None:
        """Keep what the doctor found, so that work can begin at once when the application is started again."""
        stored = {"of": self._fingerprint(interpreter), "health": health.to_json()}
        self._application.set_setting(_HEALTH, json.dumps(stored))

    def remembered(self, interpreter: Interpreter) -> Optional[Health]:
        """What the doctor found in this Python before, if all was well; else None."""
        try:
            stored = json.loads(self._application.setting(_HEALTH) or "{}")
            health = Health.from_json(stored["health"]) if stored.get("of") == self._fingerprint(interpreter) else None
        except (ValueError, KeyError, AttributeError, TypeError):
            return None
        return health if health is not None and health.is_well else None

    def forget(self) -> None:
        """Packages have changed: what was found before is out of date."""
        self._application.set_setting(_HEALTH, "")

    def _fingerprint(self, interpreter: Interpreter) -> str:
        return f"{self.kind.value}|{interpreter.executable}"
