"""Which scan it is: a hash of its voxels in an order that no file format, no compression and no file name has a say in.

Both sides of a job compute it, each from what its own reader gave it. Arrays come in by argument and are used by their
methods alone, so that this needs no library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Optional

from .axis_order import AxisOrder
from .codec import from_json, to_json
from .errors import JobError

# Directions come from text, or from numbers of half the digits: what is nearer to each other than this is a tie.
_DIGITS = 5
_HEX_DIGITS = 32


@dataclass(frozen=True)
class ScanIdentity:
    """What a scan is known by.

    Attributes:
        voxels: `voxel_hash`.
        size_ijk: number of voxels along i, j, k of the file that was read.
        spacing_mm: distance of voxel centres along i, j, k.
        more_voxels: `voxel_hash` of the images of the second channel and those after it, as their files have them; ()
            where there are none, and where an earlier version has not looked.
    """

    voxels: str
    size_ijk: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    more_voxels: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """The hashes of all images."""
        return (self.voxels, *self.more_voxels)

    def is_same(self, other: ScanIdentity) -> bool:
        """Whether all images that both know of are the same."""
        more = zip(self.more_voxels, other.more_voxels, strict=False)
        return self.voxels == other.voxels and all(own == others for own, others in more)

    def __str__(self) -> str:
        size = " x ".join(str(count) for count in self.size_ijk)
        spacing = " x ".join(f"{part:.4g}" for part in self.spacing_mm)
        return f"{size} voxels of {spacing} mm"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; what few scans have is left out where there is none."""
        return {key: value for key, value in to_json(self).items() if value or key != "more_voxels"}

    @staticmethod
    def from_dict(content: Optional[Mapping[str, Any]], source: Any = "a result") -> Optional[ScanIdentity]:
        """The inverse of `to_dict`; None where there is none, as in what earlier versions wrote.

        Raises:
            JobError: it is there, and cannot be read.
        """
        if content is None:
            return None
        try:
            return from_json(ScanIdentity, content)
        except ValueError as error:
            raise JobError(f"'{source}' does not describe its scan ({error!r}); segment the scan again.") from error


def voxel_hash(voxels: Any, direction: Sequence[float], ascends: Sequence[bool] = (True, True, True)) -> str:
    """A hash of a scan's voxels by where they lie in the world, 32 hexadecimal digits.

    It is the same for the same intensities at the same places: whatever the file format, the compression, the voxel
    type (as float32 holds the value) and the order in which the file stores its axes.

    Args:
        voxels: numpy array (k, j, i), any scalar type.
        direction: row-major 3 x 3, lengths do not matter; its columns are the directions of i, j, k.
        ascends: whether the three axes of the world that `direction` is given in point to the left, to the back and
            up. The engine's do; of Slicer's, the first two point the other way.
    """
    steps = hash_steps(voxels, direction, ascends)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return str(end.value)


def hash_steps(
    voxels: Any, direction: Sequence[float], ascends: Sequence[bool] = (True, True, True)
) -> Generator[None, None, str]:
    """What `voxel_hash` does, in steps: stops after each plane of voxels, and returns the hash at the end."""
    ordered = in_world_order(voxels, direction, ascends)
    digest = hashlib.blake2b(repr(tuple(int(count) for count in ordered.shape)).encode("ascii"), digest_size=16)
    for plane in ordered:
        # Plus 0: of the two zeros one is enough.
        digest.update((plane.astype("<f4", order="C") + 0).data)
        yield
    return digest.hexdigest()[:_HEX_DIGITS]


def in_world_order(voxels: Any, direction: Sequence[float], ascends: Sequence[bool] = (True, True, True)) -> Any:
    """A scan with its axes in the order up, back, left, each as near to its axis of the world as can be; a view.

    Arguments as of `voxel_hash`. Where two orders are equally near, as in a scan that is turned by 45 degrees, the
    first of them in the order of the file's axes is taken.
    """
    rows = [[float(part) for part in direction[start : start + 3]] for start in (0, 3, 6)]
    lengths = [sum(row[column] ** 2 for row in rows) ** 0.5 or 1.0 for column in range(3)]

    def nearness(axes: tuple[int, ...]) -> float:
        return round(sum(abs(rows[row][axis]) / lengths[axis] for row, axis in enumerate(axes)), _DIGITS)

    axes = max(((i, j, k) for i, j, k in permutations(range(3))), key=nearness)
    reverses = [(rows[row][axis] >= 0) != ascends[row] for row, axis in enumerate(axes)]
    return AxisOrder(axes, (reverses[0], reverses[1], reverses[2])).applied(voxels)
