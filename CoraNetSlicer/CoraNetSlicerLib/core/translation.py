"""The texts that a person reads, in the language of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:

    def _(text: str) -> str: ...

    def translate(context: str, text: str) -> str:
        """A text of the application's own."""

else:
    try:
        # Itself, not a function around it: it looks which file calls it.
        from slicer.i18n import tr as _
        from slicer.i18n import translate
    except ImportError:  # outside the application

        def _(text: str) -> str:  # the translator has this name everywhere in Slicer
            return text

        def translate(_context: str, text: str) -> str:
            """A text of the application's own, as it is."""
            return text


def sentence(text: str) -> str:
    """A text that begins with a capital letter, as messages of the engine do not."""
    return text[:1].upper() + text[1:]


__all__ = ["_", "sentence", "translate"]
