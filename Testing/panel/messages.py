"""What Qt complains about."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QtMsgType, qInstallMessageHandler

# Said by the platform without a screen, not by what is shown on it.
_HARMLESS = ("This plugin does not support", "Cannot open file", "QFontDatabase", "propagateSizeHints")
_IGNORED = (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg)

complaints: list[str] = []


def listen() -> None:
    """Keep Qt's warnings in `complaints` from now on."""
    qInstallMessageHandler(_keep)


def _keep(kind: QtMsgType, _context: Any, text: str) -> None:
    if kind not in _IGNORED and not text.startswith(_HARMLESS):
        complaints.append(text)
