"""Installs and repairs packages in the background, at most one at a time: what would go wrong, and what did."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

from coranet.contract.errors import JobError, storage_error
from coranet.contract.process import ENGINE

from ..core.protocols import Host
from ..core.translation import _
from .environment import Environment, InterpreterKind
from .interpreter import BackgroundProcess, Interpreter
from .probe import Health

# Of the engine's package_check, which this side must not import; a test compares them.
MONAI = "monai>=1.3"

_SHOWN_LINES = 200
# What Slicer brings along and has loaded: another version of them would break it.
_KEPT = ("torch", "numpy", "scipy", "SimpleITK")
# Download and unpacked files of PyTorch: the builds for NVIDIA's cards carry CUDA's libraries.
_CUDA_GIB, _PLAIN_GIB, _SMALL_GIB = 10.0, 3.0, 0.3
# MAX_PATH of Windows without the zero at its end.
_LONGEST_PATH = 259
# PyTorch 2.13 has a license text 173 characters below the folder of packages; later ones may go deeper.
_DEEPEST_FILE = 180


class SlicerInstallation:
    """An installation by `slicer.packaging`, which Slicer has since 5.11; it is watched as a `BackgroundProcess` is."""

    def __init__(self, pip_install: Callable[..., object], args: Sequence[str], log: Path) -> None:
        """Start `slicer.packaging.pip_install` with the arguments of pip; its output replaces that in the log.

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
                logCallback=self._lines.append,
                completedCallback=self._on_end,
            )
        except RuntimeError as error:
            raise JobError(_("Slicer cannot install it now ({error}); try again later.").format(error=error)) from error

    def _on_end(self, code: int) -> None:
        self._code = code
        self._log.write_text(self.output(), encoding="utf-8")

    def exit_code(self) -> Optional[int]:
        """How it ended; None: it still works."""
        return self._code

    def output(self) -> str:
        """Its output so far."""
        return "\n".join(line.rstrip() for line in self._lines)


