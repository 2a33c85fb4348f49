"""The part of the console API that reviews uncertain regions."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from coranet.contract import Choice
from coranet.contract.errors import DataError
from coranet.contract.slide import finite_point

from ..core.context import SceneContext, require_main_thread
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
    """The part of `CoraNetLogic` for reviews of uncertain regions.

    A case is what `loadResults` returns, its segmentation node, or a name: of that node, of its volume, or of the case.

    Example:
        >>> case = logic.loadResults(job)[0]
        >>> logic.resolveRegion(case, 1, "radical", author="Ada")
        >>> logic.regions(case).progress
        '1 of 23 reviewed, 14 % of the uncertain volume cleared'
        >>> logic.improve(model, [case])
    """

    def __init__(self, context: SceneContext, jobsFolder: Path) -> None:
        """Start without reviews; results whose files were moved are searched in `jobsFolder`."""
        self.context = context
        self.jobsFolder = jobsFolder
        # By segmentation node: steps that can be taken back must not be forgotten from call to call.
        self._reviews: dict[Any, RegionReview] = {}
        # Reviews that are being taken up, in steps: panel and console go on with the same one.
        self._openings: dict[Any, Generator[None, None, RegionReview]] = {}

    def regions(self, case: AnyCase) -> RegionReview:
        """The review of a case: its regions, decisions and progress; each call returns the same object.

        Example:
            >>> for region in logic.regions("Patient 7 CoraNet").regions.regions:
            ...     print(region.number, region.volume_ml)

        Raises:
            DataError: there is no such result, or it has no list of regions.
            JobError: a saved review is damaged.
        """
        return run_to_end(self.openRegions(case))

    def openRegions(self, case: AnyCase) -> Generator[None, None, RegionReview]:
        """Like `regions`, in steps of milliseconds, between which a window stays responsive."""
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
        """Decide on a region, and return the review.

        Args:
            case: see the class.
            number: of the region.
            choice: "conservative", "radical", or "keep" (the result as it was); None revokes the decision.
            author: who decides.

        Raises:
            DataError: there is no such case, region or choice, or no boundary to slide.
            StorageError: review.json could not be written; the decision is only in the scene.
        """
        review = self.regions(case)
        review.decide(number, choice, author)
        return review

    def resolvePlace(
        self, case: AnyCase, number: int, level: float, radius_mm: Optional[float] = None, author: str = ""
    ) -> RegionReview:
        """Decide on a place by sliding its boundary; slides add up. Returns and raises like `resolveRegion`.

        Example:
            >>> logic.resolvePlace(case, 3, level=0.4, author="Ada")

        Args:
            case: see the class.
            number: of the place.
            level: how far the boundary moves, as a share of the radius: above 0 the structure grows, below 0 it
                shrinks. It moves farther where the model is less certain.
            radius_mm: beyond it nothing moves; None: that of the place.
            author: who decides.
        """
        review = self.regions(case)
        review.slide(review.regions.region(number).center_ijk, level, radius_mm, number, author)
        return review

    def slideAt(
        self, case: AnyCase, point_ras: Sequence[float], level: float, radius_mm: Optional[float] = None,
        place: Optional[int] = None, author: str = "",
    ) -> RegionReview:  # fmt: skip
        """Slide the boundary nearest to a point, inside a place or elsewhere; like `resolvePlace`.

        Example:
            >>> logic.slideAt(case, (12.5, -30.0, 44.0), level=-0.3, radius_mm=8)

        Args:
            case: see the class.
            point_ras: in RAS, mm.
            level: as in `resolvePlace`.
            radius_mm: None: that of `place`, or the median of all places.
            place: number of the place that this decides; None: of none.
            author: who decides.
        """
        review = self.regions(case)
        review.slide(volume_point(review.loaded.volume, finite_point(point_ras)), level, radius_mm, place, author)
        return review

    def undoRegion(self, case: AnyCase) -> Optional[int]:
        """Undo the last step of a review; returns the number of its region, None if there is no step."""
        return self.regions(case).undo()

    def redoRegion(self, case: AnyCase) -> Optional[int]:
        """Redo what `undoRegion` took back; returns like it."""
        return self.regions(case).redo()

    def editRegion(self, case: AnyCase, number: int, editor: str = MODULE_EDITOR) -> Any:
        """Prepare the Segment Editor to paint only inside a region; `finishEdit` ends it.

        Args:
            case: see the class.
            number: of the region.
            editor: singleton tag of the vtkMRMLSegmentEditorNode to prepare, which is returned: "SegmentEditor" of
                the Segment Editor module, or "CoraNetSlicerEditor" of the panel.
        """
        return self.regions(case).begin_edit(number, editor)

    def finishEdit(self, case: AnyCase, accept: bool = True, author: str = "") -> int:
        """Accept what was painted in a region, or (accept=False) discard it.

        Returns:
            The number of voxels outside the region that had been changed and were restored.
        """
        return self.regions(case).end_edit(accept, author)

    def showRegion(self, case: AnyCase, number: int) -> RegionPlace:
        """Center all slice and 3D views on a region and outline it; returns where it is.

        If its volume or its result is hidden, it replaces what is shown.
        """
        return self.regions(case).show(number)

    def hideRegion(self, case: AnyCase) -> None:
        """Remove the outline of a region."""
        self.regions(case).outline.clear()

    def promote(self, case: AnyCase, trustCertain: Optional[bool] = None) -> PromotedCase:
        """Turn a reviewed case into training data: decided regions are labeled, the rest is unlabeled.

        Args:
            case: see the class.
            trustCertain: whether the certain region counts as labeled, too; None: as set before, otherwise not.

        Returns:
            A case for `improve`.

        Raises:
            DataError: nothing is decided, or the files of the case are not there.
            StorageError: a file could not be written.
        """
        return self.regions(case).promote(trustCertain)

    def _result(self, case: AnyCase) -> LoadedPrediction:
        require_main_thread()
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
