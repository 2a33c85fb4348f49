"""A command as a process of its own: how long it takes, and how much memory it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "CoraNetSlicer"
# Of Linux; macOS counts bytes.
_RSS_UNITS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10
LAST_CHARACTERS = 800


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: from start to end.
        processor_seconds: of all its processes; differs from `seconds` where others work on the machine.
        peak_mib: resident memory of the process that needed most.
    """

    seconds: float
    processor_seconds: float
    peak_mib: float

    def to_dict(self) -> dict[str, float]:
        """Plain JSON types, rounded."""
        return {
            "seconds": round(self.seconds, 1), "processor_seconds": round(self.processor_seconds, 1),
            "peak_mib": round(self.peak_mib),
        }  # fmt: skip


def measured(command: Sequence[str | Path], log: Path, changes: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end.

    Args:
        command: program and arguments.
        log: text file that takes what it prints.
        changes: environment variables on top of those of this process.

    Raises:
        SystemExit: it failed; the message holds the end of its output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    args = [str(word) for word in command]
    start = time.monotonic()
    with open(log, "wb") as output:
        child = subprocess.Popen(
            args, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, **(changes or {})},
        )  # fmt: skip
        # Not `wait`: it does not say what the process used.
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        output_text = log.read_text(encoding="utf-8", errors="replace")[-LAST_CHARACTERS:]
        sys.exit(f"'{' '.join(args)}' failed with exit code {child.returncode}: {output_text}")
    processor = usage.ru_utime + usage.ru_stime
    return Cost(time.monotonic() - start, processor, usage.ru_maxrss / _RSS_UNITS_PER_MIB)


def measured_coranet(args: Sequence[str | Path], log: Path) -> Cost:
    """Run a command of this program as a person would."""
    return measured([sys.executable, PROGRAM / "coranet" / "__main__.py", *args], log)
