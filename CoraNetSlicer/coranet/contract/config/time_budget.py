"""How long a training may take, as people write it: "20 min", "1 h", "1 h 30 min", "90 s"."""

from __future__ import annotations

import re
from typing import Any

from ..errors import ConfigError

_SECONDS = {"s": 1, "min": 60, "h": 3600}
_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hour", "hours"), "h"),
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_LONGEST_H = 10_000


def checked_time(value: Any) -> str:
    """A time budget in the form in which it is kept, such as "20 min"; "" is none.

    Raises:
        ConfigError: it is no time, lacks its unit, or is not between 1 s and 10,000 h.
    """
    text = str(value).strip()
    if not text:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _wrong(value)
    if re.fullmatch(r"\d+(\.\d+)?", text) and float(text):
        raise ConfigError(f"the setting 'time' must be a number with its unit, got '{text}'; write '{text} min'.")
    parts = _parts(text)
    if not parts or not 1 <= sum(count * _SECONDS[unit] for count, unit in parts) <= _LONGEST_H * _SECONDS["h"]:
        raise _wrong(value)
    return " ".join(f"{count:.10g} {unit}" for count, unit in parts)


def seconds_of(time: str) -> float | None:
    """The seconds of a time budget; None: "", there is none.

    Raises:
        ConfigError: it is no time.
    """
    parts = _parts(checked_time(time))
    return float(sum(count * _SECONDS[unit] for count, unit in parts)) if parts else None


def _parts(text: str) -> list[tuple[float, str]]:
    """Numbers with their units; none where a part of the text is something else."""
    parts, at = [], 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or part[2].lower() not in _UNITS:
            return []
        parts.append((float(part[1]), _UNITS[part[2].lower()]))
        at = part.end()
    return parts


def _wrong(value: Any) -> ConfigError:
    return ConfigError(
        f"the setting 'time' must be a time from 1 s to {_LONGEST_H} h such as '20 min', '1 h' or '90 s', "
        f"got {value!r}; correct it."
    )
