"""The command ``coranet install``: PyTorch and MONAI into the Python that runs it, or into a folder of our own.

PyTorch is chosen by light-the-torch, which knows the build for this computer's graphics card; torchvision is never
asked for. MONAI comes without changing the PyTorch and the NumPy that are there.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .contract.errors import ConfigError, PackageError
from .package_check import REQUIRED, installed_version, requirement
from .package_remains import remove_package
from .pip_process import Pip

# What Slicer brings along and has loaded: another version of them would break it.
_FROZEN = ("numpy", "scipy", "SimpleITK")
_LIGHT_THE_TORCH = "light-the-torch>=0.8"
_OPTIONS_OF_LIGHT_THE_TORCH = ("--pytorch", "--cpuonly")


@dataclass(frozen=True)
class Wish:
    """What to install, and from where.

    Attributes:
        packages: names, of those that the engine needs.
        anew: of these, whatever is there is removed first, whole or broken.
        folder: where our own packages lie; "": among those of the interpreter.
        wheels: folder of wheel files to install from; "": from the internet.
        torch_words: what light-the-torch is asked for.
        light_the_torch: what pip is asked for to get light-the-torch.
    """

    packages: tuple[str, ...]
    anew: tuple[str, ...] = ()
    folder: str = ""
    wheels: str = ""
    torch_words: tuple[str, ...] = (requirement("torch"),)
    light_the_torch: str = _LIGHT_THE_TORCH


def add_install_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the words of ``install`` to the command line."""
    parser = commands.add_parser("install", help="install what is missing, in the build that fits this machine")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="default: torch and monai, if they are missing")
    parser.add_argument("--anew", action="append", default=[], metavar="PACKAGE", help="remove it first; repeatable")
    parser.add_argument("--wheels", default="", metavar="FOLDER", help="install from these wheel files, offline")
    parser.add_argument("--torch", action="append", metavar="WORD", help="a word for light-the-torch; repeatable")
    parser.add_argument("--light-the-torch", metavar="REQUIREMENT", help=f"default {_LIGHT_THE_TORCH}")
    parser.set_defaults(command=_install_command)


def _install_command(options: argparse.Namespace) -> int:
    wanted = [*options.packages, *options.anew]
    unknown = [name for name in wanted if name not in REQUIRED]
    if unknown:
        raise ConfigError(f"the package '{unknown[0]}' is not needed; choose among {', '.join(REQUIRED)}.")
    missing = [name for name in ("torch", "monai") if not installed_version(name)]
    # In this order: MONAI would bring a PyTorch of its own choice.
    packages = tuple(name for name in REQUIRED if name in (wanted or missing))
    _require_effect(options, packages)
    wish = Wish(
        packages,
        tuple(options.anew),
        os.environ.get("CORANET_PACKAGES", ""),
        options.wheels,
        tuple(options.torch or [requirement("torch")]),
        options.light_the_torch or _LIGHT_THE_TORCH,
    )
    with tempfile.TemporaryDirectory(prefix="coranet-") as scratch:
        install(wish, Pip(Path(scratch), (wish.folder,) if wish.folder else ()))
    return 0


def _require_effect(options: argparse.Namespace, packages: Sequence[str]) -> None:
    """Refuse options that nothing is done with."""
    for option, value in (("--torch", options.torch), ("--light-the-torch", options.light_the_torch)):
        if value and "torch" not in packages:
            raise ConfigError(f"{option} has no effect where PyTorch is not installed; name torch, or leave it out.")
    of_resolver = [word for word in options.torch or () if word.startswith(_OPTIONS_OF_LIGHT_THE_TORCH)]
    void = ["--light-the-torch"] * bool(options.light_the_torch) + [f"--torch={word}" for word in of_resolver]
    if options.wheels and void:
        raise ConfigError(
            f"{void[0]} has no effect with --wheels, which holds the build that was chosen; leave it out."
        )


def install(wish: Wish, pip: Pip) -> None:
    """Install packages one after the other; what pip says goes to the standard output.

    Args:
        wish: what to install.
        pip: runs it.

    Raises:
        PackageError: pip failed; its own words stand above.
    """
    # Before anything is removed.
    if wish.wheels and not list(Path(wish.wheels).glob("*.whl")):
        raise PackageError(f"the folder '{wish.wheels}' has no wheel file (*.whl); choose the folder that has them.")
    for name in wish.anew:
        remove_package(name, wish.folder, pip)
    for name in wish.packages:
        _say(f"Installing {name} ...")
        if name == "torch":
            _install_torch(wish, pip)
        else:
            _install_beside(name, wish, pip)
    _say("Done." if wish.packages else "Nothing is missing.")


def _install_torch(wish: Wish, pip: Pip) -> None:
    named = [word.lower() for word in wish.torch_words]
    keep = [name for name in _FROZEN if not any(word.startswith(name.lower()) for word in named)]
    words = ["install", *_into(wish.folder), *_frozen(keep, pip), *wish.torch_words]
    plain = [word for word in words if not word.startswith(_OPTIONS_OF_LIGHT_THE_TORCH)]
    if wish.wheels:
        # What is in the folder was chosen by hand: there is nothing to resolve.
        pip.run([*plain, *_from(wish.wheels)])
        return
    try:
        if not pip.has("light_the_torch"):
            # Into a folder that is thrown away: it brings a pip of its own.
            pip.run(["install", "--target", str(pip.tools), wish.light_the_torch])
        pip.run(words, module="light_the_torch")
    except PackageError as error:
        _say(str(error))
    # It reaches into pip, which changes, and its exit code says nothing.
    importlib.invalidate_caches()
    if not installed_version("torch"):
        _say("light-the-torch has not installed PyTorch; pip itself is tried, with the build that it has for all.")
        pip.run(plain)


def _install_beside(name: str, wish: Wish, pip: Pip) -> None:
    """Install a package so that PyTorch and NumPy stay as they are."""
    frozen = _frozen([one for one in (*_FROZEN, "torch") if one != name], pip)
    source = _from(wish.wheels)
    if not wish.folder:
        pip.run(["install", *frozen, *source, requirement(name)])
        return
    # With --target, pip would fetch every dependency again, PyTorch too. So ask what is missing, and fetch just that.
    answer = pip.tools / "resolved.json"
    ask = ["install", "--dry-run", "--upgrade", "--quiet", "--report", str(answer)]
    pip.run([*ask, *frozen, *source, requirement(name)])
    found = [load["metadata"] for load in json.loads(answer.read_text(encoding="utf-8"))["install"]]
    exact = {one["name"].lower(): f"{one['name']}=={one['version']}" for one in found}
    # The newest that fits may be elsewhere, among packages that are none of ours.
    exact.setdefault(name.lower(), requirement(name))
    pip.run(["install", "--no-deps", *_into(wish.folder), *source, *exact.values()])


def _frozen(names: Sequence[str], pip: Pip) -> list[str]:
    """Words that let pip change none of these packages."""
    versions = {name: installed_version(name) for name in names}
    lines = [f"{name}=={version}\n" for name, version in versions.items() if version]
    path = pip.tools / "constraints.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return ["--constraint", str(path)]


def _into(folder: str) -> list[str]:
    return ["--upgrade", "--target", folder] if folder else []


def _from(wheels: str) -> list[str]:
    return ["--no-index", "--find-links", wheels] if wheels else []


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
