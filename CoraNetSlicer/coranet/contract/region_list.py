"""The uncertain regions of a segmented case, as regions.json holds them: what is known of them without their voxels."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from .axis_order import AxisOrder
from .codec import from_json, to_json
from .errors import DataError, JobError
from .files import read_json, write_json_atomic

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Region:
    """One connected region in which the conservative and the radical head name a certain pair of labels.

    Attributes:
        number: from 1, the first one to visit first; the voxel value in regions.nrrd.
        conservative, radical: label values that the two heads name there; 0 is background. Of a region that smaller
            ones were joined to, those of most of its voxels.
        voxels: how many.
        volume_ml: their volume.
        bounds_ijk: first and last voxel along i, j and k, both inside.
        extent_mm: length of the box around it along i, j and k.
        center_ijk: the point of a place; of an object or a block the voxel that is nearest to its centre of mass.
        center_lps_mm: where that voxel lies: left, posterior, superior, in mm (DICOM's axes, those of NRRD and NIfTI
            readers of ITK; RAS of Slicer has the first two with the other sign).
        mean_uncertainty, peak_uncertainty: of the uncertainty map, in [0, 1].
        surface_share: share of the result's surface of `label_values` (faces, by their area in mm², between two voxels
            of different labels, one of which is in question) that touches a voxel of the region, in [0, 1].
        changes_ml: by head ("conservative", "radical"), by label value: how the volume of that class would change if
            the whole region got what the head names, against the result. Background is left out.
        expected_effect_ml: the expected size of the change in mL; what blocks are ranked by. Of others, as
            `expected_wrong_ml`.
        kind: "place", a ball on the surface of the result; "object", a whole one; "block", a piece of the uncertain
            region, which is all that earlier versions had.
        radius_mm: of the ball or disc of a place, or of the ball around an object; 0: a block has none.
        slice_axis: across which axis (0: i) a place is a disc in one slice; None: it is a ball, or no place.
        expected_wrong_ml: volume that is expected to be wrong there, without what earlier places hold.
        where: in words, where it lies in its structure; "" where that is not known.
    """

    number: int
    conservative: int
    radical: int
    voxels: int
    volume_ml: float
    bounds_ijk: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    extent_mm: tuple[float, float, float]
    center_ijk: tuple[int, int, int]
    center_lps_mm: tuple[float, float, float]
    mean_uncertainty: float
    peak_uncertainty: float
    surface_share: float
    changes_ml: Mapping[str, Mapping[int, float]]
    expected_effect_ml: float
    kind: str = "block"
    radius_mm: float = 0.0
    expected_wrong_ml: float = 0.0
    where: str = ""
    slice_axis: Optional[int] = None

    @property
    def label_values(self) -> tuple[int, ...]:
        """The foreground labels that are in question, the smaller value first."""
        return tuple(sorted({self.conservative, self.radical} - {0}))


@dataclass(frozen=True)
class RegionList:
    """All regions of a case, and how they were made.

    Attributes:
        case: its name.
        caution: where the dial stood.
        smallest_ml: places hold no less; blocks of less were joined to a neighbour, or left out where they had none.
        uncertain_ml: volume of all voxels where the two heads name different labels.
        left_out_ml: volume of those that are in no region, because they are too few in one place.
        created: seconds since 1970; a review belongs to the regions of that moment.
        regions: in the order of their numbers 1, 2, ...
        largest_ml: what was more was cut into pieces, so that no decision concerns more; 0: nothing was cut.
        left_ml: volume that is expected to be wrong outside of all regions; None: not known, regions are blocks.
    """

    case: str
    caution: float
    smallest_ml: float
    uncertain_ml: float
    left_out_ml: float
    created: float
    regions: tuple[Region, ...] = field(default_factory=tuple)
    largest_ml: float = 0.0
    left_ml: Optional[float] = None

    def expected_left_ml(self, decided: Collection[int]) -> Optional[float]:
        """Volume that is expected to stay wrong if a person stops now; None: not known, regions are blocks.

        Args:
            decided: numbers of the regions that are decided.
        """
        if self.left_ml is None:
            return None
        return self.left_ml + sum(region.expected_wrong_ml for region in self.regions if region.number not in decided)

    def region(self, number: int) -> Region:
        """The region with a number, which may be one of numpy's.

        Raises:
            DataError: there is none.
        """
        at = operator.index(number) if hasattr(number, "__index__") else 0
        if not 1 <= at <= len(self.regions):
            raise DataError(
                f"'{self.case}' has the regions 1 to {len(self.regions)}, not {number!r}; choose one of them."
            )
        return self.regions[at - 1]

    def in_order(self, order: AxisOrder, size_ijk: Sequence[int]) -> RegionList:
        """The same regions in the indices of a grid that holds the voxels in another order.

        Args:
            order: how the voxels of the grid that the regions are in become those of the other.
            size_ijk: of the grid that the regions are in.
        """
        if order.changes_nothing:
            return self
        return replace(self, regions=tuple(_in_order(region, order, size_ijk) for region in self.regions))

    def write(self, path: Path) -> None:
        """Write regions.json.

        Raises:
            StorageError: it could not be written.
        """
        write_json_atomic(path, self.to_dict())

    @staticmethod
    def read(path: Path) -> RegionList:
        """Read regions.json.

        Raises:
            JobError: it is missing, damaged, or of another version.
        """
        return RegionList.from_dict(read_json(path), path)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; the inverse of `from_dict`."""
        return {"schema_version": SCHEMA_VERSION, **to_json(self)}

    @staticmethod
    def from_dict(content: Any, source: str | Path) -> RegionList:
        """Build from what JSON holds.

        Args:
            content: what `to_dict` gives.
            source: where it is from, for error messages.

        Raises:
            JobError: it is damaged, or of another version.
        """
        try:
            content = dict(content)
            version = content.pop("schema_version")
            if version != SCHEMA_VERSION:
                raise ValueError(f"schema version {version!r}, expected {SCHEMA_VERSION}")
            regions = from_json(RegionList, content)
            if [region.number for region in regions.regions] != list(range(1, len(regions.regions) + 1)):
                raise ValueError("the numbers of its regions are not 1, 2, ...")
            return regions
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JobError(
                f"'{source}' cannot be read ({error}); run 'coranet regions' on its folder again."
            ) from error


def _in_order(region: Region, order: AxisOrder, size_ijk: Sequence[int]) -> Region:
    ends = [order.index_of([bounds[end] for bounds in region.bounds_ijk], size_ijk) for end in (0, 1)]
    along_i, along_j, along_k = ((min(start, end), max(start, end)) for start, end in zip(*ends, strict=False))
    width, height, depth = (region.extent_mm[axis] for axis in order.axes)
    center = order.index_of(region.center_ijk, size_ijk)
    return replace(
        region, bounds_ijk=(along_i, along_j, along_k), extent_mm=(width, height, depth), center_ijk=center,
        slice_axis=None if region.slice_axis is None else order.axis_of(region.slice_axis),
    )  # fmt: skip
