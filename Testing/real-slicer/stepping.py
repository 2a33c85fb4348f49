"""Steps of a person at work, done one after the other while the application's own event loop runs.

Nothing here knows Qt: a timer of the application calls `Run.tick` and `StallMeter.beat`.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

Clock = Callable[[], float]


class Until(NamedTuple):
    """What a script waits for: a condition, in words that complete "waited for", at most so long."""

    condition: Callable[[], object]
    what: str
    seconds: float = 1200.0


Script = Iterator["Until | float"]


class Stall(NamedTuple):
    """A time in which the application's thread did not get to a timer that is always due; all in seconds.

    Attributes:
        wall: how long it was.
        thread: of the processor, that the thread itself took; the rest it waited, for others on a busy machine too.
        process: of the processor, that all threads of the application took; those of a view drawn without a graphics
            card are among them.
    """

    wall: float = 0.0
    thread: float = 0.0
    process: float = 0.0


def clocks() -> Stall:
    """The time now: on the wall, and of the processor."""
    return Stall(time.monotonic(), time.thread_time(), time.process_time())


class StallMeter:
    """The longest stall."""

    def __init__(self, now: Callable[[], Stall] = clocks) -> None:
        self._now = now
        self._last: Stall | None = None
        self._longest = Stall()

    def beat(self) -> None:
        """The timer fired."""
        now = self._now()
        if self._last is not None:
            passed = Stall(*(after - before for after, before in zip(now, self._last, strict=True)))
            self._longest = max(self._longest, passed)
        self._last = now

    def skip(self) -> None:
        """What was done since the last beat was the work of the test itself."""
        if self._last is not None:
            self._last = self._now()

    def take(self) -> Stall:
        """The longest stall since the last call."""
        longest, self._longest = self._longest, Stall()
        return longest


@dataclass
class Step:
    """One step and what was seen in it; times in seconds."""

    name: str
    seconds: float = 0.0
    longest_stall_s: float = 0.0
    stall_thread_s: float = 0.0
    stall_process_s: float = 0.0
    clicks: int = 0
    keys: int = 0
    scrolls: int = 0
    pictures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Journal:
    """The steps so far, written to a file after each of them, so that a crash loses the last one only."""

    def __init__(self, path: Path, meter: StallMeter, now: Clock = time.monotonic) -> None:
        self._path = path
        self._meter = meter
        self._now = now
        self._began = now()
        self.steps: list[Step] = []
        self.error = ""

    @property
    def step(self) -> Step:
        """The step that is being done."""
        return self.steps[-1]

    def begin(self, name: str) -> None:
        """End the step before, and begin another one."""
        self.end()
        self.steps.append(Step(name))
        self._began = self._now()
        self._meter.take()

    def end(self) -> None:
        """Take the figures of the step that is being done, and write all."""
        if self.steps:
            self.step.seconds = self._now() - self._began
            self.step.longest_stall_s, self.step.stall_thread_s, self.step.stall_process_s = self._meter.take()
        self.write()

    def write(self) -> None:
        """Write all steps."""
        content = {"error": self.error, "steps": [asdict(step) for step in self.steps]}
        self._path.write_text(json.dumps(content, indent=1), encoding="utf-8")


class Run:
    """A script that goes on whenever what it waits for has come true."""

    def __init__(
        self,
        script: Script,
        journal: Journal,
        meter: StallMeter,
        done: Callable[[str], None],
        now: Clock = time.monotonic,
    ) -> None:
        """Take a script.

        Args:
            script: yields seconds to pass, or an `Until`.
            journal: of its steps.
            meter: does not count the script's own work.
            done: called once, at the end, with the error; "": none.
            now: a clock in seconds.
        """
        self._script = script
        self._journal = journal
        self._meter = meter
        self._done = done
        self._now = now
        self._wait: Until | None = None
        self._end = now()
        self._is_inside = self._is_over = False

    def tick(self) -> None:
        """Go on, if it is time; harmless within a nested event loop of a window that the script opened."""
        if self._is_inside or self._is_over:
            return
        self._is_inside = True
        try:
            self._go_on()
        except StopIteration:
            self._finish("")
        except Exception:  # noqa: BLE001 - the outer catch of the whole test
            self._finish(traceback.format_exc())
        finally:
            self._is_inside = False
            self._meter.skip()

    def _go_on(self) -> None:
        is_late = self._now() >= self._end
        if self._wait is None:
            if is_late:
                self._take(next(self._script))
        elif self._wait.condition():
            self._take(next(self._script))
        elif is_late:
            self._take(self._script.throw(TimeoutError(f"waited {self._wait.seconds:.0f} s for {self._wait.what}")))

    def _take(self, wait: Until | float) -> None:
        self._wait = wait if isinstance(wait, Until) else None
        self._end = self._now() + (wait.seconds if isinstance(wait, Until) else wait)

    def _finish(self, error: str) -> None:
        self._is_over = True
        self._journal.error = error
        self._journal.end()
        self._done(error)
