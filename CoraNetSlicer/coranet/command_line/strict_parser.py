"""A command line of which nothing is passed over: no option counts twice, is empty or guessed from its beginning."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

_SEEN = "_given_options"


class _StoreOnce(argparse.Action):
    """Keeps a value, and refuses a second one: argparse would take the last without a word."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        seen = namespace.__dict__.setdefault(_SEEN, set())
        if option_string and self.dest in seen:
            raise argparse.ArgumentError(self, "it is given twice; leave one of them out")
        seen.add(self.dest)
        if "" in (values if isinstance(values, (list, tuple)) else [values]):
            raise argparse.ArgumentError(self, "it is empty, perhaps because a variable is not set; give a value")
        setattr(namespace, self.dest, values)


def with_home(words: Sequence[str]) -> list[str]:
    """The words of a command line with the home folder for "~".

    Shells replace it at the beginning of a word, but not in "--output=~/job", and that of Windows nowhere.
    """
    return [_with_home(word) for word in words]


def _with_home(word: str) -> str:
    option, equals, value = word.partition("=")
    return f"{option}={os.path.expanduser(value)}" if equals and value[:1] == "~" else os.path.expanduser(word)


class StrictParser(argparse.ArgumentParser):
    """Parses arguments; its subcommands do so, too."""

    def __init__(self, **more: Any) -> None:
        """Take what argparse.ArgumentParser takes.

        Args:
            **more: of it.
        """
        super().__init__(**{"allow_abbrev": False, **more})
        for name in (None, "store"):
            self.register("action", name, _StoreOnce)
