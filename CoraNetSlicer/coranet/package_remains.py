"""Removes an installed package in whatever state it is: whole, half installed, or half removed."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sysconfig
from pathlib import Path

from .contract.errors import PackageError
from .pip_process import Pip

# Folders that come with a package beside the one of its name.
_COMPANIONS = {"torch": ("functorch", "torchgen")}


def remove_package(name: str, folder: str, pip: Pip) -> None:
    """Remove a package and what is left of it.

    Args:
        name: the package.
        folder: where our own packages lie, and nothing else is touched; "": the packages of the interpreter.
        pip: removes what is whole.

    Raises:
        PackageError: a file is in use, or may not be removed.
    """
    if not folder and _is_whole(name):
        pip.run(["uninstall", "--yes", name])
    for path in remains(name, Path(folder or sysconfig.get_path("purelib"))):
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise PackageError(
                f"'{path}' cannot be removed ({error.strerror or error}); close programs that use {name}, "
                "restart Slicer, and try again."
            ) from error


def remains(name: str, folder: Path) -> list[Path]:
    """Folders of a package: its modules, its descriptions, and what pip renamed ("~orch") before it was interrupted."""
    modules = {name, *_COMPANIONS.get(name, ())}
    # Linked folders belong to somebody else.
    found = [path for path in sorted(folder.glob("*")) if path.is_dir() and not path.is_symlink()]
    description = re.compile(rf"({re.escape(name)}|~{re.escape(name[1:])})-[^-]*\.(dist|egg)-info", re.IGNORECASE)
    renamed = {f"~{module[1:]}" for module in modules}
    return [path for path in found if path.name in modules | renamed or description.fullmatch(path.name)]


def _is_whole(name: str) -> bool:
    try:
        return importlib.metadata.distribution(name).files is not None
    except importlib.metadata.PackageNotFoundError:
        return False
