"""From the click on a button to a running job, in steps between which the application answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Optional, Protocol

from coranet.contract import Job
from coranet.contract.errors import CoraNetError

from ..core.stepwise import StepwiseWork
from ..logic import CoraNetLogic
from .handle import JobHandle


class JobFiles(Protocol):
    """The files of a job that is to be written, as scene.export.TrainingExport and SegmentExport."""

    job: Optional[Job]

    def steps(self) -> Iterator[str]:
        """Write them, a part at a time; each text says what is done next."""


class JobStart:
    """Writes the files of one job piece by piece, then starts its process.

    However it ends, by an unexpected error too, it is not busy any more and `done` or `failed` was called, or `cancel`.
    """

    def __init__(self, logic: CoraNetLogic, application: Any, told: Callable[[str], None]) -> None:
        """Take what it works with.

        Args:
            logic: starts the process.
            application: as panel.application.Application; does the next piece later.
            told: is called with what is done next, in a few words.
        """
        self._logic = logic
        self._work = StepwiseWork(application, self._on_end, lambda: told(self._work.latest))
        self._handle: Optional[JobHandle] = None
        self._done: Callable[[JobHandle], None] = lambda handle: None
        self._failed: Callable[[str], None] = lambda problem: None

    @property
    def is_busy(self) -> bool:
        """Whether files are being written."""
        return self._work.is_busy

    def begin(self, files: JobFiles, done: Callable[[JobHandle], None], failed: Callable[[str], None]) -> None:
        """Begin to write; returns at once.

        Args:
            files: of the new job.
            done: is called with the running job.
            failed: is called with a sentence when something went wrong.
        """
        self._done, self._failed, self._handle = done, failed, None
        self._work.begin(self._steps(files))

    def cancel(self) -> None:
        """Do not go on; what was written is removed. No error if nothing is being written."""
        self._work.stop()

    def _steps(self, files: JobFiles) -> Generator[str, None, None]:
        yield from files.steps()
        if files.job is not None:
            self._handle = self._logic.start(files.job)

    def _on_end(self, problem: str) -> None:
        if self._handle is None or problem:
            self._failed(problem)
            return
        try:
            self._done(self._handle)
        except CoraNetError as error:
            self._failed(str(error))
