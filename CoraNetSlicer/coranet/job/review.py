"""What a person has decided about the uncertain regions of a case: review.json, beside its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Optional

from ..errors import JobError
from .files import read_json, write_json_atomic
from .region_list import RegionList

SCHEMA_VERSION = 1


class Choice(str, Enum):
    """What becomes of a region."""

    CONSERVATIVE = "conservative"  # what the conservative head names
    RADICAL = "radical"  # what the radical head names
    KEEP = "keep"  # the result as it is
    EDITED = "edited"  # what a person has painted


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


@dataclass(frozen=True)
class Review:
    """The decisions on the regions of one case; a new one for each change.

    Attributes:
        case: its name.
        regions_created: `RegionList.created` of the regions that the numbers belong to.
        decisions: by number of the region; a region that is not there is not decided.
        trusts_certain: whether the person has said that the certain region counts as truth, too.
    """

    case: str
    regions_created: float
    decisions: Mapping[int, Decision] = field(default_factory=dict)
    trusts_certain: bool = False

    @staticmethod
    def of(regions: RegionList) -> Review:
        """A review in which nothing is decided yet."""
        return Review(regions.case, regions.created)

    def with_decision(
        self, number: int, choice: Optional[Choice], author: str = "", at: Optional[float] = None
    ) -> Review:
        """The same with one decision more, another one, or (None) one less."""
        decisions = dict(self.decisions)
        decisions.pop(number, None)
        if choice is not None:
            decisions[number] = Decision(choice, author, time.time() if at is None else at)
        return replace(self, decisions=decisions)

    def progress(self, regions: RegionList) -> tuple[int, float]:
        """How many regions are decided, and the share in [0, 1] of the regions' volume that these hold."""
        total = sum(one.volume_ml for one in regions.regions)
        cleared = sum(one.volume_ml for one in regions.regions if one.number in self.decisions)
        return len(self.decisions), cleared / total if total else 1.0

    def write(self, path: Path) -> None:
        """Write review.json.

        Raises:
            StorageError: it could not be written.
        """
        write_json_atomic(path, {"schema_version": SCHEMA_VERSION, **asdict(self)})

    @staticmethod
    def read(path: Path, regions: RegionList) -> Review:
        """Read review.json; where there is none, or one of other regions, nothing is decided yet.

        Raises:
            JobError: it is damaged or of another version.
        """
        if not path.is_file():
            return Review.of(regions)
        content = read_json(path)
        try:
            version = content.pop("schema_version")
            if version != SCHEMA_VERSION:
                raise ValueError(f"schema version {version!r}, expected {SCHEMA_VERSION}")
            decisions = {int(number): Decision(**one) for number, one in content.pop("decisions").items()}
            review = Review(decisions=decisions, **content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JobError(f"'{path}' cannot be read ({error}); remove it to review the case anew.") from error
        return review if review.regions_created == regions.created else Review.of(regions)
