"""Colours of errors and warnings that can be read in the light and in the dark style of the application."""

from __future__ import annotations

from typing import Any

import qt

Color = tuple[int, int, int]

# On light and on dark ground. Each has a contrast of 4.5 : 1 or more there (WCAG 2.1, 1.4.3).
ERROR = ((179, 29, 29), (255, 160, 150))
WARNING = ((138, 75, 0), (255, 183, 77))


def text_color(widget: Any, tones: tuple[Color, Color]) -> Color:
    """Red, green and blue, 0 to 255, of a text in a widget.

    Args:
        widget: where it is shown.
        tones: ERROR or WARNING.
    """
    palette = widget.palette
    is_dark = palette.color(qt.QPalette.WindowText).lightness() > palette.color(qt.QPalette.Window).lightness()
    return tones[1] if is_dark else tones[0]
