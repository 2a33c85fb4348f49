"""Comparisons of methods and of uncertainties: a package beside the engine, which Slicer's extension does not carry."""

from __future__ import annotations

import argparse
from importlib import import_module
from types import ModuleType

from .contract.errors import PackageError

PACKAGE = "coranet_experiments"
# Nothing on the command line begins with it, so that all is taken, options too.
_NO_PREFIX = "\0"


def experiments_module(name: str) -> ModuleType:
    """A module of `coranet_experiments`.

    Args:
        name: within the package.

    Raises:
        PackageError: this installation does not have the package.
    """
    try:
        import_module(PACKAGE)
    except ModuleNotFoundError as error:
        raise PackageError(
            f"comparisons need the package '{PACKAGE}', which Slicer's extension does not have; install CoraNet from "
            "its source code with 'pip install .' and use that 'coranet'."
        ) from error
    return import_module(f"{PACKAGE}.{name}")


def add_experiment_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``experiment`` to the command line; where its package is absent, it explains how to get it."""
    try:
        experiments_module("command").add_experiment_command(commands)
    except PackageError:
        parser = commands.add_parser(
            "experiment", help="compare methods; not in this installation", add_help=False, prefix_chars=_NO_PREFIX
        )
        parser.add_argument("arguments", nargs="*")
        parser.set_defaults(command=_absent)


def _absent(_options: argparse.Namespace) -> int:
    """Raises the error that explains how to get the package."""
    experiments_module("command")
    return 0
