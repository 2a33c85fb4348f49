"""Times that a calendar has: those in a file may be wrong or meaningless."""

from __future__ import annotations

# The end of the year 9999 in every time zone; Windows has no time before 1970.
_LATEST_S = 253_370_000_000.0


def known_time(seconds: float) -> float:
    """A time that can be shown as a date.

    Args:
        seconds: since 1970.

    Returns:
        The same; 0 where no calendar has it.
    """
    return seconds if 0 < seconds < _LATEST_S else 0.0
