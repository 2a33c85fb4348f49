"""The machine as a plan sees it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ..contract.config.time_budget import seconds_of
from ..machine.devices import Device, free_memory_bytes
from ..machine.main_memory import available_bytes
from .speed import Measure


@dataclass(frozen=True)
class Workplace:
    """Where a training is done, and since when.

    Attributes:
        device: where to compute.
        processes: that share the memory of the machine.
        measure: times steps of a network; needed where a time is given.
        started: when the job was started, by `time.monotonic`.
    """

    device: Device
    processes: int = 1
    measure: Measure | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def free_bytes(self) -> int | None:
        """Memory for one process; None: unknown."""
        free = free_memory_bytes(self.device)
        if free is not None and self.device.torch_device.type != "cuda":
            free //= self.processes
        return free

    @property
    def free_main_bytes(self) -> int | None:
        """Main memory for one process; None: unknown."""
        free = available_bytes()
        return None if free is None else free // self.processes

    def left_s(self, budget: str) -> float:
        """Seconds that are left of a time budget such as "20 min"."""
        return (seconds_of(budget) or 0.0) - (time.monotonic() - self.started)
