"""What a person has decided about the uncertain regions of a case: review.json, beside its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, Optional, Union

from .codec import from_json, keeping_unknown, to_json
from .errors import JobError
from .files import read_json, write_json_atomic
from .region_list import RegionList
from .slide import Slide

SCHEMA_VERSION = 1


class Choice(str, Enum):
    """What becomes of a region."""

    CONSERVATIVE = "conservative"  # what the conservative head names
    RADICAL = "radical"  # what the radical head names
    KEEP = "keep"  # the result as it is
    EDITED = "edited"  # what a person has painted
    SLID = "slid"  # the result, its boundary moved by the slides of the place, which had no answer before


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        choice: what becomes of the region.
        author: who decided; "" if unknown.
        time: seconds since 1970.
    """

    choice: Choice
    author: str = ""
    time: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "choice", Choice(self.choice))
        object.__setattr__(self, "author", str(self.author or ""))


@dataclass(frozen=True)
class Review:
    """The decisions on the regions of one case; a new one for each change.

    Attributes:
        case: its name.
        regions_created: `RegionList.created` of the regions that the numbers belong to.
        decisions: by number of the region; a region that is not there is not decided.
        trusts_certain: whether the reviewer accepted the certain region as truth, too.
        slides: moves of the boundary in the order in which they were made, those of places and those anywhere.
    """

    case: str
    regions_created: float
    decisions: Mapping[int, Decision] = field(default_factory=dict)
    trusts_certain: bool = False
    slides: tuple[Slide, ...] = ()

    @staticmethod
    def of(regions: RegionList) -> Review:
        """A review in which nothing is decided yet."""
        return Review(regions.case, regions.created)

    def with_decision(
        self, number: int, choice: Optional[Choice], author: str = "", at: Optional[float] = None
    ) -> Review:
        """The same with one decision more, another one, or (None) one less; slides of that region go."""
        decisions = dict(self.decisions)
        decisions.pop(number, None)
        if choice is not None:
            decisions[number] = Decision(choice, author, time.time() if at is None else at)
        slides = tuple(slide for slide in self.slides if slide.region != number)
        return replace(self, decisions=decisions, slides=slides)

    def with_slide(self, slide: Slide) -> Review:
        """The same with one slide more. One of a place decides it, and adds to the answer and the slides it has."""
        decisions = dict(self.decisions)
        if slide.region is not None:
            slid = Decision(Choice.SLID, slide.author, slide.time)
            before = decisions.pop(slide.region, slid)
            decisions[slide.region] = slid if before.choice is Choice.SLID else before
        return replace(self, decisions=decisions, slides=(*self.slides, slide))

    def is_slid(self, number: int) -> bool:
        """Whether slides belong to a region."""
        return any(slide.region == number for slide in self.slides)

    def in_order_of_time(self) -> list[Union[tuple[int, Decision], Slide]]:
        """What was done, in the order in which it has an effect: by time, and what has none first.

        At one time decisions come first, by number, then slides as listed. `Choice.SLID` is left out: slides say it.
        """
        decisions: list[Union[tuple[int, Decision], Slide]] = [
            (number, decision) for number, decision in sorted(self.decisions.items()) if decision.choice != Choice.SLID
        ]
        return sorted(
            [*decisions, *self.slides], key=lambda change: change.time if isinstance(change, Slide) else change[1].time
        )

    def is_complete(self, regions: RegionList) -> bool:
        """Whether the case is reviewed to the end: all regions are decided."""
        return all(region.number in self.decisions for region in regions.regions)

    def progress(self, regions: RegionList) -> tuple[int, float]:
        """How many regions are decided, and the share in [0, 1] of the regions' volume that these hold."""
        total = sum(region.volume_ml for region in regions.regions)
        cleared = sum(region.volume_ml for region in regions.regions if region.number in self.decisions)
        return len(self.decisions), cleared / total if total else 1.0

    def write(self, path: Path) -> None:
        """Write review.json; what a later version has added to it stays.

        Raises:
            StorageError: it could not be written.
        """
        before = None
        with suppress(JobError):
            before = read_json(path) if path.is_file() else None
        known = {field.name for field in fields(Review)}
        write_json_atomic(path, keeping_unknown(self.to_dict(), before, known))

    @staticmethod
    def read(path: Path, regions: RegionList) -> Review:
        """Read review.json; where there is none, or one of other regions, nothing is decided yet.

        Raises:
            JobError: it is damaged or of another version.
        """
        return Review.from_dict(read_json(path), regions, path) if path.is_file() else Review.of(regions)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; the inverse of `from_dict`."""
        return {"schema_version": SCHEMA_VERSION, **to_json(self)}

    @staticmethod
    def from_dict(content: Any, regions: RegionList, source: str | Path) -> Review:
        """Build from what JSON holds; a review of other regions has decided nothing of these.

        Args:
            content: what `to_dict` gives.
            regions: the regions of the case.
            source: where it is from, for error messages.

        Raises:
            JobError: it is damaged or of another version.
        """
        try:
            content = dict(content)
            version = content.pop("schema_version")
            if version != SCHEMA_VERSION:
                raise ValueError(f"schema version {version!r}, expected {SCHEMA_VERSION}")
            review = from_json(Review, content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JobError(f"'{source}' cannot be read ({error}); remove it to review the case again.") from error
        return review if review.regions_created == regions.created else Review.of(regions)
