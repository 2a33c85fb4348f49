"""What to look at next: segmented cases by how uncertain they are, with the reason in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from .doubt import CaseDoubt, CaseQuality
from .errors import CoraNetError, JobError
from .prediction_files import PredictionFiles
from .region_list import Region, RegionList
from .review import Review


@dataclass(frozen=True)
class CaseUncertainty:
    """How uncertain a segmented case is; what a person has decided already does not count.

    Attributes:
        case: its name.
        folder: where its results lie.
        share: mean of `shares` over the classes that have one, in [0, 1].
        shares: by name of the class, the uncertain share of the predicted structure: the volume of the undecided
            regions in which it is in question (without regions: between the bounds of its volume) by the volume that
            the radical head gives it, in [0, 1]; None where no head finds any of it.
        uncertain_ml: volume of all undecided regions; without regions, of the uncertain region.
        regions, reviewed: how many regions there are, and how many of them are decided; None where none were made.
        large_ml, large_regions: how many undecided regions have more than `large_ml`, about half of the largest.
        reason: the same in words, for example "14 % of the predicted pancreas is uncertain; 3 regions over 1 mL".
        quality: how good the result is expected to be; None: unknown.
    """

    case: str
    folder: Path
    share: float
    shares: Mapping[str, Optional[float]]
    uncertain_ml: float
    regions: Optional[int]
    reviewed: int
    large_ml: float
    large_regions: int
    reason: str
    quality: Optional[CaseQuality] = None

    @property
    def rank(self) -> float:
        """What cases are ranked by, in [0, 1], most to be looked at first.

        What the Dice is expected to miss, by the error model or by the network itself, as far as nobody has decided on
        it; `share` where that is unknown.
        """
        expected = None if self.quality is None else self.quality.expected_dice
        if expected is None:
            return self.share
        undecided = 1.0 if not self.regions else 1 - self.reviewed / self.regions
        return (1 - expected) * undecided


def rank_cases(
    cases: Iterable[PredictionFiles], on_damage: Optional[Callable[[PredictionFiles, CoraNetError], None]] = None
) -> list[CaseUncertainty]:
    """Order cases, those first that are to be looked at first (`CaseUncertainty.rank`); incomplete ones are left out.

    Args:
        cases: the files of their results. All are measured by the same size of a large region.
        on_damage: gets each case that is damaged, and why; it is left out. None: that is an error.

    Raises:
        JobError: a file is damaged.
    """
    read = []
    for files in cases:
        if files.result.is_file():
            try:
                read.append(_Case.read(files))
            except CoraNetError as error:
                if on_damage is None:
                    raise
                on_damage(files, error)
    largest = max((region.volume_ml for case in read for region in case.undecided), default=0.0)
    return sorted((case.described(_large_ml(largest)) for case in read), key=lambda case: (-case.rank, case.case))


def case_uncertainty(files: PredictionFiles) -> CaseUncertainty:
    """How uncertain one case is.

    Raises:
        JobError: it is not complete, or a file is damaged.
    """
    case = _Case.read(files)
    return case.described(_large_ml(max((region.volume_ml for region in case.undecided), default=0.0)))


def _large_ml(largest_ml: float) -> float:
    """Half of the largest region, rounded down to 1, 2 or 5 times a power of ten: some are large, but not all."""
    if largest_ml <= 0:
        return 1.0
    power = math.floor(math.log10(largest_ml / 2))
    digit = max((step for step in (1, 2, 5) if step <= largest_ml / 2 / 10.0**power), default=1)
    return float(f"{digit}e{power}")


@dataclass(frozen=True)
class _Case:
    """What the files of a case say.

    Attributes:
        files: say where.
        name: of the case.
        values: label value of each class by name.
        volumes_ml: by name of the class, by head.
        uncertain_ml: of the uncertain region.
        regions: None where none were made.
        undecided: regions without a decision.
        quality: how good the result is expected to be; None: unknown.
    """

    files: PredictionFiles
    name: str
    values: Mapping[str, int]
    volumes_ml: Mapping[str, Mapping[str, float]]
    uncertain_ml: float
    regions: Optional[RegionList]
    undecided: tuple[Region, ...]
    quality: Optional[CaseQuality]

    @staticmethod
    def read(files: PredictionFiles) -> _Case:
        result = files.read_result()
        regions: Optional[RegionList] = None
        undecided: tuple[Region, ...] = ()
        if files.regions.is_file():
            regions = RegionList.read(files.regions)
            decided = Review.read(files.review, regions).decisions
            undecided = tuple(region for region in regions.regions if region.number not in decided)
        try:
            values = {str(label["name"]): int(label["value"]) for label in result["labels"]}
            volumes = {name: _volumes(result["volumes_ml"][name]) for name in values}
            uncertain_ml = float(result["uncertain_ml"])
            quality = CaseDoubt.of_result(result).quality
            return _Case(files, str(result["case"]), values, volumes, uncertain_ml, regions, undecided, quality)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JobError(f"'{files.result}' has unexpected content ({error!r}); segment the case again.") from error

    def described(self, large_ml: float) -> CaseUncertainty:
        shares = {name: self._share(name) for name in self.values}
        known = [share for share in shares.values() if share is not None]
        large = sum(region.volume_ml > large_ml for region in self.undecided)
        undecided_ml = sum(region.volume_ml for region in self.undecided)
        total = None if self.regions is None else len(self.regions.regions)
        return CaseUncertainty(
            case=self.name,
            folder=self.files.folder,
            share=sum(known) / len(known) if known else 0.0,
            shares=shares,
            uncertain_ml=self.uncertain_ml if total is None else undecided_ml,
            regions=total,
            reviewed=0 if total is None else total - len(self.undecided),
            large_ml=large_ml,
            large_regions=large,
            reason=self._reason(shares, large, large_ml),
            quality=self.quality,
        )

    def _share(self, name: str) -> Optional[float]:
        volumes = self.volumes_ml[name]
        whole = max(volumes["radical"], volumes["segmentation"], volumes["conservative"])
        if not whole:
            return None
        if self.regions is None:
            uncertain = volumes["radical"] - volumes["conservative"]
        else:
            value = self.values[name]
            uncertain = sum(region.volume_ml for region in self.undecided if value in region.label_values)
        return min(1.0, max(0.0, uncertain / whole))

    def _reason(self, shares: Mapping[str, Optional[float]], large: int, large_ml: float) -> str:
        uncertain = {name: share for name, share in shares.items() if share is not None}
        parts = [] if self.quality is None or not self.quality.reasons else [self.quality.sentence()]
        if uncertain:
            name = max(uncertain, key=lambda candidate: uncertain[candidate])
            parts.append(f"{_percent(uncertain[name])} of the predicted {name} is uncertain")
        missing = [name for name in shares if not self.volumes_ml[name]["segmentation"]]
        if missing:
            parts.append(f"no {' and no '.join(missing)} was found")
        if self.regions is not None:
            count = f"{large} {'region' if large == 1 else 'regions'}" if large else "no region"
            parts.append(f"{count} over {large_ml:g} mL")
            total, reviewed = len(self.regions.regions), len(self.regions.regions) - len(self.undecided)
            if reviewed:
                parts.append(f"{reviewed} of {total} reviewed")
        return "; ".join(parts)


def _volumes(of_class: Mapping[str, Any]) -> dict[str, float]:
    return {head: float(of_class[head]) for head in ("segmentation", "conservative", "radical")}


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or not share else f"{100 * share:.1f} %"
