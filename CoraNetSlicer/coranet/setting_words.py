"""Settings on the command line: ``--set key=value``."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import ConfigError


def overrides(words: Sequence[str]) -> dict[str, str]:
    """Setting path -> value as text.

    Args:
        words: each ``key=value``.

    Raises:
        ConfigError: a word has no ``=``.
    """
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--set expects key=value, got '{word}'.")
        pairs[name.strip()] = value.strip()
    return pairs
