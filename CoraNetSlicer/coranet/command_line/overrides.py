"""Settings on the command line: ``--set key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..contract.errors import ConfigError

# A job may be worked on from another folder than the one in which its settings were typed.
_FOLDERS = ("training.initial_model", "plan_of", "data.cache_folder")


def overrides(args: Sequence[str]) -> dict[str, str]:
    """Setting path -> value as text.

    Args:
        args: each ``key=value``; the folder of a model may be given relative to the current one.

    Raises:
        ConfigError: a word has no ``=``, or a setting is given twice.
    """
    pairs = {}
    for word in args:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--set expects key=value, got '{word}'; write for example time=20min.")
        name, value = name.strip(), value.strip()
        if name in pairs:
            raise ConfigError(f"--set gives '{name}' twice; leave one of them out.")
        pairs[name] = str(Path(value).absolute()) if value and name in _FOLDERS else value
    return pairs
