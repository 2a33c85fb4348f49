"""What to look at next: how uncertain the latest segmentation of each volume is, with the reason in words."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Optional

from coranet.contract import CaseUncertainty, Job, JobKind, PredictionFiles, case_uncertainty
from coranet.contract.errors import CoraNetError

from ..core.case_images import path_key
from ..core.notification import Signal
from ..core.protocols import Scheduler
from ..core.results import case_key, case_keys, verdict_name
from ..core.stepwise import Deferred, StepwiseWork
from ..core.translation import _
from ..logic import CoraNetLogic
from .case_rows import CaseRow

_LOG = logging.getLogger(__name__)
_AT_REST_MS = 300


class CaseRanking:
    """Looks at the segmentations of the folder of jobs, one at a time; sends `changed` when something else is known."""

    def __init__(self, logic: CoraNetLogic, application: Scheduler) -> None:
        self.changed = Signal()
        self._logic = logic
        self._known: dict[str, CaseUncertainty] = {}
        # By folder of the result: when its files changed last, and their content.
        self._read: dict[Path, tuple[tuple[float, ...], Optional[CaseUncertainty]]] = {}
        self._reading = StepwiseWork(application, self._on_end)
        self._look = Deferred(application, self._look_now)
        self.look_again()

    def look_again(self) -> None:
        """Look again, soon, after a segmentation or a review went on, or the folder of jobs became another."""
        self._look.request_at_rest(_AT_REST_MS)

    def of(self, row: CaseRow) -> Optional[CaseUncertainty]:
        """How uncertain the latest segmentation of a case is; None if there is none."""
        keys = [path_key(row.volume)] if row.is_file else case_keys(row.volume)
        matches = [self._known[key] for key in keys if key in self._known]
        # The latest job is read first, and its cases come first.
        order = list(self._known.values())
        return min(matches, key=order.index, default=None)

    def close(self) -> None:
        """Look no more."""
        self._look.close()
        self._reading.stop()

    def _look_now(self) -> None:
        self._reading.begin(self._all_steps())

    def _on_end(self, problem: str) -> None:
        # Without a ranking the cases can be used as ever.
        if problem:
            _LOG.warning("the cases could not be ranked: %s", problem)

    def _all_steps(self) -> Generator[None, None, None]:
        known: dict[str, CaseUncertainty] = {}
        for summary in self._logic.jobSummaries():
            if summary.kind is not JobKind.SEGMENT:
                continue
            for key, prediction in self._predictions(summary.folder):
                yield
                uncertainty = None if key in known else self._uncertainty(prediction)
                if uncertainty is not None:
                    known[key] = uncertainty
        # In their order, too: the latest segmentation of a case counts.
        if list(known.items()) != list(self._known.items()):
            self._known = known
            self.changed.send()

    def _predictions(self, folder: Path) -> Iterator[tuple[str, PredictionFiles]]:
        """Keys of the volumes of a segmentation, with the results of those that are done."""
        try:
            job = Job.open(folder)
            cases = job.read_datalist().cases
        except CoraNetError:
            return
        for case in cases:
            prediction = job.prediction(case.id)
            if prediction.result.is_file():
                yield case_key(job, case.id), prediction
                # A file that was written since may be another scan.
                if _changed(Path(case.image)) <= _changed(prediction.result):
                    yield path_key(case.image), prediction

    def _uncertainty(self, prediction: PredictionFiles) -> Optional[CaseUncertainty]:
        """How uncertain a case is; what is unchanged is not read again."""
        stamp = tuple(_changed(path) for path in (prediction.result, prediction.regions, prediction.review))
        if self._read.get(prediction.folder, ((), None))[0] != stamp:
            try:
                self._read[prediction.folder] = (stamp, case_uncertainty(prediction))
            except CoraNetError:  # damaged, or of an earlier version
                self._read[prediction.folder] = (stamp, None)
        return self._read[prediction.folder][1]


class CaseSorting:
    """As they were added, or by how much they need a look; unknown ones come last."""

    def __init__(self) -> None:
        self.is_sorted = False
        self.is_descending = False

    def click(self) -> None:
        """Sort; clicked again, the other way round; then not any more."""
        if self.is_sorted and not self.is_descending:
            self.is_sorted = False
        else:
            self.is_sorted, self.is_descending = True, not self.is_sorted

    def sorted(self, rows: Sequence[CaseRow], known: Mapping[str, Optional[CaseUncertainty]]) -> list[CaseRow]:
        """Rows in this order; `known` is how uncertain they are, by key."""
        if not self.is_sorted:
            return list(rows)
        ranks = {key: case.rank for key, case in known.items() if case is not None}
        ranked = [row for row in rows if row.key in ranks]
        ranked.sort(key=lambda row: ranks[row.key], reverse=self.is_descending)
        return [*ranked, *(row for row in rows if row.key not in ranks)]


def share_text(uncertainty: Optional[CaseUncertainty]) -> str:
    """How much of what was found is uncertain, such as "14 %" or "poor, 14 %"; "" if unknown."""
    if uncertainty is None:
        return ""
    percent = 100 * uncertainty.share
    share = f"{percent:.0f} %" if percent >= 1 or not percent else f"{percent:.1f} %"
    if uncertainty.quality is None or uncertainty.quality.verdict == "good":
        return share
    return _("{verdict}, {share}").format(verdict=verdict_name(uncertainty.quality.verdict), share=share)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
