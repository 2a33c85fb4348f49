"""The doubt of an error model, in place of that of the heads: how probably a result is wrong by a tolerance."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..contract import CaseDoubt, CasePromise, ErrorModelCard, Label
from ..contract.doubt import ERROR_MODEL, NEAR_MM
from ..data.box import Box
from ..data.class_indices import value_counts
from ..error_model import ErrorModel, Evidence, NestedRegions, Quality, usual_voxels
from ..error_model.evidence import HEAD_CHANNELS
from ..error_model.quality import CaseFigures
from ..plausibility.traits import Measurement
from ..uncertainty import caution_at
from ..volume import Grid
from .caution import at_caution
from .components import large_removed_parts, sure_voxels
from .network_pass import JoinedRows
from .prediction import Prediction, keep_largest

# Evidence of larger scans lies in a file that is mapped.
_MOST_BYTES = 2**30
# The error model has learned from what lies so near to what a head names, in voxels.
_MARGIN = 16
# Voxels of about this size suffice for what lies near a structure.
_NEAR_STEP_MM = 1.5

Array = npt.NDArray[Any]
Place = tuple[slice, slice, slice]


@dataclass
class ScanEvidence:
    """What the heads say of a prepared scan, kept while its logits pass.

    Attributes:
        image: (C, D, H, W), the prepared scan.
        evidence: filled by `gathered`.
    """

    image: Tensor
    evidence: Evidence
    _folder: tempfile.TemporaryDirectory[str] | None = None

    @staticmethod
    def of(image: Tensor, classes: int) -> ScanEvidence:
        """Begin with nothing known.

        Args:
            image: (C, D, H, W), the prepared scan.
            classes: number of classes with background.
        """
        voxels = math.prod(image.shape[1:])
        if voxels * 2 * (len(HEAD_CHANNELS) + len(image)) <= _MOST_BYTES:
            return ScanEvidence(image, Evidence.allocated(image, classes))
        folder = tempfile.TemporaryDirectory(prefix="coranet-", ignore_cleanup_errors=True)
        size = (len(HEAD_CHANNELS) + len(image), *image.shape[1:])
        mapped = np.memmap(Path(folder.name) / "evidence", dtype=np.float16, mode="w+", shape=size)
        small = Evidence.allocated(image[:, :1, :1, :1], classes)
        kinds = (small.classes.dtype, small.runner_up.dtype)
        maps = (torch.zeros(image.shape[1:], dtype=kind) for kind in kinds)
        return ScanEvidence(image, Evidence(torch.from_numpy(mapped), *maps), folder)

    def gathered(self, parts: Iterable[JoinedRows]) -> Iterator[JoinedRows]:
        """Pass on rows of logits, and keep what they say."""
        return self.evidence.gathered(parts, self.image)

    def __enter__(self) -> ScanEvidence:
        return self

    def __exit__(self, *_error: object) -> None:
        del self.evidence
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def near_named(self) -> tuple[Place, Evidence] | None:
        """The box around what any head names, with a margin, and the evidence in it; None where nothing is named."""
        radical = self.evidence.channels[HEAD_CHANNELS.index("radical_foreground")].numpy() > 0
        named = (self.evidence.classes.numpy() > 0) | radical
        around = Box.around(named)
        if around is None:
            return None
        box = around.grown((_MARGIN,) * 3, named.shape).slices
        evidence, every = self.evidence, (slice(None), *box)
        return box, Evidence(evidence.channels[every], evidence.classes[box], evidence.runner_up[box])


@dataclass(frozen=True)
class KeptComponents:
    """Of which labels a result keeps the largest component.

    Attributes:
        all_values: of all labels.
        label_values: of those that keep one each.
        together: whether all of them as one keep one, before that.
    """

    all_values: tuple[int, ...]
    label_values: tuple[int, ...] = ()
    together: bool = False

    @property
    def is_any(self) -> bool:
        """Whether something may be removed."""
        return self.together or bool(self.label_values)


@dataclass
class FoundDoubt:
    """What an error model finds in a scan, box by box.

    Attributes:
        model: of the network.
        figures: of each box, from which quality and volumes are estimated.
        usual_voxels: of the whole result; see `error_model.nested`.
    """

    model: ErrorModel
    figures: list[CaseFigures] = field(default_factory=list)
    usual_voxels: float = 0.0

    def probability(self, scan: ScanEvidence, spacing_dhw: Sequence[float]) -> Tensor:
        """How probably each voxel is wrong by more than the tolerance.

        Args:
            scan: a prepared box whose logits have passed.
            spacing_dhw: of the prepared box, mm.

        Returns:
            (D, H, W), float32, 0 far from what any head names.
        """
        probability = torch.zeros(scan.image.shape[1:])
        near = scan.near_named
        if near is None:
            return probability
        place, evidence = near
        errors = self.model.apply(evidence)
        self.figures.append(self.model.figures(errors, evidence, evidence.classes.numpy(), spacing_dhw))
        probability[place] = errors[1]
        return probability

    def quality(self, unlike: Sequence[str] | None = None) -> Quality | None:
        """How good the result is expected to be (`QualityModel.estimate`); None where nothing was found."""
        return self.model.quality(joined(self.figures), unlike) if self.figures else None

    def of_case(self, prediction: Prediction, grid: Grid, labels: Sequence[Label], card: ErrorModelCard) -> CaseDoubt:
        """The doubt of a result without its expected quality.

        Args:
            prediction: the result.
            grid: of the scan.
            labels: of the classes.
            card: of the error model.
        """
        near_ml = near_structures_ml(prediction.segmentation, grid)
        regions = NestedRegions.of(prediction.uncertainty)
        promises = []
        for promise in card.promises:
            if promise.relative_size is not None:
                threshold = regions.threshold(promise.relative_size * self.usual_voxels)
                flagged_ml = float(np.count_nonzero(prediction.uncertainty >= np.float32(threshold)) * grid.voxel_ml)
                promises.append(CasePromise(
                    promise.share, threshold, caution_at(threshold), promise.cases, flagged_ml,
                    min(1.0, flagged_ml / near_ml) if near_ml else 0.0,
                    self._bounds(prediction, grid, labels, promise.share), promise.promised,
                ))  # fmt: skip
        return CaseDoubt(ERROR_MODEL, card.tolerance_mm, tuple(promises))

    def _bounds(
        self, prediction: Prediction, grid: Grid, labels: Sequence[Label], share: float
    ) -> dict[str, tuple[float, float]]:
        """Lowest and highest volume of each label, around that of the result."""
        if not self.figures:
            return {}
        counts, bounds = value_counts(prediction.segmentation), {}
        for label, volume in zip(labels, self.model.volume_bounds(joined(self.figures), share), strict=True):
            # The result may have fewer components than the network names.
            ml = float(counts[label.value] * grid.voxel_ml) if label.value < len(counts) else 0.0
            bounds[label.name] = (max(0.0, ml - (volume.ml - volume.lower_ml)), ml + volume.upper_ml - volume.ml)
        return bounds


@dataclass(frozen=True)
class Segmented:
    """A segmented scan.

    Attributes:
        prediction: the result.
        measurement: of the scan and of the network's confidence; None: not requested.
        doubt: what the error model found; None: the doubt is that of the heads.
        caution: where the dial stands.
        removed_parts: `large_removed_parts` of it.
    """

    prediction: Prediction
    measurement: Measurement | None = None
    doubt: FoundDoubt | None = None
    caution: float = 0.0
    removed_parts: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dial:
    """Where the dial of a result stands.

    Attributes:
        caution: as it is set; None: it goes with the case.
        relative_size: then, of the uncertain region; see `Promise`.
    """

    caution: float | None = 0.0
    relative_size: float = 0.0

    def caution_of(self, uncertainty: Array, usual_voxels: float) -> float:
        """The caution of a case.

        Args:
            uncertainty: its whole map.
            usual_voxels: see `error_model.nested`.
        """
        if self.caution is not None:
            return self.caution
        return caution_at(NestedRegions.of(uncertainty).threshold(self.relative_size * usual_voxels))


def with_largest_kept(segmented: Segmented, grid: Grid, keep: KeptComponents, dial: Dial) -> Segmented:
    """The result with its largest components alone, and its overlays at the dial.

    Args:
        segmented: what was decided; changed in place. The overlays of the heads are decided already.
        grid: of the scan.
        keep: of which labels the largest component is kept.
        dial: where the dial stands.
    """
    prediction, doubt = segmented.prediction, segmented.doubt
    before = prediction.segmentation.copy() if keep.is_any and doubt is not None else None
    removed_parts = {}
    if keep.is_any:
        sure = sure_voxels(prediction.segmentation, prediction.conservative)
        keep_largest(prediction, keep.label_values, keep.together)
        still_sure = sure_voxels(prediction.segmentation, prediction.conservative)
        removed_parts = large_removed_parts(sure, still_sure)
    segmented = replace(segmented, removed_parts=removed_parts)
    if doubt is None:
        return replace(segmented, caution=dial.caution or 0.0)
    if before is not None:
        # What was removed was in doubt; its removal is not.
        prediction.uncertainty[before != prediction.segmentation] = 0
    differs = prediction.conservative != prediction.radical
    doubt.usual_voxels = usual_voxels(differs, prediction.segmentation, grid.spacing_mm[::-1])
    caution = dial.caution_of(prediction.uncertainty, doubt.usual_voxels)
    moved = at_caution(replace(prediction, uncertain=differs.astype(np.uint8)), grid, keep.all_values, caution)
    return replace(segmented, prediction=moved, caution=caution)


def joined(figures: Sequence[CaseFigures]) -> CaseFigures:
    """The figures of a scan from those of its boxes."""
    if len(figures) == 1:
        return figures[0]
    largest = max(figures, key=lambda box: sum(box.volume_ml))
    volumes = np.array([box.volume_ml for box in figures])
    dice = np.array([box.expected_dice for box in figures])
    weights = np.maximum(volumes, 1e-9)
    return CaseFigures(
        tuple(map(float, (dice * weights).sum(0) / weights.sum(0))),
        tuple(map(float, volumes.sum(0))),
        tuple(map(float, np.sum([box.doubtful_ml for box in figures], axis=0))),
        largest.traits,
    )


def near_structures_ml(segmentation: Array, grid: Grid, near_mm: float = NEAR_MM) -> float:
    """About the volume in mL that lies in a structure or within a distance of one.

    Args:
        segmentation: (k, j, i), label values.
        grid: of the scan.
        near_mm: the distance.
    """
    spacing = grid.spacing_mm[::-1]
    steps = [max(1, round(_NEAR_STEP_MM / step)) for step in spacing]
    named = segmentation[tuple(slice(step // 2, None, step) for step in steps)] > 0
    around = Box.around(named)
    if around is None:
        return 0.0
    coarse = [size * step for size, step in zip(spacing, steps, strict=True)]
    reach = [math.ceil(near_mm / step) + 1 for step in coarse]
    distance = distance_transform_edt(~named[around.grown(reach, named.shape).slices], sampling=coarse)
    return float(np.count_nonzero(distance <= near_mm) * grid.voxel_ml * math.prod(steps))
