"""The part of the console API that reviews uncertain regions."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from coranet.contract import Choice
from coranet.contract.errors import DataError

from ..core.context import SceneContext
from ..core.results import (
    PREDICTION_ATTRIBUTE,
    LoadedPrediction,
    find_prediction_files,
    job_name,
    result_texts,
    results_in_scene,
)
from ..core.stepwise import run_to_end
from .improvement import PromotedCase
from .region_editing import MODULE_EDITOR
from .region_review import RegionReview
from .region_view import RegionPlace, volume_point
from .review_opening import opening_steps

AnyCase = Union[LoadedPrediction, Any, str]


class ReviewConsole:
    """What `CoraNetLogic` can do with uncertain regions; a part of it.

    A case is what `loadResults` gives, its segmentation node, or the name of that, of its volume, or of the case.

    Example:
        >>> case = logic.loadResults(job)[0]
        >>> logic.resolveRegion(case, 1, "radical", author="Ada")
        >>> logic.regions(case).progress
        '1 of 23 reviewed, 14 % of the uncertain volume cleared'
        >>> logic.improve(model, [case])
    """

    def __init__(self, context: SceneContext, jobsFolder: Path) -> None:
        """Begin without a review; results that are not where they were are looked for in `jobsFolder`."""
        self.context = context
        self.jobsFolder = jobsFolder
        # By segmentation node: steps that can be taken back must not be forgotten from call to call.
        self._reviews: dict[Any, RegionReview] = {}
        # Reviews that are being taken up, in steps: panel and console go on with the same one.
        self._openings: dict[Any, Generator[None, None, RegionReview]] = {}

    def regions(self, case: AnyCase) -> RegionReview:
        """The review of a case: its regions, what was decided, and how far it is; the same one at each call.

        Example:
            >>> for region in logic.regions("Patient 7 CoraNet").regions.regions:
            ...     print(region.number, region.volume_ml)

        Raises:
            DataError: there is no such result, or it has no list of regions.
            JobError: what is kept of a review is damaged.
        """
        return run_to_end(self.openRegions(case))

    def openRegions(self, case: AnyCase) -> Generator[None, None, RegionReview]:
        """What `regions` does, in steps of milliseconds between which a window can answer; returns and raises as it."""
        loaded = self._result(case)
        node = loaded.segmentation
        while True:
            self._reviews = {key: review for key, review in self._reviews.items() if review.is_current}
            if node in self._reviews:
                return self._reviews[node]
            if node not in self._openings:
                files = find_prediction_files(node, self.jobsFolder)
                self._openings[node] = opening_steps(self.context, loaded, files)
            steps = self._openings[node]
            try:
                next(steps)
                yield
            except StopIteration as end:
                self._openings.pop(node, None)
                self._reviews[node] = end.value
            except BaseException:
                # An error, or it is no longer needed.
                self._openings.pop(node, None)
                steps.close()
                raise

    def resolveRegion(
        self, case: AnyCase, number: int, choice: Union[None, str, Choice], author: str = ""
    ) -> RegionReview:
        """Decide on a region; returns the review.

        Args:
            case: see the class.
            number: of the region.
            choice: "conservative", "radical", or "keep" (the result as it was); None takes the decision back.
            author: who decides.

        Raises:
            DataError: there is no such case, region or choice, or no boundary to slide.
            StorageError: review.json could not be written; the decision stays, in the scene.
        """
        review = self.regions(case)
        review.decide(number, choice, author)
        return review

    def resolvePlace(
        self, case: AnyCase, number: int, level: float, radius_mm: Optional[float] = None, author: str = ""
    ) -> RegionReview:
        """Decide on a place by sliding the boundary there; slides add up. Returns and raises as `resolveRegion`.

        Example:
            >>> logic.resolvePlace(case, 3, level=0.4, author="Ada")

        Args:
            case: see the class.
            number: of the place.
            level: how far the boundary moves, as a share of the radius; above 0 the structure becomes larger, below 0
                smaller. Where the model doubts more, it moves farther.
            radius_mm: from where on nothing moves; None: that of the place.
            author: who decides.
        """
        review = self.regions(case)
        review.slide(review.regions.region(number).center_ijk, level, radius_mm, number, author)
        return review

    def slideAt(
        self, case: AnyCase, point_ras: Sequence[float], level: float, radius_mm: Optional[float] = None,
        place: Optional[int] = None, author: str = "",
    ) -> RegionReview:  # fmt: skip
        """Slide the boundary that is nearest to a point, in a place or anywhere; as `resolvePlace`.

        Example:
            >>> logic.slideAt(case, (12.5, -30.0, 44.0), level=-0.3, radius_mm=8)

        Args:
            case: see the class.
            point_ras: in the world, mm.
            level: as of `resolvePlace`.
            radius_mm: None: the middle one of all places, or that of `place`.
            place: number of the place that it decides; None: it decides none.
            author: who decides.
        """
        review = self.regions(case)
        review.slide(volume_point(review.loaded.volume, point_ras), level, radius_mm, place, author)
        return review

    def undoRegion(self, case: AnyCase) -> Optional[int]:
        """Take the last step of a review back; returns the number of its region, None if there is none."""
        return self.regions(case).undo()

    def redoRegion(self, case: AnyCase) -> Optional[int]:
        """Take the last `undoRegion` back; returns as it does."""
        return self.regions(case).redo()

    def editRegion(self, case: AnyCase, number: int, editor: str = MODULE_EDITOR) -> Any:
        """Prepare the Segment Editor to paint in a region and nowhere else; `finishEdit` ends it.

        Args:
            case: see the class.
            number: of the region.
            editor: singleton tag of the vtkMRMLSegmentEditorNode that is prepared, and returned; the module Segment
                Editor has "SegmentEditor", the panel "CoraNetSlicerEditor".
        """
        return self.regions(case).begin_edit(number, editor)

    def finishEdit(self, case: AnyCase, accept: bool = True, author: str = "") -> int:
        """Keep what was painted in a region, or (accept=False) take it back.

        Returns:
            How many voxels outside of the region had been changed nevertheless, and were put back.
        """
        return self.regions(case).end_edit(accept, author)

    def showRegion(self, case: AnyCase, number: int) -> RegionPlace:
        """Bring a region into the middle of all slice and 3D views, with a line around it; returns where it is.

        A volume that is shown in no slice view takes the place of what is shown there, and a result that is hidden
        that of the other results.
        """
        return self.regions(case).show(number)

    def hideRegion(self, case: AnyCase) -> None:
        """Draw no line around a region of a case any more."""
        self.regions(case).outline.clear()

    def promote(self, case: AnyCase, trustCertain: Optional[bool] = None) -> PromotedCase:
        """Make a reviewed case one that a training learns from: what is decided is truth, the rest is unlabeled.

        Args:
            case: see the class.
            trustCertain: whether what is certain counts as truth, too; None: as it was set before, else not.

        Returns:
            What `improve` takes.

        Raises:
            DataError: nothing is decided, or the files of the case are not there.
            StorageError: a file could not be written.
        """
        return self.regions(case).promote(trustCertain)

    def _result(self, case: AnyCase) -> LoadedPrediction:
        if isinstance(case, LoadedPrediction):
            return case
        results = results_in_scene(self.context.scene)
        if isinstance(case, str):
            texts = result_texts(results)
            matches = [
                result for result in results if case in {texts[str(result.segmentation.GetID())], *_names(result)}
            ]
        else:
            matches = [result for result in results if result.segmentation is case]
        if len(matches) == 1:
            return matches[0]
        name = case if isinstance(case, str) else getattr(case, "GetName", lambda: case)()
        known = ", ".join(f"'{result.segmentation.GetName()}'" for result in results) or "none"
        problem = f"are {len(matches)} results" if matches else "is no result"
        raise DataError(f"there {problem} '{name}' in the scene; choose one of its results: {known}.")


def _names(loaded: LoadedPrediction) -> set[str]:
    """What a result can be called: its segmentation, its volume, its job and case, or its case alone."""
    key = str(loaded.segmentation.GetAttribute(PREDICTION_ATTRIBUTE) or "")
    case = key.partition("/")[2]
    volume = {str(loaded.volume.GetName())} if loaded.volume is not None else set()
    of_job = f"{job_name(loaded.segmentation)}/{case}"
    return {str(loaded.segmentation.GetName()), key, case, of_job, *volume} - {"", "/"}
