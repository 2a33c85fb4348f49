"""The command ``coranet install``: an environment of our own, or what is missing in a Python that is there.

uv does the work: it finds or downloads a Python, chooses the build of PyTorch that fits the graphics card and its
driver, and resolves the rest. It is one wheel, which pip gets.
See docs/explanation/adr/0017-environment-by-uv.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..contract.errors import ConfigError, PackageError, storage_error
from .package_check import REQUIRED, installed_version, requirement

_UV = "uv>=0.8"
_PYTHONS = ">=3.10,<3.14"
# Headers of DICOM files, and surfaces: Slicer brings both along, a bare Python does not.
_BESIDE = ("pydicom>=2.4", "vtk>=9.2")
_PROGRAMS = ("bin/uv", "bin/uv.exe", "Scripts/uv.exe")
# What the launcher of PythonSlicer sets for its own Python; another Python would load Slicer's libraries and fail.
_OF_LAUNCHER = ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH")

Call = Callable[..., int]


@dataclass(frozen=True)
class Installation:
    """What is installed, and where.

    Attributes:
        packages: names, of those that the engine needs; an environment of our own gets all of them.
        environment: folder of an environment of our own; None: the packages go into `python`.
        python: a Python that is there.
        anew: remove what is there first: the environment, or the packages.
        wheels: folder of wheel files to install from; None: from the internet.
    """

    packages: tuple[str, ...] = ()
    environment: Path | None = None
    python: str = sys.executable
    anew: bool = False
    wheels: Path | None = None


def add_install_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``install`` to the command line."""
    parser = commands.add_parser("install", help="make an environment, or install what is missing in this one")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="default: the missing ones")
    parser.add_argument("--environment", metavar="FOLDER", help="make an environment with all packages in this folder")
    parser.add_argument("--python", metavar="PROGRAM", help="install into this Python; default: the one that runs")
    parser.add_argument("--anew", action="store_true", help="remove the environment or the named packages first")
    parser.add_argument("--wheels", metavar="FOLDER", help="install from these wheel files, offline")
    parser.set_defaults(command=_install_command)


def install(installation: Installation, call: Call = subprocess.call) -> None:
    """Install; what pip and uv print goes to the standard output.

    Args:
        installation: what and where.
        call: runs a command to its end and returns its exit code, like subprocess.call.

    Raises:
        ConfigError: the folder of the environment or of the wheels cannot be used.
        PackageError: pip or uv failed; its own output is above.
        StorageError: the folder of the environment cannot be written.
    """
    # Before anything is removed.
    if installation.wheels is not None and not list(installation.wheels.glob("*.whl")):
        raise ConfigError(f"'{installation.wheels}' has no wheel file (*.whl); choose the folder that has them.")
    if installation.environment is not None:
        _make_environment(installation, installation.environment, call)
    elif installation.packages:
        with tempfile.TemporaryDirectory(prefix="coranet-") as tools:
            uv = _Uv(Path(tools), installation.wheels, call)
            replaced = [f"--reinstall-package={name}" for name in installation.packages if installation.anew]
            uv.install(installation.python, [*replaced, *map(requirement, installation.packages)])
    _print("Done." if installation.packages or installation.environment else "Nothing is missing.")


def _install_command(options: argparse.Namespace) -> int:
    unknown = [name for name in options.packages if name not in REQUIRED]
    if unknown:
        raise ConfigError(f"the package '{unknown[0]}' is not needed; choose among {', '.join(REQUIRED)}.")
    if options.environment and (options.packages or options.python):
        raise ConfigError("--environment has a Python of its own with all packages; leave out --python and PACKAGE.")
    if (options.anew or options.python) and not (options.environment or options.packages):
        raise ConfigError("--anew and --python need PACKAGE or --environment; name the packages, such as torch.")
    # In another Python, only the doctor who runs there knows what is missing.
    missing = [] if options.python else [name for name in REQUIRED if not installed_version(name)]
    install(
        Installation(
            tuple(options.packages or ([] if options.environment else missing)),
            Path(options.environment).absolute() if options.environment else None,
            options.python or sys.executable,
            options.anew,
            Path(options.wheels).absolute() if options.wheels else None,
        )
    )
    return 0


def _make_environment(installation: Installation, folder: Path, call: Call) -> None:
    """Make it, or bring one that is whole up to date; one that an interruption left unfinished is made anew."""
    tools = folder.with_name(f"{folder.name}-tools")
    unfinished = tools / "unfinished"
    # Making it anew removes whatever is in the folder: only what this has made.
    is_own_environment = tools.is_dir()
    if folder.exists() and not is_own_environment and (not folder.is_dir() or next(folder.iterdir(), None) is not None):
        raise ConfigError(f"'{folder}' holds other files; choose a new or an empty folder for the environment.")
    is_new = installation.anew or unfinished.is_file() or not (folder / "pyvenv.cfg").is_file()
    try:
        if is_new and folder.exists():
            shutil.rmtree(folder)
        if installation.anew:
            # Files of the environment may be links into the cache: what is damaged there is damaged here.
            _remove_cache(tools)
        tools.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
    except OSError as error:
        raise storage_error(error.filename or folder, error) from error
    uv = _Uv(tools, installation.wheels, call)
    if is_new:
        _print(f"Making an environment in {folder} ...")
        uv.run(["venv", "--python", _python_for(installation.wheels), str(folder)])
    uv.install(str(folder), [*map(requirement, REQUIRED), *_BESIDE])
    # What has been downloaded is needed only while a download may be interrupted.
    _remove_cache(tools)
    with suppress(FileNotFoundError):
        unfinished.unlink()


