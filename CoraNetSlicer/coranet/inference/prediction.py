"""From logits of a prepared scan to results on the scan's own grid, voxel for voxel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..contract import Label
from ..contract.doubt import uncertainty_threshold
from ..contract.errors import DataError
from ..data.box import Box
from ..data.orientation import Orientation
from ..data.resampling import resample, rows_ready
from ..machine.main_memory import too_few_bytes
from ..networks import HeadLogits
from ..uncertainty import (
    moved_labels,
    named_classes,
    rounded_down,
    threshold_of_rounded,
    uncertainty_map,
)
from ..volume import Grid, Volume
from .components import keep_largest_components
from .margins import HeadMargins, sureness_and_second
from .network_pass import JoinedRows

# Logits at full resolution, all classes and heads together, that are there at once; more are no faster.
_PORTION_NUMBERS = 8_000_000
# Arrays of their size while a row is decided: the logits, and the probabilities of which doubt is made.
_COPIES = 3

# As they lie in `Prediction`.
_ARRAYS = (*HeadLogits._fields, "uncertain", "uncertainty")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """Results on the scan's own grid, each (k, j, i).

    Attributes:
        segmentation: label values of the segmentation head.
        conservative, radical: label values of these heads at the caution that was asked for.
        uncertain: uint8, 1 where the heads are uncertain at that caution: with two classes where they name different
            labels, with more also where a third class comes close.
        uncertainty: float32 in [0, 1], whatever the caution; at least `uncertainty_threshold(caution)` exactly where
            `uncertain` is 1.
        head_margins: what slides are made of, where it was asked for.
    """

    segmentation: Array
    conservative: Array
    radical: Array
    uncertain: Array
    uncertainty: Array
    head_margins: HeadMargins | None = None


class OwnGridDecision:
    """What the heads say, decided on a scan's own grid as rows of logits come in; the logits are not kept.

    Attributes:
        prediction: the result, as far as it is decided.
    """

    def __init__(self, grid: Grid, labels: tuple[Label, ...], caution: float = 0.0, with_margins: bool = False) -> None:
        """Begin with background everywhere, and no doubt.

        Args:
            grid: of the scan.
            labels: of classes 1, 2, ...
            caution: where the dial stands: 0 is how the heads were trained, more flags more as uncertain.
            with_margins: whether to keep what slides are made of.
        """
        values = torch.tensor([0, *(label.value for label in labels)])
        kind = np.uint8 if values.max() < 256 else np.uint16
        shape = grid.size_ijk[::-1]
        heads = [np.zeros(shape, dtype=kind) for _ in HeadLogits._fields]
        uncertain, uncertainty = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.float32)
        margins = HeadMargins.begin(shape, kind) if with_margins else None
        self.prediction = Prediction(heads[0], heads[1], heads[2], uncertain, uncertainty, margins)
        orientation = Orientation.of(grid.direction)
        # Views: what is written in canonical order lands where it belongs.
        self._canonical = [orientation.to_canonical(array) for array in arrays_of(self.prediction).values()]
        of_slides = (margins.sureness, margins.second) if margins is not None else ()
        self._canonical_margins = [orientation.to_canonical(array) for array in of_slides]
        self._values = values.numpy().astype(kind)
        self._is_index = bool((values == torch.arange(len(values))).all())
        self._threshold = uncertainty_threshold(caution)

    def fill(
        self, parts: Iterable[JoinedRows], rows: int, box: Box | None = None, poll: Callable[[], object] = lambda: None
    ) -> None:
        """Decide in a box.

        Args:
            parts: logits of the prepared box, as `SlidingWindow.stream` yields them.
            rows: of the prepared box along D.
            box: in canonical voxels of the scan; None: all of it.
            poll: called again and again; may raise to stop.

        Raises:
            DataError: of so many classes not even a row fits into memory.
        """
        box = box or Box.whole(self._canonical[0].shape)
        done = 0
        for first, logits in parts:
            _require_room_for_a_row(sum(map(len, logits)), box.size[1:])
            ready = rows_ready(first + logits.segmentation.shape[1], rows, box.size[0])
            for some in _portions(done, ready, sum(len(head) for head in logits) * box.size[1] * box.size[2]):
                poll()
                here = HeadLogits(*(resample(head, box.size, some, (first, rows))[None] for head in logits))
                self._decide(here, box, some)
            done = ready

    def fill_doubt(
        self, probability: Tensor, box: Box | None = None, poll: Callable[[], object] = lambda: None
    ) -> None:
        """Put the doubt of an error model in place of that of the heads, in a box that is decided.

        Args:
            probability: (D, H, W) of the prepared box, float32 in [0, 1].
            box: in canonical voxels of the scan; None: all of it.
            poll: called again and again; may raise to stop.
        """
        uncertainty = self._canonical[-1]
        here = uncertainty if box is None else uncertainty[box.slices]
        for some in _portions(0, here.shape[0], here.shape[1] * here.shape[2]):
            poll()
            here[some.start : some.stop] = rounded_down(resample(probability[None], here.shape, some)[0]).numpy()

    def _decide(self, logits: HeadLogits, box: Box, rows: range) -> None:
        doubt = rounded_down(uncertainty_map(logits.conservative, logits.radical))
        moved = moved_labels(logits.conservative, logits.radical, doubt, threshold_of_rounded(self._threshold))
        along_d, *within = box.slices
        place = (slice(along_d.start + rows.start, along_d.start + rows.stop), *within)
        for target, classes in zip(self._canonical, (named_classes(logits.segmentation), *moved), strict=False):
            target[place] = self._labels(classes[0])
        if self._canonical_margins:
            sureness, second = sureness_and_second(logits.segmentation)
            self._canonical_margins[0][place] = sureness.cpu().numpy()
            self._canonical_margins[1][place] = self._labels(second)
        is_uncertain, uncertainty = self._canonical[len(HeadLogits._fields) :]
        uncertainty[place] = doubt[0].cpu().numpy()
        is_uncertain[place] = uncertainty[place] >= np.float32(self._threshold)

    def _labels(self, classes: Tensor) -> Array:
        indices: Array = classes.to(torch.uint8 if len(self._values) <= 256 else torch.int64).cpu().numpy()
        return indices if self._is_index else self._values[indices]


def on_own_grid(logits: HeadLogits, volume: Volume, labels: tuple[Label, ...], caution: float = 0.0) -> Prediction:
    """Bring logits back to a scan's grid and decide there.

    Args:
        logits: of the prepared scan, each (K, D, H, W).
        volume: the scan.
        labels: of classes 1, 2, ...
        caution: where the dial stands: 0 is how the heads were trained, more flags more as uncertain.
    """
    decision = OwnGridDecision(volume.grid, labels, caution)
    decision.fill([JoinedRows(0, logits)], logits.segmentation.shape[1])
    return decision.prediction


def keep_largest(prediction: Prediction, classes: Sequence[int], together: bool = False) -> None:
    """Keep of each class its largest component, in place; where the other heads now agree there is no doubt.

    Args:
        prediction: the result, whole.
        classes: label values to which this is done.
        together: do it before that to all of them as one.
    """
    if not (classes or together):
        return
    differed = prediction.conservative != prediction.radical
    keep_largest_components(prediction.segmentation, prediction.conservative, prediction.radical, classes, together)
    settled = differed & (prediction.conservative == prediction.radical)
    prediction.uncertain[settled] = 0
    prediction.uncertainty[settled] = 0


def channels_on_own_grid(channels: Tensor, grid: Grid, box: Box | None = None) -> Array:
    """Bring what a prepared scan has in each voxel back to the scan's grid, linearly.

    Args:
        channels: (C, D, H, W), float; the first is that of background.
        grid: of the scan.
        box: what of the scan they are of, in canonical voxels: elsewhere the first channel is 1, the others 0; None:
            all of it.

    Returns:
        (C, k, j, i), float32.
    """
    orientation = Orientation.of(grid.direction)
    result = np.zeros((len(channels), *grid.size_ijk[::-1]), dtype=np.float32)
    result[0] = 1
    for channel, target in zip(channels, result, strict=True):
        # A view: what is written in canonical order lands where it belongs.
        canonical = orientation.to_canonical(target)
        here = canonical if box is None else canonical[box.slices]
        for some in _portions(0, here.shape[0], here.shape[1] * here.shape[2]):
            here[some.start : some.stop] = resample(channel[None], here.shape, some)[0].numpy()
    return result


def arrays_of(prediction: Prediction) -> dict[str, Array]:
    """The arrays by name, without copying them; `head_margins` are none of them."""
    return {name: getattr(prediction, name) for name in _ARRAYS}


def _require_room_for_a_row(classes: int, size_hw: Sequence[int]) -> None:
    """Look before all classes of a row are computed at once; `classes` are those of all heads together."""
    needed = _COPIES * 4 * classes * math.prod(size_hw)
    free = too_few_bytes(needed)
    if free is not None:
        raise DataError(
            f"a row of {size_hw[0]} x {size_hw[1]} voxels takes {needed / 2**30:.1f} GiB for all classes of the model, "
            f"{free / 2**30:.1f} GiB are free; crop or resample the scan, or use a model of fewer classes."
        )


def _portions(start: int, stop: int, numbers_a_row: int) -> Iterator[range]:
    """The rows of a grid in portions that bound the memory for what is computed at full resolution."""
    rows = max(1, _PORTION_NUMBERS // numbers_a_row)
    for first in range(start, stop, rows):
        yield range(first, min(first + rows, stop))
