"""Errors and warnings can be read on light and on dark ground."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QLabel
from pythonqt import proxy_of

from CoraNetSlicerLib.core.section import ERROR, WARNING, text_color

# Slicer's own styles, and the extremes.
LIGHT = ((255, 255, 255), (239, 239, 239), (247, 247, 247))
DARK = ((0, 0, 0), (30, 30, 30), (50, 50, 50), (53, 53, 53), (66, 66, 66))


def luminance(color) -> float:
    """Of WCAG 2.1."""
    parts = [part / 255 for part in color]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def a_label(ground) -> QLabel:
    label = QLabel()
    palette = label.palette()
    text = (0, 0, 0) if luminance(ground) > 0.2 else (240, 240, 240)
    palette.setColor(QPalette.ColorRole.Window, QColor(*ground))
    palette.setColor(QPalette.ColorRole.WindowText, QColor(*text))
    label.setPalette(palette)
    return label


@pytest.mark.parametrize("ground", [*LIGHT, *DARK], ids=str)
@pytest.mark.parametrize("tones", [ERROR, WARNING], ids=["error", "warning"])
def test_the_contrast_is_that_of_text(qt_application, ground, tones):
    assert contrast(text_color(proxy_of(a_label(ground)), tones), ground) >= 4.5
