"""From the click on a button to a running segmentation, in steps between which the application answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coranet.errors import CoraNetError

from ..jobs.arguments import segment_config
from ..jobs.handle import JobHandle
from ..logic import CoraNetLogic
from ..scene.export import SegmentExport
from .model_choice import ModelEntry


class SegmentationStart:
    """Writes the images of one segmentation one by one, then starts its process.

    Attributes:
        text: what is done next, in a few words; "" while nothing is being written.
    """

    def __init__(self, logic: CoraNetLogic, application: Any) -> None:
        """Take what it works with.

        Args:
            logic: starts the process.
            application: as panel.application.Application; does the next piece later.
        """
        self.text = ""
        self._logic = logic
        self._application = application
        self._steps: Any = None

    @property
    def is_busy(self) -> bool:
        """Whether images are being written."""
        return self._steps is not None

    def begin(
        self, images: Sequence[Any], model: ModelEntry, told: Callable[[], None],
        done: Callable[[JobHandle], None], failed: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Begin to write; returns at once.

        Args:
            images: volume nodes to be segmented; of several channels, tuples of them.
            model: the model.
            told: is called when `text` is another.
            done: is called with the running segmentation.
            failed: is called with a sentence when something went wrong.

        Raises:
            CoraNetError: a volume or the model cannot be used.
        """
        folder, config = self._logic.newFolder("segment"), segment_config(model.folder)
        export = SegmentExport(folder, images, config, model.card.channels)
        steps = self._steps = export.steps()

        def go_on() -> None:
            if self._steps is not steps:
                return
            try:
                self.text = next(steps, "")
                if not self.text:
                    self._steps = None
                    done(self._logic.start(export.job))
                    return
            except CoraNetError as error:
                self.cancel()
                failed(str(error))
                return
            told()
            self._application.later(go_on)

        self._application.later(go_on)

    def cancel(self) -> None:
        """Do not go on; what was written is removed. No error if nothing is being written."""
        steps, self._steps, self.text = self._steps, None, ""
        if steps is not None:
            steps.close()
