"""Several processes that train or segment as one, by torch.distributed; started by torchrun (or `--devices`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from ..devices import Device

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Team:
    """The processes that work on a job together; a process on its own is a team of one.

    Attributes:
        rank: number of this process, from 0; the leader is 0 and alone writes events, checkpoints and the model.
        count: number of processes.
        local_rank: number of this process on its machine; chooses the graphics card.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @staticmethod
    def of_environment() -> Team:
        """The team that torchrun tells of in the environment."""
        return Team(*(int(os.environ.get(name, default)) for name, default in _VARIABLES))

    @property
    def is_leader(self) -> bool:
        """Whether this process speaks for all."""
        return self.rank == 0

    @contextmanager
    def assembled(self, device: Device) -> Iterator[None]:
        """Inside, the processes can talk to each other."""
        if self.count == 1:
            yield
            return
        distributed.init_process_group("nccl" if device.torch_device.type == "cuda" else "gloo")
        try:
            yield
        finally:
            distributed.destroy_process_group()

    def any(self, here: bool, device: Device) -> bool:
        """Whether it is so in at least one process; all must ask."""
        if self.count == 1:
            return here
        answer = torch.tensor([float(here)], device=device.torch_device)
        distributed.all_reduce(answer, op=distributed.ReduceOp.MAX)
        return bool(answer.item())

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.count > 1:
            distributed.barrier()

    def gather(self, here: ItemT | None) -> list[ItemT]:
        """What all processes bring, for all of them, in the order of their ranks; None brings nothing."""
        if self.count == 1:
            return [] if here is None else [here]
        items: list[Any] = [None] * self.count
        distributed.all_gather_object(items, here)
        return [item for item in items if item is not None]

    def rounds(self, items: Sequence[ItemT]) -> Iterator[ItemT | None]:
        """This process's item of each round of `count` items; None where a last round has none left for it."""
        for start in range(0, len(items), self.count):
            index = start + self.rank
            yield items[index] if index < len(items) else None

    def distributed_module(self, module: nn.Module, device: Device) -> nn.Module:
        """The module with gradients that are averaged over the processes; itself in a team of one."""
        if self.count == 1:
            return module
        if device.torch_device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        # A step of pretraining leaves a method's further networks out.
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
