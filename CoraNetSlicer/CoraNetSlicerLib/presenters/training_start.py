"""From the click on a button to a running training, in steps between which the application answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from coranet.config import TrainConfig
from coranet.errors import CoraNetError

from ..jobs.handle import JobHandle
from ..logic import CoraNetLogic
from ..scene.export import TrainingExport, TrainingNodes, mark_training_volumes


class TrainingStart:
    """Writes the files of one training piece by piece, then starts its process."""

    def __init__(self, logic: CoraNetLogic, application: Any, told: Callable[[str], None]) -> None:
        """Take what it works with.

        Args:
            logic: starts the process.
            application: as panel.application.Application; does the next piece later.
            told: is called with what is done next, in a few words.
        """
        self._logic = logic
        self._application = application
        self._told = told
        self._steps: Any = None

    @property
    def is_busy(self) -> bool:
        """Whether files are being written."""
        return self._steps is not None

    def begin(
        self, folder: Path, nodes: TrainingNodes, config: TrainConfig,
        done: Callable[[JobHandle], None], failed: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Begin to write; returns at once.

        Args:
            folder: of the new job.
            nodes: what to learn from.
            config: the resolved configuration.
            done: is called with the running training.
            failed: is called with a sentence when something went wrong.

        Raises:
            DataError: a node cannot be used.
            JobError: the folder holds a job already.
        """
        export = TrainingExport(self._logic.context, folder, nodes, config)
        steps = export.steps()
        self._steps = steps

        def go_on() -> None:
            if self._steps is not steps:
                return
            try:
                text = next(steps, None)
                if text is None:
                    self._steps = None
                    mark_training_volumes(nodes, export.job)
                    done(self._logic.start(export.job))
                    return
            except CoraNetError as error:
                self._steps = None
                failed(str(error))
                return
            self._told(text)
            self._application.later(go_on)

        self._application.later(go_on)

    def cancel(self) -> None:
        """Do not go on; what was written is removed. No error if nothing is being written."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()
