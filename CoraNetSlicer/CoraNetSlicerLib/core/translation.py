"""The texts that a person reads, in the language of the application."""

from __future__ import annotations

try:
    from slicer.i18n import tr as _
except ImportError:  # outside the application, and in Slicer before 5.6

    def _(text: str) -> str:  # the translator has this name everywhere in Slicer
        return text


def sentence(text: str) -> str:
    """A text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


__all__ = ["_", "sentence"]
