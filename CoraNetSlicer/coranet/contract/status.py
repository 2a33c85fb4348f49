"""What a job does, and where it stands."""

from __future__ import annotations

from enum import Enum


class JobKind(str, Enum):
    """What a job does."""

    TRAIN = "train"
    SEGMENT = "segment"


class JobStatus(str, Enum):
    """Where a job stands."""

    CREATED = "created"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CRASHED = "crashed"

    @property
    def is_over(self) -> bool:
        """Whether no process works on the job any more."""
        return self not in (JobStatus.CREATED, JobStatus.RUNNING)
