"""Several processes that train or segment as one, by torch.distributed; started by torchrun (or `--devices`)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from ..contract.config import MachineConfig
from .devices import Device, choose_device

ItemT = TypeVar("ItemT")

# The leader prepares scans, validates and evaluates while the others wait; torchrun ends them where it died.
_PATIENCE = timedelta(days=7)
# Error messages of gloo on Linux, macOS and Windows, and of NCCL.
_LOST = re.compile(r"connection closed|connection reset|connection refused|broken pipe|socket|NCCL|gloo", re.IGNORECASE)


@dataclass(frozen=True)
class Team:
    """The processes that work on a job together; a process on its own is a team of one.

    Attributes:
        rank: number of this process, from 0; the leader is 0 and alone writes events, checkpoints and the model.
        count: number of processes.
        local_rank: number of this process on its machine; chooses the graphics card.
        local_count: processes of the team on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @staticmethod
    def of_environment() -> Team:
        """The team that torchrun describes in the environment."""
        return Team(*(int(os.environ.get(name, default)) for name, default in _VARIABLES))

    @property
    def is_leader(self) -> bool:
        """Whether this process writes the files and events."""
        return self.rank == 0

    def device(self, config: MachineConfig) -> Device:
        """Where this process computes: the graphics card of its number, or its share of the processors.

        Raises:
            DeviceError: it is not there.
        """
        return choose_device(config, self.local_rank, self.local_count)

    @contextmanager
    def assembled(self, device: Device) -> Iterator[None]:
        """Inside, the processes can talk to each other."""
        if self.count == 1:
            yield
            return
        # All but gradients is exchanged in main memory, which does not wait for a graphics card.
        has_nccl = device.torch_device.type == "cuda" and distributed.is_nccl_available()
        distributed.init_process_group("cpu:gloo,cuda:nccl" if has_nccl else "gloo", timeout=_PATIENCE)
        try:
            yield
        finally:
            distributed.destroy_process_group()

    def any(self, here: bool) -> bool:
        """Whether it is so in at least one process; all must call this."""
        return self.mean([float(here)])[0] > 0

    def mean(self, values: Sequence[float]) -> list[float]:
        """The mean over the processes of each of several numbers; all must call this."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(total)
        return [float(value) for value in total / self.count]

    def wait(self) -> None:
        """Until all processes have come here."""
        self.gather(None)

    def gather(self, here: ItemT | None) -> list[ItemT]:
        """What all processes bring, for all of them, in the order of their ranks; None brings nothing."""
        items: list[Any] = [here] * self.count
        if self.count > 1:
            distributed.all_gather_object(items, here)
        return [item for item in items if item is not None]

    def leader_first(self, work: Callable[[], ItemT]) -> ItemT:
        """What each process gets by this work; the others begin when the leader is through, and find what it made."""
        if not self.is_leader:
            self.wait()
        result = work()
        if self.is_leader:
            self.wait()
        return result

    def from_leader(self, make: Callable[[], ItemT]) -> ItemT:
        """What the leader makes, for all processes; the others do not make it."""
        items: list[Any] = [make() if self.is_leader else None]
        if self.count > 1:
            distributed.broadcast_object_list(items)
        item: ItemT = items[0]
        return item

    def rounds(self, items: Sequence[ItemT]) -> Iterator[ItemT | None]:
        """This process's item of each round of `count` items; None where a last round has none left for it."""
        for start in range(0, len(items), self.count):
            index = start + self.rank
            yield items[index] if index < len(items) else None

    def distributed_module(self, module: nn.Module, device: Device, leaves_out: bool) -> nn.Module:
        """The module with gradients that are averaged over the processes; itself in a team of one.

        Args:
            module: lives on `device`.
            device: of this process.
            leaves_out: whether there are steps that do not use all of its parameters.
        """
        if self.count == 1:
            return module
        if device.torch_device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=leaves_out)

    @torch.no_grad()
    def average_statistics(self, module: nn.Module) -> None:
        """Give the running statistics of batch normalization the mean of what the processes have seen."""
        statistics = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
        if self.count == 1 or not statistics:
            return
        together = torch.cat([statistic.reshape(-1) for statistic in statistics])
        distributed.all_reduce(together)
        parts = (together / self.count).split([statistic.numel() for statistic in statistics])
        for statistic, part in zip(statistics, parts, strict=True):
            statistic.copy_(part.view_as(statistic))


def is_lost_member(error: BaseException, team: Team) -> bool:
    """Whether an error means that another process of the team is gone; a team of one has no other."""
    return team.count > 1 and isinstance(error, RuntimeError) and _LOST.search(str(error)) is not None


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1"))
