"""The last words of a log."""

from __future__ import annotations

from pathlib import Path

_LOG_TAIL_BYTES = 64 * 1024


def log_tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log; "" if there is none."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, path.stat().st_size - _LOG_TAIL_BYTES))
            content = log.read()
    except OSError:
        return ""
    return "\n".join(content.decode("utf-8", errors="replace").splitlines()[-lines:])
