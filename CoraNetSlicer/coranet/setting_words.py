"""Settings on the command line: ``--set key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .errors import ConfigError

# A job may be worked on from another folder than the one in which its settings were typed.
_FOLDERS = ("training.initial_model",)


def overrides(words: Sequence[str]) -> dict[str, str]:
    """Setting path -> value as text.

    Args:
        words: each ``key=value``; the folder of a model may be given relative to the current one.

    Raises:
        ConfigError: a word has no ``=``.
    """
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--set expects key=value, got '{word}'.")
        name, value = name.strip(), value.strip()
        pairs[name] = str(Path(value).absolute()) if value and name in _FOLDERS else value
    return pairs