class PackageInstallation:
    """At most one installation at a time; `problem` is why the last one failed, `log` the end of its output."""

    def __init__(
        self,
        environment: Environment,
        application: Host,
        start: Callable[[Interpreter, Sequence[str], Path], Any] = BackgroundProcess,
    ) -> None:
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
        """Whether what runs can be stopped; Slicer offers no way to."""
        return self._running is not None and not isinstance(self._running, SlicerInstallation)

    def begin(self, names: Sequence[str], health: Optional[Health], anew: bool) -> None:
        """Start to install, unless it could not succeed: then `problem` is the reason.

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
        self.problem, self.log = obstacle(folder, with_torch=is_private or "torch" in names), ""
        if self.problem:
            return
        if environment.kind is InterpreterKind.SLICER:
            self._into_slicer({name: str(value) for name, value in facts.items()}, anew)
            return
        target = [f"--environment={environment.folder}"] if is_private else [*names, f"--python={environment.python}"]
        wheels = [f"--wheels={environment.wheels_folder}"] if environment.wheels_folder else []
        self._run([str(ENGINE), "install", *target, *wheels, *["--anew"] * anew])

    def _into_slicer(self, versions: dict[str, str], anew: bool) -> None:
        """MONAI is the only package of ours among those of Slicer: one of pure Python."""
        args = pip_args(MONAI, versions, self._environment.wheels_folder, anew)
        pip_install = self._application.pip_install()
        if pip_install is None:
            self._run(["-m", "pip", "install", *args])
        else:
            self._running = SlicerInstallation(pip_install, args, self._environment.install_log)

    def _run(self, args: Sequence[str]) -> None:
        self._running = self._start(self._environment.slicers_interpreter(), args, self._environment.install_log)

    def stop(self) -> None:
        """End it with its children, where that is possible; an unfinished environment is made anew by the next one."""
        if self.can_stop:
            self._running.stop()
            self.log = self._end_of_output()
            self._running, self.problem = None, _("The installation was stopped.")

    def poll(self) -> bool:
        """Look once, without waiting. Returns whether anything is new; when it is over, `is_running` is False."""
        if self._running is None:
            return False
        code, log = self._running.exit_code(), self._end_of_output()
        is_new = code is not None or log != self.log
        self.log = log
        if code is not None:
            self.problem = likely_cause(self._running.output(), code) if code else ""
            self._running = None
        return is_new

    def _end_of_output(self) -> str:
        return "\n".join(self._running.output().splitlines()[-_SHOWN_LINES:])


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
    # Named with their versions, they satisfy the package's requirements, and nothing is exchanged.
    pinned = [] if anew else [f"{name}=={versions[name]}" for name in _KEPT if name in versions]
    return [*replaced, *source, requirement, *pinned]


def needed_gib(with_torch: bool = True) -> float:
    """How much room an installation needs on this computer, in GiB."""
    if not with_torch:
        return _SMALL_GIB
    return _CUDA_GIB if shutil.which("nvidia-smi") else _PLAIN_GIB


def obstacle(packages_folder: Path, with_torch: bool, platform: str = sys.platform) -> str:
    """The first reason not to begin an installation into a folder that may not be there yet; "": there is none."""
    existing = next((folder for folder in (packages_folder, *packages_folder.parents) if folder.is_dir()), None)
    if existing is None or not _is_writable(existing):
        text = _("'{folder}' cannot be written. Choose an environment of its own in a folder of yours.")
        return text.format(folder=packages_folder)
    too_many = characters_too_many(str(packages_folder), platform) if with_torch else 0
    if too_many:
        text = _(
            "The path '{folder}' is {count} characters too long for the files of PyTorch on Windows. Choose an "
            "environment folder with a short path, for example 'C:\\CoraNet'."
        )
        return text.format(folder=packages_folder, count=too_many)
    free, needed = shutil.disk_usage(existing).free / 2**30, needed_gib(with_torch)
    if free < needed:
        text = _("Only {free} GiB are free for '{folder}', about {needed} are needed. Free some space first.")
        return text.format(free=round(free, 1), folder=packages_folder, needed=round(needed, 1))
    return ""


def characters_too_many(packages_folder: str, platform: str = sys.platform) -> int:
    """By how many characters the files of PyTorch would be too deep below a folder of packages; 0: they fit."""
    if platform != "win32" or _windows_allows_long_paths():
        return 0
    return max(0, len(packages_folder) + 1 + _DEEPEST_FILE - _LONGEST_PATH)


def _windows_allows_long_paths() -> bool:
    """Whether the switch of Windows is on; the Pythons of python.org and of uv heed it."""
    try:
        import winreg
    except ImportError:  # not on Windows
        return False
    try:
        path = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined,unused-ignore]
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False


def _is_writable(folder: Path) -> bool:
    try:
        # os.access is True for folders of Windows in which only an administrator may write.
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def likely_cause(log: str, exit_code: int) -> str:
    """The likely cause in a sentence, followed by the last error in the log."""
    cause = next((text for pattern, text in _causes() if re.search(pattern, log, re.IGNORECASE)), "")
    if not cause and exit_code in (-9, 137):
        cause = _("The system killed the installation, probably because memory ran out; close other programs.")
    last = _last_error(log)
    cause = cause or _("The installation failed; see the log.")
    return f"{cause} ({last})" if last else cause


def _last_error(log: str) -> str:
    lines = [line.strip(" \t\u2502") for line in log.splitlines() if line.strip()]
    # The very last line is CoraNetSlicer's own: uv or pip failed.
    errors = [line for line in lines if re.match(r"(error: (?!uv |pip )|ERROR\b|\u00d7|Caused by: |\w+Error: )", line)]
    chosen = errors or lines
    return chosen[-1][:300] if chosen else ""


def _causes() -> list[tuple[str, str]]:
    """Patterns and sentences; the first that fits counts, so what is the consequence of another comes after it."""
    return [
        (
            r"No space left|os error (28|112)\b|Errno 28\b|WinError 112",
            _("The disk is full; free some space, or choose an environment folder on another disk."),
        ),
        (
            r"os error 206|WinError 206|File name too long|Long Path support",
            _("A path is too long for this system; choose an environment folder with a short path."),
        ),
        (
            r"os error (5|13|32)\b|WinError (5|32)\b|Permission denied|Access is denied",
            _("A file is in use or protected, perhaps by a virus scanner; restart Slicer and install again."),
        ),
        (
            r"invalid peer certificate|UnknownIssuer|CERTIFICATE_VERIFY_FAILED|certificate verify failed",
            _(
                "The secure connection was refused, for example by a firewall that inspects it; ask for an exception, "
                "or install from a folder of wheels."
            ),
        ),
        (
            r"dns error|error sending request|client error \(Connect\)|Could not connect|timed out|ProxyError"
            r"|NewConnectionError|name resolution|getaddrinfo failed",
            _("There is no internet connection, or a proxy blocks it; install from a folder of wheels."),
        ),
        (
            r"No interpreter found|No download found|No virtual environment found",
            _("There is no Python 3.10 to 3.13 for it; install one from python.org, or choose another Python."),
        ),
        (
            r"No solution found|No matching distribution|no wheels with a matching",
            _("There is no build for this Python and this system; choose another Python or another folder of wheels."),
        ),
        (
            r"externally managed",
            _("The system manages the packages of this Python; choose the Python of a virtual environment."),
        ),
    ]