def _remove_cache(tools: Path) -> None:
    """Remove what uv has downloaded, under another name: after an interruption uv would take a half of it for whole."""
    cache, removed = tools / "cache", tools / "removed-cache"
    shutil.rmtree(removed, ignore_errors=True)
    with suppress(OSError):
        cache.replace(removed)
    for folder in (removed, cache):
        shutil.rmtree(folder, ignore_errors=True)


def _python_for(wheels: Path | None) -> str:
    """The Python version that uv should install; a folder of wheels has a PyTorch for one version only."""
    names = [path.name for path in sorted(wheels.glob("torch-*.whl"))] if wheels else []
    matches = [match for match in (re.search(r"-cp3(\d+)-cp3\d+-", name) for name in names) if match]
    return f"3.{matches[-1][1]}" if matches else _PYTHONS


class _Uv:
    """Runs uv; gets it first."""

    def __init__(self, tools: Path, wheels: Path | None, call: Call) -> None:
        self._tools = tools
        self._wheels = wheels
        self._call = call
        self._program: Path | None = None

    def install(self, python: str, requirements: Sequence[str]) -> None:
        """Install into a Python, given by its program or the folder of its environment.

        Raises:
            PackageError: it failed.
        """
        # The variable is for people whose computer uv does not judge rightly, and for mirrors.
        chosen = self._wheels is not None or "UV_TORCH_BACKEND" in os.environ
        backend = [] if chosen else ["--torch-backend=auto"]
        source = ["--no-index", "--find-links", str(self._wheels)] if self._wheels else []
        _print(f"Installing {', '.join(name for name in requirements if not name.startswith('-'))} ...")
        self.run(["pip", "install", "--python", python, *backend, *source, *requirements])

    def run(self, args: Sequence[str]) -> None:
        """Run one command to its end.

        Raises:
            PackageError: it failed, or there is no uv.
        """
        self._program = self._program or self._found() or self._downloaded()
        offline = ["--offline"] if self._wheels else []
        self._run([str(self._program), *args, *offline], f"uv {args[0]}", _plain_environment(os.environ, self._tools))

    def _found(self) -> Path | None:
        """One that is there: from the last time, or beside the Python that runs."""
        folders = (self._tools, Path(sysconfig.get_path("scripts")).parent)
        return next((folder / name for folder in folders for name in _PROGRAMS if (folder / name).is_file()), None)

    def _downloaded(self) -> Path:
        on_path = shutil.which("uv")
        if importlib.util.find_spec("pip") is None and on_path:
            return Path(on_path)
        source = ["--no-index", "--find-links", str(self._wheels)] if self._wheels else []
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        self._run([*pip, "--upgrade", "--target", str(self._tools), *source, _UV], "pip install uv", dict(os.environ))
        uv = self._found()
        if uv is None:
            raise PackageError(
                f"uv was installed into '{self._tools}' but is missing; check whether a virus scanner removed it."
            )
        return uv

    def _run(self, command: Sequence[str], name: str, environment: Mapping[str, str]) -> None:
        _print(f"$ {subprocess.list2cmdline(command)}")
        try:
            code = self._call(command, stdin=subprocess.DEVNULL, env=environment)
        except OSError as error:
            raise PackageError(f"{name} could not be started ({error.strerror or error}); install again.") from error
        if code != 0:
            raise PackageError(f"{name} failed (exit code {code}); the lines above say why.")


def _plain_environment(environment: Mapping[str, str], tools: Path) -> dict[str, str]:
    """The environment for uv: nothing of Slicer's own Python; what uv downloads stays beside the environment."""
    plain = {name: value for name, value in environment.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    if "APPLAUNCHER_LEVEL" in environment:
        for name in _OF_LAUNCHER:
            saved = environment.get(f"APPLAUNCHER_0_{name}")
            if saved is not None:
                plain[name] = saved
            elif name != "PATH":
                plain.pop(name, None)
    own = {
        "UV_CACHE_DIR": str(tools / "cache"),
        "UV_PYTHON_INSTALL_DIR": str(tools / "python"),
        # Certificates that the system trusts: those of a company's proxy are only there.
        "UV_NATIVE_TLS": "true",
        "UV_SYSTEM_CERTS": "true",
        "UV_NO_PROGRESS": "true",
    }
    return {**own, **plain}


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
