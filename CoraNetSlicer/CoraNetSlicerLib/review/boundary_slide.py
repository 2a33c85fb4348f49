"""Sliding the boundary of a result: what a person sees while the wheel turns, until it is taken or discarded."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional

import numpy as np

from coranet.boundary_slide import BoundaryMargins, apply_slide, known_after, pair_at, settled_after, slide_box
from coranet.contract import Slide
from coranet.contract.errors import DataError
from coranet.contract.slide import finite_point, steps_mm, thick_slice_axis, voxel_length_mm

from ..core.results import segment_id
from .review_record import ReviewStep
from .review_state import ReviewState
from .segment_layers import MaskedBox, Members, SegmentLayers

# A notch of the wheel moves the boundary at the point by half a voxel, and makes the radius a seventh larger.
_NOTCH_VOXELS = 0.5
_NOTCH_RADIUS = 8 / 7
_SMALLEST_VOXELS, _DEFAULT_VOXELS = 2.0, 6.0
_LARGEST_MM = 100.0
# Levels are rounded, so that a person can read the console call; less than that is nothing.
_DIGITS, _NOTHING_MM = 4, 0.02


class BoundarySliding:
    """At most one slide is under way. It is seen in the result's segments, and nothing else knows of it yet.

    Only the box around the slide is read and written, however large the volume is.

    Attributes:
        slide: the one under way; None if there is none.
        ml: by how much it makes the class that grows larger than it was before, in mL; below 0: smaller.
    """

    def __init__(self, review: ReviewState) -> None:
        """Take the review; the margins of its result are read when they are needed first."""
        self.slide: Optional[Slide] = None
        self.ml = 0.0
        self._review = review
        self._near: Optional[_Near] = None

    @property
    def reason(self) -> str:
        """Why no boundary can be slid; "" if one can."""
        return "" if self._review.margins is not None else self._review.problem_of_margins

    def begin(self, center_ijk: Sequence[float], number: Optional[int], radius_mm: Optional[float] = None) -> None:
        """Begin a slide; nothing moves yet. What is drawn of one under way is taken back.

        Args:
            center_ijk: index of the point, not always a whole one.
            number: of the place that it decides; None: it is anywhere.
            radius_mm: None: that of the place.

        Raises:
            DataError: there is no boundary near the point, or the result has no margins.
        """
        self.discard()
        number = None if number is None else self._review.regions.region(number).number
        usual_mm, axis = self._shape(number)
        radius = usual_mm if radius_mm is None else radius_mm
        point = finite_point(center_ijk)
        i, j, k = (float(round(index) if at == axis else index) for at, index in enumerate(point))
        # Only the box is needed here: any two classes will do.
        near = _Near.of(self._review, Slide((i, j, k), radius, 0.0, 1, 0, slice_axis=axis))
        radius = near.slide.radius_mm
        pair = pair_at(near.labels, near.margins, near.local(near.slide).center_ijk, radius, axis)
        if pair is None:
            raise DataError(
                f"there is no boundary within {radius:.3g} mm of this point; point at one, or choose a larger radius."
            )
        self.slide = Slide((i, j, k), radius, 0.0, *pair, number, slice_axis=axis)

    def covers(self, point_ijk: Sequence[float]) -> bool:
        """Whether a point lies within the radius of the slide under way, of a disc in its slice."""
        slide = self.slide
        return slide is not None and self._is_within(point_ijk, slide.center_ijk, slide.radius_mm, slide.slice_axis)

    def is_in_place(self, point_ijk: Sequence[float], number: int) -> bool:
        """Whether a point lies in a place; of a block, which is none, within half its length from its middle."""
        region = self._review.regions.region(number)
        return self._is_within(
            point_ijk, region.center_ijk, region.radius_mm or max(region.extent_mm) / 2, region.slice_axis
        )

    def turn(self, notches: int) -> None:
        """Move the boundary out by some notches, or (below 0) in; `draw` shows it."""
        slide = self._required()
        height = slide.height_mm + notches * _NOTCH_VOXELS * self._voxel_mm
        self.slide = replace(slide, level=_level(height, slide.radius_mm))

    def widen(self, notches: int) -> None:
        """Make the radius larger, or (below 0) smaller; at the point, the boundary stays where it is."""
        slide = self._required()
        smallest = _SMALLEST_VOXELS * self._voxel_mm
        radius = round(min(max(slide.radius_mm * _NOTCH_RADIUS**notches, smallest), _LARGEST_MM), 3)
        self.slide = replace(slide, radius_mm=radius, level=_level(slide.height_mm, radius))

    def set_level(self, level: float) -> None:
        """Move the boundary to a level, see `coranet.contract.Slide`; `draw` shows it."""
        self.slide = replace(self._required(), level=level)

    def draw(self) -> None:
        """Write the slide as it is now into the segments, in place of what was drawn of it before."""
        slide = self._required()
        if self._near is None or slide.radius_mm > self._near.slide.radius_mm:
            self._restore()
            self._near = _Near.of(self._review, slide)
            before = ReviewStep.of(0, (None, None), (self._near.members, {}), self._near.box)
            self._review.record.write_under_way(before)
        labels = self._near.draw(self._review.layers, slide, self._review.review.slides)
        larger = np.count_nonzero(labels == slide.grows) - np.count_nonzero(self._near.labels == slide.grows)
        self.ml = float(larger) * math.prod(self._near.margins.spacing_mm) / 1000.0

    def discard(self) -> None:
        """Take back what was drawn of the slide under way, if there is one."""
        self._restore()
        self.slide, self.ml = None, 0.0

    def take(self, author: str = "") -> ReviewStep:
        """End the slide under way; what is drawn of it stays."""
        self.draw()
        slide, near = self._required(), self._near or _Near.of(self._review, self._required())
        self.slide, self.ml, self._near = None, 0.0, None
        self._review.record.write_under_way(None)
        return _step(self._review, replace(slide, author=author, time=time.time()), near)

    def _is_within(
        self, point_ijk: Sequence[float], center_ijk: Sequence[float], radius_mm: float, slice_axis: Optional[int]
    ) -> bool:
        steps = steps_mm(self._review.loaded.volume.GetSpacing(), radius_mm, slice_axis)
        away = ((point - center) * mm for point, center, mm in zip(point_ijk, center_ijk, steps, strict=True))
        return math.hypot(*away) <= radius_mm

    def _shape(self, number: Optional[int]) -> tuple[float, Optional[int]]:
        """Radius, and axis of a disc, with which a slide begins: those of a place, else of the middle one of all."""
        regions = self._review.regions
        if number is not None and regions.region(number).radius_mm:
            return regions.region(number).radius_mm, regions.region(number).slice_axis
        places = sorted((region for region in regions.regions if region.radius_mm), key=lambda region: region.radius_mm)
        if places:
            return places[len(places) // 2].radius_mm, places[len(places) // 2].slice_axis
        radius_mm = _DEFAULT_VOXELS * self._voxel_mm
        return radius_mm, thick_slice_axis(self._review.loaded.volume.GetSpacing(), radius_mm)

    @property
    def _voxel_mm(self) -> float:
        return voxel_length_mm(self._review.loaded.volume.GetSpacing())

    def _required(self) -> Slide:
        if self.slide is None:
            raise DataError("no boundary is being moved; turn the wheel at one first.")
        return self.slide

    def _restore(self) -> None:
        if self._near is not None:
            self._review.layers.write(self._near.box, self._near.members)
            self._review.record.write_under_way(None)
        self._near = None


def repeat_slide(review: ReviewState, slide: Slide, earlier: Iterable[Slide]) -> ReviewStep:
    """Write a slide of an earlier review into the segments, after the slides that were made before it."""
    near = _Near.of(review, slide)
    near.draw(review.layers, slide, earlier)
    return _step(review, slide, near)


def withdraw_slides(review: ReviewState, number: int) -> None:
    """Move the boundary back where the slides of a place have moved it; those of other places hold on.

    Without the margins of the result nothing moves: only the voxels of the place are known then.
    """
    slides = list(_known_slides(review))
    for slide in reversed([slide for slide in slides if slide.region == number]):
        near = _Near.of(review, slide)
        near.draw(review.layers, replace(slide, level=-slide.level), slides)
        slides.remove(slide)


def box_with_slides(review: ReviewState, number: int) -> MaskedBox:
    """All voxels that a decision on a place can change: its own, and a box around those that its slides reach."""
    box = review.voxels(number).box
    slides = [slide for slide in _known_slides(review) if slide.region == number]
    if not slides:
        return box
    boxes = [box, *(_Near.of(review, slide).box for slide in slides)]
    first = np.min([box.first_kji for box in boxes], axis=0)
    last = np.max([np.add(box.first_kji, box.mask.shape) for box in boxes], axis=0)
    return MaskedBox((int(first[0]), int(first[1]), int(first[2])), np.ones(last - first, bool))


def known_voxels_of_slides(review: ReviewState) -> list[MaskedBox]:
    """Where labels are truth because a person has slid the boundary there."""
    known, slides = [], _known_slides(review)
    for count, slide in enumerate(slides):
        near = _Near.of(review, slide)
        known.append(
            near.part(*known_after(near.labels, near.margins, near.local(slide), map(near.local, slides[:count])))
        )
    return known


def settled_voxels_of_slides(review: ReviewState) -> list[MaskedBox]:
    """Where nothing is uncertain any more because a person has slid the boundary there."""
    around = ((_Near.of(review, slide), slide) for slide in _known_slides(review))
    return [near.part(*settled_after(near.labels, near.margins, near.local(slide))) for near, slide in around]


def _known_slides(review: ReviewState) -> tuple[Slide, ...]:
    """The slides of a review; none where the result has no margins, so that it is unknown what they have moved."""
    slides = review.review.slides
    return slides if slides and review.margins is not None else ()


@dataclass(frozen=True)
class _Near:
    """The box around a slide, and what is there.

    Attributes:
        slide: the slide.
        box: all voxels of the box.
        margins: of the result, in the box.
        members: which voxels each segment had when the box was read.
        labels: (k, j, i), uint16: their label values.
        ids: label value of each segment that is a class.
    """

    slide: Slide
    box: MaskedBox
    margins: BoundaryMargins
    members: Members
    labels: np.ndarray
    ids: Mapping[str, int]

    @staticmethod
    def of(review: ReviewState, slide: Slide) -> _Near:
        """Read what is there now.

        Raises:
            DataError: the point is not inside the volume, or the result has no margins.
        """
        margins = review.margins
        if margins is None:
            raise DataError(review.problem_of_margins)
        slices = slide_box(slide, margins.margin.shape, margins.spacing_mm)
        first_k, first_j, first_i = (side.start for side in slices)
        shape = tuple(side.stop - side.start for side in slices)
        if not all(shape):
            raise DataError("this point is not inside the volume; point at a boundary in it.")
        box = MaskedBox((first_k, first_j, first_i), np.ones(shape, bool))
        inside = BoundaryMargins(margins.margin[slices], margins.second[slices], margins.spacing_mm)
        members = review.layers.read(box)
        ids = {segment_id(label): label.value for label in review.loaded.labels if segment_id(label) in members}
        labels = np.zeros(shape, np.uint16)
        for identifier, value in ids.items():
            labels.ravel()[members[identifier]] = value
        return _Near(slide, box, inside, members, labels, ids)

    def local(self, slide: Slide) -> Slide:
        """A slide in the indices of the box."""
        i, j, k = (index - first for index, first in zip(slide.center_ijk, self.box.first_kji[::-1], strict=True))
        return replace(slide, center_ijk=(i, j, k))

    def part(self, slices: tuple[slice, ...], mask: np.ndarray) -> MaskedBox:
        """Some voxels of a box within this one."""
        inside = np.zeros(self.box.mask.shape, bool)
        inside[slices] = mask
        return MaskedBox(self.box.first_kji, inside)

    def draw(self, layers: SegmentLayers, slide: Slide, earlier: Iterable[Slide]) -> np.ndarray:
        """Write a slide into the segments of the classes, on what there was; returns its label values, (k, j, i)."""
        labels: np.ndarray = self.labels.copy()
        box, moved = apply_slide(labels, self.margins, self.local(slide), map(self.local, earlier))
        labels[box] = moved
        changed = (labels != self.labels).ravel()
        if len(self.ids) < len(self.members):
            # A segment that is no class gave way to what was drawn before.
            layers.write(self.box, self.members)
        after = {
            identifier: np.where(changed, labels.ravel() == value, self.members[identifier])
            for identifier, value in self.ids.items()
        }
        layers.write(self.box, after)
        return labels


def _level(height_mm: float, radius_mm: float) -> float:
    return 0.0 if abs(height_mm) < _NOTHING_MM else round(height_mm / radius_mm, _DIGITS)


def _step(review: ReviewState, slide: Slide, near: _Near) -> ReviewStep:
    """A slide, which is written in the segments already, as a step that can be taken back."""
    now = review.layers.read(near.box)
    changed = np.zeros(near.labels.size, bool)
    for identifier, before in near.members.items():
        changed |= before != now[identifier]
    box = MaskedBox.tight(changed.reshape(near.labels.shape), near.box.first_kji)
    members = tuple({key: mask[changed] for key, mask in part.items()} for part in (near.members, now))
    number, slid = slide.region or 0, review.review.with_slide(slide)
    decisions = (review.review.decisions.get(number), slid.decisions.get(number))
    return ReviewStep.of(number, decisions, (members[0], members[1]), box, (review.review.slides, slid.slides))
