"""Whether a process of another machine lives, seen by its heartbeats: by the clock here, never by the one there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT_INTERVAL_S = 5.0
# A process on another machine cannot be asked; it counts as gone when it has been silent for this long.
SILENCE_S = 120.0
# A living process changes its heartbeat within this time, regardless of its clock.
SIGN_OF_LIFE_S = 3 * HEARTBEAT_INTERVAL_S


@dataclass(frozen=True)
class _Seen:
    heartbeat: float
    silent_since: float
    was_watched: bool


class HeartbeatWatch:
    """What this process has seen of the heartbeats of others.

    A heartbeat that is seen for the first time is as old as its stamp, unless that lies in the future: then the
    clocks differ, and it counts from now. From then on only its changing counts.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """Begin without having seen anything.

        Args:
            clock: seconds that never jump.
            wall_clock: seconds since 1970.
        """
        self._clock = clock
        self._wall_clock = wall_clock
        self._seen: dict[Path, _Seen] = {}

    def silence_s(self, path: Path, heartbeat: float) -> float:
        """For how long a heartbeat has not changed, in seconds.

        Args:
            path: of the file that holds it.
            heartbeat: the stamp in it, seconds since 1970 by the clock of its writer.
        """
        now, seen = self._clock(), self._seen.get(path)
        if seen is None:
            age = max(0.0, self._wall_clock() - heartbeat)
            seen = self._seen[path] = _Seen(heartbeat, now - age, False)
        elif seen.heartbeat != heartbeat:
            seen = self._seen[path] = _Seen(heartbeat, now, True)
        return now - seen.silent_since

    def was_watched(self, path: Path) -> bool:
        """Whether a heartbeat has changed since it was first looked at, or was waited for in vain."""
        seen = self._seen.get(path)
        return seen is not None and seen.was_watched

    def give_up(self, path: Path, heartbeat: float) -> None:
        """A heartbeat was watched and its process is dead: it is silent until it changes."""
        self._seen[path] = _Seen(heartbeat, self._clock() - SILENCE_S, True)


# What this process has seen; each look at a job makes a new object of it.
OTHERS = HeartbeatWatch()
